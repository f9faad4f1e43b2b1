/**
 * One BEEP session (RFC 3080, RFC 3081) as a state machine without I/O: octets in, events and octets out. Refuses to
 * know sockets, clocks, promises and what profiles mean.
 */
import { LocalError, type Reply } from '../errors.js';
import type { Greeting, SessionEvent, StartEvent } from './event.js';
import type { BeepLimits } from './limits.js';
import type { Outbound } from './outgoing.js';

export type Role = 'initiator' | 'listener';
export type SessionState = 'greeting' | 'ready' | 'quiet' | 'releasing' | 'closed';

export interface SessionOptions {
  /** Listener: the peer that accepted the connection. Fixed for the session. */
  readonly role: Role;
  /** URIs for our greeting: the profiles we serve. */
  readonly profiles: readonly string[];
  /** Feature tokens for our greeting; unregistered ones begin with `x-` (RFC 3080 §5.2). */
  readonly features?: readonly string[];
  /** Language tags we want the peer's diagnostics in, best first. */
  readonly localize?: readonly string[];
  /** False holds the greeting back until `greet()`. */
  readonly greet?: boolean;
  /** Listener only: refuse the session with ERR 0 0 (RFC 3080 §2.4). State `closed` once it was transmitted. */
  readonly refuse?: Reply;
  readonly limits?: Partial<BeepLimits>;
  /** Largest payload of one frame in octets; 2/3 of the TCP MSS (RFC 3081 §3.1.4). */
  readonly frameOctets?: number;
  /** Says which profiles are tuning profiles; at most one such channel exists at a time (RFC 3080 §2). */
  readonly isTuning?: (uri: string) => boolean;
  /** The serverName accepted before a tuning reset, which stays in effect. */
  readonly serverName?: string;
}

export interface Offer {
  readonly profiles: readonly { readonly uri: string; readonly content?: string; readonly base64?: boolean }[];
  readonly serverName?: string;
}

export interface ChannelInfo {
  /** Payload octets queued and not yet transmitted. */
  readonly unsentOctets: number;
  /** MSGs received and not completely answered. */
  readonly owed: number;
  /** MSGs sent or queued and not completely answered. */
  readonly awaiting: number;
}

const missing = (): LocalError => new LocalError('BEEP_STATE', 'not there yet');

export class Session {
  readonly role: Role;

  constructor(options: SessionOptions) {
    this.role = options.role;
  }

  get state(): SessionState {
    return 'greeting';
  }

  /** What the peer said in its greeting; undefined before it came. */
  get peer(): Greeting | undefined {
    return undefined;
  }

  /** The serverName in effect for what the peer starts here. */
  get serverName(): string | undefined {
    return undefined;
  }

  /** Whether `transmit` would give something. */
  get pending(): boolean {
    return false;
  }

  /** Lets the greeting go that `greet: false` held back. */
  greet(): void {
    throw missing();
  }

  /** Takes octets from the transport, without looking at them. The caller may not reuse the chunk. */
  receive(_octets: Buffer): void {
    throw missing();
  }

  /**
   * The next event, or undefined when more octets are needed. Parses one step. Call it after `receive`, and after
   * `transmit` too: a close or release is complete when its last octets have left.
   *
   * @throws RemoteProtocolError without `reply` when the peer broke the framing (RFC 3080 §2.2.1.1): the state is
   * `closed`; drop the transport without sending anything.
   */
  nextEvent(): SessionEvent | undefined {
    throw missing();
  }

  /**
   * Asks the peer for a channel. Answered by `started` or `start-refused`.
   *
   * @returns the number of the channel to be.
   * @throws LocalError BEEP_STATE before the peer's greeting, while releasing, when the channel limit is reached or
   * another tuning channel exists; ARGUMENT for content over 4,096 octets.
   */
  start(_offer: Offer): number {
    throw missing();
  }

  /** Creates the channel with one of the proposed profiles. `content` is escaped here. */
  acceptStart(_event: StartEvent, _uri: string, _content?: string): void {
    throw missing();
  }

  refuseStart(_event: StartEvent, _reply: Reply): void {
    throw missing();
  }

  /**
   * Queues a message. Replies may be given in any order; they leave in the order of the MSGs (RFC 3080 §2.6.1).
   *
   * @returns the message number.
   * @throws LocalError BEEP_STATE if the channel is gone or closing or no reply is owed to `msgno`.
   */
  send(_channel: number, _message: Outbound): number {
    throw missing();
  }

  /** The application took responsibility for that many payload octets of the channel: the window may open. */
  consume(_channel: number, _octets: number): void {
    throw missing();
  }

  /** Asks to close the channel, 0 to release the session; sent once our MSGs there are acknowledged (RFC 3080 §2.3.1.3). */
  close(_channel: number, _code: number, _text?: string): void {
    throw missing();
  }

  /** Accepts the peer's `close`: `ok` leaves as soon as RFC 3080 §2.3.1.3 allows it. */
  acceptClose(_channel: number): void {
    throw missing();
  }

  refuseClose(_channel: number, _reply: Reply): void {
    throw missing();
  }

  /** Sets the buffer space of a channel in octets; a SEQ follows when the window grows. */
  window(_channel: number, _octets: number): void {
    throw missing();
  }

  /** What to write now, about `limit` octets: SEQ first, then channels in turn. Pull `nextEvent` afterwards. */
  transmit(_limit: number): Buffer[] {
    throw missing();
  }

  channelInfo(_channel: number): ChannelInfo | undefined {
    throw missing();
  }

  /** After what is queued now has left, nothing leaves any more, SEQ included, until `resume` (RFC 3080 §3.1.3.1). */
  quiesce(): void {
    throw missing();
  }

  resume(): void {
    throw missing();
  }

  /** Ends the session for a change of transport. @returns the octets received and not yet parsed. */
  detach(): Buffer {
    throw missing();
  }
}
