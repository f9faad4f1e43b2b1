/**
 * The mocha reporter for continuous integration: the `spec` reporter, plus every failed attempt of a spec that is
 * retried, so that specs that depend on the load of the machine are noticed.
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
