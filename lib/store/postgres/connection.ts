/**
 * Connection to the PostgreSQL server that can be written, out of several. Runs one action at a time, connects again
 * after a loss, and gives up an action whose time is over.
 */
import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { Socket } from 'node:net';
import { type ConnectionOptions, createSecureContext } from 'node:tls';
import pg from 'pg';
import { describeFileError, openToOthers, readPasswordFile } from '../../config/password-file.js';
import {
  isOnThisMachine,
  type PostgresHost,
  type PostgresUrl,
  parsePostgresUrl,
  writePostgresHost,
} from '../../config/postgres-url.js';
import type { PostgresConfig } from '../../config/schema.js';
import { LocalError } from '../../errors.js';
import { closedError } from '../store.js';
import { FENCED } from './migrations.js';

/** Time in which a transaction goes on: that of a process that was stopped must not lock out its successor. */
const STILL_MS = 5000;
/** Pause between two attempts to find a server. */
const AGAIN_MS = 200;

/**
 * The server has done nothing of it: it has become a standby, the transaction stood still for too long, or two met
 * (PostgreSQL manual, appendix A).
 */
const NOT_DONE = new Set(['25006', '25P03', '40001', '40P01']);
/** Classes of errors after which a session is of no more use: connection, operator intervention, internal. */
const ENDED = /^(?:08|57P|58|XX)/;

/** Nobody who is trusted has signed the server's certificate (X509_V_ERR_* of OpenSSL). */
const UNTRUSTED = new Set([
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_GET_ISSUER_CERT',
  'UNABLE_TO_GET_ISSUER_CERT_LOCALLY',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
  'CERT_SIGNATURE_FAILURE',
]);

/** Nothing that time mends: the role cannot log in, or there is no such database. */
const LASTING = /^(?:28|3D)/;

/** What is known about the database besides its URL. */
export interface PostgresTarget {
  readonly url: PostgresUrl;
  readonly ssl: ConnectionOptions | false;
  readonly schema: string;
  readonly connectTimeoutMs: number;
  readonly queryTimeoutMs: number;
}

/**
 * Reads the files that a configuration names.
 *
 * @throws LocalError CONFIGURATION
 */
export async function postgresTarget(config: PostgresConfig): Promise<PostgresTarget> {
  const { schema, connectTimeoutMs, queryTimeoutMs, tls } = config;
  const url = await urlOf(config);
  const mode = tls.mode ?? (isOnThisMachine(url) ? 'off' : 'verify');
  return { url, schema, connectTimeoutMs, queryTimeoutMs, ssl: mode === 'off' ? false : await tlsOf(tls) };
}

async function urlOf({ url, urlFile }: PostgresConfig): Promise<PostgresUrl> {
  try {
    if (urlFile === undefined) return parsePostgresUrl(url ?? '');
    const found = parsePostgresUrl(await readPasswordFile(urlFile));
    if (found.password === undefined || !(await openToOthers(urlFile))) return found;
    throw new LocalError('CONFIGURATION', `${urlFile}: other users of this machine can read this password; chmod 600`);
  } catch (cause) {
    const place = urlFile === undefined ? 'store.url' : 'store.urlFile';
    throw new LocalError('CONFIGURATION', `${place}: ${describeFileError(cause)}`, { cause });
  }
}

async function tlsOf(tls: PostgresConfig['tls']): Promise<ConnectionOptions> {
  const read = async (name: 'authority' | 'certificate' | 'key'): Promise<Buffer | undefined> => {
    const path = tls[name];
    if (path === undefined) return undefined;
    try {
      return await readFile(path);
    } catch (cause) {
      throw new LocalError('CONFIGURATION', `store.tls.${name}: ${path}: ${describeFileError(cause)}`, { cause });
    }
  };
  const [ca, cert, key] = await Promise.all([read('authority'), read('certificate'), read('key')]);
  if (tls.key !== undefined && (await openToOthers(tls.key))) {
    const text = `store.tls.key: ${tls.key}: other users of this machine can read this key; chmod 600`;
    throw new LocalError('CONFIGURATION', text);
  }
  // Without this a file that holds no certificate would be trusted CAs of which there are none.
  usable(`store.tls.authority: ${tls.authority}`, () => (ca === undefined ? undefined : new X509Certificate(ca)));
  usable(`store.tls.certificate and store.tls.key: ${tls.certificate}, ${tls.key}`, () =>
    createSecureContext({ cert, key }),
  );
  return {
    rejectUnauthorized: true,
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined || key === undefined ? {} : { cert, key }),
  };
}

/** @throws LocalError CONFIGURATION */
function usable(place: string, read: () => unknown): void {
  try {
    read();
  } catch (cause) {
    throw new LocalError('CONFIGURATION', `${place}: not usable: ${textOf(cause)}`, { cause });
  }
}

/** Runs on a new connection before it is used. */
export type Prepare = (client: pg.Client) => Promise<void>;

interface Session {
  readonly client: pg.Client;
  readonly socket: Socket;
  /** Why it is of no more use. */
  ended: Error | undefined;
}

