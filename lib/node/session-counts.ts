/**
 * Counts the open sessions of a node and what they wait for, in portions, so that many thousands do not block the event
 * loop.
 */

import { identityOf } from '../mesh/identity.js';
import type { SessionCounts } from '../ops/status.js';
import type { Connection } from '../transport/connection.js';

/** A millisecond's worth. */
const PORTION = 2000;

export const NO_SESSIONS: SessionCounts = Object.freeze({
  listener: 0,
  initiator: 0,
  unauthenticated: 0,
  endpoints: 0,
  relays: 0,
  private: 0,
  blocked: 0,
  channels: 0,
  shut: 0,
  unsentOctets: 0,
  windowOctets: 0,
  owed: 0,
  awaited: 0,
});

export async function countSessions(connections: readonly Iterable<Connection>[]): Promise<SessionCounts> {
  const counts = { ...NO_SESSIONS };
  let seen = 0;
  for (const connection of connections.flatMap((some) => [...some])) {
    if (!connection.ended) count(connection, counts);
    seen += 1;
    if (seen % PORTION === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return counts;
}

function count(connection: Connection, counts: { -readonly [Name in keyof SessionCounts]: number }): void {
  const { kind } = identityOf(connection.identity);
  counts[connection.role] += 1;
  counts[kind === 'none' ? 'unauthenticated' : kind === 'relay' ? 'relays' : 'endpoints'] += 1;
  if (connection.privacy) counts.private += 1;
  if (connection.blocked) counts.blocked += 1;
  for (const { number } of connection.channels) {
    const info = connection.channelInfo(number);
    if (info === undefined) continue;
    counts.channels += 1;
    counts.unsentOctets += info.unsentOctets;
    const window = connection.windowOf(number);
    counts.windowOctets += window;
    counts.owed += info.owed;
    counts.awaited += info.awaiting;
    if (info.unsentOctets > 0 && window === 0) counts.shut += 1;
  }
}
