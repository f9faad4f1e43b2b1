import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const top = fileURLToPath(new URL('..', import.meta.url));

/** Prints, as JSON, the files of each pattern as mocha finds them. */
const LOOK = `
import { lookupFiles } from 'mocha/lib/cli/lookup-files.js';
const found = process.argv.slice(1).map((pattern) => {
  try { return lookupFiles(pattern, ['.ts']); } catch { return []; }
});
console.log(JSON.stringify(found));`;

/** Spec files below a folder, with their paths from the top. */
function specsBelow(folder: string): string[] {
  return readdirSync(join(top, folder), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith('.spec.ts'))
    .map(({ parentPath, name }) => join(parentPath, name).slice(top.length));
}

describe('npm test', () => {
  const { scripts }: { scripts: { test: string } } = JSON.parse(readFileSync(join(top, 'package.json'), 'utf8'));
  // A pattern without magic but for braces finds nothing, and mocha only warns of it.
  const patterns = [...scripts.test.matchAll(/'?(spec\/[^' ]+)'?/g)].map(([, pattern = '']) => pattern);
  const { stdout, stderr } = spawnSync(process.execPath, ['--input-type=module', '-e', LOOK, ...patterns], {
    cwd: top,
    encoding: 'utf8',
  });

  it('finds files by each of its patterns', () => {
    expect(patterns.length, scripts.test).to.be.greaterThan(1);
    const found: string[][] = JSON.parse(stdout || `"${stderr}"`);
    expect(patterns.filter((_, index) => found[index]?.length === 0)).to.deep.equal([]);
  });

  it('runs every spec file', () => {
    const found = new Set((JSON.parse(stdout || `"${stderr}"`) as string[][]).flat());
    const missing = specsBelow('spec').filter((file) => !found.has(file));
    expect(missing).to.deep.equal([]);
    expect(found.size).to.be.greaterThan(100);
  });
});
