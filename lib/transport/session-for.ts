/** Makes the BEEP session of a connection: what is offered and allowed there, by what is known of its peer. */
import type { Holder } from '../beep/inbound.js';
import { Session } from '../beep/session.js';
import type { Reply } from '../errors.js';
import type { ConnectionRules, RemoteAddress } from './connection-options.js';
import type { Conditions } from './profile.js';

/** 2/3 of the segment size of the loopback interface and of Ethernet (RFC 3081 §3.1.4). */
const LOOPBACK_FRAME_OCTETS = 43_655;
const FRAME_OCTETS = 973;

/** The connection, as far as it matters here. */
interface Connection extends Holder {
  readonly remote: RemoteAddress;
  readonly conditions: Conditions;
  readonly known: boolean;
}

/** @param more why the session is refused, and the server name agreed on before tuning; undefined without */
export function sessionFor(
  connection: Connection,
  { role, profiles, limits }: ConnectionRules,
  { refuse, serverName }: { readonly refuse: Reply | undefined; readonly serverName: string | undefined },
): Session {
  const { remote, conditions, known } = connection;
  const loopback = remote.address === '::1' || remote.address.includes('127.0.0.');
  return new Session({
    role,
    profiles: profiles.offered(conditions),
    isTuning: profiles.isTuning,
    holder: connection,
    frameOctets: loopback ? LOOPBACK_FRAME_OCTETS : FRAME_OCTETS,
    limits: {
      channels: limits.channels,
      messageOctets: known ? limits.messageOctets : limits.unauthenticatedMessageOctets,
    },
    ...(refuse === undefined ? {} : { refuse }),
    ...(serverName === undefined ? {} : { serverName }),
  });
}
