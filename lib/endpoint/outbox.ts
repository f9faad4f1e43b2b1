/**
 * Outbox: queue of messages sent and waiting to be sent, bounded and in order. Reports the result of each exactly once.
 * Knows nothing of the contents.
 */
import { type ErrorCode, ImxpError, RefusedError, type Reply, TransportError } from '../errors.js';
import { certainlyUnsent, type Unanswered } from '../imxp/certainty.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { whenAborted } from '../transport/abort.js';
import type { RelayConnection } from './connection.js';
import { type Lane, Lanes, type OutboundData } from './lanes.js';
import type { Encoded } from './message.js';
import type { EndpointLimits } from './options.js';

/** Receives the result of a message: exactly one call, never before the sending call returns. */
export interface SendSink {
  /** The application of at least one recipient has answered `ok`. */
  accepted(): void;
  /**
   * RefusedError REFUSED: the code and text of the refusal. TransportError TIMED_OUT or CONNECTION_LOST: no answer;
   * `fields.sent` is false when it was certainly not sent.
   */
  failed(error: ImxpError): void;
}

/** One message that is queued or sent. */
export class Submission implements OutboundData {
  readonly #outbox: Outbox;
  readonly #encoded: Encoded;
  readonly sink: SendSink;
  lane: Lane | undefined;

  constructor(outbox: Outbox, encoded: Encoded, sink: SendSink) {
    this.#outbox = outbox;
    this.#encoded = encoded;
    this.sink = sink;
  }

  get payload(): Encoded['payload'] {
    return this.#encoded.payload;
  }

  get octets(): number {
    return this.#encoded.octets;
  }

  get recipients(): readonly string[] {
    return this.#encoded.recipients;
  }

  replied(kind: 'RPY' | 'ERR', payload: Buffer): void {
    this.#outbox.answered(this, kind, payload);
  }

  failed(reason: Unanswered): void {
    this.#outbox.unanswered(this, reason);
  }
}

/** @param why there is no answer; `fields.sent` tells whether it may have been delivered */
function lostFor(why: Unanswered): TransportError {
  const code = why === 'timeout' ? 'TIMED_OUT' : 'CONNECTION_LOST';
  return new TransportError(code, LOST_TEXTS[why], { fields: { sent: !certainlyUnsent(why) } });
}

const LOST_TEXTS: Readonly<Record<Unanswered, string>> = {
  timeout: 'no answer within the time limit; whether the message was delivered is unknown',
  unsent: 'the connection ended before the message was sent',
  lost: 'the connection ended before the answer; whether the message was delivered is unknown',
  unreadable: 'the relay answered with neither ok nor error; whether the message was delivered is unknown',
};

function notSent(code: ErrorCode, message: string): TransportError {
  return new TransportError(code, message, { fields: { sent: false } });
}

export interface OutboxOptions {
  readonly dialect: Dialect;
  readonly limits: Pick<EndpointLimits, 'outstandingData' | 'outstandingOctets' | 'lanes'>;
  /** Called when everything is answered. */
  idle(): void;
}

/** Not authorized: the answer of a relay that knows the originator only on the channel of the attachment. */
const NOT_AUTHORIZED = 537;

export class Outbox {
  readonly #dialect: Dialect;
  readonly #limits: OutboxOptions['limits'];
  readonly #idle: () => void;
  readonly #lanes: Lanes;
  /** In the order of the calls; the first one waits for the limits to allow it. */
  #waiting: Submission[] = [];
  /** Messages that the limits allow but no lane can take yet, and their recipients. */
  #blocked: Submission[] = [];
  readonly #blockedRecipients = new Set<string>();
  /** Called at the next answer. */
  #watchers: (() => void)[] = [];
  /** Whether this relay accepts messages on further channels; unknown before the first answer on one. */
  #furtherAccepted = false;

  constructor({ dialect, limits, idle }: OutboxOptions) {
    this.#dialect = dialect;
    this.#limits = limits;
    this.#idle = idle;
    this.#lanes = new Lanes(limits.lanes);
  }

  /** Number of unanswered messages, sent or not. */
  get outstanding(): number {
    return this.#lanes.outstanding + this.#blocked.length + this.#waiting.length;
  }

  /** Whether an operation on the first channel would overtake messages. */
  get hasQueued(): boolean {
    return this.#lanes.waiting || this.#blocked.length + this.#waiting.length > 0;
  }

