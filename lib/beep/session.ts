/**
 * One BEEP session (RFC 3080, RFC 3081) as a state machine without I/O: octets in, events and octets out. Knows nothing
 * of sockets, clocks, promises and the meaning of profiles.
 */
import { LocalError, type Reply } from '../errors.js';
import { type Channel, type NumberingStart, OPEN } from './channel.js';
import { ChannelManagement } from './channel-management.js';
import { ChannelZero } from './channel-zero.js';
import { Channels } from './channels.js';
import type { Greeting, Outbound, SessionEvent, StartEvent } from './event.js';
import { Inbound, type ReassemblyObserver } from './inbound.js';
import { BEEP_LIMITS, type BeepLimits } from './limits.js';
import { ChannelOutbox, type TransmissionObserver } from './outbox.js';
import { keywordOf, type Outgoing } from './outgoing.js';
import type { Offer } from './starts.js';

export type { Offer } from './starts.js';

export type Role = 'initiator' | 'listener';
export type SessionState = 'greeting' | 'ready' | 'quiet' | 'releasing' | 'closed';

/** RFC 3081 §3.1.4: two thirds of the TCP MSS on Ethernet. */
export const FRAME_OCTETS = 973;

const NONE: readonly string[] = Object.freeze([]);
const NO_ORIGIN: NumberingStart = Object.freeze({ seqno: 0, msgno: 0 });

export interface SessionOptions {
  /** Listener: the peer that accepted the connection. Fixed for the session. */
  readonly role: Role;
  /** URIs for our greeting: the profiles we serve. */
  readonly profiles: readonly string[];
  /** Feature tokens for our greeting; unregistered ones must begin with `x-` (RFC 3080 §5.2). */
  readonly features?: readonly string[];
  /** Language tags for the peer's diagnostics, in order of preference. */
  readonly localize?: readonly string[];
  /** False holds the greeting back until `greet()`. */
  readonly greet?: boolean;
  /** Listener only: refuse the session with ERR 0 0 (RFC 3080 §2.4). The state is `closed` once it was transmitted. */
  readonly refuse?: Reply;
  /**
   * The peer's greeting of the session before a tuning reset, where the profile that was tuned says that no greetings
   * follow: the session is ready at once.
   */
  readonly greeted?: Greeting;
  readonly limits?: Partial<BeepLimits>;
  /** Largest payload of one frame in octets; 2/3 of the TCP MSS (RFC 3081 §3.1.4). */
  readonly frameOctets?: number;
  /** Tells which profiles are tuning profiles; at most one such channel exists at a time (RFC 3080 §2). */
  readonly isTuning?: (uri: string) => boolean;
  /** The serverName accepted before a tuning reset, which stays in effect. */
  readonly serverName?: string;
  /** Observes the octets held of incomplete messages. */
  readonly reassemblyObserver?: ReassemblyObserver;
  /** First numbers of both sides; for tests of the wrap-around. */
  readonly origin?: NumberingStart;
}

export interface ChannelInfo {
  /** Payload octets queued and not yet transmitted. */
  readonly unsentOctets: number;
  /** Payload octets received of messages that are incomplete. */
  readonly incompleteOctets: number;
  /** MSGs received and not completely answered. */
  readonly owed: number;
  /** MSGs sent or queued and not completely answered. */
  readonly awaiting: number;
}

const NONE_UNSTARTED: ReadonlySet<number> = new Set();

export class Session implements TransmissionObserver {
  readonly role: Role;
  readonly #refusing: boolean;
  readonly #channels: Channels;
  readonly #channel0: ChannelZero;
  readonly #control: ChannelManagement;
  readonly #outbox: ChannelOutbox;
  readonly #inbound: Inbound;
  /** Events that are due to more than the frame just read. */
  readonly #events: SessionEvent[] = [];

