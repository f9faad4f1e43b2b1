/**
 * Nodes of a cluster in the database: a row for each node that is there, and the lease of the one that is the center. Who
 * takes a row from another says which state of it they have watched, so that no clock has to be right: the times in the
 * rows only change, and are for people.
 */
import { hostname } from 'node:os';
import type { PostgresConfig } from '../../config/schema.js';
import { PostgresConnection, type PostgresTarget, postgresTarget } from './connection.js';

/** The one lease that a relay without a cluster takes, too (`lease.ts`). */
const LEASE = 'relay';

/** Name and run of a node, and where the others reach it. */
export interface NodeEntry {
  readonly name: string;
  /** Null when the node has left, or others have declared it dead. */
  readonly incarnation: string | null;
  readonly address: string;
  readonly host: string;
  readonly pid: number;
  /** ISO 8601. */
  readonly since: string;
  /** Changes with every renewal. */
  readonly expires: string;
}

export interface CenterLease {
  readonly epoch: number;
  readonly token: string;
  /** Null when a relay without a cluster has it. */
  readonly node: string | null;
  /** Nodes that may take it over at once. */
  readonly members: readonly string[];
  /** Changes with every renewal. */
  readonly expires: string;
  /** Whether it was given back. */
  readonly released: boolean;
}

/** What the database says about the cluster. */
export interface ClusterRows {
  readonly lease: CenterLease | undefined;
  readonly nodes: readonly NodeEntry[];
}

interface LeaseRow extends Omit<CenterLease, 'epoch'> {
  readonly epoch: string;
}

interface NodeRow extends Omit<NodeEntry, 'pid'> {
  readonly pid: string;
}

export class Membership {
  readonly #connection: PostgresConnection;
  readonly #schema: string;
  readonly #leaseMs: number;

