/**
 * Endpoints of accounts inside the process, for clients of the HTTP API and for webhooks. An account has one at a time,
 * which all its uses share and which ends with the last of them; one of them at most receives what arrives.
 */
import type { Delivery } from '../endpoint/delivery.js';
import type { Endpoint } from '../endpoint/endpoint.js';
import { RefusedError, type Reply } from '../errors.js';
import { HttpFault } from './http-fault.js';

export interface AttachWish {
  /** Attach beside the account, for a program that asks and receives nothing. */
  readonly sendOnly: boolean;
}

/** Attaches as an account. */
export type AttachLocally = (account: string, wish?: AttachWish) => Promise<Endpoint>;

/** The use of an endpoint. */
export interface Lease {
  readonly endpoint: Endpoint;
  release(): void;
}

interface Shared {
  readonly opening: Promise<Endpoint>;
  uses: number;
  receiver: ((delivery: Delivery) => void) | undefined;
}

const NOBODY: Reply = { code: 450, text: 'the program attached here receives no messages at present; try again later' };
/** Another program is attached as the account. */
const TAKEN = 554;

export class AccountEndpoints {
  readonly #attach: AttachLocally;
  readonly #shared = new Map<string, Shared>();

  constructor(attach: AttachLocally) {
    this.#attach = attach;
  }

  /**
   * Uses the endpoint of an account.
   *
   * @param receiver given what arrives, until the release; without it messages are refused unless another use receives
   * @throws HttpFault 409 when another use receives already; RefusedError 554 when another program is attached
   */
  async lease(account: string, receiver?: (delivery: Delivery) => void): Promise<Lease> {
    const shared = this.#shared.get(account) ?? this.#open(account);
    if (receiver !== undefined && shared.receiver !== undefined) {
      throw new HttpFault(409, `messages for ${account} are received by another stream or a webhook already`);
    }
    shared.uses += 1;
    if (receiver !== undefined) shared.receiver = receiver;
    let released = false;
    const release = (): void => {
      if (released) return;
      released = true;
      shared.uses -= 1;
      if (receiver !== undefined) shared.receiver = undefined;
      if (shared.uses > 0) return;
      if (this.#shared.get(account) === shared) this.#shared.delete(account);
      // One that could not be opened has told those who waited for it.
      shared.opening.then(
        (endpoint) => endpoint.close(),
        () => {},
      );
    };
    try {
      return { endpoint: await shared.opening, release };
    } catch (error) {
      release();
      throw error;
    }
  }

  /**
   * Like {@link lease} for requests: where another program is attached as the account, beside it.
   *
   * @throws as attaching
   */
  async leaseToAsk(account: string): Promise<Lease> {
    try {
      return await this.lease(account);
    } catch (error) {
      if (!(error instanceof RefusedError) || error.reply.code !== TAKEN) throw error;
      return await this.leaseBeside(account);
    }
  }

  /** Attaches beside whatever is attached as the account, for a program that only sends. @throws as attaching */
  async leaseBeside(account: string): Promise<Lease> {
    const endpoint = await this.#attach(account, { sendOnly: true });
    return { endpoint, release: () => void endpoint.close() };
  }

  #open(account: string): Shared {
    const opening = this.#attach(account);
    const shared: Shared = { opening, uses: 0, receiver: undefined };
    this.#shared.set(account, shared);
    opening.then(
      (endpoint) => {
        endpoint.once('close', () => {
          if (this.#shared.get(account) === shared) this.#shared.delete(account);
        });
        endpoint.receive((delivery) => {
          if (shared.receiver === undefined) delivery.refuse(NOBODY);
          else shared.receiver(delivery);
        });
      },
      () => {
        if (this.#shared.get(account) === shared) this.#shared.delete(account);
      },
    );
    return shared;
  }
}
