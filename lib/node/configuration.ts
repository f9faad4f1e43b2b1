/** Loads a configuration file and finds everything that can be known to be wrong with it before a node runs on it. */
import { readFile } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { JsonTextError, parseJsonText } from '../config/json-text.js';
import { type Examined, examineConfig, problemOf } from '../config/parse.js';
import { describeFileError, textOfFile } from '../config/password-file.js';
import { ConfigurationError, type Finding, type Problem } from '../config/problem.js';
import type { NodeConfig } from '../config/schema.js';
import { inspectFiles, inspectStore } from './configured-files.js';

export interface Checked<Config = NodeConfig> {
  /** Absolute path of the file. */
  readonly file: string;
  /** Undefined if a problem is an error. */
  readonly config: Config | undefined;
  /** In the order of the text. */
  readonly problems: readonly Problem[];
}

function failed(file: string, problem: Omit<Problem, 'severity' | 'path'>): Checked<never> {
  return { file, config: undefined, problems: [{ severity: 'error', path: '', ...problem }] };
}

function inOrder(a: Problem, b: Problem): number {
  return (a.place?.line ?? 0) - (b.place?.line ?? 0) || (a.place?.column ?? 0) - (b.place?.column ?? 0);
}

export interface CheckOptions {
  /**
   * False: do not look at the files that it names; `store`: look only at the directory of its store. True by default.
   */
  readonly files?: boolean | 'store';
}

/** Checks a file and returns all its problems; never throws because of them. */
export function checkConfig(path: string, { files = true }: CheckOptions = {}): Promise<Checked> {
  const inspect = files === false ? async () => [] : (config: NodeConfig) => inspected(config, files);
  return checkFile(path, examineConfig, inspect);
}

/**
 * Checks a file of any kind of configuration.
 *
 * @param examine what its value says; relative paths are relative to `base`
 * @param inspect the files that it names
 */
export async function checkFile<Config>(
  path: string,
  examine: (value: unknown, base: string) => Examined<Config>,
  inspect: (config: Config) => Promise<readonly Finding[]>,
): Promise<Checked<Config>> {
  const file = resolve(path);
  let text: string;
  try {
    text = textOfFile(await readFile(file));
  } catch (error) {
    return failed(file, { message: `cannot be read: ${describeFileError(error)}` });
  }
  try {
    const json = parseJsonText(text);
    const { config, findings } = examine(json.value, dirname(file));
    const all: readonly Finding[] = config === undefined ? findings : [...findings, ...(await inspect(config))];
    const problems = all.map((finding): Problem => {
      const last = finding.keys.at(-1);
      const atKey = finding.atKey === true && last !== undefined;
      const place = atKey ? json.placeOfKey(finding.keys.slice(0, -1), String(last)) : json.placeOf(finding.keys);
      return { ...problemOf(finding), place };
    });
    const usable = problems.every((problem) => problem.severity !== 'error');
    return { file, config: usable ? config : undefined, problems: problems.sort(inOrder) };
  } catch (error) {
    if (error instanceof JsonTextError)
      return failed(file, { message: `not JSON: ${error.message}`, place: error.place });
    throw error;
  }
}

function inspected(config: NodeConfig, files: true | 'store'): Promise<readonly Finding[]> {
  return files === 'store' ? inspectStore(config) : inspectFiles(config);
}

export interface LoadOptions extends CheckOptions {
  /** Called with each problem that does not keep the node from running. */
  warn?(problem: Problem): void;
}

/**
 * Loads the configuration of a node, with the files that it names.
 *
 * @throws ConfigurationError with everything that is wrong, and where
 */
export async function loadConfig(path: string, options: LoadOptions = {}): Promise<NodeConfig> {
  return configOf(await checkConfig(path, options), options);
}

/** @throws ConfigurationError when a check has found an error */
export function configOf<Config>(checked: Checked<Config>, options: LoadOptions): Config {
  const { file, config, problems } = checked;
  if (config === undefined) throw new ConfigurationError(problems, file);
  for (const problem of problems) options.warn?.(problem);
  return config;
}
