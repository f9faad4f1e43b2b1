/**
 * Spool of offline messages in a PostgreSQL database. Requests that arrive while a transaction is under way go together
 * into the next one. What was reported as not written is deleted as soon as that is possible, because it may be there.
 */
import type { Client } from 'pg';
import type { PostgresConfig } from '../../config/schema.js';
import { LocalError } from '../../errors.js';
import { events } from '../../ops/events.js';
import type { Spool, SpoolEntry, SpoolRecord, Written } from '../../relay/offline/spool.js';
import { Batches, type BatchLimits } from '../batches.js';
import { closedError, isFenced, type Store } from '../store.js';
import { PostgresConnection, postgresTarget } from './connection.js';

/** Size of one transaction. */
const BATCH: BatchLimits = { requests: 1024, octets: 8_388_608 };
/** Entries read at a time when the spool is opened. */
const PAGE = 10_000;
/** When it is tried again to delete what should not be there. */
const AGAIN_MS = 1000;
const COLUMNS = 9;

type Key = Pick<SpoolEntry, 'address' | 'seq'>;

interface Job {
  readonly kind: 'put' | 'remove' | 'replace';
  readonly entry: SpoolEntry;
  readonly record: SpoolRecord | undefined;
  readonly written: Written;
}

interface EntryRow {
  readonly address: string;
  readonly seq: string;
  readonly octets: string;
  readonly at: string;
  readonly due: string;
  readonly sender: string;
  readonly generation: string;
}

