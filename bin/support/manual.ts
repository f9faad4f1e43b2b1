/** Manual of a command beyond its description and options: shown by `--help` and written to the manual pages. */
import type { Command } from 'commander';
import { paint } from '../../lib/ops/terminal.js';
import { EXIT } from './exit.js';

export interface Manual {
  /** Paragraphs, separated by empty lines; single line breaks count as spaces. */
  readonly about?: string;
  /** Meaning by exit code; 64 is added. */
  readonly exits: Readonly<Partial<Record<number, string>>>;
  /** Shell command lines; `\` and a line break continue one. */
  readonly examples: readonly string[];
  /** Other commands, such as `imxp account add`, and files. */
  readonly see: readonly string[];
}

/** Exit codes of every command that attaches as an endpoint. */
export const ENDPOINT_EXITS = {
  [EXIT.UNAVAILABLE]: 'the relay cannot be reached or does not answer',
  [EXIT.REFUSED]: 'the relay refuses: wrong password, TLS failure, or not authorized',
  [EXIT.CONFIGURATION]: 'a password or certificate file cannot be used',
} as const;

const DEFAULT_WIDTH = 80;
const SEE_ALSO = 'See also:';

const manuals = new WeakMap<Command, Manual>();

/** Adds the manual of a command to its help. */
export function explain(command: Command, manual: Manual): Command {
  const whole = { ...manual, exits: { [EXIT.USAGE]: 'invalid command line', ...manual.exits } };
  manuals.set(command, whole);
  return command.addHelpText('after', ({ error }) => `\n${helpOf(whole, widthOf(command, error))}`);
}

/** The manual of a command; undefined when it has none. */
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

/** Width of the terminal; 80 where there is none. */
function widthOf(command: Command, error: boolean): number {
  const { getErrHelpWidth, getOutHelpWidth } = command.configureOutput();
  return (error ? getErrHelpWidth?.() : getOutHelpWidth?.()) ?? DEFAULT_WIDTH;
}

/** Breaks a paragraph into lines of at most `width` characters; all but the first are then indented. */
function wrapped(text: string, width: number, indent = 0): string {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(/\s+/)) {
    if (line !== '' && line.length + 1 + word.length > width) {
      lines.push(line);
      line = word;
    } else line = line === '' ? word : `${line} ${word}`;
  }
  return [...lines, line].join(`\n${' '.repeat(indent)}`);
}

/** The paragraphs of a text, without its line breaks. */
export function paragraphsOf(text: string): readonly string[] {
  return text.split(/\n\s*\n/).map((paragraph) => paragraph.trim().replaceAll(/\s+/g, ' '));
}

function helpOf(manual: Manual, width: number): string {
  const { about, examples, see } = manual;
  const exits = exitsOf(manual).map(([code, meaning]) => `  ${code.padEnd(4)}${wrapped(meaning, width - 6, 6)}`);
  const parts = [
    ...(about === undefined ? [] : paragraphsOf(about).map((paragraph) => wrapped(paragraph, width))),
    `${paint('bold', 'Exit codes:')}\n${exits.join('\n')}`,
    `${paint('bold', 'Examples:')}\n${examples.map((line) => `  ${line}`).join('\n')}`,
    `${paint('bold', SEE_ALSO)} ${wrapped(see.join(', '), width - SEE_ALSO.length - 1, SEE_ALSO.length + 1)}`,
  ];
  return parts.join('\n\n');
}
