/**
 * Requests to an engine, in batches: those that come in one turn of the event loop, or while a batch is under way, go
 * together into the next one. Copies nothing and knows nothing of what a request is.
 */

/** What one batch may hold; one request alone may be larger. */
export interface BatchLimits {
  readonly requests: number;
  readonly octets: number;
}

export interface BatchOptions<Request> {
  readonly limits: BatchLimits;
  /** How much of the limits a request takes. */
  sizeOf(request: Request): BatchLimits;
  /** Answers each request of the batch, errors included. Never rejects. */
  run(batch: readonly Request[]): Promise<void>;
}

export class Batches<Request> {
  readonly #options: BatchOptions<Request>;
  #waiting: Request[] = [];
  #running: Promise<void> | undefined;

  constructor(options: BatchOptions<Request>) {
    this.#options = options;
  }

  add(request: Request): void {
    this.#waiting.push(request);
    this.#running ??= this.#run(Promise.resolve());
  }

  /** Runs something that must not be beside a batch; not at all while there are some. Never rejects if it does not. */
  between(action: () => Promise<void>): void {
    this.#running ??= this.#run(action());
  }

  /** Resolves when what was added so far is done. */
  async done(): Promise<void> {
    await this.#running;
  }

  async #run(before: Promise<void>): Promise<void> {
    await before;
    while (this.#waiting.length > 0) await this.#options.run(this.#next());
    this.#running = undefined;
  }

  #next(): Request[] {
    const { limits, sizeOf } = this.#options;
    let [count, requests, octets] = [0, 0, 0];
    for (const request of this.#waiting) {
      const size = sizeOf(request);
      requests += size.requests;
      octets += size.octets;
      if (count > 0 && (requests > limits.requests || octets > limits.octets)) break;
      count += 1;
    }
    return this.#waiting.splice(0, count);
  }
}
