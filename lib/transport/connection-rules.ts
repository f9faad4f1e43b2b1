/** What holds for all connections of a listener or a dialer, and the BEEP session that each of them begins with. */
import type { ReassemblyObserver } from '../beep/inbound.js';
import { type Role, Session } from '../beep/session.js';
import type { Limits } from '../config/limits.js';
import type { Reply } from '../errors.js';
import type { NetworkAddress } from './network.js';
import type { ChannelRules } from './open-channels.js';
import type { ChannelConditions } from './profile.js';
import type { ReassemblyBudget } from './reassembly-budget.js';

export type ConnectionLimits = Pick<Limits, 'session' | 'unauthenticated' | 'data'>;

/** Made once for all connections of a listener or a dialer. */
export interface ConnectionRules extends ChannelRules {
  readonly role: Role;
  readonly limits: ConnectionLimits;
  /** Counts what sessions hold of messages that are not complete. */
  readonly reassembly?: ReassemblyBudget;
}

/** 2/3 of the segment size of the loopback interface and of Ethernet (RFC 3081 §3.1.4). */
const LOOPBACK_FRAME_OCTETS = 43_655;
const FRAME_OCTETS = 973;

/** The connection that a session begins on. */
interface SessionConnection extends ReassemblyObserver {
  readonly remote: NetworkAddress;
  readonly conditions: ChannelConditions;
  readonly known: boolean;
}

/**
 * Makes the BEEP session of a connection: what is offered and allowed follows from what is known of the peer.
 *
 * @param refuse why the session is refused, if it is (RFC 3080 §2.4)
 * @param serverName the server name agreed on before tuning, if any
 */
export function newSession(
  connection: SessionConnection,
  { role, profiles, limits }: ConnectionRules,
  refuse: Reply | undefined,
  serverName: string | undefined,
): Session {
  const { remote, conditions, known } = connection;
  const loopback = remote.address === '::1' || remote.address.includes('127.0.0.');
  return new Session({
    role,
    profiles: profiles.offered(conditions),
    isTuning: profiles.isTuning,
    reassemblyObserver: connection,
    frameOctets: loopback ? LOOPBACK_FRAME_OCTETS : FRAME_OCTETS,
    limits: {
      channels: limits.session.channels,
      messageOctets: (known ? limits.session : limits.unauthenticated).messageOctets,
    },
    ...(refuse === undefined ? {} : { refuse }),
    ...(serverName === undefined ? {} : { serverName }),
  });
}
