import { expect } from 'chai';
import { distance, nearest } from '../../lib/config/nearest.js';

describe('config/nearest', () => {
  it('counts insertions, deletions, replacements and swaps', () => {
    expect(distance('listen', 'listen')).to.equal(0);
    expect(distance('lsiten', 'listen')).to.equal(1);
    expect(distance('lissten', 'listen')).to.equal(1);
    expect(distance('', 'abc')).to.equal(3);
  });

  it('suggests only what is near', () => {
    expect(nearest('Domains', ['domains', 'listen'])).to.equal('domains');
    expect(nearest('zzzz', ['domains', 'listen'])).to.equal(undefined);
  });

  it('is the one written in other letters before one that only begins like it', () => {
    expect(nearest('passwordfile', ['password', 'passwordFile'])).to.equal('passwordFile');
  });
});
