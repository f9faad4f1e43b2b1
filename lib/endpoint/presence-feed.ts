/**
 * Feed: the notifications of one subscription or watch, as an async iterable. Decides when it is renewed and when it is
 * over; knows neither connections nor the meaning of its items.
 */
import { LocalError, RefusedError, type Reply, TransportError } from '../errors.js';
import type { Option } from '../imxp/operation.js';
import { isTransientCode } from '../imxp/reply-code.js';
import type { Form } from '../imxp/vocabulary/form.js';
import { type PresenceOperation, readPresenceOperation } from '../imxp/vocabulary/presence.js';
import { readServiceReply } from '../imxp/vocabulary/reply.js';
import { Backoff } from '../transport/backoff.js';
import type { XmlElement } from '../xml/parse.js';
import { Deferred } from './deferred.js';
import type { ElementHandler } from './transactions.js';

/** Items that have not been read; past it the oldest are dropped, since the newest state counts. */
const KEPT = 1000;
/** Tolerance for differing clocks: an end this shortly before the expiry counts as expiry, not as a withdrawal. */
const EARLY_MS = 5000;
/** Between attempts to subscribe again, as when the service is not back yet after its relay has restarted. */
const AGAIN = { firstMs: 500, longestMs: 30_000 };

export interface FeedOptions<Item> {
  readonly type: 'subscribe' | 'watch';
  /** Dialect of the notifications. */
  readonly form: Form;
  readonly publisher: string;
  /** Normalised address of the publisher. */
  readonly key: string;
  /** Normalised. */
  readonly originator: string;
  /** Seconds. */
  readonly duration: number;
  readonly renew: boolean;
  /** @param options of the Data operation that carried it */
  itemOf(operation: PresenceOperation, options: readonly Option[]): Item | undefined;
  send(operation: PresenceOperation): Promise<void>;
  /** Limits the time that the service has for an answer. */
  within<T>(answer: Promise<T>): Promise<T>;
  begin(handler: ElementHandler): number;
  ended(transID: number): void;
}

/** A feed as its endpoint sees it, whatever the type of its items. */
export interface ActiveFeed {
  covers(type: 'subscribe' | 'watch', key: string, originator: string): boolean;
  again(): Promise<XmlElement>;
  refresh(): void;
  finish(error: Error | undefined): void;
}

/**
 * The notifications of a subscription or watch. The loop ends on expiry, when it is left, or on {@link end}; it throws
 * when the publisher withdraws permission (RefusedError 537), when the endpoint is closed by an error, and when a
 * certificate on this side cannot be read (LocalError).
 */
export class Feed<Item> implements AsyncIterable<Item>, ActiveFeed {
  readonly transID: number;
  readonly #options: FeedOptions<Item>;
  #expires = 0;
  #items: Item[] = [];
  #waiting: Deferred<IteratorResult<Item, undefined>>[] = [];
  #asking: Deferred<XmlElement> | undefined;
  #end: { readonly error: Error | undefined } | undefined;
  /** Aborted when it is refreshed anew, or over. */
  #refreshing = new AbortController();

