import { expect } from 'chai';
import type { Spool, SpoolEntry } from '../../../lib/relay/offline/spool.js';
import { openPostgresSpool } from '../../../lib/store/postgres/spool.js';
import { openPostgres, type PostgresStore } from '../../../lib/store/postgres/store.js';
import { postgresConfig, postgresServer } from '../../support/postgres.js';
import { temporaryDirectory } from '../../support/temporary.js';

function entry(address: string, seq: number, due = 0): SpoolEntry {
  return { address, seq, octets: 5, at: 1_000_000 + seq, due, sender: 'wilma@example.com', generation: 'g' };
}

const record = (text: string | Buffer) => ({ profile: 'urn:profile', payload: Buffer.from(text) });

describe('the spool in PostgreSQL', function () {
  // On a busy machine; two seconds otherwise.
  this.timeout(60_000);
  const server = postgresServer();
  const path = temporaryDirectory();
  let count = 0;
  let store: PostgresStore;
  let spool: Spool;

  const config = () => postgresConfig(server().url, `held_${count}`, path('a'));
  const put = (at: SpoolEntry, text: string | Buffer): Promise<Error | undefined> =>
    new Promise((resolve) => spool.put(at, record(text), resolve));
  const remove = (at: SpoolEntry): Promise<Error | undefined> => new Promise((resolve) => spool.remove(at, resolve));

  /** What the next process finds. */
  async function left(): Promise<SpoolEntry[]> {
    await spool.close();
    spool = await openPostgresSpool(config(), store);
    return [...spool.entries()];
  }

  beforeEach(async () => {
    count += 1;
    store = await openPostgres(config());
    spool = await openPostgresSpool(config(), store);
  });

  afterEach(async () => {
    await spool.close();
    await store.close();
  });

  it('gives back what was put, octet by octet, and forgets what was removed', async () => {
    const [one, two] = [entry('fred@example.com', 1), entry('fred@example.com', 2)];
    const octets = Buffer.from(Array.from({ length: 70_000 }, (_, index) => index % 256));
    expect(await Promise.all([put(one, octets), put(two, 'zwei')])).to.deep.equal([undefined, undefined]);
    expect((await spool.read(one))?.payload.equals(octets)).to.equal(true);
    expect(await spool.read(two)).to.include({ profile: 'urn:profile' });
    expect(await left()).to.deep.equal([one, two]);
    expect(await remove(one)).to.equal(undefined);
    expect(await spool.read(one)).to.equal(undefined);
    expect(await left()).to.deep.equal([two]);
  });

  it('exchanges an entry for itself, also in the transaction that puts it, and never one that is gone', async () => {
    const [before, after] = [entry('fred@example.com', 3, 99), entry('fred@example.com', 3, 0)];
    const replace = (text: string): Promise<Error | undefined> =>
      new Promise((resolve) => spool.replace(before, after, record(text), resolve));
    await Promise.all([put(before, 'alt'), replace('neu')]);
    expect(await left()).to.deep.equal([after]);
    expect((await spool.read(after))?.payload.toString()).to.equal('neu');
    await replace('neuer');
    expect((await spool.read(after))?.payload.toString()).to.equal('neuer');
    await Promise.all([remove(after), replace('zu spät')]);
    await replace('zu spät');
    expect(await left()).to.deep.equal([]);
  });

  it('is in the order of arrival for each endpoint', async () => {
    const all = [entry('barney@example.com', 10), entry('barney@example.com', 300), entry('fred@example.com', 2)];
    await Promise.all(all.toReversed().map((one) => put(one, 'x')));
    expect(await left()).to.deep.equal(all);
  });

  it('never keeps what it said was not stored', async () => {
    const [kept, refused] = [entry('fred@example.com', 1), entry('fred@example.com', 2)];
    await put(kept, 'x');
    server().down();
    let error: Error | undefined;
    let reading: unknown;
    try {
      error = await put(refused, 'y');
      reading = await Promise.resolve(spool.read(kept)).catch((caught: unknown) => caught);
    } finally {
      server().up();
    }
    expect(error).to.include({ code: 'STORE_FAILED' });
    expect(reading).to.include({ code: 'STORE_FAILED' });
    // As if it had been committed, and the answer lost.
    const columns = `'fred@example.com', 2, 1, 1, 0, '', '', 'p', ''`;
    await server().query(`insert into held_${count}.held values (${columns})`);
    const there = async () => await server().query(`select seq from held_${count}.held order by seq`);
    for (const end = performance.now() + 30_000; (await there()).length > 1; ) {
      if (performance.now() > end) throw new Error('still there');
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(await left()).to.deep.equal([kept]);
  });

  it('writes nothing for a relay that was succeeded', async () => {
    store.fence('succeeded');
    const error = await put(entry('fred@example.com', 1), 'x');
    expect(String(error)).to.include('another node has taken over');
    store.fence(null);
    expect(await left()).to.deep.equal([]);
  });
});
