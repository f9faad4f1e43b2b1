import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';
const BETTY = 'betty@rubble.com';

const ACCESS = {
  initial: [
    { actor: 'owner', actions: ['all:all'] },
    { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
  ],
};

describe('endpoint: services at real relays, asked in APEX', function () {
  this.slow(3000);
  let mesh: LocalMesh;
  const apex = (address: string): Promise<Endpoint> => mesh.attach(address, { dialect: 'apex' });

  before(async () => {
    mesh = await LocalMesh.start({ config: { access: ACCESS } });
    const fred = await mesh.attach(FRED);
    // rubble.com has no way to example.com until that has bound
    await fred.ping(BARNEY);
    await mesh.leave();
  });
  afterEach(() => mesh.leave());
  after(() => mesh.close());

  it('REQ-ACC-013 REQ-ACC-014 queries access entries, sets them one by one, and sees them in IMXP', async () => {
    const fred = await apex(FRED);
    const { access } = fred;
    expect(await access.query(BARNEY, ['core:data', 'presence:subscribe'])).to.equal(true);
    expect(await access.query(BARNEY, ['presence:watch'])).to.equal(false);
    expect(await access.entry(BARNEY)).to.equal(undefined);
    await access.allow(BARNEY, ['presence:watch']);
    expect((await access.entry(BARNEY))?.actions).to.have.members([
      'core:data',
      'presence:subscribe',
      'presence:watch',
    ]);
    await access.deny(BARNEY, ['core:data']);
    expect(await access.query(BARNEY, ['core:data'])).to.equal(false);
    await access.put('*@*.slate.example', []);
    expect(await access.query('mrslate@pit.slate.example', ['core:data'])).to.equal(false);
    await access.allow('*@pit.slate.example', ['core:data']);
    expect((await access.entry('*@pit.slate.example'))?.actions, 'what was granted before stays').to.deep.equal([
      'core:data',
    ]);
    await access.remove('*@*.slate.example');
    expect(await access.entry('*@*.slate.example')).to.equal(undefined);
    expect(await access.query('mrslate@slate.example', ['core:data'])).to.equal(true);
    await mesh.leave();

    const again = await mesh.attach(FRED);
    const { entries } = await again.access.get();
    expect(entries.map(({ actor }) => actor)).to.deep.equal([
      FRED,
      BARNEY,
      'barney/*@rubble.com',
      '*@pit.slate.example',
      '*@*',
    ]);
    expect(await again.access.query(BARNEY, ['core:data'])).to.equal(false);
    await again.access.put(BARNEY, ['core:data']);
    expect((await again.access.entry(BARNEY))?.actions).to.deep.equal(['core:data']);
    for (const actor of ['*@pit.slate.example', BARNEY]) await again.access.remove(actor);
    expect((await again.access.get()).entries.map(({ actor }) => actor)).to.deep.equal([FRED, '*@*']);
  });

  it('REQ-ACC-015 tells the owner of changes by others, and not of the owner’s own', async () => {
    const [fred, wilma] = await Promise.all([apex(FRED), apex(WILMA)]);
    await fred.access.allow(WILMA, ['access:all']);
    await wilma.access.put(BETTY, ['core:data'], { owner: FRED });
    const heard: string[] = [];
    for await (const delivery of fred) {
      heard.push(`${delivery.originator} ${delivery.text()}`);
      break;
    }
    expect(heard[0]).to.match(
      /^apex=access@example\.com <set transID='\d+'><access owner='fred@example.com' actor='betty@rubble.com' actions='core:data' lastUpdate='.*-00:00' \/><\/set>$/,
    );
    expect(
      (await failureOf(wilma.access.query(BETTY, ['core:data'], { owner: 'nobody@example.com' }))).reply?.code,
    ).to.equal(550);
    expect((await failureOf(wilma.access.entry(BETTY, { owner: BARNEY }))).reply?.code).to.equal(537);
  });

  it('REQ-PRES-014 lets a publisher and a subscriber of different dialects see each other across domains', async () => {
    for (const [publisher, subscriber] of [
      [await apex(FRED), await mesh.attach(BARNEY)],
      [await mesh.attach(WILMA), await apex(BETTY)],
    ] as const) {
      const [who = ''] = publisher.addresses;
      const [subscribed = ''] = subscriber.addresses;
      const seen = await subscriber.presence.subscribe(who);
      const items = seen[Symbol.asyncIterator]();
      expect((await items.next()).value?.open).to.equal(false);
      const availableUntil = new Date(Math.ceil(Date.now() / 1000) * 1000 + 3_600_000);
      const capabilities = [{ baseline: 'rfc2533', text: '(charset=utf-8)' }];
      await publisher.presence.publish({ tuples: [{ destination: `im:${who}`, availableUntil, capabilities }] });
      const info = (await items.next()).value;
      expect(info?.open).to.equal(true);
      expect(info?.tuples[0]?.availableUntil).to.deep.equal(availableUntil);
      expect(info?.tuples[0]?.capabilities[0]?.baseline).to.match(/^(?:urn:ietf:rfc:)?rfc2533$/);
      expect(await publisher.presence.who(who)).to.deep.equal([subscribed]);
      expect((await publisher.presence.poll(who)).open).to.equal(true);
      await seen.end();
    }
  });

  it('REQ-PRES-014 tells a watcher in APEX the duration and the end of a subscription', async () => {
    const [fred, barney] = await Promise.all([apex(FRED), mesh.attach(BARNEY)]);
    const notices = (await fred.presence.subscriptions(FRED))[Symbol.asyncIterator]();
    const feed = await barney.presence.subscribe(FRED, { duration: 600 });
    expect((await notices.next()).value).to.deep.equal({ subscriber: BARNEY, action: 'subscribe', duration: 600 });
    await feed.end();
    expect((await notices.next()).value).to.deep.equal({ subscriber: BARNEY, action: 'terminate', duration: 0 });
  });

  it('sends reports from apex=report to those who asked in APEX, and from imxp=report to others', async () => {
    const [fred, barney, wilma] = await Promise.all([apex(FRED), mesh.attach(BARNEY), mesh.attach(WILMA)]);
    for (const one of [fred, barney, wilma]) one.receive(() => {});
    for (const one of [fred, wilma]) {
      const { code, reports } = await one.status({ to: BARNEY, content: 'hi' }, { targetHop: 'all' });
      expect(code).to.equal(250);
      expect(reports.map(({ relay }) => relay)).to.deep.equal(['example.com', 'rubble.com']);
      expect(reports.flatMap(({ recipients }) => recipients)).to.deep.include({
        identity: BARNEY,
        code: 250,
        text: '',
      });
    }
  });
});
