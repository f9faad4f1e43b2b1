/**
 * Builds the endpoint library as one module for browsers: `tsx web/build.ts FILE`. Modules of Node are replaced by
 * `web/shim/`, dialling by `web/dialling.ts`, and S/MIME, which is large, by `web/secure.ts`.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** Replacements of Node modules. */
const SHIMS: Readonly<Record<string, string>> = {
  'node:buffer': 'shim/buffer.ts',
  'node:crypto': 'shim/crypto.ts',
  'node:events': 'shim/events.ts',
  'node:diagnostics_channel': 'shim/node.ts',
  'node:fs/promises': 'shim/node.ts',
  'node:net': 'shim/node.ts',
  'node:stream': 'shim/node.ts',
  'node:tls': 'shim/node.ts',
  'node:url': 'shim/node.ts',
  'node:util': 'shim/node.ts',
  stream: 'shim/node.ts',
};

/** Replacements of files of the library. */
const INSTEAD: Readonly<Record<string, string>> = {
  [here('../lib/endpoint/dialling.ts')]: here('dialling.ts'),
  [here('../lib/endpoint/secure.ts')]: here('secure.ts'),
  [here('../lib/endpoint/secure-presence.ts')]: here('secure.ts'),
};

const substitutes: Plugin = {
  name: 'substitutes',
  setup: ({ onResolve }) => {
    onResolve({ filter: /^(?:node:|stream$)/ }, ({ path }) => {
      const shim = SHIMS[path];
      return shim === undefined ? { errors: [{ text: `${path} is not there in a browser` }] } : { path: here(shim) };
    });
    onResolve({ filter: /^\.{1,2}\// }, ({ path, resolveDir, kind }) => {
      const instead = INSTEAD[resolve(resolveDir, path.replace(/\.js$/, '.ts'))];
      return kind === 'import-statement' && instead !== undefined ? { path: instead } : undefined;
    });
  },
};

/** @returns the module */
export async function browserModule(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [here('../lib/exports/browser.ts')],
    bundle: true,
    write: false,
    format: 'esm',
    platform: 'browser',
    target: 'es2022',
    minify: true,
    inject: [here('shim/globals.ts')],
    plugins: [substitutes],
    logLevel: 'error',
  });
  return outputFiles[0]?.text ?? '';
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [, , file = here('../dist/web/imxp.js')] = process.argv;
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, await browserModule());
}
