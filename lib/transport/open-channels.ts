/** Table of the open channels of one connection: how either side starts and closes them, and who waits for that. */

import { ChannelMap } from '../beep/channel-map.js';
import type { Greeting, SessionEvent, StartEvent } from '../beep/event.js';
import type { Offer, Session } from '../beep/session.js';
import type { Limits } from '../config/limits.js';
import { type ImxpError, RefusedError, type Reply, TransportError } from '../errors.js';
import type { TokenBucket, TokenBuckets } from '../ops/token-bucket.js';
import { ChannelHandle } from './channel.js';
import type { NetworkAddress } from './network.js';
import { type ChannelUse, PendingRequests, type PendingRequestsOwner, type Started } from './pending-requests.js';
import type { ProfileConnection, ProfileTable } from './profile.js';

const TOO_MANY_CHANNELS: Reply = {
  code: 530,
  text: 'too many channels for a peer that has not authenticated; authenticate first',
};
const TOO_MANY_STARTS: Reply = { code: 450, text: 'too many channels are started; wait a second and try again' };

/** Events that concern one channel, and not the session. */
export type ChannelEvent = Exclude<
  SessionEvent,
  { type: 'greeting' | 'unavailable' | 'start' | 'close' | 'closed' | 'released' }
>;

/** The connection whose channels they are. */
export interface ChannelsConnection extends ProfileConnection {
  /** Whether the peer has authenticated, or need not: it was dialled from here. */
  readonly known: boolean;
}

/**
 * What a peer's server name is to this side: a domain that it serves; one of its hosts or addresses, which many libraries
 * send unasked and which says nothing about the domain; or nothing of its own.
 *
 * @param local the address that the peer connected to
 */
export type NameServed = (serverName: string, local: NetworkAddress) => 'domain' | 'host' | 'nothing';

/** What channels may be started, and how many. */
export interface ChannelRules {
  readonly profiles: ProfileTable;
  readonly limits: Pick<Limits, 'session' | 'unauthenticated' | 'data'>;
  /** What a server name is here (RFC 3080 §2.3.1.2); a domain, unless given. */
  readonly serves?: NameServed;
  /** How often an identity may start channels; as often as it likes unless given. */
  readonly starts?: TokenBuckets;
}

export class OpenChannels implements PendingRequestsOwner {
  readonly #connection: ChannelsConnection;
  readonly #rules: ChannelRules;
  readonly #handles = new ChannelMap<ChannelHandle>();
  /** Made when this side asks for something. */
  #pending: PendingRequests | undefined;
  /** The channel whose answers pause reading. */
  #tuning: number | undefined;
  /** Whether the peer has asked for the release of the session. */
  #leaving = false;
  /** How often this identity may start channels. */
  #startAllowance: TokenBucket | undefined;

  constructor(connection: ChannelsConnection, rules: ChannelRules) {
    this.#connection = connection;
    this.#rules = rules;
  }

  get(number: number): ChannelHandle | undefined {
    return this.#handles.get(number);
  }

  all(): Iterable<ChannelHandle> {
    return this.#handles.values();
  }

  get asks(): PendingRequests {
    this.#pending ??= new PendingRequests(this);
    return this.#pending;
  }

  get startMs(): number {
    return this.#rules.limits.session.tuningTimeoutMs;
  }

  /** The peer closes a channel when it has its answers there, and has given them. */
  get closeMs(): number {
    const { data, session } = this.#rules.limits;
    return data.deliveryTimeoutMs + session.closeTimeoutMs;
  }

  late(what: 'start' | 'close', ms: number): void {
    this.#connection.destroy(new TransportError('TIMED_OUT', `the peer did not answer a ${what} within ${ms} ms`));
  }

  /** Whether an answer on the channel may change the transport. */
  tunes(number: number): boolean {
    return number === this.#tuning;
  }

  /** What happened on one of them. */
  handle(session: Session, event: ChannelEvent): void {
    switch (event.type) {
      case 'message':
        this.get(event.channel)?.message(event.msgno, event.payload);
        return;
      case 'reply':
        this.get(event.channel)?.replied(event.msgno, event.kind, event.payload);
        return;
      case 'answer':
        this.get(event.channel)?.answered(event.msgno, event.ansno, event.payload);
        return;
      case 'nul':
        this.get(event.channel)?.finished(event.msgno);
        return;
      case 'too-large':
        this.get(event.channel)?.tooLarge(event.msgno, event.limit);
        return;
      case 'reply-too-large':
        this.get(event.channel)?.replyLost(event.msgno);
        return;
      case 'started':
        this.#started(session, event);
        return;
      case 'start-refused':
        this.#pending?.started(event.channel)?.reject(this.#startRefused(event.reply));
        return;
      case 'close-refused':
        this.get(event.channel)?.reopened();
        this.#pending?.closed(event.channel)?.reject(new RefusedError('CLOSE_REFUSED', event.reply));
        return;
      default:
        event satisfies never;
    }
  }

