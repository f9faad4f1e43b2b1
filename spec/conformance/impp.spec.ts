import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { failureOf } from '../support/failure.js';
import { Interceptor } from '../support/interceptor.js';
import { LocalMesh } from '../support/local-mesh.js';

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

  it('REQ-IMPP-001 REQ-IMPP-002 REQ-IMPP-003 uses one name for inbox and presence, or either without the other', async () => {
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

  it('REQ-IMPP-012 REQ-IMPP-023 lets others fetch, subscribe and be refused while the presentity is out of contact', async () => {
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

  it('REQ-IMPP-039 REQ-IMPP-048 tells those whom the presentity lets watch who subscribes', async () => {
    const betty = await mesh.attach(BETTY);
    await fred.access.put(BARNEY, ['presence:subscribe']);
    const seen = await barney.presence.subscribe(FRED);
    expect(await fred.presence.who(FRED)).to.deep.equal([BARNEY]);
    expect(await refusal(betty.presence.who(FRED))).to.equal(537);
    await seen.end();
  });

  it('REQ-IMPP-021 extends an entry by notations that an RFC or the URI of their owner names, and keeps the common fields', async () => {
    await fred.access.put('*@*', ['core:data', 'presence:subscribe']);
    await fred.access.put('wilma@example.com', ['presence:subscribe', 'presence:publish']);
    const media = { baseline: 'rfc2533', text: '(& (type="text/plain") (charset=utf-8))' };
    const own = { baseline: 'bowling-1', text: `<lane number='7'>Fred & friends</lane>` };
    const owned = { baseline: 'http://example.com/bowling#1', text: 'lane 7' };
    const common = {
      destination: `im:${FRED}`,
      availableUntil: new Date('2040-01-01T00:00:00Z'),
      info: 'urn:example:alley:7',
    };
    const seen = (await barney.presence.subscribe(FRED))[Symbol.asyncIterator]();
    await seen.next();
    const change = async (): Promise<unknown> => (await seen.next()).value?.tuples;

    await fred.presence.publish({ tuples: [{ ...common, capabilities: [media, own] }] });
    expect(await change(), 'whatever the notation').to.deep.equal([
      { ...common, open: true, capabilities: [media, own] },
    ]);

    // APEX names each notation by a URI; a reader in IMXP, which has tokens alone, gets the rest of the entry.
    const apexWilma = await mesh.attach('wilma@example.com', { dialect: 'apex' });
    await apexWilma.presence.publish({ tuples: [{ ...common, capabilities: [media, owned] }] }, { publisher: FRED });
    expect(await change(), 'for a reader in IMXP').to.deep.equal([{ ...common, open: true, capabilities: [media] }]);
    expect((await apexWilma.presence.poll(FRED)).tuples, 'for a reader in APEX').to.deep.equal([
      { ...common, open: true, capabilities: [{ ...media, baseline: 'urn:ietf:rfc:rfc2533' }, owned] },
    ]);
  });

  it('REQ-IMPP-021 an entry is extended by elements and attributes of any namespace, in either dialect', async () => {
    await fred.access.put('*@*', ['core:data', 'presence:subscribe']);
    const extension = {
      attributes: [{ name: 'b:lane', namespace: 'urn:example:bowling', value: '7 & 8' }],
      elements: ["<b:score xmlns:b='urn:example:bowling' b:by='fred'>Strike, <i xmlns='urn:x'>ütterly</i></b:score>"],
    };
    const tuple = { destination: `im:${FRED}`, availableUntil: new Date('2040-01-01T00:00:00Z'), extension };
    const seen = (await barney.presence.subscribe(FRED))[Symbol.asyncIterator]();
    await seen.next();
    await fred.presence.publish({ tuples: [tuple], extension });
    const change = (await seen.next()).value;
    expect([change?.extension, change?.tuples[0]?.extension]).to.deep.equal([extension, extension]);
    // What one application does not know it can publish again, which keeps it.
    await fred.presence.publish(({ tuples, extension: present }) => ({ tuples, extension: present, info: 'urn:x' }));
    const again = (await seen.next()).value;
    expect([again?.info, again?.extension, again?.tuples[0]?.extension]).to.deep.equal(['urn:x', extension, extension]);
    const apex = await mesh.attach('wilma@example.com', { dialect: 'apex' });
    const polled = await apex.presence.poll(FRED);
    expect([polled.extension, polled.tuples[0]?.extension]).to.deep.equal([extension, extension]);
    expect(
      (await failureOf(fred.presence.publish({ tuples: [tuple], extension: { ...extension, elements: ['<x'] } }))).code,
    ).to.equal('ARGUMENT');
  });

  it('REQ-IMPP-065 replies to a message by another one', async () => {
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

  it('REQ-IMPP-071 sends messages, subscriptions and notifications through the relays of both domains', async () => {
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

  it('REQ-IMPP-072 spends a few hundred octets and one round trip on a short message', async () => {
    let down = '';
    const port = Number(new URL(mesh.url('example.com')).port);
    const interceptor = await Interceptor.between(port, {
      down: (octets) => {
        down += octets.toString('latin1');
        return octets;
      },
    });
    const count = (text: string, what: RegExp): number => text.match(what)?.length ?? 0;
    const MESSAGES = 50;
    try {
      const wilma = await mesh.attach('wilma@example.com', { relay: interceptor.url });
      await wilma.send({ to: BARNEY, content: 'Yabba dabba' });
      const text = 'Bowling at 8, Barney';
      for (const [content, most] of [
        [text, 800],
        [{ xml: `<note>${text}</note>` }, 350],
      ] as const) {
        const [asked, answered] = [interceptor.fromClients.length, down.length];
        for (let n = 0; n < MESSAGES; n += 1) await wilma.send({ to: BARNEY, content });
        const up = interceptor.fromClients.slice(asked);
        const back = down.slice(answered);
        expect(count(up, /^MSG /gm), 'requests').to.equal(MESSAGES);
        expect(count(back, /^RPY /gm), 'answers').to.equal(MESSAGES);
        expect(count(back, /^MSG /gm), 'nothing else is asked').to.equal(0);
        expect(up.length / MESSAGES, 'octets to the relay for 20 of text').to.be.within(100, most);
        expect(back.length / MESSAGES, 'octets from it').to.be.within(20, 150);
      }
    } finally {
      interceptor.close();
    }
  });

  it('REQ-IMPP-049 REQ-IMPP-057 REQ-IMPP-059 REQ-IMPP-061 lets nobody subscribe or publish in the name of somebody else', async () => {
    const betty = await mesh.attach(BETTY);
    await fred.access.put(BARNEY, ['presence:subscribe']);
    const seen = await barney.presence.subscribe(FRED);
    const before = await fred.presence.poll(FRED);
    const subscribe = { xml: `<subscribe publisher='${FRED}' duration='60' transID='77' />` };
    const stamp = '21 Oct 2000 10:00:00 +0200';
    const publish = {
      xml:
        `<publish publisher='${FRED}' transID='78' timeStamp='${stamp}'><presence publisher='${FRED}' lastUpdate='${stamp}'>` +
        `<tuple destination='im:${BETTY}' availableUntil='1 Jan 2040 00:00:00 +0000' /></presence></publish>`,
    };
    for (const [from, to, content] of [
      [BARNEY, 'imxp=presence@example.com', subscribe],
      [FRED, 'imxp=presence@example.com', publish],
      ['imxp=presence@example.com', BARNEY, publish],
    ] as const) {
      expect(await refusal(betty.send({ from, to, content })), `${from} to ${to}`).to.equal(537);
    }
    expect(await fred.presence.who(FRED)).to.deep.equal([BARNEY]);
    expect(await fred.presence.poll(FRED), 'as it was').to.deep.equal(before);
    await seen.end();
  });

  it('REQ-IMPP-053 REQ-IMPP-058 REQ-IMPP-066 never sends the address of a host to anybody', async () => {
    const told: string[] = [];
    const listening = async (domain: string): Promise<Interceptor> =>
      await Interceptor.between(Number(new URL(mesh.url(domain)).port), {
        down: (octets) => {
          told.push(octets.toString('latin1'));
          return octets;
        },
      });
    const interceptors = await Promise.all([listening('example.com'), listening('rubble.com')]);
    try {
      const [wilma, betty] = await Promise.all([
        mesh.attach('wilma@example.com', { relay: interceptors[0].url }),
        mesh.attach(BETTY, { relay: interceptors[1].url }),
      ]);
      for (const one of [wilma, betty]) one.receive(() => {});
      await wilma.access.put(BETTY, ['core:data', 'presence:subscribe']);
      const seen = await betty.presence.subscribe('wilma@example.com');
      const changes = seen[Symbol.asyncIterator]();
      expect((await changes.next()).value?.open).to.equal(false);
      await wilma.presence.publish({
        tuples: [{ destination: 'im:wilma@example.com', availableUntil: new Date(Date.now() + 3_600_000) }],
      });
      expect((await changes.next()).value?.open).to.equal(true);
      expect(await wilma.presence.who('wilma@example.com')).to.deep.equal([BETTY]);
      await wilma.send({ to: BETTY, content: 'hi' });
      await betty.send({ to: 'wilma@example.com', content: 'hi' });
      await seen.end();
      expect(told.join('')).to.include('availableUntil').and.include(BETTY);
      expect(told.join('')).to.not.match(/127\.0\.0\.1|::1|localhost/);
    } finally {
      for (const interceptor of interceptors) interceptor.close();
    }
  });

  it('REQ-IMPP-028 REQ-IMPP-036 delivers a change of presence as fast as a message', async () => {
    await fred.access.put(BARNEY, ['core:data', 'presence:subscribe']);
    const seen = (await barney.presence.subscribe(FRED))[Symbol.asyncIterator]();
    await seen.next();
    const took = { message: [] as number[], presence: [] as number[] };
    for (let round = 0; round < 15; round += 1) {
      let since = performance.now();
      await barney.send({ to: FRED, content: 'Bowling at 8?' });
      took.message.push(performance.now() - since);
      since = performance.now();
      const changed = seen.next();
      await fred.presence.publish({
        tuples: [{ destination: `im:${FRED}`, availableUntil: new Date(Date.now() + 60_000 * (round + 1)) }],
      });
      await changed;
      took.presence.push(performance.now() - since);
    }
    const median = (all: number[]): number => all.sort((a, b) => a - b)[7] ?? Number.POSITIVE_INFINITY;
    const message = median(took.message);
    // Milliseconds on an idle machine; the limits leave room for a busy one.
    expect(message, 'ms from one domain to the other and back').to.be.below(2000);
    expect(median(took.presence), 'ms from a publish to its notification').to.be.below(5 * message + 200);
  });
});

describe('RFC 2779 under TLS', function () {
  this.slow(3000);

  it('REQ-IMPP-054 hides notifications from an interceptor', async () => {
    const mesh = await LocalMesh.start({ tls: true });
    let crossed = '';
    const interceptor = await Interceptor.between(Number(new URL(mesh.url('rubble.com')).port), {
      down: (octets) => {
        crossed += octets.toString('latin1');
        return octets;
      },
    });
    try {
      const fred = await mesh.attach(FRED);
      const barney = await mesh.attach(BARNEY, { relay: interceptor.url });
      await fred.ping(BARNEY);
      await fred.access.put(BARNEY, ['presence:subscribe']);
      const seen = (await barney.presence.subscribe(FRED))[Symbol.asyncIterator]();
      expect((await seen.next()).value?.publisher).to.equal(FRED);
      expect(crossed, 'the greeting is read').to.include('<greeting');
      for (const text of [crossed, interceptor.fromClients])
        expect(text).to.not.match(/presence|publish|availableUntil|fred/);
    } finally {
      interceptor.close();
      await mesh.close();
    }
  });
});
