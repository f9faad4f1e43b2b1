/** Clients of the protocols that the benchmark compares, as senders and as recipients that answer each message. */
import type { Submit } from './load.js';

/** What a client is to do and where. */
export interface ClientSettings {
  readonly protocol: Protocol;
  readonly role: Role;
  readonly port: number;
  /** IMXP only: the transport; `tcp` unless given. */
  readonly transport?: 'tcp' | 'ws' | 'wss';
  /** IMXP only: PEM of the authority; with it TLS is required. */
  readonly authority?: string;
  /** IMXP only: who attaches, and whom a sender writes to. */
  readonly address?: string;
  readonly to?: string;
}

export type Role = 'send' | 'receive';
export type Protocol = 'imxp' | 'line' | 'mqtt' | 'nats' | 'xmpp';

export interface Client {
  /** Messages of so many octets of text to the recipient, each done when the recipient's application has answered. */
  submitting(octets: number): Submit;
}

/** Text of so many octets. */
export function textOf(octets: number): Buffer {
  return Buffer.alloc(octets, 'yabba dabba doo ');
}

type Done = Parameters<Submit>[0];

/** Messages without an answer, where answers come in the order of the messages. */
export class InOrder {
  readonly #waiting: Done[] = [];
  #head = 0;

  push(done: Done): void {
    this.#waiting.push(done);
  }

  /** The answer to the oldest. */
  answered(failure: string | undefined): void {
    const done = this.#waiting[this.#head];
    if (done === undefined) throw new Error(`an answer to nothing: ${failure ?? 'ok'}`);
    this.#head += 1;
    if (this.#head > 4096) {
      this.#waiting.splice(0, this.#head);
      this.#head = 0;
    }
    done(failure);
  }
}
