import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';
import { Middleman } from '../support/middleman.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const BETTY = 'betty@rubble.com';

/** What RFC 2779 asks for that takes more than one part of this program. */
describe('RFC 2779 at real relays', function () {
  this.slow(3000);
  let mesh: LocalMesh;
  let fred: Endpoint;
  let barney: Endpoint;

  before(async () => {
    mesh = await LocalMesh.start();
  });
  beforeEach(async () => {
    [fred, barney] = await Promise.all([mesh.attach(FRED), mesh.attach(BARNEY)]);
    for (const one of [fred, barney]) one.receive(() => {});
    // rubble.com has no way to example.com until that has bound
    await fred.ping(BARNEY);
    await fred.access.set([
      { actor: FRED, actions: ['all:all'] },
      { actor: '*@*', actions: ['core:data'] },
    ]);
  });
  afterEach(() => mesh.leave());
  after(() => mesh.close());

  const refusal = async (done: Promise<unknown>): Promise<number | undefined> => (await failureOf(done)).reply?.code;

  it('REQ-IMPP-001 REQ-IMPP-002 REQ-IMPP-003 one name for inbox and presence, either without the other', async () => {
    await fred.access.put(BARNEY, ['presence:subscribe']);
    expect((await barney.presence.poll(FRED)).publisher).to.equal(FRED);
    expect(await refusal(barney.send({ to: FRED, content: 'hi' }))).to.equal(537);
    await fred.access.put(BARNEY, ['core:data']);
    expect(await refusal(barney.presence.poll(FRED))).to.equal(537);
    await barney.send({ to: FRED, content: 'hi' });
    await fred.access.put(BARNEY, ['core:data', 'presence:subscribe']);
    expect((await barney.presence.poll(FRED)).publisher).to.equal(FRED);
    await barney.send({ to: FRED, content: 'hi' });
  });

  it('REQ-IMPP-012 REQ-IMPP-023 fetching, subscribing and refusing go on while the presentity is out of contact', async () => {
    const betty = await mesh.attach(BETTY);
    await fred.access.put(BARNEY, ['presence:subscribe']);
    const availableUntil = new Date(Date.now() + 3_600_000);
    await fred.presence.publish({ tuples: [{ destination: `im:${FRED}`, availableUntil }] });
    await fred.close();
    expect((await barney.presence.poll(FRED)).open).to.equal(true);
    const seen = await barney.presence.subscribe(FRED);
    expect((await seen[Symbol.asyncIterator]().next()).value?.open).to.equal(true);
    expect(await refusal(betty.presence.poll(FRED))).to.equal(537);
    await seen.end();
  });

  it('REQ-IMPP-039 REQ-IMPP-048 who subscribes is told to those whom the presentity lets watch', async () => {
    const betty = await mesh.attach(BETTY);
    await fred.access.put(BARNEY, ['presence:subscribe']);
    const seen = await barney.presence.subscribe(FRED);
    expect(await fred.presence.who(FRED)).to.deep.equal([BARNEY]);
    expect(await refusal(betty.presence.who(FRED))).to.equal(537);
    await seen.end();
  });

  it('REQ-IMPP-065 a message is replied to by another one', async () => {
    const wilma = await mesh.attach('wilma@example.com');
    const betty = await mesh.attach(BETTY);
    const asked = wilma.send({ to: BETTY, content: { message: { subject: 'Bridge', text: 'Tonight?' } } });
    for await (const delivery of betty) {
      const answered = betty.send({ to: delivery.originator, content: `Re: ${delivery.message?.subject}` });
      for await (const reply of wilma) {
        expect([reply.originator, reply.text()]).to.deep.equal([BETTY, 'Re: Bridge']);
        break;
      }
      await answered;
      break;
    }
    await asked;
  });

  it('REQ-IMPP-071 messages, subscriptions and notifications go through the relays of both domains', async () => {
    const { reports } = await fred.trace(BARNEY);
    expect(reports.map(({ relay }) => relay)).to.deep.equal(['example.com', 'rubble.com']);
    await fred.access.put(BARNEY, ['core:data', 'presence:subscribe']);
    const seen = await barney.presence.subscribe(FRED);
    const availableUntil = new Date(Date.now() + 3_600_000);
    await fred.presence.publish({ tuples: [{ destination: `im:${FRED}`, availableUntil }] });
    for await (const { open } of seen) if (open) break;
    await barney.send({ to: FRED, content: 'hi' });
    await seen.end();
  });

  it('REQ-IMPP-072 a short message costs a few hundred octets and one round trip', async () => {
    let down = '';
    const port = Number(new URL(mesh.url('example.com')).port);
    const man = await Middleman.between(port, {
      down: (octets) => {
        down += octets.toString('latin1');
        return octets;
      },
    });
    const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;
    const MESSAGES = 50;
    try {
      const wilma = await mesh.attach('wilma@example.com', { relay: man.url });
      await wilma.send({ to: BARNEY, content: 'Yabba dabba' });
      const text = 'Bowling at 8, Barney';
      for (const [content, most] of [
        [text, 800],
        [{ xml: `<note>${text}</note>` }, 350],
      ] as const) {
        const [asked, answered] = [man.heard.length, down.length];
        for (let n = 0; n < MESSAGES; n += 1) await wilma.send({ to: BARNEY, content });
        const up = man.heard.slice(asked);
        const back = down.slice(answered);
        expect(count(up, /^MSG /gm), 'requests').to.equal(MESSAGES);
        expect(count(back, /^RPY /gm), 'answers').to.equal(MESSAGES);
        expect(count(back, /^MSG /gm), 'nothing else is asked').to.equal(0);
        expect(up.length / MESSAGES, 'octets to the relay for 20 of text').to.be.within(100, most);
        expect(back.length / MESSAGES, 'octets from it').to.be.within(20, 150);
      }
    } finally {
      man.close();
    }
  });
});
