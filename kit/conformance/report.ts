/** Formats results for display. */
import { harmless, paint } from '../../lib/ops/terminal.js';
import { areaOf, type Outcome, type Result } from './check.js';

const WORDS: Readonly<Record<Outcome, string>> = {
  passed: 'ok',
  failed: 'FAILED',
  blocked: 'unjudged',
  skipped: 'skipped',
};
const COLOURS = { passed: 'green', failed: 'red', blocked: 'yellow', skipped: 'dim' } as const;
const WIDTH = Math.max(...Object.values(WORDS).map(({ length }) => length));
const INDENT = ' '.repeat(WIDTH + 4);

const said = (word: string, text: string): string =>
  `${INDENT}${word.padEnd(9)} ${harmless(text).replaceAll('\n', ' ')}`;

/** Formats a check in one line, and a failure with its details. */
function resultText({ id, title, clause, outcome, reason, expected, came, why, remarks, transcript }: Result): string {
  const word = paint(COLOURS[outcome], WORDS[outcome].padEnd(WIDTH));
  const lines = [`  ${word}  ${id}: ${title} (${clause})`];
  if (reason !== undefined) lines.push(said('because', reason));
  if (expected !== undefined) lines.push(said('expected', expected));
  if (came !== undefined) lines.push(said('came', came));
  if (why !== undefined) lines.push(said('why', why));
  for (const remark of remarks) lines.push(said('remark', remark));
  for (const line of transcript) lines.push(`${INDENT}${line}`);
  return lines.join('\n');
}

export type Counts = Record<Outcome, number>;

export const noCounts = (): Counts => ({ passed: 0, failed: 0, blocked: 0, skipped: 0 });

export function summaryText({ passed, failed, blocked, skipped }: Counts, ms: number): string {
  const parts = [`${passed} passed`, `${failed} failed`, `${blocked} could not be judged`, `${skipped} skipped`];
  return `${parts.join(', ')} in ${(ms / 1000).toFixed(1)} s`;
}

/** Formats results under the names of their areas; checks skipped for the same reason share a line. */
export class TextReport {
  #area = '';
  #skipped: Result[] = [];

  *take(result: Result): Generator<string> {
    const area = areaOf(result.id);
    const [first] = this.#skipped;
    if (first !== undefined && (area !== this.#area || result.reason !== first.reason)) yield* this.end();
    if (area !== this.#area) yield paint('bold', area);
    this.#area = area;
    if (result.outcome === 'skipped') this.#skipped.push(result);
    else {
      yield* this.end();
      yield resultText(result);
    }
  }

  /** Returns the remaining lines. */
  *end(): Generator<string> {
    const skipped = this.#skipped.splice(0);
    const [only] = skipped;
    if (only === undefined) return;
    if (skipped.length === 1) yield resultText(only);
    else {
      const word = paint(COLOURS.skipped, WORDS.skipped.padEnd(WIDTH));
      yield `  ${word}  ${skipped.length} checks: ${harmless(only.reason ?? '')}`;
    }
  }
}
