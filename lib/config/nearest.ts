/** Finds the word that a misspelt one was probably meant to be. */

/** Counts the insertions, deletions, replacements and swaps of neighbours from `a` to `b`. */
export function editDistance(a: string, b: string): number {
  const rows: number[][] = [Array.from({ length: b.length + 1 }, (_, column) => column)];
  for (let i = 1; i <= a.length; i += 1) {
    const above = rows[i - 1] ?? [];
    const row = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let least = Math.min((above[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (above[j - 1] ?? 0) + same);
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        least = Math.min(least, (rows[i - 2]?.[j - 2] ?? 0) + 1);
      }
      row.push(least);
    }
    rows.push(row);
  }
  return rows[a.length]?.[b.length] ?? 0;
}

/** Returns the nearest of some words; undefined if none is near enough. */
export function nearest(word: string, known: readonly string[]): string | undefined {
  let best: string | undefined;
  let least = Number.POSITIVE_INFINITY;
  const wanted = word.toLowerCase();
  for (const candidate of known) {
    const other = candidate.toLowerCase();
    // The most likely slip is a missing unit or plural: greetingTimeout for greetingTimeoutMs.
    const begun = other !== wanted && (other.startsWith(wanted) || wanted.startsWith(other));
    const near = begun ? 1 : editDistance(wanted, other);
    if (near < least) [best, least] = [candidate, near];
  }
  return least <= Math.max(2, Math.floor(word.length / 3)) ? best : undefined;
}
