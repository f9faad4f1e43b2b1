/** `imxp trace`: shows every relay on the path to an endpoint, its answer and its time. */
import type { Command } from 'commander';
import type { RelayReport } from '../lib/endpoint/report.js';
import type { Status } from '../lib/endpoint/status.js';
import { addressOf } from '../lib/imxp/address.js';
import { harmless, paint } from '../lib/ops/terminal.js';
import {
  attachToAsk,
  type EndpointCommandOptions,
  endpointOptions,
  fromOption,
  withEndpoint,
} from './support/endpoint.js';
import { EXIT } from './support/exit.js';
import { probeHint } from './support/hints.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { addressArgument, shownName } from './support/names.js';
import { hint, note, print, printJson, table } from './support/output.js';

interface TraceOptions extends EndpointCommandOptions {
  readonly from: string;
  readonly json?: boolean;
}

interface Hop {
  readonly relay: string;
  readonly code: number;
  readonly text: string;
  readonly ms: number;
}

const OK = 250;

/** Rounds milliseconds to microseconds. */
const micros = (ms: number): number => Math.round(ms * 1000) / 1000;

function hopOf({ relay, recipients, ms }: RelayReport, to: string): Hop {
  const { code = 0, text = '' } = recipients[0] ?? {};
  const last = relay === addressOf(to)?.domain;
  const words = code === OK && text === '' ? (last ? 'delivered' : 'accepted by the next relay') : text;
  return { relay, code, text: words, ms: micros(ms) };
}

function show(to: string, status: Status, hops: readonly Hop[]): void {
  if (hops.length > 0) {
    const rows = hops.map(({ relay, code, text, ms }, index) => [
      String(index + 1).padStart(2),
      shownName(relay),
      `${ms.toFixed(1)} ms`,
      `${code} ${harmless(text)}`,
    ]);
    print(table(rows));
  }
  if (!status.complete) note('not every relay on the path has reported; relays need not');
  const ms = `${status.ms.toFixed(1)} ms`;
  if (status.code === OK) print(`${paint('bold', shownName(to))} answered in ${ms}`);
  else print(`${paint('bold', shownName(to))} was not reached: ${status.code} ${harmless(status.text)} after ${ms}`);
}

async function trace(to: string, options: TraceOptions): Promise<void> {
  const { from, json } = options;
  const fred = await attachToAsk(await endpointOptions(from, options));
  try {
    const status = await fred.trace(to);
    const hops = status.reports.map((report) => hopOf(report, to));
    const { code, text, complete } = status;
    if (json === true) printJson({ from, to, code, text, ms: micros(status.ms), complete, hops });
    else show(to, status, hops);
    if (code !== OK) {
      process.exitCode = EXIT.FAILED;
      if (json !== true) hint(probeHint({ code }));
    }
  } finally {
    await fred.close();
  }
}

export function register(command: Command): void {
  command
    .argument('<address>', 'the endpoint to reach', addressArgument)
    .addOption(fromOption())
    .option('--json', 'print the result as JSON');
  withEndpoint(command).action(trace);
  explain(command, {
    about: `Sends a probe that asks every relay to report. An application that uses this library does not see the probe; any other
receives a message without content. The time of a relay is measured until its report arrived; every relay but the last
reports after the next one has answered.`,
    exits: { 0: 'the probe arrived', 1: 'it did not', ...ENDPOINT_EXITS },
    examples: [
      'imxp trace barney@rubble.com --from fred@example.com',
      "imxp trace barney@rubble.com --from fred@example.com --json \\\n      | jq '.hops[].relay'",
    ],
    see: ['imxp ping', 'imxp check --domain'],
  });
}
