/**
 * TLS profile on the server's side (RFC 3080 §3.1.3.2): `ready` arrives, everything owed is sent, `proceed` leaves,
 * and TLS takes over the connection. `lib/tls` has its vocabulary and rules, TlsService the handshake.
 */

import type { Proposal, StartEvent } from '../../beep/event.js';
import { errorElement, profileDocument, profileMessage } from '../../beep/profile-message.js';
import { ImxpError, LocalError } from '../../errors.js';
import { contiguous } from '../../mime/payload.js';
import { events } from '../../ops/events.js';
import { TLS_DRAFT_URI, TLS_URI } from '../../tls/message.js';
import { answerReady } from '../../tls/tuning.js';
import { ChannelHandle, type ErrorCodec } from '../channel.js';
import { withTimeLimit } from '../deadline.js';
import type { ChannelCondition, ProfileConnection, ServedProfile } from '../profile.js';
import type { HandedOver } from '../session-io.js';
import { certificateNames } from './certificate.js';
import { Handshakes } from './handshakes.js';
import { peekHello } from './hello-peek.js';
import type { SecuredStream } from './secured-stream.js';
import type { TlsService } from './service.js';

/** How errors are written on a TLS channel. */
export const TLS_ERRORS: ErrorCodec = { encodeError: (reply) => profileMessage(errorElement(reply)) };

export class TlsProfile implements ServedProfile {
  readonly uris: readonly string[] = [TLS_URI, TLS_DRAFT_URI];
  readonly offered: readonly string[];
  readonly tuning = true;
  readonly needs: readonly ChannelCondition[] = [];
  // RFC 3080 §4.1: not after SASL; and TLS within TLS makes no sense.
  readonly forbids: readonly ChannelCondition[] = ['private', 'authenticated'];
  readonly #service: TlsService;
  readonly #handshakes: Handshakes;

  /**
   * @param handshakes those of the node that are in progress
   * @param draft also offer the name of the BEEP drafts, which is always understood
   */
  constructor(service: TlsService, handshakes = new Handshakes(), draft = false) {
    this.#service = service;
    this.offered = draft ? this.uris : [TLS_URI];
    this.#handshakes = handshakes;
  }

  start(connection: ProfileConnection, event: StartEvent, { uri, content }: Proposal): void {
    const channel = new ChannelHandle(connection, event.channel, uri, TLS_ERRORS);
    channel.handler = {
      message: (msgno, payload) => this.#message(connection, channel, msgno, contiguous(payload)),
      closed: () => {},
    };
    if (content === undefined || content.length === 0) {
      connection.accept(event, uri, undefined, channel);
      return;
    }
    const answer = answerReady(content, this.#state(connection));
    const accept = (): void => connection.accept(event, uri, answer.content, channel);
    // RFC 3080 §3.1.1: when `ready` is refused the channel exists nevertheless, and the error is its first answer.
    if (answer.type === 'error') accept();
    else this.#proceed(connection, connection.domainOf(event.serverName), accept);
  }

  #message(connection: ProfileConnection, channel: ChannelHandle, msgno: number, payload: Buffer): void {
    channel.consume(payload.length);
    const answer = answerReady(profileDocument(payload), this.#state(connection));
    if (answer.type === 'error') channel.reply(msgno, 'ERR', profileMessage(answer.content));
    else {
      this.#proceed(connection, connection.domainOf(connection.serverName), () =>
        channel.reply(msgno, 'RPY', profileMessage(answer.content)),
      );
    }
  }

  #state(connection: ProfileConnection) {
    const { private: privacy, authenticated } = connection.conditions;
    return { available: this.#service.canServe, privacy, authenticated, layered: false };
  }

  #proceed(connection: ProfileConnection, serverName: string | undefined, answer: () => void): void {
    connection
      .handOver(1, answer)
      .then((handed) => this.#handshakes.admit(connection, () => this.#negotiate(connection, handed, serverName)))
      .catch((error: unknown) => {
        connection.destroy(
          error instanceof ImxpError ? error : new LocalError('TLS_FAILED', String(error), { cause: error }),
        );
      });
  }

  async #negotiate(
    connection: ProfileConnection,
    { stream, leftover }: HandedOver,
    serverName: string | undefined,
  ): Promise<void> {
    const secured = await withTimeLimit(this.#service.timeoutMs, async (signal) => {
      const hello = await peekHello(stream, leftover, signal);
      await this.#handshakes.turn(connection, stream);
      return await this.#service.accept(stream, hello, serverName, signal);
    });
    tuned(connection, secured);
  }
}

/** Begins the protected session. */
export function tuned(connection: ProfileConnection, secured: SecuredStream): void {
  announceTls(connection, secured);
  connection.renew(secured.stream, { security: secured });
}

/** Tells the operator of the protection of a session. */
export function announceTls(connection: ProfileConnection, secured: SecuredStream): void {
  const { protocol, cipher, resumed = false, authorized, reason, peerCertificate } = secured;
  const legacy = protocol === 'TLSv1' || protocol === 'TLSv1.1';
  events.tuned.publish({
    session: connection.id,
    remote: connection.remote.address,
    protocol,
    cipher,
    resumed,
    authorized,
    ...(peerCertificate === undefined ? {} : { certificate: namedBy(peerCertificate) }),
    ...(reason === undefined ? {} : { reason }),
    legacy,
  });
}

/** Whom a certificate names, for the log. */
function namedBy(certificate: Buffer): string {
  try {
    const { mailboxes, instantInboxes, domains } = certificateNames(certificate);
    return [...new Set([...mailboxes, ...instantInboxes, ...domains])].join(' ') || 'nobody';
  } catch {
    return 'unreadable';
  }
}
