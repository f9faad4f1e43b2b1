/** `imxp ping`: whether an endpoint can be reached through the mesh, and how long that takes. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Echo } from '../lib/endpoint/status.js';
import { harmless } from '../lib/ops/terminal.js';
import {
  addressArgument,
  attachToAsk,
  countArgument,
  type EndpointCommandOptions,
  endpointOptions,
  withEndpoint,
} from './support/endpoint.js';
import { EXIT } from './support/exit.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { print, printJson } from './support/output.js';

interface PingOptions extends EndpointCommandOptions {
  readonly from: string;
  readonly count: number;
  readonly interval: number;
  readonly json?: boolean;
}

const OK = 250;
const DEFAULT_COUNT = 4;
const DEFAULT_INTERVAL_MS = 1000;

const micros = (ms: number): number => Math.round(ms * 1000) / 1000;

function show(address: string, number: number, { code, text, ms }: Echo, json: boolean): void {
  if (json) printJson({ to: address, number, code, text, ms: micros(ms) });
  else if (code === OK) print(`${address}: ok in ${ms.toFixed(1)} ms`);
  else print(`${address}: ${code} ${harmless(text)} in ${ms.toFixed(1)} ms`);
}

function summary(sent: number, times: readonly number[]): string {
  const counts = `${sent} sent, ${times.length} arrived`;
  if (times.length === 0) return counts;
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  const range = [Math.min(...times), mean, Math.max(...times)].map((ms) => ms.toFixed(1)).join('/');
  return `${counts}; least/mean/most ${range} ms`;
}

async function ping(address: string, options: PingOptions): Promise<void> {
  const { from, count, interval, json = false } = options;
  const fred = await attachToAsk(await endpointOptions(from, options));
  const times: number[] = [];
  try {
    for (let number = 1; number <= count; number += 1) {
      if (number > 1) await pause(interval);
      const echo = await fred.ping(address);
      if (echo.code === OK) times.push(echo.ms);
      show(address, number, echo, json);
    }
    if (!json && count > 1) print(summary(count, times));
    if (times.length === 0) process.exitCode = EXIT.FAILED;
  } finally {
    await fred.close();
  }
}

export function register(program: Command): void {
  const command = program
    .command('ping')
    .description('ask whether an endpoint can be reached, and how long that takes')
    .argument('<address>', 'whom to look for', addressArgument)
    .requiredOption('--from <address>', 'who you are; its password is needed', addressArgument)
    .option('--count <n>', 'how often', countArgument, DEFAULT_COUNT)
    .option('--interval <ms>', 'milliseconds from an answer to the next question', countArgument, DEFAULT_INTERVAL_MS)
    .option('--json', 'print one JSON object a line');
  withEndpoint(command).action(ping);
  explain(command, {
    about: `The time is that until the answer of the recipient's endpoint came back through all relays. Its application does not see
the question when it uses this library; another one gets a message without content.`,
    exits: { 0: 'one arrived at least', 1: 'none arrived', ...ENDPOINT_EXITS },
    examples: [
      'imxp ping barney@rubble.com --from fred@example.com --count 1 --password-file secrets/fred',
      'imxp ping barney@rubble.com --from fred@example.com --json | jq .ms',
      'imxp ping barney@rubble.com --from fred@example.com --dialect apex',
    ],
    see: ['imxp trace', 'imxp send'],
  });
}
