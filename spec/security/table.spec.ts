import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';

const text = readFileSync(new URL('../../docs/internals/threat-model.md', import.meta.url), 'utf8');
const specs = readdirSync(fileURLToPath(new URL('.', import.meta.url)))
  .filter((name) => name.endsWith('.spec.ts') && name !== 'table.spec.ts')
  .map((name) => name.slice(0, -'.spec.ts'.length));

/** The rows below "What was tried": attack, outcome, specs. */
const rows = (text.split('## What was tried')[1]?.split('The figures below')[0] ?? '')
  .split('\n')
  .filter((line) => /^\| (?!attack \||---)/.test(line))
  .map((line) => line.split(' | '));

describe('docs/internals/threat-model.md', () => {
  it('names an existing spec in each row of its table', () => {
    expect(rows.length).to.be.at.least(20);
    for (const row of rows) {
      const named = [...(row.at(-1) ?? '').matchAll(/`([\w./-]+)`/g)].map(([, name = '']) => name);
      expect(named, row[0]).to.not.deep.equal([]);
      // Those of this folder by their names, others by their paths.
      for (const name of named) {
        if (name.includes('/')) expect(existsSync(new URL(`../../${name}`, import.meta.url)), name).to.equal(true);
        else expect(specs, row[0]).to.include(name);
      }
    }
  });

  it('has a row for every spec', () => {
    const named = new Set(
      rows.flatMap((row) => [...(row.at(-1) ?? '').matchAll(/`([\w-]+)`/g)].map(([, name]) => name)),
    );
    expect(
      specs.filter((name) => !named.has(name)),
      '"What was tried" has no row that names these',
    ).to.deep.equal([]);
  });
});
