/**
 * How long the program takes to start: commands beside Node itself, a message that is sent, and a relay until it is ready.
 * In rounds that take turns, because machines drift; on a busy one CPU time says more than the clock.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { freePort } from '../support/free-port.js';
import { lonely, type NodeProcess, Workshop } from '../support/node-process.js';
import { PROGRAM } from '../support/program.js';
import { childrenCpuSeconds, cpuSeconds, median, residentOctets } from './measure.js';
import { FRED, PASSWORD, WILMA } from './mesh.js';
import { Peer } from './peer.js';

export interface StartResult {
  readonly what: string;
  /** Milliseconds: the median of the rounds, the least and the most. */
  readonly ms: number;
  readonly leastMs: number;
  readonly mostMs: number;
  readonly toFloor: number;
  /** CPU milliseconds: the mean of the rounds, as the system counts in steps of 10. */
  readonly cpuMs: number;
  readonly cpuToFloor: number;
  /** Resident memory of a relay that has nothing to do yet. */
  readonly residentOctets?: number;
}

/** What is started, and what that took in each round. */
interface Candidate {
  readonly what: string;
  /** Arguments of Node; of a relay there are none. */
  readonly run: readonly string[];
  readonly ms: number[];
  readonly cpuMs: number[];
}

export async function start(quick: boolean, say: (text: string) => void): Promise<readonly StartResult[]> {
  say('  start');
  const workshop = await Workshop.open();
  try {
    const port = await freePort();
    const node = await workshop.node('relay', lonely(), port);
    for (const address of [FRED, WILMA]) await workshop.account(node, address, PASSWORD);
    await workshop.file('secrets/fred', `${PASSWORD}\n`);
    const candidate = (what: string, run: readonly string[]): Candidate => ({ what, run, ms: [], cpuMs: [] });
    const sending = ['send', WILMA, 'Hello', '--from', FRED, '--relay', `tcp://127.0.0.1:${port}`];
    const commands = [
      candidate('floor: node -e 0', ['-e', '0']),
      candidate('imxp --version', [PROGRAM, '--version']),
      candidate('imxp --help', [PROGRAM, '--help']),
      candidate('imxp relay --help', [PROGRAM, 'relay', '--help']),
      candidate('imxp send', [PROGRAM, ...sending, '--password-file', workshop.path('secrets/fred')]),
    ];
    const relay = candidate('imxp relay, ready', []);
    const resident: number[] = [];
    for (let round = 0; round < (quick ? 5 : 15); round += 1) {
      resident.push(await started(node, relay));
      const wilma = await Peer.attach({ port, address: WILMA, password: PASSWORD });
      for (const command of commands) await run(command);
      wilma.drop();
      await node.stop();
    }
    const [floor] = commands;
    const results = [...commands, relay].map((one) => resultOf(one, floor ?? one));
    return results.map((one) => (one.what === relay.what ? { ...one, residentOctets: median(resident) } : one));
  } finally {
    await workshop.close();
  }
}

const mean = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0) / values.length;

function resultOf({ what, ms, cpuMs }: Candidate, floor: Candidate): StartResult {
  return {
    what,
    ms: median(ms),
    leastMs: Math.min(...ms),
    mostMs: Math.max(...ms),
    toFloor: median(ms) / median(floor.ms),
    cpuMs: mean(cpuMs),
    cpuToFloor: mean(cpuMs) / mean(floor.cpuMs),
  };
}

/** Runs a command to its end. */
async function run({ run: arguments_, ms, cpuMs }: Candidate): Promise<void> {
  const [began, used] = [performance.now(), childrenCpuSeconds()];
  const child = spawn(process.execPath, arguments_, { stdio: 'ignore' });
  const [code] = await once(child, 'exit');
  ms.push(performance.now() - began);
  cpuMs.push((childrenCpuSeconds() - used) * 1000);
  if (code !== 0) throw new Error(`${arguments_.join(' ')} ended with ${code}`);
}

/** Starts a relay. @returns its resident memory */
async function started(node: NodeProcess, { ms, cpuMs }: Candidate): Promise<number> {
  const began = performance.now();
  await node.start();
  ms.push(performance.now() - began);
  const pid = node.command.pid ?? 0;
  cpuMs.push(cpuSeconds(pid) * 1000);
  return residentOctets(pid);
}
