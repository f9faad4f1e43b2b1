/** Counts the open sessions of a node and what they wait for, in portions, so that many thousands hold nobody up. */
import type { SessionCounts } from '../ops/status.js';
import type { Connection } from './connection.js';

/** A millisecond's worth. */
const PORTION = 2000;

export async function countSessions(drivers: readonly Iterable<Connection>[]): Promise<SessionCounts> {
  const counts = {
    listener: 0,
    initiator: 0,
    strangers: 0,
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
  };
  let seen = 0;
  for (const driver of drivers.flatMap((some) => [...some])) {
    if (!driver.ended) count(driver, counts);
    seen += 1;
    if (seen % PORTION === 0) await new Promise((resolve) => setImmediate(resolve));
  }
  return counts;
}

function count(driver: Connection, counts: { -readonly [Name in keyof SessionCounts]: number }): void {
  const { kind } = driver.identity;
  counts[driver.role] += 1;
  counts[kind === 'none' ? 'strangers' : kind === 'relay' ? 'relays' : 'endpoints'] += 1;
  if (driver.privacy) counts.private += 1;
  if (driver.blocked) counts.blocked += 1;
  for (const { number } of driver.channels) {
    const info = driver.channelInfo(number);
    if (info === undefined) continue;
    counts.channels += 1;
    counts.unsentOctets += info.unsentOctets;
    const window = driver.windowOf(number);
    counts.windowOctets += window;
    counts.owed += info.owed;
    counts.awaited += info.awaiting;
    if (info.unsentOctets > 0 && window === 0) counts.shut += 1;
  }
}
