/** The listener under test and the accounts and options given for it. */
import { isIP } from 'node:net';
import type { RelayLocation } from '../../lib/config/relay-url.js';
import { type DialectName, type Vocabulary, vocabulary } from './vocabulary.js';

/** Requirements of checks: given by the user or offered by the listener. */
export type Need =
  | 'account'
  | 'second'
  | 'relay'
  | 'authority'
  | 'plain'
  | 'tls'
  | 'digest'
  | 'scram'
  | 'imxp'
  | 'waits';

export interface Account {
  /** `fred@example.com`. */
  readonly address: string;
  readonly password: string;
}

export interface TargetOptions {
  readonly location: RelayLocation;
  /** Domain that the listener serves; default: that of the account. */
  readonly domain?: string | undefined;
  readonly account?: Account | undefined;
  /** A second account, to send to. */
  readonly second?: Account | undefined;
  /** Account of a neighbour: `imxp=mesh@rubble.com`. */
  readonly relay?: Account | undefined;
  /** Start TLS before every check that can run under it. */
  readonly tls?: boolean | undefined;
  /** Trusted CA certificates in PEM. */
  readonly authority?: string | undefined;
  readonly dialect?: DialectName | undefined;
  /** Time limit of one answer. */
  readonly timeoutMs?: number | undefined;
}

export interface Target extends TargetOptions {
  /** Domain for addresses. */
  readonly domain: string;
  /** serverName of the first start; undefined if unknown. */
  readonly serverName: string | undefined;
  readonly timeoutMs: number;
  readonly words: Vocabulary;
}

const DEFAULT_TIMEOUT_MS = 5000;

export const domainOf = (address: string): string => address.slice(address.lastIndexOf('@') + 1);

export function makeTarget(options: TargetOptions): Target {
  const { account, location, timeoutMs = DEFAULT_TIMEOUT_MS, dialect = 'imxp' } = options;
  const named = options.domain ?? (account === undefined ? undefined : domainOf(account.address));
  const serverName = named ?? (isIP(location.host) === 0 ? location.host : undefined);
  const domain = serverName ?? location.host;
  return { ...options, domain, serverName, timeoutMs, words: vocabulary(dialect) };
}

/** Describes what was not given for a check. */
export function missing(target: Target, need: Need): string | undefined {
  if (need === 'account' && target.account === undefined) return 'no account given (--account)';
  if (need === 'second' && target.second === undefined) return 'no second account given (--second)';
  if (need === 'relay' && target.relay === undefined) return 'no account of a neighbour given (--relay-account)';
  if (need === 'authority' && target.authority === undefined) return 'no CA given (--ca)';
  if (need === 'waits' && !target.words.waits) return 'this dialect answers before the recipients do';
  return undefined;
}
