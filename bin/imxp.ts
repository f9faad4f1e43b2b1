#!/usr/bin/env node
/** Entry point of the command line. */
import { COMMANDS } from './commands.js';
import { makeProgram, runProgram } from './support/program.js';

await runProgram(makeProgram(COMMANDS));
