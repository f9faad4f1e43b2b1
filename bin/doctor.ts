/** `imxp doctor`: lists what is wrong with a node on its machine, and what to do about it. */
import type { Command } from 'commander';
import { harmless, paint } from '../lib/ops/terminal.js';
import { withConfig } from './support/configuration.js';
import { type Diagnosis, diagnose } from './support/diagnosis.js';
import { nameServerOption } from './support/endpoint.js';
import { EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
import { print, printJson, table } from './support/output.js';

interface DoctorOptions {
  readonly config: string;
  readonly nameServer?: string;
  readonly ca?: string;
  readonly json?: boolean;
}

const STYLES = { ok: 'green', warning: 'yellow', error: 'red' } as const;

function rows({ area, state, text, advice }: Diagnosis): string[][] {
  const line = [paint(STYLES[state], state.padEnd(7)), area, harmless(text)];
  return advice === undefined ? [line] : [line, [paint(STYLES[state], ' '.repeat(7)), '', `-> ${harmless(advice)}`]];
}

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

async function doctor({ config, json, ...network }: DoctorOptions): Promise<void> {
  const found = await diagnose(config, network);
  const count = (state: Diagnosis['state']): number => found.filter((one) => one.state === state).length;
  if (json === true) printJson(found);
  else {
    print(table(found.flatMap(rows)));
    print(`${counted(count('error'), 'error')}, ${counted(count('warning'), 'warning')}`);
  }
  if (count('error') === 0) return;
  const configured = found.some(({ area, state }) => area === 'configuration' && state === 'error');
  process.exitCode = configured ? EXIT.CONFIGURATION : EXIT.FAILED;
}

export function register(command: Command): void {
  command
    .addOption(nameServerOption())
    .option('--ca <file>', 'PEM file of trusted CAs; default: that of the configuration')
    .option('--json', 'print the findings as JSON: area, state (ok, warning, error), text, advice');
  withConfig(command).action(doctor);
  explain(command, {
    about: `Looks at the configuration, the store (owner, permissions, room), the ports, the certificates and their dates, the clock,
the DNS, and whether neighbours answer. It may run beside the node and changes nothing. Run it as the user of the node.`,
    exits: { 0: 'no errors, possibly warnings', 1: 'errors were found', 78: 'the configuration is not valid' },
    examples: [
      'imxp doctor --config mesh.json',
      'imxp doctor --json | jq \'.[] | select(.state != "ok")\'',
      'sudo -u imxp imxp doctor --config /etc/imxp/mesh.json',
    ],
    see: ['imxp check', 'imxp status'],
  });
}
