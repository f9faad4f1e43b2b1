/**
 * State of channel 0: the session's state, the greetings, and the sending of documents. Knows nothing of their meaning.
 *
 * greeting ──the peer's greeting──> ready ──close 0 sent, or accepted──> releasing ──ok sent or received──> closed
 *      │                               ^                                      │
 *      │                               └────────────── error ─────────────────┘
 *      └──ERR 0 0 sent or received──> closed            any state ──fault, detach──> closed
 *
 * The session state `quiet` is `ready` while only what was queued before may be sent; the outbox keeps it.
 */
import { LocalError, type Reply } from '../errors.js';
import type { Channels } from './channels.js';
import type { Greeting, SessionEvent } from './event.js';
import { ERR, RPY } from './frame.js';
import type { BeepLimits } from './limits.js';
import { BEEP_XML, message, writeError, writeGreeting } from './management.js';
import type { ChannelOutbox } from './outbox.js';
import { type Outgoing, REFUSES } from './outgoing.js';

export type ChannelZeroState = 'greeting' | 'ready' | 'releasing' | 'closed';

export interface ChannelZeroOptions {
  readonly initiator: boolean;
  readonly greeting: Greeting;
  /** The listener's ERR 0 0 instead of its greeting. */
  readonly refuse: Reply | undefined;
  readonly limits: BeepLimits;
  /** The peer's greeting of an earlier session on the connection, where none are exchanged in this one. */
  readonly greeted: Greeting | undefined;
}

export class ChannelZero {
  state: ChannelZeroState = 'greeting';
  /** The peer's greeting and its content type. */
  peer: Greeting | undefined;
  contentType = BEEP_XML;
  readonly initiator: boolean;
  readonly limits: BeepLimits;
  readonly channels: Channels;
  readonly outbox: ChannelOutbox;
  readonly events: SessionEvent[];
  /** Our greeting, until it is sent. */
  #greeting: Pick<ChannelZeroOptions, 'greeting' | 'refuse'> | undefined;

  constructor(options: ChannelZeroOptions, channels: Channels, outbox: ChannelOutbox, events: SessionEvent[]) {
    this.initiator = options.initiator;
    this.limits = options.limits;
    this.channels = channels;
    this.outbox = outbox;
    this.events = events;
    if (options.greeted !== undefined) {
      this.peer = options.greeted;
      this.state = 'ready';
      outbox.begin();
      return;
    }
    this.#greeting = options;
    // Greetings are replies to a MSG 0 that nobody sends (RFC 3080 §2.3.1.1): each side has one slot for them.
    channels.zero.expectGreeting();
    channels.zero.owe(0, 1);
  }

  greet(): void {
    if (this.#greeting === undefined) {
      return;
    }
    const { refuse, greeting } = this.#greeting;
    this.#greeting = undefined;
    if (refuse === undefined) {
      this.reply(RPY, 0, writeGreeting(greeting));
    } else {
      this.reply(ERR, 0, writeError(refuse, undefined)).effect = REFUSES;
    }
  }

  /** Handles the peer's greeting. */
  greeted(peer: Greeting, contentType: string): void {
    this.peer = peer;
    this.contentType = contentType;
    this.state = 'ready';
    this.events.push({ type: 'greeting', greeting: peer });
  }

  /** Removes the oldest event that is due to more than the frame just read. */
  take(): SessionEvent | undefined {
    const { events } = this;
    if (events.length > 1) {
      return events.shift();
    }
    const [event] = events;
    if (event !== undefined) {
      // Frees the memory of the list, which shift() would keep.
      events.length = 0;
    }
    return event;
  }

  /** @throws LocalError BEEP_STATE unless both sides have greeted and the session is not ending */
  ready(): void {
    if (this.state !== 'ready' || this.#greeting !== undefined) {
      throw new LocalError('BEEP_STATE', `the session is ${this.#greeting === undefined ? this.state : 'greeting'}`);
    }
  }

  end(): void {
    this.state = 'closed';
    this.outbox.clear();
  }

  /** Sends a MSG. @returns its number */
  ask(document: string): number {
    const { zero } = this.channels;
    const asked = zero.request(message(this.contentType, document));
    asked.late = this.outbox.quiet;
    this.outbox.wake(zero);
    return asked.msgno;
  }

  reply(keyword: number, msgno: number, document: string): Outgoing {
    // The greeting is the first message on channel 0 (RFC 3080 §2.3.1.1).
    if (msgno !== 0) {
      this.greet();
    }
    const { zero } = this.channels;
    const reply = zero.reply(keyword, msgno, 0, message(this.contentType, document), this.outbox.quiet);
    this.outbox.wake(zero);
    return reply;
  }

  error(msgno: number, reply: Reply): void {
    this.reply(ERR, msgno, writeError(reply, this.peer));
  }
}
