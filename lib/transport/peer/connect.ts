/** Connects to a BEEP listener by TCP or WebSocket, puts the session under TLS and authenticates as asked. */
import { parseRelayUrl } from '../../config/relay-url.js';
import type { ImxpError } from '../../errors.js';
import { dial } from '../dialer.js';
import { ProfileTable } from '../profile.js';
import type { Credentials } from '../sasl/client.js';
import type { TlsMaterial } from '../tls/native.js';
import { BeepConnection } from './connection.js';
import { limitsOf, type PeerOptions, tlsOf } from './options.js';
import { ApplicationProfile, type BeepProfile } from './profile.js';

export interface ConnectOptions extends PeerOptions {
  /** What this side serves on the session. */
  readonly profiles?: readonly BeepProfile[];
  /**
   * `require`: the TLS profile, with a certificate that names the server, or no session; `prefer`: TLS where it is
   * offered, verified or not; default `off`.
   */
  readonly tls?: 'off' | 'prefer' | 'require';
  /** The name that the certificate must have and that goes into serverName; the host of the URL unless given. */
  readonly serverName?: string;
  /** PEM: `authority` holds the trusted CAs (default: Node's bundled list), `certificate` and `key` are this side's own. */
  readonly material?: TlsMaterial;
  /** Who this side is; without it the session stays unauthenticated. */
  readonly credentials?: Credentials;
}

/**
 * Opens a session that is ready for use.
 *
 * @param url `tcp://host:port`, `ws://host:port/path` or `wss://host:port/path`
 * @throws TransportError CONNECT_FAILED or TIMED_OUT, RefusedError BEEP_UNAVAILABLE, SASL_REFUSED or TLS_REFUSED,
 * RemoteProtocolError TLS_FAILED, LocalError TLS_REQUIRED or SASL_NO_MECHANISM
 */
export async function connect(url: string, options: ConnectOptions = {}): Promise<BeepConnection> {
  const { profiles = [], tls = 'off', material = {}, credentials, frameOctets } = options;
  const relay = parseRelayUrl(url);
  const limits = limitsOf(options.limits);
  let end: (error: ImxpError | undefined) => void = () => {};
  const closed = new Promise<ImxpError | undefined>((resolve) => {
    end = resolve;
  });
  const connection = await dial({
    relays: [relay],
    domain: options.serverName ?? relay.host,
    tls,
    service: tlsOf(material, limits),
    profiles: new ProfileTable(profiles.map((profile) => new ApplicationProfile(profile))),
    limits,
    owner: { ended: (_connection, error) => end(error) },
    ...(credentials === undefined ? {} : { credentials }),
    ...(frameOctets === undefined ? {} : { frameOctets }),
  });
  return new BeepConnection(connection, closed);
}
