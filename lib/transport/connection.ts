/**
 * Connection with one BEEP peer: joins the transport with the session state machine, enforces the time limits, and gives
 * each channel to its user.
 */

import type { Duplex } from 'node:stream';
import type { Greeting, Outbound, SessionEvent, StartEvent } from '../beep/event.js';
import type { ReassemblyObserver } from '../beep/inbound.js';
import type { ChannelInfo, Offer, Role, Session } from '../beep/session.js';
import { ImxpError, LocalError, type Reply, TransportError } from '../errors.js';
import { events } from '../ops/events.js';
import { isAnonymousPeer, type PeerIdentity } from '../sasl/identity.js';
import type { ChannelHandle } from './channel.js';
import { ConnectionPhase } from './connection-phase.js';
import { type BeforeReset, type ConnectionRules, newSession } from './connection-rules.js';
import { InputCheck } from './input-check.js';
import type { NetworkAddress } from './network.js';
import { type ChannelsConnection, OpenChannels } from './open-channels.js';
import type { ChannelUse, Started } from './pending-requests.js';
import type { ChannelConditions, SessionChange } from './profile.js';
import type { ReassemblyShare } from './reassembly-budget.js';
import { SessionEvents } from './session-events.js';
import { type HandedOver, SessionIo, type SessionIoOwner } from './session-io.js';
import type { SecuredStream } from './tls/secured-stream.js';

/** Told about the life of a connection; the listener, the dialer or a link. */
export interface ConnectionOwner {
  /** A listener has accepted the connection. */
  opened?(connection: Connection): void;
  /** The connection is gone. `error` is undefined after an orderly release. */
  ended(connection: Connection, error: ImxpError | undefined): void;
  /** The peer's identity became known or changed. */
  identified?(connection: Connection): void;
}

/** What is known of one connection. */
export interface ConnectionOptions {
  readonly remote: NetworkAddress;
  /** Where the connection arrived or left from; for logs and DIGEST-MD5 host names. */
  readonly local: NetworkAddress;
  readonly owner: ConnectionOwner;
  /** Refuse the session with this instead of a greeting (RFC 3080 §2.4). */
  readonly refuse?: Reply;
  /** The protection the connection has already, by TLS underneath. */
  readonly security?: SecuredStream;
  /**
   * Something has to happen on the connection before BEEP begins: nothing is read and written until
   * {@link Connection.renew}. Time runs from now on.
   */
  readonly opening?: boolean;
}

let serial = 0;

export class Connection implements ChannelsConnection, SessionIoOwner, ReassemblyObserver, ReassemblyShare {
  readonly id: string;
  readonly remote: NetworkAddress;
  readonly local: NetworkAddress;
  readonly #rules: ConnectionRules;
  /** Why the session is refused, if it is. */
  readonly #refuse: Reply | undefined;
  readonly #io: SessionIo;
  readonly #channels: OpenChannels;
  readonly #phase: ConnectionPhase;
  readonly #events: SessionEvents;
  readonly #input: InputCheck;
  #identity: PeerIdentity | undefined;
  #security: SecuredStream | undefined;
  #owner: ConnectionOwner;

  constructor(stream: Duplex, rules: ConnectionRules, options: ConnectionOptions) {
    serial += 1;
    this.id = `s${serial}`;
    this.remote = options.remote;
    this.local = options.local;
    this.#rules = rules;
    this.#refuse = options.refuse;
    this.#owner = options.owner;
    this.#security = options.security;
    this.#channels = new OpenChannels(this, rules);
    this.#io = new SessionIo(stream, this.#newSession(), this, rules.limits.session);
    this.#phase = new ConnectionPhase(this, rules.limits);
    this.#events = new SessionEvents(this, this.#io, this.#channels, this.#phase);
    this.#input = new InputCheck(rules.role, options.remote, rules.limits.unauthenticated.octets);
    if (options.opening === true) this.#phase.opening();
    else this.#io.start();
  }

  // ---- facts --------------------------------------------------------------------------------------------------------

  get role(): Role {
    return this.#rules.role;
  }

  get deliveryTimeoutMs(): number {
    return this.#rules.limits.data.deliveryTimeoutMs;
  }

  /** How long a request may stay unanswered before the session is cut off; 0 for ever. */
  get stalledTimeoutMs(): number {
    const { stalledTimeoutMs } = this.#rules.limits.session;
    // Nobody is cut off for a request that may still be answered in time.
    return stalledTimeoutMs === 0 ? 0 : Math.max(stalledTimeoutMs, this.deliveryTimeoutMs);
  }

  get identity(): PeerIdentity | undefined {
    return this.#identity;
  }

  /** Sets who the peer is. The greeting of a later session and all channels, existing and future, follow it. */
  set identity(identity: PeerIdentity | undefined) {
    this.#identity = identity;
    this.#channels.identified(this.#session);
    this.#owner.identified?.(this);
    this.#io.touch();
  }

