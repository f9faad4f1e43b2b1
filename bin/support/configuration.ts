/** The `--config` option, and loading the configuration. */
import type { Command } from 'commander';
import { type Problem, writeProblem } from '../../lib/config/problem.js';
import type { NodeConfig } from '../../lib/config/schema.js';
import { type CheckOptions, loadConfig } from '../../lib/node/configuration.js';
import { complain } from './output.js';

export const DEFAULT_CONFIG = 'mesh.json';

export function withConfig(command: Command): Command {
  return command.option('-c, --config <file>', 'configuration file of the node', DEFAULT_CONFIG);
}

/**
 * Loads a configuration and prints warnings to standard error; but not that the disk is full, with which whoever opens
 * the store fails.
 *
 * @param files false: the files it names need not exist; `store`: only the directory of the store must be usable
 * @throws ConfigurationError
 */
export function loadForCommand(file: string, { files = true }: CheckOptions = {}): Promise<NodeConfig> {
  const warn = (problem: Problem): void => {
    if (problem.path !== 'store.path') complain(writeProblem(problem, file), 'warning');
  };
  return loadConfig(file, { files, warn });
}
