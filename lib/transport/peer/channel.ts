/**
 * BEEP channel and its requests for an application: replies as promises, one-to-many answers as an iteration, and
 * back-pressure by what the application has finished with.
 */
import type { Duplex } from 'node:stream';
import { errorElement, profileMessage } from '../../beep/profile-message.js';
import { ImxpError, LocalError, RefusedError, type Reply, TransportError } from '../../errors.js';
import { contiguous, type Payload } from '../../mime/payload.js';
import { events } from '../../ops/events.js';
import type { PeerIdentity } from '../../sasl/identity.js';
import { ask } from '../ask.js';
import type { ChannelHandle, ChannelHandler, ErrorCodec } from '../channel.js';
import type { NetworkAddress } from '../network.js';
import type { ProfileConnection } from '../profile.js';
import type { HandedOver } from '../session-io.js';

/** A payload as it is sent: MIME headers, an empty line and the body (RFC 3080 §2.2.2). A string is sent as UTF-8. */
export type MessagePayload = string | Uint8Array | readonly Uint8Array[];

/** A reply to a request. */
export interface BeepReply {
  readonly kind: 'RPY' | 'ERR';
  readonly payload: Buffer;
}

/** A change of transport by a tuning profile (RFC 3080 §3). */
export interface TransportChange {
  /** Makes the stream of the new session. An error thrown ends the session. */
  stream(handed: HandedOver): Duplex | Promise<Duplex>;
  /** False where the profile says that no greetings follow. */
  readonly greets?: boolean;
}

/** What an application does with a channel. All of it is optional: what it does not expect is refused. */
export interface ChannelUser {
  /** The answer to the message that came with the start of the channel, at most 4,096 octets. */
  readonly content?: string;
  /** For a tuning profile: changes the transport right behind the answer to the start, as TLS does after `proceed`. */
  readonly tuned?: TransportChange;
  /**
   * Takes a request (MSG). Its octets count against the window until the returned promise is settled. An error thrown is
   * the answer, with its code if it is a RefusedError and 451 otherwise, unless an answer was given before.
   */
  request?(request: BeepRequest, channel: BeepChannel): void | Promise<void>;
  /** The peer asks to close the channel, or the session. @returns why that is declined; undefined agrees */
  closing?(reason: Reply): Reply | undefined;
  /** The channel is closed, by either side or with its session. */
  closed?(): void;
}

export const BEEP_ERRORS: ErrorCodec = { encodeError: (reply) => profileMessage(errorElement(reply)) };

const INTERNAL: Reply = { code: 451, text: 'local processing error' };

export function payloadOf(payload: MessagePayload): Payload {
  if (typeof payload === 'string') return Buffer.from(payload, 'utf8');
  if (payload instanceof Uint8Array) return buffer(payload);
  return payload.map(buffer);
}

function buffer({ buffer: memory, byteOffset, byteLength }: Uint8Array): Buffer {
  return Buffer.from(memory, byteOffset, byteLength);
}

/** A MSG of the peer. It is answered by one `reply` or `error`, or by any number of `answer` and one `finish`. */
export class BeepRequest {
  readonly payload: Buffer;
  readonly #handle: ChannelHandle;
  readonly #msgno: number;
  #answers = 0;
  #answered = false;

  constructor(handle: ChannelHandle, msgno: number, payload: Buffer) {
    this.#handle = handle;
    this.#msgno = msgno;
    this.payload = payload;
  }

  /** Whether the last answer has been given. */
  get answered(): boolean {
    return this.#answered;
  }

  /** Answers with RPY. @throws LocalError BEEP_STATE when it is answered already */
  reply(payload: MessagePayload): void {
    this.#last(this.#answers === 0);
    this.#handle.reply(this.#msgno, 'RPY', payloadOf(payload));
  }

  /** Answers with ERR: an `error` element as BEEP's own profiles send it, or a payload. */
  error(error: Reply | MessagePayload): void {
    this.#last(this.#answers === 0);
    const payload = isReply(error) ? BEEP_ERRORS.encodeError(error) : payloadOf(error);
    this.#handle.reply(this.#msgno, 'ERR', payload);
  }

