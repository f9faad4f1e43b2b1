import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { openedPresence, securedPresence } from '../../lib/endpoint/secure-presence.js';
import { LocalError } from '../../lib/errors.js';
import type { Presence } from '../../lib/imxp/vocabulary/presence.js';
import { authority, BARNEY, barney, FRED, fred, secureOf, WILMA, wilma } from '../message/smime/people.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';

const BETTY = 'betty@rubble.com';
const HOUR_MS = 3_600_000;

describe('presence that its publisher signed or encrypted', function () {
  this.timeout(60_000);
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start();
    // The relay of rubble.com reaches example.com over the link that this opens.
    const [sender, receiver] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
    receiver.receive(() => {});
    await sender.send({ to: BARNEY, content: 'Yabba' });
    await mesh.leave();
  });
  afterEach(() => mesh.leave());
  after(() => mesh.close());

  const people = [fred, barney, wilma].map(({ certificate }) => certificate);
  const authorities = authority.certificate;
  const keys = { [FRED]: fred, [BARNEY]: barney, [WILMA]: wilma };
  async function attach(address: keyof typeof keys | typeof BETTY): Promise<Endpoint> {
    const own = address === BETTY ? {} : { certificate: keys[address].certificate, key: keys[address].key };
    return mesh.attach(address, { secure: { ...own, authorities, people } });
  }
  const tuple = (ms = HOUR_MS, info = '') => {
    return { destination: `im:${FRED}`, availableUntil: new Date(Math.floor(Date.now() / 1000) * 1000 + ms), info };
  };

  it('REQ-IMPP-038 REQ-IMPP-057 REQ-IMPP-059 REQ-IMPP-061 is passed on as it is, and verified by whoever sees it', async () => {
    const publisher = await attach(FRED);
    await publisher.access.allow('*@*', ['presence:subscribe', 'core:data']);
    await publisher.presence.publish({ tuples: [tuple()], info: 'http://example.com/' }, { sign: true });
    const watcher = await attach(BARNEY);
    const polled = await watcher.presence.poll(FRED);
    expect([polled.signed?.valid, polled.signed?.by, polled.encrypted]).to.deep.equal([true, FRED, undefined]);
    expect([polled.open, polled.info]).to.deep.equal([true, 'http://example.com/']);
    // As often as it is asked for: presence is state and no message.
    expect((await watcher.presence.poll(FRED)).signed?.valid).to.equal(true);
    const feed = (await watcher.presence.subscribe(FRED))[Symbol.asyncIterator]();
    expect((await feed.next()).value?.signed?.valid).to.equal(true);
    await publisher.presence.publish({ tuples: [tuple(-HOUR_MS)] }, { sign: true });
    const { value } = await feed.next();
    expect([value?.open, value?.signed?.valid]).to.deep.equal([false, true]);
    await publisher.presence.publish({ tuples: [tuple()] });
    expect((await feed.next()).value?.signed).to.equal(undefined);
    await feed.return?.();
  });

  it('REQ-IMPP-054 is read by those alone for whom it was encrypted, in each view by others', async () => {
    const publisher = await attach(FRED);
    await publisher.access.set([
      { actor: FRED, actions: ['all:all'] },
      { actor: BARNEY, actions: ['core:data', 'presence:as-work'] },
      { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
    ]);
    const seal = { sign: true, encryptFor: [WILMA] };
    await publisher.presence.publish({ tuples: [tuple(HOUR_MS, 'http://example.com/home')] }, seal);
    const work = { publisher: 'fred/work@example.com', sign: true, encryptFor: [BARNEY] };
    await publisher.presence.publish({ tuples: [tuple(2 * HOUR_MS, 'http://example.com/work')] }, work);
    for (const [reader, info] of [
      [WILMA, 'http://example.com/home'],
      [BARNEY, 'http://example.com/work'],
    ] as const) {
      const seen = await (await attach(reader)).presence.poll(FRED);
      expect([seen.encrypted, seen.signed?.valid, seen.open, seen.tuples[0]?.info], reader).to.deep.equal([
        true,
        true,
        true,
        info,
      ]);
    }
    const other = await (await attach(BETTY)).presence.poll(FRED);
    expect([other.encrypted, other.open, other.tuples.map(({ destination }) => destination)]).to.deep.equal([
      true,
      false,
      [`pres:${FRED}`],
    ]);
    expect(JSON.stringify(other)).to.not.include('home');
  });

  it('ends a feed with the error when a known certificate cannot be read, and the endpoint goes on', async () => {
    const fault = new LocalError('CONFIGURATION', 'known certificates fred@example.com.crt: permission denied');
    let readable = true;
    const known = {
      find: () => {
        if (!readable) throw fault;
        return [];
      },
      learn: () => true,
    };
    const publisher = await attach(FRED);
    await publisher.access.allow('*@*', ['presence:subscribe', 'core:data']);
    await publisher.presence.publish({ tuples: [tuple()] }, { sign: true });
    const watcher = await mesh.attach(BETTY, { secure: { authorities, known } });
    const feed = (await watcher.presence.subscribe(FRED))[Symbol.asyncIterator]();
    expect((await feed.next()).value?.signed?.valid).to.equal(true);
    readable = false;
    await publisher.presence.publish({ tuples: [tuple(2 * HOUR_MS)] }, { sign: true });
    expect(await failureOf(feed.next())).to.equal(fault);
    expect(await failureOf(watcher.presence.poll(FRED))).to.equal(fault);
    readable = true;
    expect((await watcher.presence.poll(FRED)).signed?.valid).to.equal(true);
  });

  describe('is reported as not valid', () => {
    const entry: Presence = {
      publisher: FRED,
      lastUpdate: Date.now(),
      publisherInfo: '',
      tuples: [{ destination: `im:${FRED}`, availableUntil: '2030-01-01T00:00:00Z', tupleInfo: '', capabilities: [] }],
    };
    const signed = securedPresence(entry, { sign: true }, secureOf(fred));
    const thought = (shown: Presence) => openedPresence(shown, secureOf(barney))?.signed?.reason;

    it('REQ-IMPP-057 REQ-IMPP-059 when a service shows something else', () => {
      expect(thought(signed)).to.equal(undefined);
      const [tuple] = signed.tuples;
      if (tuple === undefined) throw new Error('no tuple');
      expect(thought({ ...signed, tuples: [{ ...tuple, availableUntil: '2031-01-01T00:00:00Z' }] })).to.equal(
        'altered',
      );
      expect(thought({ ...signed, tuples: [tuple, { ...tuple, destination: 'im:x@example.com' }] })).to.equal(
        'altered',
      );
      expect(thought({ ...signed, publisherInfo: 'http://example.com/' })).to.equal('altered');
    });

    it('REQ-IMPP-061 when somebody else signed it, or it is that of another entry', () => {
      expect(thought({ ...signed, publisher: WILMA })).to.equal('other sender');
      const byWilma = securedPresence({ ...entry, publisher: WILMA }, { sign: true }, secureOf(wilma));
      expect(thought({ ...byWilma, publisher: FRED })).to.equal('other sender');
      expect(thought({ ...signed, lastUpdate: Date.now() + HOUR_MS })).to.equal('stale');
    });

    it('and the entry stands where the document cannot be read', () => {
      const broken = { attributes: [], elements: ["<s:secured xmlns:s='urn:x-imxp:secured'>AAAA</s:secured>"] };
      const { signed: none, presence } = openedPresence({ ...entry, extension: broken }, secureOf(barney)) ?? {};
      expect([none, presence]).to.deep.equal([undefined, undefined]);
      const other = { attributes: [], elements: ["<s:secured xmlns:s='urn:example:other'>AAAA</s:secured>"] };
      expect(openedPresence({ ...entry, extension: other }, secureOf(barney))).to.equal(undefined);
    });
  });
});
