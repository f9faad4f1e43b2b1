import { expect } from 'chai';
import { exitCodeOf } from '../../bin/support/exit.js';
import { LocalError, RefusedError, TransportError } from '../../lib/errors.js';

describe('exit codes', () => {
  const cases: readonly (readonly [string, unknown, number])[] = [
    ['a misused option', new LocalError('ARGUMENT', 'x'), 64],
    ['a relay that cannot be reached', new TransportError('CONNECT_FAILED', 'x'), 69],
    ['a relay that does not answer', new TransportError('TIMED_OUT', 'x'), 69],
    ['a wrong password', new RefusedError('SASL_REFUSED', { code: 535, text: 'x' }), 77],
    ['a login that is not possible now', new RefusedError('SASL_REFUSED', { code: 454, text: 'x' }), 69],
    ['a forbidden attach', new RefusedError('REFUSED', { code: 537, text: 'x' }), 77],
    ['an unknown recipient', new RefusedError('REFUSED', { code: 550, text: 'x' }), 1],
    ['an unusable configuration', new LocalError('CONFIGURATION', 'x'), 78],
    ['anything else', new Error('x'), 1],
  ];
  for (const [what, error, code] of cases) {
    it(`are ${code} for ${what}`, () => {
      expect(exitCodeOf(error)).to.equal(code);
    });
  }
});
