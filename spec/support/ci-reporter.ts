/**
 * The mocha reporter for continuous integration: the `spec` reporter, plus every failed attempt of a spec that is
 * retried, so that specs that depend on the load of the machine are noticed, and the files that take longest.
 */
import { relative } from 'node:path';
import mocha from 'mocha';

/** How many of the slowest files are named at the end. */
const SLOWEST = 25;

export default class CiReporter extends mocha.reporters.Spec {
  constructor(runner: mocha.Runner, options: mocha.MochaOptions) {
    super(runner, options);
    runner.on('retry', (test: mocha.Test, error: Error) => {
      console.log(`      failed and is tried again: ${test.fullTitle()}\n        ${error.stack ?? error.message}`);
    });
    const seconds = new Map<string, number>();
    runner.on('test end', (test: mocha.Test) => {
      const file = relative(process.cwd(), test.file ?? '');
      seconds.set(file, (seconds.get(file) ?? 0) + (test.duration ?? 0) / 1000);
    });
    runner.on('end', () => {
      const slowest = [...seconds].sort(([, a], [, b]) => b - a).slice(0, SLOWEST);
      console.log('  Files that took longest (seconds in specs, without hooks):');
      for (const [file, took] of slowest) console.log(`    ${took.toFixed(1).padStart(6)}  ${file}`);
    });
  }
}
