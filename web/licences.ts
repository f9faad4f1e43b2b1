/** Licences of the packages in a bundle, which have to stay with their code. */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Metafile } from 'esbuild';

const PROJECT = fileURLToPath(new URL('..', import.meta.url));

/** @returns the directories of the packages in bundles, relative to the project */
function packagesIn(bundles: readonly Metafile[]): string[] {
  const found = bundles
    .flatMap(({ inputs }) => Object.keys(inputs))
    .flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path) ?? []);
  return [...new Set(found)].sort();
}

/** @param bundles with paths relative to the project @returns names, versions and licences */
export function licencesOf(bundles: readonly Metafile[]): string {
  return packagesIn(bundles)
    .map((path) => {
      const manifest: { name: string; version: string; license?: string } = JSON.parse(
        readFileSync(join(PROJECT, path, 'package.json'), 'utf8'),
      );
      const file = readdirSync(join(PROJECT, path)).find((name) => /^licen[cs]e/i.test(name));
      const text = file === undefined ? '' : readFileSync(join(PROJECT, path, file), 'utf8');
      return `${manifest.name} ${manifest.version} (${manifest.license ?? 'no licence named'})\n\n${text.trim()}\n`;
    })
    .join(`\n${'-'.repeat(80)}\n\n`);
}
