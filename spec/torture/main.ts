/** `npm run torture`: see the help below. Exits with 1 after a violation. */
import { spawnSync } from 'node:child_process';
import { parseArgs } from 'node:util';
import { report, slopePerHour } from './report.js';
import { type TortureResult, torture } from './torture.js';

const HELP = `Usage: npm run torture -- [--minutes N] [--tls] [--soak] [--seed N]
       npm run torture -- --gateway [--messages N]

Two relays as processes on loopback and honest messages between them, each accounted for, while relays and endpoints are
killed, connections reset and stalled, disks filled, clocks stepped, and strangers and a neighbour misbehave.

  --minutes N   how long; 2 without it
  --tls         everything under TLS
  --soak        no disturbances: the same traffic for long, memory and descriptors judged by their slope
  --seed N      repeats the choice of disturbances
  --gateway     the gateway to XMPP instead, with Prosody and with ejabberd: the gateway, the relay and the server are killed
                (spec/interop/xmpp-faults.spec.ts)
  --messages N  how many go each way through the gateway; 10000 without it

Examples:
  npm run torture -- --minutes 10 --tls
  npm run torture -- --soak --minutes 30`;

const MINUTE_MS = 60_000;
/** What a steady relay may gain in an hour, by the later half of the run. */
const SOAK_MIB_PER_HOUR = 20;
const SOAK_DESCRIPTORS_PER_HOUR = 10;
/** Below this a slope says nothing. */
const SOAK_LEAST_MINUTES = 10;

function growing({ samples }: TortureResult, minutes: number): string[] {
  if (minutes < SOAK_LEAST_MINUTES) return [];
  return [...samples].flatMap(([domain, list]) => [
    ...(slopePerHour(list, ({ rss }) => rss / 1_048_576) > SOAK_MIB_PER_HOUR ? [`the memory of ${domain} grows`] : []),
    ...(slopePerHour(list, ({ heap }) => heap / 1_048_576) > SOAK_MIB_PER_HOUR ? [`the heap of ${domain} grows`] : []),
    ...(slopePerHour(list, ({ descriptors }) => descriptors) > SOAK_DESCRIPTORS_PER_HOUR
      ? [`the descriptors of ${domain} grow`]
      : []),
  ]);
}

/** @returns the exit code */
function gateway(messages: number): number {
  if (!Number.isSafeInteger(messages) || messages < 1) throw new Error('--messages takes a number');
  const args = ['--no-install', 'mocha', '--reporter', 'spec', 'spec/interop/xmpp-faults.spec.ts'];
  const env = { ...process.env, IMXP_XMPP_MESSAGES: String(messages) };
  const { status } = spawnSync('npx', args, { stdio: 'inherit', env });
  return status ?? 1;
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      minutes: { type: 'string', default: '2' },
      tls: { type: 'boolean', default: false },
      soak: { type: 'boolean', default: false },
      seed: { type: 'string', default: String(Date.now() % 1_000_000_007) },
      gateway: { type: 'boolean', default: false },
      messages: { type: 'string', default: '10000' },
      help: { type: 'boolean', short: 'h', default: false },
    },
  });
  if (values.help) return console.log(HELP);
  if (values.gateway) {
    process.exitCode = gateway(Number(values.messages));
    return;
  }
  const [minutes, seed] = [Number(values.minutes), Number(values.seed)];
  if (!(minutes > 0) || !Number.isSafeInteger(seed)) throw new Error('--minutes and --seed take numbers');
  const { tls, soak } = values;
  console.log(`seed ${seed}, ${minutes} minutes, ${tls ? 'TLS' : 'plain'}${soak ? ', soak' : ''}`);
  const tell = process.stderr.isTTY ? (text: string) => process.stderr.write(`\r\x1b[K${text}`) : () => {};
  const result = await torture({ ms: minutes * MINUTE_MS, seed, tls, soak, tell });
  tell('');
  const grown = soak ? growing(result, minutes) : [];
  console.log(report({ ...result, violations: [...result.violations, ...grown] }));
  process.exitCode = result.violations.length + grown.length > 0 ? 1 : 0;
}

try {
  await main();
} catch (error) {
  console.error(error instanceof Error ? `error: ${error.stack}\n\n${HELP}` : error);
  process.exitCode = 64;
}
process.exit();
