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

  it('is the one written in other letters before one that only begins like it', () => {
    expect(nearest('passwordfile', ['password', 'passwordFile'])).to.equal('passwordFile');
  });
});
