/**
 * Passwords from a file, the environment, standard input, or a prompt without echo. Never from an argument, which other
 * users of the machine can read.
 */
import { openSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { StringDecoder } from 'node:string_decoder';
import { ReadStream } from 'node:tty';
import { readPasswordFile } from '../../lib/config/password-file.js';
import type { StoredPassword } from './context-options.js';
import { CommandError, EXIT } from './exit.js';

/** The part of a terminal's input that is used here. */
export interface KeyboardInput extends NodeJS.EventEmitter {
  readonly isTTY?: boolean;
  setRawMode(raw: boolean): unknown;
  resume(): unknown;
  pause(): unknown;
}

export interface TextOutput {
  write(text: string): unknown;
}

const ENTER = new Set(['\r', '\n']);
const INTERRUPT = '\u0003';
const END = '\u0004';
const ERASE = new Set(['\u007f', '\b']);
const ERASE_LINE = '\u0015';

/** Reads one line without echoing it. @throws CommandError when the user cancels */
export function readHidden(prompt: string, input: KeyboardInput, output: TextOutput): Promise<string> {
  return new Promise((resolve, reject) => {
    const decoder = new StringDecoder('utf8');
    let typed: string[] = [];
    const end = (settle: () => void): void => {
      input.off('data', heard);
      input.off('end', broken);
      input.setRawMode(false);
      input.pause();
      output.write('\n');
      settle();
    };
    const broken = (): void => {
      end(() =>
        reject(new CommandError(EXIT.FAILED, 'no password given; type one, or use --password-file or IMXP_PASSWORD')),
      );
    };
    const heard = (octets: Buffer): void => {
      for (const character of decoder.write(octets)) {
        if (ENTER.has(character)) {
          end(() => resolve(typed.join('')));
          return;
        }
        if (character === INTERRUPT || character === END) {
          broken();
          return;
        }
        if (character === ERASE_LINE) typed = [];
        else if (ERASE.has(character)) typed.pop();
        else typed.push(character);
      }
    };
    // Echo goes off before the prompt appears, so that nothing typed early is shown.
    input.setRawMode(true);
    output.write(prompt);
    input.on('data', heard);
    input.on('end', broken);
    input.resume();
  });
}

function firstLine(input: string): string {
  const [password = ''] = input.split(/\r?\n/, 1);
  if (password === '')
    throw new CommandError(EXIT.USAGE, 'the first line of standard input is empty; it must be the password');
  return password;
}

export interface PasswordOptions {
  /** From `--password-file`. */
  readonly passwordFile?: string | undefined;
  /** From `--password-stdin`: the first line of standard input. */
  readonly passwordStdin?: boolean | undefined;
  /** From a context. */
  readonly stored?: StoredPassword | undefined;
  /** Whose password it is. */
  readonly subject: string;
  /** Ask twice, for a new password. */
  readonly confirm?: boolean;
}

/** Runs with the keyboard of the terminal, which standard input need not be. @returns undefined when there is no terminal */
async function withKeyboard<T>(action: (keyboard: KeyboardInput) => Promise<T>): Promise<T | undefined> {
  if (process.stdin.isTTY) return await action(process.stdin);
  // A program whose messages nobody reads is not used by a person.
  if (!process.stderr.isTTY) return undefined;
  let terminal: ReadStream;
  try {
    terminal = new ReadStream(openSync('/dev/tty', 'r+'));
  } catch {
    return undefined;
  }
  try {
    return await action(terminal);
  } finally {
    terminal.destroy();
  }
}

/** @throws CommandError CONFIGURATION when the keyring has no such password any more; LocalError CONFIGURATION for the file */
async function fromStore({ file, keyring }: StoredPassword): Promise<string> {
  if (file !== undefined) return await readPasswordFile(file);
  const { recall } = await import('./keyring.js');
  const password = keyring === undefined ? undefined : await recall(keyring);
  if (password !== undefined) return password;
  throw new CommandError(EXIT.CONFIGURATION, `the keyring gives no password for ${keyring}`, {
    hint: 'Unlock it, or log in again: imxp login ADDRESS.',
  });
}

/**
 * The password from `--password-file` or standard input, else `IMXP_PASSWORD`, else what a context has stored, else a prompt
 * on the terminal, even while standard input is a pipe.
 *
 * @throws CommandError USAGE when there is no terminal to ask on or the two inputs differ; LocalError CONFIGURATION for
 *   the file
 */
export async function obtainPassword(options: PasswordOptions): Promise<string> {
  const { passwordFile, passwordStdin = false, stored, subject, confirm = false } = options;
  if (passwordStdin) return firstLine(await text(process.stdin));
  if (passwordFile !== undefined) return readPasswordFile(passwordFile);
  const fromEnvironment = process.env['IMXP_PASSWORD'];
  if (fromEnvironment !== undefined && fromEnvironment !== '') return fromEnvironment;
  if (stored !== undefined) return await fromStore(stored);
  const typed = await withKeyboard((keyboard) => typedPassword(subject, confirm, keyboard));
  if (typed !== undefined) return typed;
  throw new CommandError(EXIT.USAGE, `a password for ${subject} is needed; use --password-file FILE or IMXP_PASSWORD`);
}

async function typedPassword(subject: string, confirm: boolean, keyboard: KeyboardInput): Promise<string> {
  const password = await readHidden(`Password for ${subject}: `, keyboard, process.stderr);
  if (password === '') throw new CommandError(EXIT.USAGE, 'the password must not be empty; nothing was changed');
  if (confirm && (await readHidden('Repeat the password: ', keyboard, process.stderr)) !== password) {
    throw new CommandError(EXIT.USAGE, 'the two passwords differ; nothing was changed');
  }
  return password;
}