  /** Whether the peer has authenticated, or need not: it was dialled from here, or the listener accepts anonymous peers. */
  get known(): boolean {
    return this.#rules.role === 'initiator' || this.#rules.anonymous === true || this.#vouched;
  }

  /** Whether the peer has an identity that it has proven. */
  get #vouched(): boolean {
    return this.#identity !== undefined && !isAnonymousPeer(this.#identity);
  }

  get #session(): Session {
    return this.#io.session;
  }

  get privacy(): boolean {
    return this.#security !== undefined;
  }

  get security(): SecuredStream | undefined {
    return this.#security;
  }

  /** The transport in use; only for handing its values to a tuning profile. */
  get stream(): Duplex {
    return this.#io.transport.stream;
  }

  get serverName(): string | undefined {
    return this.#session.serverName;
  }

  domainOf(serverName: string | undefined): string | undefined {
    const { serves } = this.#rules;
    return serverName !== undefined && serves?.(serverName, this.local) === 'host' ? undefined : serverName;
  }

  get peer(): Greeting | undefined {
    return this.#session.peer;
  }

  get ended(): boolean {
    return this.#phase.current === 'ended';
  }

  get channels(): Iterable<ChannelHandle> {
    return this.#channels.all();
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
    return this.#io.transport.blocked;
  }

  get conditions(): ChannelConditions {
    const certified = this.#security?.peerCertificate !== undefined && this.#security.authorized;
    return { private: this.privacy, authenticated: this.#identity !== undefined, certified };
  }

  /** The owner that is told of the end from now on. */
  set owner(owner: ConnectionOwner) {
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
    if (peer !== undefined && this.#phase.current !== 'greeting') return Promise.resolve(peer);
    if (this.#phase.current === 'ended') return Promise.reject(this.#gone());
    return this.#channels.asks.greeting();
  }

  /**
   * Asks the peer to create a channel (RFC 3080 §2.3.1.2).
   *
   * @param quiet send nothing more until the answer (RFC 3080 §3.1.3.1)
   * @throws RefusedError START_REFUSED, TransportError CONNECTION_LOST, also when a peer that is releasing the session refuses it
   */
  start(offer: Offer, use: ChannelUse, quiet = false): Promise<Started> {
    if (this.#phase.current !== 'ready') return Promise.reject(this.#gone());
    const started = this.#channels.start(this.#session, offer, use, quiet);
    this.#io.touch();
    return started;
  }

  /** Sends on a channel; returns the message number. */
  send(channel: number, message: Outbound): number {
    const msgno = this.#session.send(channel, message);
    this.#io.touch();
    return msgno;
  }

  /** Takes back MSGs of which nothing has left. @returns the numbers of those taken back */
  withdraw(channel: number, msgnos: ReadonlySet<number>): number[] {
    return this.#session.withdraw(channel, msgnos);
  }

  window(channel: number, octets: number): void {
    this.#session.window(channel, octets);
    this.#io.touch();
  }

  consume(channel: number, octets: number): void {
    this.#session.consume(channel, octets);
    this.#io.touch();
  }

  /**
   * Closes a channel in order (RFC 3080 §2.3.1.3).
   *
   * @throws RefusedError CLOSE_REFUSED, TransportError CONNECTION_LOST
   */
  closeChannel(number: number, code: number, text: string): Promise<void> {
    if (this.#phase.current === 'ended') return Promise.resolve();
    return this.#channels.asks.close(number, () => {
      this.#session.close(number, code, text);
      this.#io.touch();
    });
  }

  /**
   * Ends the session in order (RFC 3080 §2.4), cutting the connection when that takes too long.
   *
   * @param limitMs how long it may take in all; never longer than `closeTimeoutMs` for the peer's answer
   */
  async release(text = '', limitMs = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.#phase.current === 'ended') return;
    if (this.#phase.current !== 'ready') {
      this.destroy(new LocalError('CLOSED', 'the session was ended before it was ready'));
      return;
    }
    this.#phase.releaseRequested(limitMs);
    // RFC 3080 §2.4: nothing new is sent any more.
    this.#channels.closeRequested(0);
    try {
      await this.closeChannel(0, 200, text);
    } catch (error) {
      // RFC 3080 §2.4: a declined release should not end the session; but we are leaving.
      this.destroy(error instanceof ImxpError ? error : new LocalError('CLOSED', String(error)));
    }
  }

  /** Lets what is queued leave, and closes without asking. */
  dismiss(error: ImxpError): void {
    this.#io.flush();
    this.end(error);
  }

  /** Refuses the session with the reply that the options give as `refuse`, and closes (RFC 3080 §2.4). */
  refuseSession(): void {
    this.dismiss(new LocalError('BUSY', this.#refuse?.text ?? 'refused'));
  }

  /** Drops the connection at once, without a word to the peer. */
  destroy(error: ImxpError): void {
    if (this.#phase.current === 'ended') return;
    this.#finish(error);
    this.#io.transport.cut(error);
  }

  // ---- answers to a peer's start ---------------------------------------------------------------------------------

  /** Creates the channel the peer asked for; `content` answers the piggybacked message. */
  accept(event: StartEvent, uri: string, content: string | undefined, channel: ChannelHandle): void {
    if (this.#phase.current === 'ended') return;
    this.#session.acceptStart(event, uri, content);
    this.#channels.register(this.#session, channel);
    this.#io.touch();
  }

  refuse(event: StartEvent, reply: Reply): void {
    if (this.#phase.current === 'ended') return;
    this.#events.refuseStart(event, reply);
  }

  // ---- tuning --------------------------------------------------------------------------------------------------------

  /**
   * Gives the connection away for a change of transport: waits until every reply owed has left, lets `last` queue the
   * last message, writes it, and ends this session. Nothing is sent after it (RFC 3080 §3.1.3.2).
   *
   * @param owed replies that may stay owed: the one `last` is going to give
   */
  handOver(owed: number, last: () => void): Promise<HandedOver> {
    return this.#io.handOver(owed, last);
  }

  /** The same for the peer that waits for the answer to what it sent: everything has already left. */
  handOverNow(): HandedOver {
    return this.#io.leave();
  }

  /** Resumes the session after an answer on a tuning channel that did not change the transport. */
  resume(): void {
    if (this.#phase.current !== 'ended') this.#io.resume();
  }

  /** Begins a new session over the new transport: nothing of the old one is kept but the server name (D-BEEP-08). */
  renew(stream: Duplex, change: SessionChange): void {
    if (this.#phase.current === 'ended') {
      stream.destroy();
      return;
    }
    if (change.security !== undefined) this.#security = change.security;
    this.#identity = change.identity ?? this.#identity;
    const { serverName, peer } = this.#session;
    const greeted = change.greets === false ? peer : undefined;
    this.#phase.renewed(greeted === undefined);
    const before: BeforeReset = {
      ...(serverName === undefined ? {} : { serverName }),
      ...(greeted === undefined ? {} : { greeted }),
    };
    this.#io.renew(stream, this.#newSession(before));
    if (change.identity !== undefined) this.#owner.identified?.(this);
  }

  // ---- called by the session's input and output ---------------------------------------------------------------------

  handle(event: SessionEvent): void {
    this.#events.handle(event);
  }

  refuses(chunk: Buffer): boolean {
    const fault = this.#input.fault(chunk, this.known || this.#identity !== undefined);
    if (fault === undefined) return false;
    this.destroy(fault);
    return true;
  }

  reassembling(octets: number): void {
    if (this.#phase.current !== 'ended') this.#rules.reassembly?.change(this, octets);
  }

  // ---- beginning and end ------------------------------------------------------------------------------------------

  #newSession(before: BeforeReset = {}): Session {
    return newSession(this, this.#rules, this.#refuse, before);
  }

  left(): void {
    this.#phase.tuning();
    this.#rules.reassembly?.forget(this);
    this.#channels.drop(this.#session);
  }

  /** A fault of the peer ends the session in silence; a fault of ours must not harm the other sessions. */
  fault(error: unknown): void {
    if (error instanceof ImxpError) {
      this.destroy(error);
    } else {
      events.fault.publish({ session: this.id, error });
      this.destroy(new LocalError('BEEP_STATE', 'internal error; the session was dropped', { cause: error }));
    }
  }

  /** Ends the session in order: what is written still leaves. */
  end(error: ImxpError | undefined): void {
    if (this.#phase.current === 'ended') return;
    this.#finish(error);
    this.#io.transport.end(this.#phase.leftMs);
  }

  #finish(error: ImxpError | undefined): void {
    this.#phase.end();
    this.#io.stop();
    this.#rules.reassembly?.forget(this);
    this.#channels.drop(this.#session);
    this.#channels.end(error ?? this.#gone(), error === undefined);
    events.closed.publish({
      session: this.id,
      remote: this.remote.address,
      ...(error === undefined ? {} : { error: error.code, reason: error.message }),
    });
    this.#owner.ended(this, error);
  }

  #gone(): ImxpError {
    return new TransportError('CONNECTION_LOST', 'the session has ended');
  }

  lost(error: Error | undefined): void {
    if (this.#phase.current === 'ended') return;
    const reason = error === undefined ? this.#input.meaningOfClose : error.message;
    const code = error === undefined && this.#phase.current === 'releasing' ? undefined : 'CONNECTION_LOST';
    const failure = code === undefined ? undefined : new TransportError(code, reason, { cause: error });
    this.#finish(failure);
    this.#io.transport.cut(failure);
  }
}
