/**
 * Formats a histogram in the text format of Prometheus from buckets that were counted elsewhere; prom-client only
 * supports histograms that receive each observation.
 */

export interface HistogramSeries {
  /** The value of the label. */
  readonly name: string;
  /** Number of observations in each bucket, and one more for those above all bounds. */
  readonly buckets: readonly number[];
  readonly timedMs: number;
}

export interface HistogramOptions {
  readonly name: string;
  readonly help: string;
  readonly label: string;
  readonly boundsMs: readonly number[];
  readonly series: readonly HistogramSeries[];
}

export function histogramText({ name, help, label, boundsMs, series }: HistogramOptions): string {
  const lines = [`# HELP ${name} ${help}`, `# TYPE ${name} histogram`];
  for (const one of series) {
    const value = one.name.replace(/[\\"\n]/g, (character) => (character === '\n' ? '\\n' : `\\${character}`));
    const labels = `${label}="${value}"`;
    let count = 0;
    for (const [at, bucket] of one.buckets.entries()) {
      count += bucket;
      const bound = boundsMs[at];
      const le = bound === undefined ? '+Inf' : String(bound / 1000);
      lines.push(`${name}_bucket{le="${le}",${labels}} ${count}`);
    }
    lines.push(`${name}_sum{${labels}} ${one.timedMs / 1000}`, `${name}_count{${labels}} ${count}`);
  }
  return `${lines.join('\n')}\n`;
}
