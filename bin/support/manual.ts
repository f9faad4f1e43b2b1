/**
 * What there is to know about a command beyond its description and options: kept once, shown by `--help` and written into
 * the manual pages. Knows no command.
 */
import type { Command } from 'commander';
import { paint } from '../../lib/ops/terminal.js';
import { EXIT } from './exit.js';

export interface Manual {
  /** Paragraphs; none where description and options say it all. */
  readonly about?: string;
  /** By code, in their order; that of wrong usage is added. */
  readonly exits: Readonly<Partial<Record<number, string>>>;
  /** Lines for a shell. */
  readonly examples: readonly string[];
  /** Other commands, such as `account add`, and files. */
  readonly see: readonly string[];
}

/** What goes wrong for every command that attaches as an endpoint. */
export const ENDPOINT_EXITS = {
  [EXIT.UNAVAILABLE]: 'the relay cannot be reached, or gives no answer',
  [EXIT.REFUSED]: 'the relay does not let us in: the password, TLS, or not allowed',
  [EXIT.CONFIGURATION]: 'a file of a password or certificate cannot be used',
} as const;

const manuals = new WeakMap<Command, Manual>();

/** Adds the manual of a command to its help. */
export function explain(command: Command, manual: Manual): Command {
  const whole = { ...manual, exits: { [EXIT.USAGE]: 'wrong usage', ...manual.exits } };
  manuals.set(command, whole);
  return command.addHelpText('after', () => `\n${helpOf(whole)}`);
}

/** The manual of a command; undefined when nobody has written one. */
export function manualOf(command: Command): Manual | undefined {
  return manuals.get(command);
}

/** The words that start a command: `imxp account add`. */
export function pathOf(command: Command): string {
  return command.parent === null ? command.name() : `${pathOf(command.parent)} ${command.name()}`;
}

export function exitsOf({ exits }: Manual): (readonly [code: string, meaning: string])[] {
  return Object.entries(exits).map(([code, meaning]) => [code, meaning ?? ''] as const);
}

function helpOf(manual: Manual): string {
  const { about, examples, see } = manual;
  const exits = exitsOf(manual).map(([code, meaning]) => `  ${code.padEnd(2)}  ${meaning}`);
  const parts = [
    ...(about === undefined ? [] : [about]),
    `${paint('bold', 'Exit codes:')}\n${exits.join('\n')}`,
    `${paint('bold', 'Examples:')}\n${examples.map((line) => `  ${line}`).join('\n')}`,
    `${paint('bold', 'See also:')} ${see.join(', ')}`,
  ];
  return parts.join('\n\n');
}
