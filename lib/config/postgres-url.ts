/** URLs of PostgreSQL databases: `postgres://user@a.example,b.example:5433/imxp`. Opens nothing. */
import { LocalError } from '../errors.js';

export interface PostgresHost {
  /** Name, address without brackets, or directory of the Unix socket. */
  readonly host: string;
  readonly port: number;
}

export interface PostgresUrl {
  /** One of them is the primary; which one may change. */
  readonly hosts: readonly PostgresHost[];
  readonly user: string;
  readonly password?: string;
  readonly database: string;
}

const EXAMPLE = 'write for instance postgres://imxp@db1.example.com,db2.example.com/imxp';
const DEFAULT_PORT = 5432;
const PORT_MAX = 65_535;
/** Nodes write, so that no other server is of use. */
const WRITABLE = new Set(['read-write', 'primary']);

/** Never quotes the URL, which may contain a password. */
function invalid(why: string): LocalError {
  return new LocalError('ARGUMENT', `${why}; ${EXAMPLE}`);
}

/**
 * Reads a URL as libpq does (PostgreSQL manual, "Connection URIs"), with several hosts. Parameters: `target_session_attrs`,
 * which is `read-write` in any case, and `host` and `port` for Unix sockets.
 *
 * @throws LocalError ARGUMENT
 */
export function parsePostgresUrl(text: string): PostgresUrl {
  const match = /^postgres(?:ql)?:\/\/(?:([^@/?]*)@)?([^/?@]*)\/([^/?]*)(?:\?(.*))?$/.exec(text.trim());
  if (match === null) throw invalid('this is not the URL of a PostgreSQL database');
  const [, who = '', authority = '', database = '', query = ''] = match;
  const parameters = parametersOf(query);
  const [user = '', ...rest] = who.split(':');
  if (user === '') throw invalid('the URL names no user');
  if (database === '') throw invalid('the URL names no database');
  const names = authority === '' ? (parameters.get('host') ?? '') : authority;
  if (names === '') throw invalid('the URL names no host');
  const port = parameters.get('port');
  return {
    hosts: names.split(',').map((name) => hostOf(name, port)),
    user: decoded(user),
    ...(rest.length === 0 ? {} : { password: decoded(rest.join(':')) }),
    database: decoded(database),
  };
}

/** Whether all hosts are on this machine, where nobody can listen. */
export function isOnThisMachine({ hosts }: Pick<PostgresUrl, 'hosts'>): boolean {
  return hosts.every(({ host }) => host.startsWith('/') || /^(?:localhost|127(?:\.\d+){3}|::1)$/i.test(host));
}

/** A host for people. */
export function writePostgresHost({ host, port }: PostgresHost): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

function parametersOf(query: string): ReadonlyMap<string, string> {
  const found = new Map<string, string>();
  for (const part of query.split('&').filter((one) => one !== '')) {
    const [name = '', value = ''] = part.split('=', 2).map(decoded);
    if (name.startsWith('ssl')) throw invalid(`the parameter ${name} has no meaning here: use "tls"`);
    if (name === 'target_session_attrs') {
      if (!WRITABLE.has(value)) throw invalid('target_session_attrs must be read-write: a node writes');
    } else if (name === 'host' || name === 'port') found.set(name, value);
    else throw invalid(`the parameter ${name} is not known here`);
  }
  return found;
}

function hostOf(text: string, defaultPort: string | undefined): PostgresHost {
  const [, bracketed, name = '', given] = /^(?:\[([^\]]*)\]|([^:]*))(?::(.*))?$/.exec(text) ?? [];
  const host = bracketed ?? decoded(name);
  if (host === '') throw invalid('the URL names a host that is empty');
  const digits = given ?? defaultPort ?? `${DEFAULT_PORT}`;
  const port = Number(digits);
  if (!/^\d+$/.test(digits) || port < 1 || port > PORT_MAX) throw invalid('the URL names a port that is none');
  return { host, port };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw invalid('the URL has a % that is not followed by two hexadecimal digits');
  }
}
