/**
 * Store in a PostgreSQL database, shared by all nodes that use its schema. Writes go to the database in batches and are
 * answered when they are committed there and visible here; reads that cannot wait are answered by a copy on this machine
 * (`mirror.ts`). The copy follows by versions: a notification only says that it is time to ask, so that none has to
 * arrive.
 *
 * Every commit takes the clock's row, so versions become visible in their order: who has seen one has seen all before it.
 */
import { randomBytes } from 'node:crypto';
import { mkdir } from 'node:fs/promises';
import type { Client } from 'pg';
import { directoryObstacle } from '../../config/directory.js';
import type { PostgresConfig } from '../../config/schema.js';
import { LocalError } from '../../errors.js';
import { events } from '../../ops/events.js';
import { Batches, type BatchLimits } from '../batches.js';
import {
  type Change,
  checkKey,
  closedError,
  type Entry,
  type FencedStore,
  type Json,
  type Listed,
  type StoreEngine,
  scopeOf,
} from '../store.js';
import { PostgresConnection, type PostgresTarget, postgresTarget, withRights } from './connection.js';
import { migrate } from './migrations.js';
import { type Mirror, type MirrorChange, openMirror } from './mirror.js';

/** Changes of one transaction: PL/pgSQL walks through an array for each of its elements. */
const BATCH: BatchLimits = { requests: 256, octets: 8_388_608 };
/** Changes read at a time. */
const PAGE = 1000;
const ONE: BatchLimits = { requests: 1, octets: 0 };
/** How often the database is asked for changes that nobody told of, and whether it is there. */
const LOOK_MS = 1000;
/** Time to make the copy anew: some millions of entries. */
const RENEWAL_MS = 600_000;

interface Job {
  readonly changes: readonly Change[];
  /** JSON of each value; null to delete. */
  readonly texts: readonly (string | null)[];
  /** Given the version of each change, 0 where there was nothing to delete; undefined when the job does not fit. */
  readonly done: (versions: readonly number[] | undefined) => void;
  readonly failed: (error: unknown) => void;
}

interface Row {
  readonly key: string | null;
  readonly value: string | null;
  readonly version: string | null;
  readonly author: string | null;
}

interface PageRow extends Row {
  readonly at: string;
  readonly horizon: string;
  readonly identity: string;
  readonly generation: string;
  /** The version after which the oldest generation that this process has not seen began to write. */
  readonly forked: string | null;
}

interface Read {
  readonly key: string;
  readonly done: (entry: Entry | undefined) => void;
  readonly failed: (error: unknown) => void;
}

