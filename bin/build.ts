/**
 * Builds the program: `tsx bin/build.ts`. Each command becomes one module with all that it needs, and what several need
 * becomes modules of their own, because loading 400 small files took most of the time of a short command. Packages are
 * bundled in the versions that were tested; `lmdb` and `bufferutil`, which have native code, are loaded from `node_modules`.
 */
import { chmodSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { licencesOf } from '../web/licences.js';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const DIRECTORY = here('../dist/bin');
/** CommonJS modules among the packages call it. */
const REQUIRE = "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);";

rmSync(DIRECTORY, { recursive: true, force: true });
const { metafile } = await build({
  absWorkingDir: here('..'),
  // A supervisor starts its workers by the file beside its own.
  entryPoints: { imxp: here('imxp.ts'), 'support/worker': here('../lib/node/worker.ts') },
  outdir: DIRECTORY,
  bundle: true,
  splitting: true,
  // As deep below dist/ as the sources of `bin/support` are below the project: files are found from there.
  chunkNames: 'support/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['lmdb', 'pg', 'bufferutil'],
  banner: { js: REQUIRE },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});
writeFileSync(join(DIRECTORY, 'LICENCES.txt'), licencesOf([metafile]));
chmodSync(join(DIRECTORY, 'imxp.js'), 0o755);
