/** Module hooks of own-package.mjs. Names that the package does not export are left to Node, which refuses them. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const PROJECT = new URL('../../', import.meta.url);
const { name, exports } = JSON.parse(readFileSync(new URL('package.json', PROJECT), 'utf8'));
const BUNDLE = 'imxp-bundle:browser';

export async function resolve(specifier, context, nextResolve) {
  if (specifier !== name && !specifier.startsWith(`${name}/`)) return await nextResolve(specifier, context);
  const entry = exports[`.${specifier.slice(name.length)}`];
  if (entry?.types === undefined) return await nextResolve(specifier, context);
  if (entry.default.startsWith('./dist/web/')) return { url: BUNDLE, format: 'module', shortCircuit: true };
  const source = entry.types.replace('./dist/', './').replace(/\.d\.ts$/, '.ts');
  return await nextResolve(new URL(source, PROJECT).href, context);
}

export async function load(url, context, nextLoad) {
  if (url !== BUNDLE) return await nextLoad(url, context);
  // In a process of its own: the service of esbuild would keep this thread from ending.
  const directory = await mkdtemp(join(tmpdir(), 'imxp-bundle-'));
  try {
    const file = join(directory, 'imxp.js');
    const build = ['--import=tsx', 'web/build.ts', file];
    await promisify(execFile)(process.execPath, build, {
      cwd: fileURLToPath(PROJECT),
      env: { ...process.env, NODE_OPTIONS: '' },
    });
    return { format: 'module', source: await readFile(file), shortCircuit: true };
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}
