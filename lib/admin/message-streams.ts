/**
 * Streams of messages for clients of the HTTP API (server-sent events). A client's account is attached while its stream is
 * open; each message waits until the client answers it, and is refused when the stream ends before.
 */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Delivery } from '../endpoint/delivery.js';
import type { Reply } from '../errors.js';
import type { AccountEndpoints } from './account-endpoints.js';
import { describedDelivery } from './described.js';
import { EventStream } from './event-stream.js';

const GONE: Reply = { code: 450, text: 'the recipient stopped receiving before it answered' };

export class MessageStreams {
  /** What waits for an answer, by account. */
  readonly #waiting = new Map<string, Map<string, Delivery>>();

  /** Resolves when the stream is open. @throws as {@link AccountEndpoints.lease} */
  async open(account: string, endpoints: AccountEndpoints, response: ServerResponse): Promise<void> {
    const waiting = new Map<string, Delivery>();
    const early: (() => void)[] = [];
    let stream: EventStream | undefined;
    const lease = await endpoints.lease(account, (delivery) => {
      const show = (): void => {
        const id = randomUUID();
        waiting.set(id, delivery);
        stream?.send('message', { id, ...describedDelivery(delivery) }, id);
      };
      if (stream === undefined) early.push(show);
      else show();
    });
    this.#waiting.set(account, waiting);
    stream = new EventStream(response, () => {
      if (this.#waiting.get(account) === waiting) this.#waiting.delete(account);
      for (const delivery of waiting.values()) delivery.refuse(GONE);
      lease.release();
    });
    lease.endpoint.once('close', () => stream?.close());
    stream.open();
    for (const show of early) show();
  }

  /** @param reply undefined for ok @returns false when there is no such message that waits for an answer */
  answer(account: string, id: string, reply: Reply | undefined): boolean {
    const waiting = this.#waiting.get(account);
    const delivery = waiting?.get(id);
    waiting?.delete(id);
    if (delivery === undefined) return false;
    return reply === undefined ? delivery.accept() : delivery.refuse(reply);
  }
}
