import { once } from 'node:events';
import { expect } from 'chai';
import { TransportError } from '../../lib/errors.js';
import { LocalMesh } from '../support/local-mesh.js';
import { BARNEY, dataFor, FRED, scripted } from '../support/scripted-endpoint.js';
import { dialect, ScriptedRelay } from '../support/scripted-relay.js';
import { within } from '../support/within.js';

const WB = 'fred/appl=wb@example.com';
const SOON = { limits: { returnMs: 1 } };
const SECOND = { relay: 'tcp://127.0.0.1:2', preferred: false };
const FIRST = { relay: 'tcp://127.0.0.1:1', preferred: true };
const forFred = dialect.encodeData(dataFor([FRED]));

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** An endpoint at its second choice; the next connection is to the first. */
async function away(options: Parameters<typeof scripted>[0] = {}, obstacles: ScriptedRelay['obstacles'] = []) {
  const relay = new ScriptedRelay();
  relay.place = SECOND;
  const { fred } = await scripted({ ...SOON, ...options }, relay);
  const { channel: old } = relay;
  relay.place = FIRST;
  relay.obstacles.push(...obstacles);
  return { relay, fred, old };
}

describe('endpoint: return to the preferred relay', () => {
  it('moves to the preferred relay as soon as that answers, without a loss', async () => {
    const { relay, fred, old } = await away({}, [new TransportError('CONNECT_FAILED', 'not yet')]);
    const losses: unknown[] = [];
    fred.on('disconnect', (...args) => void losses.push(args));
    expect(await within(5000, once(fred, 'move'), 'moved')).to.deep.equal([FIRST.relay]);
    expect(fred.relay).to.equal(FIRST.relay);
    expect(relay.better).to.deep.equal([SECOND.relay, SECOND.relay]);
    await fred.send({ to: BARNEY, content: 'x' });
    await old.until(() => old.released);
    expect(old.asked).to.have.lengthOf(0);
    await turn();
    expect(relay.channels, 'no further move').to.have.lengthOf(2);
    expect([losses, fred.connected]).to.deep.equal([[], true]);
    await fred.close();
  });

  it('takes all attachments along, gives the answers that it owes, and waits for those that are due', async () => {
    const { relay, fred, old } = await away({ autoAccept: false });
    let pass = (): void => {};
    relay.gate = new Promise((resolve) => (pass = resolve));
    await fred.attach(WB);
    old.auto = undefined;
    const slow = fred.send({ to: BARNEY, content: 'x' });
    old.send(forFred);
    const loop = fred[Symbol.asyncIterator]();
    const { value: first } = await loop.next();
    const moved = once(fred, 'move');
    pass();
    await within(5000, moved, 'moved');
    expect(relay.attached.map((attach) => attach?.endpoint)).to.deep.equal([FRED, FRED]);
    expect(old.released).to.equal(false);
    // Behind the one that waits at the old relay, so that it does not overtake.
    const behind = fred.send({ to: BARNEY, content: 'y' });
    await fred.send({ to: 'wilma@example.com', content: 'z' });
    old.answer();
    await slow;
    await behind;
    await old.until(() => old.asked.length === 2);
    expect(old.asked.map(({ operation }) => operation.type)).to.deep.equal(['terminate', 'terminate']);
    old.answer();
    old.answer();
    await turn();
    expect(old.released, 'a delivery has no answer yet').to.equal(false);
    expect(first?.accept()).to.equal(true);
    await old.until(() => old.released);
    expect(old.answers.get(1)).to.deep.equal({ type: 'ok' });
    relay.channel.send(dialect.encodeData(dataFor([WB])));
    expect((await loop.next()).value?.recipients).to.deep.equal([WB]);
    await fred.close();
    expect(relay.channel.answers.get(1)).to.include({ code: 451 });
  });

  it('stays where it is when the preferred relay does not attach it', async () => {
    const { relay, fred, old } = await away({}, [
      { code: 554, text: 'somebody is attached' },
      { code: 537, text: 'no' },
    ]);
    await within(5000, once(fred, 'move'), 'moved at the third attempt');
    expect(relay.attached).to.have.lengthOf(4);
    await old.until(() => old.released);
    await fred.close();
  });

  it('looks for no other relay when it is at the preferred one, or when it is told not to', async () => {
    const relay = new ScriptedRelay();
    relay.place = FIRST;
    const { fred } = await scripted(SOON, relay);
    const never = await away({ limits: { returnMs: 0 } });
    for (let count = 0; count < 20; count += 1) await turn();
    expect([relay.better, never.relay.better]).to.deep.equal([[], []]);
    await Promise.all([fred.close(), never.fred.close()]);
  });

  it('closes at once while it looks for one', async () => {
    const { relay, fred } = await away({ limits: { returnMs: 1_000_000 } });
    await within(5000, fred.close(), 'closed');
    expect(relay.better).to.deep.equal([]);
  });
});

describe('endpoint: return at real relays', () => {
  let here: LocalMesh;
  let there: LocalMesh;

  before(async () => {
    [here, there] = await Promise.all([LocalMesh.start(), LocalMesh.start()]);
  });

  after(() => Promise.all([here.close(), there.close()]));

  it('uses the second relay while the first is away, and returns when that is back', async () => {
    const [first, second] = [here.url('example.com'), there.url('example.com')];
    await here.stopNode('example.com');
    const fred = await there.attach(FRED, {
      relay: [first, second],
      limits: { returnMs: 50 },
      password: 'rock fred@example.com',
    });
    expect(fred.relay).to.equal(second);
    const moved = once(fred, 'move');
    await here.startNode('example.com');
    expect(await within(20_000, moved, 'moved')).to.deep.equal([first]);
    const text = new Promise((resolve) => fred.receive((delivery) => resolve(delivery.text())));
    await fred.send({ to: FRED, content: 'home again' });
    expect(await text).to.equal('home again');
  }).timeout(30_000);
});
