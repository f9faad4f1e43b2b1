/**
 * Start exchanges: creating channels (RFC 3080 §2.3.1.2), requested by either side. Applies the rules about numbers,
 * tuning channels and serverName; knows nothing of how channels end.
 */
import { LocalError, RemoteProtocolError, type Reply } from '../errors.js';
import type { Channel } from './channel.js';
import type { ChannelZero } from './channel-zero.js';
import type { Proposal, StartEvent } from './event.js';
import { RPY } from './frame.js';
import { type ProfileContent, type StartRequest, writeProfile, writeStart } from './management.js';
import { OPENS } from './outgoing.js';

/** Profiles to propose to the peer. */
export interface Offer {
  /** In order of preference; the peer picks one. */
  readonly profiles: readonly ProfileContent[];
  readonly serverName?: string;
}

/** A `start` of ours that is not answered yet. */
interface Asked {
  readonly channel: number;
  readonly uris: readonly string[];
}

export class Starts {
  /** In effect for the whole session once `#named` is true. */
  serverName: string | undefined;
  readonly #channel0: ChannelZero;
  /** The first start has succeeded: its serverName is in effect, even if it had none. */
  #named: boolean;
  /** By the number of our MSG on channel 0. */
  #asked: Map<number, Asked> | undefined;
  /** The peer's unanswered starts, by channel. */
  #offered: Map<number, StartEvent> | undefined;

  constructor(channel0: ChannelZero, serverName: string | undefined) {
    this.#channel0 = channel0;
    this.serverName = serverName;
    this.#named = serverName !== undefined;
  }

  // ---- requested by us
  // -------------------------------------------------------------------------------------------------

  /** @returns the number of the channel to be */
  start(offer: Offer): number {
    const channel0 = this.#channel0;
    const { channels, limits } = channel0;
    channel0.ready();
    const uris = offer.profiles.map((profile) => profile.uri);
    if (uris.length === 0) {
      throw new LocalError('ARGUMENT', 'a start must propose at least one profile');
    }
    if (channels.count >= limits.channels) {
      throw new LocalError('BEEP_STATE', `more than ${limits.channels} channels`);
    }
    const tuning = uris.some((uri) => channels.isTuning(uri));
    // RFC 3080 §2: at most one tuning channel at a time
    if (tuning && channels.tuning) {
      throw new LocalError('BEEP_STATE', 'another tuning channel exists');
    }
    const channel = channels.allocate();
    const document = writeStart(channel, offer.serverName, offer.profiles);
    channels.reserve(channel, tuning);
    this.#asked ??= new Map();
    this.#asked.set(channel0.ask(document), { channel, uris });
    return channel;
  }

  /** Whether this MSG on channel 0 was a `start` of ours. */
  asked(msgno: number): boolean {
    return this.#asked?.has(msgno) === true;
  }

  /** The peer created the channel. @throws RemoteProtocolError if it chose a profile that was not proposed */
  started(msgno: number, profile: Proposal): Channel | undefined {
    const asked = this.#take(msgno);
    if (asked === undefined) {
      return undefined;
    }
    const { uri, content } = profile;
    if (!asked.uris.includes(uri)) {
      throw new RemoteProtocolError('BEEP_MANAGEMENT_REPLY_INVALID', `the profile ${uri} was not proposed`);
    }
    const { channels, events } = this.#channel0;
    events.push({ type: 'started', channel: asked.channel, uri, ...(content === undefined ? {} : { content }) });
    return channels.open(asked.channel, uri);
  }

  refused(msgno: number, reply: Reply): void {
    const asked = this.#take(msgno);
    if (asked !== undefined) {
      this.#channel0.channels.release(asked.channel);
      this.#channel0.events.push({ type: 'start-refused', channel: asked.channel, reply });
    }
  }

