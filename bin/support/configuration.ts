/** The `--config` option and what commands do with it. */
import type { Command } from 'commander';
import { writeProblem } from '../../lib/config/problem.js';
import type { NodeConfig } from '../../lib/config/schema.js';
import { type CheckOptions, loadConfig } from '../../lib/node/configuration.js';
import { complain } from './output.js';

export const DEFAULT_CONFIG = 'mesh.json';

export function withConfig(command: Command): Command {
  return command.option('-c, --config <file>', 'configuration of the node', DEFAULT_CONFIG);
}

/**
 * Loads a configuration; warnings go to standard error.
 *
 * @param files false: the files it names may be missing yet; `store`: all but the place of the store
 * @throws ConfigurationError
 */
export function loadForCommand(file: string, { files = true }: CheckOptions = {}): Promise<NodeConfig> {
  return loadConfig(file, { files, warn: (problem) => complain(writeProblem(problem, file), 'warning') });
}
