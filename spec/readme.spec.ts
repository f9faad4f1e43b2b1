import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { parseConfig } from '../lib/config/parse.js';
import { README, refreshed, tables } from './support/readme-tables.js';

describe('README.md', () => {
  const text = readFileSync(README, 'utf8');

  it('lists every key of the configuration, limit, reply code and error code as the code has them', () => {
    for (const name of tables().keys()) expect(text, name).to.contain(`<!-- ${name} -->`);
    expect(refreshed(text) === text, 'npm run readme writes the tables anew').to.equal(true);
  });

  it('shows configurations that are usable', () => {
    const shown = [...text.matchAll(/```json\n(\{[\s\S]*?)```/g)].map((match) => JSON.parse(match[1] ?? ''));
    const whole = shown.filter((config) => 'domains' in config);
    expect(whole).to.have.length.greaterThan(1);
    for (const config of whole) expect(parseConfig(config, '/').domains).to.have.lengthOf(1);
  });

  it('names no file that does not exist', () => {
    const paths = [...text.matchAll(/`((?:lib|spec|bin)\/[A-Za-z0-9/._-]+)`/g)].map((match) => match[1] ?? '');
    const missing = paths.filter((path) => !existsSync(new URL(`../${path}`, import.meta.url)));
    expect(paths).to.have.length.greaterThan(10);
    expect(missing).to.deep.equal([]);
  });
});
