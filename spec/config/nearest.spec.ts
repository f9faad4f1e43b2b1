import { expect } from 'chai';
import { editDistance, nearest } from '../../lib/config/nearest.js';

describe('config/nearest', () => {
  it('counts insertions, deletions, replacements and swaps', () => {
    expect(editDistance('listen', 'listen')).to.equal(0);
    expect(editDistance('lsiten', 'listen')).to.equal(1);
    expect(editDistance('lissten', 'listen')).to.equal(1);
    expect(editDistance('', 'abc')).to.equal(3);
  });

  it('suggests only what is near', () => {
    expect(nearest('Domains', ['domains', 'listen'])).to.equal('domains');
    expect(nearest('zzzz', ['domains', 'listen'])).to.equal(undefined);
  });

  it('prefers the same word in other letters to one with the same beginning', () => {
    expect(nearest('passwordfile', ['password', 'passwordFile'])).to.equal('passwordFile');
  });
});
