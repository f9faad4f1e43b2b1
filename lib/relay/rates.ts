/**
 * How often an identity may send Data, and attach or bind. Owns whose allowance is whose: all channels of one identity
 * share it, whatever sessions they are on. Knows no clock of its own and no configuration file.
 */
import { type Identity, keyOf } from '../imxp/identity.js';
import { type Rate, type TokenBucket, TokenBuckets } from '../ops/token-bucket.js';

export interface RelayRates {
  /** Data of an endpoint, and of a relay, which sends for many. */
  readonly data: Rate;
  readonly relayData: Rate;
  /** Octets of the Data of an endpoint. */
  readonly octets: Rate;
  /** Attach and bind together. */
  readonly attach: Rate;
}

/** What a single account has instead. */
export interface OwnRates {
  readonly data?: Rate;
  readonly octets?: Rate;
}

/** What one identity may still do; undefined where there is no limit. */
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
  readonly #own: (account: string) => OwnRates;
  /** Grows when accounts have other rates than before: whoever keeps an allowance asks for it again. */
  version = 0;

  /**
   * @param own the rates of one account, by the name of its identity; those of everybody where it has none
   * @param now milliseconds on a monotonic clock
   */
  constructor(rates: RelayRates, own: (account: string) => OwnRates = () => NONE, now?: () => number) {
    this.#own = own;
    this.#data = new TokenBuckets(rates.data, now);
    this.#relayData = new TokenBuckets(rates.relayData, now);
    this.#octets = new TokenBuckets(rates.octets, now);
    this.#attach = new TokenBuckets(rates.attach, now);
  }

  /**
   * The allowance of an identity; keep it as long as the identity and the version hold. Nobody is counted by the address.
   */
  of(identity: Identity, address: string): Allowance {
    const account = keyOf(identity);
    const name = account || `address ${address}`;
    const relay = identity.kind === 'relay';
    const own = account === '' ? NONE : this.#own(account);
    return {
      data: (relay ? this.#relayData : this.#data).of(name, own.data),
      // A relay sends for many: only what its own account says holds for it.
      octets: relay && own.octets === undefined ? undefined : this.#octets.of(name, own.octets),
      attach: this.#attach.of(name),
    };
  }
}
