/**
 * Channel of a BEEP session for its user: pairs requests with their replies, enforces time limits and applies
 * back-pressure.
 */
import type { Outbound } from '../beep/event.js';
import type { Role } from '../beep/session.js';
import { type ImxpError, type Reply, TransportError } from '../errors.js';
import { type Payload, payloadOctets } from '../mime/payload.js';
import type { PeerIdentity } from '../sasl/identity.js';
import { systemClock } from './clock.js';
import type { NetworkAddress } from './network.js';

/** What a channel needs of its connection. */
export interface ChannelConnection {
  /** Unique in this process; for logs. */
  readonly id: string;
  readonly role: Role;
  /** Who the peer has proved to be; undefined before it has authenticated. */
  readonly identity: PeerIdentity | undefined;
  readonly privacy: boolean;
  readonly remote: NetworkAddress;
  /** How long a request waits for its reply. */
  readonly deliveryTimeoutMs: number;
  /** How long a request may stay unanswered before the session is cut off; 0 for ever. */
  readonly stalledTimeoutMs: number;
  /** Sends on a channel; returns the message number. */
  send(channel: number, message: Outbound): number;
  /** Takes back MSGs of which nothing has left. @returns the numbers of those taken back */
  withdraw(channel: number, msgnos: ReadonlySet<number>): number[];
  consume(channel: number, octets: number): void;
  /** Sets how many octets of the channel the peer may have under way to this side. */
  window(channel: number, octets: number): void;
  closeChannel(channel: number, code: number, text: string): Promise<void>;
  release(text: string): Promise<void>;
  destroy(error: ImxpError): void;
}

/**
 * Why a request has no reply: `timeout` = none came in time, `lost` = the channel ended after the request may have left,
 * `unsent` = it ended before any octet of it left.
 */
export type NoReply = 'timeout' | 'lost' | 'unsent';

/** Told exactly once what became of a request. */
export interface RequestSink {
  replied(kind: 'RPY' | 'ERR', payload: Buffer): void;
  failed(reason: NoReply): void;
  /** One of several answers; {@link ChannelHandle.consume} makes room for more. Without it they are discarded. */
  answered?(ansno: number, payload: Buffer): void;
  /** All answers have come; without it a request that is answered by several has no reply. */
  finished?(): void;
}

/** Receives the messages of a channel. */
export interface ChannelHandler {
  readonly message: (msgno: number, payload: Payload) => void;
  /** The peer asks to close the channel, or the whole session. @returns why that is declined, if it is */
  closeRequested?(code: number, text: string): Reply | undefined;
  closed(): void;
}

/** Encodes errors as the profile of a channel sends them. */
export interface ErrorCodec {
  encodeError(reply: Reply): Payload;
}

interface Pending {
  /** Undefined once the request has run out of time: a late reply is dropped. */
  sink: RequestSink | undefined;
  readonly octets: number;
  deadline: number;
  /** Whether an answer of several has come: the deadline has moved. */
  answering: boolean;
}

interface Queued {
  readonly payload: Payload;
  readonly sink: RequestSink;
}

export class ChannelHandle {
  readonly number: number;
  readonly profile: string;
  readonly #connection: ChannelConnection;
  readonly #codec: ErrorCodec;
  #handler: ChannelHandler | undefined;
  #state: 'opening' | 'open' | 'closing' | 'closed' = 'opening';
  #pending: Map<number, Pending> | undefined;
  #octets = 0;
  #queued: Queued[] | undefined;

  constructor(connection: ChannelConnection, number: number, profile: string, codec: ErrorCodec) {
    this.#connection = connection;
    this.#codec = codec;
    this.number = number;
    this.profile = profile;
  }

  get id(): string {
    return `${this.#connection.id}/${this.number}`;
  }

  get session(): string {
    return this.#connection.id;
  }

  get identity(): PeerIdentity | undefined {
    return this.#connection.identity;
  }

  get privacy(): boolean {
    return this.#connection.privacy;
  }

  get remote(): NetworkAddress {
    return this.#connection.remote;
  }

  get initiator(): boolean {
    return this.#connection.role === 'initiator';
  }

  get open(): boolean {
    return this.#state === 'open' || this.#state === 'opening';
  }

