import { expect } from 'chai';
import { MinimumRate } from '../../lib/transport/minimum-rate.js';

describe('transport/minimum-rate', () => {
  it('finds what moves slower than the rate over a whole period', () => {
    const progress = new MinimumRate(1000, 10);
    progress.begin(0);
    progress.moved(9);
    expect(progress.stalled(999)).to.equal(false);
    expect(progress.stalled(1000)).to.equal(true);
  });

  it('starts the next period when enough has moved', () => {
    const progress = new MinimumRate(1000, 10);
    progress.begin(0);
    progress.moved(1000);
    expect(progress.stalled(1000)).to.equal(false);
    expect(progress.stalled(1999)).to.equal(false);
    expect(progress.stalled(2000)).to.equal(true);
  });

  it('begins anew after an end', () => {
    const progress = new MinimumRate(1000, 10);
    progress.begin(0);
    progress.end();
    expect([progress.idle, progress.stalled(5000)]).to.deep.equal([true, false]);
    progress.begin(5000);
    expect(progress.stalled(5999)).to.equal(false);
    expect(progress.stalled(6000)).to.equal(true);
  });

  it('does not count what is still held', () => {
    const progress = new MinimumRate(1000, 10);
    progress.begin(0, 500);
    progress.moved(100);
    expect(progress.stalled(1000, 590), 'ten left').to.equal(false);
    progress.moved(100);
    expect(progress.stalled(2000, 690), 'none left').to.equal(true);
  });

  it('never ends with a period of 0', () => {
    const progress = new MinimumRate(0, 10);
    progress.begin(0);
    expect(progress.stalled(1e9)).to.equal(false);
  });
});
