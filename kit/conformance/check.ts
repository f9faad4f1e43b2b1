/** What a conformance check is and what its result can be. */
import type { Context } from './context.js';
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
  /** What a listener does that passes, as "it …". */
  readonly title: string;
  /** Where that is written. */
  readonly clause: string;
  /** What goes wrong with a listener that does not. */
  readonly why: string;
  readonly needs?: readonly Need[];
  /** The listener is given something it must not bear: others have to be served meanwhile. */
  readonly fault?: true;
  /** The check is about several sessions or a large message and may take so many times the time limit. */
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
  /** Why it was skipped, or could not be judged. */
  readonly reason?: string;
  readonly expected?: string;
  readonly came?: string;
  readonly why?: string;
  /** What is allowed but not usual. */
  readonly remarks: readonly string[];
  /** What went over the wire, for people. */
  readonly transcript: readonly string[];
}
