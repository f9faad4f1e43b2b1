/**
 * Turns the value of a configuration file into a {@link NodeConfig}, or into all its problems, with their paths.
 * Touches no files.
 */
import type * as z from 'zod';
import { inconsistencies } from './consistency.js';
import { keysAt } from './json-schema.js';
import { MOVED_LIMITS } from './limits.js';
import { nearest } from './nearest.js';
import { ConfigurationError, type Finding, type KeyPath, type Problem, writePath } from './problem.js';
import { type NodeConfig, nodeSchema } from './schema.js';
import { ONCE } from './values.js';

type Issue = z.core.$ZodIssue;

const asKeys = (path: readonly PropertyKey[]): KeyPath =>
  path.map((key) => (typeof key === 'number' ? key : String(key)));

const SECRET = /^(?:password|secret|passphrase)$/i;

/** What other programs call a key of `tls`, or a command of this one as an option. */
const TLS_SYNONYMS: ReadonlyMap<string, string> = new Map([
  ['ca', 'authority'],
  ['cafile', 'authority'],
  ['cert', 'certificate'],
]);

function synonymIn(path: KeyPath, key: string, known: readonly string[]): string | undefined {
  const meant = path.at(-1) === 'tls' ? TLS_SYNONYMS.get(key.toLowerCase()) : undefined;
  return meant !== undefined && known.includes(meant) ? meant : undefined;
}

/** Returns the keys that the object at a path may have. */
type KnownKeysAt = (path: readonly PropertyKey[]) => readonly string[];

function unknownKey(path: KeyPath, key: string, known: readonly string[]): string {
  if (SECRET.test(key)) return 'secrets are never written in this file: write "passwordFile" with the path of a file';
  const moved = path.length === 1 && path[0] === 'limits' ? MOVED_LIMITS.get(key) : undefined;
  if (moved !== undefined) return `limits are grouped: write this one as limits.${moved}`;
  if (known.includes(key)) return 'has no meaning with the other keys here';
  const meant = synonymIn(path, key, known) ?? nearest(key, known);
  if (meant !== undefined) return `unknown key; did you mean "${meant}"?`;
  return known.length === 0 ? 'unknown key' : `unknown key; known here: ${known.join(', ')}`;
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  return Array.isArray(value) ? 'an array' : typeof value === 'object' ? 'an object' : `a ${typeof value}`;
}

const KINDS: Readonly<Record<string, string>> = {
  int: 'a whole number',
  number: 'a number',
  string: 'a string',
  boolean: 'true or false',
  array: 'an array',
  object: 'an object',
  record: 'an object',
};

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null || !Object.hasOwn(found, key)) return undefined;
    found = Reflect.get(found, key);
  }
  return found;
}

function bound(issue: z.core.$ZodIssueTooSmall | z.core.$ZodIssueTooBig): string {
  const small = issue.code === 'too_small';
  const limit = String(small ? issue.minimum : issue.maximum);
  const word = small ? 'at least' : 'at most';
  if (issue.origin === 'array')
    return small && limit === '1' ? 'must not be empty' : `must have ${word} ${limit} entries`;
  if (issue.origin === 'string')
    return small && limit === '1' ? 'must not be empty' : `must have ${word} ${limit} characters`;
  return `must be ${word} ${limit}`;
}

function invalidFormat(issue: z.core.$ZodIssueInvalidStringFormat, input: unknown): string {
  const shown = typeof input === 'string' ? `${JSON.stringify(input)} ` : '';
  return issue.message.startsWith('Invalid') ? `${shown}is not acceptable here` : `${shown}is ${issue.message}`;
}

function choice(values: readonly unknown[], input: unknown): string {
  const list = values.map((value) => JSON.stringify(value));
  const words = `${list.length === 1 ? '' : 'one of '}${list.join(', ')}`;
  return input === undefined ? `is missing: ${words} is needed` : `must be ${words}, not ${JSON.stringify(input)}`;
}

/** Describes an issue of zod, found in a value, in words of this program. */
export function findingsOf(issue: Issue, root: unknown, known: KnownKeysAt): Finding[] {
  const keys = asKeys(issue.path);
  const input = valueAt(root, issue.path);
  const finding = (message: string): Finding[] => [{ severity: 'error', keys, message }];
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        severity: 'error',
        keys: [...keys, key],
        message: unknownKey(keys, key, known(keys)),
        atKey: true,
      }));
    case 'invalid_type': {
      const expected = KINDS[issue.expected] ?? issue.expected;
      if (input === undefined) return finding(`is missing: ${expected} is needed`);
      return finding(`must be ${expected}, not ${typeof input === 'number' ? String(input) : kindOf(input)}`);
    }
    case 'invalid_value':
      return finding(choice(issue.values, input));
    case 'invalid_union':
      // A discriminated union lists the values of its discriminator.
      if ('options' in issue && Array.isArray(issue.options)) return finding(choice(issue.options, input));
      // Something within is wrong with the one form that has the right kind of value.
      for (const issues of issue.errors) {
        if (issues.length === 0 || issues.some(({ path }) => path.length === 0)) continue;
        return issues.flatMap((one) => findingsOf({ ...one, path: [...issue.path, ...one.path] }, root, known));
      }
      return finding(`${typeof input === 'string' ? `${JSON.stringify(input)} is ` : ''}${issue.message}`);
    case 'invalid_key': {
      const first = issue.issues[0];
      const message = first === undefined ? issue.message : first.message;
      return [{ severity: 'error', keys, message: `this key is ${message}`, atKey: true }];
    }
    case 'too_small':
    case 'too_big':
      return finding(bound(issue));
    case 'invalid_format':
      return finding(invalidFormat(issue, input));
    default:
      return finding(issue.message);
  }
}

/** Freezes a value with everything in it. */
export function freeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value;
  for (const part of Object.values(value)) freeze(part);
  return Object.freeze(value);
}

/** Result of a check; `config` is defined unless there is an error. */
export interface Examined<Config = NodeConfig> {
  readonly config: Config | undefined;
  readonly findings: readonly Finding[];
}

/** Applies the schema to a value; relative paths become absolute below `base`. */
export function examineConfig(value: unknown, base: string): Examined {
  const result = nodeSchema(base).safeParse(value, ONCE);
  if (!result.success) {
    return { config: undefined, findings: result.error.issues.flatMap((issue) => findingsOf(issue, value, keysAt)) };
  }
  const config: NodeConfig = freeze(result.data);
  const findings = inconsistencies(config);
  return { config: findings.some((finding) => finding.severity === 'error') ? undefined : config, findings };
}

export function problemOf(finding: Finding): Problem {
  return { severity: finding.severity, path: writePath(finding.keys), message: finding.message };
}

/**
 * Makes a {@link NodeConfig} of a value, for programs that have no file. Checks no files; see `loadConfig`.
 *
 * @param base directory that relative paths are relative to
 * @throws ConfigurationError with everything that is wrong
 */
export function parseConfig(value: unknown, base: string = process.cwd()): NodeConfig {
  const { config, findings } = examineConfig(value, base);
  if (config === undefined) throw new ConfigurationError(findings.map(problemOf));
  return config;
}
