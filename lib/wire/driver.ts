/**
 * One BEEP peer on one connection: moves octets between the transport and the session state machine, keeps the time
 * limits, and gives each channel to its user. It decides no policy and knows no profile's meaning.
 *
 * ```
 *   connected ── greetings ──> ready ──(ready/proceed, or a SASL layer)──> tuning ──> a new session, greetings again
 *   (opening: tuning first)       │
 *                                 │ release asked or granted
 *                                 v
 *                             releasing ──> ended            (a fault ends it from anywhere, without a response)
 * ```
 */

import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import type { Greeting, Outbound, SessionEvent, StartEvent } from '../beep/event.js';
import { type ChannelInfo, type Offer, type Role, Session } from '../beep/session.js';
import { ImxpError, LocalError, RefusedError, RemoteProtocolError, type Reply, TransportError } from '../errors.js';
import { type Identity, keyOf, NOBODY } from '../imxp/identity.js';
import { events } from '../ops/events.js';
import type { TokenBucket } from '../ops/token-bucket.js';
import { ChannelHandle } from './channel-handle.js';
import { PendingAsks } from './dns/pending-asks.js';
import type { ChannelUse, DriverOptions, DriverOwner, HandedOver, RemoteAddress, Started } from './driver-options.js';
import { flushLater } from './flusher.js';
import { foreignService } from './foreign.js';
import { disown, own, type StreamOwner } from './owned-stream.js';
import { Pace, type Paced } from './pace.js';
import type { Conditions } from './profile.js';
import type { SecuredStream } from './tls/secured-stream.js';
import { WebSocketStream } from './web/websocket.js';

/** Octets taken from the session for one write. */
const WRITE_OCTETS = 262_144;
/** 2/3 of the segment size of the loopback interface and of Ethernet (RFC 3081 §3.1.4). */
const LOOPBACK_FRAME_OCTETS = 43_655;
const FRAME_OCTETS = 973;

const TOO_MANY_CHANNELS: Reply = { code: 530, text: 'authenticate first: too many channels for a stranger' };
const TOO_MANY_STARTS: Reply = { code: 450, text: 'you start too many channels: wait a second and try again' };

let serial = 0;

export class Driver implements StreamOwner, Paced {
  readonly id: string;
  readonly role: Role;
  readonly remote: RemoteAddress;
  readonly local: RemoteAddress;
  readonly deliveryTimeoutMs: number;
  /** How long a request may stay unanswered before the session is cut off; 0 for ever. */
  readonly stalledTimeoutMs: number;
  readonly #options: DriverOptions;
  readonly #channels = new Map<number, ChannelHandle>();
  #session: Session;
  #stream: Duplex;
  #phase: 'greeting' | 'ready' | 'tuning' | 'releasing' | 'ended' = 'greeting';
  #identity: Identity = NOBODY;
  #security: SecuredStream | undefined;
  /** True while the stream cannot take more. */
  #blocked = false;
  #flushing = false;
  #timer: NodeJS.Timeout | undefined;
  readonly #asks = new PendingAsks();
  #handOver: (() => void) | undefined;
  /** The channel whose answers hold the reading up, and whether one does now. */
  #tuningChannel: number | undefined;
  #held = false;
  #owner: DriverOwner;
  /** When a release must be over, on the clock of `performance.now`. */
  #closeBy = Number.POSITIVE_INFINITY;
  /** Whether anything has come. */
  #heard = false;
  /** Octets a stranger has sent. */
  #strange = 0;
  readonly #pace: Pace;
  /** How often this identity may start channels. */
  #startAllowance: TokenBucket | undefined;

  constructor(stream: Duplex, options: DriverOptions) {
    serial += 1;
    this.id = `s${serial}`;
    this.role = options.role;
    this.remote = options.remote;
    this.local = options.local;
    this.deliveryTimeoutMs = options.limits.deliveryTimeoutMs;
    const { stalledTimeoutMs, deliveryTimeoutMs } = options.limits;
    // Nobody is cut off for a request that may still be answered in time.
    this.stalledTimeoutMs = stalledTimeoutMs === 0 ? 0 : Math.max(stalledTimeoutMs, deliveryTimeoutMs);
    this.#pace = new Pace(this, options.limits);
    this.#owner = options.owner;
    this.#options = options;
    this.#stream = stream;
    this.#security = options.security;
    this.#session = this.#newSession();
    this.#deadline(options.limits.greetingTimeoutMs, 'the peer sent no greeting');
    if (options.opening === true) {
      this.#phase = 'tuning';
      return;
    }
    this.#listen();
    this.#touch();
  }