  /** Resolves when {@link hasQueued} is false. */
  async queueEmpty(): Promise<void> {
    while (this.hasQueued) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  /** Resolves when everything sent over earlier connections is answered. */
  async retiredAnswered(): Promise<void> {
    while (this.#lanes.retiring) await new Promise<void>((resolve) => this.#watchers.push(resolve));
  }

  /** Sends over this connection from now on. Messages outstanding on an earlier one are answered there. */
  begin(connection: RelayConnection): void {
    this.#furtherAccepted = false;
    this.#lanes.begin(connection);
    this.#advance();
  }

  /** Queues a message and sends it when the limits allow. */
  submit(encoded: Encoded, sink: SendSink): Submission {
    const submission = new Submission(this, encoded, sink);
    if (!this.#lanes.ready) {
      queueMicrotask(() => sink.failed(notSent('CONNECTION_LOST', 'there is no connection to the relay')));
    } else if (this.#waiting.length === 0 && this.#room(submission)) {
      this.#send(submission);
    } else {
      this.#waiting.push(submission);
    }
    return submission;
  }

  /**
   * Like {@link submit}, until a signal is aborted: then it fails with the signal's reason and is not sent if it was
   * still queued.
   */
  submitUntil(
    signal: AbortSignal | undefined,
    encoded: Encoded,
    accepted: () => void,
    failed: (reason: unknown) => void,
  ): void {
    if (signal === undefined) {
      this.submit(encoded, { accepted, failed });
      return;
    }
    const submission = this.submit(encoded, {
      accepted: () => {
        forget();
        accepted();
      },
      failed: (error) => {
        forget();
        failed(error);
      },
    });
    const forget = whenAborted(signal, () => {
      this.#withdraw(submission);
      failed(signal.reason);
    });
  }

  /** Removes a message that has not been sent yet. */
  #withdraw(submission: Submission): void {
    this.#waiting = this.#waiting.filter((other) => other !== submission);
    if (this.#blocked.includes(submission)) {
      this.#blocked = this.#blocked.filter((other) => other !== submission);
      this.#release();
    }
  }

  /** Fails everything that still waits: nothing is sent automatically after a loss. */
  fail(code: ErrorCode, message: string): void {
    const unsent = this.#lanes.end();
    const left = [...this.#blocked, ...this.#waiting];
    this.#blocked = [];
    this.#blockedRecipients.clear();
    this.#waiting = [];
    for (const watcher of this.#watchers.splice(0)) watcher();
    for (const travelling of unsent) travelling.failed('unsent');
    for (const { sink } of left) sink.failed(notSent(code, message));
  }

  answered(submission: Submission, kind: 'RPY' | 'ERR', payload: Buffer): void {
    const error = this.interpret(kind, payload);
    if (submission.lane?.further === true && !this.#furtherAccepted && this.#sentAgain(submission, error)) return;
    this.#done(submission);
    if (error === undefined) submission.sink.accepted();
    else submission.sink.failed(error);
    this.#advance();
  }

  unanswered(submission: Submission, reason: Unanswered): void {
    this.#done(submission);
    submission.sink.failed(lostFor(reason));
    this.#advance();
  }

  /** Interprets an answer. @returns undefined for `ok` */
  interpret(kind: 'RPY' | 'ERR', payload: Buffer): ImxpError | undefined {
    if (kind === 'RPY' && payload.equals(this.#dialect.ok)) return undefined;
    try {
      const reply = this.#dialect.decodeReply(payload);
      if (reply.type === 'error') return refused(reply);
      if (kind === 'RPY') return undefined;
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
    }
    // RFC 3080 §2.2.2.1: a poorly-formed reply ends the channel.
    this.#lanes.first?.channel?.close(501, 'a reply was neither ok nor error');
    return lostFor('unreadable');
  }

  /**
   * The first answers on further channels tell whether the relay accepts messages there. A relay that refuses has not
   * processed them, so they are sent again on the channel of the attachment. @returns whether this one is
   */
  #sentAgain(submission: Submission, error: ImxpError | undefined): boolean {
    const { first } = this.#lanes;
    const refusal = error instanceof RefusedError && error.reply.code === NOT_AUTHORIZED;
    if (!refusal || first?.channel === undefined) {
      this.#furtherAccepted = true;
      return false;
    }
    first.channel.request(submission.payload, {
      replied: (kind, payload) => {
        const again = this.interpret(kind, payload);
        if (!(again instanceof RefusedError && again.reply.code === NOT_AUTHORIZED)) this.#lanes.confine();
        submission.lane = first;
        this.answered(submission, kind, payload);
      },
      failed: (reason) => this.unanswered(submission, reason),
    });
    return true;
  }

  #done({ recipients }: Submission): void {
    this.#lanes.leave(recipients);
    if (this.#watchers.length > 0) for (const watcher of this.#watchers.splice(0)) watcher();
    if (this.#blocked.length > 0 && recipients.some((recipient) => this.#blockedRecipients.has(recipient)))
      this.#release();
  }

  /** Sends queued messages that the limits now allow. */
  #advance(): void {
    // After a loss nothing is sent automatically; fail() handles what remains.
    if (this.#lanes.first?.channel?.open !== true) return;
    let sent = 0;
    for (const submission of this.#waiting) {
      if (!this.#room(submission)) break;
      this.#send(submission);
      sent += 1;
    }
    if (sent > 0) this.#waiting.splice(0, sent);
    else if (this.outstanding === 0) this.#idle();
  }

  /** Puts a message on a lane, or holds it until one can take it. */
  #send(submission: Submission): void {
    const { recipients } = submission;
    const queuedBefore =
      this.#blockedRecipients.size > 0 && recipients.some((recipient) => this.#blockedRecipients.has(recipient));
    const lane = queuedBefore ? undefined : this.#lanes.take(recipients);
    if (lane === undefined) {
      this.#blocked.push(submission);
      for (const recipient of recipients) this.#blockedRecipients.add(recipient);
      return;
    }
    submission.lane = lane;
    lane.send(submission);
  }

  /** Tries again to put blocked messages on a lane. */
  #release(): void {
    const blocked = this.#blocked;
    this.#blocked = [];
    this.#blockedRecipients.clear();
    for (const submission of blocked) this.#send(submission);
  }

  #room({ octets }: Submission): boolean {
    const outstanding = this.#lanes.outstanding + this.#blocked.length;
    if (outstanding === 0) return true;
    const { outstandingData, outstandingOctets } = this.#limits;
    if (outstanding >= outstandingData) return false;
    let sum = this.#lanes.octets + octets;
    for (const waiting of this.#blocked) sum += waiting.octets;
    return sum <= outstandingOctets;
  }
}

function refused({ code, text, lang }: Reply): RefusedError {
  return new RefusedError('REFUSED', lang === undefined ? { code, text } : { code, text, lang });
}
