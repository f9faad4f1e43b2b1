/** Latencies of single messages: percentiles and a histogram. */
import { type Bucket, histogram } from './histogram.js';
import { percentile } from './measure.js';

/** Milliseconds of messages sent one after the other, each until its answer. */
export interface Latency {
  readonly p50Ms: number;
  readonly p90Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  readonly p999Ms: number;
  readonly maximumMs: number;
  readonly histogram: readonly Bucket[];
}

export function latencyOf(samples: readonly number[]): Latency {
  const sorted = [...samples].sort((a, b) => a - b);
  return {
    p50Ms: percentile(sorted, 0.5),
    p90Ms: percentile(sorted, 0.9),
    p95Ms: percentile(sorted, 0.95),
    p99Ms: percentile(sorted, 0.99),
    p999Ms: percentile(sorted, 0.999),
    maximumMs: percentile(sorted, 1),
    histogram: histogram(sorted),
  };
}