  private constructor(target: PostgresTarget, leaseMs: number, changed: () => void) {
    this.#schema = target.schema;
    this.#leaseMs = leaseMs;
    // An answer that comes later is of no use.
    const limit = Math.ceil(leaseMs / 2);
    const limits = {
      connectTimeoutMs: Math.min(target.connectTimeoutMs, limit),
      queryTimeoutMs: Math.min(target.queryTimeoutMs, limit),
    };
    this.#connection = new PostgresConnection({ ...target, ...limits }, async (client) => {
      client.on('notification', changed);
      await client.query(`listen ${this.#channel}`);
    });
  }

  /**
   * @param changed called when a node has come or gone, or the lease has changed hands; not for certain
   * @throws LocalError CONFIGURATION
   */
  static async open(config: PostgresConfig, leaseMs: number, changed: () => void): Promise<Membership> {
    return new Membership(await postgresTarget(config), leaseMs, changed);
  }

  get #channel(): string {
    return `${this.#schema}_cluster`;
  }

  /**
   * Enters a node.
   *
   * @param over what its row was when it was seen to be of a node that is no more; undefined when there was none
   * @returns whether it was done
   * @throws LocalError STORE_FAILED, as all others
   */
  async join(name: string, incarnation: string, address: string, over: NodeEntry | undefined): Promise<boolean> {
    return await this.#change(
      `insert into ${this.#schema}.nodes as n (name, incarnation, address, host, pid, since, expires)
       values ($1, $2, $3, $4, $5, clock_timestamp(), clock_timestamp() + $6 * interval '1 millisecond')
       on conflict (name) do update set incarnation = excluded.incarnation, address = excluded.address,
         host = excluded.host, pid = excluded.pid, since = excluded.since, expires = excluded.expires
       where n.incarnation is null or n.incarnation = $2 or (n.incarnation = $7 and n.expires::text = $8)`,
      [name, incarnation, address, hostname(), process.pid, this.#leaseMs, over?.incarnation, over?.expires],
    );
  }

  /** Renews the row of a node. @returns whether it is still there, and everything as it is then */
  async renew(name: string, incarnation: string): Promise<ClusterRows & { readonly renewed: boolean }> {
    return await this.#connection.run(async (client) => {
      const { rowCount } = await client.query({
        name: 'renew',
        text: `update ${this.#schema}.nodes set expires = clock_timestamp() + $3 * interval '1 millisecond'
               where name = $1 and incarnation = $2`,
        values: [name, incarnation, this.#leaseMs],
      });
      const leases = await client.query<LeaseRow>({
        name: 'lease',
        text: `select epoch, token, node, members, expires::text as expires, expires = '-infinity' as released
               from ${this.#schema}.leases where name = $1`,
        values: [LEASE],
      });
      const nodes = await client.query<NodeRow>({
        name: 'nodes',
        text: `select name, incarnation, address, host, pid, to_json(since)#>>'{}' as since, expires::text as expires
               from ${this.#schema}.nodes order by name`,
      });
      const [lease] = leases.rows;
      return {
        renewed: rowCount === 1,
        lease: lease === undefined ? undefined : { ...lease, epoch: Number(lease.epoch) },
        nodes: nodes.rows.map((row) => ({ ...row, pid: Number(row.pid) })),
      };
    }, true);
  }

  /**
   * Takes the lease of the center.
   *
   * @param over the lease as it was when it was seen to be over; undefined when there was none
   * @returns the epoch, or undefined when somebody else was faster
   */
  async take(node: string, token: string, over: CenterLease | undefined): Promise<number | undefined> {
    const { rows } = await this.#connection.run(async (client) => {
      const taken = await client.query<{ epoch: string }>(
        `insert into ${this.#schema}.leases as l (name, epoch, token, host, pid, since, expires, node, members)
         values ($1, 1, $2, $3, $4, clock_timestamp(), clock_timestamp() + $5 * interval '1 millisecond', $6, $7)
         on conflict (name) do update set epoch = l.epoch + 1, token = excluded.token, host = excluded.host,
           pid = excluded.pid, since = excluded.since, expires = excluded.expires, node = excluded.node,
           members = excluded.members
         where l.token = $2 or (l.token = $8 and l.expires::text = $9)
         returning epoch`,
        [
          ...[LEASE, token, hostname(), process.pid, this.#leaseMs, node],
          ...[[...new Set([...(over?.members ?? []), node])], over?.token, over?.expires],
        ],
      );
      if (taken.rowCount === 1) await client.query('select pg_notify($1, $2)', [this.#channel, token]);
      return taken;
    });
    return rows[0] === undefined ? undefined : Number(rows[0].epoch);
  }

  /** Renews the lease of the center. @returns false when somebody else has it */
  async keep(token: string, members: readonly string[]): Promise<boolean> {
    const { rowCount } = await this.#connection.run(
      (client) =>
        client.query({
          name: 'keep',
          text: `update ${this.#schema}.leases
                 set expires = clock_timestamp() + $3 * interval '1 millisecond', members = $4
                 where name = $1 and token = $2`,
          values: [LEASE, token, this.#leaseMs, members],
        }),
      true,
    );
    return rowCount === 1;
  }

  /** Gives the lease of the center back. @param members nodes that may take it; any if there are none */
  async release(token: string, members: readonly string[]): Promise<void> {
    await this.#change(
      `update ${this.#schema}.leases set expires = '-infinity', token = token || ' released', members = $2
       where token = $1`,
      [token, members],
    );
  }

  /** Declares a node dead. @returns whether its row was still as given */
  async evict({ name, incarnation, expires }: NodeEntry): Promise<boolean> {
    return await this.#change(
      `update ${this.#schema}.nodes set incarnation = null
       where name = $1 and incarnation = $2 and expires::text = $3`,
      [name, incarnation, expires],
    );
  }

  /** A node leaves. */
  async leave(name: string, incarnation: string): Promise<void> {
    await this.#change(`update ${this.#schema}.nodes set incarnation = null where name = $1 and incarnation = $2`, [
      name,
      incarnation,
    ]);
  }

  async close(): Promise<void> {
    await this.#connection.close();
  }

  /** @returns whether a row was changed; then all nodes are told */
  async #change(text: string, values: readonly unknown[]): Promise<boolean> {
    return await this.#connection.run(async (client) => {
      const { rowCount } = await client.query(text, [...values]);
      if (rowCount === 1) await client.query('select pg_notify($1, $2)', [this.#channel, '']);
      return rowCount === 1;
    });
  }
}
