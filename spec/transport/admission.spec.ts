import { expect } from 'chai';
import { Admission } from '../../lib/transport/admission.js';
import { FakeTime } from '../support/fake-time.js';

describe('transport/admission', () => {
  const made = (loginsPerSecond: number, loginBurst: number) => {
    const clock = new FakeTime();
    const admission = new Admission({ loginsPerSecond, loginBurst }, clock);
    const admitted = (host: string, tries: number): number => {
      let count = 0;
      for (let at = 0; at < tries; at += 1) if (admission.admits(host)) count += 1;
      return count;
    };
    const pass = (ms: number): void => {
      for (let at = 0; at < ms; at += 100) clock.pass(100);
    };
    return { admission, admitted, clock, pass };
  };

  it('admits anybody where there is no limit', () => {
    expect(made(0, 1).admitted('a', 10_000)).to.equal(10_000);
  });

  it('gives one address half of a burst, and a newcomer half of what is left', () => {
    const { admitted } = made(10, 100);
    expect(admitted('flood', 1000)).to.equal(50);
    expect(admitted('other', 1000)).to.equal(25);
    expect(admitted('newcomer', 1)).to.equal(1);
  });

  it('admits one address at about the rate for long', () => {
    const { admitted, pass } = made(100, 100);
    admitted('flood', 1000);
    let count = 0;
    for (let at = 0; at < 100; at += 1) {
      pass(100);
      count += admitted('flood', 1000);
    }
    expect(count).to.be.within(500, 1050);
  });

  it('admits fewer while the event loop is late, and the rate again when it is not', () => {
    const { admission, admitted, clock, pass } = made(1000, 10_000);
    for (let at = 0; at < 5; at += 1) {
      expect(admitted('a', 10)).to.be.within(7, 10);
      clock.pass(600);
    }
    expect(admission.bears).to.equal(1 / 16);
    expect(admitted('a', 100)).to.equal(7);
    pass(5000);
    expect(admission.bears).to.equal(1);
    expect(admitted('a', 100)).to.equal(100);
  });

  it('admits the few logins that cannot be what makes the event loop late', () => {
    const { admission, admitted, clock } = made(100, 1000);
    for (let at = 0; at < 20; at += 1) {
      expect(admitted('a', 4)).to.equal(4);
      clock.pass(900);
    }
    expect(admission.bears).to.equal(1);
  });

  it('never refuses everybody for ever', () => {
    const { admitted, clock } = made(10, 10);
    for (let at = 0; at < 20; at += 1) {
      clock.pass(2000);
      expect(admitted(`host ${at}`, 1)).to.equal(1);
    }
  });
});
