/**
 * The benchmark: `npm run bench [-- SECTION ...] [-- --json] [--quick]`. Everything in one run and side by side with the
 * floor, because machines differ and drift: quote the ratios. Relays run as processes of the built program.
 */
import { cpus } from 'node:os';
import { decode, frames, INLINE, MULTIPART, type Rate } from './frames.js';
import { latencies, quantiles, type Submit, saturate } from './load.js';
import { cpuSeconds, median, residentOctets } from './measure.js';
import { BARNEY, Floor, FRED, Mesh, submitting, WILMA } from './mesh.js';
import type { Peer } from './peer.js';
import { type PresenceResult, presence } from './presence.js';

interface PathResult {
  readonly path: string;
  readonly octets: number;
  readonly perSecond: number;
  /** CPU seconds of the forwarding processes for 100,000 messages. */
  readonly cpuPer100k: number;
  readonly cpuToFloor: number;
  readonly rateToFloor: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
}

interface BulkResult {
  readonly path: string;
  readonly messageOctets: number;
  readonly megabytesPerSecond: number;
  /** Megabytes that one relay forwards with a second of CPU time; the load generator is what limits the rate. */
  readonly megabytesPerCpuSecond: number;
}

interface MemoryResult {
  readonly endpoints: number;
  readonly kibPerEndpoint: number;
}

const OUTSTANDING = 256;
const args = process.argv.slice(2);
const json = args.includes('--json');
const quick = args.includes('--quick');
const wanted = args.filter((arg) => !arg.startsWith('-'));
const wants = (section: string): boolean => wanted.length === 0 || wanted.includes(section);
const COUNT = quick ? 20_000 : 100_000;
const ROUNDS = quick ? 1 : 3;

const say = (text: string): void => {
  if (!json) process.stderr.write(`${text}\n`);
};

/** Throughput and CPU in rounds, the median of each; then single messages for the latency. */
async function path(
  name: string,
  octets: number,
  submit: Submit,
  pids: readonly number[],
): Promise<Omit<PathResult, 'cpuToFloor' | 'rateToFloor'>> {
  say(`  ${name}, ${octets} octets`);
  await saturate(submit, COUNT / 4, OUTSTANDING); // warm-up: compilers need it
  const rates: number[] = [];
  const costs: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = pids.map(cpuSeconds);
    const { perSecond } = await saturate(submit, COUNT, OUTSTANDING);
    const used = pids.map((pid, index) => cpuSeconds(pid) - (before[index] ?? 0)).reduce((a, b) => a + b, 0);
    rates.push(perSecond);
    costs.push((used / COUNT) * 100_000);
  }
  const { p50, p95, p99 } = quantiles(await latencies(submit, quick ? 2000 : 10_000));
  return {
    path: name,
    octets,
    perSecond: median(rates),
    cpuPer100k: median(costs),
    p50Ms: p50,
    p95Ms: p95,
    p99Ms: p99,
  };
}

function against(floor: Omit<PathResult, 'cpuToFloor' | 'rateToFloor'>, result: typeof floor): PathResult {
  return {
    ...result,
    cpuToFloor: result.cpuPer100k / floor.cpuPer100k,
    rateToFloor: result.perSecond / floor.perSecond,
  };
}

function pidsOf(mesh: Mesh): number[] {
  return [mesh.first, mesh.second].map(({ command }) => command.pid ?? 0);
}

async function paths(): Promise<{ paths: PathResult[]; bulk: BulkResult[] }> {
  const floor = await Floor.start(100);
  const base = await path('floor: two line forwarders', 100, floor.submit, floor.pids);
  floor.stop();
  const results = [against(base, base)];
  const bulk: BulkResult[] = [];
  for (const [over, tls, transport] of [
    ['TCP', false, 'tcp'],
    ['TLS', true, 'tcp'],
    ['ws', false, 'ws'],
    ['wss', true, 'wss'],
  ] as const) {
    const mesh = await Mesh.start(tls, {}, transport);
    try {
      const fred = await mesh.attach(FRED);
      const wilma = await mesh.attach(WILMA);
      const barney = await mesh.attach(BARNEY);
      const [first = 0] = pidsOf(mesh);
      results.push(against(base, await path(`one relay, ${over}`, 100, submitting(fred, WILMA, 100), [first])));
      results.push(against(base, await path(`two relays, ${over}`, 100, submitting(fred, BARNEY, 100), pidsOf(mesh))));
      bulk.push(await large(`two relays, ${over}`, fred, BARNEY, pidsOf(mesh)));
      for (const peer of [fred, wilma, barney]) await peer.leave();
    } finally {
      await mesh.stop();
    }
  }
  return { paths: results, bulk };
}

/** Messages of 1 MiB, eight outstanding: how many octets a second get through. */
async function large(name: string, from: Peer, to: string, pids: readonly number[]): Promise<BulkResult> {
  const octets = 1_048_576;
  say(`  ${name}, 1 MiB messages`);
  const submit = submitting(from, to, octets);
  await saturate(submit, 50, 8);
  const before = pids.map(cpuSeconds);
  const { perSecond, count } = await saturate(submit, quick ? 200 : 1000, 8);
  const used = pids.map((pid, index) => cpuSeconds(pid) - (before[index] ?? 0)).reduce((a, b) => a + b, 0);
  const megabytes = (count * octets) / 1e6;
  return {
    path: name,
    messageOctets: octets,
    megabytesPerSecond: (perSecond * octets) / 1e6,
    megabytesPerCpuSecond: (megabytes * pids.length) / used,
  };
}

