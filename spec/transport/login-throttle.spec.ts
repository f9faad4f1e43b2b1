import { expect } from 'chai';
import { LoginThrottle } from '../../lib/transport/login-throttle.js';

const LIMITS = { delayMs: 100, maximumDelayMs: 1000, failuresPerAddress: 6, failuresPerAccount: 3, banMs: 60_000 };
const FRED = 'fred@example.com';

describe('transport/login-throttle', () => {
  let now = 0;
  const make = (limits: Partial<typeof LIMITS> = {}) => new LoginThrottle({ ...LIMITS, ...limits }, () => now);
  const fail = (throttle: LoginThrottle, address: string, account: string | undefined, times: number): number[] =>
    Array.from({ length: times }, () => throttle.failed(address, account));

  beforeEach(() => {
    now = 1000;
  });

  it('answers later with each failure, up to a maximum', () => {
    const none = { failuresPerAccount: 0, failuresPerAddress: 0 };
    expect(fail(make(none), '192.0.2.1', FRED, 6)).to.deep.equal([100, 200, 400, 800, 1000, 1000]);
  });

  it('forgives with time', () => {
    const throttle = make();
    fail(throttle, '192.0.2.1', FRED, 2);
    now += 60_000;
    expect(throttle.failed('192.0.2.1', FRED)).to.equal(100);
    expect(throttle.admits('192.0.2.1', FRED)).to.equal(true);
  });

  it('closes an account to the network that guesses at it, and to no other', () => {
    const throttle = make();
    fail(throttle, '192.0.2.1', FRED, 3);
    expect(throttle.admits('192.0.2.1', FRED)).to.equal(false);
    expect(throttle.admits('192.0.2.77', FRED)).to.equal(false);
    expect(throttle.admits('198.51.100.1', FRED)).to.equal(true);
    expect(throttle.admits('192.0.2.1', 'wilma@example.com')).to.equal(true);
    now += 60_001;
    expect(throttle.admits('192.0.2.1', FRED)).to.equal(true);
  });

  it('does not prolong a ban by what happens meanwhile', () => {
    const throttle = make();
    fail(throttle, '192.0.2.1', FRED, 3);
    now += 59_000;
    fail(throttle, '192.0.2.1', FRED, 10);
    now += 1001;
    expect(throttle.admits('192.0.2.1', FRED)).to.equal(true);
  });

  it('closes an address that fails with many accounts', () => {
    const throttle = make();
    for (let i = 0; i < 6; i += 1) throttle.failed('192.0.2.1', `user${i}@example.com`);
    expect(throttle.bannedFor('192.0.2.1')).to.equal(60_000);
    expect(throttle.bannedFor('192.0.2.2')).to.equal(0);
    expect(throttle.admits('192.0.2.1', FRED)).to.equal(false);
    now += 60_000;
    expect(throttle.bannedFor('192.0.2.1')).to.equal(0);
  });

  it('does not close an address for one forgotten client with an old password', () => {
    const throttle = make();
    fail(throttle, '192.0.2.1', FRED, 50);
    expect(throttle.bannedFor('192.0.2.1')).to.equal(0);
  });

  it('counts failures that name nobody for the address', () => {
    const throttle = make();
    fail(throttle, '192.0.2.1', undefined, 6);
    expect(throttle.bannedFor('192.0.2.1')).to.equal(60_000);
  });

  it('takes the /64 of an IPv6 address for one address and its /48 for one network', () => {
    const throttle = make();
    for (let i = 1; i <= 6; i += 1) throttle.failed(`2001:db8:1:2::${i}`, `user${i}@example.com`);
    expect(throttle.bannedFor('2001:db8:1:2:ffff::9')).to.equal(60_000);
    expect(throttle.bannedFor('2001:db8:1:3::1')).to.equal(0);
    const others = make();
    for (let i = 1; i <= 3; i += 1) others.failed(`2001:db8:1:${i}::1`, FRED);
    expect(others.admits('2001:db8:1:9::1', FRED)).to.equal(false);
    expect(others.admits('2001:db8:2::1', FRED)).to.equal(true);
  });

  it('never shuts an owner out when the whole world guesses, and does not slow a familiar network', () => {
    const throttle = make();
    expect(throttle.succeeded('203.0.113.5', FRED)).to.equal(0);
    for (let i = 0; i < 200; i += 1) throttle.failed(`10.${i}.0.1`, FRED);
    expect(throttle.admits('203.0.113.5', FRED)).to.equal(true);
    expect(throttle.succeeded('203.0.113.5', FRED)).to.equal(0);
    // From a new place it is slow, and it goes.
    expect(throttle.admits('198.51.100.1', FRED)).to.equal(true);
    expect(throttle.succeeded('198.51.100.1', FRED)).to.equal(1000);
    // The world may give up: the next day nothing is left of it.
    now += 86_400_000;
    expect(throttle.succeeded('192.0.2.1', FRED)).to.equal(0);
  });

  it('delays a success from an unfamiliar place as long as a failure, so that the time reveals nothing', () => {
    const throttle = make();
    const [, second] = fail(throttle, '192.0.2.1', FRED, 2);
    expect(throttle.succeeded('192.0.2.1', FRED)).to.equal(second);
  });

  it('does not let successes with one account wash off failures with others', () => {
    const throttle = make();
    for (let i = 0; i < 6; i += 1) {
      throttle.failed('192.0.2.1', `user${i}@example.com`);
      throttle.succeeded('192.0.2.1', 'mallory@example.com');
    }
    expect(throttle.bannedFor('192.0.2.1')).to.be.greaterThan(0);
  });

  it('holds a bounded number of entries whatever is tried', () => {
    const throttle = make();
    for (let i = 0; i < 70_000; i += 1) {
      throttle.failed(`10.${i >> 16}.${(i >> 8) & 255}.${i & 255}`, `user${i}@example.com`);
      throttle.succeeded('192.0.2.1', `user${i}@example.com`);
    }
    expect(throttle.size).to.be.at.most(4 * 20_000);
  });

  it('knows 0 for no ban and no delay', () => {
    const throttle = make({
      delayMs: 0,
      failuresPerAccount: 0,
      failuresPerAddress: 0,
    });
    expect(fail(throttle, '192.0.2.1', FRED, 100).every((ms) => ms === 0)).to.equal(true);
    expect(throttle.admits('192.0.2.1', FRED)).to.equal(true);
  });
});
