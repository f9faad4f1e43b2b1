/** The ways a check ends other than by passing. Each is an error that the check throws. */

/** The listener does not conform. */
export class Finding extends Error {
  readonly expected: string;
  readonly came: string;

  constructor(expected: string, came: string) {
    super(`expected ${expected}; came ${came}`);
    this.expected = expected;
    this.came = came;
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
export function expect(holds: boolean, expected: string, came: string): asserts holds {
  if (!holds) throw new Finding(expected, came);
}
