/**
 * Inbox of an endpoint: passes deliveries from the channel to the application's handler, or to loops over a bounded
 * queue. Decides when a receive window is credited and when a delivery is refused because too many are pending; knows
 * nothing of what they contain.
 *
 * A closed window would also hold back the answers to what this endpoint sends. So unanswered deliveries keep at most
 * half of it closed, and past the limits deliveries are refused: the channel never stalls.
 */
import { ImxpError, LocalError, type Reply } from '../errors.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Data } from '../imxp/operation.js';
import { events } from '../ops/events.js';
import type { EndpointChannel } from './connection.js';
import { Delivery, type DeliveryOwner } from './delivery.js';
import { DuplicateFilter } from './duplicate-filter.js';
import type { Exchanges } from './exchanges.js';
import type { Message } from './message.js';
import type { EndpointLimits } from './options.js';
import type { ContentSecurity } from './secure.js';

/** Receives each delivery as it arrives; see {@link Endpoint.receive}. */
export type DeliveryHandler = (delivery: Delivery) => void | Promise<void>;

export interface ReceiveOptions {
  /**
   * Also take the notifications of presence services that no subscription of this endpoint asked for, because the
   * application subscribes by documents of its own. Otherwise they are refused with 550 (RFC 2779 §5.3.2). Default: false.
   */
  readonly notifications?: boolean;
}

/** What senders are told by a program that only sends. */
const SENDS_ONLY: Reply = {
  code: 450,
  text: 'the program attached under this address only sends: write to the address without its subaddress',
};
const BUSY: Reply = { code: 450, text: 'recipient busy' };
const LEAVING: Reply = { code: 450, text: 'the recipient closed before it read this' };
const UNANSWERED: Reply = { code: 451, text: 'the recipient closed before it answered' };
const FAILED: Reply = { code: 451, text: 'the recipient failed to process this' };

export interface InboxOptions {
  readonly dialect: Dialect;
  readonly autoAccept: boolean;
  /** Opens signed and encrypted content. */
  readonly secure: ContentSecurity;
  readonly limits: Pick<EndpointLimits, 'queuedData' | 'queuedOctets' | 'windowOctets'>;
  /** Refuses everything but answers to requests. */
  readonly sendOnly: boolean;
  readonly exchanges: Exchanges<Delivery>;
  /** Called when everything is answered. */
  idle(): void;
  /** Called with what a handler threw, unless it was a reply for the sender. */
  fault(error: unknown, delivery: Delivery): void;
  /** Sends an application's reply to a delivery. */
  send(message: Message): Promise<void>;
}

interface Waiter {
  resolve(result: IteratorResult<Delivery, undefined>): void;
  reject(error: ImxpError): void;
}

export class Inbox implements DeliveryOwner {
  readonly #dialect: Dialect;
  readonly #autoAccept: boolean;
  readonly #secure: ContentSecurity;
  readonly #limits: InboxOptions['limits'];
  readonly #options: InboxOptions;
  /** Unanswered deliveries, including those in the queue. */
  readonly #unanswered = new Set<Delivery>();
  /** Number of unanswered deliveries for each channel. */
  readonly #due = new Map<EndpointChannel, number>();
  readonly #duplicates = new DuplicateFilter();
  #settling: (() => void)[] = [];
  #octets = 0;
  #uncredited = 0;
  #queue: Delivery[] = [];
  #handler: DeliveryHandler | undefined;
  #notifications = false;
  #waiters: Waiter[] = [];
  #end: { readonly error: ImxpError | undefined } | undefined;

  constructor(options: InboxOptions) {
    const { dialect, autoAccept, secure, limits } = options;
    this.#options = options;
    this.#dialect = dialect;
    this.#autoAccept = autoAccept;
    this.#secure = secure;
    this.#limits = limits;
  }

  /** Number of unanswered deliveries. */
  get unanswered(): number {
    return this.#unanswered.size;
  }

