import { expect } from 'chai';
import { Backoff } from '../../lib/transport/backoff.js';

describe('transport/backoff', () => {
  it('waits longer each time, up to the longest, half of it by chance', () => {
    const backoff = new Backoff({ firstMs: 100, longestMs: 1000 });
    for (const longest of [100, 200, 400, 800, 1000, 1000]) expect(backoff.next()).to.be.within(longest / 2, longest);
  });

  it('begins anew after a connection that was steady, and not after one that ended at once', async () => {
    const backoff = new Backoff({ firstMs: 100, longestMs: 1000, steadyMs: 40 });
    backoff.next();
    backoff.next();
    backoff.connected();
    expect(backoff.next(), 'lost at once').to.be.within(200, 400);
    backoff.connected();
    await new Promise((resolve) => setTimeout(resolve, 60));
    expect(backoff.next(), 'lost after a while').to.be.within(50, 100);
    expect(backoff.attempts).to.equal(1);
  });

  it('takes the longest wait for steady unless told otherwise', () => {
    const backoff = new Backoff({ firstMs: 1, longestMs: 30_000 });
    backoff.next();
    backoff.connected();
    expect(backoff.next()).to.be.within(1, 2);
    backoff.reset();
    expect(backoff.next()).to.be.within(0.5, 1);
  });
});
