/**
 * Channel 0: greetings, starting and closing channels, releasing the session (RFC 3080 §2.3, §2.4). Owns the session's
 * state; refuses to know frames.
 *
 *   greeting ──the peer's greeting──> ready ──close 0 sent, or accepted──> releasing ──ok sent or received──> closed
 *      │                               ^                                      │
 *      │                               └────────────── error ─────────────────┘
 *      └──ERR 0 0 sent or received──> closed            any state ──fault, detach──> closed
 *
 * `quiet` is `ready` with nothing but what was queued before allowed to leave; it is kept by the session.
 */
import { LocalError, RemoteProtocolError, type Reply } from '../errors.js';
import { ASKED, type Channel, DEFERRED, OPEN } from './channel.js';
import type { Channels } from './channels.js';
import type { Greeting, Proposal, SessionEvent, StartEvent } from './event.js';
import { ERR, RPY } from './frame.js';
import type { BeepLimits } from './limits.js';
import * as documents from './management.js';
import type { Outbox } from './outbox.js';
import { NOTHING, OPENS, type Outgoing, REFUSES, RELEASES } from './outgoing.js';

export type ControlState = 'greeting' | 'ready' | 'releasing' | 'closed';

/** What we asked on channel 0 and await the reply to. */
type Pending =
  | { readonly type: 'start'; readonly channel: number; readonly uris: readonly string[]; readonly tuning: boolean }
  | { readonly type: 'close'; readonly channel: number };

/** A peer's `close` that is not answered yet. */
interface Closing {
  readonly msgno: number;
  accepted: boolean;
}

export interface ControlOptions {
  readonly initiator: boolean;
  readonly greeting: Greeting;
  readonly refuse: Reply | undefined;
  readonly serverName: string | undefined;
}

export interface Offer {
  readonly profiles: readonly documents.Content[];
  readonly serverName?: string;
}

export class Control {
  state: ControlState = 'greeting';
  peer: Greeting | undefined;
  serverName: string | undefined;
  readonly #options: ControlOptions;
  readonly #limits: BeepLimits;
  readonly #channels: Channels;
  readonly #events: SessionEvent[];
  #outbox: Outbox | undefined;
  /** The first successful start has come: serverName holds, even if it had none (RFC 3080 §2.3.1.2). */
  #named: boolean;
  #greeted = false;
  #contentType = documents.BEEP_XML;
  /** By the number of our MSG on channel 0. */
  #pending: Map<number, Pending> | undefined;
  /** By channel: starts of the peer not answered yet. */
  #offered: Map<number, StartEvent> | undefined;
  /** By channel: closes of the peer not answered yet. */
  #closes: Map<number, Closing> | undefined;
  /** Our own `close`s that wait for acknowledgements, by channel. */
  #deferred: Map<number, string> | undefined;

  constructor(options: ControlOptions, limits: BeepLimits, channels: Channels, events: SessionEvent[]) {
    this.#options = options;
    this.#limits = limits;
    this.#channels = channels;
    this.#events = events;
    this.serverName = options.serverName;
    this.#named = options.serverName !== undefined;
    this.#expectGreeting();
  }

  /** To be called once, before anything else. */
  connect(outbox: Outbox): void {
    this.#outbox = outbox;
  }

