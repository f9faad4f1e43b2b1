/** The ways a check ends other than by passing. Each is an error that the check throws. */

/** The listener does not conform. */
export class Finding extends Error {
  readonly expected: string;
  readonly received: string;

  constructor(expected: string, received: string) {
    super(`expected ${expected}; received ${received}`);
    this.expected = expected;
    this.received = received;
  }
}

/** The listener does not offer the feature under test. */
export class NotOffered extends Error {}

/** An earlier stage failed, which has a check of its own. */
export class Blocked extends Error {
  readonly by: string;

  constructor(by: string, message: string) {
    super(message);
    this.by = by;
  }
}

/** @throws Finding unless the condition holds */
export function expect(holds: boolean, expected: string, received: string): asserts holds {
  if (!holds) throw new Finding(expected, received);
}

/**
 * How much a remark weighs: against a SHOULD of a document, against what its examples show, or only unusual. What is against
 * a MUST is no remark: the check fails.
 */
export type RemarkLevel = 'should' | 'example' | 'unusual';

export interface Remark {
  readonly level: RemarkLevel;
  readonly text: string;
}
