/** Problems of a configuration and their positions. */
import { LocalError } from '../errors.js';

/** A position in the text of the file, both numbers counted from 1. */
export interface TextPosition {
  readonly line: number;
  readonly column: number;
}

export interface Problem {
  /** An `error` keeps the node from running; a `warning` does not. */
  readonly severity: 'error' | 'warning';
  /** JSON path such as `mesh.routes[0].relays[1]`; empty for the file as a whole. */
  readonly path: string;
  /** What is wrong and what to write instead; never contains a secret. */
  readonly message: string;
  readonly place?: TextPosition;
}

/** A path as zod returns it. */
export type KeyPath = readonly (string | number)[];

/** A problem with its path key by key, so that its position in a text can be found. */
export interface Finding {
  readonly severity: 'error' | 'warning';
  readonly keys: KeyPath;
  readonly message: string;
  /** The key itself is wrong, not its value. */
  readonly atKey?: boolean;
}

/** Formats a path as a person would write it: `mesh.routes[0].relays`, `policy.relays["imxp=mesh@rubble.com"]`. */
export function writePath(keys: KeyPath): string {
  let text = '';
  for (const key of keys) {
    if (typeof key === 'number') text += `[${key}]`;
    else if (/^[A-Za-z_]\w*$/.test(key)) text += text === '' ? key : `.${key}`;
    else text += `[${JSON.stringify(key)}]`;
  }
  return text;
}

/** Formats a problem as one line: `mesh.json:3:5 tls.certificate: no such file`. */
export function writeProblem(problem: Problem, file?: string): string {
  const place = problem.place === undefined ? '' : `:${problem.place.line}:${problem.place.column}`;
  const where = [file === undefined ? '' : `${file}${place}`, problem.path].filter((part) => part !== '').join(' ');
  return where === '' ? problem.message : `${where}: ${problem.message}`;
}

/** The configuration cannot be used; `problems` has everything that was found, errors and warnings. */
export class ConfigurationError extends LocalError {
  readonly problems: readonly Problem[];
  readonly file: string | undefined;

  constructor(problems: readonly Problem[], file?: string) {
    const errors = problems.filter((problem) => problem.severity === 'error');
    super('CONFIGURATION', errors.map((problem) => writeProblem(problem, file)).join('\n'), {
      fields: { problems: errors.length, ...(file === undefined ? {} : { file }) },
    });
    this.problems = problems;
    this.file = file;
  }
}
