/**
 * Builds what browsers load: `tsx web/build.ts DIRECTORY` makes the endpoint library as one module (`imxp.js`), the chat
 * page (`chat/`) and the console (`console/`). Modules of Node are replaced by
 * `web/shim/`, dialling by `web/dialling.ts`, and S/MIME, which is large, by `web/secure.ts`: the
 * chat page loads it from files of its own when it is needed first.
 */
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
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
  [here('../lib/message/smime/cryptography.ts')]: here('chat/smime/cryptography.ts'),
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

/** A module, and the parts of it that are loaded later or shared with those. */
interface Split {
  readonly files: ReadonlyMap<string, string>;
  /** Names of the files that are loaded at once. */
  readonly first: readonly string[];
}

/** Leaves what the module imports by `import()` in files of its own. @param name of the module's own file, without `.js` */
async function builtInParts(entry: string, name: string): Promise<Split> {
  const { outputFiles, metafile } = await build({
    ...COMMON,
    entryPoints: { [name]: here(entry) },
    inject: [here('shim/globals.ts')],
    splitting: true,
    outdir: 'out',
    chunkNames: '[name]-[hash]',
  });
  bundles.push(metafile);
  const files = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
  const imports = new Map(
    Object.entries(metafile.outputs).map(([path, output]) => [
      basename(path),
      output.imports.filter(({ kind }) => kind === 'import-statement').map(({ path: one }) => basename(one)),
    ]),
  );
  const first = new Set([`${name}.js`]);
  // A set takes what is added while it is walked.
  for (const one of first) for (const other of imports.get(one) ?? []) first.add(other);
  return { files, first: [...first] };
}

/** With the globals of Node that the library uses. */
function builtOverLibrary(entry: string): Promise<string> {
  return built({ entryPoints: [here(entry)], inject: [here('shim/globals.ts')] });
}

/** @returns the module */
export function browserModule(): Promise<string> {
  return builtOverLibrary('../lib/exports/browser.ts');
}

/** The chat page. */
export interface ChatFiles {
  /** By name. */
  readonly files: ReadonlyMap<string, string>;
  /** Names of those that are loaded for S/MIME alone. */
  readonly later: readonly string[];
}

export async function chatFiles(): Promise<ChatFiles> {
  const { files: scripts, first } = await builtInParts('chat/main.tsx', 'app');
  const later = [...scripts.keys()].filter((name) => !first.includes(name));
  const files = new Map([...scripts, ['app.css', await built({ entryPoints: [here('chat/app.css')] })]]);
  for (const name of ['index.html', 'icon.svg', 'app.webmanifest']) {
    files.set(name, readFileSync(here(`chat/${name}`), 'utf8'));
  }
  const define = {
    PAGE_FILES: JSON.stringify([...first, 'app.css', 'icon.svg', 'app.webmanifest']),
    LATER_FILES: JSON.stringify(later),
  };
  files.set('worker.js', await built({ entryPoints: [here('chat/worker/worker.ts')], define }));
  return { files, later };
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
    ['chat', (await chatFiles()).files],
    ['console', await consoleFiles()],
  ] as const;
  for (const [page, files] of pages) {
    mkdirSync(join(directory, page), { recursive: true });
    for (const [name, text] of files) writeFileSync(join(directory, page, name), text);
    // Names of parts change with what is in them.
    for (const name of readdirSync(join(directory, page))) if (!files.has(name)) rmSync(join(directory, page, name));
  }
  writeFileSync(join(directory, 'LICENCES.txt'), licencesOf(bundles));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await buildWeb(process.argv[2]);
