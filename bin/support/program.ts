/** The program around all commands: its help, and the one place where errors become messages, hints and exit codes. */
import { Command, CommanderError, Help, InvalidArgumentError } from 'commander';
import { nearest } from '../../lib/config/nearest.js';
import { describeFileError } from '../../lib/config/password-file.js';
import { ConfigurationError, writeProblem } from '../../lib/config/problem.js';
import { ImxpError } from '../../lib/errors.js';
import { harmless, paint } from '../../lib/ops/terminal.js';
import { VERSION } from '../../lib/ops/version.js';
import { CommandError, EXIT, exitCodeOf } from './exit.js';
import { hintFor } from './hints.js';
import { explain, pathOf } from './manual.js';
import { complain, hint, printJson } from './output.js';

/** Adds to a command what one file in `bin/` has for it: arguments, options, subcommands and what it does. */
export type Register = (command: Command) => void;

export interface CommandEntry {
  readonly name: string;
  readonly description: string;
  /** Undefined where only the name and the description are needed. */
  readonly register: Register | undefined;
}

export function makeProgram(commands: readonly CommandEntry[]): Command {
  // exitOverride comes first, because commands made later inherit it.
  const program = new Command('imxp')
    .description('A relay node for the IMXP mesh, and the tools around it.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'show this help')
    .helpCommand('help [command]', 'show the help of a command')
    .configureOutput({
      outputError: (text, write) => write(suggested(text).replace(/^error:/, paint('red', 'error:', process.stderr))),
    })
    .configureHelp({ styleTitle: (title) => paint('bold', title), sortSubcommands: false, subcommandTerm: termOf })
    .exitOverride();
  for (const { name, description, register } of commands) {
    const command = program.command(name).description(description);
    register?.(command);
  }
  for (const command of [program, ...below(program)]) command.showHelpAfterError(`Try: ${pathOf(command)} --help`);
  return explain(program, {
    about: `Commands that attach as an endpoint take --from, --relay and --ca (or IMXP_FROM, IMXP_RELAY, IMXP_CA, or what imxp login has stored), --password-file (or IMXP_PASSWORD, or a
prompt) and --tls. With --json, a command that fails prints JSON, too: {"failed": true, "error", "text", "hint",
"exitCode"}, and the "code" of the refusal when a relay refused.`,
    exits: {
      0: 'done',
      1: 'failed; standard error gives the reason',
      69: 'unavailable: a relay, node or name server cannot be reached',
      77: 'refused: authentication failed, or not authorized',
      78: 'the configuration is not valid',
    },
    examples: [
      'imxp certs --out certs --domain example.com     # a CA and a certificate',
      'imxp check --config mesh.json                   # is the configuration valid?',
      'imxp account add fred@example.com --config mesh.json',
      'echo Hello | imxp send --from fred@example.com --to barney@rubble.com',
      'imxp presence poll fred@example.com --from barney@rubble.com',
      'imxp demo                                       # two relays on this machine',
    ],
    see: ['imxp COMMAND --help', 'README.md', 'docs/guide/'],
  });
}

/** The arguments of a command are in its own help; the help of the program has been made without loading it. */
function termOf(command: Command): string {
  return command.parent?.parent === null ? command.name() : Help.prototype.subcommandTerm(command);
}

/** All subcommands of a command, at any depth. */
export function below(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...below(child)]);
}

/** Adds the nearest allowed value to commander's message about an invalid choice. */
function suggested(text: string): string {
  const [said, given = '', allowed = ''] =
    /argument '([^']*)' is invalid\. Allowed choices are (.*)\.$/m.exec(text) ?? [];
  const near = said === undefined ? undefined : nearest(given, allowed.split(', '));
  return near === undefined ? text : text.replace(/\n$/, `\n(Did you mean ${near}?)\n`);
}

/** Prints an error, and what to do about it, for whoever typed the command. */
function complainOf(error: unknown): void {
  // Commander has said it already, unless an action has thrown it.
  if (error instanceof CommanderError && !(error instanceof InvalidArgumentError)) return;
  if (error instanceof ConfigurationError) {
    for (const problem of error.problems) complain(writeProblem(problem, error.file), problem.severity);
    hint('Correct the file, or name another one with --config; imxp check lists everything that is wrong with it.');
    return;
  }
  complain(harmless(messageOf(error)));
  hint(hintFor(error));
  // A stack trace does not help with a typing error, but it does with a fault of this program.
  const expected = error instanceof ImxpError || (error instanceof Error && ('exitCode' in error || 'code' in error));
  if (error instanceof Error && (!expected || process.env['IMXP_DEBUG'] !== undefined)) {
    process.stderr.write(`${harmless(error.stack ?? '')}\n`);
  }
}

/** Errors of the file system name the call; people want the file and the reason. */
function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const path = 'syscall' in error && 'path' in error ? error.path : undefined;
  return typeof path === 'string' ? `${path}: ${describeFileError(error)}` : error.message;
}

/** An error as JSON, for scripts. */
function failureOf(error: unknown): object {
  const origin = error instanceof ImxpError || !(error instanceof Error) ? error : (imxpCauseOf(error) ?? error);
  const exitCode = exitCodeOf(error);
  const advice = hintFor(error);
  const text = messageOf(error).replace(/^error: /, '');
  return {
    failed: true,
    error: origin instanceof ImxpError ? origin.code : exitCode === EXIT.USAGE ? 'USAGE' : 'FAILED',
    ...(origin instanceof ImxpError && origin.reply !== undefined ? { code: origin.reply.code } : {}),
    text: origin instanceof ImxpError && origin.reply !== undefined ? origin.reply.text : text,
    ...(advice === undefined ? {} : { hint: advice }),
    ...(error instanceof ConfigurationError ? { problems: error.problems } : {}),
    ...(error instanceof CommandError ? error.details : {}),
    exitCode,
  };
}

function imxpCauseOf({ cause }: Error): ImxpError | undefined {
  return cause instanceof ImxpError ? cause : undefined;
}

/** Runs a command line and sets the exit code. The process ends when nothing is left to do. */
export async function runProgram(program: Command, argv: readonly string[]): Promise<void> {
  // A closed pipe, as in `imxp account list | head -1`, is not an error.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT.OK : EXIT.FAILED),
  );
  try {
    await program.parseAsync([...argv], { from: 'user' });
  } catch (error) {
    complainOf(error);
    process.exitCode = exitCodeOf(error);
    if (process.exitCode !== EXIT.OK && asksForJson(argv)) printJson(failureOf(error));
  }
}

/** Whether --json is given, even when the rest of the command line is not valid. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).includes('--json');
}
