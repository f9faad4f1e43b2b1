/**
 * `npm run fuzz`: mutated inputs into every reader of octets that come from elsewhere. Prints a table, keeps the smallest
 * input of each failure in `spec/fixtures/fuzz/`, and exits with 1 when there was one.
 */
import { parseArgs } from 'node:util';
import { keepInput } from './failures.js';
import { TARGETS, type TargetName } from './reader.js';
import { run } from './run.js';
import { readersOf } from './targets/all.js';

const HELP = `Usage: npm run fuzz -- [--target NAME]... [--minutes N | --seconds N] [--inputs N] [--seed N]

  --target NAME   one of ${TARGETS.join(', ')}; all without it
  --minutes N     how long in all, shared by the readers; one minute without it
  --inputs N      so many inputs into each reader instead
  --seed N        repeats a run

Examples:
  npm run fuzz -- --target beep --target scan --minutes 5
  npm run fuzz -- --inputs 100000 --seed 232603834`;

const SECOND_MS = 1000;

function positive(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!Number.isFinite(value) || value <= 0) throw new Error(`--${name} takes a positive number`);
  return value;
}

function targetNamed(name: string): TargetName {
  const target = TARGETS.find((one) => one === name);
  if (target === undefined) throw new Error(`there is no target ${name}; there are ${TARGETS.join(', ')}`);
  return target;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      target: { type: 'string', multiple: true },
      minutes: { type: 'string' },
      seconds: { type: 'string' },
      inputs: { type: 'string' },
      seed: { type: 'string' },
      help: { type: 'boolean', short: 'h' },
    },
  });
  if (values.help === true) {
    console.log(HELP);
    return;
  }
  const seconds = positive(values.seconds, 'seconds') ?? 60 * (positive(values.minutes, 'minutes') ?? 1);
  const inputs = positive(values.inputs, 'inputs');
  const seed = positive(values.seed, 'seed') ?? Date.now() % 1_000_000_007;
  const readers = await readersOf(values.target?.map(targetNamed));
  const ms = (seconds * SECOND_MS) / readers.length;
  console.log(`seed ${seed}, ${inputs === undefined ? `${(ms / SECOND_MS).toFixed(1)} s` : `${inputs} inputs`} each`);
  console.log(`${'target'.padEnd(13)} ${'reader'.padEnd(60)} ${'inputs'.padStart(9)}   refused  slowest  heap KiB`);
  for (const reader of readers) {
    const { inputs: count, refused, slowestMs, grown, failure } = await run(reader, { seed, ms, inputs });
    const share = `${((100 * refused) / Math.max(1, count)).toFixed(0)} %`;
    console.log(
      `${reader.target.padEnd(13)} ${reader.name.padEnd(60)} ${String(count).padStart(9)} ${share.padStart(9)} ${slowestMs.toFixed(1).padStart(8)} ${String(Math.round(grown / 1024)).padStart(9)}`,
    );
    if (failure === undefined) continue;
    process.exitCode = 1;
    console.log(`  FAILED: ${failure.why}\n  smallest input: ${keepInput(reader.target, failure.octets)}`);
  }
  console.log(process.exitCode === 1 ? 'There were failures.' : 'No failure.');
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? `error: ${error.message}\n\n${HELP}` : error);
  process.exitCode = 64;
}
// A reader of DNS answers keeps a name server for the next inputs.
process.exit();
