/**
 * The server's side of authentication on one BEEP session: what is offered, and each exchange as a state machine over
 * blobs (RFC 3080 §4.1). Knows no channels: the caller passes contents in and sends the answers.
 */

import { errorElement, profileDocument, profileMessage } from '../beep/profile-message.js';
import { ImxpError, RefusedError, RemoteProtocolError, type Reply } from '../errors.js';
import { blobContent, parseBlob, type SaslBlob } from './blob.js';
import { failure, NOT_ACCEPTED } from './fault.js';
import type { Authentication, ServerMechanism, ServerStep, SessionConditions } from './mechanism.js';
import { offeredMechanisms, serverMechanism } from './registry.js';
import { DEFAULT_ATTEMPTS, type ServerSettings } from './settings.js';
import { mechanismOf, mechanismUri } from './uri.js';

export type ServerAnswer =
  /** Answer with the blob. */
  | {
      readonly type: 'blob';
      readonly blob: SaslBlob;
      /** With `complete`: who it is. A layer in it starts right after this answer (RFC 3080 §4.1). */
      readonly authentication: Authentication | undefined;
    }
  /** Only to a start: accept it without content, the client speaks first. */
  | { readonly type: 'nothing' }
  /** Answer with the error; the channel stays usable unless `exhausted`. */
  | {
      readonly type: 'error';
      readonly reply: Reply;
      /** For the log only. */
      readonly reason: string;
      /** Whether the session has failed too often and is to be ended after the answer. */
      readonly exhausted: boolean;
    };

/** An answer as content of the reply to a start; `undefined` for none. */
export function answerContent(answer: ServerAnswer): string | undefined {
  if (answer.type === 'nothing') return undefined;
  return answer.type === 'blob' ? blobContent(answer.blob) : errorElement(answer.reply);
}

/** An answer as payload: of an RPY for `blob`, of an ERR for `error`. */
export function answerPayload(answer: ServerAnswer): Buffer {
  return profileMessage(answerContent(answer) ?? blobContent({ status: 'continue', data: Buffer.alloc(0) }));
}

/** Most messages of an exchange; the longest mechanism here needs four. */
const STEP_LIMIT = 8;

/** Server side of a BEEP session. One per session. */
export class SaslServer {
  readonly #settings: ServerSettings;
  readonly #conditions: SessionConditions;
  #authentication: Authentication | undefined;
  #failures = 0;

  constructor(settings: ServerSettings, conditions: SessionConditions) {
    this.#settings = settings;
    this.#conditions = conditions;
  }

  /** Who the peer is, after success. It applies to all present and future channels (RFC 3080 §4). */
  get authentication(): Authentication | undefined {
    return this.#authentication;
  }

  /** Number of failed exchanges. */
  get failures(): number {
    return this.#failures;
  }

  get exhausted(): boolean {
    return this.#failures >= (this.#settings.attempts ?? DEFAULT_ATTEMPTS);
  }

