/** A run of the torture as a table. */
import type { Tally } from './ledger.js';
import type { Sample, TortureResult } from './torture.js';

export function report({
  disturbances,
  leftOut,
  misbehaviours,
  live,
  held,
  hostile,
  samples,
  violations,
}: TortureResult): string {
  return [
    ...section(
      'disturbance',
      [...disturbances].map(([name, count]) => [name, String(count)]),
    ),
    ...[...leftOut].map(([name, why]) => `  left out: ${name}: ${why}`),
    ...section(
      'misbehaviour of the neighbour',
      [...misbehaviours].map(([name, count]) => [name, String(count)]),
    ),
    ...section('honest messages', [
      ['live', tallied(live)],
      ['held', tallied(held)],
      ['to the hostile neighbour', `${hostile.sent} sent: ${said(hostile.answers)}`],
    ]),
    ...section(
      'relay',
      [...samples].map(([domain, list]) => [domain, growth(list)]),
    ),
    violations.length === 0 ? 'No violation.' : `${violations.length} violations:`,
    ...violations.slice(0, 40).map((one) => `  ${one}`),
  ].join('\n');
}

function section(title: string, rows: readonly (readonly [string, string])[]): string[] {
  return [title, ...rows.map(([name, text]) => `  ${name.padEnd(52)} ${text}`)];
}

function said(answers: ReadonlyMap<string, number>): string {
  return [...answers]
    .sort(([a], [b]) => b.localeCompare(a))
    .map(([answer, count]) => `${answer} ${count}`)
    .join(', ');
}

function tallied({ sent, answers, delivered, deliveredTwice, p50, p99, slowest }: Tally): string {
  return `${sent} sent: ${said(answers)}; ${delivered} delivered, ${deliveredTwice} of them more than once; answered in ${p50.toFixed(0)} / ${p99.toFixed(0)} / ${slowest.toFixed(0)} ms (p50, p99, slowest)`;
}

function growth(samples: readonly Sample[]): string {
  const last = samples.at(-1);
  if (last === undefined) return 'not seen';
  const rss = slopePerHour(samples, ({ rss: octets }) => octets / 1_048_576);
  const heap = slopePerHour(samples, (sample) => sample.heap / 1_048_576);
  const descriptors = slopePerHour(samples, (sample) => sample.descriptors);
  return `${Math.round(last.rss / 1_048_576)} MiB resident (${rss.toFixed(1)} MiB/h), heap ${Math.round(last.heap / 1_048_576)} MiB (${heap.toFixed(1)} MiB/h), ${last.descriptors} descriptors (${descriptors.toFixed(1)}/h)`;
}

/** Least squares over the later half: what a process needs at first is no growth. */
export function slopePerHour(samples: readonly Sample[], value: (sample: Sample) => number): number {
  const later = samples.slice(samples.length >> 1);
  const mean = (of: (sample: Sample) => number): number => later.reduce((sum, one) => sum + of(one), 0) / later.length;
  const hours = ({ ms }: Sample): number => ms / 3_600_000;
  const [x, y] = [mean(hours), mean(value)];
  const spread = later.reduce((sum, one) => sum + (hours(one) - x) ** 2, 0);
  return spread === 0 ? 0 : later.reduce((sum, one) => sum + (hours(one) - x) * (value(one) - y), 0) / spread;
}
