/**
 * Builds the program: `tsx bin/build.ts`. Each command becomes one module with all that it needs, and what several need
 * becomes modules of their own, because loading 400 small files took most of the time of a short command. Packages are
 * bundled in the versions that were tested; `lmdb`, which has native code, is loaded from `node_modules`.
 */
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Metafile } from 'esbuild';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

const DIRECTORY = here('../dist/bin');
/** CommonJS modules among the packages call it. */
const REQUIRE = "import { createRequire as requireOf } from 'node:module'; const require = requireOf(import.meta.url);";

/** @returns the directories of the packages in a bundle, relative to the project */
function packagesIn({ inputs }: Metafile): string[] {
  const found = Object.keys(inputs).flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []);
  return [...new Set(found)].sort();
}

/** @returns the licences of packages, which have to stay with their code */
function licences(packages: readonly string[]): string {
  return packages
    .map((path) => {
      const manifest: { name: string; version: string; license?: string } = JSON.parse(
        readFileSync(here(`../${path}/package.json`), 'utf8'),
      );
      const file = readdirSync(here(`../${path}`)).find((name) => /^licen[cs]e/i.test(name));
      const text = file === undefined ? '' : readFileSync(join(here(`../${path}`), file), 'utf8');
      return `${manifest.name} ${manifest.version} (${manifest.license ?? 'no licence named'})\n\n${text.trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}

if (existsSync(DIRECTORY)) rmSync(DIRECTORY, { recursive: true });
const { metafile } = await build({
  absWorkingDir: here('..'),
  entryPoints: [here('imxp.ts')],
  outdir: DIRECTORY,
  bundle: true,
  splitting: true,
  // As deep below dist/ as the sources of `bin/support` are below the project: files are found from there.
  chunkNames: 'support/[name]-[hash]',
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['lmdb'],
  banner: { js: REQUIRE },
  minifySyntax: true,
  minifyWhitespace: true,
  legalComments: 'none',
  metafile: true,
  logLevel: 'warning',
});
writeFileSync(join(DIRECTORY, 'LICENCES.txt'), licences(packagesIn(metafile)));
chmodSync(join(DIRECTORY, 'imxp.js'), 0o755);
