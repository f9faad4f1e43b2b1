/**
 * What is checked, and what the one who checks it has been given. Opens nothing.
 */
import { isIP } from 'node:net';
import type { RelayLocation } from '../../lib/config/relay-url.js';
import { type DialectName, type Vocabulary, vocabulary } from './vocabulary.js';

/** What has to be given, or offered by the listener. */
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
  /** What the listener serves; that of the account unless given. */
  readonly domain?: string | undefined;
  readonly account?: Account | undefined;
  /** Another one, to send to. */
  readonly second?: Account | undefined;
  /** That of a neighbour: `imxp=mesh@rubble.com`. */
  readonly relay?: Account | undefined;
  /** Tune to TLS before everything that may be done under it. */
  readonly tls?: boolean | undefined;
  /** PEM: who signed the listener's certificate. */
  readonly authority?: string | undefined;
  readonly dialect?: DialectName | undefined;
  /** How long one answer may take. */
  readonly timeoutMs?: number | undefined;
}

export interface Target extends TargetOptions {
  /** For addresses. */
  readonly domain: string;
  /** Asked for at the first start; undefined where nobody said which. */
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

/** What was not given for a check, in words. */
export function missing(target: Target, need: Need): string | undefined {
  if (need === 'account' && target.account === undefined) return 'no account was given (--account)';
  if (need === 'second' && target.second === undefined) return 'no second account was given (--second)';
  if (need === 'relay' && target.relay === undefined) return "no neighbour's account was given (--relay-account)";
  if (need === 'authority' && target.authority === undefined) return 'no authority was given (--ca)';
  if (need === 'waits' && !target.words.waits) return 'this dialect answers before it looks at recipients';
  return undefined;
}
