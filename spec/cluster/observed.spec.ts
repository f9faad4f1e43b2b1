import { expect } from 'chai';
import { ObservedLeases } from '../../lib/cluster/observed.js';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('cluster: leases as they were watched', () => {
  it('grow old while they are looked at and do not change', async () => {
    const observed = new ObservedLeases();
    observed.look([['a', '1']]);
    expect(observed.idleMs('a')).to.equal(0);
    await pause(30);
    observed.look([['a', '1']]);
    expect(observed.idleMs('a')).to.be.greaterThan(20);
    observed.look([['a', '2']]);
    expect(observed.idleMs('a')).to.equal(0);
  });

  it('do not grow old while nobody looks: without the database no lease is over', async () => {
    const observed = new ObservedLeases();
    observed.look([['a', '1']]);
    await pause(30);
    expect(observed.idleMs('a')).to.equal(0);
  });

  it('do not grow old by a time in which nobody could look, as without the database', async () => {
    const observed = new ObservedLeases();
    observed.look([['a', '1']]);
    await pause(4000);
    observed.look([['a', '1']]);
    expect(observed.idleMs('a')).to.be.within(2000, 3500);
  }).timeout(10_000);

  it('are new when they come back, and none where there is none', () => {
    const observed = new ObservedLeases();
    observed.look([['a', '1']]);
    observed.look([]);
    expect(observed.idleMs('a')).to.equal(0);
    observed.look([['a', '1']]);
    expect(observed.idleMs('a')).to.equal(0);
  });
});