export class PostgresSpool implements Spool {
  readonly #connection: PostgresConnection;
  /** Reads do not wait for what is written. */
  readonly #reader: PostgresConnection;
  readonly #table: string;
  readonly #fence: string;
  readonly #token: () => string | null;
  #found: readonly SpoolEntry[] = [];
  readonly #batches = new Batches<Job>({
    limits: BATCH,
    sizeOf: ({ record }) => ({ requests: 1, octets: record?.payload.length ?? 0 }),
    run: async (batch) => {
      const error = await this.#write(batch);
      for (const { written } of batch) written(error);
      if (this.#doubtful.size > 0 && !this.#closed) this.#clearLater();
    },
  });
  /** What may be there though it should not. */
  #doubtful = new Map<string, Key>();
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** See {@link openPostgresSpool}. */
  constructor(
    connections: { readonly writer: PostgresConnection; readonly reader: PostgresConnection },
    schema: string,
    token: () => string | null,
  ) {
    this.#connection = connections.writer;
    this.#reader = connections.reader;
    this.#table = `${schema}.held`;
    this.#fence = `select ${schema}.fence($1)`;
    this.#token = token;
  }

  /** Reads what an earlier process has left. @throws LocalError STORE_FAILED */
  async load(): Promise<void> {
    const found: SpoolEntry[] = [];
    for (let after: Key = { address: '', seq: 0 }; ; ) {
      const { address, seq } = after;
      const { rows } = await this.#reader.run(
        (client) =>
          client.query<EntryRow>(
            `select address, seq, octets, at, due, sender, generation from ${this.#table}
             where (address, seq) > ($1, $2) order by address, seq limit ${PAGE}`,
            [address, seq],
          ),
        true,
      );
      found.push(...rows.map(entryOf));
      const last = found.at(-1);
      if (rows.length < PAGE || last === undefined) break;
      after = last;
    }
    this.#found = found;
  }

  /** Those that were there when it was opened; once. */
  entries(): Iterable<SpoolEntry> {
    const found = this.#found;
    this.#found = [];
    return found;
  }

  put(entry: SpoolEntry, record: SpoolRecord, written: Written): void {
    this.#ask({ kind: 'put', entry, record, written });
  }

  remove(entry: SpoolEntry, written: Written): void {
    this.#ask({ kind: 'remove', entry, record: undefined, written });
  }

  replace(_entry: SpoolEntry, by: SpoolEntry, record: SpoolRecord, written: Written): void {
    this.#ask({ kind: 'replace', entry: by, record, written });
  }

  async read({ address, seq }: SpoolEntry): Promise<SpoolRecord | undefined> {
    if (this.#closed) throw closedError();
    const { rows } = await this.#reader.run(
      (client) =>
        client.query<SpoolRecord>(`select profile, payload from ${this.#table} where address = $1 and seq = $2`, [
          address,
          seq,
        ]),
      true,
    );
    return rows[0];
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#batches.done();
    await Promise.all([this.#connection.close(), this.#reader.close()]);
  }

  #ask(job: Job): void {
    if (this.#closed) {
      queueMicrotask(() => job.written(closedError()));
      return;
    }
    this.#batches.add(job);
  }

  async #write(batch: readonly Job[]): Promise<Error | undefined> {
    const doubtful = [...this.#doubtful.values()];
    try {
      await this.#connection.run((client) => this.#transact(client, batch, doubtful));
      for (const key of doubtful) this.#doubtful.delete(textOf(key));
      return undefined;
    } catch (error) {
      // Of an exchange either message is right; others were answered with an error, or are to go.
      for (const { kind, entry } of batch) if (kind !== 'replace') this.#doubtful.set(textOf(entry), entry);
      return error instanceof Error ? error : new LocalError('STORE_FAILED', String(error));
    }
  }

  async #transact(client: Client, batch: readonly Job[], doubtful: readonly Key[]): Promise<void> {
    // What becomes of each message in the end.
    const last = new Map<string, Job>();
    for (const job of batch) {
      const key = textOf(job.entry);
      const before = last.get(key);
      if (job.kind !== 'replace' || before === undefined) last.set(key, job);
      else if (before.kind !== 'remove') last.set(key, { ...job, kind: before.kind });
    }
    const all = [...last.values()];
    const removed = [...doubtful, ...all.filter(({ kind }) => kind === 'remove').map(({ entry }) => entry)];
    const exchanged = all.filter(({ kind }) => kind === 'replace');
    await client.query('begin');
    try {
      await client.query(this.#fence, [this.#token()]);
      const there = await this.#delete(client, removed, exchanged);
      const put = all.filter(({ kind, entry }) => kind === 'put' || (kind === 'replace' && there.has(textOf(entry))));
      await this.#insert(client, put);
      await client.query('commit');
    } catch (error) {
      // The connection may be gone, and the transaction with it.
      await client.query('rollback').catch(() => {});
      throw error;
    }
  }

  /** @returns which of those to be exchanged were there */
  async #delete(client: Client, removed: readonly Key[], exchanged: readonly Job[]): Promise<ReadonlySet<string>> {
    const keys = [...removed, ...exchanged.map(({ entry }) => entry)];
    if (keys.length === 0) return new Set();
    const { rows } = await client.query<{ address: string; seq: string }>(
      `delete from ${this.#table} h using unnest($1::text[], $2::bigint[]) as k (address, seq)
       where h.address = k.address and h.seq = k.seq returning h.address, h.seq`,
      [keys.map(({ address }) => address), keys.map(({ seq }) => seq)],
    );
    return new Set(rows.map(({ address, seq }) => textOf({ address, seq: Number(seq) })));
  }

  async #insert(client: Client, put: readonly Job[]): Promise<void> {
    const rows = put.flatMap(({ entry, record }) => (record === undefined ? [] : [{ ...entry, ...record }]));
    if (rows.length === 0) return;
    const places = rows.map((_, row) => {
      const numbers = Array.from({ length: COLUMNS }, (_, column) => `$${row * COLUMNS + column + 1}`);
      return `(${numbers.join(', ')})`;
    });
    await client.query(
      `insert into ${this.#table} (address, seq, octets, at, due, sender, generation, profile, payload)
       values ${places.join(', ')}`,
      rows.flatMap((row) => [
        ...[row.address, row.seq, row.octets, row.at, row.due, row.sender, row.generation],
        ...[row.profile, row.payload],
      ]),
    );
  }

  #clearLater(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      // The next batch deletes it as well.
      if (!this.#closed) this.#batches.between(() => this.#clear());
    }, AGAIN_MS).unref();
  }

  async #clear(): Promise<void> {
    const error = await this.#write([]);
    if (error !== undefined) events.fault.publish({ session: 'offline', error });
    if (this.#doubtful.size > 0 && !this.#closed) this.#clearLater();
  }
}

function textOf({ address, seq }: Key): string {
  return `${seq}/${address}`;
}

function entryOf({ address, sender, generation, ...numbers }: EntryRow): SpoolEntry {
  const [seq, octets, at, due] = [numbers.seq, numbers.octets, numbers.at, numbers.due].map(Number) as [
    number,
    number,
    number,
    number,
  ];
  return { address, seq, octets, at, due, sender, generation };
}

/**
 * Opens the spool beside a store in the same database, which has made the tables.
 *
 * @throws LocalError STORE_FAILED
 */
export async function openPostgresSpool(config: PostgresConfig, store: Store): Promise<PostgresSpool> {
  if (!isFenced(store)) throw new LocalError('ARGUMENT', 'this store is not in PostgreSQL');
  const target = await postgresTarget(config);
  const connections = { writer: new PostgresConnection(target), reader: new PostgresConnection(target) };
  const spool = new PostgresSpool(connections, config.schema, () => store.token);
  try {
    await spool.load();
    return spool;
  } catch (error) {
    await spool.close();
    throw error;
  }
}
