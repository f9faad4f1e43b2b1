import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';

describe('endpoint/access', () => {
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start();
  });

  beforeEach(async () => {
    const fred = await mesh.attach(FRED);
    await fred.access.set([
      { actor: FRED, actions: ['all:all'] },
      { actor: '*@*', actions: ['core:data'] },
    ]);
    await mesh.leave();
  });

  afterEach(() => mesh.leave());

  after(() => mesh.close());

  it('reads the own list, with the entries that the configuration gives to new accounts', async () => {
    const { owner, lastUpdate, entries } = await (await mesh.attach(WILMA)).access.get();
    expect(owner).to.equal(WILMA);
    expect(Math.abs(lastUpdate.getTime() - Date.now())).to.be.below(60_000);
    expect(entries).to.deep.equal([
      { actor: WILMA, actions: ['all:all'] },
      { actor: '*@*', actions: ['core:data'] },
    ]);
  });

  it('REQ-ACC-003 sets the example of access-01 §3 literally, and leaves fred able to get, set and publish', async () => {
    const fred = await mesh.attach(FRED);
    await fred.access.set([
      { actor: WILMA, actions: ['all:all'] },
      { actor: 'mr.slate@example.com', actions: ['core:data'] },
      { actor: '*@example.com', actions: ['core:data', 'presence:subscribe', 'presence:watch'] },
      { actor: '*@*', actions: ['core:data'] },
    ]);
    const { entries } = await fred.access.get();
    expect(entries).to.have.length(4);
    expect(await fred.access.query(FRED, ['access:set', 'presence:publish'])).to.equal(true);
    const availableUntil = new Date(Date.now() + 60_000);
    await fred.presence.publish({ tuples: [{ destination: 'im:fred@example.com', availableUntil }] });
    const [wilma, barney] = [await mesh.attach(WILMA), await mesh.attach(BARNEY)];
    expect((await wilma.access.get({ owner: FRED })).entries).to.deep.equal(entries);
    await fred.access.set(entries.slice(1));
    expect((await failureOf(wilma.access.get({ owner: FRED }))).reply?.code).to.equal(537);
    fred.receive(() => {});
    await fred.ping(BARNEY);
    await barney.send({ to: FRED, content: 'hi' });
  });

  it('REQ-IMPP-011 REQ-IMPP-070 denies and allows from one Data to the next, for people of another domain too', async () => {
    const fred = await mesh.attach(FRED);
    fred.receive(() => {});
    const barney = await mesh.attach(BARNEY);
    await fred.ping(BARNEY); // rubble.com has no way to example.com until that has bound
    await barney.send({ to: FRED, content: 'hi' });
    await fred.access.deny(BARNEY, ['core:data']);
    expect((await failureOf(barney.send({ to: FRED, content: 'hi' }))).reply).to.deep.equal({
      code: 537,
      text: 'access denied',
    });
    await fred.access.allow(BARNEY, ['core:data']);
    await barney.send({ to: FRED, content: 'hi' });
  });

  for (const dialect of ['imxp', 'apex'] as const) {
    it(`denies the subaddresses of a denied actor as well: ${dialect}`, async () => {
      const fred = await mesh.attach(FRED, { dialect });
      fred.receive(() => {});
      await fred.access.deny(WILMA, ['core:data']);
      const wilma = await mesh.attach('wilma/x@example.com');
      expect((await failureOf(wilma.send({ to: FRED, content: 'hi' }))).reply?.code).to.equal(537);
      await fred.access.allow(WILMA, ['core:data']);
      await wilma.send({ to: FRED, content: 'hi' });
      await fred.access.deny(WILMA);
      await fred.access.remove(WILMA);
      await wilma.send({ to: FRED, content: 'hi' });
    });
  }

  it('lets others read and change the list with the owner’s permission', async () => {
    const fred = await mesh.attach(FRED);
    const wilma = await mesh.attach(WILMA);
    expect((await failureOf(wilma.access.get({ owner: FRED }))).reply?.code).to.equal(537);
    await fred.access.allow(WILMA, ['access:all']);
    await wilma.access.allow(BARNEY, ['presence:watch'], { owner: FRED });
    expect((await fred.access.get()).entries.find(({ actor }) => actor === BARNEY)?.actions).to.deep.equal([
      'core:data',
      'presence:watch',
    ]);
  });

  it('asks the service of the owner’s domain, across the mesh', async () => {
    const fred = await mesh.attach(FRED);
    const barney = await mesh.attach(BARNEY);
    await barney.access.allow(FRED, ['access:get']);
    expect((await fred.access.get({ owner: BARNEY })).owner).to.equal(BARNEY);
    expect((await failureOf(fred.access.allow(FRED, ['core:data'], { owner: BARNEY }))).reply?.code).to.equal(537);
    expect((await failureOf(fred.access.get({ owner: 'nobody@rubble.com' }))).reply?.code).to.equal(550);
  });

  it('loses no change when several are made at the same time', async () => {
    const fred = await mesh.attach(FRED);
    const friends = ['a', 'b', 'c', 'd'].map((name) => `${name}@rubble.com`);
    await Promise.all(friends.map((friend) => fred.access.allow(friend, ['presence:subscribe'])));
    const actors = (await fred.access.get()).entries.map(({ actor }) => actor);
    expect(actors).to.include.members(friends);
  });

  it('does not send what the service would refuse', async () => {
    const fred = await mesh.attach(FRED);
    for (const wrong of [[], [{ actor: 'fred', actions: [] }], [{ actor: FRED, actions: ['send'] }]]) {
      const failure = await failureOf(fred.access.set(wrong));
      expect(failure).to.be.instanceOf(LocalError).and.to.include({ code: 'ARGUMENT' });
    }
  });

  it('stops waiting when asked to', async () => {
    const fred = await mesh.attach(FRED);
    const reason = new Error('enough');
    let thrown: unknown;
    await fred.access.get({ signal: AbortSignal.abort(reason) }).catch((error: unknown) => {
      thrown = error;
    });
    expect(thrown).to.equal(reason);
  });
});
