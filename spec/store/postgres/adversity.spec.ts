import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import pg from 'pg';
import type { PostgresConfig } from '../../../lib/config/schema.js';
import { LocalError } from '../../../lib/errors.js';
import { PostgresConnection, postgresTarget } from '../../../lib/store/postgres/connection.js';
import { openMirror } from '../../../lib/store/postgres/mirror.js';
import { openPostgres, type PostgresStore } from '../../../lib/store/postgres/store.js';
import { postgresConfig, postgresServer } from '../../support/postgres.js';
import { temporaryDirectory } from '../../support/temporary.js';
import { within } from '../../support/within.js';

const DAY_MS = 86_400_000;
const CONNECTIONS = 12;

describe('store/postgres in adversity', function () {
  // On a busy machine; a few seconds otherwise.
  this.timeout(120_000);
  const server = postgresServer([`max_connections = ${CONNECTIONS}`, 'superuser_reserved_connections = 1']);
  const path = temporaryDirectory();
  let count = 0;
  let schema = '';
  const opened: PostgresStore[] = [];
  const clients: pg.Client[] = [];

  async function node(name = 'a', more: Partial<PostgresConfig> = {}): Promise<PostgresStore> {
    const config = {
      ...postgresConfig(server().url, schema, path(name)),
      connectTimeoutMs: 5000,
      queryTimeoutMs: 10_000,
    };
    const store = await openPostgres({ ...config, ...more });
    opened.push(store);
    return store;
  }

  /** Somebody else's session. */
  async function somebody(user = 'imxp'): Promise<pg.Client> {
    const client = new pg.Client({ host: server().directory, port: server().port, user, database: 'postgres' });
    client.on('error', () => {});
    await client.connect();
    clients.push(client);
    return client;
  }

  const as = (user: string) => ({ url: server().url.replace('imxp@', `${user}@`) });
  const failure = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => 'none',
      (error: unknown) => error,
    );

  async function until(holds: () => boolean, what: string): Promise<void> {
    const look = async (): Promise<void> => {
      while (!holds()) await new Promise((resolve) => setTimeout(resolve, 5));
    };
    await within(60_000, look(), what);
  }

  beforeEach(() => {
    count += 1;
    schema = `adverse_${count}`;
  });

  afterEach(async () => {
    await Promise.all(opened.splice(0).map((store) => store.close()));
    await Promise.all(clients.splice(0).map((client) => client.end()));
  });

  it('needs no more rights than to own its schema, and says which ones it lacks', async () => {
    await server().query(`create role lodger login; create role stranger login`);
    const refused = await failure(node('b', as('lodger')));
    expect(refused).to.be.instanceOf(LocalError).and.to.include({ code: 'CONFIGURATION' });
    expect(String(refused)).to.include(`grant create on database postgres to lodger`);
    await server().query(`create schema ${schema} authorization lodger`);
    const store = await node('a', as('lodger'));
    expect(await store.put('a', 1)).to.be.greaterThan(0);
    const other = await failure(node('c', as('stranger')));
    expect(other).to.include({ code: 'CONFIGURATION' });
    expect(String(other)).to.include('the role stranger').and.include('permission denied');
  });

  it('writes whatever isolation and format of dates the role has by default', async () => {
    await server().query(`alter role imxp set default_transaction_isolation = 'serializable'`);
    await server().query(`alter role imxp set datestyle = 'SQL, DMY'`);
    try {
      const nodes = [await node('a'), await node('b')];
      const versions = await Promise.all(
        nodes.flatMap((store, number) => Array.from({ length: 100 }, (_, at) => store.put(`k/${number}/${at}`, at))),
      );
      expect(new Set(versions).size).to.equal(200);
    } finally {
      await server().query(`alter role imxp reset all`);
    }
  });

  it('refuses a database that cannot have every character', async () => {
    await server().query(`create database latin encoding 'LATIN1' template template0 lc_collate 'C' lc_ctype 'C'`);
    const error = await failure(node('a', { url: server().url.replace(/postgres$/, 'latin') }));
    expect(error).to.include({ code: 'CONFIGURATION' });
    expect(String(error)).to.include('LATIN1').and.include("encoding 'UTF8'");
  });

  it('loses nothing that it acknowledged when each of its sessions is ended in turn, again and again', async () => {
    const [one, other] = [await node('a'), await node('b')];
    const operator = await somebody();
    const acknowledged = new Map<string, number>();
    let [going, refused] = [true, 0];
    const write = async (store: PostgresStore, name: string): Promise<void> => {
      for (let value = 1; going; value += 1) {
        const key = `${name}/${value % 10}`;
        const done = await store.put(key, value).catch(() => undefined);
        if (done === undefined) refused += 1;
        else acknowledged.set(key, value);
        // A later write to the same key may have been done although its result is not known.
        if (done === undefined) acknowledged.delete(key);
      }
    };
    const writers = [write(one, 'one'), write(one, 'two'), write(other, 'other')];
    for (let turn = 0; turn < 24; turn += 1) {
      const { rows } = await operator.query<{ pid: number }>(
        `select pid from pg_stat_activity where application_name = 'imxp' order by pid`,
      );
      const victim = rows[turn % Math.max(1, rows.length)]?.pid;
      if (victim !== undefined) await operator.query('select pg_terminate_backend($1)', [victim]);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    going = false;
    await Promise.all(writers);
    expect(acknowledged.size, `${refused} refused`).to.be.greaterThan(0);
    const rows = await server().query(`select key, value::int from ${schema}.entries order by key`);
    const there = new Map(rows.map(({ key, value }) => [key, value]));
    for (const [key, value] of acknowledged) expect(there.get(key), key).to.equal(value);
    await one.put('end', 1);
    await until(() => other.peek('end')?.value === 1, 'the copies are equal');
    for (const store of [one, other])
      for (const [key, value] of there) expect(store.peek(String(key))?.value).to.equal(value);
  });

  it('says when the server has no room for another session, and goes on with the one it has', async () => {
    const store = await node();
    await store.put('a', 1);
    for (let full = false; !full; ) {
      const why = await failure(somebody());
      full = String(why).includes('too many clients');
    }
    const error = await failure(node('b', { connectTimeoutMs: 500 }));
    expect(String(error)).to.include('too many clients');
    expect(await store.put('a', 2)).to.be.greaterThan(0);
    expect(await store.get('a')).to.include({ value: 2 });
    await Promise.all(clients.splice(0).map((client) => client.end()));
    expect(await (await node('b')).get('a')).to.include({ value: 2 });
  });

  it('goes on where sessions and transactions that do nothing are ended, and requests have little time', async () => {
    await server().query('create role hurried login superuser');
    for (const limit of ['idle_session', 'idle_in_transaction_session', 'statement']) {
      await server().query(`alter role hurried set ${limit}_timeout = '100ms'`);
    }
    const store = await node('a', as('hurried'));
    for (let value = 1; value <= 5; value += 1) {
      await new Promise((resolve) => setTimeout(resolve, 200));
      expect(await store.put('a', value)).to.be.greaterThan(0);
      expect(await store.get('a')).to.include({ value });
    }
  });

  it('does not lock out its successor when it is stopped within a transaction', async () => {
    const store = await node();
    await store.put('a', 1);
    const stopped = new PostgresConnection(await postgresTarget(postgresConfig(server().url, schema, path('a'))));
    const locked = stopped.run(
      async (client) => {
        await client.query('begin');
        await client.query(`select * from ${schema}.clock for update`);
        await once(client, 'end');
        await client.query('commit');
      },
      false,
      60_000,
    );
    const failed = failure(locked);
    await until(() => stopped.host !== undefined, 'connected');
    expect(await store.put('a', 2)).to.be.greaterThan(0);
    expect(await failed).to.be.instanceOf(LocalError);
    await stopped.close();
  });

  it('finds out that the database was restored from a dump, though its versions have passed the earlier ones', async () => {
    const first = await node('a');
    await first.put('stays', 1);
    const file = join(server().directory, `${schema}.sql`);
    server().client('pg_dump', ['-n', schema, '-f', file]);
    await first.put('lost', 1);
    await first.close();
    await server().query(`drop schema ${schema} cascade`);
    server().client('psql', ['-q', '-v', 'ON_ERROR_STOP=1', '-f', file]);
    const other = await node('b');
    for (let value = 0; value < 5; value += 1) await other.put('later', value);
    const again = await node('a');
    expect(again.peek('later')?.value).to.equal(4);
    expect(again.peek('lost')).to.equal(undefined);
    expect(again.peek('stays')?.value).to.equal(1);
  });

  it('makes a copy anew that is damaged, or that is of another schema', async () => {
    const store = await node();
    for (let value = 0; value < 200; value += 1) await store.put(`k/${value}`, 'x'.repeat(200));
    await store.close();
    for (const damage of [Buffer.alloc(4096, 7), Buffer.alloc(100)]) {
      writeFileSync(path('a', 'copy', 'data.mdb'), damage);
      const again = await node();
      expect(await again.count('k/')).to.equal(200);
      await again.close();
    }
    const before = schema;
    schema = `${before}_other`;
    const other = await node();
    expect(await other.count('k/')).to.equal(0);
    await other.put('k/own', 1);
    await other.close();
    schema = before;
    const back = await node();
    expect([await back.count('k/'), back.peek('k/own')]).to.deep.equal([200, undefined]);
  });

  it('does not wait for a process that has ended while it made the copy anew, however the clock was set since', async () => {
    const store = await node();
    await store.put('a', 1);
    await store.close();
    const mirror = await openMirror(path('a'));
    const now = Date.now;
    Date.now = () => now() + DAY_MS;
    try {
      expect(await mirror.begin('ended')).to.equal(true);
    } finally {
      Date.now = now;
    }
    expect(mirror.position).to.equal(undefined);
    await mirror.close();
    const again = await within(30_000, node(), 'the store is open');
    expect(again.peek('a')?.value).to.equal(1);
  });

  it('is not held up by long transactions of others', async () => {
    const store = await node();
    await store.put('a', 1);
    const other = await somebody();
    await other.query('begin isolation level repeatable read');
    await other.query(`select * from ${schema}.entries`);
    for (let value = 0; value < 50; value += 1) await store.put('a', value);
    await other.query('rollback');
    expect(store.peek('a')?.value).to.equal(49);
  });

  it('writes without notifying where nobody takes the notifications', async () => {
    const [one, other] = [await node('a'), await node('b')];
    const [{ text = '' } = {}] = await server().query(
      `select pg_get_functiondef('${schema}.write_entries'::regproc) as text`,
    );
    // As with a queue that is half full: nothing is notified from then on.
    await server().query(String(text).replace('pg_notification_queue_usage() < 0.5', 'false'));
    await one.put('a', 1);
    await until(() => other.peek('a')?.value === 1, 'it is seen all the same');
  });

  it('takes nothing while the disk of the database is full, keeps what it took, and goes on when there is room', async function () {
    const disk = join(server().directory, 'disk');
    mkdirSync(disk);
    const mount = (size: string, ...more: string[]) =>
      spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size},mode=0777${more.join('')}`, 'imxp', disk], {
        encoding: 'utf8',
      });
    const { status, stderr } = mount('2m');
    if (status !== 0) {
      console.error(`      skipped: no disk of 2 MiB: ${stderr.trim()}`);
      return this.skip();
    }
    try {
      // The user that the server runs as.
      expect(spawnSync('chown', ['postgres', disk]).status).to.equal(0);
      await server().query(`create tablespace small location '${disk}'`);
      await server().query('alter role imxp set default_tablespace = small');
      const store = await node();
      const large = 'x'.repeat(1000);
      const taken = new Map<string, string>();
      let refused: unknown;
      for (let number = 0; refused === undefined; number += 1) {
        if (number > 5000) throw new Error('the disk is never full');
        const [key, value] = [`k/${number}`, `${number} ${randomBytes(500).toString('hex')}${large}`];
        const why = await failure(store.put(key, value));
        if (why === 'none') taken.set(key, value);
        else refused = why;
      }
      expect(refused).to.be.instanceOf(LocalError).and.to.include({ code: 'STORE_FAILED' });
      expect(String(refused)).to.include('No space left on device').and.not.include('not known');
      for (const [key, value] of taken) expect(store.peek(key)?.value).to.equal(value);
      expect((await store.get('k/0'))?.value).to.equal(taken.get('k/0'));
      expect(mount('50m', ',remount').status).to.equal(0);
      expect(await store.put('later', large)).to.be.greaterThan(0);
      const other = await node('b');
      let count = 0;
      for await (const { key, value } of other.list('k/')) {
        expect(value).to.equal(taken.get(key));
        count += 1;
      }
      expect(count).to.equal(taken.size);
      await Promise.all(opened.splice(0).map((one) => one.close()));
      await server().query(`drop schema ${schema} cascade`);
      await server().query('drop tablespace small');
    } finally {
      await server().query('alter role imxp reset default_tablespace');
      spawnSync('umount', ['--lazy', disk]);
    }
  });
});
