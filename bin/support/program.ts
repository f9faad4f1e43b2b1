/** The frame around all commands: the program with its help, and one place where faults become words and exit codes. */
import { Command, CommanderError } from 'commander';
import { nearest } from '../../lib/config/nearest.js';
import { ConfigurationError, writeProblem } from '../../lib/config/problem.js';
import { ImxpError } from '../../lib/errors.js';
import { harmless, paint } from '../../lib/ops/terminal.js';
import { VERSION } from '../../lib/ops/version.js';
import { CommandError, EXIT, exitCodeOf } from './exit.js';
import { explain, pathOf } from './manual.js';
import { complain, printJson } from './output.js';

/** A file of `bin/` that adds its command. */
export type Register = (program: Command) => void;

export function makeProgram(commands: readonly Register[]): Command {
  // exitOverride comes first: commands made later inherit it.
  const program = new Command('imxp')
    .description('A relay node for the IMXP mesh, and the tools around it.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .helpCommand('help [command]', 'explain a command')
    .configureOutput({
      outputError: (text, write) => write(suggested(text).replace(/^error:/, paint('red', 'error:', process.stderr))),
    })
    .configureHelp({ styleTitle: (title) => paint('bold', title), sortSubcommands: false })
    .exitOverride();
  for (const register of commands) register(program);
  for (const command of [program, ...below(program)]) command.showHelpAfterError(`Try: ${pathOf(command)} --help`);
  return explain(program, {
    about: `Commands that attach as an endpoint take --relay (or IMXP_RELAY), --password-file (or IMXP_PASSWORD, or a prompt), --tls
and --ca. With --json a command prints JSON also when it fails: {"failed": true, "error", "text", "exitCode"}, with the
"code" of the refusal where a relay refused.`,
    exits: {
      0: 'done',
      1: 'failed; the reason is on standard error',
      69: 'unavailable: a relay, node or name server cannot be reached',
      77: 'refused: not authenticated, or not allowed',
      78: 'configuration not usable',
    },
    examples: [
      'imxp certs --out certs --domain example.com        # an authority and a certificate',
      'imxp check --config mesh.json                      # is the configuration usable?',
      'imxp account add fred@example.com --config mesh.json',
      'echo Hello | imxp send --from fred@example.com --to barney@rubble.com',
      'imxp presence poll fred@example.com --from barney@rubble.com',
      'imxp demo                                          # two domains on this machine, and a message across',
    ],
    see: ['imxp COMMAND --help', 'README.md', 'docs/guide/'],
  });
}

/** Every command below one. */
export function below(command: Command): Command[] {
  return command.commands.flatMap((child) => [child, ...below(child)]);
}

/** Commander names the values allowed; this adds the one that was meant. */
function suggested(text: string): string {
  const [said, given = '', allowed = ''] =
    /argument '([^']*)' is invalid\. Allowed choices are (.*)\.$/m.exec(text) ?? [];
  const near = said === undefined ? undefined : nearest(given, allowed.split(', '));
  return near === undefined ? text : text.replace(/\n$/, `\n(Did you mean ${near}?)\n`);
}

/** A fault in words for whoever typed the command. */
function complainOf(error: unknown): void {
  if (error instanceof CommanderError) return; // commander has said it already
  if (error instanceof ConfigurationError) {
    for (const problem of error.problems) complain(writeProblem(problem, error.file), problem.severity);
    return;
  }
  complain(harmless(messageOf(error)));
  // A stack helps nobody who mistyped something, and everybody who found a fault of ours.
  const expected = error instanceof ImxpError || (error instanceof Error && ('exitCode' in error || 'code' in error));
  if (error instanceof Error && (!expected || process.env['IMXP_DEBUG'] !== undefined)) {
    process.stderr.write(`${harmless(error.stack ?? '')}\n`);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** The same for scripts. */
function failureOf(error: unknown): object {
  const origin = error instanceof ImxpError || !(error instanceof Error) ? error : (imxpCauseOf(error) ?? error);
  const exitCode = exitCodeOf(error);
  const text = messageOf(error).replace(/^error: /, '');
  return {
    failed: true,
    error: origin instanceof ImxpError ? origin.code : exitCode === EXIT.USAGE ? 'USAGE' : 'FAILED',
    ...(origin instanceof ImxpError && origin.reply !== undefined ? { code: origin.reply.code } : {}),
    text: origin instanceof ImxpError && origin.reply !== undefined ? origin.reply.text : text,
    ...(error instanceof ConfigurationError ? { problems: error.problems } : {}),
    ...(error instanceof CommandError ? error.details : {}),
    exitCode,
  };
}

function imxpCauseOf({ cause }: Error): ImxpError | undefined {
  return cause instanceof ImxpError ? cause : undefined;
}

/** Runs a command line and sets the exit code; the process ends when nothing is left to do. */
export async function runProgram(program: Command, argv: readonly string[] = process.argv): Promise<void> {
  // A closed pipe, as in `imxp account list | head -1`, is no fault.
  process.stdout.on('error', (error: NodeJS.ErrnoException) =>
    process.exit(error.code === 'EPIPE' ? EXIT.OK : EXIT.FAILED),
  );
  try {
    await program.parseAsync([...argv]);
  } catch (error) {
    complainOf(error);
    process.exitCode = exitCodeOf(error);
    if (process.exitCode !== EXIT.OK && asksForJson(argv)) printJson(failureOf(error));
  }
}

/** Also where the rest of the line is not understood. */
function asksForJson(argv: readonly string[]): boolean {
  const end = argv.indexOf('--');
  return argv.slice(0, end < 0 ? undefined : end).includes('--json');
}
