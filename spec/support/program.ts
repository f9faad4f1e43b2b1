/**
 * Which `imxp` the specs run as a process: the built one with `IMXP_DIST=1` (as `npm test` does, after building),
 * otherwise the sources, so that an outdated dist/ cannot give wrong results.
 */
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const built = process.env['IMXP_DIST'] === '1';

/** The program's file. */
export const PROGRAM = fileURLToPath(new URL(built ? '../../dist/bin/imxp.js' : '../../bin/imxp.ts', import.meta.url));

/** What Node is started with, before the arguments of the program. */
export const RUN_PROGRAM: readonly string[] = built
  ? [PROGRAM]
  : [`--import=${pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href}`, PROGRAM];
