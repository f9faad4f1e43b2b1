/** `imxp relay`: runs a node until it is told to stop. */
import type { Command } from 'commander';
import { ConfigurationError, writeProblem } from '../lib/config/problem.js';
import { loadConfig } from '../lib/node/configuration.js';
import { startNode } from '../lib/node/node.js';
import { startLog } from '../lib/ops/log.js';
import { handleSignals } from '../lib/ops/signals.js';
import { loadForCommand, withConfig } from './support/configuration.js';
import { EXIT } from './support/exit.js';
import { explain } from './support/manual.js';

/** For octets that have just been written. */
const LAST_MS = 100;
/** What the end may take beyond its limit: a disk or a name server that never answers must not keep the process. */
const OVERDUE_MS = 1000;

/** `process.exit` waits for threads, and one of them may wait for a disk that never answers. */
function vanish(): void {
  process.kill(process.pid, 'SIGKILL');
}

function every(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms);
  timer.unref();
  return () => clearInterval(timer);
}

async function relay({ config: path }: { readonly config: string }): Promise<void> {
  const config = await loadForCommand(path);
  const log = startLog({ level: config.log.level, every });
  process.once('exit', () => log.stop());
  // Signals count from now on: whoever reads "ready" may send one at that very moment.
  const starting = startNode(config);
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
          log.logger.error({ ms: drainTimeoutMs }, 'not stopped in time: killed');
          vanish();
        }, drainTimeoutMs + OVERDUE_MS);
        const stopped = (): void => {
          clearTimeout(overdue);
          restore();
          // What a stopped node leaves behind, such as a connection that is just being tried, must not keep the process.
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
        await node.reload(next);
        log.setLevel(next.log.level);
      },
      reloadFailed: (error) => {
        const reasons =
          error instanceof ConfigurationError
            ? error.problems.map((problem) => writeProblem(problem, error.file))
            : [error instanceof Error ? error.message : String(error)];
        log.logger.error({ reasons }, 'not reloaded: the node goes on as it was');
      },
    });
  });
  log.stop();
}

export function register(program: Command): void {
  const command = program.command('relay').description('run a node');
  withConfig(command).action(relay);
  explain(command, {
    about: `Logs to standard output: lines for people on a terminal, JSON otherwise; "ready" when it listens.
SIGTERM and SIGINT stop it in order, within limits.node.drainTimeoutMs (twice: at once); SIGHUP reloads the configuration.`,
    exits: {
      0: 'stopped in order',
      1: 'stopped at once',
      69: 'the store cannot be opened, is damaged, or in use by another relay',
      78: 'the configuration or the place of the store is not usable, or it cannot listen there',
    },
    examples: [
      'imxp check --config mesh.json && imxp relay --config mesh.json',
      `imxp relay --config mesh.json | jq 'select(.level != "info")'`,
      "pkill -HUP -f 'imxp relay'                                    # read the configuration again",
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