  /**
   * Profile URIs for the greeting, strongest first. None after success: no further attempt is allowed (RFC 3080 §4).
   *
   * @param draft also offer the URIs of the BEEP drafts
   */
  offered(draft = false): readonly string[] {
    if (this.#authentication !== undefined) return [];
    const names = offeredMechanisms(this.#settings, this.#conditions);
    return names.flatMap((name) => (draft ? [mechanismUri(name), mechanismUri(name, true)] : [mechanismUri(name)]));
  }

  /**
   * The exchange for a channel just started.
   *
   * @throws RefusedError SASL_REFUSED, reply 550: already authenticated, too many failures, or not switched on here
   */
  exchange(uri: string): ServerExchange {
    const refusal = this.refusal();
    if (refusal !== undefined) throw new RefusedError('SASL_REFUSED', refusal);
    const name = mechanismOf(uri) ?? '';
    const create = () => serverMechanism(name, this.#settings, this.#conditions);
    if (create() === undefined) {
      throw new RefusedError('SASL_REFUSED', { code: 550, text: 'that mechanism is not offered here' });
    }
    return new ServerExchange(this, create);
  }

  /** Why no further exchange is allowed; undefined if one is. */
  refusal(): Reply | undefined {
    // RFC 3080 §4: once authentication succeeded, no further attempts.
    // D-BEEP-09: this side may still authenticate itself to the peer.
    if (this.#authentication !== undefined) return { code: 550, text: 'you are already authenticated' };
    return this.exhausted ? { code: 550, text: 'too many failed attempts' } : undefined;
  }

  /** For exchanges: whether the proof of an account is accepted at present. */
  admits(account: string): boolean {
    return this.#settings.admits?.(account) ?? true;
  }

  /** For exchanges: why an account, or whom it acts as, is not let in. */
  suspended(...accounts: readonly (string | undefined)[]): string | undefined {
    for (const account of accounts) {
      const reason = account === undefined || account === '' ? undefined : this.#settings.suspended?.(account);
      if (reason !== undefined) return reason;
    }
    return undefined;
  }

  /** For exchanges: the first success counts. */
  succeed(authentication: Authentication): void {
    this.#authentication = authentication;
  }

  /** For exchanges. */
  fail(): void {
    this.#failures += 1;
  }
}

export class ServerExchange {
  readonly #server: SaslServer;
  readonly #create: () => ServerMechanism | undefined;
  #mechanism: ServerMechanism | undefined;
  #steps = 0;
  /** Blobs are handled one after the other, even when a client does not wait for answers. */
  #turn: Promise<unknown> = Promise.resolve();

  /** Use {@link SaslServer.exchange}. */
  constructor(server: SaslServer, create: () => ServerMechanism | undefined) {
    this.#server = server;
    this.#create = create;
    this.#mechanism = create();
  }

  /** The start that created the channel, with its piggybacked content if any. Never rejects. */
  start(content: Buffer | undefined): Promise<ServerAnswer> {
    if (content !== undefined && content.length > 0) return this.#queued(() => this.#read(content));
    if (this.#mechanism?.clientFirst === true) return Promise.resolve({ type: 'nothing' });
    return this.#queued(() => this.#step(undefined));
  }

  /** A MSG on the channel. Never rejects. */
  receive(payload: Buffer): Promise<ServerAnswer> {
    return this.#queued(() => this.#read(profileDocument(payload)));
  }

  #queued(work: () => Promise<ServerAnswer>): Promise<ServerAnswer> {
    const answer = this.#turn.then(() => this.#guarded(work));
    this.#turn = answer;
    return answer;
  }

  async #guarded(work: () => Promise<ServerAnswer>): Promise<ServerAnswer> {
    const refusal = this.#server.refusal();
    if (refusal !== undefined) return this.#refuse(refusal, refusal.text);
    try {
      return await work();
    } catch (error) {
      if (error instanceof RemoteProtocolError && error.reply !== undefined)
        return this.#fail(error.reply, error.message);
      // The store, or the node's policy: not the peer's fault, and it may come back (RFC 3080 §8: 454).
      const reason = error instanceof ImxpError ? `${error.code} ${error.message}` : String(error);
      this.#restart();
      return this.#refuse({ code: 454, text: 'authentication is not possible now; try again later' }, reason);
    }
  }

  async #read(content: Buffer): Promise<ServerAnswer> {
    const blob = parseBlob(content);
    if (blob.status === 'abort') return this.#fail({ code: 451, text: 'aborted as you asked' }, 'aborted by the peer');
    if (blob.status === 'complete') {
      return this.#fail({ code: 501, text: 'only the server may send complete' }, 'the peer sent complete');
    }
    return this.#step(blob.data);
  }

  async #step(data: Buffer | undefined): Promise<ServerAnswer> {
    this.#mechanism ??= this.#create();
    this.#steps += 1;
    const endless = this.#mechanism === undefined || this.#steps > STEP_LIMIT;
    const step = endless ? failure(501, 'too many messages in one exchange') : await this.#mechanism?.step(data);
    return this.#answer(step ?? failure(501, 'no exchange is in progress'));
  }

  #answer(step: ServerStep): ServerAnswer {
    if (step.type === 'failure') return this.#fail(step.reply, step.reason);
    if (step.type === 'challenge') {
      return { type: 'blob', blob: { status: 'continue', data: step.data }, authentication: undefined };
    }
    // Another channel may have succeeded while this one was waiting for the store.
    const refusal = this.#server.refusal();
    if (refusal !== undefined) return this.#refuse(refusal, refusal.text);
    const { account, authzid, mechanism } = step.authentication;
    const suspended = this.#server.suspended(account, authzid);
    if (suspended !== undefined) return this.#fail(NOT_ACCEPTED, suspended);
    // A certificate cannot be guessed.
    if (account !== undefined && mechanism !== 'EXTERNAL' && !this.#server.admits(account)) {
      return this.#fail(NOT_ACCEPTED, `${account} is locked for a time after too many failures`);
    }
    this.#server.succeed(step.authentication);
    const data = step.data ?? Buffer.alloc(0);
    return { type: 'blob', blob: { status: 'complete', data }, authentication: step.authentication };
  }

  #fail(reply: Reply, reason: string): ServerAnswer {
    this.#server.fail();
    this.#restart();
    return this.#refuse(reply, reason);
  }

  #refuse(reply: Reply, reason: string): ServerAnswer {
    return { type: 'error', reply, reason, exhausted: this.#server.exhausted };
  }

  /** The next blob on the channel begins a new exchange. */
  #restart(): void {
    this.#mechanism = undefined;
    this.#steps = 0;
  }
}
