/**
 * Rate limits of identities: Data operations, and attach and bind. All channels of one identity share one allowance,
 * over all sessions.
 */
import { isAnonymous } from '../imxp/anonymous.js';
import { type Identity, keyOf } from '../imxp/identity.js';
import { type Rate, type TokenBucket, TokenBuckets } from '../ops/token-bucket.js';

export interface RelayRates {
  /** Data operations of an endpoint, and of a relay, which sends for many endpoints. */
  readonly data: Rate;
  readonly relayData: Rate;
  /** Octets of the Data operations of an endpoint. */
  readonly octets: Rate;
  /** Attach and bind together. */
  readonly attach: Rate;
  /** Data operations, and their octets, of all anonymous peers of one IP address. */
  readonly anonymousData: Rate;
  readonly anonymousOctets: Rate;
}

/** Rates of a single account that differ from the configuration. */
export interface OwnRates {
  readonly data?: Rate;
  readonly octets?: Rate;
}

/** Remaining allowance of one identity; undefined if there is no limit. */
export interface Allowance {
  readonly data: TokenBucket | undefined;
  readonly octets: TokenBucket | undefined;
  readonly attach: TokenBucket | undefined;
}

const NONE: OwnRates = Object.freeze({});

export class Rates {
  readonly #data: TokenBuckets;
  readonly #relayData: TokenBuckets;
  readonly #octets: TokenBuckets;
  readonly #attach: TokenBuckets;
  readonly #anonymousData: TokenBuckets;
  readonly #anonymousOctets: TokenBuckets;
  readonly #own: (account: string) => OwnRates;
  /** Grows when the rates of accounts change, so that holders of an allowance look it up again. */
  version = 0;

  /**
   * @param own rates of an account, by the name of its identity; undefined values mean the rates of the configuration
   * @param now milliseconds on a monotonic clock
   */
  constructor(rates: RelayRates, own: (account: string) => OwnRates = () => NONE, now?: () => number) {
    this.#own = own;
    this.#data = new TokenBuckets(rates.data, now);
    this.#relayData = new TokenBuckets(rates.relayData, now);
    this.#octets = new TokenBuckets(rates.octets, now);
    this.#attach = new TokenBuckets(rates.attach, now);
    this.#anonymousData = new TokenBuckets(rates.anonymousData, now);
    this.#anonymousOctets = new TokenBuckets(rates.anonymousOctets, now);
  }

  /**
   * Returns the allowance of an identity; it may be kept as long as the identity and the version stay the same.
   * Peers without an identity, and anonymous ones, share that of their address.
   */
  of(identity: Identity, address: string): Allowance {
    if (isAnonymous(identity)) return this.#ofAnonymous(`address ${address}`);
    const account = keyOf(identity);
    const name = account || `address ${address}`;
    const relay = identity.kind === 'relay';
    const own = account === '' ? NONE : this.#own(account);
    return {
      data: (relay ? this.#relayData : this.#data).of(name, own.data),
      // A relay sends for many endpoints: only the rates of its own account apply to it.
      octets: relay && own.octets === undefined ? undefined : this.#octets.of(name, own.octets),
      attach: this.#attach.of(name),
    };
  }

  #ofAnonymous(name: string): Allowance {
    return {
      data: this.#anonymousData.of(name),
      octets: this.#anonymousOctets.of(name),
      attach: this.#attach.of(name),
    };
  }
}
