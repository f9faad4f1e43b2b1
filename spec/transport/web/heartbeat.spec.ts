import { expect } from 'chai';
import { Heartbeat } from '../../../lib/transport/web/heartbeat.js';
import { within } from '../../support/within.js';

describe('transport/web/heartbeat', () => {
  /** Counts its beats and says when it has had enough. */
  class Member {
    beats = 0;
    readonly times: number[] = [];
    readonly #enough: number;
    readonly done: Promise<void>;
    #resolve: () => void = () => {};

    constructor(enough: number) {
      this.#enough = enough;
      this.done = new Promise((resolve) => {
        this.#resolve = resolve;
      });
    }

    beat(): void {
      this.beats += 1;
      this.times.push(performance.now());
      if (this.beats === this.#enough) this.#resolve();
    }
  }

  it('beats once in each period, the first time after one', async () => {
    const heartbeat = new Heartbeat(160);
    const member = new Member(3);
    const begun = performance.now();
    heartbeat.add(member);
    heartbeat.add(member);
    await within(5000, member.done, 'three beats');
    heartbeat.remove(member);
    expect((member.times[0] ?? 0) - begun).to.be.greaterThan(130);
    expect((member.times[2] ?? 0) - begun).to.be.greaterThan(450);
    expect(heartbeat.size).to.equal(0);
  });

  it('spreads members that come at different times', async () => {
    const heartbeat = new Heartbeat(320);
    const members: Member[] = [];
    for (let count = 0; count < 4; count += 1) {
      const member = new Member(1);
      members.push(member);
      heartbeat.add(member);
      await new Promise((resolve) => setTimeout(resolve, 60));
    }
    await within(5000, Promise.all(members.map(({ done }) => done)), 'a beat of each');
    const firsts = members.map(({ times }) => Math.round((times[0] ?? 0) / 10));
    expect(new Set(firsts).size).to.be.greaterThan(1);
    for (const member of members) heartbeat.remove(member);
  });

  it('beats no more after the removal, also within the same turn', async () => {
    const heartbeat = new Heartbeat(80);
    const second = new Member(1);
    const first = {
      beat(): void {
        heartbeat.remove(second);
      },
    };
    heartbeat.add(first);
    heartbeat.add(second);
    const witness = new Member(2);
    heartbeat.add(witness);
    await within(5000, witness.done, 'the witness');
    expect(second.beats).to.equal(0);
    heartbeat.remove(first);
    heartbeat.remove(witness);
  });
});
