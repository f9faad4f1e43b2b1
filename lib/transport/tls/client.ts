/**
 * TLS profile on the client's side (RFC 3080 §3.1.3.1): sends `ready`, stays silent until the answer, and begins the
 * handshake on `proceed`.
 */
import { LocalError, RefusedError } from '../../errors.js';
import { READY, TLS_DRAFT_URI, TLS_URI } from '../../tls/message.js';
import { acceptProceed, octetsForTls } from '../../tls/tuning.js';
import type { Connection } from '../connection.js';
import type { ChannelUse } from '../pending-requests.js';
import type { DaneProof } from './dane.js';
import { TLS_ERRORS, tuned } from './profile.js';
import type { TlsService, TlsStack } from './service.js';

/** What the dialer needs to protect a session. */
export interface TlsDemand {
  /** Whose relay the server must be. */
  readonly domain: string;
  /** `prefer`: with TLS where the peer offers it, verified or not; `require`: verified or not at all. */
  readonly tls: 'off' | 'prefer' | 'require';
  readonly service: TlsService;
  /** What proves the server instead of an authority. */
  readonly dane?: DaneProof;
}

const USE: ChannelUse = { codec: TLS_ERRORS, tuning: true };

/**
 * Puts the session under TLS as demanded.
 *
 * @param stack how old the server may be
 * @throws LocalError TLS_REQUIRED, RefusedError TLS_REFUSED, RemoteProtocolError TLS_FAILED | TLS_INJECTED
 */
export async function secure(connection: Connection, demand: TlsDemand, stack: TlsStack = 'modern'): Promise<void> {
  // TLS underneath, with a certificate that was checked for the same domain.
  if (demand.tls === 'off' || connection.privacy) return;
  const offered = connection.peer?.profiles ?? [];
  const uri = [TLS_URI, TLS_DRAFT_URI].find((candidate) => offered.includes(candidate));
  if (uri === undefined) {
    if (demand.tls === 'prefer') return;
    // RFC 3080 §9: a man in the middle can strip the offer; without TLS nothing more is sent.
    throw new LocalError('TLS_REQUIRED', `the server of ${demand.domain} does not offer TLS, which is required`);
  }
  if (!(await proceeds(connection, uri, demand))) return;
  const { stream, leftover } = connection.handOverNow();
  try {
    octetsForTls(leftover, 'client');
  } catch (error) {
    stream.destroy();
    throw error;
  }
  const secured = await demand.service.connect(
    stream,
    demand.domain,
    demand.tls === 'prefer',
    stack,
    connection.remote,
    demand.dane,
  );
  tuned(connection, secured);
  await connection.greeted();
}

/** @returns false when the peer refuses and that is acceptable */
async function proceeds(connection: Connection, uri: string, demand: TlsDemand): Promise<boolean> {
  try {
    const started = await connection.start(
      { profiles: [{ uri, content: READY }], serverName: demand.domain },
      USE,
      true,
    );
    try {
      acceptProceed(started.content ?? Buffer.alloc(0));
    } catch (error) {
      if (error instanceof RefusedError) await goOn(connection, started.channel.number);
      throw error;
    }
    return true;
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    if (demand.tls === 'require') {
      throw new RefusedError(
        'TLS_REFUSED',
        error.reply,
        `the server of ${demand.domain} refused TLS: ${error.message}`,
      );
    }
    connection.resume();
    return false;
  }
}

/** The channel exists although TLS was refused; while it does, no other tuning channel may (RFC 3080 §2). */
async function goOn(connection: Connection, channel: number): Promise<void> {
  connection.resume();
  await connection.closeChannel(channel, 200, '');
}