  /** Whether it has been created: not while its start is being decided on. */
  get created(): boolean {
    return this.#state !== 'opening';
  }

  get outstanding(): number {
    return (this.#pending?.size ?? 0) + (this.#queued?.length ?? 0);
  }

  get outstandingOctets(): number {
    return this.#octets;
  }

  /** Sends a MSG. The sink is told exactly once, never before this call returns. */
  request(payload: Payload, sink: RequestSink): void {
    if (this.#state === 'open') {
      this.#send(payload, sink);
    } else if (this.#state === 'opening') {
      this.#queued ??= [];
      this.#queued.push({ payload, sink });
    } else {
      queueMicrotask(() => sink.failed('unsent'));
    }
  }

  /** Takes back requests of which no octet has been written. @returns their sinks, which are told nothing */
  recall(picked: (sink: RequestSink) => boolean): RequestSink[] {
    const queued = this.#queued?.filter(({ sink }) => picked(sink)) ?? [];
    this.#queued = this.#queued?.filter((one) => !queued.includes(one));
    const recalled = queued.map(({ sink }) => sink);
    const pending = this.#pending;
    if (pending === undefined) return recalled;
    const msgnos = new Set<number>();
    for (const [msgno, { sink }] of pending) if (sink !== undefined && picked(sink)) msgnos.add(msgno);
    for (const msgno of this.#connection.withdraw(this.number, msgnos)) {
      const { sink, octets = 0 } = pending.get(msgno) ?? {};
      pending.delete(msgno);
      this.#octets -= octets;
      if (sink !== undefined) recalled.push(sink);
    }
    if (pending.size === 0) systemClock.remove(this);
    return recalled;
  }

  reply(msgno: number, kind: 'RPY' | 'ERR', payload: Payload): void {
    if (this.#state === 'closed') return;
    const message: Outbound = { kind, msgno, payload };
    this.#connection.send(this.number, message);
  }

  /** One of many answers to a MSG, which {@link finish} ends (RFC 3080 §2.1.1). */
  answer(msgno: number, ansno: number, payload: Payload): void {
    if (this.#state !== 'closed') this.#connection.send(this.number, { kind: 'ANS', msgno, ansno, payload });
  }

  /** No further answers to a MSG follow. */
  finish(msgno: number): void {
    if (this.#state !== 'closed') this.#connection.send(this.number, { kind: 'NUL', msgno });
  }

  /** The user took responsibility for that many received octets. */
  consume(octets: number): void {
    if (this.#state !== 'closed') this.#connection.consume(this.number, octets);
  }

  close(code: number, text: string): void {
    // A refusal reopens the channel and the end of the session is told to the handler: nothing is left to do here.
    this.closeInOrder(code, text).catch(() => undefined);
  }

  /**
   * The same, for callers that wait for the peer's answer.
   *
   * @throws RefusedError CLOSE_REFUSED, TransportError CONNECTION_LOST
   */
  async closeInOrder(code: number, text: string): Promise<void> {
    if (this.#state !== 'open') return;
    this.#state = 'closing';
    await this.#connection.closeChannel(this.number, code, text);
  }

  /** Ends the whole session in order (RFC 3080 §2.4). */
  endSession(text: string): void {
    void this.#connection.release(text);
  }

  // ---- the connection's side ----------------------------------------------------------------------------------------

  set handler(handler: ChannelHandler) {
    this.#handler = handler;
  }

  opened(): void {
    if (this.#state !== 'opening') return;
    this.#state = 'open';
    const queued = this.#queued ?? [];
    this.#queued = undefined;
    for (const { payload, sink } of queued) this.#send(payload, sink);
  }

  /** The peer asked to close: nothing new is sent. */
  closing(): void {
    if (this.#state === 'open') this.#state = 'closing';
  }

  /** A close was refused: the channel stays open. */
  reopened(): void {
    if (this.#state === 'closing') this.#state = 'open';
  }

  message(msgno: number, payload: Payload): void {
    if (this.#handler !== undefined) {
      this.#handler.message(msgno, payload);
      return;
    }
    // RFC 3080 §2.7: a peer that serves nothing here still answers.
    this.consume(payloadOctets(payload));
    this.refuse(msgno, { code: 550, text: 'no request is expected on this channel' });
  }

  /** RFC 3080 §2.6.3: the answer to a message that is larger than the limit does not wait for its end. */
  tooLarge(msgno: number, limit: number): void {
    this.refuse(msgno, { code: 554, text: `the message is larger than the limit of ${limit} octets` });
  }

  refuse(msgno: number, reply: Reply): void {
    this.reply(msgno, 'ERR', this.#codec.encodeError(reply));
  }

  replied(msgno: number, kind: 'RPY' | 'ERR', payload: Buffer): void {
    this.consume(payload.length);
    this.#settled(msgno)?.replied(kind, payload);
  }

  /** One of many answers. Nobody is left to take those of a request that asked for one reply or ran out of time. */
  answered(msgno: number, ansno: number, payload: Buffer): void {
    const pending = this.#pending?.get(msgno);
    if (pending?.sink?.answered === undefined) {
      this.consume(payload.length);
      return;
    }
    // Each answer may take as long as a single reply.
    pending.deadline = systemClock.coarse + this.#connection.deliveryTimeoutMs;
    pending.answering = true;
    pending.sink.answered(ansno, payload);
  }

  /** No further answers follow. A request that asked for one reply has none. */
  finished(msgno: number): void {
    const sink = this.#pending?.get(msgno)?.sink;
    if (sink?.finished === undefined) {
      this.replyLost(msgno);
      return;
    }
    this.#settled(msgno);
    sink.finished();
  }

  /** Why the user of the channel declines to have it closed, if it does. */
  closeRefusal(code: number, text: string): Reply | undefined {
    return this.#handler?.closeRequested?.(code, text);
  }

  /** The reply was larger than the limit and was discarded. */
  replyLost(msgno: number): void {
    this.#settled(msgno)?.failed('lost');
  }

  /**
   * The channel is gone.
   *
   * @param unstarted requests of which no octet has left; whether the others were processed is unknown
   */
  ended(unstarted?: ReadonlySet<number>): void {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    systemClock.remove(this);
    const pending = this.#pending;
    this.#pending = undefined;
    for (const [msgno, { sink }] of pending ?? []) sink?.failed(unstarted?.has(msgno) === true ? 'unsent' : 'lost');
    for (const { sink } of this.#queued ?? []) sink.failed('unsent');
    this.#queued = undefined;
    this.#octets = 0;
    this.#handler?.closed();
  }

  tick(now: number): void {
    if (this.#pending === undefined) return;
    const { deliveryTimeoutMs, stalledTimeoutMs } = this.#connection;
    for (const pending of this.#pending.values()) {
      // Replies come in the order of the requests: the oldest one holds up all others, and what they occupy.
      if (stalledTimeoutMs > 0 && now - pending.deadline + deliveryTimeoutMs >= stalledTimeoutMs) {
        const error = new TransportError('TIMED_OUT', `a request was not answered within ${stalledTimeoutMs} ms`);
        this.#connection.destroy(error);
        return;
      }
      if (pending.sink === undefined) continue;
      // Those behind it are not due either, unless it has been given more time.
      if (pending.deadline > now) {
        if (pending.answering) continue;
        return;
      }
      const { sink } = pending;
      pending.sink = undefined;
      sink.failed('timeout');
    }
  }

  /** A request is over. @returns its sink, unless that was told before */
  #settled(msgno: number): RequestSink | undefined {
    const pending = this.#pending?.get(msgno);
    if (pending === undefined || this.#pending === undefined) return undefined;
    this.#pending.delete(msgno);
    this.#octets -= pending.octets;
    if (this.#pending.size === 0) systemClock.remove(this);
    return pending.sink;
  }

  #send(payload: Payload, sink: RequestSink): void {
    const octets = payloadOctets(payload);
    const msgno = this.#connection.send(this.number, { kind: 'MSG', payload });
    this.#pending ??= new Map();
    if (this.#pending.size === 0) systemClock.add(this);
    this.#pending.set(msgno, {
      sink,
      octets,
      deadline: systemClock.coarse + this.#connection.deliveryTimeoutMs,
      answering: false,
    });
    this.#octets += octets;
  }
}
