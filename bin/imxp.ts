#!/usr/bin/env node
/** Entry point of the command line. */
import { commandsFor } from './commands.js';
import { makeProgram, runProgram } from './support/program.js';

await runProgram(makeProgram(await commandsFor(process.argv[2])));
