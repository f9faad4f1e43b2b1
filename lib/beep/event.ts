/** Events of a session, and the messages it is told to send. Knows nothing of the meaning of profiles. */
import type { Reply } from '../errors.js';
import type { Payload } from '../mime/payload.js';

/** A message to send on a channel. */
export type Outbound =
  | { readonly kind: 'MSG'; readonly payload: Payload }
  | { readonly kind: 'RPY' | 'ERR'; readonly msgno: number; readonly payload: Payload }
  | { readonly kind: 'ANS'; readonly msgno: number; readonly ansno: number; readonly payload: Payload }
  | { readonly kind: 'NUL'; readonly msgno: number };

/** A peer's greeting (RFC 3080 §2.3.1.1). */
export interface Greeting {
  /** URIs of the profiles the peer serves, in its order. */
  readonly profiles: readonly string[];
  readonly features: readonly string[];
  /** Language tags for the text of our `close` and `error`, in order of preference; default: `i-default`. */
  readonly localize: readonly string[];
}

/** One `profile` of a `start`. */
export interface Proposal {
  readonly uri: string;
  /** The initialization message, with base64 decoded; absent when the element is empty. */
  readonly content?: Buffer;
  /** Whether it was sent in base64. */
  readonly base64: boolean;
}

export interface GreetingEvent {
  readonly type: 'greeting';
  readonly greeting: Greeting;
}

/** The listener sent ERR 0 0 instead of a greeting (RFC 3080 §2.4); the session is closed. */
export interface UnavailableEvent {
  readonly type: 'unavailable';
  readonly reply: Reply;
}

/**
 * The peer asks for a channel. Syntax, parity, use of the number and limits are checked. Answer with `acceptStart` or
 * `refuseStart`; nothing later on channel 0 is answered before that.
 */
export interface StartEvent {
  readonly type: 'start';
  /** Of the `start` message on channel 0. */
  readonly msgno: number;
  /** The number the new channel will have. */
  readonly channel: number;
  /** In effect for the session if this start succeeds (RFC 3080 §2.3.1.2): the first successful start's, else this one's. */
  readonly serverName?: string;
  /** In the peer's order. */
  readonly proposals: readonly Proposal[];
}

/** The peer created the channel we asked for; `content` answers the initialization message. */
export interface StartedEvent {
  readonly type: 'started';
  readonly channel: number;
  readonly uri: string;
  readonly content?: Buffer;
}

export interface StartRefusedEvent {
  readonly type: 'start-refused';
  readonly channel: number;
  readonly reply: Reply;
}

/**
 * A complete MSG. Answer it with `send`, and return its octets with `consume`. What is larger than 16 KiB and did not
 * come in one frame is in pieces, which can be sent on as they are.
 */
export interface MessageEvent {
  readonly type: 'message';
  readonly channel: number;
  readonly msgno: number;
  readonly payload: Payload;
}

/** A complete RPY or ERR to our MSG. Return its octets with `consume`. */
export interface ReplyEvent {
  readonly type: 'reply';
  readonly channel: number;
  readonly msgno: number;
  readonly kind: 'RPY' | 'ERR';
  readonly payload: Buffer;
}

/** One complete answer of a one-to-many reply. Return its octets with `consume`. */
export interface AnswerEvent {
  readonly type: 'answer';
  readonly channel: number;
  readonly msgno: number;
  readonly ansno: number;
  readonly payload: Buffer;
}

/** The one-to-many reply is complete. */
export interface NulEvent {
  readonly type: 'nul';
  readonly channel: number;
  readonly msgno: number;
}

/**
 * A MSG exceeds `limit` octets. All its octets are discarded, including those still to come. Answer ERR now: a
 * pre-emptive reply (RFC 3080 §2.6.3). There is nothing to consume.
 */
export interface TooLargeEvent {
  readonly type: 'too-large';
  readonly channel: number;
  readonly msgno: number;
  readonly limit: number;
}

/** The reply to our MSG exceeds the limit and is discarded. No other event follows for this MSG. */
export interface ReplyTooLargeEvent {
  readonly type: 'reply-too-large';
  readonly channel: number;
  readonly msgno: number;
}

/** The peer asks to close the channel; 0 means the session. Answer with `acceptClose` or `refuseClose`. */
export interface CloseEvent {
  readonly type: 'close';
  readonly channel: number;
  readonly code: number;
  readonly text: string;
}

/** The channel is closed, whoever asked for it. No further events follow for it. */
export interface ClosedEvent {
  readonly type: 'closed';
  readonly channel: number;
}

/** The peer refused our `close`; the channel (0: the session) continues. */
export interface CloseRefusedEvent {
  readonly type: 'close-refused';
  readonly channel: number;
  readonly reply: Reply;
}

/** The session was released in order; the state is `closed` and the transport should be closed now (RFC 3081 §2). */
export interface ReleasedEvent {
  readonly type: 'released';
}

export type SessionEvent =
  | GreetingEvent
  | UnavailableEvent
  | StartEvent
  | StartedEvent
  | StartRefusedEvent
  | MessageEvent
  | ReplyEvent
  | AnswerEvent
  | NulEvent
  | TooLargeEvent
  | ReplyTooLargeEvent
  | CloseEvent
  | ClosedEvent
  | CloseRefusedEvent
  | ReleasedEvent;
