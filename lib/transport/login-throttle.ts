/**
 * Throttle for failed logins: each failure delays the answer longer, and beyond a number of failures no login is accepted
 * for a while. Its memory is bounded, and failures are forgotten with time.
 *
 * It has three counters, because each alone either could be used to lock others out or would let an attacker through:
 *
 * - per **address**: one host that tries many accounts is refused at the greeting. Failures for an account that is
 *   already closed to its network do not count, so one forgotten client with an old password does not shut out the
 *   others behind the same translator.
 * - per **account and network** (/24, /48): guessing at one account from one place ends. Only this place is shut out:
 *   if the account itself were banned, anyone who knows its name could lock its owner out.
 * - per **account** from everywhere: guesses from many networks make answers slower, never impossible. A network from
 *   which the account logged in lately is not slowed at all, so its owner does not notice the attack.
 */
import type { Limits } from '../config/limits.js';
import { hostPrefix, networkOf } from './network.js';

/** Beginning of what peers are told who are refused for their failures. */
export const BANNED = 'too many failed authentications';

export type LoginThrottleLimits = Limits['authentication'];

/** Entries of each table. One costs about 200 octets; the one touched longest ago goes first. */
const CAPACITY = 20_000;

/** Failures between two looks at which of them have faded. */
const SLACK = 1024;

/** Failures remembered where they lead to no ban: the delay is at its maximum long before. */
const SCORE_MAXIMUM = 16;

/** Failures that fade: `limit` of them are forgiven in `fadeMs`, one after the other. */
class Failures {
  /** How many there are when the next look is taken at which have faded. */
  #lookAt = SLACK;
  readonly #entries = new Map<string, { score: number; at: number; until: number }>();
  readonly #fadeMs: number;
  readonly #limit: number;
  readonly #now: () => number;

  /** @param limit failures that lead to a ban; 0 for none */
  constructor(limit: number, fadeMs: number, now: () => number) {
    this.#limit = limit;
    this.#fadeMs = fadeMs / Math.max(1, limit);
    this.#now = now;
  }

  get size(): number {
    return this.#entries.size;
  }

  /**
   * A ban is not prolonged by attempts during it: a program that keeps trying with the right password would never get
   * in.
   *
   * @param banMs how long the ban lasts that this failure may lead to
   */
  add(key: string, banMs: number): void {
    if (this.bannedFor(key) > 0) return;
    const now = this.#now();
    const score = Math.min(this.score(key) + 1, Math.max(this.#limit, SCORE_MAXIMUM));
    // What faded in the seconds between does not make the limit one higher.
    const banned = this.#limit > 0 && Math.ceil(score) >= this.#limit;
    this.#entries.delete(key);
    this.#entries.set(key, { score, at: now, until: banned ? now + banMs : 0 });
    this.#shrink(now);
  }

  score(key: string): number {
    const entry = this.#entries.get(key);
    if (entry === undefined) return 0;
    return Math.max(0, entry.score - (this.#now() - entry.at) / this.#fadeMs);
  }

  /** Milliseconds until nothing is held against the key any more; 0 when it is not banned. */
  bannedFor(key: string): number {
    const entry = this.#entries.get(key);
    return entry === undefined ? 0 : Math.max(0, entry.until - this.#now());
  }

  forget(key: string): void {
    this.#entries.delete(key);
  }

  /**
   * Touched last means last in the map: those in front have faded most. Not at each failure, because a Map passes over
   * what was deleted in front at each look until it is made anew: the work would grow with what is there.
   */
  #shrink(now: number): void {
    if (this.#entries.size < this.#lookAt) return;
    for (const [key, { score, at, until }] of this.#entries) {
      const faded = until <= now && score * this.#fadeMs <= now - at;
      if (!faded && this.#entries.size <= CAPACITY - SLACK) break;
      this.#entries.delete(key);
    }
    this.#lookAt = this.#entries.size + SLACK;
  }
}

export class LoginThrottle {
  readonly #limits: LoginThrottleLimits;
  readonly #addresses: Failures;
  readonly #pairs: Failures;
  readonly #accounts: Failures;
  /** Account and network of successful authentications, oldest first. */
  readonly #familiar = new Set<string>();

  /** @param now milliseconds on a monotonic clock */
  constructor(limits: LoginThrottleLimits, now: () => number = () => performance.now()) {
    this.#limits = limits;
    const { banMs: fadeMs } = limits;
    this.#addresses = new Failures(limits.failuresPerAddress, fadeMs, now);
    this.#pairs = new Failures(limits.failuresPerAccount, fadeMs, now);
    // Without a ban the limit only says how fast it fades: as fast as the one for a single network.
    this.#accounts = new Failures(0, fadeMs / Math.max(1, limits.failuresPerAccount), now);
  }

  /** Entries held; for those who watch the memory. */
  get size(): number {
    return this.#addresses.size + this.#pairs.size + this.#accounts.size + this.#familiar.size;
  }

  /** Milliseconds for which sessions from an address are refused. */
  bannedFor(address: string): number {
    return this.#addresses.bannedFor(hostPrefix(address));
  }

  /** Whether a proof for an account would be accepted from an address, were it right. */
  admits(address: string, account: string): boolean {
    return this.bannedFor(address) === 0 && this.#pairs.bannedFor(pairOf(account, address)) === 0;
  }

  /**
   * Notes a failure.
   *
   * @param account whom the peer claimed to be, existing or not; undefined when it did not get so far
   * @returns milliseconds to wait before the answer
   */
  failed(address: string, account: string | undefined): number {
    const { banMs } = this.#limits;
    const pair = account === undefined ? undefined : pairOf(account, address);
    if (pair === undefined || this.#pairs.bannedFor(pair) === 0) this.#addresses.add(hostPrefix(address), banMs);
    if (account !== undefined && pair !== undefined) {
      this.#pairs.add(pair, banMs);
      this.#accounts.add(account, 0);
    }
    return this.#delay(address, account);
  }

  /**
   * Notes a success. The failures of the address stay, or the owner of one account could guess the passwords of others
   * in between.
   *
   * @returns milliseconds to wait before the answer: as long as for a failure, or a quick answer would be a right one
   */
  succeeded(address: string, account: string): number {
    const pair = pairOf(account, address);
    const delay = this.#familiar.has(pair) ? 0 : this.#delay(address, account);
    this.#pairs.forget(pair);
    this.#familiar.delete(pair);
    this.#familiar.add(pair);
    if (this.#familiar.size > CAPACITY) {
      const [oldest] = this.#familiar;
      if (oldest !== undefined) this.#familiar.delete(oldest);
    }
    return delay;
  }

  /** Doubles with each failure, up to the maximum. */
  #delay(address: string, account: string | undefined): number {
    const { delayMs: first, maximumDelayMs: most } = this.#limits;
    const scores = [this.#addresses.score(hostPrefix(address))];
    if (account !== undefined) scores.push(this.#pairs.score(pairOf(account, address)), this.#accounts.score(account));
    const failures = Math.ceil(Math.max(...scores));
    return failures === 0 ? 0 : Math.min(most, first * 2 ** (failures - 1));
  }
}

function pairOf(account: string, address: string): string {
  return `${account} ${networkOf(address)}`;
}