export class PostgresConnection {
  readonly #target: PostgresTarget;
  readonly #prepare: Prepare;
  #session: Session | undefined;
  #tail: Promise<unknown> = Promise.resolve();
  #closed = false;
  /** The host that was found last is asked first. */
  #host = 0;
  /** Since when no server is found, on the monotonic clock. */
  #failingSince: number | undefined;
  #failing: LocalError | undefined;

  constructor(target: PostgresTarget, prepare: Prepare = async () => {}) {
    this.#target = target;
    this.#prepare = prepare;
  }

  /** Why it cannot be used; undefined while it can, or has not been used. */
  get failing(): string | undefined {
    return this.#failing?.message;
  }

  /** The server that is connected, for people. */
  get host(): string | undefined {
    const host = this.#target.url.hosts[this.#host];
    return this.#session === undefined || host === undefined ? undefined : writePostgresHost(host);
  }

  /**
   * Runs an action when those before it have ended, within the time for one request.
   *
   * @param repeatable whether it may run once more when the connection is lost: it only reads
   * @param limitMs time for all of it, where it consists of many requests
   * @throws LocalError STORE_FAILED; its field `unknown` says that it may have been done
   */
  run<T>(
    action: (client: pg.Client) => Promise<T>,
    repeatable = false,
    limitMs = this.#target.queryTimeoutMs,
  ): Promise<T> {
    const done = this.#tail.then(() => this.#run(action, repeatable, limitMs));
    this.#tail = done.catch(() => {});
    return done;
  }

  /** Waits for the actions in progress. */
  async close(): Promise<void> {
    await this.#tail;
    this.#closed = true;
    const session = this.#session;
    this.#session = undefined;
    if (session === undefined) return;
    session.ended = closedError();
    await before(this.#target.connectTimeoutMs, session.client.end(), () => session.socket.destroy()).catch(() => {});
  }

  async #run<T>(action: (client: pg.Client) => Promise<T>, repeatable: boolean, limitMs: number): Promise<T> {
    for (let attempt = 1; ; attempt += 1) {
      const session = await this.#connected();
      try {
        const result = await before(limitMs, action(session.client), () => session.socket.destroy());
        if (session.ended !== undefined) throw session.ended;
        return result;
      } catch (cause) {
        const code = codeOf(cause);
        if (code === undefined || ENDED.test(code) || NOT_DONE.has(code)) this.#drop(session, cause);
        if (attempt === 1 && (repeatable || (code !== undefined && NOT_DONE.has(code)))) continue;
        throw this.#failed(cause, !repeatable && (code === undefined || ENDED.test(code)));
      }
    }
  }

  #failed(cause: unknown, unknown: boolean): LocalError {
    if (cause instanceof LocalError) return cause;
    const text = codeOf(cause) === FENCED ? 'another node has taken over' : textOf(cause);
    const doubt = unknown ? '; whether it was written is not known' : '';
    return new LocalError('STORE_FAILED', `the database could not read or write: ${text}${doubt}`, {
      cause,
      fields: { unknown },
    });
  }

  #drop(session: Session, cause: unknown): void {
    session.ended ??= cause instanceof Error ? cause : new Error(String(cause));
    if (this.#session === session) this.#session = undefined;
    session.socket.destroy();
  }

  async #connected(): Promise<Session> {
    if (this.#closed) throw closedError();
    const { connectTimeoutMs } = this.#target;
    const begin = performance.now();
    while (this.#session === undefined) {
      const since = this.#failingSince;
      try {
        this.#session = await this.#find();
        this.#failingSince = undefined;
        this.#failing = undefined;
      } catch (error) {
        if (!(error instanceof LocalError)) throw error;
        this.#failing = error;
        this.#failingSince ??= begin;
        const now = performance.now();
        // A promotion takes a moment; when it takes longer, nobody should wait for each request.
        const patient = since === undefined || now - since < connectTimeoutMs;
        const hopeless = error.code !== 'STORE_FAILED' || error.fields['lasting'] === true;
        if (hopeless || !patient || now - begin >= connectTimeoutMs) throw error;
        await new Promise((resolve) => setTimeout(resolve, AGAIN_MS));
      }
    }
    return this.#session;
  }

  /** @throws LocalError STORE_FAILED, or as the preparation */
  async #find(): Promise<Session> {
    const { hosts } = this.#target.url;
    const flaws: string[] = [];
    let lasting = true;
    for (let step = 0; step < hosts.length; step += 1) {
      const index = (this.#host + step) % hosts.length;
      const host = hosts[index];
      if (host === undefined) continue;
      try {
        const session = await this.#connect(host);
        this.#host = index;
        return session;
      } catch (cause) {
        if (cause instanceof LocalError) throw cause;
        flaws.push(`${writePostgresHost(host)}: ${textOf(cause)}${adviceOn(cause)}`);
        lasting &&= adviceOn(cause) !== '' || LASTING.test(codeOf(cause) ?? '');
      }
    }
    throw new LocalError('STORE_FAILED', `the database cannot be reached: ${flaws.join('; ')}`, {
      fields: { lasting },
    });
  }

  async #connect({ host, port }: PostgresHost): Promise<Session> {
    const { url, ssl, connectTimeoutMs, queryTimeoutMs } = this.#target;
    const { user, password, database } = url;
    const socket = new Socket();
    const client = new pg.Client({
      host,
      port,
      user,
      database,
      ...(password === undefined ? {} : { password }),
      // By itself the package compares the certificate of a host that is given by its address with "localhost".
      ssl: ssl === false ? false : { ...ssl, host },
      keepAlive: true,
      application_name: 'imxp',
      // A request that was given up here must not go on there for long.
      statement_timeout: queryTimeoutMs,
      idle_in_transaction_session_timeout: STILL_MS,
      stream: () => socket,
    });
    const session: Session = { client, socket, ended: undefined };
    client.on('error', (error) => this.#drop(session, error));
    client.on('end', () => this.#drop(session, new Error('the server has closed the connection')));
    // A commit whose wait for the standby was cancelled is reported as done, with a warning: it may be lost.
    client.on('notice', ({ routine, message }) => {
      if (routine === 'SyncRepWaitForLSN') this.#drop(session, new Error(message));
    });
    try {
      await before(
        connectTimeoutMs,
        (async () => {
          await client.connect();
          await checkWritable(client);
          await this.#prepare(client);
        })(),
        () => socket.destroy(),
      );
      if (session.ended !== undefined) throw session.ended;
      return session;
    } catch (cause) {
      this.#drop(session, cause);
      throw cause;
    }
  }
}