export class PostgresStore implements FencedStore {
  readonly #target: PostgresTarget;
  readonly #mirror: Mirror;
  readonly #writer: PostgresConnection;
  /** Hears of changes, reads them, and reads single entries. */
  readonly #reader: PostgresConnection;
  /** Names this process in what it writes. */
  readonly #author = randomBytes(8).toString('hex');
  readonly #revisions = new Map<string, number>();
  readonly #others = new Map<string, number>();
  /** Revision of every scope at least: any entry may have changed then. */
  #everything = 0;
  /** Counts what has become known: versions of a database that was restored go back, and revisions must not. */
  #known = 0;
  /** Up to which version everything is known here. */
  #at = 0;
  #identity = '';
  #generation = 0;
  readonly #writes = new Batches<Job>({
    limits: BATCH,
    sizeOf: ({ changes, texts }) => ({
      requests: changes.length,
      octets: texts.reduce((sum, text) => sum + (text?.length ?? 0), 0),
    }),
    run: (batch) => this.#answer(batch),
  });
  readonly #reads = new Batches<Read>({
    limits: { requests: PAGE, octets: 0 },
    sizeOf: () => ONE,
    run: (reads) => this.#read(reads),
  });
  #following: Promise<void> | undefined;
  #again = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #watchers = new Set<() => void>();
  /** When the database last answered, on the monotonic clock. */
  #heardAt = 0;
  #failing: string | undefined;
  #fence: string | null = null;
  #closing: Promise<void> | undefined;

  /** See {@link openPostgres}. */
  constructor(target: PostgresTarget, mirror: Mirror) {
    this.#target = target;
    this.#mirror = mirror;
    this.#writer = new PostgresConnection(target);
    this.#reader = new PostgresConnection(target, (client) => this.#listen(client));
  }

  get failing(): string | undefined {
    return this.#failing ?? this.#reader.failing ?? this.#writer.failing;
  }

  get engine(): StoreEngine {
    return {
      connected: this.failing === undefined,
      host: this.#reader.host,
      lagMs: performance.now() - this.#heardAt,
      version: this.#at,
    };
  }

  /** Makes the tables if need be, and the copy complete. @throws LocalError STORE_FAILED | CONFIGURATION */
  async load(): Promise<void> {
    try {
      await this.#load();
    } catch (error) {
      throw withRights(error, this.#target);
    }
  }

  async #load(): Promise<void> {
    await this.#writer.run((client) => migrate(client, this.#target.schema));
    const position = this.#mirror.position;
    if (position !== undefined) {
      this.#at = position.version;
      this.#identity = position.identity;
      this.#generation = position.generation;
    }
    await this.#follow();
    this.#look();
  }

  fence(token: string | null): void {
    this.#fence = token;
  }

  get token(): string | null {
    return this.#fence;
  }

  // ---- reading

  get(key: string): Promise<Entry | undefined> {
    try {
      this.#usable(key);
    } catch (error) {
      return Promise.reject(error);
    }
    return new Promise((done, failed) => {
      this.#reads.add({ key, done, failed });
    });
  }

  async #read(reads: readonly Read[]): Promise<void> {
    try {
      const { rows } = await this.#reader.run(
        (client) =>
          client.query<{ key: string; value: string; version: string }>(
            `select key, value, version from ${this.#target.schema}.entries where key = any($1)`,
            [reads.map(({ key }) => key)],
          ),
        true,
      );
      const found = new Map(rows.map((row) => [row.key, row]));
      for (const { key, done } of reads) {
        const row = found.get(key);
        done(row === undefined ? undefined : { value: JSON.parse(row.value) as Json, version: Number(row.version) });
      }
    } catch (error) {
      for (const { failed } of reads) failed(error);
    }
  }

  peek(key: string): Entry | undefined {
    this.#usable(key);
    return guard(() => this.#mirror.peek(key));
  }

  revision(scope: string): number {
    if (this.#closing !== undefined) throw closedError();
    return Math.max(this.#revisions.get(scope) ?? 0, this.#everything);
  }

  revisionByOthers(scope: string): number {
    if (this.#closing !== undefined) throw closedError();
    return Math.max(this.#others.get(scope) ?? 0, this.#everything);
  }

  async count(prefix: string): Promise<number> {
    if (this.#closing !== undefined) throw closedError();
    return guard(() => this.#mirror.count(prefix));
  }

  async *list(prefix: string): AsyncIterable<Listed> {
    let after: string | undefined;
    for (;;) {
      if (this.#closing !== undefined) throw closedError();
      const from = after;
      const batch = guard(() => this.#mirror.batch(prefix, from));
      yield* batch;
      after = batch.at(-1)?.key;
      if (after === undefined) return;
      // Reading does not wait, so others get their turn in between.
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  watch(changed: () => void): () => void {
    this.#watchers.add(changed);
    return () => this.#watchers.delete(changed);
  }

  // ---- writing

  async put(key: string, value: Json, expectedVersion?: number): Promise<number | undefined> {
    const change = { key, value, ...(expectedVersion === undefined ? {} : { expected: expectedVersion }) };
    return (await this.#write([change]))?.[0];
  }

  async delete(key: string, expectedVersion?: number): Promise<boolean> {
    const change = { key, ...(expectedVersion === undefined ? {} : { expected: expectedVersion }) };
    return ((await this.#write([change]))?.[0] ?? 0) > 0;
  }

  async commit(changes: readonly Change[]): Promise<boolean> {
    return (await this.#write(changes)) !== undefined;
  }

  async #write(changes: readonly Change[]): Promise<readonly number[] | undefined> {
    if (this.#closing !== undefined) throw closedError();
    for (const { key } of changes) checkKey(key);
    if (changes.length === 0) return [];
    const texts = changes.map(({ value }) => (value === undefined ? null : JSON.stringify(value)));
    return await new Promise((done, failed) => {
      this.#writes.add({ changes, texts, done, failed });
    });
  }

  async #answer(batch: readonly Job[]): Promise<void> {
    try {
      const results = await this.#submit(batch);
      this.#failing = undefined;
      for (const [index, { done }] of batch.entries()) done(results[index]);
    } catch (error) {
      this.#failing = error instanceof Error ? error.message : String(error);
      for (const { failed } of batch) failed(error);
    }
  }

  /** @returns for each job the version of each change, or undefined */
  async #submit(batch: readonly Job[]): Promise<readonly (readonly number[] | undefined)[]> {
    const all = batch.flatMap(({ changes, texts }, number) =>
      changes.map(({ key, expected }, index) => ({ number, key, expected, text: texts[index] ?? null })),
    );
    const values = [
      all.map(({ number }) => number),
      all.map(({ key }) => key),
      all.map(({ text }) => text),
      all.map(({ expected }) => expected ?? null),
      this.#author,
      this.#fence,
    ];
    const { rows } = await this.#writer.run((client) =>
      client.query<{ results: string[] }>(
        `select ${this.#target.schema}.write_entries($1::int[], $2::text[], $3::text[], $4::bigint[], $5, $6) as results`,
        values,
      ),
    );
    const [before = 0, generation = 0, ...versions] = (rows[0]?.results ?? []).map(Number);
    this.#heardAt = performance.now();
    const own = all.flatMap(({ key, text }, index): MirrorChange[] => {
      const version = versions[index] ?? 0;
      return version > 0 ? [{ key, text, version }] : [];
    });
    if (own.length > 0) await this.#apply(before, own, generation === this.#generation);
    let position = 0;
    return batch.map(({ changes }) => {
      const found = versions.slice(position, position + changes.length);
      position += changes.length;
      return found.includes(-1) ? undefined : found;
    });
  }

  /**
   * What was written must be visible when it is answered.
   *
   * @param before the version before it
   * @param direct whether nothing can have been lost since
   */
  async #apply(before: number, own: readonly MirrorChange[], direct: boolean): Promise<void> {
    const to = own.at(-1)?.version ?? before;
    // What another one wrote to the same keys meanwhile is hidden by what was written here.
    if (before > this.#at) for (const { key } of own) this.#changed(this.#others, key);
    while (this.#at < to) {
      if (direct && this.#at === before && this.#following === undefined) {
        const following = this.#forward(own, { at: to, generation: this.#generation }, () => true).finally(() => {
          if (this.#following === following) this.#following = undefined;
        });
        this.#following = following;
        await following;
        if (this.#again) void this.#follow().catch(() => {});
      } else await this.#follow();
    }
  }

  // ---- following

  async #listen(client: Client): Promise<void> {
    client.on('notification', () => void this.#follow().catch(() => {}));
    await client.query(`listen ${this.#target.schema}`);
  }

  /** Brings the copy to what the database has now. */
  async #follow(): Promise<void> {
    if (this.#following !== undefined) {
      // What is being read may have been read before the change that this is about.
      this.#again = true;
      return await this.#following;
    }
    const following = this.#catchUp().finally(() => {
      this.#following = undefined;
    });
    this.#following = following;
    await following;
  }

  async #catchUp(): Promise<void> {
    do {
      this.#again = false;
      for (;;) {
        const rows = await this.#page();
        const [first] = rows;
        if (first === undefined) throw new LocalError('STORE_FAILED', 'the database has lost the clock of the store');
        this.#heardAt = performance.now();
        const at = Number(first.at);
        if (this.#mustRenew(first, at)) {
          await this.#renew();
          continue;
        }
        const changes = rows.flatMap(changeOf);
        const full = changes.length === PAGE;
        const to = full ? (changes.at(-1)?.version ?? at) : at;
        const own = new Set(rows.filter(({ author }) => author === this.#author).map(({ key }) => key));
        if (to > this.#at) {
          await this.#forward(changes, { at: to, generation: Number(first.generation) }, ({ key }) => own.has(key));
        }
        if (!full) break;
      }
    } while (this.#again && this.#closing === undefined);
  }

  async #page(): Promise<readonly PageRow[]> {
    const { schema } = this.#target;
    const text = `
      select c.version as at, c.horizon, c.identity, c.generation, f.forked, e.key, e.value, e.version, e.author
      from ${schema}.clock c
      cross join lateral (select min(g.version) as forked from ${schema}.generations g where g.generation > $2) f
      left join lateral (
        select key, value, version, author from ${schema}.entries where version > $1
        union all
        select key, null, version, author from ${schema}.removed where version > $1
        order by version limit ${PAGE}
      ) e on true
      order by e.version`;
    const { rows } = await this.#reader.run(
      (client) => client.query<PageRow>({ name: 'changes', text, values: [this.#at, this.#generation] }),
      true,
    );
    return rows;
  }

  /** Whether what is here cannot be brought forward: other tables, or lost versions, or deletions long forgotten. */
  #mustRenew({ identity, horizon, forked }: PageRow, at: number): boolean {
    if (identity !== this.#identity || at < this.#at || Number(horizon) > this.#at) return true;
    return forked !== null && Number(forked) < this.#at;
  }

  async #forward(
    changes: readonly MirrorChange[],
    { at, generation }: { readonly at: number; readonly generation: number },
    isOwn: (change: MirrorChange) => boolean,
  ): Promise<void> {
    const position = { identity: this.#identity, generation, version: at };
    if (!(await this.#mirror.forward(changes, position))) {
      await this.#renew();
      return;
    }
    this.#at = at;
    this.#generation = generation;
    for (const change of changes) {
      this.#changed(this.#revisions, change.key);
      if (!isOwn(change)) this.#changed(this.#others, change.key);
    }
    if (changes.length > 0) this.#tell();
  }

  /** Makes the copy anew, of all entries at one moment; what is equal stays. */
  async #renew(): Promise<void> {
    if (!(await this.#mirror.begin(this.#author))) {
      await this.#awaitRenewal();
      return;
    }
    const { schema } = this.#target;
    await this.#reader.run(
      async (client) => {
        await client.query('begin isolation level repeatable read read only');
        const { rows } = await client.query<{ identity: string; generation: string; version: string }>(
          `select identity, generation, version from ${schema}.clock`,
        );
        const [clock] = rows;
        if (clock === undefined) throw new LocalError('STORE_FAILED', 'the database has lost the clock of the store');
        let after: string | undefined;
        for (let last = false; !last; ) {
          const page = await client.query<Row>(
            `select key, value, version, author from ${schema}.entries where key > $1 order by key limit ${PAGE}`,
            [after ?? ''],
          );
          last = page.rows.length < PAGE;
          const entries = page.rows.flatMap(changeOf);
          for (const key of await this.#mirror.replace(this.#author, entries, after, last)) {
            this.#changed(this.#revisions, key);
            this.#changed(this.#others, key);
          }
          after = entries.at(-1)?.key ?? after;
        }
        await client.query('commit');
        const { identity } = clock;
        const [generation, version] = [Number(clock.generation), Number(clock.version)];
        await this.#mirror.settle(this.#author, { identity, generation, version });
        this.#settled({ identity, generation, version });
      },
      false,
      RENEWAL_MS,
    );
  }

  /** Another process that shares the copy makes it anew. */
  async #awaitRenewal(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS / 10));
    const position = this.#mirror.position;
    if (position === undefined) return;
    this.#known += 1;
    this.#everything = this.#known;
    this.#settled(position);
  }

  #settled({ identity, generation, version }: { identity: string; generation: number; version: number }): void {
    this.#identity = identity;
    this.#generation = generation;
    this.#at = version;
    this.#tell();
  }

  #changed(revisions: Map<string, number>, key: string): void {
    this.#known += 1;
    revisions.set(scopeOf(key), this.#known);
  }

  #tell(): void {
    for (const changed of this.#watchers) changed();
  }

  #look(): void {
    if (this.#closing !== undefined) return;
    this.#timer = setTimeout(() => {
      this.#follow()
        .catch((error: unknown) => events.fault.publish({ session: 'store', error }))
        .finally(() => this.#look());
    }, LOOK_MS);
    this.#timer.unref();
  }

  // ---- end

  close(): Promise<void> {
    this.#closing ??= this.#release();
    return this.#closing;
  }

  async #release(): Promise<void> {
    clearTimeout(this.#timer);
    await Promise.all([this.#writes.done(), this.#reads.done()]);
    await Promise.allSettled([this.#following]);
    await Promise.all([this.#writer.close(), this.#reader.close()]);
    await this.#mirror.close();
  }

  #usable(key: string): void {
    if (this.#closing !== undefined) throw closedError();
    checkKey(key);
  }
}

function changeOf({ key, value, version }: Row): MirrorChange[] {
  return key === null ? [] : [{ key, text: value, version: Number(version) }];
}

function guard<T>(action: () => T): T {
  try {
    return action();
  } catch (cause) {
    const message = cause instanceof Error ? cause.message : String(cause);
    throw new LocalError('STORE_FAILED', `the copy of the store could not be read: ${message}`, { cause });
  }
}

/**
 * Opens the store in a database, makes its tables if there are none, and brings the copy up to date.
 *
 * @throws LocalError CONFIGURATION: a file cannot be used, or a newer program has made the tables
 * @throws LocalError STORE_FAILED: the database cannot be reached, or the copy cannot be written
 */
export async function openPostgres(config: PostgresConfig): Promise<PostgresStore> {
  const obstacle = await directoryObstacle(config.path);
  if (obstacle !== undefined) {
    throw new LocalError(obstacle.transient ? 'STORE_FAILED' : 'CONFIGURATION', `store.path: ${obstacle.text}`);
  }
  const target = await postgresTarget(config);
  await mkdir(config.path, { recursive: true, mode: 0o700 });
  const store = new PostgresStore(target, await openMirror(config.path));
  try {
    await store.load();
    return store;
  } catch (error) {
    await store.close();
    throw error;
  }
}