  /** @throws LocalError ARGUMENT for options that cannot be put into a greeting */
  constructor(options: SessionOptions) {
    this.role = options.role;
    const limits = { ...BEEP_LIMITS, ...options.limits };
    this.#refusing = options.refuse !== undefined;
    const initiator = options.role === 'initiator';
    if (initiator && this.#refusing) {
      throw new LocalError('ARGUMENT', 'only a listener can refuse a session');
    }
    const { profiles, features = NONE, localize = NONE } = options;
    // RFC 3080 §5.2; none is registered
    if (features.some((feature) => !/^x-[\w.:-]+$/.test(feature))) {
      throw new LocalError('ARGUMENT', 'a feature that is not registered must begin with x-');
    }
    this.#channels = new Channels(initiator, options.isTuning ?? (() => false), options.origin ?? NO_ORIGIN);
    this.#outbox = new ChannelOutbox(this, Math.max(1, options.frameOctets ?? FRAME_OCTETS));
    this.#channel0 = new ChannelZero(
      {
        initiator,
        greeting: { profiles, features, localize },
        refuse: options.refuse,
        limits,
        greeted: options.greeted,
      },
      this.#channels,
      this.#outbox,
      this.#events,
    );
    this.#control = new ChannelManagement(this.#channel0, options.serverName);
    this.#inbound = new Inbound(this.#channel0, this.#control, options.reassemblyObserver);
    if (options.greet !== false) {
      this.#channel0.greet();
    }
  }

  /**
   * Largest message accepted from the peer, in octets; may be changed at any time, for example once the peer is
   * authenticated.
   */
  get messageOctets(): number {
    return this.#inbound.messageOctets;
  }

  set messageOctets(octets: number) {
    this.#inbound.messageOctets = octets;
  }

  get state(): SessionState {
    const { state } = this.#channel0;
    return state === 'ready' && this.#outbox.quiet ? 'quiet' : state;
  }

  /** The peer's greeting; undefined until it was received. */
  get peer(): Greeting | undefined {
    return this.#channel0.peer;
  }

  /** The serverName in effect for channels that the peer starts. */
  get serverName(): string | undefined {
    return this.#control.starts.serverName;
  }

  /** Whether `transmit` would return octets. */
  get pending(): boolean {
    return this.#channel0.state !== 'closed' && this.#outbox.pending;
  }

  /** Number of MSGs received on all channels, including 0, and not completely answered. */
  get owed(): number {
    let owed = 0;
    for (const channel of this.#channels.all()) {
      owed += channel.owing;
    }
    return owed;
  }

  /** Whether messages are queued on channels other than 0, held up by the peer's windows or the limit of `transmit`. */
  get waiting(): boolean {
    return this.#channels.unsent;
  }

  /** Whether a frame or a message of the peer is incomplete. */
  get unfinished(): boolean {
    return this.#inbound.unfinished;
  }

  /** Sends the greeting that `greet: false` held back. */
  greet(): void {
    this.#channel0.greet();
  }

  /** Accepts octets from the transport without parsing them. The caller must not reuse the chunk. */
  receive(octets: Buffer): void {
    // RFC 3080 §2.4: an unavailable listener ignores the initiator's greeting
    if (this.#channel0.state !== 'closed' && !this.#refusing) {
      this.#inbound.push(octets);
    }
  }

  /**
   * Returns the next event, or undefined when more octets are needed. Call it after `receive` and after `transmit`: a
   * close or release is complete when its last octets are transmitted.
   *
   * @throws RemoteProtocolError without `reply` when the peer broke the framing (RFC 3080 §2.2.1.1): the state is
   *   `closed`; drop the transport without sending anything.
   */
  nextEvent(): SessionEvent | undefined {
    if (this.#events.length > 0) {
      return this.#channel0.take();
    }
    if (this.#channel0.state === 'closed') {
      return undefined;
    }
    try {
      return this.#inbound.next();
    } catch (error) {
      this.#channel0.end();
      throw error;
    }
  }

  /**
   * Asks the peer for a channel. Answered by `started` or `start-refused`.
   *
   * @returns the number of the channel to be.
   * @throws LocalError BEEP_STATE before the peer's greeting, while releasing, when the channel limit is reached or
   * another tuning channel exists; ARGUMENT for content over 4,096 octets.
   */
  start(offer: Offer): number {
    return this.#control.starts.start(offer);
  }

  /** Creates the channel with one of the proposed profiles. `content` is escaped here. */
  acceptStart(event: StartEvent, uri: string, content?: string): void {
    this.#control.acceptStart(event, uri, content);
  }

  refuseStart(event: StartEvent, reply: Reply): void {
    this.#control.starts.refuse(event, reply);
  }

  /**
   * Queues a message. Replies may be given in any order; they are sent in the order of the MSGs (RFC 3080 §2.6.1).
   *
   * @returns the message number.
   * @throws LocalError BEEP_STATE if the channel is closed or closing, or no reply to `msgno` is outstanding.
   */
  send(number: number, message: Outbound): number {
    if (number === 0 || this.#channel0.state === 'closed') {
      throw new LocalError('BEEP_STATE', number === 0 ? 'channel 0 is the session’s own' : 'the session is closed');
    }
    const channel = this.#channels.existing(number);
    const late = this.#outbox.quiet;
    let sent: Outgoing;
    if (message.kind === 'MSG') {
      // RFC 3080 §2.3.1.3: after close no more MSGs; replies still go
      if (channel.closing !== OPEN || channel.ending || this.#channel0.state === 'releasing') {
        throw new LocalError('BEEP_STATE', `channel ${number} is being closed`, { fields: { channel: number } });
      }
      sent = channel.request(message.payload);
      sent.late = late;
    } else {
      const ansno = message.kind === 'ANS' ? message.ansno : 0;
      const payload = message.kind === 'NUL' ? undefined : message.payload;
      sent = channel.reply(keywordOf(message.kind), message.msgno, ansno, payload, late);
    }
    this.#outbox.wake(channel);
    return sent.msgno;
  }

  /**
   * Withdraws queued MSGs of which nothing has been transmitted; none while the channel is being closed.
   *
   * @returns the numbers of those withdrawn, in order; all others will be answered
   */
  withdraw(number: number, msgnos: ReadonlySet<number>): number[] {
    const channel = this.#channels.get(number);
    if (channel === undefined || channel.closing !== OPEN || channel.ending) {
      return [];
    }
    return channel.withdraw(msgnos);
  }

  /**
   * Credits payload octets that the application has taken over, so that the window may open. Does nothing for a closed
   * channel.
   *
   * @throws LocalError ARGUMENT for more octets than are held
   */
  consume(number: number, octets: number): void {
    const channel = this.#channels.get(number);
    if (channel === undefined || octets === 0) {
      return;
    }
    const { inbound } = channel;
    if (octets < 0 || octets > inbound.unconsumed) {
      throw new LocalError('ARGUMENT', `cannot consume ${octets} octets: ${inbound.unconsumed} are unconsumed`);
    }
    inbound.unconsumed -= octets;
    this.#outbox.credit(channel);
  }

  /**
   * Asks to close the channel, 0 to release the session; the request is sent once our MSGs there are acknowledged (RFC
   * 3080 §2.3.1.3). Answered by `closed` (`released`) or `close-refused`. Accepts the peer's close if there is one.
   *
   * @throws LocalError BEEP_STATE
   */
  close(channel: number, code: number, text = ''): void {
    this.#control.closes.close(channel, code, text);
  }

  /** Accepts the peer's `close`: `ok` is sent as soon as RFC 3080 §2.3.1.3 (a) to (c) hold. */
  acceptClose(channel: number): void {
    this.#control.closes.accept(channel);
  }

  refuseClose(channel: number, reply: Reply): void {
    this.#control.closes.refuse(channel, reply);
  }

  /**
   * Sets the buffer space of a channel in octets; a SEQ is sent when the window grows. The window never shrinks at
   * once.
   */
  window(number: number, octets: number): void {
    const channel = this.#channels.existing(number);
    channel.inbound.space = Math.max(1, octets);
    this.#outbox.credit(channel);
  }

  /**
   * Returns what to write now, about `limit` octets: SEQs first, then channels in turn. Call `nextEvent` afterwards.
   */
  transmit(limit: number): Buffer[] {
    return this.#channel0.state === 'closed' ? [] : this.#outbox.transmit(limit);
  }

  /** Our MSGs on a channel of which nothing has been transmitted: the peer cannot know of them. */
  unstarted(number: number): ReadonlySet<number> {
    return this.#channels.get(number)?.unstarted ?? NONE_UNSTARTED;
  }

  channelInfo(number: number): ChannelInfo | undefined {
    const channel = this.#channels.get(number);
    if (channel === undefined) return undefined;
    const { unsentOctets, inbox, owing: owed, expecting: awaiting } = channel;
    return { unsentOctets, incompleteOctets: inbox.incompleteOctets, owed, awaiting };
  }

  /** Octets that the peer allows on a channel now (RFC 3081 §3.1); 0 for a closed channel. */
  windowOf(number: number): number {
    return this.#channels.get(number)?.outbound.room ?? 0;
  }

  /** After what is queued now, nothing is sent, not even SEQ, until `resume` (RFC 3080 §3.1.3.1). */
  quiesce(): void {
    this.#outbox.quiet = true;
  }

  resume(): void {
    this.#outbox.quiet = false;
    for (const channel of this.#channels.all()) {
      this.#outbox.wake(channel);
    }
  }

  /** Ends the session for a change of transport. @returns the octets received and not yet parsed. */
  detach(): Buffer {
    this.#channel0.end();
    this.#events.length = 0;
    return this.#inbound.stop();
  }

  /** Called by the outbox. */
  departed(_channel: Channel, message: Outgoing): void {
    this.#control.departed(message);
  }
}
