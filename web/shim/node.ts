/** Replacements of Node modules in a browser, which has no TCP sockets, TLS or files. */
import { EventEmitter } from './events.js';

/** `node:stream`: a base; the only stream there is in a browser is in `web/stream.ts`. */
export class Duplex extends EventEmitter {}
export class Stream extends EventEmitter {}
export class Readable extends EventEmitter {
  static from(): never {
    throw new Error('a browser has no streams of Node: use delivery.pieces');
  }
}

/** `node:net` and `node:tls`: what no stream is an instance of. */
export class Socket extends Duplex {}
export class TLSSocket extends Socket {}

/** `node:diagnostics_channel`: events without anybody to subscribe from elsewhere. */
export class Channel {
  #subscribers: readonly ((message: unknown) => void)[] = [];

  get hasSubscribers(): boolean {
    return this.#subscribers.length > 0;
  }

  subscribe(subscriber: (message: unknown) => void): void {
    this.#subscribers = [...this.#subscribers, subscriber];
  }

  unsubscribe(subscriber: (message: unknown) => void): void {
    this.#subscribers = this.#subscribers.filter((other) => other !== subscriber);
  }

  publish(message: unknown): void {
    for (const subscriber of this.#subscribers) subscriber(message);
  }
}

export function channel(): Channel {
  return new Channel();
}

/** `node:util`. */
export function promisify(call: (...args: unknown[]) => void): (...args: readonly unknown[]) => Promise<unknown> {
  return (...args) =>
    new Promise((resolve, reject) => {
      call(...args, (error: unknown, value: unknown) => (error === null ? resolve(value) : reject(error)));
    });
}

/** `node:fs/promises`: paths cannot be read and cause an error. */
export function readFile(): Promise<never> {
  return Promise.reject(new Error('a browser cannot read files: give the text itself'));
}
export const stat = readFile;

/** `node:net`, for addresses. */
export function isIPv4(text: string): boolean {
  const parts = text.split('.');
  return parts.length === 4 && parts.every((part) => /^(?:0|[1-9]\d{0,2})$/.test(part) && Number(part) < 256);
}

export function isIPv6(text: string): boolean {
  return /^[0-9a-f:.]+$/i.test(text) && text.includes(':') && URL.canParse(`http://[${text}]/`);
}

export function isIP(text: string): 0 | 4 | 6 {
  return isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0;
}

/** `node:url`. */
export function domainToASCII(domain: string): string {
  return URL.canParse(`http://${domain}/`) ? new URL(`http://${domain}/`).hostname : '';
}
