import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { open } from 'lmdb';
import type { Spool, SpoolEntry } from '../../lib/relay/offline/spool.js';
import { openLmdbSpool } from '../../lib/store/lmdb-spool.js';
import { MemorySpool } from '../../lib/store/spool.js';
import { temporaryDirectory } from '../support/temporary.js';

const run = promisify(execFile);

function entry(address: string, seq: number, due = 0): SpoolEntry {
  return { address, seq, octets: 5, at: 1_000_000 + seq, due, sender: 'wilma@example.com', generation: 'g' };
}

const record = (text: string) => ({ profile: 'urn:profile', payload: Buffer.from(text) });

const put = (spool: Spool, at: SpoolEntry, text: string): Promise<Error | undefined> =>
  new Promise((resolve) => spool.put(at, record(text), resolve));

const remove = (spool: Spool, at: SpoolEntry): Promise<Error | undefined> =>
  new Promise((resolve) => spool.remove(at, resolve));

const replace = (spool: Spool, at: SpoolEntry, by: SpoolEntry, text: string): Promise<Error | undefined> =>
  new Promise((resolve) => spool.replace(at, by, record(text), resolve));

describe('the spool', () => {
  const path = temporaryDirectory();

  for (const [name, open] of [
    ['in memory', async () => new MemorySpool()],
    ['on disk', () => openLmdbSpool(path('any'))],
  ] as const) {
    describe(name, () => {
      let spool: Spool;
      beforeEach(async () => {
        spool = await open();
      });
      afterEach(() => spool.close());

      it('gives back what was put, and forgets what was removed', async () => {
        const [one, two] = [entry('fred@example.com', 1), entry('fred@example.com', 2)];
        expect(await Promise.all([put(spool, one, 'eins'), put(spool, two, 'zwei')])).to.deep.equal([
          undefined,
          undefined,
        ]);
        expect((await spool.read(one))?.payload.toString()).to.equal('eins');
        expect(spool.read(two)).to.include({ profile: 'urn:profile' });
        expect([...spool.entries()]).to.deep.equal([one, two]);
        expect(await remove(spool, one)).to.equal(undefined);
        expect(spool.read(one)).to.equal(undefined);
        expect([...spool.entries()]).to.deep.equal([two]);
        await remove(spool, two);
      });

      it('exchanges an entry for itself', async () => {
        const [before, after] = [entry('fred@example.com', 3, 99), entry('fred@example.com', 3, 0)];
        await put(spool, before, 'alt');
        await replace(spool, before, after, 'neu');
        expect([...spool.entries()]).to.deep.equal([after]);
        expect((await spool.read(after))?.payload.toString()).to.equal('neu');
        await remove(spool, after);
      });
    });
  }

  it('is in the order of arrival for each endpoint, however long the address', async () => {
    const spool = await openLmdbSpool(path('order'));
    const long = `${'x'.repeat(1011)}@example.com`;
    const all = [
      entry('barney@example.com', 10),
      entry('barney@example.com', 300),
      entry(long, 2),
      entry(long, 70_000),
    ];
    await Promise.all(all.toReversed().map((one) => put(spool, one, 'x')));
    expect([...spool.entries()]).to.deep.equal(all);
    await spool.close();
  });

  it('reads what an earlier version wrote, which named neither sender nor account', async () => {
    const root = open<Buffer, [string, number, number, number, number]>({
      path: path('earlier'),
      noSubdir: false,
      encoding: 'binary',
    });
    const written = Buffer.concat([Buffer.from([0, 1]), Buffer.from('pold')]);
    await root.put(['fred@example.com', 3, 3, 1000, 0], written);
    await root.close();
    const spool = await openLmdbSpool(path('earlier'));
    const one = { address: 'fred@example.com', seq: 3, octets: 3, at: 1000, due: 0, sender: '', generation: '' };
    expect([...spool.entries()]).to.deep.equal([one]);
    expect(spool.read(one)?.payload.toString()).to.equal('old');
    await remove(spool, one);
    expect([...spool.entries()]).to.deep.equal([]);
    await spool.close();
  });

  it('is there again for the next process, and what was acknowledged also after SIGKILL', async () => {
    const url = new URL('../../lib/store/lmdb-spool.ts', import.meta.url).href;
    const code = `import { openLmdbSpool } from ${JSON.stringify(url)};
      const spool = await openLmdbSpool(${JSON.stringify(path('killed'))});
      const one = { address: 'fred@example.com', seq: 7, octets: 5, at: 1000007, due: 0, sender: 'wilma@example.com', generation: 'g' };
      spool.put(one, { profile: 'p', payload: Buffer.from('held') }, () => process.kill(process.pid, 'SIGKILL'));`;
    const killed = await run(process.execPath, ['--import=tsx', '--input-type=module', '-e', code]).catch(
      (error) => error,
    );
    expect(killed).to.include({ signal: 'SIGKILL' });
    const spool = await openLmdbSpool(path('killed'));
    expect([...spool.entries()]).to.deep.equal([entry('fred@example.com', 7)]);
    expect(spool.read(entry('fred@example.com', 7))?.payload.toString()).to.equal('held');
    await spool.close();
  });

  it('reports a full disk, and continues', async function () {
    this.timeout(20_000);
    const url = new URL('../../lib/store/lmdb-spool.ts', import.meta.url).href;
    const code = `import { openLmdbSpool } from ${JSON.stringify(url)};
      const spool = await openLmdbSpool(${JSON.stringify(path('full'))});
      for (let seq = 1; seq <= 6; seq += 1) {
        const one = { address: 'fred@example.com', seq, octets: 60000, at: 1, due: 0, sender: '', generation: '' };
        await new Promise((resolve) => spool.put(one, { profile: 'p', payload: Buffer.alloc(60000) }, (error) => {
          console.log(error?.code ?? 'written');
          resolve();
        }));
      }
      await spool.close();
      console.log('closed');`;
    const limited = [
      '-c',
      'ulimit -f 400; exec "$@"',
      'sh',
      process.execPath,
      '--import=tsx',
      '--input-type=module',
      '-e',
      code,
    ];
    const { stdout } = await run('sh', limited);
    expect(stdout).to.match(/^(written\n)+(STORE_FAILED\n)+closed\n$/);
  });

  it('refuses after the end, and waits for what was begun before', async () => {
    const spool = await openLmdbSpool(path('closed'));
    const begun = put(spool, entry('fred@example.com', 1), 'x');
    await spool.close();
    expect(await begun).to.equal(undefined);
    expect(await put(spool, entry('fred@example.com', 2), 'x')).to.include({ code: 'STORE_FAILED' });
  });
});
