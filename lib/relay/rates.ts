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
  /** Attach and bind together. */
  readonly attach: Rate;
}

/** What one identity may still do; undefined where there is no limit. */
export interface Allowance {
  readonly data: TokenBucket | undefined;
  readonly attach: TokenBucket | undefined;
}

export class Rates {
  readonly #data: TokenBuckets;
  readonly #relayData: TokenBuckets;
  readonly #attach: TokenBuckets;

  /** @param now milliseconds on a monotonic clock */
  constructor(rates: RelayRates, now?: () => number) {
    this.#data = new TokenBuckets(rates.data, now);
    this.#relayData = new TokenBuckets(rates.relayData, now);
    this.#attach = new TokenBuckets(rates.attach, now);
  }

  /** The allowance of an identity; keep it as long as the identity holds. Nobody is counted by the address. */
  of(identity: Identity, address: string): Allowance {
    const name = keyOf(identity) || `address ${address}`;
    const data = identity.kind === 'relay' ? this.#relayData : this.#data;
    return { data: data.of(name), attach: this.#attach.of(name) };
  }
}
