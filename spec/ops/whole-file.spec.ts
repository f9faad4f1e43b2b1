import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { createWhole, replaceWhole } from '../../lib/ops/whole-file.js';

describe('ops/whole-file', () => {
  let directory: string;
  let file: string;

  beforeEach(() => {
    directory = mkdtempSync(join(tmpdir(), 'imxp-whole-'));
    file = join(directory, 'file');
  });

  afterEach(() => rmSync(directory, { recursive: true }));

  it('creates a file for its owner only, and never replaces one', () => {
    expect(createWhole(file, 'first')).to.equal(true);
    expect(createWhole(file, 'second')).to.equal(false);
    expect(readFileSync(file, 'utf8')).to.equal('first');
    expect(statSync(file).mode & 0o777).to.equal(0o600);
    expect(readdirSync(directory)).to.deep.equal(['file']);
  });

  it('replaces a file, with the mode that is asked for', async () => {
    await replaceWhole(file, 'first', 0o600);
    await replaceWhole(file, 'second', 0o644);
    expect(readFileSync(file, 'utf8')).to.equal('second');
    expect(statSync(file).mode & 0o777).to.equal(0o644);
    expect(readdirSync(directory)).to.deep.equal(['file']);
  });

  it('leaves nothing behind when a file cannot have its name', async () => {
    // A directory is never replaced by a file.
    mkdirSync(file);
    const outcome = await replaceWhole(file, 'a secret', 0o600).catch((error: unknown) => error);
    expect(outcome).to.have.property('code', 'EISDIR');
    expect(() => createWhole(join(directory, 'none', 'file'), '')).to.throw('ENOENT');
    expect(readdirSync(directory)).to.deep.equal(['file']);
  });
});
