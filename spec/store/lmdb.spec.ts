import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chmod, mkdir, readdir, stat, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { type LmdbStore, openLmdb } from '../../lib/store/lmdb.js';
import { storeSuite } from '../support/suites/store.js';
import { temporaryDirectory } from '../support/temporary.js';

const run = promisify(execFile);

function program(path: string, code: string): string[] {
  const text = `import { openLmdb } from ${JSON.stringify(new URL('../../lib/store/lmdb.ts', import.meta.url).href)};
    const store = await openLmdb(${JSON.stringify(path)}); ${code}`;
  return ['--import=tsx', '--input-type=module', '-e', text];
}

/** Runs code in another process with a `store` opened in it. */
async function elsewhere(path: string, code: string): Promise<string> {
  return (await run(process.execPath, program(path, code))).stdout;
}

/** As {@link elsewhere}, where no file may grow past so many blocks of 512 octets: a disk that is soon full. */
async function cramped(path: string, blocks: number, code: string): Promise<string> {
  const limited = ['-c', `ulimit -f ${blocks}; exec "$@"`, 'sh', process.execPath, ...program(path, code)];
  return (await run('sh', limited)).stdout;
}

describe('store/lmdb', () => {
  const path = temporaryDirectory();

  describe('as any store', () => {
    storeSuite({ open: () => openLmdb(path('var', 'example.com')) });
  });

  it('keeps entries from one opening to the next', async () => {
    const first = await openLmdb(path('store'));
    const version = await first.put('a', 'kept');
    await first.close();
    const second = await openLmdb(path('store'));
    expect(await second.get('a')).to.deep.equal({ value: 'kept', version });
    expect(await second.put('b', 1)).to.be.greaterThan(version ?? Number.NaN);
    await second.close();
  });

  it('fails the write for which the disk has no room, and continues', async function () {
    this.timeout(20_000);
    const said = await cramped(
      path('full'),
      400,
      `for (let i = 0; i < 6; i += 1) await store.put('k/' + i, 'y'.repeat(60000)).catch(({ code }) => console.log(code));
       console.log((await store.get('k/0')).value.length);
       await store.close();
       console.log('closed');`,
    );
    expect(said).to.match(/^(STORE_FAILED\n)+60000\nclosed\n$/);
  });

  it('makes its directory for the owner only', async () => {
    const store = await openLmdb(path('a', 'example.com'));
    await store.close();
    const found = await stat(path('a', 'example.com'));
    expect(found.isDirectory()).to.equal(true);
    expect(found.mode & 0o777).to.equal(0o700);
  });

  it('refuses a directory that is open to everybody', async () => {
    await mkdir(path('open'));
    await chmod(path('open'), 0o755);
    const error = await openLmdb(path('open')).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(LocalError).and.to.include({ code: 'CONFIGURATION' });
    expect(String(error)).to.include('chmod 700');
  });

  it('fails at once where no directory can be created', async function () {
    if (process.platform !== 'linux') {
      console.log('      skipped: there is no /proc here');
      return this.skip();
    }
    const error = await openLmdb('/proc/imxp/store').catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(LocalError).and.to.include({ code: 'CONFIGURATION' });
    expect(String(error)).to.include('store.path: /proc');
  });

  it('reports a disk that is too full before the engine fails', async () => {
    const failure = await cramped(path('tight'), 64, '').then(() => '', String);
    expect(failure).to.include('store.path: ').and.include('cannot be written');
    expect(await readdir(path())).to.deep.equal([]);
  });

  it('names a damaged file instead of handing it to the engine', async () => {
    await mkdir(path('damaged'), { mode: 0o700 });
    await writeFile(path('damaged', 'data.mdb'), randomBytes(65_536));
    const error = await openLmdb(path('damaged')).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(LocalError).and.to.include({ code: 'STORE_FAILED' });
    expect(String(error)).to.include('data.mdb is damaged').and.include('imxp account import');
  });

  describe('with another process', () => {
    let store: LmdbStore;
    beforeEach(async () => {
      store = await openLmdb(path('shared'));
    });
    afterEach(() => store.close());

    it('sees what the other has written, and the other sees ours', async () => {
      await store.put('ours', 1);
      const seen = await elsewhere(
        path('shared'),
        `console.log(JSON.stringify((await store.get('ours')).value)); await store.put('theirs', 2); await store.close();`,
      );
      expect(seen.trim()).to.equal('1');
      expect((await store.get('theirs'))?.value).to.equal(2);
    });

    it('sees what another process has written, by its revision', async () => {
      await store.put('a/1', 1);
      const before = store.revision('a');
      await elsewhere(path('shared'), `await store.put('a/1', 2); await store.close();`);
      expect(store.revision('a')).to.be.greaterThan(before);
      expect(store.peek('a/1')?.value).to.equal(2);
    });

    it('tells what another process has written from what it wrote itself', async () => {
      await store.put('a/1', 1);
      const before = store.revisionByOthers('a');
      await store.put('a/1', 2);
      await store.commit([{ key: 'a/2', value: 1 }, { key: 'a/1' }]);
      expect(store.revisionByOthers('a')).to.equal(before);
      await elsewhere(path('shared'), `await store.put('a/1', 3); await store.close();`);
      // Its own write comes before it looks.
      await store.put('a/1', 4);
      const after = store.revisionByOthers('a');
      expect(after).to.be.greaterThan(before);
      await elsewhere(path('shared'), `await store.put('b/1', 3); await store.close();`);
      await store.delete('a/1');
      expect(store.revisionByOthers('a')).to.equal(after);
      await elsewhere(path('shared'), `await store.put('a/1', 5); await store.close();`);
      expect(store.revisionByOthers('a')).to.be.greaterThan(after);
    });

    it('loses no increment between processes', async () => {
      await store.put('count', 0);
      const increment = `for (let done = 0; done < 20; ) {
        const entry = await store.get('count');
        if ((await store.put('count', entry.value + 1, entry.version)) !== undefined) done += 1;
      }`;
      await Promise.all([elsewhere(path('shared'), increment), elsewhere(path('shared'), increment)]);
      expect((await store.get('count'))?.value).to.equal(40);
    });

    it('has on disk what it said ok to, also when the process is killed', async () => {
      const killed = elsewhere(path('shared'), `await store.put('durable', 1); process.kill(process.pid, 'SIGKILL');`);
      const error = await killed.then(() => undefined).catch((caught: unknown) => caught);
      expect(error).to.include({ signal: 'SIGKILL' });
      expect((await store.get('durable'))?.value).to.equal(1);
    });
  });
});