interface ServerState {
  readonly standby: boolean;
  readonly readonly: string;
  readonly encoding: string;
}

/** @throws LocalError CONFIGURATION: it can never be used; Error: it cannot be used now */
async function checkWritable(client: pg.Client): Promise<void> {
  const { rows } = await client.query<ServerState>(
    `select pg_is_in_recovery() as standby, current_setting('transaction_read_only') as readonly,
       current_setting('server_encoding') as encoding`,
  );
  const [state] = rows;
  if (state === undefined || state.standby || state.readonly === 'on') throw new Error('cannot be written (a standby)');
  if (state.encoding !== 'UTF8') {
    const text = `the database ${client.database} has the encoding ${state.encoding}; make one with "create database NAME encoding 'UTF8' template template0"`;
    throw new LocalError('CONFIGURATION', `store.url: ${text}`);
  }
  // Whatever the database or the role has for others: a stricter level fails where several write.
  await client.query(`set default_transaction_isolation = 'read committed'; set datestyle = 'ISO'`);
  // A session that waits for notifications has nothing else to do. Servers before version 14 have no such limit.
  await client.query(
    `select set_config(name, '0', false) from pg_settings where name in ('idle_session_timeout', 'transaction_timeout')`,
  );
  // What is answered ok must survive; a stronger setting of the server stays.
  await client.query(
    `select set_config('synchronous_commit', 'on', false) where current_setting('synchronous_commit') in ('off', 'local')`,
  );
}

/** What to do about a server that cannot be connected; empty where its own words say enough. */
function adviceOn(cause: unknown): string {
  const text = textOf(cause);
  const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return '; name the host in the URL as its certificate does';
  if (typeof code === 'string' && UNTRUSTED.has(code)) return '; name its CA as store.tls.authority';
  if (text.includes('does not support SSL')) return '; switch TLS on there (ssl = on), or set store.tls.mode to "off"';
  if (text.includes('no encryption')) return '; set store.tls.mode to "verify"';
  if (text.includes('valid client certificate')) return '; name one as store.tls.certificate, and store.tls.key';
  if (text.includes('password must be a string'))
    return '; the server asks for a password: write the URL with it to a file, and name that as store.urlFile';
  return '';
}

/** The role may not do what is needed. */
const NO_RIGHTS = '42501';

/** An error that only the operator of the database can do something about, in their terms; others as they are. */
export function withRights(error: unknown, { url: { user, database }, schema }: PostgresTarget): unknown {
  const cause = error instanceof LocalError ? error.cause : error;
  if (codeOf(cause) !== NO_RIGHTS) return error;
  const advice = `make it the owner of the schema ${schema}, or grant create on database ${database} to ${user}`;
  const text = `store.url: the role ${user} may not do what a node needs: ${textOf(cause)}; ${advice}`;
  return new LocalError('CONFIGURATION', text, { cause });
}

/** SQLSTATE of an error of the server. */
function codeOf(cause: unknown): string | undefined {
  return cause instanceof pg.DatabaseError ? cause.code : undefined;
}

function textOf(cause: unknown): string {
  // Happy Eyeballs of Node gives an error without a message.
  if (cause instanceof AggregateError) return cause.errors.map(textOf).join(', ');
  return cause instanceof Error ? cause.message : String(cause);
}

/** @throws Error when the time is over, after calling `late` */
async function before<T>(ms: number, begun: Promise<T>, late: () => void): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const deadline = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      late();
      reject(new Error(`no answer within ${ms} ms`));
    }, ms);
  });
  try {
    return await Promise.race([begun, deadline]);
  } finally {
    clearTimeout(timer);
  }
}
