/** Formats results for display. */
import { harmless, paint } from '../../lib/ops/terminal.js';
import { areaOf, type Outcome, type Result } from './check.js';
import type { RemarkLevel } from './finding.js';

const WORDS: Readonly<Record<Outcome, string>> = {
  passed: 'ok',
  failed: 'FAILED',
  blocked: 'inconclusive',
  skipped: 'skipped',
};
const COLOURS = { passed: 'green', failed: 'red', blocked: 'yellow', skipped: 'dim' } as const;
const WIDTH = Math.max(...Object.values(WORDS).map(({ length }) => length));
const INDENT = ' '.repeat(WIDTH + 4);

const said = (word: string, text: string): string =>
  `${INDENT}${word.padEnd(9)} ${harmless(text).replaceAll('\n', ' ')}`;

/** Formats a check in one line, and a failure with its details. */
function resultText({ id, title, clause, outcome, reason, expected, received, why, transcript }: Result): string {
  const word = paint(COLOURS[outcome], WORDS[outcome].padEnd(WIDTH));
  const lines = [`  ${word}  ${id}: ${title} (${clause})`];
  if (reason !== undefined) lines.push(said('because', reason));
  if (expected !== undefined) lines.push(said('expected', expected));
  if (received !== undefined) lines.push(said('received', received));
  if (why !== undefined) lines.push(said('why', why));
  for (const line of transcript) lines.push(`${INDENT}${line}`);
  return lines.join('\n');
}

/** How remarks are introduced. */
const LEVELS: Readonly<Record<RemarkLevel, string>> = { should: 'SHOULD', example: 'example', unusual: 'unusual' };
/** Checks named with a remark; the others are counted. */
const NAMED = 4;

/** Each remark once, with how often and in which checks it was made; the weightiest first. */
export function* remarksText(results: readonly Result[]): Generator<string> {
  for (const level of ['should', 'example', 'unusual'] as const) {
    const checks = new Map<string, string[]>();
    for (const { id, remarks } of results) {
      for (const remark of remarks) {
        if (remark.level !== level) continue;
        const ids = checks.get(remark.text) ?? [];
        if (!ids.includes(id)) ids.push(id);
        checks.set(remark.text, ids);
      }
    }
    for (const [text, ids] of checks) {
      const more = ids.length > NAMED ? `, and ${ids.length - NAMED} more` : '';
      const where = ids.length === 1 ? ids[0] : `${ids.length} checks: ${ids.slice(0, NAMED).join(', ')}${more}`;
      yield `  ${LEVELS[level].padEnd(WIDTH)}  ${harmless(text)} (${where})`;
    }
  }
}

/** What each clause came to, in the order of the checks; those with a failure first. */
export function* clausesText(results: readonly Result[]): Generator<string> {
  const clauses = new Map<string, Result[]>();
  for (const result of results) {
    if (result.outcome === 'skipped') continue;
    clauses.set(result.clause, [...(clauses.get(result.clause) ?? []), result]);
  }
  const rows = [...clauses].map(([clause, all]) => ({ clause, all, failed: all.filter(isFailed) }));
  for (const { clause, all, failed } of [...rows].sort((a, b) => b.failed.length - a.failed.length)) {
    const passed = all.filter(({ outcome }) => outcome === 'passed').length;
    const outcome: Outcome = failed.length > 0 ? 'failed' : passed < all.length ? 'blocked' : 'passed';
    const which = failed.length > 0 ? `; fails ${failed.map(({ id }) => id).join(', ')}` : '';
    yield `  ${paint(COLOURS[outcome], WORDS[outcome].padEnd(WIDTH))}  ${clause}: ${passed} of ${all.length} passed${which}`;
  }
}

const isFailed = ({ outcome }: Result): boolean => outcome === 'failed';

export type Counts = Record<Outcome, number>;

export const noCounts = (): Counts => ({ passed: 0, failed: 0, blocked: 0, skipped: 0 });

export function summaryText({ passed, failed, blocked, skipped }: Counts, ms: number): string {
  const parts = [`${passed} passed`, `${failed} failed`, `${blocked} inconclusive`, `${skipped} skipped`];
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