  constructor(options: FeedOptions<Item>) {
    this.#options = options;
    this.transID = options.begin((element, _service, beside) => this.#take(element, beside));
  }

  /** Whether it is still active, as far as this side knows. */
  get running(): boolean {
    return this.#end === undefined;
  }

  /** When it expires unless renewed. */
  get expires(): Date {
    return new Date(this.#expires);
  }

  /** Terminates it at the service. Never rejects. */
  end(): Promise<void> {
    return this.#leave(undefined);
  }

  async #leave(error: LocalError | undefined): Promise<void> {
    if (this.#end !== undefined) return;
    this.finish(error);
    try {
      await this.#options.send({ type: 'terminate', transID: this.transID });
    } catch {
      // The service ends it on expiry.
    }
  }

  [Symbol.asyncIterator](): AsyncIterator<Item, undefined> {
    return {
      next: () => this.#next(),
      return: async () => {
        await this.end();
        return { done: true, value: undefined };
      },
    };
  }

  /** Whether it is an active feed of this type, publisher and originator. */
  covers(type: 'subscribe' | 'watch', key: string, originator: string): boolean {
    const own = this.#options;
    return this.running && own.type === type && own.key === key && own.originator === originator;
  }

  /**
   * Subscribes (again) under the same transID for the remaining time; the service replaces the earlier subscription.
   * @returns the first answer
   */
  async again(): Promise<XmlElement> {
    const { type, publisher } = this.#options;
    const now = Date.now();
    if (this.#expires <= now + EARLY_MS) this.#expires = now + this.#options.duration * 1000;
    const duration = Math.ceil((this.#expires - now) / 1000);
    this.#asking ??= new Deferred<XmlElement>();
    const { promise } = this.#asking;
    await this.#options.send({ type, publisher, transID: this.transID, duration });
    return promise;
  }

  /**
   * Subscribes again because notifications may have been missed. What may pass (a relay or a service that is not back yet)
   * is tried again until it works; another refusal ends the feed.
   */
  refresh(): void {
    this.#refreshing.abort();
    this.#refreshing = new AbortController();
    void this.#refresh(this.#refreshing.signal);
  }

  async #refresh(signal: AbortSignal): Promise<void> {
    const backoff = new Backoff(AGAIN);
    while (!signal.aborted) {
      try {
        await this.#options.within(this.again());
        return;
      } catch (error) {
        // The endpoint that is being closed ends its feeds.
        if (signal.aborted || (error instanceof LocalError && error.code === 'CLOSED')) return;
        if (!mayPass(error)) return this.finish(error instanceof Error ? error : new Error(String(error)));
      }
      await backoff.wait(signal);
      if (!signal.aborted && !this.#options.renew && Date.now() >= this.#expires) this.finish(undefined);
    }
  }

  /** Ends the feed. */
  finish(error: Error | undefined): void {
    if (this.#end !== undefined) return;
    this.#end = { error };
    this.#refreshing.abort();
    this.#options.ended(this.transID);
    this.#asking?.reject(error ?? new RefusedError('REFUSED', OVER));
    for (const waiting of this.#waiting.splice(0)) {
      if (error === undefined) waiting.resolve({ done: true, value: undefined });
      else waiting.reject(error);
    }
  }

  #take(element: XmlElement, options: readonly Option[]): void {
    if (element.name === 'reply') {
      const { code, text } = readServiceReply(element);
      const refused = new RefusedError('REFUSED', { code, text });
      if (code === 250) this.#answered(element);
      else if (mayPass(refused)) this.#refused(refused);
      else this.finish(refused);
      return;
    }
    const operation = readPresenceOperation(element, this.#options.form);
    if (operation?.type === 'terminate') {
      this.#terminated();
      return;
    }
    const item = operation === undefined ? undefined : this.#itemOf(operation, options);
    if (item === undefined) return;
    if (operation?.type === 'publish') this.#answered(element);
    const waiting = this.#waiting.shift();
    if (waiting !== undefined) waiting.resolve({ done: false, value: item });
    else if (this.#items.push(item) > KEPT) this.#items.shift();
  }

  /** A fault on this side, such as a known certificate that cannot be read, is the application's: it ends the feed. */
  #itemOf(operation: PresenceOperation, options: readonly Option[]): Item | undefined {
    try {
      return this.#options.itemOf(operation, options);
    } catch (error) {
      if (!(error instanceof LocalError)) throw error;
      void this.#leave(error);
      return undefined;
    }
  }

  #answered(element: XmlElement): void {
    this.#asking?.resolve(element);
    this.#asking = undefined;
  }

  #refused(error: RefusedError): void {
    this.#asking?.reject(error);
    this.#asking = undefined;
  }

  /** presence-01 §4.5: it has expired, or the permission is withdrawn. */
  #terminated(): void {
    if (Date.now() < this.#expires - EARLY_MS) this.finish(new RefusedError('REFUSED', WITHDRAWN));
    else if (this.#options.renew) this.#renew();
    else this.finish(undefined);
  }

  #renew(): void {
    this.#expires = 0;
    this.refresh();
  }

  #next(): Promise<IteratorResult<Item, undefined>> {
    const item = this.#items.shift();
    if (item !== undefined) return Promise.resolve({ done: false, value: item });
    if (this.#end?.error !== undefined) return Promise.reject(this.#end.error);
    if (this.#end !== undefined) return Promise.resolve({ done: true, value: undefined });
    const waiting = new Deferred<IteratorResult<Item, undefined>>();
    this.#waiting.push(waiting);
    return waiting.promise;
  }
}

const WITHDRAWN: Reply = {
  code: 537,
  text: 'the publisher withdrew the permission, or the service ended the subscription',
};
const OVER: Reply = { code: 421, text: 'the subscription was ended' };

/** Whether the same request may succeed later. */
function mayPass(error: unknown): boolean {
  return error instanceof RefusedError ? isTransientCode(error.reply.code) : error instanceof TransportError;
}
