/** Runs a command line with the commands that it needs. */
import { commandsFor } from './commands.js';
import { makeProgram, runProgram } from './support/program.js';

/** @param argv the arguments of the program */
export async function main(argv: readonly string[]): Promise<void> {
  await runProgram(makeProgram(await commandsFor(argv)), argv);
}
