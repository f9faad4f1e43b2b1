/**
 * Channel management (RFC 3080 §2.3): interprets the messages on channel 0 and dispatches them. Knows nothing of
 * frames.
 */
import { RemoteProtocolError, type Reply } from '../errors.js';
import type { Channel } from './channel.js';
import type { ChannelZero } from './channel-zero.js';
import { Closes } from './closes.js';
import type { StartEvent } from './event.js';
import { ERR } from './frame.js';
import * as documents from './management.js';
import { OPENS, type Outgoing, REFUSES, RELEASES } from './outgoing.js';
import { Starts } from './starts.js';

export class ChannelManagement {
  readonly starts: Starts;
  readonly closes: Closes;
  readonly #channel0: ChannelZero;

  constructor(channel0: ChannelZero, serverName: string | undefined) {
    this.#channel0 = channel0;
    this.starts = new Starts(channel0, serverName);
    this.closes = new Closes(channel0);
  }

  acceptStart(event: StartEvent, uri: string, content: string | undefined): void {
    this.#opened(this.starts.accept(event, uri, content));
  }

  /** Handles a complete MSG on channel 0: raises an event for the user, or answers at once. */
  message(msgno: number, payload: Buffer): void {
    try {
      const request = documents.readRequest(documents.parseDocument(payload));
      if (request.type === 'start') {
        this.starts.requested(msgno, request, this.closes.releasing);
      } else {
        this.closes.requested(msgno, request);
      }
    } catch (error) {
      // RFC 3080 §2.2.2.1: a poorly-formed MSG on channel 0 is answered
      if (!(error instanceof RemoteProtocolError) || error.reply === undefined) {
        throw error;
      }
      this.#channel0.error(msgno, error.reply);
    }
  }

  /** A MSG on channel 0 exceeds the limit: sends a pre-emptive reply. */
  tooLarge(msgno: number): void {
    const { managementOctets } = this.#channel0.limits;
    this.#channel0.error(msgno, { code: 501, text: `more than ${managementOctets} octets on channel 0` });
  }

  /**
   * Handles a complete RPY or ERR on channel 0. @throws RemoteProtocolError without reply when it is not what was asked
   * for
   */
  reply(keyword: number, msgno: number, payload: Buffer): void {
    try {
      this.#take(keyword, msgno, documents.parseDocument(payload));
    } catch (cause) {
      // RFC 3080 §2.2.2.1: a poorly-formed reply on channel 0 ends the session
      throw cause instanceof RemoteProtocolError ? this.poor(`reply to MSG ${msgno}: ${cause.message}`, cause) : cause;
    }
  }

  /** @returns the error for a reply on channel 0 that is not acceptable */
  poor(what: string, cause?: unknown): RemoteProtocolError {
    const code = this.#channel0.state === 'greeting' ? 'BEEP_GREETING_INVALID' : 'BEEP_MANAGEMENT_REPLY_INVALID';
    return new RemoteProtocolError(code, `channel 0: ${what}`, { cause });
  }

  #take(keyword: number, msgno: number, document: documents.Document): void {
    const error = keyword === ERR ? documents.readError(document) : undefined;
    if (this.#channel0.state === 'greeting') {
      this.#takeGreeting(error, document);
    } else if (this.starts.asked(msgno)) {
      this.#takeStart(error, msgno, document);
    } else if (this.closes.asked(msgno)) {
      this.#takeClose(error, msgno, document);
    }
  }

  #takeGreeting(error: Reply | undefined, document: documents.Document): void {
    if (error === undefined) {
      this.#channel0.greeted(documents.readGreeting(document), document.contentType);
    } else {
      this.#channel0.end();
      this.#channel0.events.push({ type: 'unavailable', reply: error });
    }
  }

  #takeStart(error: Reply | undefined, msgno: number, document: documents.Document): void {
    if (error === undefined) {
      this.#opened(this.starts.started(msgno, documents.readProfile(document)));
    } else {
      this.starts.refused(msgno, error);
    }
  }

  #takeClose(error: Reply | undefined, msgno: number, document: documents.Document): void {
    if (error === undefined) {
      documents.readOk(document);
      this.closes.closed(msgno);
    } else {
      this.closes.refused(msgno, error);
    }
  }

  /** A channel that is created while the session is being released ends with it. */
  #opened(channel: Channel | undefined): void {
    if (channel !== undefined) {
      channel.ending = this.closes.accepted(0);
    }
  }

  /** A message whose transmission has an effect was transmitted. */
  departed(message: Outgoing): void {
    const channel0 = this.#channel0;
    if (message.effect === RELEASES || message.effect === REFUSES) {
      channel0.end();
      if (message.effect === RELEASES) {
        channel0.events.push({ type: 'released' });
      }
      return;
    }
    const opened = message.effect === OPENS ? channel0.channels.get(message.opens) : undefined;
    if (opened !== undefined) {
      channel0.outbox.open(opened);
      this.closes.acknowledged(opened);
    }
    this.closes.settle();
  }
}
