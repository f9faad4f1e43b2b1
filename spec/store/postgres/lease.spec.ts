import { expect } from 'chai';
import { lockStore } from '../../../lib/store/lock.js';
import { openPostgres, type PostgresStore } from '../../../lib/store/postgres/store.js';
import { postgresConfig, postgresServer } from '../../support/postgres.js';
import { temporaryDirectory } from '../../support/temporary.js';

describe('the lease of a store in PostgreSQL', function () {
  this.timeout(60_000);
  const server = postgresServer();
  const path = temporaryDirectory();
  const opened: PostgresStore[] = [];
  const config = (name: string) => postgresConfig(server().url, 'lease', path(name));

  async function store(name: string): Promise<PostgresStore> {
    const one = await openPostgres(config(name));
    opened.push(one);
    return one;
  }

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()));
  });

  it('is held by one relay at a time, and given back', async () => {
    const [one, other] = [await store('a'), await store('b')];
    const leave = await lockStore(one, config('a'));
    const error = await lockStore(other, config('b')).catch((caught: unknown) => caught);
    expect(String(error)).to.include(`in use by another relay: process ${process.pid}`).and.include('store.schema');
    await leave();
    await (await lockStore(other, config('b')))();
  });

  it('is taken from a relay that was killed, whose writes are refused from then on', async () => {
    const [killed, other] = [await store('a'), await store('b')];
    const dead = new Promise<void>((resolve) => void lockStore(killed, config('a'), resolve));
    while (killed.token === null) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(await killed.put('a', 1)).to.be.greaterThan(0);
    // What a relay does that is stopped for so long: it does not renew.
    await server().query(`update lease.leases set expires = clock_timestamp()`);
    const leave = await lockStore(other, config('b'));
    const error = await killed.put('a', 2).catch((caught: unknown) => caught);
    expect(String(error)).to.include('another node has taken over');
    expect(await other.put('a', 3)).to.be.greaterThan(0);
    expect((await other.get('a'))?.value).to.equal(3);
    // It is told, so that it ends.
    await dead;
    await leave();
  });
});
