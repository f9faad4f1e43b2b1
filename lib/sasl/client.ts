/**
 * The client's side of one SASL channel as a state machine over blobs (RFC 3080 §4.1). Accepts all forms of answers
 * found in practice; accepts `complete` only when the mechanism does.
 */

import { profileDocument, profileMessage } from '../beep/profile-message.js';
import { ImxpError, LocalError, RefusedError, RemoteProtocolError } from '../errors.js';
import { blobContent, parseAnswer, type SaslAnswer } from './blob.js';
import type { ClientMechanism, SecurityLayer } from './mechanism.js';

export type ClientTurn =
  /** Send the payload as MSG on the channel and pass the reply to `receive`. */
  | { readonly type: 'send'; readonly payload: Buffer }
  /** Authenticated. A layer starts with the next octet in both directions. */
  | { readonly type: 'done'; readonly layer: SecurityLayer | undefined }
  /** The exchange cannot succeed: send the payload, ignore the reply, then report the error. */
  | { readonly type: 'abort'; readonly payload: Buffer; readonly error: ImxpError };

const NOTHING = Buffer.alloc(0);

/** One for each channel started for a mechanism. */
export class ClientExchange {
  readonly #mechanism: ClientMechanism;
  #initial: Buffer | undefined;

  constructor(mechanism: ClientMechanism) {
    this.#mechanism = mechanism;
  }

  /**
   * Content to piggyback in the start; `undefined` when the server speaks first.
   *
   * @throws LocalError ARGUMENT, and whatever the password function throws
   */
  async start(): Promise<string | undefined> {
    this.#initial = await this.#mechanism.initial();
    return this.#initial === undefined ? undefined : blobContent({ status: 'continue', data: this.#initial });
  }

  /**
   * The start was accepted, with this content.
   *
   * @throws as `receive`
   */
  async started(content: Buffer | undefined): Promise<ClientTurn> {
    if (content !== undefined && content.length > 0) return this.#read(parseAnswer(content));
    // RFC 3080 §4.1: without content the first blob goes as MSG on the channel.
    return send(this.#initial ?? NOTHING);
  }

  /**
   * A reply to what was sent; RPY and ERR alike, since LibVortex puts errors into an RPY.
   *
   * @throws RefusedError SASL_REFUSED: the server's error
   * @throws RemoteProtocolError SASL_SERVER_UNPROVEN: it sends complete with no proof or a wrong one. Trust nothing
   *   on this session: the server believes the exchange succeeded, but it is not who it should be.
   * @throws RemoteProtocolError SASL_INVALID, XML_*, MIME_INVALID: the reply is malformed
   */
  async receive(payload: Buffer): Promise<ClientTurn> {
    return this.#read(parseAnswer(profileDocument(payload)));
  }

  async #read(answer: SaslAnswer): Promise<ClientTurn> {
    if (answer.type === 'error') {
      const { name } = this.#mechanism;
      const said = `${answer.reply.code} ${answer.reply.text}`;
      throw new RefusedError('SASL_REFUSED', answer.reply, `${name} was refused: ${said}`);
    }
    const { status, data } = answer.blob;
    if (status === 'complete') return this.#completed(data);
    if (status === 'abort') throw new RemoteProtocolError('SASL_INVALID', 'only the client may abort');
    try {
      return send(await this.#mechanism.step(data));
    } catch (error) {
      return { type: 'abort', payload: profileMessage("<blob status='abort' />"), error: known(error) };
    }
  }

  async #completed(data: Buffer): Promise<ClientTurn> {
    if (!this.#mechanism.complete && data.length > 0) await this.#mechanism.step(data);
    // RFC 2831 §2.1.3, RFC 5802 §5: a server that does not prove itself is not authenticated, whatever it says.
    if (!this.#mechanism.complete) {
      throw new RemoteProtocolError(
        'SASL_SERVER_UNPROVEN',
        'the server completed without proving that it knows the password',
      );
    }
    return { type: 'done', layer: this.#mechanism.layer };
  }
}

function send(data: Buffer): ClientTurn {
  return { type: 'send', payload: profileMessage(blobContent({ status: 'continue', data })) };
}

function known(error: unknown): ImxpError {
  if (error instanceof ImxpError) return error;
  return new LocalError('ARGUMENT', 'the password is not available', { cause: error });
}
