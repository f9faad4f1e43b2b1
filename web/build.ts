/**
 * Builds what browsers load: `tsx web/build.ts DIRECTORY` makes the endpoint library as one module (`imxp.js`), the chat
 * page (`chat/`) and the console (`console/`). Modules of Node are replaced by
 * `web/shim/`, dialling by `web/dialling.ts`, and S/MIME, which is large, by `web/secure.ts`.
 */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type BuildOptions, build, type Metafile, type Plugin } from 'esbuild';
import { DEFAULT_LIMITS } from '../lib/config/limits.js';
import { licencesOf } from './licences.js';

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

/** The schema of the configuration stays behind: pages need only its defaults. */
const LIMITS = here('../lib/config/limits.ts');

const substitutes: Plugin = {
  name: 'substitutes',
  setup: ({ onResolve, onLoad }) => {
    onLoad({ filter: /[\\/]limits\.ts$/ }, ({ path }) =>
      path === LIMITS ? { contents: `export const DEFAULT_LIMITS = ${JSON.stringify(DEFAULT_LIMITS)};` } : undefined,
    );
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

/** How everything is built. */
const COMMON = {
  bundle: true,
  write: false,
  format: 'esm',
  platform: 'browser',
  target: 'es2022',
  minify: true,
  absWorkingDir: here('..'),
  metafile: true,
  plugins: [substitutes],
  logLevel: 'error',
} as const satisfies BuildOptions;

/** Of what was built. */
const bundles: Metafile[] = [];

async function built(options: BuildOptions): Promise<string> {
  const { outputFiles, metafile } = await build({ ...options, ...COMMON });
  bundles.push(metafile);
  return outputFiles[0]?.text ?? '';
}

/** With the globals of Node that the library uses. */
function builtOverLibrary(entry: string): Promise<string> {
  return built({ entryPoints: [here(entry)], inject: [here('shim/globals.ts')] });
}

/** @returns the module */
export function browserModule(): Promise<string> {
  return builtOverLibrary('../lib/exports/browser.ts');
}

/** @returns the files of the chat page by name */
export async function chatFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map([
    ['app.js', await builtOverLibrary('chat/main.tsx')],
    ['app.css', await built({ entryPoints: [here('chat/app.css')] })],
    ['worker.js', await built({ entryPoints: [here('chat/worker/worker.ts')] })],
  ]);
  for (const name of ['index.html', 'icon.svg', 'app.webmanifest']) {
    files.set(name, readFileSync(here(`chat/${name}`), 'utf8'));
  }
  return files;
}

/** @returns the files of the console by name */
export async function consoleFiles(): Promise<ReadonlyMap<string, string>> {
  const files = new Map([
    ['app.js', await built({ entryPoints: [here('console/main.tsx')] })],
    ['app.css', await built({ entryPoints: [here('console/app.css')] })],
  ]);
  for (const name of ['index.html', 'icon.svg']) files.set(name, readFileSync(here(`console/${name}`), 'utf8'));
  return files;
}

/** Writes everything where the program looks for it. */
export async function buildWeb(directory = here('../dist/web')): Promise<void> {
  mkdirSync(directory, { recursive: true });
  writeFileSync(join(directory, 'imxp.js'), await browserModule());
  const pages = [
    ['chat', await chatFiles()],
    ['console', await consoleFiles()],
  ] as const;
  for (const [page, files] of pages) {
    mkdirSync(join(directory, page), { recursive: true });
    for (const [name, text] of files) writeFileSync(join(directory, page, name), text);
  }
  writeFileSync(join(directory, 'LICENCES.txt'), licencesOf(bundles));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWeb(process.argv[2]);