  #take(msgno: number): Asked | undefined {
    const asked = this.#asked?.get(msgno);
    this.#asked?.delete(msgno);
    if (this.#asked?.size === 0) {
      this.#asked = undefined;
    }
    return asked;
  }

  // ---- requested by the peer
  // -------------------------------------------------------------------------------------------

  /** @param releasing whether the session is being released */
  requested(msgno: number, request: StartRequest, releasing: boolean): void {
    const refusal = this.#refusal(request.number, releasing);
    if (refusal !== undefined) {
      this.#channel0.error(msgno, refusal);
      return;
    }
    const proposals = this.#permitted(request.proposals);
    if (proposals.length === 0) {
      const text = 'only one tuning channel can exist at a time; close the other first';
      this.#channel0.error(msgno, { code: 550, text });
      return;
    }
    this.#propose(msgno, request, proposals);
  }

  #refusal(number: number, releasing: boolean): Reply | undefined {
    const { channels, initiator, limits } = this.#channel0;
    // RFC 3080 §2.3.1.2: the peer's numbers have the other parity than ours
    if ((number % 2 === 1) === initiator) {
      const parity = initiator ? 'even' : 'odd';
      return { code: 501, text: `number attribute in start element must be ${parity}-valued` };
    }
    if (releasing) {
      return { code: 550, text: 'the session is being released' };
    }
    if (channels.inUse(number)) {
      return { code: 550, text: `channel ${number} is in use` };
    }
    return channels.count >= limits.channels ? { code: 550, text: 'no more channels can be created' } : undefined;
  }

  #propose(msgno: number, { number, ...request }: StartRequest, proposals: readonly Proposal[]): void {
    const { channels, events } = this.#channel0;
    const serverName = this.#named ? this.serverName : request.serverName;
    const named = serverName === undefined ? {} : { serverName };
    const event: StartEvent = { type: 'start', msgno, channel: number, proposals, ...named };
    this.#offered ??= new Map();
    this.#offered.set(number, event);
    channels.reserve(
      number,
      proposals.some(({ uri }) => channels.isTuning(uri)),
    );
    events.push(event);
  }

  /**
   * Removes tuning profiles while a tuning channel exists. When both sides ask for one at the same time, the
   * initiator's start takes precedence; otherwise both would be refused.
   */
  #permitted(proposals: readonly Proposal[]): readonly Proposal[] {
    const { channels, initiator } = this.#channel0;
    const others = proposals.filter((proposal) => !channels.isTuning(proposal.uri));
    if (others.length === proposals.length || !channels.tuning || (!initiator && this.#onlyOursIsTuning())) {
      return proposals;
    }
    return others;
  }

  #onlyOursIsTuning(): boolean {
    const { channels } = this.#channel0;
    for (const channel of channels.all()) {
      if (channel.tuning) {
        return false;
      }
    }
    for (const { proposals } of this.#offered?.values() ?? []) {
      if (proposals.some((proposal) => channels.isTuning(proposal.uri))) {
        return false;
      }
    }
    return true;
  }

  /** @returns the channel, which exists for the peer once the reply is sent */
  accept(event: StartEvent, uri: string, content: string | undefined): Channel {
    this.#awaited(event);
    if (!event.proposals.some((proposal) => proposal.uri === uri)) {
      throw new LocalError('ARGUMENT', `the profile ${uri} was not proposed`);
    }
    const document = writeProfile(content === undefined ? { uri } : { uri, content });
    this.#settled(event.channel);
    const channel = this.#channel0.channels.open(event.channel, uri);
    channel.unannounced = true;
    if (!this.#named) {
      this.#named = true;
      this.serverName = event.serverName;
    }
    const reply = this.#channel0.reply(RPY, event.msgno, document);
    reply.effect = OPENS;
    reply.opens = event.channel;
    return channel;
  }

  refuse(event: StartEvent, reply: Reply): void {
    this.#awaited(event);
    this.#settled(event.channel);
    this.#channel0.channels.release(event.channel);
    this.#channel0.error(event.msgno, reply);
  }

  #settled(channel: number): void {
    this.#offered?.delete(channel);
    if (this.#offered?.size === 0) {
      this.#offered = undefined;
    }
  }

  #awaited(event: StartEvent): void {
    if (this.#channel0.state === 'closed' || this.#offered?.get(event.channel) !== event) {
      throw new LocalError('BEEP_STATE', `the start of channel ${event.channel} is not awaiting an answer`);
    }
  }
}