  /** Greetings are replies to a MSG 0 that nobody sends (RFC 3080 §2.3.1.1): each side has one place for them. */
  #expectGreeting(): void {
    const { zero } = this.#channels;
    zero.expectGreeting();
    zero.owe(0, 1);
  }

  // ---- what we ask -------------------------------------------------------------------------------------------------

  greet(): void {
    if (this.#greeted) {
      return;
    }
    this.#greeted = true;
    const { refuse, greeting } = this.#options;
    if (refuse === undefined) {
      this.#reply(RPY, 0, documents.writeGreeting(greeting));
    } else {
      this.#reply(ERR, 0, documents.writeError(refuse, undefined)).effect = REFUSES;
    }
  }

  start(offer: Offer): number {
    this.#ready();
    const { count } = this.#channels;
    const uris = offer.profiles.map((profile) => profile.uri);
    if (uris.length === 0) {
      throw new LocalError('ARGUMENT', 'a start proposes at least one profile');
    }
    if (count >= this.#limits.channels) {
      throw new LocalError('BEEP_STATE', `more than ${this.#limits.channels} channels`);
    }
    const tuning = uris.some((uri) => this.#channels.isTuning(uri));
    // RFC 3080 §2: at most one tuning channel at a time
    if (tuning && this.#channels.tuning) {
      throw new LocalError('BEEP_STATE', 'another tuning channel exists');
    }
    const channel = this.#channels.allocate();
    const document = documents.writeStart(channel, offer.serverName, offer.profiles);
    this.#channels.reserve(channel, tuning);
    this.#ask(document, { type: 'start', channel, uris, tuning });
    return channel;
  }

  close(number: number, code: number, text: string): void {
    this.#ready();
    const channel = this.#channels.existing(number);
    if (this.#closes?.has(number)) {
      // Both want it: the peer's close is enough.
      this.acceptClose(number);
      return;
    }
    if (channel.closing !== OPEN) {
      throw new LocalError('BEEP_STATE', `channel ${number} is already being closed`);
    }
    this.#deferred ??= new Map();
    this.#deferred.set(number, documents.writeClose(number, code, text, this.peer));
    channel.closing = DEFERRED;
    if (number === 0) {
      this.state = 'releasing';
    }
    this.acknowledged(channel);
  }

  // ---- what we answer ----------------------------------------------------------------------------------------------

  acceptStart(event: StartEvent, uri: string, content: string | undefined): void {
    this.#awaited(event);
    const proposal = event.proposals.find((candidate) => candidate.uri === uri);
    if (proposal === undefined) {
      throw new LocalError('ARGUMENT', `the profile ${uri} was not proposed`);
    }
    const document = documents.writeProfile(content === undefined ? { uri } : { uri, content });
    this.#offered?.delete(event.channel);
    const channel = this.#channels.open(event.channel, uri);
    channel.held = true;
    channel.ending = this.#accepted(0);
    if (!this.#named) {
      this.#named = true;
      this.serverName = event.serverName;
    }
    const reply = this.#reply(RPY, event.msgno, document);
    reply.effect = OPENS;
    reply.opens = event.channel;
  }

  refuseStart(event: StartEvent, reply: Reply): void {
    this.#awaited(event);
    this.#offered?.delete(event.channel);
    this.#channels.release(event.channel);
    this.#error(event.msgno, reply);
  }

  acceptClose(number: number): void {
    const closing = this.#closing(number);
    closing.accepted = true;
    // RFC 3080 §2.3.1.3 (a): what is queued still leaves, nothing is added
    if (number === 0) {
      this.state = 'releasing';
      for (const channel of this.#channels.all()) {
        channel.ending = true;
      }
    }
    const channel = this.#channels.existing(number);
    channel.ending = true;
    this.settle();
  }

  refuseClose(number: number, reply: Reply): void {
    const { msgno } = this.#closing(number);
    this.#closes?.delete(number);
    this.#error(msgno, reply);
  }

  // ---- what the peer asks ------------------------------------------------------------------------------------------

  /** A whole MSG on channel 0. Asks the user by an event, or answers at once. */
  message(msgno: number, payload: Buffer): void {
    try {
      const request = documents.readRequest(documents.parseDocument(payload));
      if (request.type === 'start') {
        this.#startRequested(msgno, request);
      } else {
        this.#closeRequested(msgno, request);
      }
    } catch (error) {
      // RFC 3080 §2.2.2.1: a poorly-formed MSG on channel 0 is answered
      if (!(error instanceof RemoteProtocolError) || error.reply === undefined) {
        throw error;
      }
      this.#error(msgno, error.reply);
    }
  }

  /** A MSG on channel 0 grew past the limit: a pre-emptive reply. */
  tooLarge(msgno: number): void {
    this.#error(msgno, { code: 501, text: `more than ${this.#limits.managementOctets} octets on channel 0` });
  }

  #startRequested(msgno: number, request: documents.StartRequest): void {
    const { number } = request;
    // RFC 3080 §2.3.1.2: the peer's numbers have the other parity than ours
    if ((number % 2 === 1) === this.#options.initiator) {
      const parity = this.#options.initiator ? 'even' : 'odd';
      this.#error(msgno, { code: 501, text: `number attribute in start element must be ${parity}-valued` });
      return;
    }
    if (this.state !== 'ready' || this.#closes?.has(0)) {
      this.#error(msgno, { code: 550, text: 'the session is being released' });
      return;
    }
    if (this.#channels.inUse(number)) {
      this.#error(msgno, { code: 550, text: `channel ${number} is in use` });
      return;
    }
    if (this.#channels.count >= this.#limits.channels) {
      this.#error(msgno, { code: 550, text: 'no more channels can be created' });
      return;
    }
    this.#propose(msgno, request);
  }

  #propose(msgno: number, request: documents.StartRequest): void {
    const proposals = this.#permitted(request.proposals);
    if (proposals.length === 0) {
      this.#error(msgno, { code: 550, text: 'only one tuning channel can exist at a time; close the other first' });
      return;
    }
    const serverName = this.#named ? this.serverName : request.serverName;
    const event: StartEvent = {
      type: 'start',
      msgno,
      channel: request.number,
      proposals,
      ...(serverName === undefined ? {} : { serverName }),
    };
    this.#offered ??= new Map();
    this.#offered.set(event.channel, event);
    this.#channels.reserve(
      event.channel,
      proposals.some((proposal) => this.#channels.isTuning(proposal.uri)),
    );
    this.#events.push(event);
  }

  /**
   * Proposals without tuning profiles while a tuning channel exists. When both sides ask for one at the same time the
   * initiator's start goes ahead, or both would be refused.
   */
  #permitted(proposals: readonly Proposal[]): readonly Proposal[] {
    const others = proposals.filter((proposal) => !this.#channels.isTuning(proposal.uri));
    if (
      others.length === proposals.length ||
      !this.#channels.tuning ||
      (!this.#options.initiator && this.#onlyOursIsTuning())
    ) {
      return proposals;
    }
    return others;
  }

  #onlyOursIsTuning(): boolean {
    for (const channel of this.#channels.all()) {
      if (channel.tuning) {
        return false;
      }
    }
    for (const { proposals } of this.#offered?.values() ?? []) {
      if (proposals.some((proposal) => this.#channels.isTuning(proposal.uri))) {
        return false;
      }
    }
    return true;
  }

  #closeRequested(msgno: number, request: documents.CloseRequest): void {
    const { number } = request;
    const channel = this.#channels.get(number);
    if (channel === undefined || this.#closes?.has(number)) {
      this.#error(msgno, {
        code: 550,
        text: channel === undefined ? `channel ${number} does not exist` : `channel ${number} is already being closed`,
      });
      return;
    }
    this.#closes ??= new Map();
    this.#closes.set(number, { msgno, accepted: false });
    if (channel.closing === OPEN) {
      this.#events.push({ type: 'close', channel: number, code: request.code, text: request.text });
      return;
    }
    // Closes that cross: both answer ok as soon as they can. One of ours not sent yet is not needed any more.
    if (channel.closing === DEFERRED) {
      this.#deferred?.delete(number);
      channel.closing = OPEN;
    }
    this.acceptClose(number);
  }

  // ---- what the peer answers ---------------------------------------------------------------------------------------

  /** A whole RPY or ERR on channel 0. @throws RemoteProtocolError without reply when it is not what was asked for */
  reply(keyword: number, msgno: number, payload: Buffer): void {
    const code = this.state === 'greeting' ? 'BEEP_GREETING_INVALID' : 'BEEP_MANAGEMENT_REPLY_INVALID';
    try {
      this.#take(keyword, msgno, documents.parseDocument(payload));
    } catch (cause) {
      // RFC 3080 §2.2.2.1: a poorly-formed reply on channel 0 ends the session
      if (cause instanceof RemoteProtocolError) {
        throw new RemoteProtocolError(code, `reply to MSG ${msgno} on channel 0: ${cause.message}`, { cause });
      }
      throw cause;
    }
  }

  #take(keyword: number, msgno: number, document: documents.Document): void {
    if (this.state === 'greeting') {
      this.#takeGreeting(keyword, document);
      return;
    }
    const asked = this.#pending?.get(msgno);
    if (asked === undefined) {
      throw new RemoteProtocolError('BEEP_MANAGEMENT_REPLY_INVALID', 'nothing was asked');
    }
    this.#pending?.delete(msgno);
    if (keyword === ERR) {
      this.#refused(asked, documents.readError(document));
    } else if (asked.type === 'start') {
      this.#started(asked, documents.readProfile(document));
    } else {
      documents.readOk(document);
      this.#closed(asked.channel);
    }
  }

  #takeGreeting(keyword: number, document: documents.Document): void {
    if (keyword === ERR) {
      const reply = documents.readError(document);
      this.end();
      this.#events.push({ type: 'unavailable', reply });
      return;
    }
    this.peer = documents.readGreeting(document);
    this.#contentType = document.contentType;
    this.state = 'ready';
    this.#events.push({ type: 'greeting', greeting: this.peer });
  }

  #started(asked: Extract<Pending, { type: 'start' }>, profile: Proposal): void {
    if (!asked.uris.includes(profile.uri)) {
      throw new RemoteProtocolError('BEEP_MANAGEMENT_REPLY_INVALID', `the profile ${profile.uri} was not proposed`);
    }
    const channel = this.#channels.open(asked.channel, profile.uri);
    channel.ending = this.#accepted(0);
    const { uri, content } = profile;
    this.#events.push({ type: 'started', channel: asked.channel, uri, ...(content === undefined ? {} : { content }) });
  }

  #refused(asked: Pending, reply: Reply): void {
    if (asked.type === 'start') {
      this.#channels.release(asked.channel);
      this.#events.push({ type: 'start-refused', channel: asked.channel, reply });
      return;
    }
    const channel = this.#channels.get(asked.channel);
    if (channel === undefined) {
      this.#channels.release(asked.channel);
      return;
    }
    channel.closing = OPEN;
    // RFC 3080 §2.4: a declined release leaves the session as it is
    if (asked.channel === 0 && !this.#accepted(0)) {
      this.state = 'ready';
    }
    this.#events.push({ type: 'close-refused', channel: asked.channel, reply });
  }

  #closed(number: number): void {
    const channel = this.#channels.get(number);
    if (number === 0) {
      this.end();
      this.#events.push({ type: 'released' });
    } else if (channel === undefined) {
      this.#channels.release(number);
    } else {
      channel.closing = OPEN;
      this.#remove(channel);
    }
  }

  // ---- what follows from messages that came and left ------------------------------------------------------------

  /** A MSG of ours was acknowledged, or a channel opened: a `close` that waited may be sent (RFC 3080 §2.3.1.3). */
  acknowledged(channel: Channel): void {
    const document = this.#deferred?.get(channel.number);
    if (document !== undefined && channel.number !== 0 && channel.unacknowledged === 0 && !channel.held) {
      this.#askClose(channel, document);
    }
    const release = this.#deferred?.get(0);
    if (release !== undefined && this.#allAcknowledged()) {
      this.#askClose(this.#channels.zero, release);
    }
  }

  /** @returns whether some `close` of ours waits for acknowledgements */
  get waiting(): boolean {
    return this.#deferred !== undefined && this.#deferred.size > 0;
  }

  #allAcknowledged(): boolean {
    for (const channel of this.#channels.all()) {
      if (channel.unacknowledged > 0 || channel.held) {
        return false;
      }
    }
    return true;
  }

  #askClose(channel: Channel, document: string): void {
    this.#deferred?.delete(channel.number);
    channel.closing = ASKED;
    this.#ask(document, { type: 'close', channel: channel.number });
  }

  /** A message whose leaving matters was transmitted. */
  departed(message: Outgoing): void {
    if (message.effect === OPENS) {
      const channel = this.#channels.get(message.opens);
      if (channel !== undefined) {
        this.#outbox?.open(channel);
        this.acknowledged(channel);
      }
    } else if (message.effect === RELEASES) {
      this.end();
      this.#events.push({ type: 'released' });
      return;
    } else if (message.effect === REFUSES) {
      this.end();
      return;
    }
    this.settle();
  }

  /** Sends the `ok`s whose conditions hold by now (RFC 3080 §2.3.1.3 (a) to (c)). */
  settle(): void {
    for (const [number, closing] of this.#closes ?? []) {
      const channel = this.#channels.get(number);
      if (!closing.accepted || channel === undefined) {
        continue;
      }
      if (number === 0 ? this.#allIdle() : channel.idle && !channel.held) {
        this.#closes?.delete(number);
        const ok = this.#reply(RPY, closing.msgno, documents.OK);
        if (number === 0) {
          ok.effect = RELEASES;
        } else {
          this.#remove(channel);
        }
      }
    }
  }

  /** Every channel is idle; on channel 0 only the release itself is owed, and ours may be under way. */
  #allIdle(): boolean {
    const { zero } = this.#channels;
    for (const channel of this.#channels.all()) {
      if (channel !== zero && !channel.idle) {
        return false;
      }
    }
    return zero.owing === 1 && zero.expecting === (zero.closing === ASKED ? 1 : 0);
  }

  /** The channel ceases to exist. */
  #remove(channel: Channel): void {
    const { number } = channel;
    this.#channels.remove(channel);
    this.#outbox?.remove(channel);
    if (channel.closing === ASKED) {
      // Closes crossed: the number stays taken until our own close is answered too.
      this.#channels.reserve(number, false);
    }
    this.#deferred?.delete(number);
    const closing = this.#closes?.get(number);
    this.#closes?.delete(number);
    this.#events.push({ type: 'closed', channel: number });
    // The peer's close crossed ours and we have its ok: it is waiting for ours.
    if (closing !== undefined) {
      this.#reply(RPY, closing.msgno, documents.OK);
    }
    this.settle();
  }

  end(): void {
    this.state = 'closed';
    this.#outbox?.clear();
  }

  // ---- sending on channel 0 ----------------------------------------------------------------------------------------

  #ask(document: string, pending: Pending): void {
    const { zero } = this.#channels;
    const message = zero.request(documents.message(this.#contentType, document));
    message.late = this.#outbox?.quiet === true;
    this.#pending ??= new Map();
    this.#pending.set(message.msgno, pending);
    this.#outbox?.wake(zero);
  }

  #reply(keyword: number, msgno: number, document: string): Outgoing {
    // The greeting is the first message on channel 0 (RFC 3080 §2.3.1.1).
    if (msgno !== 0) {
      this.greet();
    }
    const { zero } = this.#channels;
    const late = this.#outbox?.quiet === true;
    const reply = zero.reply(keyword, msgno, 0, documents.message(this.#contentType, document), late);
    this.#outbox?.wake(zero);
    return reply;
  }

  #error(msgno: number, reply: Reply): void {
    this.#reply(ERR, msgno, documents.writeError(reply, this.peer)).effect = NOTHING;
  }

  #ready(): void {
    if (this.state !== 'ready' || !this.#greeted) {
      throw new LocalError('BEEP_STATE', `the session is ${this.#greeted ? this.state : 'greeting'}`);
    }
  }

  #awaited(event: StartEvent): void {
    if (this.state === 'closed' || this.#offered?.get(event.channel) !== event) {
      throw new LocalError('BEEP_STATE', `the start of channel ${event.channel} is not awaiting an answer`);
    }
  }

  #closing(number: number): Closing {
    const closing = this.#closes?.get(number);
    if (this.state === 'closed' || closing === undefined || closing.accepted) {
      throw new LocalError('BEEP_STATE', `no close of channel ${number} is awaiting an answer`);
    }
    return closing;
  }

  #accepted(number: number): boolean {
    return this.#closes?.get(number)?.accepted === true;
  }
}
