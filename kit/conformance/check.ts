/** Conformance checks and their results. */
import type { Context } from './context.js';
import type { Remark } from './finding.js';
import type { Need } from './target.js';

export const AREAS = [
  'greeting',
  'framing',
  'faults',
  'windows',
  'channel-0',
  'tls',
  'sasl',
  'attach',
  'bind',
  'data',
  'errors',
] as const;
export type Area = (typeof AREAS)[number];

/** The area of a check. */
export const areaOf = (id: string): string => id.slice(0, id.lastIndexOf('.'));

export interface Check {
  /** `area.name`. */
  readonly id: string;
  /** What a conforming listener does; completes the sentence "it …". */
  readonly title: string;
  /** The clause that requires it. */
  readonly clause: string;
  /** The consequence if a listener does not. */
  readonly why: string;
  readonly needs?: readonly Need[];
  /** The listener receives a fault, during which it must continue to serve others. */
  readonly fault?: true;
  /** Multiple of the time limit that the check may take, if it uses several sessions or a large message. */
  readonly patience?: number;
  run(context: Context): Promise<void>;
}

export type Outcome = 'passed' | 'failed' | 'blocked' | 'skipped';

export interface Result {
  readonly id: string;
  readonly title: string;
  readonly clause: string;
  readonly outcome: Outcome;
  readonly ms: number;
  /** Why it was skipped or is inconclusive. */
  readonly reason?: string;
  readonly expected?: string;
  readonly received?: string;
  readonly why?: string;
  /** Behaviour that is allowed but unusual. */
  readonly remarks: readonly Remark[];
  /** The exchanged frames, for display. */
  readonly transcript: readonly string[];
}