  // ---- facts --------------------------------------------------------------------------------------------------------

  get identity(): Identity {
    return this.#identity;
  }

  /** Sets who the peer is. The greeting of a later session and all channels, existing and future, follow it. */
  set identity(identity: Identity) {
    this.#identity = identity;
    this.#startAllowance = undefined;
    if (identity.kind !== 'none') this.#widen();
    this.#owner.identified?.(this);
  }

  get privacy(): boolean {
    return this.#security !== undefined;
  }

  get security(): SecuredStream | undefined {
    return this.#security;
  }

  /** The transport in use; only for handing its values to a tuning profile. */
  get stream(): Duplex {
    return this.#stream;
  }

  get heldOctets(): number {
    return this.#stream.writableLength;
  }

  get serverName(): string | undefined {
    return this.#session.serverName;
  }

  get peer(): Greeting | undefined {
    return this.#session.peer;
  }

  get ended(): boolean {
    return this.#phase === 'ended';
  }

  get channels(): Iterable<ChannelHandle> {
    return this.#channels.values();
  }

  /** What waits on a channel; undefined when it is not open. */
  channelInfo(number: number): ChannelInfo | undefined {
    return this.#session.channelInfo(number);
  }

  /** Octets the peer allows to be sent on a channel at this moment. */
  windowOf(number: number): number {
    return this.#session.windowOf(number);
  }

  /** Whether the transport takes nothing more at this moment. */
  get blocked(): boolean {
    return this.#blocked;
  }

