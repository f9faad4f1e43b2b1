/**
 * Claims of a node at the center: an endpoint is attached where the center granted it, so no endpoint is attached twice.
 * A claim is an attach on a channel of its own, which ends with the node: then the center takes all its claims back.
 */
import type { Reply } from '../errors.js';
import { wishOptions } from '../imxp/attach-options.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Attach, Option, Terminate } from '../imxp/operation.js';
import { newTransId } from '../imxp/trans-id.js';
import type { RelayChannel } from '../mesh/channel.js';
import { Link } from '../mesh/link.js';
import { events } from '../ops/events.js';
import type { ClaimWish } from '../relay/cluster.js';
import { ATTACH_OVERRIDE } from '../relay/delivery-options.js';
import type { NodeLinkOptions } from './node-link.js';
import { dialNode } from './node-socket.js';

const OVERRIDE: Option = {
  internal: ATTACH_OVERRIDE,
  external: undefined,
  targetHop: 'this',
  seeNoEvil: false,
  // Nobody answers to it.
  transID: 1,
  localize: '',
  inner: Buffer.alloc(0),
};

/** Of a terminate for a claim that there is no longer. */
const UNKNOWN_CLAIM = 550;

export const UNAVAILABLE: Reply = { code: 450, text: 'the directory of this relay is not reachable: try again' };

export interface ClaimsOptions extends NodeLinkOptions {
  readonly path: string;
  readonly center: string;
  /** The center has taken back all claims, because the channel has ended: nobody may stay attached here. */
  readonly lost: (why: string) => void;
}

export class Claims {
  readonly #options: ClaimsOptions;
  readonly #dialect: Dialect;
  readonly #link: Link;
  readonly #ready: Promise<void>;
  readonly #held = new Set<number>();
  #channel: RelayChannel | undefined;

  /** @throws Error if no dialect is spoken */
  constructor(options: ClaimsOptions) {
    const [dialect] = options.dialects;
    if (dialect === undefined) throw new Error('a node speaks at least one dialect');
    this.#options = options;
    this.#dialect = dialect;
    let up: () => void = () => {};
    this.#ready = new Promise((resolve) => {
      up = resolve;
    });
    const { path, center, domain, limits, relay } = options;
    this.#link = new Link({
      name: center,
      connect: () => dialNode(path, center, this.#link, options),
      dialects: () => [dialect],
      domains: [domain],
      lanes: 1,
      dataWaitMs: limits.data.deliveryTimeoutMs,
      accept: (channel) => relay().accept(channel),
      bound: () => {},
      up: ([channel]) => {
        this.#channel = channel;
        up();
      },
      down: () => {
        if (this.#channel === undefined) return;
        this.#channel = undefined;
        options.lost('the channel for claims has ended');
      },
    });
  }

  /** Resolves when claims can be made. */
  open(): Promise<void> {
    this.#link.connect();
    return this.#ready;
  }

  /**
   * Claims an endpoint.
   *
   * @param lost called when the center gives it to another node
   * @returns the number of the claim, or why it was refused
   */
  claim(key: string, { override, ...wishes }: ClaimWish, lost: (claim: number) => void): Promise<number | Reply> {
    const channel = this.#channel;
    if (channel === undefined) return Promise.resolve(UNAVAILABLE);
    const transID = newTransId(this.#held);
    this.#held.add(transID);
    const options = [...(override ? [OVERRIDE] : []), ...wishOptions(wishes)];
    return new Promise((resolve) => {
      this.#request(channel, { type: 'attach', endpoint: key, transID, options }, (answer) => {
        // At once: the center may take it back with the next octets.
        if (answer === undefined) {
          this.#options.relay().initiated(channel, transID, () => {
            if (this.#held.delete(transID)) lost(transID);
          });
          resolve(transID);
          return;
        }
        this.#held.delete(transID);
        // Whether it was granted is not known: what was is given back.
        if (answer === UNAVAILABLE && this.#channel === channel)
          this.#request(channel, { type: 'terminate', transID }, () => {});
        resolve(answer);
      });
    });
  }

  release(claim: number): void {
    const channel = this.#channel;
    if (!this.#held.delete(claim) || channel === undefined) return;
    this.#options.relay().forget(channel, claim);
    this.#request(channel, { type: 'terminate', transID: claim }, (reply) => {
      // The center may have taken it back at the same moment.
      if (reply === undefined || reply === UNAVAILABLE || reply.code === UNKNOWN_CLAIM) return;
      events.fault.publish({ session: channel.id, error: new Error(`a claim was not released: ${reply.text}`) });
    });
  }

  async close(limitMs: number): Promise<void> {
    this.#channel = undefined;
    await this.#link.close(limitMs);
  }

  /** @param answered given undefined for `ok`, {@link UNAVAILABLE} if there is no answer */
  #request(channel: RelayChannel, operation: Attach | Terminate, answered: (reply: Reply | undefined) => void): void {
    channel.request(this.#dialect.encode(operation), {
      replied: (_kind, payload) => {
        const reply = this.#dialect.decodeReply(payload);
        answered(reply.type === 'ok' ? undefined : { code: reply.code, text: reply.text });
      },
      failed: () => answered(UNAVAILABLE),
    });
  }
}
