/** The frame around all commands: the program with its help, and one place where faults become words and exit codes. */
import { Command, CommanderError } from 'commander';
import { ConfigurationError, writeProblem } from '../../lib/config/problem.js';
import { ImxpError } from '../../lib/errors.js';
import { VERSION } from '../../lib/ops/version.js';
import { EXIT, exitCodeOf } from './exit.js';
import { complain, harmless, paint } from './output.js';

/** A file of `bin/` that adds its command. */
export type Register = (program: Command) => void;

export function makeProgram(commands: readonly Register[], examples: string): Command {
  // exitOverride comes first: commands made later inherit it.
  const program = new Command('imxp')
    .description('A relay node for the IMXP mesh, and the tools around it.')
    .version(VERSION, '-V, --version', 'print the version')
    .helpOption('-h, --help', 'explain a command')
    .helpCommand('help [command]', 'explain a command')
    .showHelpAfterError('Try: imxp --help, or imxp COMMAND --help')
    .configureOutput({
      outputError: (text, write) => write(text.replace(/^error:/, paint('red', 'error:', process.stderr))),
    })
    .configureHelp({ styleTitle: (title) => paint('bold', title), sortSubcommands: false })
    .exitOverride();
  for (const register of commands) register(program);
  return program.addHelpText('after', `\n${examples}`);
}

/** A fault in words for whoever typed the command. */
function explain(error: unknown): void {
  if (error instanceof CommanderError) return; // commander has said it already
  if (error instanceof ConfigurationError) {
    for (const problem of error.problems) complain(writeProblem(problem, error.file), problem.severity);
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  complain(harmless(message));
  // A stack helps nobody who mistyped something, and everybody who found a fault of ours.
  const expected = error instanceof ImxpError || (error instanceof Error && ('exitCode' in error || 'code' in error));
  if (error instanceof Error && (!expected || process.env['IMXP_DEBUG'] !== undefined)) {
    process.stderr.write(`${harmless(error.stack ?? '')}\n`);
  }
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
    explain(error);
    process.exitCode = exitCodeOf(error);
  }
}
