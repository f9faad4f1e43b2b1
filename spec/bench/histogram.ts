/** How samples of milliseconds are spread: on one logarithmic scale for all paths, so that they can be laid side by side. */

/** Columns of the scale from one power of ten to the next. */
const PER_DECADE = 12;
const BARS = ' ▁▂▃▄▅▆▇█';

export interface Bucket {
  readonly fromMs: number;
  readonly toMs: number;
  readonly count: number;
}

/** A little is added, so that the edge of a column lies in it however it was rounded. */
const column = (ms: number): number => Math.floor(Math.log10(ms) * PER_DECADE + 1e-9);
const edge = (at: number): number => 10 ** (at / PER_DECADE);

/** The samples in columns of the scale, from the first that has any to the last. */
export function histogram(samples: readonly number[]): readonly Bucket[] {
  const counts = new Map<number, number>();
  for (const ms of samples) counts.set(column(ms), (counts.get(column(ms)) ?? 0) + 1);
  const present = [...counts.keys()];
  const [first, last] = [Math.min(...present), Math.max(...present)];
  const buckets: Bucket[] = [];
  for (let at = first; at <= last; at += 1) {
    buckets.push({ fromMs: edge(at), toMs: edge(at + 1), count: counts.get(at) ?? 0 });
  }
  return buckets;
}

/** One bar for each column, as high as its share of the highest; a point where there is too little for the lowest bar. */
function bars(buckets: readonly Bucket[], first: number, last: number): string {
  const highest = Math.max(...buckets.map(({ count }) => count));
  const counts = new Map(buckets.map(({ fromMs, count }) => [column(fromMs), count]));
  let text = '';
  for (let at = first; at <= last; at += 1) {
    const count = counts.get(at) ?? 0;
    const height = Math.round((count / highest) * (BARS.length - 1));
    text += count > 0 && height === 0 ? '·' : (BARS[height] ?? ' ');
  }
  return text;
}

/** The axis of {@link drawn}: 1, 2 and 5 of each power of ten that has room. */
function axis(first: number, last: number): string {
  const marks = Array.from({ length: last - first + 1 }, () => ' ');
  for (let power = -3; power <= 4; power += 1) {
    for (const digit of [1, 2, 5]) {
      const label = `${Number((digit * 10 ** power).toPrecision(1))}`;
      const at = column(digit * 10 ** power) - first;
      if (at >= 0 && at + label.length <= marks.length) marks.splice(at, label.length, ...label);
    }
  }
  return marks.join('');
}

/**
 * Several histograms as lines of the same scale.
 *
 * @returns the axis, then a line for each
 */
export function drawn(histograms: readonly (readonly Bucket[])[]): readonly string[] {
  const columns = histograms.flatMap((buckets) => buckets.map(({ fromMs }) => column(fromMs)));
  const [first, last] = [Math.min(...columns), Math.max(...columns)];
  return [axis(first, last), ...histograms.map((buckets) => bars(buckets, first, last))];
}
