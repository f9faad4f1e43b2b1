import { expect } from 'chai';
import { giveRoomForOctets, type Heap } from '../../lib/node/old-generation.js';

const MIB = 1_048_576;

describe('node/old-generation', () => {
  function watched(heap: Heap) {
    const state = { ...heap };
    const percents: number[] = [];
    let look = (): void => {};
    giveRoomForOctets(
      (_ms, run) => {
        look = run;
      },
      () => state,
      (percent) => percents.push(percent),
    );
    return { state, percents, look: (times = 1) => Array.from({ length: times }, () => look()) };
  }

  it('leaves the limits to V8 while no large messages pass', () => {
    const { percents, look } = watched({ used: 15 * MIB, outside: 2 * MIB });
    look(500);
    expect(percents).to.deep.equal([]);
  });

  it('gives a small heap 64 MiB of room while large messages pass, and ends that ten seconds after the last', () => {
    const { state, percents, look } = watched({ used: 16 * MIB, outside: 9 * MIB });
    look(3);
    expect(percents).to.deep.equal([400]);
    state.outside = MIB;
    look(99);
    state.outside = 9 * MIB;
    look();
    state.outside = MIB;
    look(99);
    expect(percents).to.deep.equal([400]);
    look();
    expect(percents).to.deep.equal([400, 0]);
  });

  it('follows the size of the heap, and gives a large one nothing beyond what V8 does', () => {
    const { state, percents, look } = watched({ used: 16 * MIB, outside: 9 * MIB });
    for (const used of [16, 20, 40, 64, 500]) {
      state.used = used * MIB;
      look();
    }
    expect(percents).to.deep.equal([400, 350, 200, 0]);
  });
});