  get conditions(): Conditions {
    const certified = this.#security?.peerCertificate !== undefined && this.#security.authorized;
    return { private: this.privacy, authenticated: this.#identity.kind !== 'none', certified };
  }

  /** Whoever is told of the end from now on. */
  set owner(owner: DriverOwner) {
    this.#owner = owner;
  }

  // ---- what the user of a session may ask -------------------------------------------------------------------------

  /**
   * Waits for the peer's greeting.
   *
   * @throws RefusedError BEEP_UNAVAILABLE when the listener refuses the session, TransportError when it ends
   */
  greeted(): Promise<Greeting> {
    const { peer } = this.#session;
    if (peer !== undefined && this.#phase !== 'greeting') return Promise.resolve(peer);
    if (this.#phase === 'ended') return Promise.reject(this.#gone());
    return this.#asks.greeting();
  }

  /**
   * Asks the peer to create a channel (RFC 3080 §2.3.1.2).
   *
   * @param quiet send nothing more until the answer (RFC 3080 §3.1.3.1)
   * @throws RefusedError START_REFUSED, TransportError CONNECTION_LOST
   */
  start(offer: Offer, use: ChannelUse, quiet = false): Promise<Started> {
    if (this.#phase !== 'ready') return Promise.reject(this.#gone());
    return this.#asks.start(use, () => {
      const number = this.#session.start(offer);
      if (quiet) this.#session.quiesce();
      this.#touch();
      return number;
    });
  }

  /** Sends on a channel; returns the message number. */
  send(channel: number, message: Outbound): number {
    const msgno = this.#session.send(channel, message);
    this.#touch();
    return msgno;
  }

  /** Takes back MSGs of which nothing has left. @returns the numbers of those taken back */
  withdraw(channel: number, msgnos: ReadonlySet<number>): number[] {
    return this.#session.withdraw(channel, msgnos);
  }

  consume(channel: number, octets: number): void {
    this.#session.consume(channel, octets);
    this.#touch();
  }

  /**
   * Closes a channel in order (RFC 3080 §2.3.1.3).
   *
   * @throws RefusedError CLOSE_REFUSED, TransportError CONNECTION_LOST
   */
  closeChannel(number: number, code: number, text: string): Promise<void> {
    if (this.#phase === 'ended') return Promise.resolve();
    return this.#asks.close(number, () => {
      this.#session.close(number, code, text);
      this.#touch();
    });
  }

  /**
   * Ends the session in order (RFC 3080 §2.4), cutting the connection when that takes too long.
   *
   * @param limitMs how long it may take in all; never longer than `closeTimeoutMs` for the peer's answer
   */
  async release(text = '', limitMs = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.#phase === 'ended') return;
    this.#closeBy = performance.now() + limitMs;
    if (this.#phase !== 'ready') {
      this.destroy(new LocalError('CLOSED', 'the session was ended before it was ready'));
      return;
    }
    const closeMs = Math.ceil(Math.min(this.#options.limits.closeTimeoutMs, limitMs));
    this.#deadline(closeMs, 'the peer did not answer the release');
    try {
      await this.closeChannel(0, 200, text);
    } catch (error) {
      // RFC 3080 §2.4: a declined release should not end the session; but we are leaving.
      this.destroy(error instanceof ImxpError ? error : new LocalError('CLOSED', String(error)));
    }
  }

  /** Lets what is queued leave, and closes without asking. */
  dismiss(error: ImxpError): void {
    this.flush();
    this.#end(error);
  }

  /** Says what `refuse` of the options says, and closes (RFC 3080 §2.4). */
  turnAway(): void {
    this.dismiss(new LocalError('BUSY', this.#options.refuse?.text ?? 'refused'));
  }

  /** Drops the connection at once, without a word to the peer. */
  destroy(error: ImxpError): void {
    if (this.#phase === 'ended') return;
    const stream = this.#stream;
    this.#finish(error);
    // RFC 3081 §2: a terminated session is a TCP abort. A TLSSocket is a Socket too, but throws when it is to be reset.
    const abort = error instanceof RemoteProtocolError && stream instanceof Socket && !(stream instanceof TLSSocket);
    if (abort) stream.resetAndDestroy();
    else stream.destroy();
  }

  // ---- answers to a peer's start ---------------------------------------------------------------------------------

  /** Creates the channel the peer asked for; `content` answers the piggybacked message. */
  accept(event: StartEvent, uri: string, content: string | undefined, channel: ChannelHandle): void {
    if (this.#phase === 'ended') return;
    this.#session.acceptStart(event, uri, content);
    this.#register(channel);
    this.#touch();
  }

  refuse(event: StartEvent, reply: Reply): void {
    if (this.#phase === 'ended') return;
    this.#session.refuseStart(event, reply);
    events.refused.publish({
      session: this.id,
      remote: this.remote.address,
      what: 'start',
      code: reply.code,
      reason: reply.text,
    });
    this.#touch();
  }

  // ---- tuning --------------------------------------------------------------------------------------------------------

  /**
   * Gives the connection away for a change of transport: waits until every reply owed has left, lets `last` queue the
   * last message, writes it, and ends this session. Nothing is sent after it (RFC 3080 §3.1.3.2).
   *
   * @param owed replies that may stay owed: the one `last` is going to give
   */
  handOver(owed: number, last: () => void): Promise<HandedOver> {
    return new Promise((resolve) => {
      this.#handOver = (): void => {
        if (this.#owed() > owed) return;
        this.#handOver = undefined;
        last();
        this.#session.quiesce();
        // All of it, whether the transport is slow or not; and nothing that came after is parsed any more.
        while (this.#session.pending) this.#write();
        resolve(this.#detach());
      };
      this.#handOver();
    });
  }

  /** The same for the peer that waits for the answer to what it sent: everything has already left. */
  handOverNow(): HandedOver {
    return this.#detach();
  }

  /** Lets the session go on after an answer on a tuning channel that did not change the transport. */
  goOn(): void {
    if (this.#phase === 'ended') return;
    this.#held = false;
    this.#session.resume();
    this.#pump();
    this.#touch();
  }

  /** Begins a new session over the new transport: nothing of the old one is kept but the server name (beep.md B-8). */
  renew(stream: Duplex, change: { readonly security?: SecuredStream; readonly identity?: Identity }): void {
    if (this.#phase === 'ended') {
      stream.destroy();
      return;
    }
    if (change.security !== undefined) this.#security = change.security;
    this.#identity = change.identity ?? this.#identity;
    this.#stream = stream;
    this.#phase = 'greeting';
    this.#blocked = false;
    this.#held = false;
    this.#tuningChannel = undefined;
    this.#session = this.#newSession(this.#session.serverName);
    this.#listen();
    this.#deadline(this.#options.limits.greetingTimeoutMs, 'the peer sent no greeting after tuning');
    if (change.identity !== undefined) this.#owner.identified?.(this);
    this.#touch();
  }

  // ---- moving octets ----------------------------------------------------------------------------------------------

  /** Writes what may leave now. Called once per turn of the event loop, and when the transport can take more. */
  flush(): void {
    this.#flushing = false;
    if (this.#phase === 'ended' || this.#blocked) return;
    this.#write();
    // A close or release is complete when its last octets have left.
    this.#pump();
    if (!this.#running) return;
    this.#pace.flushed(this.#waiting());
  }

  get #running(): boolean {
    return this.#phase !== 'ended' && this.#phase !== 'tuning';
  }

  /** Whether something could not leave: the transport is full, or the peer's window of a channel. */
  #waiting(): boolean {
    if (this.#blocked) return true;
    for (const number of this.#channels.keys()) {
      if ((this.#session.channelInfo(number)?.unsentOctets ?? 0) > 0) return true;
    }
    return false;
  }

  #write(): void {
    const stream = this.#stream;
    for (;;) {
      const batch = this.#session.transmit(WRITE_OCTETS);
      const [first] = batch;
      if (first === undefined) return;
      if (batch.length === 1) {
        this.#pace.wrote(first.length);
        stream.write(first);
      } else {
        stream.cork();
        for (const octets of batch) {
          this.#pace.wrote(octets.length);
          stream.write(octets);
        }
        stream.uncork();
      }
      if (stream.writableNeedDrain) {
        this.#blocked = true;
        return;
      }
    }
  }

  #touch(): void {
    if (this.#flushing || this.#phase === 'ended') return;
    this.#flushing = true;
    flushLater(this);
  }

  drained(): void {
    this.#blocked = false;
    this.flush();
  }

  received(chunk: Buffer): void {
    if (this.#phase === 'ended') return;
    if (!this.#known && this.#tooMuch(chunk.length)) return;
    if (!this.#heard && this.#foreign(chunk)) return;
    this.#session.receive(chunk);
    this.#pump();
    if (!this.#running) return;
    this.#pace.received(chunk.length, this.#session.unfinished);
    this.#touch();
  }

  /** Whether the first octets are those of another service, in which case that is said instead of a fault of its frames. */
  #foreign(chunk: Buffer): boolean {
    this.#heard = true;
    const service = this.role === 'initiator' ? foreignService(chunk) : undefined;
    if (service === undefined) return false;
    const { address, port } = this.remote;
    const text = `no BEEP listener answers at ${address} port ${port}, but ${service}`;
    this.destroy(new TransportError('CONNECT_FAILED', text));
    return true;
  }

  /** Strangers only negotiate; one that sends more than that takes is up to something else. */
  #tooMuch(octets: number): boolean {
    const { unauthenticatedOctets: limit } = this.#options.limits;
    this.#strange += octets;
    if (this.#strange <= limit) return false;
    this.destroy(new TransportError('TOO_LARGE', `more than ${limit} octets without authentication`));
    return true;
  }

  #pump(): void {
    const session = this.#session;
    try {
      while (session === this.#session && !this.#held && this.#phase !== 'ended' && this.#phase !== 'tuning') {
        const event = session.nextEvent();
        if (event === undefined) return;
        this.#handle(event);
      }
    } catch (error) {
      this.#fault(error);
    }
  }

  #handle(event: SessionEvent): void {
    switch (event.type) {
      case 'message':
        this.#channels.get(event.channel)?.message(event.msgno, event.payload);
        return;
      case 'reply':
        this.#held = event.channel === this.#tuningChannel;
        this.#channels.get(event.channel)?.replied(event.msgno, event.kind, event.payload);
        if (this.#handOver !== undefined) this.#handOver();
        return;
      case 'answer':
        this.consume(event.channel, event.payload.length);
        return;
      case 'nul':
        // No profile served here asks one-to-many questions, so no request was answered by this.
        this.#channels.get(event.channel)?.replyLost(event.msgno);
        return;
      case 'too-large':
        this.#channels.get(event.channel)?.tooLarge(event.msgno, event.limit);
        return;
      case 'reply-too-large':
        this.#channels.get(event.channel)?.replyLost(event.msgno);
        return;
      case 'start':
        this.#startRequested(event);
        return;
      case 'started':
        this.#started(event);
        return;
      case 'start-refused':
        this.#asks.started(event.channel)?.reject(new RefusedError('START_REFUSED', event.reply));
        return;
      case 'greeting':
        this.#ready(event.greeting);
        return;
      case 'unavailable':
        this.#unavailable(event.reply);
        return;
      case 'close':
        this.#closeRequested(event.channel);
        return;
      case 'closed':
        this.#closed(event.channel);
        return;
      case 'close-refused':
        this.#channels.get(event.channel)?.reopened();
        this.#asks.closed(event.channel)?.reject(new RefusedError('CLOSE_REFUSED', event.reply));
        return;
      case 'released':
        this.#end(undefined);
        return;
      default:
        event satisfies never;
    }
  }

  // ---- channel management ------------------------------------------------------------------------------------------

  #ready(greeting: Greeting): void {
    this.#clearDeadline();
    this.#phase = 'ready';
    this.#asks.greeted(greeting);
  }

  #unavailable(reply: Reply): void {
    const error = new RefusedError(
      'BEEP_UNAVAILABLE',
      reply,
      `the listener is not available: ${reply.code} ${reply.text}`,
    );
    // RFC 3080 §2.4: both sides close and should log it.
    events.refused.publish({
      session: this.id,
      remote: this.remote.address,
      what: 'session',
      code: reply.code,
      reason: reply.text,
    });
    this.#end(error);
  }

  #startRequested(event: StartEvent): void {
    const { profiles, serves } = this.#options;
    const excess = this.#excess();
    if (excess !== undefined) {
      this.refuse(event, excess);
      return;
    }
    if (event.serverName !== undefined && serves?.(event.serverName) === false) {
      const name = event.serverName === '' ? 'an empty serverName' : event.serverName;
      this.refuse(event, { code: 550, text: `${name} is not served here` });
      return;
    }
    const choice = profiles.choose(event.proposals, this.conditions);
    if ('code' in choice) this.refuse(event, choice);
    else choice.profile.start(this, event, choice.proposal);
  }

  /** Why no further channel may be started now, if so. */
  #excess(): Reply | undefined {
    const { limits, starts } = this.#options;
    if (!this.#known) return this.#channels.size < limits.unauthenticatedChannels ? undefined : TOO_MANY_CHANNELS;
    if (starts === undefined || this.#identity.kind === 'none') return undefined;
    this.#startAllowance ??= starts.of(keyOf(this.#identity));
    return this.#startAllowance?.take() === false ? TOO_MANY_STARTS : undefined;
  }

  #started(event: Extract<SessionEvent, { type: 'started' }>): void {
    const waiter = this.#asks.started(event.channel);
    if (waiter === undefined) return;
    if (waiter.use.tuning === true) {
      this.#tuningChannel = event.channel;
      this.#held = true;
    }
    const channel = new ChannelHandle(this, event.channel, event.uri, waiter.use.codec);
    const handler = waiter.use.handler?.(channel);
    if (handler !== undefined) channel.handler = handler;
    this.#register(channel);
    waiter.resolve({ channel, uri: event.uri, content: event.content });
  }

  #register(channel: ChannelHandle): void {
    this.#channels.set(channel.number, channel);
    const { limits } = this.#options;
    // A wider window from the start: 4,096 octets a round trip would be the ceiling otherwise. Strangers keep that.
    if (this.#known) this.#session.window(channel.number, limits.windowOctets);
    channel.opened();
  }

  /** After authentication every channel gets the limits of a known peer. */
  #widen(): void {
    const { limits } = this.#options;
    this.#session.messageOctets = limits.messageOctets;
    for (const number of this.#channels.keys()) this.#session.window(number, limits.windowOctets);
    this.#touch();
  }

  #closeRequested(number: number): void {
    if (number === 0) {
      this.#phase = this.#phase === 'ready' ? 'releasing' : this.#phase;
      for (const channel of this.#channels.values()) channel.closing();
    } else {
      this.#channels.get(number)?.closing();
    }
    this.#session.acceptClose(number);
    this.#touch();
  }

  #closed(number: number): void {
    this.#asks.closed(number)?.resolve();
    if (number === 0) {
      this.#end(undefined);
      return;
    }
    if (number === this.#tuningChannel) this.#tuningChannel = undefined;
    const channel = this.#channels.get(number);
    this.#channels.delete(number);
    channel?.ended(0);
  }

  #owed(): number {
    let owed = this.#session.channelInfo(0)?.owed ?? 0;
    for (const number of this.#channels.keys()) owed += this.#session.channelInfo(number)?.owed ?? 0;
    return owed;
  }

  // ---- beginning and end ------------------------------------------------------------------------------------------

  /** Whether the peer is no stranger: it said who it is, or it is the one we wanted to talk to. */
  get #known(): boolean {
    return this.role === 'initiator' || this.#identity.kind !== 'none';
  }

  #newSession(serverName?: string): Session {
    const { role, profiles, limits, remote, refuse } = this.#options;
    const loopback = remote.address === '::1' || remote.address.includes('127.0.0.');
    return new Session({
      role,
      profiles: profiles.offered(this.conditions),
      isTuning: profiles.isTuning,
      frameOctets: loopback ? LOOPBACK_FRAME_OCTETS : FRAME_OCTETS,
      limits: {
        channels: limits.channels,
        messageOctets: this.#known ? limits.messageOctets : limits.unauthenticatedMessageOctets,
      },
      ...(refuse === undefined ? {} : { refuse }),
      ...(serverName === undefined ? {} : { serverName }),
    });
  }

  #listen(): void {
    const stream = this.#stream;
    own(stream, this);
    const timed = stream instanceof Socket || stream instanceof WebSocketStream;
    if (timed && this.#options.limits.idleTimeoutMs > 0) {
      stream.setTimeout(this.#options.limits.idleTimeoutMs, () =>
        this.destroy(new TransportError('TIMED_OUT', 'the session was idle for too long')),
      );
    }
  }

  #detach(): HandedOver {
    this.#phase = 'tuning';
    this.#clearDeadline();
    this.#pace.rest();
    const stream = this.#stream;
    stream.pause();
    disown(stream);
    const leftover = this.#session.detach();
    this.#dropChannels();
    return { stream, leftover };
  }

  /** A fault of the peer ends the session in silence; a fault of ours must not harm the other sessions. */
  #fault(error: unknown): void {
    if (error instanceof ImxpError) {
      this.destroy(error);
    } else {
      events.fault.publish({ session: this.id, error });
      this.destroy(new LocalError('BEEP_STATE', 'internal fault; the session was dropped', { cause: error }));
    }
  }

  /** Ends the session in order: what is written still leaves. */
  #end(error: ImxpError | undefined): void {
    if (this.#phase === 'ended') return;
    const stream = this.#stream;
    this.#finish(error);
    stream.end();
    // A peer that keeps its side open must not keep ours.
    const left = Math.max(0, this.#closeBy - performance.now());
    const timer = setTimeout(() => stream.destroy(), Math.min(this.#options.limits.closeTimeoutMs, left));
    timer.unref();
    stream.once('close', () => clearTimeout(timer));
    stream.resume();
  }

  #finish(error: ImxpError | undefined): void {
    this.#phase = 'ended';
    this.#clearDeadline();
    this.#pace.stop();
    disown(this.#stream);
    this.#dropChannels();
    this.#asks.end(error ?? this.#gone(), error === undefined);
    events.closed.publish({
      session: this.id,
      remote: this.remote.address,
      ...(error === undefined ? {} : { error: error.code, reason: error.message }),
    });
    this.#owner.ended(this, error);
  }

  #dropChannels(): void {
    const channels = [...this.#channels];
    this.#channels.clear();
    for (const [number, channel] of channels) channel.ended(this.#session.channelInfo(number)?.unsentOctets ?? 0);
  }

  #gone(): ImxpError {
    return new TransportError('CONNECTION_LOST', 'the session has ended');
  }

  lost(error: Error | undefined): void {
    if (this.#phase === 'ended') return;
    const silent = this.role === 'initiator' && !this.#heard;
    const closed = silent
      ? 'the peer closed the connection without a word: no BEEP listener, or one that wants TLS first (wss://)'
      : 'the peer closed the connection without releasing the session';
    const reason = error === undefined ? closed : error.message;
    const code = error === undefined && this.#phase === 'releasing' ? undefined : 'CONNECTION_LOST';
    const stream = this.#stream;
    this.#finish(code === undefined ? undefined : new TransportError(code, reason, { cause: error }));
    stream.destroy();
  }

  #deadline(ms: number, what: string): void {
    this.#clearDeadline();
    this.#timer = setTimeout(() => this.destroy(new TransportError('TIMED_OUT', `${what} within ${ms} ms`)), ms);
  }

  #clearDeadline(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}