  // ---- asked by this side ------------------------------------------------------------------------------------------

  start(session: Session, offer: Offer, use: ChannelUse, quiet: boolean): Promise<Started> {
    return this.asks.start(use, () => {
      const number = session.start(offer);
      if (quiet) session.quiesce();
      return number;
    });
  }

  /** The peer created the channel. */
  #started(session: Session, event: Extract<SessionEvent, { type: 'started' }>): void {
    const waiter = this.#pending?.started(event.channel);
    if (waiter === undefined) return;
    if (waiter.use.tuning === true) this.#tuning = event.channel;
    const channel = new ChannelHandle(this.#connection, event.channel, event.uri, waiter.use.codec);
    const handler = waiter.use.handler?.(channel);
    if (handler !== undefined) channel.handler = handler;
    this.register(session, channel);
    waiter.resolve({ channel, uri: event.uri, content: event.content });
  }

  /** A peer that is leaving refuses whatever it is asked (RFC 3080 §2.4): that says nothing about what was asked. */
  #startRefused(reply: Reply): ImxpError {
    if (!this.#leaving) return new RefusedError('START_REFUSED', reply);
    return new TransportError('CONNECTION_LOST', `the peer is releasing the session: ${reply.code} ${reply.text}`);
  }

  greeted(greeting: Greeting): void {
    this.#pending?.greeted(greeting);
  }

  // ---- asked by the peer -------------------------------------------------------------------------------------------

  /** Gives the start to the profile that is to answer it. @returns why not, if so */
  requested(event: StartEvent): Reply | undefined {
    const { profiles, serves } = this.#rules;
    const excess = this.#excess();
    if (excess !== undefined) return excess;
    if (event.serverName !== undefined && serves?.(event.serverName, this.#connection.local) === 'nothing') {
      const name = event.serverName === '' ? 'an empty serverName' : event.serverName;
      return { code: 550, text: `${name} is not served here` };
    }
    const choice = profiles.choose(event.proposals, this.#connection.conditions);
    if ('code' in choice) return choice;
    choice.profile.start(this.#connection, event, choice.proposal);
    return undefined;
  }

  /** Why no further channel may be started now, if so. */
  #excess(): Reply | undefined {
    const { limits, starts } = this.#rules;
    const { identity, known } = this.#connection;
    if (!known) return this.#handles.size < limits.unauthenticated.channels ? undefined : TOO_MANY_CHANNELS;
    if (starts === undefined || identity === undefined) return undefined;
    this.#startAllowance ??= starts.of(identity.name);
    return this.#startAllowance?.take() === false ? TOO_MANY_STARTS : undefined;
  }

  /** Why the peer's close of a channel, or of all of them (0), is declined, if it is (RFC 3080 §2.3.1.3). */
  refusal(number: number, code: number, text: string): Reply | undefined {
    if (number !== 0) return this.get(number)?.closeRefusal(code, text);
    this.#leaving = true;
    for (const channel of this.#handles.values()) {
      const refusal = channel.closeRefusal(code, text);
      if (refusal !== undefined) return refusal;
    }
    return undefined;
  }

  closeRequested(number: number): void {
    if (number === 0) for (const channel of this.#handles.values()) channel.closing();
    else this.get(number)?.closing();
  }

  // ---- both --------------------------------------------------------------------------------------------------------

  register(session: Session, channel: ChannelHandle): void {
    this.#handles.set(channel.number, channel);
    // A wider window from the start: 4,096 octets a round trip would be the ceiling otherwise. Unauthenticated peers keep that.
    if (this.#connection.known) session.window(channel.number, this.#rules.limits.session.windowOctets);
    channel.opened();
  }

  /** The identity of the peer has changed. After authentication every channel gets the limits of a known peer. */
  identified(session: Session): void {
    const { limits } = this.#rules;
    this.#startAllowance = undefined;
    if (!this.#connection.known) return;
    session.messageOctets = limits.session.messageOctets;
    for (const { number } of this.#handles.values()) session.window(number, limits.session.windowOctets);
  }

  closed(number: number): void {
    this.#pending?.closed(number)?.resolve();
    if (number === 0) return;
    if (number === this.#tuning) this.#tuning = undefined;
    const channel = this.get(number);
    this.#handles.delete(number);
    channel?.ended();
  }

  /** All of them end with their session. */
  drop(session: Session): void {
    this.#tuning = undefined;
    const channels = [...this.#handles.values()];
    for (const { number } of channels) this.#handles.delete(number);
    for (const channel of channels) channel.ended(session.unstarted(channel.number));
  }

  /** Nothing will be answered any more. @param inOrder after a release, which the party that asked for it waits for */
  end(error: ImxpError, inOrder: boolean): void {
    this.#pending?.end(error, inOrder);
  }
}
