#!/usr/bin/env node
/** Entry point of the command line. */
import { VERSION } from '../lib/ops/version.js';
import { keepCompiled } from './support/compile-cache.js';

const argv = process.argv.slice(2);

// Answered before anything else is loaded.
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) {
  process.stdout.write(`${VERSION}\n`);
} else {
  keepCompiled();
  const { main } = await import('./main.js');
  await main(argv);
}
