/** The ways a peer can come, for suites that run over each: listeners and clients of the wire. */

import type { Socket } from 'node:net';
import { DEFAULT_LIMITS, type Limits } from '../../lib/config/limits.js';
import { parseRelayUrl, type RelayLocation } from '../../lib/config/relay-url.js';
import { MESH_NAMING } from '../../lib/mesh/certificate.js';
import { ConnectionSetup, type ConnectionSetupOptions } from '../../lib/transport/connection-setup.js';
import { TlsService } from '../../lib/transport/tls/service.js';
import { type Reached, reach } from '../../lib/transport/web/client.js';
import { TestAuthority } from './certificates.js';
import { limitsWith, type SomeLimits } from './limits.js';
import type { Transport } from './raw-websocket.js';

export { TRANSPORTS } from './raw-websocket.js';

interface Parties {
  readonly authority: TestAuthority;
  readonly server: TlsService;
  readonly client: TlsService;
}

let made: Parties | undefined;

/** A TLS server for example.com and a client that believes it; made once. */
export function parties(): Parties {
  if (made !== undefined) return made;
  const authority = new TestAuthority();
  const { certificate, key } = authority.issue({ domains: ['example.com'] });
  const service = (material: object): TlsService =>
    new TlsService({ naming: MESH_NAMING, common: material, domains: new Map(), revocations: [], timeoutMs: 5000 });
  made = {
    authority,
    server: service({ certificate, key, authority: authority.certificate }),
    client: service({ authority: authority.certificate }),
  };
  return made;
}

/** What a listener of a transport has in front of BEEP. */
export function setupOf(
  transport: Transport | 'any',
  limits: SomeLimits = {},
  more: Partial<ConnectionSetupOptions> = {},
): { readonly setup?: ConnectionSetup } {
  if (transport === 'tcp') return {};
  const rules = { path: '/', origins: [], knows: () => false };
  const setup = new ConnectionSetup({
    transport,
    rules,
    tls: parties().server,
    limits: limitsWith(limits),
    ...more,
  });
  return { setup };
}

export function locationOf(transport: Transport, port: number): RelayLocation {
  return parseRelayUrl(`${transport}://127.0.0.1:${port}`);
}

/** Brings a connection to where BEEP begins, by the code under test. */
export function reached(transport: Transport, socket: Socket, limits: Limits = DEFAULT_LIMITS): Promise<Reached> {
  if (transport === 'tcp') return Promise.resolve({ stream: socket });
  const location = locationOf(transport, socket.remotePort ?? 0);
  return reach(
    location,
    socket,
    { domain: 'example.com', tls: 'require', service: parties().client, limits },
    'modern',
  );
}
