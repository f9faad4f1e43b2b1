import { expect } from 'chai';
import { SeenAccounts } from '../../../bin/support/accounts/seen-accounts.js';

describe('accounts that a file has named', () => {
  it('are found again with the line on which they were named first, however many there are', () => {
    const seen = new SeenAccounts();
    const count = 20_000;
    for (let line = 1; line <= count; line += 1) {
      expect(seen.note(`user${line}@example.com`, line)).to.equal(undefined);
    }
    for (let line = 1; line <= count; line += 1) {
      expect(seen.note(`user${line}@example.com`, count + line)).to.equal(line);
    }
  });
});
