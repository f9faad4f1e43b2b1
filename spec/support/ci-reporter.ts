/**
 * What continuous integration prints: mocha's `spec`, and each failed attempt of a spec that gets another one, so that a
 * spec that depends on the weather of the machine does not go unseen.
 */
import mocha from 'mocha';

export default class CiReporter extends mocha.reporters.Spec {
  constructor(runner: mocha.Runner, options: mocha.MochaOptions) {
    super(runner, options);
    runner.on('retry', (test: mocha.Test, error: Error) => {
      console.log(`      failed and is tried again: ${test.fullTitle()}\n        ${error.stack ?? error.message}`);
    });
  }
}
