/** Tables of a node in a PostgreSQL database. Versions only go forward; what a newer program has made is refused. */
import type { Client } from 'pg';
import { LocalError } from '../../errors.js';

/** Another node has taken the lease in whose name something was to be written. */
export const FENCED = 'IM001';

/** How many versions a node may have been away, and still learns what was deleted meanwhile. */
const REMEMBERED = 1_000_000;
const FORGET_EVERY = 100_000;

/** Each brings the tables from the version of its position to the next one. A released one is never changed. */
const MIGRATIONS: readonly ((schema: string) => string)[] = [
  (schema) => `
create table ${schema}.clock (
  identity uuid not null default gen_random_uuid(),
  version bigint not null default 0,
  -- What was deleted at or before it is no longer known.
  horizon bigint not null default 0,
  -- Counts the promotions and restorations of the database after which something was written.
  generation bigint not null default 0,
  -- Where the last write was: the server, these tables, the timeline of the server's log.
  place text not null default ''
);
insert into ${schema}.clock default values;
create table ${schema}.generations (generation bigint primary key, version bigint not null);
create table ${schema}.entries (
  key text collate "C" primary key, value text not null, version bigint not null, author text not null
);
create unique index on ${schema}.entries (version);
create table ${schema}.removed (key text collate "C" primary key, version bigint not null, author text not null);
create unique index on ${schema}.removed (version);
create table ${schema}.leases (
  name text primary key, epoch bigint not null, token text not null, host text not null, pid bigint not null,
  since timestamptz not null, expires timestamptz not null
);
create table ${schema}.held (
  address text collate "C" not null, seq bigint not null, octets bigint not null, at bigint not null,
  due bigint not null, sender text not null, generation text not null, profile text not null, payload bytea not null,
  primary key (address, seq)
);
alter table ${schema}.held alter column payload set storage external;

-- Fails unless the lease with this token is still held; whoever takes it waits for the end of this transaction.
create function ${schema}.fence(asked text) returns void language plpgsql as $$
begin
  if asked is null then return; end if;
  perform 1 from ${schema}.leases l where l.token = asked for share;
  if not found then
    raise exception 'another node has taken the lease of this one' using errcode = '${FENCED}';
  end if;
end $$;

-- Changes with the same number are done together or not at all. Returns the version before, the generation, and for
-- each change its version, 0 if there was nothing to delete, or -1 if another one of its number has not the version expected.
create function ${schema}.write_entries(numbers int[], keys text[], texts text[], expected bigint[], writer text, token text)
returns bigint[] language plpgsql as $$
declare
  -- A promotion changes the timeline only, a restored dump the tables, and another server has another identifier.
  here text := concat_ws(' ', (select system_identifier from pg_control_system()), '${schema}.clock'::regclass::oid,
    left(pg_walfile_name(pg_current_wal_lsn()), 8));
  state ${schema}.clock%rowtype;
  latest bigint;
  known bigint;
  results bigint[];
  count int := coalesce(array_length(keys, 1), 0);
  first int := 1;
  after int;
  fits boolean;
begin
  perform ${schema}.fence(token);
  select * into state from ${schema}.clock for update;
  latest := state.version;
  if state.place <> here then state.generation := state.generation + 1; end if;
  results := array[latest, state.generation];
  while first <= count loop
    after := first;
    fits := true;
    while after <= count and numbers[after] = numbers[first] loop
      if expected[after] is not null then
        select e.version into known from ${schema}.entries e where e.key = keys[after];
        if coalesce(known, 0) <> expected[after] then fits := false; end if;
      end if;
      after := after + 1;
    end loop;
    for i in first .. after - 1 loop
      if not fits then
        results := results || -1::bigint;
      elsif texts[i] is null then
        delete from ${schema}.entries e where e.key = keys[i];
        if found then
          latest := latest + 1;
          insert into ${schema}.removed values (keys[i], latest, writer)
            on conflict (key) do update set version = excluded.version, author = excluded.author;
          results := results || latest;
        else
          results := results || 0::bigint;
        end if;
      else
        latest := latest + 1;
        insert into ${schema}.entries values (keys[i], texts[i], latest, writer)
          on conflict (key) do update
            set value = excluded.value, version = excluded.version, author = excluded.author;
        delete from ${schema}.removed r where r.key = keys[i];
        results := results || latest;
      end if;
    end loop;
    first := after;
  end loop;
  if latest = state.version then return results; end if;
  if state.place <> here then
    insert into ${schema}.generations values (state.generation, state.version);
  end if;
  if latest / ${FORGET_EVERY} > state.version / ${FORGET_EVERY} and latest > ${REMEMBERED} then
    state.horizon := latest - ${REMEMBERED};
    delete from ${schema}.removed r where r.version <= state.horizon;
  end if;
  update ${schema}.clock
    set version = latest, horizon = state.horizon, generation = state.generation, place = here;
  -- A full queue would prevent the commit. It is full where somebody listens within a transaction that does not end.
  if pg_notification_queue_usage() < 0.5 then perform pg_notify('${schema}', latest::text); end if;
  return results;
end $$;`,
  (schema) => `
-- The node of a cluster that has the lease, and those that may take it over.
alter table ${schema}.leases add column node text, add column members text[] not null default '{}';
create table ${schema}.nodes (
  name text primary key,
  -- Names one run of the node; null when it has none any longer.
  incarnation text,
  address text not null, host text not null, pid bigint not null, since timestamptz not null,
  expires timestamptz not null
);`,
];

/**
 * Makes the tables, or brings them to the present version, in one transaction.
 *
 * @throws LocalError CONFIGURATION when a newer program has made them
 */
export async function migrate(client: Client, schema: string): Promise<void> {
  if ((await versionOf(client, schema)) === MIGRATIONS.length) return;
  await client.query('begin');
  try {
    // Nodes that start at the same time wait for each other.
    await client.query(`select pg_advisory_xact_lock(hashtext($1))`, [`imxp ${schema}`]);
    // Whoever owns the schema need not be allowed to make one, and "if not exists" asks for that all the same.
    const { rowCount } = await client.query('select from pg_namespace where nspname = $1', [schema]);
    if (rowCount === 0) await client.query(`create schema ${schema}`);
    await client.query(
      `create table if not exists ${schema}.migrations (version int primary key, at timestamptz not null default now())`,
    );
    const present = await versionOf(client, schema);
    for (const [index, migration] of MIGRATIONS.entries()) {
      if (index < present) continue;
      await client.query(migration(schema));
      await client.query(`insert into ${schema}.migrations (version) values ($1)`, [index + 1]);
    }
    await client.query('commit');
  } catch (error) {
    await client.query('rollback');
    throw error;
  }
}

/** @throws LocalError CONFIGURATION */
async function versionOf(client: Client, schema: string): Promise<number> {
  const { rows: tables } = await client.query<{ there: boolean }>(`select to_regclass($1) is not null as there`, [
    `${schema}.migrations`,
  ]);
  if (tables[0]?.there !== true) return 0;
  const { rows } = await client.query<{ version: number }>(
    `select coalesce(max(version), 0) as version from ${schema}.migrations`,
  );
  const version = rows[0]?.version ?? 0;
  if (version <= MIGRATIONS.length) return version;
  throw new LocalError(
    'CONFIGURATION',
    `store.schema: ${schema}: a newer version of imxp has made these tables (version ${version}, and this one knows ${MIGRATIONS.length}); use that one`,
  );
}
