/** Listens for BEEP sessions and serves an application's profiles on them, over TCP or WebSocket, with TLS and SASL. */
import { randomBytes } from 'node:crypto';
import type { ImxpError } from '../../errors.js';
import { NonceCache } from '../../sasl/nonce-cache.js';
import type { Authorize } from '../../sasl/settings.js';
import { type CredentialStore, makeVerifier, type Verifier } from '../../sasl/verifier.js';
import type { Connection } from '../connection.js';
import { ConnectionSetup } from '../connection-setup.js';
import { Listener } from '../listener.js';
import { LoginThrottle } from '../login-throttle.js';
import { ProfileTable, type ServedProfile } from '../profile.js';
import { ReassemblyBudget } from '../reassembly-budget.js';
import { SaslProfile } from '../sasl/profile.js';
import { ServedNames } from '../served-names.js';
import { Handshakes } from '../tls/handshakes.js';
import type { TlsMaterial } from '../tls/native.js';
import { TlsProfile } from '../tls/profile.js';
import type { TlsService } from '../tls/service.js';
import { BeepConnection } from './connection.js';
import { limitsOf, type PeerOptions, tlsOf } from './options.js';
import { ApplicationProfile, type BeepProfile } from './profile.js';

/**
 * Makes what is kept of a user name and its password to authenticate its owner; the password goes no further.
 *
 * @param realms the realms of {@link SaslOptions}
 * @throws LocalError ARGUMENT for a password that is empty or has characters that SASLprep (RFC 4013) prohibits
 */
export function verifierFor(username: string, password: string, realms: readonly string[] = []): Promise<Verifier> {
  return makeVerifier(username, password, { realms, verbatim: true });
}

/** How peers authenticate. Without it no peer does, and the limits for unauthenticated peers do not apply. */
export interface SaslOptions {
  /** SASL mechanisms, such as `SCRAM-SHA-256` and `DIGEST-MD5`. */
  readonly mechanisms: readonly string[];
  readonly accounts: CredentialStore;
  /** DIGEST-MD5 realms; the first completes user names without `@`. */
  readonly realms?: readonly string[];
  /** Whether an account may act under another name; under its own alone unless given. */
  readonly authorize?: Authorize;
  /** At least 16 octets that stay the same after a restart; random unless given. */
  readonly secret?: Buffer;
}

export interface ListenOptions extends PeerOptions {
  /** The address to listen on; that of the loopback interface unless given. */
  readonly host?: string;
  /** 0, the default, has the system choose. */
  readonly port?: number;
  /** The profiles that peers may start. */
  readonly profiles?: readonly BeepProfile[];
  /** Further ones that work on connections themselves: `MeshProfile` of `imxp/relay` puts a relay on the listener. */
  readonly transportProfiles?: readonly ServedProfile[];
  /** `any` takes TCP, ws and, with a certificate, wss on one port; default `tcp`. */
  readonly transport?: 'tcp' | 'ws' | 'wss' | 'any';
  /** Path of the WebSocket; `/` unless given. */
  readonly path?: string;
  /** Pages that may connect by WebSocket, as `https://chat.example.com`; `*` for all. */
  readonly origins?: readonly string[];
  /** Certificate and key, PEM; the TLS profile is offered when they are given. */
  readonly tls?: TlsMaterial;
  readonly sasl?: SaslOptions;
  /**
   * Server names under which this side acts (RFC 3080 §2.3.1.2), in any case; any unless given. The host and the address that
   * the peer connected to, and hosts below one of the names, are no names of another, and accepted as well.
   */
  readonly serverNames?: readonly string[];
  /** Called with each session. */
  readonly connected?: (connection: BeepConnection) => void;
}

export class BeepListener {
  readonly #listener: Listener;
  readonly #connections: ReadonlyMap<Connection, BeepConnection>;

  constructor(listener: Listener, connections: ReadonlyMap<Connection, BeepConnection>) {
    this.#listener = listener;
    this.#connections = connections;
  }

  /** The port listened on. */
  get port(): number {
    return this.#listener.port;
  }

  /** The sessions there are. */
  get connections(): BeepConnection[] {
    return [...this.#connections.values()];
  }

  /** Stops listening and ends all sessions in order. @param limitMs how long that may take */
  close(text = '', limitMs?: number): Promise<void> {
    return this.#listener.release(text, limitMs);
  }
}

/**
 * Listens.
 *
 * @throws LocalError CONFIGURATION when the address cannot be listened on or the certificate is unusable
 */
export async function listen(options: ListenOptions): Promise<BeepListener> {
  const { host = '127.0.0.1', port = 0, sasl, serverNames, connected, frameOctets } = options;
  const names = serverNames === undefined ? undefined : new ServedNames(serverNames, []);
  const limits = limitsOf(options.limits);
  const tls = options.tls === undefined ? undefined : tlsOf(options.tls, limits);
  tls?.verify();
  const handshakes = new Handshakes(limits.node.handshakes);
  const throttle = new LoginThrottle(limits.authentication);
  const { profiles: own = [], transportProfiles = [] } = options;
  const profiles: ServedProfile[] = [...own.map((profile) => new ApplicationProfile(profile)), ...transportProfiles];
  if (tls !== undefined) profiles.unshift(new TlsProfile(tls, handshakes));
  if (sasl !== undefined) profiles.push(...SaslProfile.all(settingsOf(sasl), throttle));
  const setup = setupOf(options, tls, handshakes, limits);
  const connections = new Map<Connection, BeepConnection>();
  const ends = new Map<Connection, (error: ImxpError | undefined) => void>();
  const listener = new Listener({
    host,
    port,
    profiles: new ProfileTable(profiles),
    limits,
    throttle,
    reassembly: new ReassemblyBudget(limits.node.unfinishedOctets),
    anonymous: sasl === undefined,
    owner: {
      opened: (connection) => {
        const closed = new Promise<ImxpError | undefined>((resolve) => ends.set(connection, resolve));
        const made = new BeepConnection(connection, closed);
        connections.set(connection, made);
        connected?.(made);
      },
      ended: (connection, error) => {
        ends.get(connection)?.(error);
        ends.delete(connection);
        connections.delete(connection);
      },
    },
    ...(names === undefined ? {} : { serves: (name, local) => names.natureOf(name, [host, local.address]) }),
    ...(frameOctets === undefined ? {} : { frameOctets }),
    ...(setup === undefined ? {} : { setup }),
  });
  await listener.listen();
  return new BeepListener(listener, connections);
}

function settingsOf({ mechanisms, accounts, realms = [], authorize, secret = randomBytes(32) }: SaslOptions) {
  return {
    mechanisms,
    credentials: accounts,
    realms,
    secret,
    nonces: new NonceCache(),
    ...(authorize === undefined ? {} : { authorize }),
  };
}

function setupOf(
  { transport = 'tcp', path = '/', origins = [], host = '127.0.0.1', serverNames = [] }: ListenOptions,
  tls: TlsService | undefined,
  handshakes: Handshakes,
  limits: ReturnType<typeof limitsOf>,
): ConnectionSetup | undefined {
  if (transport === 'tcp') return undefined;
  const names = new ServedNames(serverNames, []);
  const rules = { path, origins, knows: (name: string) => name === host || names.includes(name) };
  return new ConnectionSetup({ transport, rules, handshakes, limits, ...(tls === undefined ? {} : { tls }) });
}
