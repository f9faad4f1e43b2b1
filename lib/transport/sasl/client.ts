/**
 * Authenticates this side on a session: chooses the strongest acceptable mechanism, carries the exchange over a channel
 * of its profile, and installs a security layer if one was negotiated.
 */

import type { Limits } from '../../config/limits.js';
import { ImxpError, RefusedError, RemoteProtocolError, TransportError } from '../../errors.js';
import { events } from '../../ops/events.js';
import { ClientExchange, type ClientTurn } from '../../sasl/client.js';
import { chooseMechanism } from '../../sasl/registry.js';
import type { ClientSettings } from '../../sasl/settings.js';
import { ask } from '../ask.js';
import type { ChannelHandle } from '../channel.js';
import type { Connection } from '../connection.js';
import { channelBindings } from '../tls/channel-bindings.js';
import { LayerStream } from './layer-stream.js';
import { SASL_ERRORS } from './profile.js';

/** Who this side is, and how it may prove it. */
export type Credentials = Pick<
  ClientSettings,
  'username' | 'password' | 'realm' | 'authzid' | 'mechanisms' | 'useCertificate' | 'qops'
>;

export interface SaslDemand {
  /** The domain whose relay is asked; names the server in DIGEST-MD5. */
  readonly domain: string;
  readonly limits: { readonly session: Pick<Limits['session'], 'tuningTimeoutMs'> };
}

/**
 * Authenticates to the peer.
 *
 * @throws RefusedError SASL_REFUSED, LocalError SASL_NO_MECHANISM, RemoteProtocolError SASL_SERVER_UNPROVEN …
 */
export async function authenticate(
  connection: Connection,
  credentials: Credentials,
  demand: SaslDemand,
): Promise<void> {
  const ms = demand.limits.session.tuningTimeoutMs;
  const timer = setTimeout(() => {
    connection.destroy(new TransportError('TIMED_OUT', `the authentication took longer than ${ms} ms`));
  }, ms);
  try {
    await exchange(connection, credentials, demand);
  } finally {
    clearTimeout(timer);
  }
}

async function exchange(connection: Connection, credentials: Credentials, { domain }: SaslDemand): Promise<void> {
  const { security } = connection;
  // RFC 3080 §9: the greeting from before TLS is discarded; only that under TLS counts.
  const candidate = chooseMechanism(connection.peer?.profiles ?? [], {
    ...credentials,
    host: domain,
    privacy: connection.privacy,
    // The password itself is only for a server whose certificate was verified: with TLS but without proof of the server
    // (`prefer`), a man in the middle could remove all mechanisms but PLAIN from the greeting and obtain the password.
    verified: security?.authorized === true,
    ...(security === undefined ? {} : { channelBindings: channelBindings(security) }),
  });
  const client = new ClientExchange(candidate.create());
  const content = await client.start();
  const profile = { uri: candidate.uri, ...(content === undefined ? {} : { content }) };
  const started = await begin(connection, profile, domain);
  let turn = await client.started(started.content);
  while (turn.type === 'send') {
    const answer = ask(started.channel, turn.payload);
    connection.resume();
    turn = await client.receive((await answer).payload);
  }
  if (turn.type === 'abort') return abandon(connection, started.channel, turn);
  const { username = 'the certificate' } = credentials;
  const { id: session, remote } = connection;
  events.authenticated.publish({
    session,
    remote: remote.address,
    mechanism: candidate.name,
    identity: username,
    side: 'self',
  });
  if (turn.layer === undefined) {
    connection.resume();
    retire(connection, started.channel);
    return;
  }
  const { stream, leftover } = connection.handOverNow();
  connection.renew(new LayerStream(stream, turn.layer, leftover), {});
  await connection.greeted();
}

/** The channel has done its work. A peer that wants to keep it may; nothing more is said there. */
function retire(connection: Connection, channel: ChannelHandle): void {
  connection.closeChannel(channel.number, 200, '').catch((error: unknown) => {
    if (!(error instanceof ImxpError)) throw error;
  });
}

async function begin(connection: Connection, profile: { uri: string; content?: string }, serverName: string) {
  try {
    return await connection.start({ profiles: [profile], serverName }, { codec: SASL_ERRORS, tuning: true });
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    throw new RefusedError('SASL_REFUSED', error.reply, `the peer refused the login: ${error.message}`);
  }
}

async function abandon(
  connection: Connection,
  channel: ChannelHandle,
  turn: Extract<ClientTurn, { type: 'abort' }>,
): Promise<never> {
  const answer = ask(channel, turn.payload);
  connection.resume();
  await answer.catch((error: unknown) => {
    // What the peer says to an abort does not matter; the reason for it does.
    if (!(error instanceof TransportError) && !(error instanceof RemoteProtocolError)) throw error;
  });
  throw turn.error;
}
