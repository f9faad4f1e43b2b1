/** `imxp ping`: checks whether an endpoint can be reached through the mesh, and how long that takes. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import type { Echo } from '../lib/endpoint/status.js';
import { harmless } from '../lib/ops/terminal.js';
import {
  attachToAsk,
  countArgument,
  type EndpointCommandOptions,
  endpointOptions,
  fromOption,
  withEndpoint,
} from './support/endpoint.js';
import { EXIT } from './support/exit.js';
import { probeHint } from './support/hints.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { addressArgument, shownName } from './support/names.js';
import { hint, print, printJson } from './support/output.js';

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
  else if (code === OK) print(`${shownName(address)}: ok in ${ms.toFixed(1)} ms`);
  else print(`${shownName(address)}: ${code} ${harmless(text)} in ${ms.toFixed(1)} ms`);
}

function summary(sent: number, times: readonly number[]): string {
  const counts = `${sent} sent, ${times.length} arrived`;
  if (times.length === 0) return counts;
  const mean = times.reduce((sum, ms) => sum + ms, 0) / times.length;
  const range = [Math.min(...times), mean, Math.max(...times)].map((ms) => ms.toFixed(1)).join('/');
  return `${counts}; min/mean/max ${range} ms`;
}

async function ping(address: string, options: PingOptions): Promise<void> {
  const { from, count, interval, json = false } = options;
  const fred = await attachToAsk(await endpointOptions(from, options));
  const times: number[] = [];
  let refusal: Echo | undefined;
  try {
    for (let number = 1; number <= count; number += 1) {
      if (number > 1) await pause(interval);
      const echo = await fred.ping(address);
      if (echo.code === OK) times.push(echo.ms);
      else refusal = echo;
      show(address, number, echo, json);
    }
    if (!json && count > 1) print(summary(count, times));
    if (times.length > 0) return;
    process.exitCode = EXIT.FAILED;
    if (!json && refusal !== undefined) hint(probeHint(refusal));
  } finally {
    await fred.close();
  }
}

export function register(command: Command): void {
  command
    .argument('<address>', 'the endpoint to reach', addressArgument)
    .addOption(fromOption())
    .option('--count <n>', 'number of probes', countArgument, DEFAULT_COUNT)
    .option('--interval <ms>', 'milliseconds between an answer and the next probe', countArgument, DEFAULT_INTERVAL_MS)
    .option('--json', 'print one JSON object per probe');
  withEndpoint(command).action(ping);
  explain(command, {
    about: `The time is measured until the answer of the recipient's endpoint has come back through all relays. An application that
uses this library does not see the probe; any other receives a message without content.`,
    exits: { 0: 'at least one probe was answered', 1: 'none was', ...ENDPOINT_EXITS },
    examples: [
      'imxp ping barney@rubble.com --from fred@example.com --count 1',
      'imxp ping barney@rubble.com --from fred@example.com --json | jq .ms',
      'imxp ping barney@rubble.com --from fred@example.com --dialect apex',
    ],
    see: ['imxp trace', 'imxp send'],
  });
}