  /** Receives a Data operation. */
  take(channel: EndpointChannel, msgno: number, octets: number, data: Data, recipients: readonly string[]): void {
    const { sendOnly, exchanges } = this.#options;
    const unwanted = sendOnly && !exchanges.awaits(data);
    if (unwanted || this.#full(octets)) {
      this.#reply(channel, msgno, unwanted ? SENDS_ONLY : BUSY);
      channel.consume(octets);
      return;
    }
    if (this.#duplicates.repeats(data)) {
      this.#reply(channel, msgno, undefined);
      channel.consume(octets);
      return;
    }
    const uncredited = Math.min(octets, Math.max(0, Math.floor(this.#limits.windowOctets / 2) - this.#uncredited));
    if (uncredited < octets) channel.consume(octets - uncredited);
    const delivery = new Delivery(data, recipients, { owner: this, channel, msgno, octets, uncredited }, this.#secure);
    this.#uncredited += uncredited;
    this.#octets += octets;
    this.#unanswered.add(delivery);
    this.#due.set(channel, (this.#due.get(channel) ?? 0) + 1);
    if (!exchanges.take(delivery)) this.#hand(delivery);
  }

  /** Whether the application takes the notifications of presence services that the endpoint did not ask for. */
  get notifications(): boolean {
    return this.#notifications;
  }

  /** Passes all deliveries to a handler from now on, or to loops when undefined. */
  receive(handler: DeliveryHandler | undefined, { notifications = false }: ReceiveOptions = {}): void {
    this.#handler = handler;
    this.#notifications = notifications;
    if (handler === undefined) return;
    const queue = this.#queue;
    this.#queue = [];
    for (const delivery of queue) this.#run(handler, delivery);
  }

  /** Iterates over the deliveries; several iterators share them. */
  deliveries(): AsyncIterableIterator<Delivery, undefined> {
    let current: Delivery | undefined;
    const done = (): void => {
      if (this.#autoAccept && current !== undefined) this.#done(current);
      current = undefined;
    };
    let over = false;
    const iterator: AsyncIterableIterator<Delivery, undefined> = {
      next: async () => {
        done();
        if (over) return { done: true, value: undefined };
        try {
          const result = await this.#next();
          current = result.value;
          return result;
        } catch (error) {
          // An iterator that has thrown is at its end; a new one throws again.
          over = true;
          throw error;
        }
      },
      return: () => {
        // Called on break, return and throw alike; they cannot be told apart here.
        done();
        return Promise.resolve({ done: true, value: undefined });
      },
      [Symbol.asyncIterator]: () => iterator,
    };
    return iterator;
  }

  /** Returns the number of unanswered deliveries of a channel. */
  due(channel: EndpointChannel): number {
    return this.#due.get(channel) ?? 0;
  }

  /** A channel is lost: its deliveries can no longer be answered, and the relay tells the senders. */
  lose(channel: EndpointChannel): void {
    this.#duplicates.lose();
    for (const delivery of this.#unanswered) {
      if (delivery.source.channel !== channel) continue;
      delivery.lose();
      this.#forget(delivery);
    }
    this.#queue = this.#queue.filter((delivery) => this.#unanswered.has(delivery));
  }

  /** Resolves when every delivery of a channel is answered. */
  async settled(channel: EndpointChannel): Promise<void> {
    while ((this.#due.get(channel) ?? 0) > 0) await new Promise<void>((resolve) => this.#settling.push(resolve));
  }

  /** Answers every unanswered delivery because the endpoint is closing. */
  leave(): void {
    for (const delivery of this.#queue) delivery.refuse(LEAVING);
    this.#queue = [];
    for (const delivery of [...this.#unanswered]) {
      if (this.#autoAccept) delivery.accept();
      else delivery.refuse(UNANSWERED);
    }
  }

  /** Ends all loops, with an error if one is given. */
  end(error: ImxpError | undefined): void {
    this.#end = { error };
    const waiters = this.#waiters;
    this.#waiters = [];
    for (const waiter of waiters) {
      if (error === undefined) waiter.resolve({ done: true, value: undefined });
      else waiter.reject(error);
    }
  }

  send(message: Message): Promise<void> {
    return this.#options.send(message);
  }

  answered(delivery: Delivery, reply: Reply | undefined): void {
    const { channel, msgno, uncredited } = delivery.source;
    if (reply === undefined) this.#duplicates.accepted(delivery.raw);
    this.#forget(delivery);
    this.#reply(channel, msgno, reply);
    if (uncredited > 0) channel.consume(uncredited);
    if (this.#unanswered.size === 0) this.#options.idle();
  }

  #forget(delivery: Delivery): void {
    const { channel, octets, uncredited } = delivery.source;
    this.#unanswered.delete(delivery);
    this.#octets -= octets;
    this.#uncredited -= uncredited;
    const due = (this.#due.get(channel) ?? 0) - 1;
    if (due > 0) this.#due.set(channel, due);
    else this.#due.delete(channel);
    if (due <= 0 && this.#settling.length > 0) for (const settle of this.#settling.splice(0)) settle();
  }

  #full(octets: number): boolean {
    if (this.#unanswered.size === 0) return false;
    return this.#unanswered.size >= this.#limits.queuedData || this.#octets + octets > this.#limits.queuedOctets;
  }

  #reply(channel: EndpointChannel, msgno: number, reply: Reply | undefined): void {
    if (reply === undefined) channel.reply(msgno, 'RPY', this.#dialect.ok);
    else channel.reply(msgno, 'ERR', this.#dialect.encodeReply({ type: 'error', lang: undefined, ...reply }));
  }

  #hand(delivery: Delivery): void {
    if (this.#handler !== undefined) {
      this.#run(this.#handler, delivery);
      return;
    }
    const waiter = this.#waiters.shift();
    if (waiter === undefined) this.#queue.push(delivery);
    else waiter.resolve({ done: false, value: delivery });
  }

  #run(handler: DeliveryHandler, delivery: Delivery): void {
    try {
      const later = handler(delivery);
      // In JavaScript a handler such as `(delivery) => texts.push(delivery.text())` returns something else.
      if (typeof later?.then === 'function') {
        later.then(
          () => this.#handled(delivery),
          (error: unknown) => this.#failed(delivery, error),
        );
        return;
      }
      this.#handled(delivery);
    } catch (error) {
      this.#failed(delivery, error);
    }
  }

  #handled(delivery: Delivery): void {
    if (this.#autoAccept) this.#done(delivery);
  }

  /** The application has processed it, whether or not the answer can still reach the relay. */
  #done(delivery: Delivery): void {
    if (!delivery.accept() && delivery.lost) this.#duplicates.late(delivery.raw);
  }

  #failed(delivery: Delivery, error: unknown): void {
    const reply = error instanceof ImxpError ? error.reply : undefined;
    delivery.refuse(reply ?? FAILED);
    if (reply !== undefined) return;
    // An error without a reply is a fault of the application; the sender learns only that processing failed.
    events.fault.publish({ session: delivery.source.channel.id, error });
    this.#options.fault(error, delivery);
  }

  #next(): Promise<IteratorResult<Delivery, undefined>> {
    const delivery = this.#queue.shift();
    if (delivery !== undefined) return Promise.resolve({ done: false, value: delivery });
    if (this.#handler !== undefined) {
      return Promise.reject(
        new LocalError(
          'ARGUMENT',
          'deliveries go to the handler given to receive(); call receive(undefined) to use a loop',
        ),
      );
    }
    if (this.#end === undefined) {
      return new Promise((resolve, reject) => {
        this.#waiters.push({ resolve, reject });
      });
    }
    const { error } = this.#end;
    return error === undefined ? Promise.resolve({ done: true, value: undefined }) : Promise.reject(error);
  }
}
