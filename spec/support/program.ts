/**
 * Which `imxp` the specs run as a process: the built one with `IMXP_DIST=1` (as `npm test` does, after building),
 * otherwise the sources, so that an outdated dist/ cannot give wrong results.
 */
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const built = process.env['IMXP_DIST'] === '1';

/** The program's file. */
export const PROGRAM = fileURLToPath(new URL(built ? '../../dist/bin/imxp.js' : '../../bin/imxp.ts', import.meta.url));

/** The same for the sources, for specs that tell their modules apart: the built program joins them in larger files. */
export const RUN_SOURCES: readonly string[] = [
  `--import=${pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href}`,
  fileURLToPath(new URL('../../bin/imxp.ts', import.meta.url)),
];

/** What Node is started with, before the arguments of the program. */
export const RUN_PROGRAM: readonly string[] = built ? [PROGRAM] : RUN_SOURCES;
