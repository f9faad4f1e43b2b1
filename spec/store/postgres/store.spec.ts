import { execFile } from 'node:child_process';
import { chmod, writeFile } from 'node:fs/promises';
import { promisify } from 'node:util';
import { expect } from 'chai';
import pg from 'pg';
import type { PostgresConfig } from '../../../lib/config/schema.js';
import { LocalError } from '../../../lib/errors.js';
import { openPostgres, type PostgresStore } from '../../../lib/store/postgres/store.js';
import { PASSWORD, postgresConfig, postgresServer } from '../../support/postgres.js';
import { storeSuite } from '../../support/suites/store.js';
import { temporaryDirectory } from '../../support/temporary.js';

const run = promisify(execFile);
const SOON_MS = 30_000;

async function until(holds: () => boolean): Promise<void> {
  for (const end = performance.now() + SOON_MS; !holds(); ) {
    if (performance.now() > end) throw new Error(`not within ${SOON_MS} ms: ${holds}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

describe('store/postgres', function () {
  // On a busy machine; two seconds otherwise.
  this.timeout(60_000);
  const server = postgresServer();
  const path = temporaryDirectory();
  let count = 0;
  let schema = '';
  const opened: PostgresStore[] = [];

  /** A node with a copy of its own. */
  async function node(name = 'a', more: Partial<PostgresConfig> = {}): Promise<PostgresStore> {
    const store = await openPostgres({ ...postgresConfig(server().url, schema, path(name)), ...more });
    opened.push(store);
    return store;
  }

  const failure = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'none',
      (error: unknown) => error,
    );

  beforeEach(() => {
    count += 1;
    schema = `spec_${count}`;
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
  });

  describe('as any store', () => {
    storeSuite({ open: () => node() });
  });

  it('keeps entries from one opening to the next, with its copy or without', async () => {
    const first = await node();
    const version = await first.put('a', 'kept');
    await first.close();
    for (const name of ['a', 'b']) {
      const store = await node(name);
      expect(store.peek('a')).to.deep.equal({ value: 'kept', version });
      expect(await store.get('a')).to.deep.equal({ value: 'kept', version });
    }
  });

  it('shows what another node has written, in its order, and tells it from what it wrote itself', async () => {
    const [one, other] = [await node('a'), await node('b')];
    const seen: unknown[] = [];
    other.watch(() => seen.push(other.peek('n/1')?.value));
    const before = other.revisionByOthers('n');
    for (let value = 1; value <= 20; value += 1) await one.put('n/1', value);
    await until(() => other.engine.version === one.engine.version);
    expect(seen).to.deep.equal([...seen].sort((a, b) => Number(a) - Number(b)));
    const after = other.revisionByOthers('n');
    expect(after).to.be.greaterThan(before);
    await other.put('n/1', 'own');
    await other.delete('n/1');
    expect(other.revisionByOthers('n')).to.equal(after);
    await until(() => one.peek('n/1') === undefined);
  });

  it('loses no increment between nodes that write at the same time, and all end with the same entries', async () => {
    const nodes = await Promise.all(['a', 'b', 'c'].map((name) => node(name)));
    await nodes[0]?.put('count', 0);
    await Promise.all(
      nodes.map(async (store, index) => {
        for (let done = 0; done < 30; ) {
          const entry = await store.get('count');
          if ((await store.put('count', Number(entry?.value) + 1, entry?.version)) !== undefined) done += 1;
          await store.put(`k/${index}/${done % 7}`, done);
          if (done % 5 === 0) await store.delete(`k/${(index + 1) % 3}/${done % 7}`);
        }
      }),
    );
    const all = async (store: PostgresStore) => {
      const found: unknown[] = [];
      for await (const entry of store.list('')) found.push(entry);
      return found;
    };
    const rows = await server().query(
      `select key, value::json as value, version::int from ${schema}.entries order by key`,
    );
    expect(rows.find(({ key }) => key === 'count')).to.include({ value: 90 });
    for (const store of nodes) {
      await until(() => store.engine.version === Math.max(...nodes.map(({ engine }) => engine.version)));
      expect(await all(store)).to.deep.equal(rows);
    }
  });

  it('misses nothing that was written while it was not connected, though nobody notifies it', async () => {
    const [one, other] = [await node('a'), await node('b')];
    await one.put('a', 1);
    await one.put('gone', 1);
    await until(() => other.peek('gone') !== undefined);
    const disconnected = `select pg_terminate_backend(pid) from pg_stat_activity
      where pid <> pg_backend_pid() and application_name = 'imxp'`;
    await server().query(disconnected);
    await one.get('a');
    for (let value = 0; value < 1500; value += 50) {
      await one.commit(Array.from({ length: 50 }, (_, index) => ({ key: `many/${value + index}`, value })));
    }
    await one.delete('gone');
    await until(() => other.peek('gone') === undefined);
    expect(await other.count('many/')).to.equal(1500);
  });

  it('asks again though a notification was lost', async () => {
    const store = await node();
    // Written by hand: nothing is notified.
    await server().query(`update ${schema}.clock set version = version + 1`);
    await server().query(`insert into ${schema}.entries select 'silent', '7', version, 'hand' from ${schema}.clock`);
    await until(() => store.peek('silent')?.value === 7);
  });

  it('answers what it cannot write with an error, goes on reading, and comes back with the database', async () => {
    const store = await node();
    const version = await store.put('a/1', 'kept');
    server().down();
    try {
      const error = await failure(store.put('a/1', 'lost'));
      expect(error).to.be.instanceOf(LocalError).and.to.include({ code: 'STORE_FAILED' });
      expect(String(error)).to.include('the database');
      expect(store.failing).to.include('the database');
      expect(store.engine.connected).to.equal(false);
      expect(store.peek('a/1')).to.deep.equal({ value: 'kept', version });
      expect(await store.count('a/')).to.equal(1);
      expect(store.revision('a')).to.be.a('number');
      expect(await failure(store.get('a/1'))).to.include({ code: 'STORE_FAILED' });
    } finally {
      server().up();
    }
    expect(await store.put('a/1', 'new', version)).to.be.greaterThan(version ?? Number.NaN);
    await until(() => store.failing === undefined);
  });

  it('bridges a restart of the database that is short', async () => {
    const store = await node('a', { connectTimeoutMs: 10_000 });
    await store.put('a', 1);
    server().down();
    // The first attempt may be the one that finds the session dead.
    const written = store.put('a', 2).catch(() => store.put('a', 2));
    await new Promise((resolve) => setTimeout(resolve, 300));
    server().up();
    expect(await written).to.be.greaterThan(0);
    expect(await store.get('a')).to.include({ value: 2 });
  });

  it('gives up a request that the database does not answer, and says that the result is not known', async () => {
    const store = await node('a', { queryTimeoutMs: 1000 });
    await store.put('a', 1);
    const blocker = new pg.Client({
      host: server().directory,
      port: server().port,
      user: 'imxp',
      database: 'postgres',
    });
    await blocker.connect();
    try {
      await blocker.query('begin');
      await blocker.query(`select * from ${schema}.clock for update`);
      const error = await failure(store.put('a', 2));
      expect(error).to.be.instanceOf(LocalError);
      expect(String(error)).to.match(/no answer within 1000 ms|statement timeout/);
      const cancelled = String(error).includes('statement timeout');
      expect((error as LocalError).fields).to.deep.equal({ unknown: !cancelled });
    } finally {
      await blocker.end();
    }
    expect(await store.put('a', 3)).to.be.greaterThan(0);
  });

  it('makes its copy anew when the database has lost what it had seen, or was put in the place of another', async () => {
    const store = await node();
    await store.put('stays', 1);
    await store.put('lost', 1);
    const before = store.revision('lost');
    // As after a promotion of a standby that had not received the last commit, and further writes there.
    await server().query(`delete from ${schema}.entries where key = 'lost'`);
    await server().query(`update ${schema}.clock set version = 1, place = 'x'`);
    const other = await node('b');
    await other.put('later', 1);
    await other.put('later', 2);
    await until(() => store.engine.version === other.engine.version);
    expect(store.peek('later')?.value).to.equal(2);
    expect(store.peek('lost')).to.equal(undefined);
    expect(store.peek('stays')?.value).to.equal(1);
    expect(store.revision('lost')).to.be.greaterThan(before);
    await server().query(`update ${schema}.clock set identity = gen_random_uuid()`);
    await server().query(`delete from ${schema}.entries where key = 'stays'`);
    await until(() => store.peek('stays') === undefined);
  });

  it('makes its copy anew when deletions were forgotten meanwhile', async () => {
    const first = await node();
    await first.put('gone', 1);
    await first.close();
    const other = await node('b');
    await other.delete('gone');
    for (let value = 0; value < 5; value += 1) await other.put('a', value);
    await server().query(`delete from ${schema}.removed; update ${schema}.clock set horizon = version - 1`);
    const again = await node();
    expect(again.peek('gone')).to.equal(undefined);
    expect(again.peek('a')?.value).to.equal(4);
  });

  it('shares its copy with other processes on the same machine', async () => {
    const store = await node();
    await store.put('count', 0);
    const url = new URL('../../../lib/store/postgres/store.ts', import.meta.url).href;
    const config = postgresConfig(server().url, schema, path('a'));
    const code = `import { openPostgres } from ${JSON.stringify(url)};
      const store = await openPostgres(${JSON.stringify(config)});
      for (let done = 0; done < 20; ) {
        const entry = await store.get('count');
        if ((await store.put('count', entry.value + 1, entry.version)) === undefined) continue;
        done += 1;
        if (store.peek('count').value < entry.value + 1) throw new Error('not visible');
        await store.put('k/' + done % 3, done);
        await store.delete('k/' + done % 2);
      }
      await store.close();`;
    const elsewhere = () => run(process.execPath, ['--import=tsx', '--input-type=module', '-e', code]);
    await Promise.all([elsewhere(), elsewhere()]);
    await until(() => store.peek('count')?.value === 40);
    const rows = await server().query(`select key from ${schema}.entries order by key`);
    const keys: string[] = [];
    for await (const { key } of store.list('')) keys.push(key);
    expect(keys).to.deep.equal(rows.map(({ key }) => key));
  });

  it('refuses tables that a newer program has made, and makes them once however many start at the same time', async () => {
    await Promise.all(['a', 'b', 'c'].map((name) => node(name)));
    const made = await server().query(`select version from ${schema}.migrations order by version`);
    expect(made.map(({ version }) => version)).to.deep.equal([1, 2]);
    await server().query(`insert into ${schema}.migrations values (99)`);
    const error = await failure(node('d'));
    expect(error).to.be.instanceOf(LocalError).and.to.include({ code: 'CONFIGURATION' });
    expect(String(error)).to.include('newer version of imxp').and.include('version 99');
  });

  it('takes the server that can be written, and proves itself by the password in a file', async () => {
    const { port } = server();
    const hosts = `127.0.0.1:1,127.0.0.1:${port}`;
    const url = `postgres://imxp:${encodeURIComponent(PASSWORD)}@${hosts}/postgres?target_session_attrs=read-write`;
    const file = path('url');
    await writeFile(file, `${url}\n`, { mode: 0o600 });
    const store = await node('a', { url: undefined, urlFile: file });
    expect(await store.put('a', 1)).to.be.greaterThan(0);
    expect(store.engine).to.include({ connected: true, host: `127.0.0.1:${port}` });
    await chmod(file, 0o644);
    expect(await failure(node('b', { url: undefined, urlFile: file }))).to.include({ code: 'CONFIGURATION' });
  });

  it('says why no server can be used, without the password', async () => {
    await server().query(`alter database postgres set default_transaction_read_only = on`);
    try {
      expect(String(await failure(node()))).to.include('cannot be written');
    } finally {
      await server().query(`alter database postgres reset default_transaction_read_only`);
    }
    const wrong = path('wrong');
    await writeFile(wrong, `postgres://imxp:secret7@127.0.0.1:${server().port}/postgres`, { mode: 0o600 });
    const error = String(await failure(node('b', { url: undefined, urlFile: wrong })));
    expect(error).to.include('password authentication failed').and.not.include('secret7');
  });
});
