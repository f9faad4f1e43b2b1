/** How long the program takes to start: a short command beside Node itself, and a relay until it is ready. */
import { spawnSync } from 'node:child_process';
import { freePort } from '../support/free-port.js';
import { lonely, Workshop } from '../support/node-process.js';
import { PROGRAM } from '../support/program.js';
import { median, residentOctets } from './measure.js';

export interface StartResult {
  readonly what: string;
  /** Milliseconds: the median of the rounds, the least and the most. */
  readonly ms: number;
  readonly leastMs: number;
  readonly mostMs: number;
  readonly toFloor: number;
  /** Resident memory of a relay that has nothing to do yet. */
  readonly residentOctets?: number;
}

export async function start(quick: boolean, say: (text: string) => void): Promise<readonly StartResult[]> {
  say('  start');
  const workshop = await Workshop.open();
  try {
    const node = await workshop.node('relay', lonely(), await freePort());
    const [floor, version, help, ready, resident]: number[][] = [[], [], [], [], []];
    for (let round = 0; round < (quick ? 5 : 15); round += 1) {
      floor?.push(run(['-e', '0']));
      version?.push(run([PROGRAM, '--version']));
      help?.push(run([PROGRAM, 'relay', '--help']));
      const began = performance.now();
      await node.start();
      ready?.push(performance.now() - began);
      resident?.push(residentOctets(node.command.pid ?? 0));
      await node.stop();
    }
    const base = median(floor ?? []);
    const result = (what: string, times: readonly number[] = []): StartResult => ({
      what,
      ms: median(times),
      leastMs: Math.min(...times),
      mostMs: Math.max(...times),
      toFloor: median(times) / base,
    });
    return [
      result('floor: node -e 0', floor),
      result('imxp --version', version),
      result('imxp relay --help', help),
      { ...result('imxp relay, ready', ready), residentOctets: median(resident ?? []) },
    ];
  } finally {
    await workshop.close();
  }
}

/** @returns milliseconds until a command has ended */
function run(arguments_: readonly string[]): number {
  const began = performance.now();
  const { status } = spawnSync(process.execPath, arguments_, { stdio: 'ignore' });
  if (status !== 0) throw new Error(`${arguments_.join(' ')} ended with ${status}`);
  return performance.now() - began;
}
