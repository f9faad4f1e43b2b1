/**
 * Rules that hold for all connections of a listener or a dialer, and the BEEP session that each of them begins with.
 */
import type { Greeting } from '../beep/event.js';
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
  /** True where peers need not authenticate: the limits for unauthenticated peers do not apply. */
  readonly anonymous?: boolean;
  /** Largest payload of one frame in octets; 2/3 of the segment size of the network unless given (RFC 3081 §3.1.4). */
  readonly frameOctets?: number;
}

/** 2/3 of the segment size of the loopback interface and of Ethernet (RFC 3081 §3.1.4). */
const LOOPBACK_FRAME_OCTETS = 43_655;
const FRAME_OCTETS = 973;

/** What stays in effect after a tuning reset. */
export interface BeforeReset {
  /** The server name agreed on (RFC 3080 §2.3.1.2). */
  readonly serverName?: string;
  /** The peer's greeting, where no greetings follow the reset. */
  readonly greeted?: Greeting;
}

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
 * @param before what stays in effect of the session before a tuning reset
 */
export function newSession(
  connection: SessionConnection,
  { role, profiles, limits, frameOctets }: ConnectionRules,
  refuse: Reply | undefined,
  before: BeforeReset,
): Session {
  const { remote, conditions, known } = connection;
  const loopback = remote.address === '::1' || remote.address.includes('127.0.0.');
  return new Session({
    role,
    profiles: profiles.offered(conditions),
    isTuning: profiles.isTuning,
    reassemblyObserver: connection,
    frameOctets: frameOctets ?? (loopback ? LOOPBACK_FRAME_OCTETS : FRAME_OCTETS),
    limits: {
      channels: limits.session.channels,
      messageOctets: (known ? limits.session : limits.unauthenticated).messageOctets,
    },
    ...(refuse === undefined ? {} : { refuse }),
    ...before,
  });
}
