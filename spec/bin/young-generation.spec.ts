import { expect } from 'chai';
import { growWhenBusy } from '../../bin/support/young-generation.js';

describe('bin/support/young-generation', () => {
  it('grows once many messages are under way, and is not looked at any more then', () => {
    const node = { outstanding: 0 };
    const factors: number[] = [];
    let look = (): void => {};
    let stopped = 0;
    growWhenBusy(
      node,
      (_ms, run) => {
        look = run;
        return () => {
          stopped += 1;
        };
      },
      (factor) => factors.push(factor),
    );
    look();
    node.outstanding = 15;
    look();
    expect([factors, stopped]).to.deep.equal([[1], 0]);
    node.outstanding = 16;
    look();
    expect([factors, stopped]).to.deep.equal([[1, 2], 1]);
  });
});
