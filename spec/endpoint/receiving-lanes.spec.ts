import { expect } from 'chai';
import type { Attach } from '../../lib/imxp/operation.js';
import { dataFor, scripted } from '../support/scripted-endpoint.js';
import { dialect, type ScriptedChannel, type ScriptedRelay } from '../support/scripted-relay.js';

const WHOLE = '*@slate.example';
const OTHER = '*@rubble.com';
const JOE = 'joe@slate.example';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
const payloadFor = (recipient: string) => dialect.encodeData(dataFor([recipient]));
/** What is asked on the channels that are made from now on. */
function watch(relay: ScriptedRelay): string[] {
  const asked: string[] = [];
  relay.auto = (operation) => {
    asked.push(operation.type === 'attach' ? `attach ${operation.endpoint}` : operation.type);
    return undefined;
  };
  return asked;
}

describe('endpoint: receiving lanes of a program for a whole domain', () => {
  it('attaches on further channels, without taking the domain from anybody, and for each domain on all of them', async () => {
    const { relay, fred } = await scripted({ override: true });
    const attaches: Attach[] = [];
    relay.auto = (operation) => {
      if (operation.type === 'attach') attaches.push(operation);
      return undefined;
    };
    await fred.attach(WHOLE);
    expect(relay.lanes).to.have.length(7);
    expect(attaches.map(({ endpoint, options }) => [endpoint, options.length])).to.deep.equal(
      relay.lanes.map(() => [WHOLE, 0]),
    );
    await fred.attach(OTHER);
    expect(relay.lanes).to.have.length(7);
    expect(attaches.slice(7).map(({ endpoint }) => endpoint)).to.deep.equal(relay.lanes.map(() => OTHER));
    await fred.close();
  });

  it('opens none for a single endpoint, nor where limits.receivingLanes is 1', async () => {
    const { relay, fred } = await scripted({ limits: { receivingLanes: 1 } });
    await fred.attach(WHOLE);
    await fred.attach('fred/appl=x@example.com');
    expect(relay.lanes).to.have.length(0);
    await fred.close();
    const many = await scripted();
    await many.fred.attach('fred/appl=x@example.com');
    expect(many.relay.lanes).to.have.length(0);
    await many.fred.close();
  });

  it('keeps to its own channel where the relay refuses another attach, as older ones do, and asks no more', async () => {
    const { relay, fred } = await scripted();
    relay.auto = () => ({ code: 554, text: 'attached already' });
    await fred.attach(WHOLE);
    expect(relay.lanes.map(({ open }) => open)).to.deep.equal(Array(7).fill(false));
    await fred.attach(OTHER);
    expect(relay.lanes).to.have.length(7);
    const inbox: string[] = [];
    fred.receive(({ recipients }) => {
      inbox.push(...recipients);
    });
    relay.channel.send(payloadFor(JOE));
    await turn();
    expect(inbox).to.deep.equal([JOE]);
    await fred.close();
  });

  it('answers each delivery on the channel that it came by, and opens one more while half of them wait', async () => {
    const { relay, fred } = await scripted();
    await fred.attach(WHOLE);
    const answers: (() => void)[] = [];
    fred.receive(() => new Promise<void>((resolve) => answers.push(resolve)));
    const busy = relay.lanes.slice(0, 4);
    for (const lane of busy) lane.send(payloadFor(JOE));
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect(relay.lanes.length).to.be.greaterThan(7);
    for (const answer of answers) answer();
    await turn();
    expect(busy.map(({ order }: ScriptedChannel) => order)).to.deep.equal(busy.map(() => [1]));
    await fred.close();
  });

  it('ends its attachment on every channel, and takes the end of one as the end of all', async () => {
    const { relay, fred } = await scripted();
    const asked = watch(relay);
    await fred.attach(WHOLE);
    await fred.terminate(WHOLE);
    expect(asked.filter((what) => what === 'terminate')).to.have.length(7);
    const attaches: Attach[] = [];
    relay.auto = undefined;
    for (const lane of relay.lanes)
      lane.auto = (operation) => {
        if (operation.type === 'attach') attaches.push(operation);
        return undefined;
      };
    await fred.attach(WHOLE);
    const ended: string[] = [];
    fred.on('terminate', (address) => ended.push(address));
    for (const lane of relay.lanes)
      lane.send(
        dialect.encode({ type: 'terminate', transID: attaches[0]?.transID ?? 0, code: 556, text: 'overridden' }),
      );
    expect(ended).to.deep.equal([WHOLE]);
    expect(relay.lanes.map(({ answers }) => answers.get(1)?.type)).to.deep.equal(relay.lanes.map(() => 'ok'));
    await fred.close();
  });
});
