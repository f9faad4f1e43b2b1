/**
 * Lease of the tables of a schema, by the clock of the database: one relay at a time works with them, and one that was
 * killed is succeeded when its lease has run out. The token of the lease goes with everything that its holder writes
 * (`fence` in `migrations.ts`), so that a relay that was cut off for too long can do no harm when it is back.
 *
 * A relay that cannot renew its lease goes on: when the database is down, nobody else can take it either.
 */
import { randomUUID } from 'node:crypto';
import { hostname } from 'node:os';
import type { PostgresConfig } from '../../config/schema.js';
import { LocalError } from '../../errors.js';
import { events } from '../../ops/events.js';
import { isFenced, type Store } from '../store.js';
import { PostgresConnection, postgresTarget } from './connection.js';

/** How long a relay that was killed keeps others waiting. A promotion of another server must fit in. */
export const LEASE_MS = 10_000;
const RENEW_MS = 2000;
/** How often a relay that waits looks. */
const WAIT_MS = 500;
const NAME = 'relay';

interface Holder {
  readonly token: string;
  readonly host: string;
  readonly pid: string;
  readonly since: Date;
  readonly expires: string;
  readonly live: boolean;
}

/** See `lockStore`. @throws LocalError STORE_FAILED when another relay has the lease */
export async function lockPostgres(
  store: Store,
  config: PostgresConfig,
  lost: () => void,
): Promise<() => Promise<void>> {
  if (!isFenced(store)) throw new LocalError('ARGUMENT', 'this store is not in PostgreSQL');
  const connection = new PostgresConnection(await postgresTarget(config));
  const lease = new Lease(connection, config.schema, lost);
  try {
    await lease.take();
  } catch (error) {
    await connection.close();
    throw error;
  }
  store.fence(lease.token);
  return () => lease.release();
}

class Lease {
  readonly token = randomUUID();
  readonly #connection: PostgresConnection;
  readonly #table: string;
  readonly #lost: () => void;
  #timer: NodeJS.Timeout | undefined;
  #released = false;

  constructor(connection: PostgresConnection, schema: string, lost: () => void) {
    this.#connection = connection;
    this.#table = `${schema}.leases`;
    this.#lost = lost;
  }

  /** Takes it, when its holder has given it back or lets it run out. @throws LocalError STORE_FAILED */
  async take(): Promise<void> {
    const end = performance.now() + LEASE_MS + RENEW_MS;
    for (let first: Holder | undefined; ; ) {
      if (await this.#claim()) break;
      const holder = await this.#holder();
      first ??= holder;
      const renewed = holder !== undefined && first !== undefined && holder.expires !== first.expires;
      if (renewed || performance.now() > end) throw inUse(holder ?? first);
      await new Promise((resolve) => setTimeout(resolve, WAIT_MS));
    }
    this.#renewLater();
  }

  async release(): Promise<void> {
    this.#released = true;
    clearTimeout(this.#timer);
    try {
      await this.#connection.run((client) =>
        client.query(`update ${this.#table} set expires = '-infinity' where token = $1`, [this.token]),
      );
    } catch (error) {
      // It runs out by itself.
      events.fault.publish({ session: 'store', error });
    }
    await this.#connection.close();
  }

  async #claim(): Promise<boolean> {
    const { rowCount } = await this.#connection.run((client) =>
      client.query(
        `insert into ${this.#table} as l (name, epoch, token, host, pid, since, expires)
         values ($1, 1, $2, $3, $4, clock_timestamp(), clock_timestamp() + $5 * interval '1 millisecond')
         on conflict (name) do update set epoch = l.epoch + 1, token = excluded.token, host = excluded.host,
           pid = excluded.pid, since = excluded.since, expires = excluded.expires, node = null, members = '{}'
         where l.expires < clock_timestamp() or l.token = excluded.token`,
        [NAME, this.token, hostname(), process.pid, LEASE_MS],
      ),
    );
    return rowCount === 1;
  }

  async #holder(): Promise<Holder | undefined> {
    const { rows } = await this.#connection.run(
      (client) =>
        client.query<Holder>(
          `select token, host, pid, since, expires::text as expires, expires > clock_timestamp() as live
           from ${this.#table} where name = $1`,
          [NAME],
        ),
      true,
    );
    return rows[0];
  }

  #renewLater(): void {
    if (this.#released) return;
    this.#timer = setTimeout(() => void this.#renew(), RENEW_MS);
    this.#timer.unref();
  }

  async #renew(): Promise<void> {
    try {
      const { rowCount } = await this.#connection.run(
        (client) =>
          client.query(
            `update ${this.#table} set expires = clock_timestamp() + $2 * interval '1 millisecond' where token = $1`,
            [this.token, LEASE_MS],
          ),
        true,
      );
      if (this.#released) return;
      if (rowCount === 0) {
        this.#released = true;
        const error = inUse(await this.#holder());
        events.fault.publish({ session: 'store', error });
        this.#lost();
        return;
      }
    } catch (error) {
      if (!this.#released) events.fault.publish({ session: 'store', error });
    }
    this.#renewLater();
  }
}

function inUse(holder: Holder | undefined): LocalError {
  const who =
    holder === undefined ? '' : `: process ${holder.pid} on ${holder.host}, since ${holder.since.toISOString()}`;
  return new LocalError(
    'STORE_FAILED',
    `the store in the database is in use by another relay${who}; stop that one first, or give this one a schema of its own (store.schema)`,
  );
}
