/**
 * What this endpoint has sent and what waits to be sent: bounded, in order, each told once what became of it. Knows
 * nothing of the contents.
 */
import { type ErrorCode, ImxpError, RefusedError, type Reply, TransportError } from '../errors.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Payload, ReplySink } from '../wire/channel-handle.js';
import type { EndpointChannel } from './connection.js';
import type { EndpointLimits } from './options.js';

/** Told exactly once what became of a Data, never before the call that sends it returns. */
export interface SendSink {
  /** At least one recipient's application said ok. */
  accepted(): void;
  /**
   * RefusedError REFUSED: the code and text of the refusal. TransportError TIMED_OUT or CONNECTION_LOST: no answer;
   * `fields.sent` is false when it certainly was not sent.
   */
  failed(error: ImxpError): void;
}

/** One Data on its way. */
export class Submission implements ReplySink {
  readonly #outbox: Outbox;
  readonly sink: SendSink;
  readonly payload: Payload;
  readonly octets: number;

  constructor(outbox: Outbox, payload: Payload, sink: SendSink) {
    this.#outbox = outbox;
    this.payload = payload;
    this.octets = octetsOf(payload);
    this.sink = sink;
  }

  replied(kind: 'RPY' | 'ERR', payload: Buffer): void {
    const error = this.#outbox.verdict(kind, payload);
    if (error === undefined) this.sink.accepted();
    else this.sink.failed(error);
    this.#outbox.advance();
  }

  failed(reason: 'timeout' | 'lost' | 'unsent'): void {
    this.sink.failed(unanswered(reason));
    // After a time limit the others go on; after a loss the outbox is told separately.
    if (reason === 'timeout') this.#outbox.advance();
  }
}

function unanswered(reason: 'timeout' | 'lost' | 'unsent'): TransportError {
  if (reason === 'timeout') {
    return new TransportError('TIMED_OUT', 'no answer within the time limit; whether it was delivered is unknown', {
      fields: { sent: true },
    });
  }
  return reason === 'lost'
    ? new TransportError(
        'CONNECTION_LOST',
        'the connection ended before the answer; whether it was delivered is unknown',
        {
          fields: { sent: true },
        },
      )
    : notSent('CONNECTION_LOST', 'the connection ended before it was sent');
}

function notSent(code: ErrorCode, message: string): TransportError {
  return new TransportError(code, message, { fields: { sent: false } });
}

export interface OutboxOptions {
  readonly dialect: Dialect;
  readonly limits: Pick<EndpointLimits, 'outstandingData' | 'outstandingOctets'>;
  /** Told when everything has its answer. */
  idle(): void;
}

export class Outbox {
  readonly #dialect: Dialect;
  readonly #limits: OutboxOptions['limits'];
  readonly #idle: () => void;
  #channel: EndpointChannel | undefined;
  #waiting: Submission[] = [];

  constructor({ dialect, limits, idle }: OutboxOptions) {
    this.#dialect = dialect;
    this.#limits = limits;
    this.#idle = idle;
  }

  /** The number of Data that wait for their turn. */
  get waiting(): number {
    return this.#waiting.length;
  }

  /** The channel to use from now on; undefined while there is none. */
  set channel(channel: EndpointChannel | undefined) {
    this.#channel = channel;
  }

  /** Sends when its turn has come. @returns what to {@link withdraw} it by */
  submit(payload: Payload, sink: SendSink): Submission {
    const submission = new Submission(this, payload, sink);
    const channel = this.#channel;
    if (channel === undefined) {
      queueMicrotask(() => sink.failed(notSent('CONNECTION_LOST', 'there is no connection to the relay')));
    } else if (this.#waiting.length === 0 && this.#room(channel, submission)) {
      channel.request(payload, submission);
    } else {
      this.#waiting.push(submission);
    }
    return submission;
  }

  /** Takes back what has not been sent yet. @returns false when it has */
  withdraw(submission: Submission): boolean {
    const at = this.#waiting.indexOf(submission);
    if (at < 0) return false;
    this.#waiting.splice(at, 1);
    return true;
  }

  /** Fails what still waits: nothing is sent by itself after a loss. */
  fail(code: ErrorCode, message: string): void {
    this.#channel = undefined;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const { sink } of waiting) sink.failed(notSent(code, message));
  }

  /** An answer made room. */
  advance(): void {
    const channel = this.#channel;
    if (channel === undefined) return;
    if (this.#waiting.length === 0) {
      if (channel.outstanding === 0) this.#idle();
      return;
    }
    let sent = 0;
    for (const submission of this.#waiting) {
      if (!this.#room(channel, submission)) break;
      channel.request(submission.payload, submission);
      sent += 1;
    }
    this.#waiting.splice(0, sent);
  }

  /** What an answer means: undefined for ok. */
  verdict(kind: 'RPY' | 'ERR', payload: Buffer): ImxpError | undefined {
    if (kind === 'RPY' && payload.equals(this.#dialect.ok)) return undefined;
    try {
      const reply = this.#dialect.decodeReply(payload);
      if (reply.type === 'error') return refused(reply);
      if (kind === 'RPY') return undefined;
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
    }
    // RFC 3080 §2.2.2.1: a poorly-formed reply ends the channel.
    this.#channel?.close(501, 'a reply was neither ok nor error');
    return new TransportError('CONNECTION_LOST', 'the relay answered with neither ok nor error', {
      fields: { sent: true },
    });
  }

  #room(channel: EndpointChannel, { octets }: Submission): boolean {
    if (channel.outstanding === 0) return true;
    const { outstandingData, outstandingOctets } = this.#limits;
    return channel.outstanding < outstandingData && channel.outstandingOctets + octets <= outstandingOctets;
  }
}

function refused({ code, text }: Reply): RefusedError {
  return new RefusedError('REFUSED', { code, text });
}

function octetsOf(payload: Payload): number {
  if (Buffer.isBuffer(payload)) return payload.length;
  let octets = 0;
  for (const part of payload) octets += part.length;
  return octets;
}
