/** `imxp relay`: runs a node until it is stopped. */
import { type Command, InvalidArgumentError } from 'commander';
import { ConfigurationError, writeProblem } from '../lib/config/problem.js';
import { MOST_WORKERS, type NodeConfig } from '../lib/config/schema.js';
import { loadConfig } from '../lib/node/configuration.js';
import { giveRoomForOctets } from '../lib/node/old-generation.js';
import { startLog } from '../lib/ops/log.js';
import { handleSignals } from '../lib/ops/signals.js';
import { whenAborted } from '../lib/transport/abort.js';
import { loadForCommand, withConfig } from './support/configuration.js';
import { EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
import { requireOwnStore } from './support/store-owner.js';
import { growWhenBusy } from './support/young-generation.js';

/** Time for output that has just been written. */
const LAST_MS = 100;
/** How long stopping may exceed its limit: a disk or name server that never answers must not keep the process alive. */
const OVERDUE_MS = 1000;

/** Ends at once: `process.exit` waits for threads, one of which may wait for a disk that never answers. */
function vanish(): void {
  process.kill(process.pid, 'SIGKILL');
}

function every(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms);
  timer.unref();
  return () => clearInterval(timer);
}

function later(ms: number, run: () => void): void {
  setTimeout(run, ms).unref();
}

interface RelayOptions {
  readonly config: string;
  readonly workers?: NodeConfig['workers'];
}

async function relay({ config: path, workers }: RelayOptions): Promise<void> {
  const withWorkers = (loaded: NodeConfig): NodeConfig => (workers === undefined ? loaded : { ...loaded, workers });
  const config = withWorkers(await loadForCommand(path));
  await requireOwnStore(config.store);
  const log = startLog({ level: config.log.level, every, later });
  process.once('exit', () => log.stop());
  const { startNode } = await import('../lib/node/node.js');
  // Signals are handled from now on: whoever reads "ready" may send one at that moment.
  const starting = startNode(config);
  starting.then(
    (node) => {
      growWhenBusy(node, every);
      giveRoomForOctets(every);
      // Whoever supervises the process starts it again, and it waits for its turn.
      whenAborted(node.superseded, () => {
        process.exitCode = EXIT.UNAVAILABLE;
      });
    },
    () => {}, // reported below
  );
  await new Promise<void>((resolve, reject) => {
    let settled = false;
    starting.catch(reject).finally(() => {
      settled = true;
    });
    const restore = handleSignals({
      drain: (signal) => {
        log.logger.info({ signal }, 'stopping');
        const { drainTimeoutMs } = config.limits.node;
        const end = performance.now() + drainTimeoutMs;
        const overdue = setTimeout(() => {
          log.logger.error({ ms: drainTimeoutMs }, 'killed: not stopped within the time limit');
          vanish();
        }, drainTimeoutMs + OVERDUE_MS);
        const stopped = (): void => {
          clearTimeout(overdue);
          restore();
          // Leftovers, such as a connection attempt in progress, must not keep the process alive.
          setTimeout(() => process.exit(), Math.max(LAST_MS, end - performance.now())).unref();
        };
        starting
          .then((node) => node.stop())
          .then(resolve, reject)
          .finally(stopped);
      },
      abort: () => (settled ? process.exit(EXIT.FAILED) : vanish()),
      reload: async () => {
        const next = await loadConfig(path, {
          warn: (problem) => log.logger.warn(writeProblem(problem, path)),
        });
        const node = await starting;
        await node.reload(withWorkers(next));
        log.setLevel(next.log.level);
      },
      reloadFailed: (error) => {
        const reasons =
          error instanceof ConfigurationError
            ? error.problems.map((problem) => writeProblem(problem, error.file))
            : [error instanceof Error ? error.message : String(error)];
        log.logger.error({ reasons }, 'not reloaded: the node keeps its present configuration');
      },
    });
  });
  log.stop();
}

/** @throws InvalidArgumentError */
function workersOf(text: string): NodeConfig['workers'] {
  if (text === 'auto') return text;
  const workers = Number(text);
  if (/^\d+$/.test(text) && workers >= 1 && workers <= MOST_WORKERS) return workers;
  throw new InvalidArgumentError(`It must be auto, or a number from 1 to ${MOST_WORKERS}.`);
}

export function register(command: Command): void {
  command.option('--workers <n>', 'number of worker processes, or auto; default: that of the configuration', workersOf);
  withConfig(command).action(relay);
  explain(command, {
    about: `Logs to standard output: text on a terminal, JSON otherwise; "ready" when it listens. SIGTERM and SIGINT stop it in order,
within limits.node.drainTimeoutMs (a second one at once); SIGHUP reloads the configuration.`,
    exits: {
      0: 'stopped in order',
      1: 'stopped at once',
      69: 'for now: an address to listen on is in use or not there; the store cannot be opened, or is in use by another relay',
      78: 'the configuration, a file that it names, or the directory of the store is not usable',
    },
    examples: [
      'imxp check --config mesh.json && imxp relay --config mesh.json',
      'imxp relay --config mesh.json --workers auto    # one for each core',
      `imxp relay --config mesh.json | jq 'select(.level != "info")'`,
      "pkill -HUP -f 'imxp relay'    # reloads the configuration",
    ],
    see: [
      'imxp check',
      'imxp account',
      'imxp status',
      'docs/guide/operations.md',
      'contrib/README.md (systemd, Docker)',
    ],
  });
}
