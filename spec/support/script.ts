/**
 * Scripts that use this package by its name, run as processes of their own: against the built package with `IMXP_DIST=1`,
 * otherwise against the sources (see own-package.mjs).
 */
import { createRequire } from 'node:module';
import { fileURLToPath, pathToFileURL } from 'node:url';

const preloaded = (path: string): string => `--import=${path}`;

/** What Node is started with, before the path of a TypeScript file. */
export const RUN_SCRIPT: readonly string[] = [
  preloaded(pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href),
  preloaded(new URL('own-package.mjs', import.meta.url).href),
];

/** The path of a file of the project. */
export const projectFile = (path: string): string => fileURLToPath(new URL(`../../${path}`, import.meta.url));
