import { expect } from 'chai';
import { OfflineDeliveryRate } from '../../../lib/relay/offline/delivery-rate.js';

/** How many messages may be out at a time. */
function windowOf(rate: OfflineDeliveryRate): number {
  let out = 0;
  while (rate.allows(out, 0, 1)) out += 1;
  return out;
}

function answered(rate: OfflineDeliveryRate, times: number, ms: number): number {
  for (let time = 0; time < times; time += 1) rate.answered(ms);
  return windowOf(rate);
}

describe('relay/offline/delivery-rate', () => {
  it('begins with a few, and gives more to who answers quickly', () => {
    const rate = new OfflineDeliveryRate();
    expect([windowOf(rate), answered(rate, 3, 10), answered(rate, 1000, 10)]).to.deep.equal([4, 7, 64]);
  });

  it('keeps what it gives where answers take their time on the way, and gives a slow application less', () => {
    const rate = new OfflineDeliveryRate();
    expect([answered(rate, 20, 10), answered(rate, 1000, 2000)]).to.deep.equal([24, 24]);
    expect(answered(rate, 1000, 6000), 'never one after the other').to.equal(4);
  });

  it('tries who refuses with a single message, and comes back to a few whatever the answers take', () => {
    const rate = new OfflineDeliveryRate();
    for (let time = 0; time < 5; time += 1) rate.refused();
    expect([windowOf(rate), answered(rate, 3, 6000)]).to.deep.equal([1, 4]);
  });

  it('gives one large message, and no other beside it', () => {
    const rate = new OfflineDeliveryRate();
    expect([rate.allows(0, 0, 64_000_000), rate.allows(1, 64_000_000, 1)]).to.deep.equal([true, false]);
  });

  it('waits longer before each attempt, and five seconds at the most, until something is taken', () => {
    const rate = new OfflineDeliveryRate();
    const waits = Array.from({ length: 10 }, () => rate.retryMs());
    expect([waits.slice(0, 3), waits.at(-1)]).to.deep.equal([[200, 400, 800], 5000]);
    rate.answered(10);
    expect(rate.retryMs()).to.equal(200);
  });
});
