/** Server-sent events of one response: its headers, the comments that keep it alive, and its end. */
import type { ServerResponse } from 'node:http';

/** Comments that keep proxies from closing an idle stream, and show a client that is gone. */
const BEAT_MS = 20_000;
/** What a client has not read yet, besides what its system buffers; one that reads more slowly is cut off. */
const UNREAD_OCTETS = 4_194_304;

export class EventStream {
  readonly #response: ServerResponse;

  /** @param ended called once, when the client has gone or the stream was closed */
  constructor(response: ServerResponse, ended: () => void) {
    this.#response = response;
    const beat = setInterval(() => this.#write(':\n\n'), BEAT_MS);
    const end = (): void => {
      clearInterval(beat);
      ended();
    };
    // The client may have gone while the stream was prepared.
    if (response.destroyed) queueMicrotask(end);
    else response.once('close', end);
  }

  /** The client learns that the stream is open. */
  open(): void {
    if (this.#response.destroyed) return;
    this.#response.writeHead(200, {
      'Content-Type': 'text/event-stream',
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
    });
    this.#write(':\n\n');
  }

  /** @param id absent where nothing is answered by it */
  send(event: string, value: object, id?: string): void {
    const named = id === undefined ? '' : `id: ${id}\n`;
    this.#write(`event: ${event}\n${named}data: ${JSON.stringify(value)}\n\n`);
  }

  close(): void {
    this.#response.end();
  }

  #write(text: string): void {
    if (this.#response.destroyed) return;
    this.#response.write(text);
    if (this.#response.writableLength > UNREAD_OCTETS) this.#response.destroy();
  }
}
