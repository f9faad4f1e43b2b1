/** The globals of Node that the endpoint library uses. Timers are objects that can be unreferenced. */
export { Buffer } from './buffer.js';

type Callback = () => void;

class Timer {
  readonly handle: unknown;

  constructor(handle: unknown) {
    this.handle = handle;
  }

  unref(): this {
    return this;
  }

  ref(): this {
    return this;
  }
}

// Named as properties of the page: the bare names are those of this file wherever the library is bundled.
const page = globalThis;

export const setTimeout = (call: Callback, ms?: number): Timer => new Timer(page.setTimeout(() => call(), ms));
export const setInterval = (call: Callback, ms?: number): Timer => new Timer(page.setInterval(() => call(), ms));
export const clearTimeout = (timer?: Timer): void => page.clearTimeout(timer?.handle as number | undefined);
export const clearInterval = (timer?: Timer): void => page.clearInterval(timer?.handle as number | undefined);

/** At the end of this turn. A timer of 0 ms is held back for a second in pages that are not seen; a message is not. */
const due: Callback[] = [];
const { port1, port2 } = new MessageChannel();
port1.addEventListener('message', () => due.shift()?.());
port1.start();

export function setImmediate(call: Callback): void {
  due.push(call);
  port2.postMessage(undefined);
}

export const process = { env: {}, emitWarning: (): void => {} };
