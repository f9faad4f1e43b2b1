/** Sends attach and terminate to the relay and awaits the answers. */
import { type ImxpError, TransportError } from '../errors.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Attach, Terminate } from '../imxp/operation.js';
import type { EndpointChannel } from './connection.js';

/** Interprets replies; implemented by the outbox. */
export interface ReplyInterpreter {
  /** @returns undefined for ok */
  interpret(kind: 'RPY' | 'ERR', payload: Buffer): ImxpError | undefined;
}

export class Requests {
  readonly #dialect: Dialect;
  readonly #interpreter: ReplyInterpreter;

  constructor(dialect: Dialect, interpreter: ReplyInterpreter) {
    this.#dialect = dialect;
    this.#interpreter = interpreter;
  }

  /** @throws RefusedError REFUSED, TransportError TIMED_OUT | CONNECTION_LOST */
  ask(channel: EndpointChannel, operation: Attach | Terminate): Promise<void> {
    return new Promise((resolve, reject) => {
      channel.request(this.#dialect.encode(operation), {
        replied: (kind, payload) => {
          const error = this.#interpreter.interpret(kind, payload);
          if (error === undefined) resolve();
          else reject(error);
        },
        failed: (reason) => {
          const code = reason === 'timeout' ? 'TIMED_OUT' : 'CONNECTION_LOST';
          reject(new TransportError(code, `the relay did not answer the ${operation.type}`));
        },
      });
    });
  }

  /** Ends attachments; they count as ended whatever the relay answers. Never rejects. */
  async terminate(channel: EndpointChannel, transIDs: readonly number[]): Promise<void> {
    await Promise.allSettled(transIDs.map((transID) => this.ask(channel, { type: 'terminate', transID })));
  }
}
