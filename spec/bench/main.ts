/**
 * The benchmark: `npm run bench [-- SECTION ...] [-- --json] [--quick]`, of the sections layers, start, logins, paths, bulk,
 * memory, presence, gateway and attacks (`--attack=NAME` for one of them: idle, never-reading, churn, tls, presence, recipients).
 * `bulk` takes `--against=DIRECTORY`, another build of the project to be measured in the same rounds, and `--trace-gc`.
 * Everything in one run and side by side with the floor, because machines differ and drift: quote the ratios. Relays run as
 * processes of the built program.
 */
import { cpus, loadavg } from 'node:os';
import { attacks } from './attacks.js';
import { bulk } from './bulk.js';
import { layers } from './frames.js';
import { gateway } from './gateway.js';
import { logins } from './logins.js';
import { memory } from './memory.js';
import { Paths } from './paths.js';
import { presence } from './presence.js';
import { type Results, report } from './report.js';
import { start } from './start.js';

const args = process.argv.slice(2);
const json = args.includes('--json');
const quick = args.includes('--quick');
const wanted = args.filter((arg) => !arg.startsWith('-'));
const value = (name: string): string | undefined =>
  args.find((arg) => arg.startsWith(`--${name}=`))?.slice(name.length + 3);
const wants = (section: string): boolean => wanted.length === 0 || wanted.includes(section);

const say = (text: string): void => {
  if (!json) process.stderr.write(`${text}\n`);
};

const started = performance.now();
const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cpus: cpus().length, load: loadavg()[0] };
say(`benchmark on ${machine.cpus} × ${machine.cpu}, Node ${machine.node}, load ${machine.load?.toFixed(1)} before`);

if (wants('layers')) say('  single layers');
const results: Results = {
  layers: wants('layers') ? await layers(quick ? 100_000 : 400_000) : [],
  start: wants('start') ? await start(quick, say) : [],
  logins: wants('logins') ? await logins(quick, say) : [],
  paths: wants('paths') ? await new Paths(quick, say).run() : [],
  bulk: wants('bulk')
    ? await bulk({ quick, against: value('against'), traceGc: args.includes('--trace-gc') }, say)
    : [],
  memory: wants('memory') ? await memory(quick ? 1000 : 5000, say) : [],
  presence: wants('presence') ? [await presence(quick ? 2000 : 10_000, quick ? 3 : 10, say)] : [],
  gateway: wants('gateway') ? await gateway(quick ? 1000 : 5000, say) : [],
  attacks: wants('attacks') ? await attacks(quick, say, value('attack')) : [],
};

process.stdout.write(json ? `${JSON.stringify({ ...machine, ...results }, null, 2)}\n` : report(results));
say(`took ${((performance.now() - started) / 1000).toFixed(0)} s`);
