/**
 * A conversation with one endpoint: what was said on both sides, what became of it, whether the other is there. Knows neither
 * terminals nor commands; whoever shows it is told line by line.
 */
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { PresenceInfo } from '../../lib/endpoint/presence-info.js';
import { ImxpError, RefusedError } from '../../lib/errors.js';
import { addressOf } from '../../lib/imxp/address.js';
import type { InstantMessageInit } from '../../lib/message/instant-message.js';
import { openDelivery } from './content.js';
import { protectionText } from './secure.js';

/** One thing that was said. */
export interface Said {
  readonly at: Date;
  readonly who: string;
  readonly text: string;
  readonly subject: string | undefined;
  /** Who signed it, and whether it was encrypted; undefined where neither. */
  readonly protection?: string | undefined;
  /** Counts what this side has said, from 1; undefined for what the other side said. */
  readonly number: number | undefined;
  /** What became of it: undefined while it is under way, an empty text when it was taken. */
  state: string | undefined;
}

/** Shows a conversation. */
export interface Display {
  /** Something that the other, or somebody else, said. */
  heard(said: Said): void;
  /** What became of something said here; `ms` is how long it took. */
  settled(said: Said, ms: number): void;
  present(who: string, open: boolean): void;
  /** Something that has gone wrong meanwhile. */
  notice(text: string): void;
}

export interface ConversationOptions {
  readonly endpoint: Endpoint;
  /** This side. */
  readonly own: string;
  /** The other side. */
  readonly other: string;
  readonly subject?: string | undefined;
  readonly lang?: string | undefined;
  /** Sign and encrypt what is said. */
  readonly sealing?: { readonly sign: boolean; readonly encrypt: boolean };
  readonly display: Display;
}

const SERVICE = /^(?:imxp|apex)=/i;

export class Conversation {
  /** Everything said, in order. */
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

  /** Messages of the other side that were shown. */
  get heard(): number {
    return this.#heard;
  }

  /** Of what was said here, how much nobody took. */
  get refused(): number {
    return this.#refused;
  }

  /** Sends a text; resolves when it is known what became of it, never rejects. */
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
    const { endpoint, other, subject, lang, sealing, display } = this.#options;
    const message: InstantMessageInit = {
      text: said.text,
      ...(subject === undefined ? {} : { subject }),
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

  /** Resolves when everything said has its answer. */
  async idle(): Promise<void> {
    await Promise.allSettled([...this.#underWay]);
  }

  /** Says whether the other is there, now and whenever it changes, until the signal is aborted. Never rejects. */
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
      // Nobody has to tell whether he is there; messages go all the same.
      if (!signal.aborted) display.notice(`presence of ${other} is not known: ${wordsFor(error)}`);
    }
  }

  /** Asks once whether the other is there. @throws ImxpError */
  async ask(signal: AbortSignal): Promise<PresenceInfo> {
    return await this.#options.endpoint.presence.poll(this.#options.other, { signal });
  }

  /** Thrown faults of the peer become the answer to the delivery. @throws RemoteProtocolError */
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

/** Why nobody took something: the code and text of the answer, or what happened instead of one. */
export function wordsFor(error: unknown): string {
  if (error instanceof RefusedError) return `${error.reply.code} ${error.reply.text}`;
  if (error instanceof ImxpError) return error.message;
  throw error;
}
