/**
 * Streams of messages for clients of the HTTP API (server-sent events). A client's account is attached while its stream is
 * open; each message waits until the client answers it, and is refused when the stream ends before.
 */
import { randomUUID } from 'node:crypto';
import type { ServerResponse } from 'node:http';
import type { Delivery } from '../endpoint/delivery.js';
import type { Endpoint } from '../endpoint/endpoint.js';
import type { Reply } from '../errors.js';
import { HttpFault } from './http-fault.js';

/** Comments that keep proxies from closing an idle stream, and show a client that is gone. */
const BEAT_MS = 20_000;
/** Types whose content is shown as text. */
const TEXTUAL = /^text\/|[/+](?:json|xml)$/;
const GONE: Reply = { code: 450, text: 'the recipient stopped receiving before it answered' };

interface Stream {
  readonly endpoint: Endpoint;
  readonly waiting: Map<string, Delivery>;
}

export class MessageStreams {
  readonly #limit: number;
  readonly #streams = new Map<string, Stream | undefined>();

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Resolves when the stream is open. @throws HttpFault 409 | 503; and what attaching throws */
  async open(account: string, attach: (account: string) => Promise<Endpoint>, response: ServerResponse): Promise<void> {
    if (this.#streams.has(account)) throw new HttpFault(409, `a stream of ${account} is open already`);
    if (this.#streams.size >= this.#limit) throw new HttpFault(503, 'too many streams are open');
    this.#streams.set(account, undefined);
    try {
      const endpoint = await attach(account);
      const waiting = new Map<string, Delivery>();
      this.#streams.set(account, { endpoint, waiting });
      const beat = setInterval(() => response.write(':\n\n'), BEAT_MS);
      response.once('close', () => {
        clearInterval(beat);
        this.#streams.delete(account);
        for (const delivery of waiting.values()) delivery.refuse(GONE);
        void endpoint.close();
      });
      endpoint.once('close', () => response.end());
      response.writeHead(200, {
        'Content-Type': 'text/event-stream',
        'Cache-Control': 'no-store',
        'X-Content-Type-Options': 'nosniff',
      });
      response.write(':\n\n');
      endpoint.receive((delivery) => {
        const id = randomUUID();
        waiting.set(id, delivery);
        response.write(`event: message\nid: ${id}\ndata: ${JSON.stringify({ id, ...described(delivery) })}\n\n`);
      });
      if (response.destroyed) void endpoint.close();
    } catch (error) {
      this.#streams.delete(account);
      throw error;
    }
  }

  /** @param reply undefined for ok @returns false when there is no such message that waits for an answer */
  answer(account: string, id: string, reply: Reply | undefined): boolean {
    const waiting = this.#streams.get(account)?.waiting;
    const delivery = waiting?.get(id);
    waiting?.delete(id);
    if (delivery === undefined) return false;
    return reply === undefined ? delivery.accept() : delivery.refuse(reply);
  }
}

function described(delivery: Delivery): object {
  const { originator: from, recipients: to, content } = delivery;
  if (content.kind === 'uri') return { from, to, uri: content.uri };
  if (content.kind === 'inline') return { from, to, type: 'application/xml', text: delivery.text() };
  const { type, body, headers } = content;
  const disposition = headers.get('Content-Disposition');
  const more = disposition === undefined ? {} : { disposition };
  if (TEXTUAL.test(type) || delivery.message !== undefined) return { from, to, type, ...more, text: delivery.text() };
  return { from, to, type, ...more, base64: body.toString('base64') };
}
