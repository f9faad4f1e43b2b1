import { expect } from 'chai';
import { type LoginNote, SharedLoginThrottle } from '../../lib/cluster/shared-login-throttle.js';

const LIMITS = { delayMs: 1, maximumDelayMs: 8, failuresPerAddress: 4, failuresPerAccount: 3, banMs: 1000 };
const FRED = 'fred@example.com';
const HERE = '192.0.2.1';

describe('cluster/shared-login-throttle', () => {
  const now = { ms: 0 };

  /** Two throttles that tell each other. */
  function two(): readonly [SharedLoginThrottle, SharedLoginThrottle] {
    const all: SharedLoginThrottle[] = [];
    const tell = (own: number) => (note: LoginNote) => {
      for (const [at, one] of all.entries()) if (at !== own) one.note(note);
    };
    const made = [0, 1].map((own) => new SharedLoginThrottle(LIMITS, tell(own), () => now.ms));
    all.push(...made);
    const [first, second] = made;
    if (first === undefined || second === undefined) throw new Error('two were made');
    return [first, second];
  }

  it('bans an address for the failures at both, at both', () => {
    const [first, second] = two();
    for (const account of ['a@example.com', 'b@example.com']) {
      first.failed(HERE, account);
      second.failed(HERE, account);
    }
    expect([first.bannedFor(HERE), second.bannedFor(HERE)]).to.deep.equal([1000, 1000]);
  });

  it('shuts a network out of an account for the failures at both, and lets it in after a success at the other', () => {
    const [first, second] = two();
    first.failed(HERE, FRED);
    second.failed(HERE, FRED);
    first.succeeded(HERE, FRED);
    second.failed(HERE, FRED);
    expect([first.admits(HERE, FRED), second.admits(HERE, FRED)]).to.deep.equal([true, true]);
    first.failed('198.51.100.1', FRED);
    second.failed('198.51.100.1', FRED);
    second.failed('198.51.100.1', FRED);
    expect([first.admits('198.51.100.1', FRED), second.admits('198.51.100.1', FRED)]).to.deep.equal([false, false]);
  });

  it('delays an answer for failures at the other', () => {
    const [first, second] = two();
    first.failed(HERE, FRED);
    expect(second.failed(HERE, FRED)).to.equal(2);
  });
});
