/**
 * Contexts: who one is at which relay, stored by `imxp login` so that later commands need not be told. One file for all, which
 * only its owner can read; passwords are not in it.
 */
import { randomUUID } from 'node:crypto';
import { chmod, mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import * as z from 'zod';
import { DIALECTS } from '../../lib/config/dialects.js';
import { CommandError, EXIT } from './exit.js';
import { fileError } from './files.js';

const contextSchema = z.strictObject({
  from: z.string(),
  relay: z.string().optional(),
  dialect: z.enum(DIALECTS).optional(),
  nameServer: z.string().optional(),
  loginName: z.string().optional(),
  tls: z.enum(['off', 'prefer', 'require']).optional(),
  ca: z.string().optional(),
  cert: z.string().optional(),
  key: z.string().optional(),
  /** Where the password is: in a file, in the keyring of the system, or nowhere, so that it is asked for. */
  password: z.union([z.strictObject({ file: z.string() }), z.literal('keyring'), z.literal('ask')]),
});

const fileSchema = z.strictObject({
  /** Name of the one that is used unless another is named. */
  current: z.string().optional(),
  contexts: z.record(z.string(), contextSchema),
});

export type Context = z.infer<typeof contextSchema>;
export type Contexts = z.infer<typeof fileSchema>;

/** The directory of the contexts, by the XDG Base Directory Specification. */
export function contextDirectory(): string {
  const base = process.env['XDG_CONFIG_HOME'];
  return join(base === undefined || base === '' ? join(homedir(), '.config') : base, 'imxp');
}

function contextFile(): string {
  return join(contextDirectory(), 'contexts.json');
}

/** @throws CommandError CONFIGURATION when the file cannot be read or says something else */
export async function readContexts(): Promise<Contexts> {
  const path = contextFile();
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (cause) {
    if (cause instanceof Error && 'code' in cause && cause.code === 'ENOENT') return { contexts: {} };
    throw fileError(path, cause, EXIT.CONFIGURATION);
  }
  const hint = 'Correct the file or remove it, and log in again with imxp login.';
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new CommandError(EXIT.CONFIGURATION, `${path} is not JSON`, { cause, hint });
  }
  const read = fileSchema.safeParse(value);
  if (read.success) return read.data;
  const [issue] = read.error.issues;
  const where = issue?.path.join('.') ?? '';
  throw new CommandError(EXIT.CONFIGURATION, `${path}: ${where}: ${issue?.message ?? 'not valid'}`, { hint });
}

/** Replaces the file as a whole. @throws CommandError UNAVAILABLE */
export async function writeContexts(contexts: Contexts): Promise<void> {
  await writePrivately(contextFile(), `${JSON.stringify(contexts, undefined, 2)}\n`);
}

/** Writes a file that only its owner can read, in a directory that only they can enter. @throws CommandError UNAVAILABLE */
export async function writePrivately(path: string, text: string): Promise<void> {
  const draft = `${path}.${randomUUID()}`;
  try {
    await mkdir(dirname(path), { recursive: true, mode: 0o700 });
    await chmod(dirname(path), 0o700);
    await writeFile(draft, text, { flag: 'wx', mode: 0o600, flush: true });
    await rename(draft, path);
  } catch (cause) {
    await rm(draft, { force: true });
    throw fileError(path, cause, EXIT.UNAVAILABLE);
  }
}

/** @throws CommandError USAGE when there is no context of that name */
export function contextNamed(name: string, { contexts }: Contexts): Context {
  const found = Object.hasOwn(contexts, name) ? contexts[name] : undefined;
  if (found !== undefined) return found;
  const names = Object.keys(contexts);
  throw new CommandError(EXIT.USAGE, `there is no context ${JSON.stringify(name)}`, {
    hint: names.length === 0 ? 'Make one: imxp login ADDRESS.' : `There are: ${names.join(', ')}.`,
  });
}
