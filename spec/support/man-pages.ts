/**
 * Generates the manual pages from the definitions that `--help` shows: `npm run docs` writes them, and a spec compares them.
 * One page for the program and one for each command with its subcommands.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { Command } from 'commander';
import { allCommands } from '../../bin/commands.js';
import { exitsOf, type Manual, manualOf, paragraphsOf, pathOf } from '../../bin/support/manual.js';
import { makeProgram } from '../../bin/support/program.js';

const COMMANDS = await allCommands();

export const MANUAL = fileURLToPath(new URL('../../contrib/man/', import.meta.url));

/** Escapes text for roff: no line begins with a control character, and hyphens stay hyphens. */
function text(plain: string): string {
  return plain
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^(['.])/gm, '\\&$1');
}

const quoted = (plain: string): string => `"${text(plain).replaceAll('"', '\\(dq')}"`;

/** Lines printed as they are. */
const literal = (lines: readonly string[]): string[] => ['.nf', ...lines.map(text), '.fi'];

function titled(tag: string, body: string): string[] {
  return ['.TP', `.B ${quoted(tag)}`, text(body)];
}

function capital(sentence: string): string {
  return `${sentence.charAt(0).toUpperCase()}${sentence.slice(1)}.`;
}

/** The definitions of a command: what it does, its arguments, its options. */
function definition(command: Command): string[] {
  const help = command.createHelp();
  const lines = literal([`${pathOf(command)} ${command.usage()}`]);
  for (const argument of help.visibleArguments(command)) {
    lines.push(...titled(help.argumentTerm(argument), help.argumentDescription(argument)));
  }
  for (const option of help.visibleOptions(command)) {
    lines.push(...titled(help.optionTerm(option), help.optionDescription(option)));
  }
  return lines;
}

function paragraphs(manual: Manual): string[] {
  return manual.about === undefined ? [] : paragraphsOf(manual.about).flatMap((paragraph) => ['.PP', text(paragraph)]);
}

function ending(manual: Manual): string[] {
  return [
    '.SH EXIT STATUS',
    ...exitsOf(manual).flatMap(([code, meaning]) => titled(code, meaning)),
    '.SH EXAMPLES',
    ...literal(manual.examples.flatMap((example) => example.split('\n'))),
    '.SH SEE ALSO',
    text(manual.see.map((one) => one.replace(/^imxp ([a-z]+)$/, 'imxp-$1(1)')).join(', ')),
  ];
}

function need(command: Command): Manual {
  const manual = manualOf(command);
  if (manual === undefined) throw new Error(`${pathOf(command)} has no manual: call explain() on it`);
  return manual;
}

/** One page. */
function page(command: Command): string {
  const name = pathOf(command).replaceAll(' ', '-');
  const manual = need(command);
  const whole = command.parent === null;
  const children = command
    .createHelp()
    .visibleCommands(command)
    .filter((child) => command.commands.includes(child));
  const lines = [
    '.\\" Written by "npm run docs" from the definitions of the commands.',
    `.TH ${quoted(name.toUpperCase())} 1 "" "imxp" "imxp manual"`,
    '.SH NAME',
    `${text(name)} \\- ${text(command.description().replace(/\.$/, ''))}`,
    '.SH SYNOPSIS',
    ...definition(command).slice(0, 3),
    '.SH DESCRIPTION',
    text(capital(command.description().replace(/\.$/, ''))),
    ...paragraphs(manual),
  ];
  if (whole) {
    lines.push('.SH COMMANDS');
    for (const child of children) lines.push(...titled(`imxp-${child.name()}(1)`, child.description()));
  } else if (children.length > 0) {
    lines.push('.SH COMMANDS');
    for (const child of children) {
      lines.push(`.SS ${quoted(`${pathOf(child)}: ${child.description()}`)}`, ...definition(child));
      lines.push('.PP', 'Examples:', ...literal(need(child).examples.flatMap((example) => example.split('\n'))));
    }
  }
  lines.push('.SH OPTIONS', ...definition(command).slice(3));
  if (whole) {
    lines.push('.SH ENVIRONMENT');
    for (const [variable, meaning] of ENVIRONMENT) lines.push(...titled(variable, meaning));
  }
  lines.push(...ending(manual));
  return `${lines.join('\n')}\n`;
}

const ENVIRONMENT = [
  ['IMXP_RELAY', 'URL of the relay, unless --relay is given'],
  ['IMXP_FROM', 'your address, unless --from is given'],
  ['IMXP_CA', 'PEM file of trusted CAs, unless --ca is given'],
  ['IMXP_CONTEXT', 'context to use, unless --context is given'],
  ['IMXP_PASSWORD', 'the password, unless --password-file is given'],
  ['IMXP_NAME_SERVER', 'DNS server, unless --name-server is given'],
  ['IMXP_DEBUG', 'if set, errors are printed with a stack trace'],
  ['NO_COLOR', 'if set, output is not coloured'],
] as const;

/** All pages by the name of their file. */
export function manualPages(): ReadonlyMap<string, string> {
  const program = makeProgram(COMMANDS);
  const pages = [program, ...program.commands].map(
    (command) => [`${pathOf(command).replaceAll(' ', '-')}.1`, page(command)] as const,
  );
  return new Map(pages);
}

/** The pages in contrib/man. */
export function writtenPages(): ReadonlyMap<string, string> {
  const names = readdirSync(MANUAL).filter((name) => name.endsWith('.1'));
  return new Map(names.map((name) => [name, readFileSync(`${MANUAL}${name}`, 'utf8')]));
}

/** Writes all of them, and removes those of commands that there are no more. */
export function writeManualPages(): void {
  const pages = manualPages();
  mkdirSync(MANUAL, { recursive: true });
  for (const name of writtenPages().keys()) if (!pages.has(name)) rmSync(`${MANUAL}${name}`);
  for (const [name, content] of pages) writeFileSync(`${MANUAL}${name}`, content);
}
