/** Rates, and percentiles of latencies, between two status samples of a node. Pure functions. */
import type { HopStatus, NodeStatus } from '../../lib/ops/status.js';

export interface HopFigures {
  readonly name: string;
  readonly perSecond: number;
  readonly failedPerSecond: number;
  readonly octetsPerSecond: number;
  /** Milliseconds; undefined when nothing was measured. */
  readonly p50: number | undefined;
  readonly p99: number | undefined;
}

export interface Figures {
  readonly hops: readonly HopFigures[];
  readonly total: HopFigures;
  /** Fraction of one processor. */
  readonly cpu: number;
}

/** @param seconds between the two samples; without an earlier sample, figures are since the start of the node */
export function figures(now: NodeStatus, before: NodeStatus | undefined, seconds: number): Figures {
  // A node that was restarted has counted from zero.
  const same = before !== undefined && before.process.pid === now.process.pid && before.started <= now.started;
  const earlier = new Map(same ? before.hops.map((hop) => [hop.name, hop]) : []);
  const time = Math.max(same ? seconds : now.uptimeSeconds, 0.001);
  const between = now.hops.map((hop) => difference(hop, earlier.get(hop.name)));
  const bounds = now.latencyBoundsMs;
  return {
    hops: between.map((hop) => figuresOf(hop, time, bounds)),
    total: figuresOf(between.reduce(sum, nothing(now)), time, bounds),
    cpu: (now.process.cpuSeconds - (same ? before.process.cpuSeconds : 0)) / time,
  };
}

function nothing({ latencyBoundsMs }: NodeStatus): HopStatus {
  const buckets = new Array<number>(latencyBoundsMs.length + 1).fill(0);
  return { name: 'all', delivered: 0, transient: 0, permanent: 0, octets: 0, timedMs: 0, buckets };
}

function combined(a: HopStatus, b: HopStatus | undefined, factor: number): HopStatus {
  return {
    name: a.name,
    delivered: a.delivered + factor * (b?.delivered ?? 0),
    transient: a.transient + factor * (b?.transient ?? 0),
    permanent: a.permanent + factor * (b?.permanent ?? 0),
    octets: a.octets + factor * (b?.octets ?? 0),
    timedMs: a.timedMs + factor * (b?.timedMs ?? 0),
    buckets: a.buckets.map((count, at) => count + factor * (b?.buckets[at] ?? 0)),
  };
}

const difference = (a: HopStatus, b: HopStatus | undefined): HopStatus => combined(a, b, -1);
const sum = (a: HopStatus, b: HopStatus): HopStatus => combined(a, b, 1);

function figuresOf(hop: HopStatus, seconds: number, bounds: readonly number[]): HopFigures {
  const failed = hop.transient + hop.permanent;
  return {
    name: hop.name,
    perSecond: (hop.delivered + failed) / seconds,
    failedPerSecond: failed / seconds,
    octetsPerSecond: hop.octets / seconds,
    p50: percentile(hop.buckets, bounds, 0.5),
    p99: percentile(hop.buckets, bounds, 0.99),
  };
}

/** The latency below which this share lies, interpolated linearly within its bucket. */
export function percentile(buckets: readonly number[], bounds: readonly number[], share: number): number | undefined {
  const total = buckets.reduce((all, count) => all + count, 0);
  if (total === 0) return undefined;
  let below = 0;
  for (const [at, count] of buckets.entries()) {
    if (count > 0 && below + count >= share * total) {
      const low = bounds[at - 1] ?? 0;
      // Above the last bound nothing more is known.
      const high = bounds[at] ?? low;
      return low + (high - low) * ((share * total - below) / count);
    }
    below += count;
  }
  return bounds.at(-1);
}
