import { mkdir, readFile, truncate, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { openLmdb } from '../../lib/store/lmdb.js';
import { lmdbDamage } from '../../lib/store/lmdb-file.js';
import { openLmdbSpool } from '../../lib/store/lmdb-spool.js';
import { temporaryDirectory } from '../support/temporary.js';

const PAGE = 4096;
/** More than a leaf holds, and some entries larger than a page. */
const value = (index: number): string => 'y'.repeat(index % 50 === 0 ? 3 * PAGE : 300);

describe('store/lmdb-file', function () {
  this.timeout(60_000);
  const path = temporaryDirectory();

  async function filled(): Promise<string> {
    const store = await openLmdb(path('store'));
    await store.commit(Array.from({ length: 600 }, (_, index) => ({ key: `a/${index}`, value: value(index) })));
    await store.commit(Array.from({ length: 100 }, (_, index) => ({ key: `a/${index}` })));
    await store.close();
    return path('store', 'data.mdb');
  }

  it('finds nothing wrong with a file that is not there yet, empty, or good', async () => {
    expect(lmdbDamage(path('none'))).to.equal(undefined);
    await writeFile(path('empty'), '');
    expect(lmdbDamage(path('empty'))).to.equal(undefined);
    expect(lmdbDamage(await filled())).to.equal(undefined);
  });

  it('finds nothing wrong while entries are written and deleted', async () => {
    const file = await filled();
    const store = await openLmdb(path('store'));
    for (let round = 0; round < 20; round += 1) {
      const written = store.commit(
        Array.from({ length: 30 }, (_, index) => ({ key: `b/${index}`, value: value(index + round) })),
      );
      expect(lmdbDamage(file)).to.equal(undefined);
      await written;
      await store.delete(`b/${round}`);
      expect(lmdbDamage(file)).to.equal(undefined);
    }
    await store.close();
  });

  it('recognises a file of another kind, a truncated one, and one overwritten near the root', async () => {
    const good = await readFile(await filled());
    await mkdir(path('bad'));
    const file = path('bad', 'data.mdb');
    await writeFile(file, 'hello');
    expect(lmdbDamage(file)).to.equal('it does not begin like a database');
    await writeFile(file, good);
    await truncate(file, good.length / 2);
    expect(lmdbDamage(file)).to.match(/page \d+ is missing: the file is truncated|is corrupt/);
    const meta = [good, good.subarray(PAGE)].map((from) => ({
      root: Number(from.readBigUInt64LE(136)),
      transaction: from.readBigUInt64LE(152),
    }));
    const { root = 0 } = meta.sort((a, b) => Number(b.transaction - a.transaction))[0] ?? {};
    for (const page of [0, 1, root]) {
      const bad = Buffer.from(good).fill(0xa5, page * PAGE, (page + 1) * PAGE);
      await writeFile(file, bad);
      expect(lmdbDamage(file), `page ${page}`).to.be.a('string');
    }
  });

  it('finds nothing wrong with a good spool, and keeps a damaged one from the engine', async () => {
    const spool = await openLmdbSpool(path('held'));
    const record = { profile: 'imxp', payload: Buffer.alloc(5 * PAGE, 1) };
    for (let seq = 1; seq <= 50; seq += 1) {
      const entry = {
        address: 'fred@example.com',
        seq,
        octets: record.payload.length,
        at: seq,
        due: 0,
        sender: '',
        generation: '',
      };
      await new Promise<void>((resolve) => spool.put(entry, record, () => resolve()));
    }
    await spool.close();
    const file = path('held', 'data.mdb');
    expect(lmdbDamage(file)).to.equal(undefined);
    await writeFile(file, 'rubble'.repeat(PAGE));
    const error = await openLmdbSpool(path('held')).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(LocalError).and.include({ code: 'STORE_FAILED' });
    expect(String(error)).to.include('held/data.mdb is damaged').and.include('the messages held in it are then lost');
  });
});
