#!/usr/bin/env node
/** The command line. */
import { COMMANDS } from './commands.js';
import { makeProgram, runProgram } from './support/program.js';

await runProgram(makeProgram(COMMANDS));
