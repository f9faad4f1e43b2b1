import { expect } from 'chai';
import { newToken } from '../../lib/mime/token.js';

describe('mime/token', () => {
  it('generates distinct tokens of 16 characters that need no quoting', () => {
    const tokens = Array.from({ length: 100_000 }, newToken);
    expect(tokens.filter((token) => !/^[A-Za-z0-9_-]{16}$/.test(token))).to.deep.equal([]);
    expect(new Set(tokens).size).to.equal(tokens.length);
  });
});
