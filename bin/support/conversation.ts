/**
 * Conversation with one endpoint: the messages of both sides, their results, and the other's presence. Knows neither
 * terminals nor commands; a {@link Display} shows it.
 */
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { PresenceInfo } from '../../lib/endpoint/presence-info.js';
import { ImxpError, RefusedError } from '../../lib/errors.js';
import { addressOf } from '../../lib/imxp/address.js';
import type { InstantMessageInit } from '../../lib/message/instant-message.js';
import { openDelivery } from './content.js';
import { shownName } from './names.js';
import { protectionText } from './secure.js';

/** One message of the conversation. */
export interface Said {
  readonly at: Date;
  readonly who: string;
  readonly text: string;
  readonly subject: string | undefined;
  /** Who signed it and whether it was encrypted; undefined when neither. */
  readonly protection?: string | undefined;
  /** Number of this side's message, from 1; undefined for messages of the other side. */
  readonly number: number | undefined;
  /** Result: undefined while it is pending, empty when it was accepted, otherwise the reason. */
  state: string | undefined;
}

/** Shows a conversation. */
export interface Display {
  /** A message from the other side, or from somebody else. */
  heard(said: Said): void;
  /** The result of a message sent here; `ms` is the time until the answer. */
  settled(said: Said, ms: number): void;
  present(who: string, open: boolean): void;
  /** A notice about something that went wrong. */
  notice(text: string): void;
}

export interface ConversationOptions {
  readonly endpoint: Endpoint;
  /** This side's address. */
  readonly own: string;
  /** The other side's address. */
  readonly other: string;
  readonly subject?: string | undefined;
  /** What the first message replies to. */
  readonly inReplyTo?: string | undefined;
  readonly lang?: string | undefined;
  /** Whether to sign and encrypt messages. */
  readonly sealing?: { readonly sign: boolean; readonly encrypt: boolean };
  readonly display: Display;
}

const SERVICE = /^(?:imxp|apex)=/i;

export class Conversation {
  /** All messages, in order. */
  readonly history: Said[] = [];
  readonly #options: ConversationOptions;
  readonly #underWay = new Set<Promise<void>>();
  #count = 0;
  #heard = 0;
  #refused = 0;

  constructor(options: ConversationOptions) {
    this.#options = options;
    options.endpoint.receive((delivery) => this.#receive(delivery));
  }

  /** Number of messages of the other side that were shown. */
  get heard(): number {
    return this.#heard;
  }

  /** Number of messages sent here that were not accepted. */
  get refused(): number {
    return this.#refused;
  }

  /** Sends a text. Resolves when the result is known; never rejects. */
  say(text: string): Promise<void> {
    this.#count += 1;
    const { own, subject } = this.#options;
    const said: Said = { at: new Date(), who: own, text, subject, number: this.#count, state: undefined };
    this.history.push(said);
    const sending = this.#send(said);
    this.#underWay.add(sending);
    return sending.finally(() => this.#underWay.delete(sending));
  }

  async #send(said: Said): Promise<void> {
    const { endpoint, other, subject, inReplyTo, lang, sealing, display } = this.#options;
    const message: InstantMessageInit = {
      text: said.text,
      ...(subject === undefined ? {} : { subject }),
      ...(inReplyTo === undefined || said.number !== 1 ? {} : { inReplyTo }),
      ...(lang === undefined ? {} : { lang }),
    };
    const begin = performance.now();
    try {
      await endpoint.send({ to: other, content: { message }, ...sealing });
      said.state = '';
    } catch (error) {
      said.state = wordsFor(error);
      this.#refused += 1;
    }
    display.settled(said, performance.now() - begin);
  }

  /** Resolves when every message has its answer. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
  }

  /** Shows the other side's presence, now and on each change, until the signal is aborted. Never rejects. */
  async follow(signal: AbortSignal): Promise<void> {
    const { endpoint, other, display } = this.#options;
    try {
      const feed = await endpoint.presence.subscribe(other, { renew: true, signal });
      signal.addEventListener('abort', () => void feed.end(), { once: true });
      let last: boolean | undefined;
      for await (const { open } of feed) {
        if (open !== last) display.present(other, open);
        last = open;
      }
    } catch (error) {
      // Presence may be withheld; messages are delivered all the same.
      if (!signal.aborted) display.notice(`the presence of ${shownName(other)} is not known: ${wordsFor(error)}`);
    }
  }

  /** Polls the other side's presence. @throws ImxpError */
  async ask(signal: AbortSignal): Promise<PresenceInfo> {
    return await this.#options.endpoint.presence.poll(this.#options.other, { signal });
  }

  /** Shows a message. @throws RemoteProtocolError whose reply becomes the answer to the delivery */
  #receive(delivery: Delivery): void {
    const { originator } = delivery;
    if (SERVICE.test(originator)) return;
    const { text, type, octets, subject } = openDelivery(delivery);
    const shown = text ?? `(${type}, ${octets.length} octets)`;
    const protection = protectionText(delivery);
    const said: Said = {
      at: new Date(),
      who: originator,
      text: shown,
      subject,
      protection,
      number: undefined,
      state: '',
    };
    this.history.push(said);
    if (addressOf(originator)?.base === addressOf(this.#options.other)?.base) this.#heard += 1;
    this.#options.display.heard(said);
  }
}

/** Why a message was not accepted: code and text of the answer, or the error that prevented one. */
export function wordsFor(error: unknown): string {
  if (error instanceof RefusedError) return `${error.reply.code} ${error.reply.text}`;
  if (error instanceof ImxpError) return error.message;
  throw error;
}
