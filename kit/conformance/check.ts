/**
 * What a check is, what can come of it, and the words it fails in. Knows no areas and no sockets.
 */
import type { Context } from './context.js';

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

/** What has to be given, or offered by the listener. */
export type Need =
  | 'account'
  | 'second'
  | 'relay'
  | 'authority'
  | 'plain'
  | 'tls'
  | 'digest'
  | 'scram'
  | 'imxp'
  | 'waits';

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

/** The listener does something else than what is written. */
export class Finding extends Error {
  readonly expected: string;
  readonly came: string;

  constructor(expected: string, came: string) {
    super(`expected ${expected}; came ${came}`);
    this.expected = expected;
    this.came = came;
  }
}

/** The listener does not offer what is checked. */
export class NotOffered extends Error {}

/** Something before the check failed, which has a check of its own. */
export class Blocked extends Error {
  readonly by: string;

  constructor(by: string, message: string) {
    super(message);
    this.by = by;
  }
}

/** Fails unless it holds. */
export function expect(holds: boolean, expected: string, came: string): asserts holds {
  if (!holds) throw new Finding(expected, came);
}