/** Growth of a relay's resident memory by so many endpoints that attached and were left alone, after as many others. */
async function memory(endpoints: number): Promise<MemoryResult> {
  say(`  memory of ${endpoints} idle attached endpoints`);
  const mesh = await Mesh.start(false);
  try {
    const pid = pidsOf(mesh)[0] ?? 0;
    const peers: Peer[] = [];
    const attach = async (count: number): Promise<void> => {
      for (let i = 0; i < count; i += 1) peers.push(await mesh.attachAs(FRED, `fred/${peers.length}@example.com`));
    };
    // The first ones fill the space that the garbage collector leaves lying about; what is wanted is the slope behind it.
    await attach(endpoints);
    const before = residentOctets(pid);
    await attach(endpoints);
    const after = residentOctets(pid);
    for (const peer of peers) peer.drop();
    return { endpoints, kibPerEndpoint: (after - before) / endpoints / 1024 };
  } finally {
    await mesh.stop();
  }
}

async function layers(): Promise<Rate[]> {
  const count = quick ? 100_000 : 400_000;
  say('  single layers');
  const rates: Rate[] = [];
  for (let round = 0; round < 2; round += 1) {
    rates.length = 0; // the first round is the warm-up
    rates.push(await frames(100, count), await frames(400, count), await frames(65_536, count / 40));
    rates.push(await decode('IMXP: Data with inline content, decoded and checked', INLINE, count));
    rates.push(await decode('IMXP: Data as multipart/related, decoded and checked', MULTIPART, count));
  }
  return rates;
}

const round = (value: number, digits: number): string => value.toFixed(digits);

function table(rows: readonly (readonly string[])[]): void {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  for (const row of rows) {
    const cells = row.map((cell, column) =>
      column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
    );
    process.stdout.write(`${cells.join('  ')}\n`);
  }
  process.stdout.write('\n');
}

const started = Date.now();
say(`benchmark on ${cpus().length} × ${cpus()[0]?.model ?? 'unknown'}, Node ${process.version}`);
const result = {
  node: process.version,
  cpu: cpus()[0]?.model ?? 'unknown',
  cpus: cpus().length,
  layers: wants('layers') ? await layers() : [],
  ...(wants('paths') ? await paths() : { paths: [], bulk: [] }),
  memory: wants('memory') ? [await memory(1000)] : [],
  presence: wants('presence') ? [await presence(quick ? 2000 : 10_000, quick ? 3 : 10, say)] : ([] as PresenceResult[]),
};

if (json) {
  process.stdout.write(`${JSON.stringify(result, null, 2)}\n`);
} else {
  if (result.layers.length > 0) {
    table([
      ['layer', 'per second', 'µs each'],
      ...result.layers.map(({ what, perSecond, microseconds }) => [what, round(perSecond, 0), round(microseconds, 2)]),
    ]);
  }
  if (result.paths.length > 0) {
    table([
      ['path', 'Data/s', 'to floor', 'CPU s/100k', 'to floor', 'p50 ms', 'p95 ms', 'p99 ms'],
      ...result.paths.map((p) => [
        p.path,
        round(p.perSecond, 0),
        round(p.rateToFloor, 2),
        round(p.cpuPer100k, 2),
        round(p.cpuToFloor, 1),
        round(p.p50Ms, 3),
        round(p.p95Ms, 3),
        round(p.p99Ms, 3),
      ]),
    ]);
    table([
      ['bulk', 'MB/s', 'MB per CPU s of a relay'],
      ...result.bulk.map((b) => [
        `${b.path}, ${b.messageOctets} octets each`,
        round(b.megabytesPerSecond, 0),
        round(b.megabytesPerCpuSecond, 0),
      ]),
    ]);
  }
  if (result.memory.length > 0) {
    table([
      ['memory', 'KiB per endpoint'],
      ...result.memory.map((m) => [`${m.endpoints} idle attached endpoints`, round(m.kibPerEndpoint, 1)]),
    ]);
  }
  for (const one of result.presence) {
    table([
      [`presence: ${one.subscribers} subscribers over two domains`, 'value'],
      ['subscribe: first publish to all, per second', round(one.subscriptionsPerSecond, 0)],
      ['publish: acknowledged, ms', round(one.acknowledgedMs, 1)],
      ['publish: first subscriber has it, ms', round(one.firstMs, 1)],
      ['publish: last subscriber has it, ms', round(one.lastMs, 0)],
      ['publish: notified per second', round(one.notifiedPerSecond, 0)],
      ["publish: CPU s of the publisher's relay", round(one.cpuSeconds, 2)],
      [`memory per subscription, KiB (${one.subscriptions} on one node)`, round(one.kibPerSubscription, 2)],
      [`restart with ${one.subscriptions} subscriptions: ready after, ms`, round(one.restartMs, 0)],
    ]);
  }
  say(`took ${round((Date.now() - started) / 1000, 0)} s`);
}
