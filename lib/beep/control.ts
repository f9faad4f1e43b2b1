/**
 * Channel management (RFC 3080 §2.3): interprets the messages on channel 0 and dispatches them. Knows nothing of
 * frames.
 */
import { RemoteProtocolError, type Reply } from '../errors.js';
import type { Channel } from './channel.js';
import { Closes } from './closes.js';
import type { Conversation } from './conversation.js';
import type { StartEvent } from './event.js';
import { ERR } from './frame.js';
import * as documents from './management.js';
import { OPENS, type Outgoing, REFUSES, RELEASES } from './outgoing.js';
import { Starts } from './starts.js';

export class Control {
  readonly starts: Starts;
  readonly closes: Closes;
  readonly #talk: Conversation;

  constructor(talk: Conversation, serverName: string | undefined) {
    this.#talk = talk;
    this.starts = new Starts(talk, serverName);
    this.closes = new Closes(talk);
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
      this.#talk.error(msgno, error.reply);
    }
  }

  /** A MSG on channel 0 exceeds the limit: sends a pre-emptive reply. */
  tooLarge(msgno: number): void {
    const { managementOctets } = this.#talk.limits;
    this.#talk.error(msgno, { code: 501, text: `more than ${managementOctets} octets on channel 0` });
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
    const code = this.#talk.state === 'greeting' ? 'BEEP_GREETING_INVALID' : 'BEEP_MANAGEMENT_REPLY_INVALID';
    return new RemoteProtocolError(code, `channel 0: ${what}`, { cause });
  }

  #take(keyword: number, msgno: number, document: documents.Document): void {
    const error = keyword === ERR ? documents.readError(document) : undefined;
    if (this.#talk.state === 'greeting') {
      this.#takeGreeting(error, document);
    } else if (this.starts.asked(msgno)) {
      this.#takeStart(error, msgno, document);
    } else if (this.closes.asked(msgno)) {
      this.#takeClose(error, msgno, document);
    }
  }

  #takeGreeting(error: Reply | undefined, document: documents.Document): void {
    if (error === undefined) {
      this.#talk.greeted(documents.readGreeting(document), document.contentType);
    } else {
      this.#talk.end();
      this.#talk.events.push({ type: 'unavailable', reply: error });
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
    const talk = this.#talk;
    if (message.effect === RELEASES || message.effect === REFUSES) {
      talk.end();
      if (message.effect === RELEASES) {
        talk.events.push({ type: 'released' });
      }
      return;
    }
    const opened = message.effect === OPENS ? talk.channels.get(message.opens) : undefined;
    if (opened !== undefined) {
      talk.outbox.open(opened);
      this.closes.acknowledged(opened);
    }
    this.closes.settle();
  }
}