  /** Gives one of several answers (ANS). */
  answer(payload: MessagePayload): void {
    if (this.#answered) throw new LocalError('BEEP_STATE', 'the request is answered already');
    this.#handle.answer(this.#msgno, this.#answers, payloadOf(payload));
    this.#answers += 1;
  }

  /** Says that no further answer follows (NUL). */
  finish(): void {
    this.#last(true);
    this.#handle.finish(this.#msgno);
  }

  /** An error for a request that has no answer, or not its last one. */
  fail(reply: Reply): void {
    if (this.#answered) return;
    if (this.#answers > 0) this.finish();
    else this.error(reply);
  }

  #last(allowed: boolean): void {
    if (this.#answered || !allowed) throw new LocalError('BEEP_STATE', 'the request is answered already');
    this.#answered = true;
  }
}

function isReply(error: Reply | MessagePayload): error is Reply {
  return typeof error === 'object' && 'code' in error;
}

/** A channel in use. */
export class BeepChannel {
  readonly #handle: ChannelHandle;
  readonly #connection: ProfileConnection;
  /** The server name that the start asks for, until the channel is created. */
  readonly #asked: string | undefined;
  /** A window that was set before the channel is created. */
  #windowOctets: number | undefined;

  constructor(handle: ChannelHandle, connection: ProfileConnection, asked?: string) {
    this.#handle = handle;
    this.#connection = connection;
    this.#asked = asked;
  }

  /** The `id` of the {@link BeepConnection} it belongs to. */
  get session(): string {
    return this.#handle.session;
  }

  get number(): number {
    return this.#handle.number;
  }

  /** The URI of the profile it runs. */
  get profile(): string {
    return this.#handle.profile;
  }

  /** False once either side has begun to close it. */
  get open(): boolean {
    return this.#handle.open;
  }

  /** Who the peer has proved to be; undefined when it has not authenticated. */
  get peer(): PeerIdentity | undefined {
    return this.#handle.identity;
  }

  /** Whether TLS protects the session. */
  get privacy(): boolean {
    return this.#handle.privacy;
  }

  get remote(): NetworkAddress {
    return this.#handle.remote;
  }

  /**
   * The server name under which this side acts, or is asked to act by the start that the profile decides on now
   * (RFC 3080 §2.3.1.2).
   */
  get serverName(): string | undefined {
    return this.#connection.serverName ?? (this.#handle.created ? undefined : this.#asked);
  }

  /**
   * Sends a MSG and waits for its reply, RPY or ERR.
   *
   * @throws TransportError TIMED_OUT, or CONNECTION_LOST when the channel ends first
   */
  request(payload: MessagePayload): Promise<BeepReply> {
    return ask(this.#handle, payloadOf(payload));
  }

  /**
   * Sends a MSG and takes its answers as they come (ANS ... NUL). While the application holds an answer, its octets
   * count against the window. A reply that is a RPY is the only answer.
   *
   * @throws RefusedError REFUSED for ERR; TransportError TIMED_OUT, or CONNECTION_LOST when the channel ends first
   */
  async *answers(payload: MessagePayload): AsyncGenerator<Buffer, void, void> {
    /** Answers not yet taken, with the octets that they occupy of the window. */
    const arrived: { readonly answer: Buffer; readonly uncredited: number }[] = [];
    const state: { ended: boolean; abandoned: boolean; error?: ImxpError; wake?: () => void } = {
      ended: false,
      abandoned: false,
    };
    const wake = (): void => state.wake?.();
    const end = (error?: ImxpError): void => {
      state.ended = true;
      if (error !== undefined) state.error = error;
      wake();
    };
    this.#handle.request(payloadOf(payload), {
      replied: (kind, answer) => {
        if (kind === 'RPY') arrived.push({ answer, uncredited: 0 });
        end(kind === 'ERR' ? refusal({ code: 550, text: answer.toString('utf8').trim() }) : undefined);
      },
      answered: (_ansno, answer) => {
        if (state.abandoned) this.#handle.consume(answer.length);
        else arrived.push({ answer, uncredited: answer.length });
        wake();
      },
      finished: () => end(),
      failed: (reason) =>
        end(
          reason === 'timeout'
            ? new TransportError('TIMED_OUT', 'no answer within the time limit')
            : new TransportError('CONNECTION_LOST', 'the channel ended before all answers came'),
        ),
    });
    try {
      for (;;) {
        const next = arrived.shift();
        if (next !== undefined) {
          try {
            yield next.answer;
          } finally {
            this.#handle.consume(next.uncredited);
          }
          continue;
        }
        if (state.error !== undefined) throw state.error;
        if (state.ended) return;
        await new Promise<void>((resolve) => {
          state.wake = resolve;
        });
      }
    } finally {
      state.abandoned = true;
      for (const { uncredited } of arrived) this.#handle.consume(uncredited);
    }
  }

  /** Sets how many octets the peer may have under way to this side (RFC 3081 §3.1.4). The window never shrinks at once. */
  setWindow(windowOctets: number): void {
    if (this.#handle.created) this.#connection.window(this.number, windowOctets);
    else this.#windowOctets = windowOctets;
  }

  /** The channel has been created: a window that was set before holds from its beginning. */
  created(): void {
    if (this.#windowOctets !== undefined) this.setWindow(this.#windowOctets);
  }

  /**
   * Closes the channel in order (RFC 3080 §2.3.1.3).
   *
   * @throws RefusedError CLOSE_REFUSED when the peer declines, TransportError CONNECTION_LOST
   */
  close(code = 200, text = ''): Promise<void> {
    return this.#handle.closeInOrder(code, text);
  }

  /** Drops the connection of the session without a word. */
  abort(reason: Reply = { code: 421, text: 'aborted' }): void {
    this.#connection.destroy(new LocalError('CLOSED', reason.text, { reply: reason }));
  }

  /** Ends the whole session in order (RFC 3080 §2.4). */
  endSession(text = ''): void {
    this.#handle.endSession(text);
  }

  /**
   * Changes the transport for a tuning profile (RFC 3080 §3): waits until every reply owed has left, has `last` give the
   * last answer, and begins a new session over the stream that `change` makes.
   *
   * @param greets false where the profile says that no greetings follow
   */
  async tune(
    last: () => void,
    change: (handed: HandedOver) => Duplex | Promise<Duplex>,
    { greets = true }: { readonly greets?: boolean } = {},
  ): Promise<void> {
    await renew(this.#connection, await this.#connection.handOver(1, last), { stream: change, greets });
  }
}

/** Begins a new session over the stream that a tuning profile makes. */
export async function renew(
  connection: Pick<ProfileConnection, 'renew'>,
  handed: HandedOver,
  { stream, greets = true }: TransportChange,
): Promise<void> {
  const changed = await stream(handed);
  connection.renew(changed, { greets });
  // The stream that was handed over is paused, and may be the one of the new session as well.
  changed.resume();
}

/** An error that refuses what the peer asks for, with a code and a text for it. */
export function refusal(reply: Reply): RefusedError {
  return new RefusedError('REFUSED', reply);
}

/** The reply for what an application threw. What is no ImxpError is a fault of the application's own, and logged. */
export function replyFor(error: unknown, session: string): Reply {
  if (error instanceof ImxpError && error.reply !== undefined) return error.reply;
  events.fault.publish({ session, error });
  return INTERNAL;
}

/** Passes the messages of a channel to its user. */
export function handlerFor(handle: ChannelHandle, channel: BeepChannel, user: ChannelUser): ChannelHandler {
  return {
    message: (msgno, payload) => {
      const request = new BeepRequest(handle, msgno, contiguous(payload));
      serve(request, channel, user)
        .catch((error: unknown) => request.fail(replyFor(error, handle.session)))
        .finally(() => handle.consume(request.payload.length));
    },
    closeRequested: (code, text) => user.closing?.({ code, text }),
    closed: () => user.closed?.(),
  };
}

async function serve(request: BeepRequest, channel: BeepChannel, user: ChannelUser): Promise<void> {
  if (user.request === undefined) request.error({ code: 550, text: 'no request is expected on this channel' });
  else await user.request(request, channel);
}
