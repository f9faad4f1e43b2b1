import { expect } from 'chai';
import { isSuccess, isTransientCode, REPLY_CODES, replyOf } from '../../lib/imxp/reply-code.js';
import { newTransId, TRANS_ID_MAX } from '../../lib/imxp/trans-id.js';

describe('imxp/reply-code', () => {
  it('classifies codes by the first digit, unknown codes too', () => {
    expect([250, 350, 299].every(isSuccess)).to.equal(true);
    expect([421, 450, 499, 500, 550].some(isSuccess)).to.equal(false);
    expect([421, 450, 499].every(isTransientCode)).to.equal(true);
    expect([250, 350, 500, 550].some(isTransientCode)).to.equal(false);
  });

  it('has a text for every code of core-01 §10', () => {
    for (const code of [250, 421, 450, 451, 454, 500, 501, 504, 530, 534, 535, 537, 538, 550, 553, 554, 555]) {
      expect(replyOf(code)).to.deep.equal({ code, text: REPLY_CODES.get(code) });
    }
    expect(replyOf(550, 'unknown endpoint identity').text).to.equal('unknown endpoint identity');
    expect(replyOf(599)).to.deep.equal({ code: 599, text: '' });
  });
});

describe('imxp/trans-id', () => {
  it('REQ-IMXP-046 gives different numbers from 1 to 2147483647', () => {
    const drawn = Array.from({ length: 1000 }, () => newTransId());
    expect(Math.min(...drawn)).to.be.at.least(1);
    expect(Math.max(...drawn)).to.be.at.most(TRANS_ID_MAX);
    expect(new Set(drawn).size).to.be.above(990);
    expect(Math.max(...drawn)).to.be.above(2 ** 30);
  });

  it('draws again while the number is in use', () => {
    let asked = 0;
    newTransId({ has: () => ++asked < 3 });
    expect(asked).to.equal(3);
  });
});
