/**
 * The benchmark, `npm run bench`; `--help` tells what it measures. Everything in one run and side by side with the floor,
 * because machines differ and drift: quote the ratios. Relays run as processes of the built program.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { accounts } from './accounts.js';
import { attacks } from './attacks.js';
import { bulk } from './bulk.js';
import { comparison } from './compare.js';
import { layers } from './frames.js';
import { gateway } from './gateway.js';
import { growth } from './growth.js';
import { logins } from './logins.js';
import { memory } from './memory.js';
import { HELP, type Options, optionsOf, type Section } from './options.js';
import { paths } from './paths.js';
import { peers } from './peers.js';
import { presence } from './presence.js';
import { type Results, report } from './report.js';
import { start } from './start.js';
import { workers } from './workers.js';

const USAGE = 64;

function options(): Options {
  try {
    const found = optionsOf(process.argv.slice(2));
    if (typeof found !== 'string') return found;
    process.stdout.write(found);
    process.exit(0);
  } catch (error) {
    process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n\n${HELP}`);
    process.exit(USAGE);
  }
}

const { sections, json, compare, attack, ...setting } = options();
const { quick, ways } = setting;
const wants = (section: Section): boolean => sections.includes(section);
const say = (text: string): void => void process.stderr.write(`${text}\n`);
// Before the hours of a run, not after them.
const before: unknown = compare === undefined ? undefined : JSON.parse(readFileSync(compare, 'utf8'));

const started = performance.now();
const machine = { node: process.version, cpu: cpus()[0]?.model ?? 'unknown', cpus: cpus().length, load: loadavg()[0] };
say(`benchmark on ${machine.cpus} × ${machine.cpu}, Node ${machine.node}, load ${machine.load?.toFixed(1)} before`);

if (wants('layers')) say('  single layers');
const results: Results = {
  layers: wants('layers') ? await layers(quick ? 100_000 : 400_000) : [],
  start: wants('start') ? await start(quick, say) : [],
  logins: wants('logins') ? await logins(quick, say) : [],
  paths: wants('paths') ? await paths(setting, say) : [],
  bulk: wants('bulk') ? await bulk({ ...setting, ways: quick ? ways.slice(0, 1) : ways }, say) : [],
  growth: wants('growth') ? await growth(setting, say) : [],
  memory: wants('memory') ? await memory(quick ? 1000 : 5000, say) : [],
  presence: wants('presence') ? [await presence(quick ? 2000 : 10_000, quick ? 3 : 10, say)] : [],
  gateway: wants('gateway') ? await gateway(quick ? 1000 : 5000, say) : [],
  attacks: wants('attacks') ? await attacks(quick, say, attack) : [],
  workers: wants('workers') ? await workers(quick, say) : [],
  accounts: wants('accounts') ? await accounts(quick, say) : [],
  peers: await peers(setting.peers, setting, say),
};

const written = `${JSON.stringify({ ...machine, ...results }, null, 2)}\n`;
if (json === '-') process.stdout.write(written);
else {
  if (json !== undefined) writeFileSync(json, written);
  process.stdout.write(report(results));
  if (before !== undefined) process.stdout.write(comparison(results, before));
}
say(`load ${loadavg()[0]?.toFixed(1)} after; took ${((performance.now() - started) / 1000).toFixed(0)} s`);
