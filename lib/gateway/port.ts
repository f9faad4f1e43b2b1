/**
 * The IMXP side of a gateway as the gateway needs it. An `Endpoint` satisfies these interfaces; nothing here imports it.
 */
import type { Reply } from '../errors.js';
import type { Data } from '../imxp/operation.js';
import type { HeaderField } from '../mime/headers.js';

/** An option as `Endpoint.send` takes it. */
export interface PortOption {
  readonly internal: string;
  readonly targetHop: 'this' | 'final' | 'all';
  readonly seeNoEvil: boolean;
  readonly transID: number;
  readonly xml?: string;
}

/** A message as `Endpoint.send` takes it. */
export interface PortMessage {
  readonly from: string;
  readonly to: string;
  readonly content: Buffer | { readonly xml: string };
  readonly type?: string;
  readonly headers?: readonly HeaderField[];
  readonly options?: readonly PortOption[];
}

/** A delivery, as received from an Endpoint. */
export interface PortDelivery {
  readonly originator: string;
  /** The recipients that the gateway represents. */
  readonly recipients: readonly string[];
  readonly raw: Data;
  accept(): unknown;
  refuse(reply: Reply): unknown;
}

/** The IMXP side: an endpoint attached as every user that the gateway represents. */
export interface ImxpPort {
  /** Resolves when a recipient's application answered `ok`; rejects with an ImxpError. */
  send(message: PortMessage): Promise<void>;
  /** `notifications`: also those of presence services, which the gateway subscribes to by documents of its own. */
  receive(
    handler: (delivery: PortDelivery) => void | Promise<void>,
    options: { readonly notifications: boolean },
  ): void;
}
