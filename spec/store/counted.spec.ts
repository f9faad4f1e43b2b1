import { expect } from 'chai';
import { CountedStore } from '../../lib/store/counted.js';
import { MemoryStore } from '../../lib/store/memory.js';
import { ABSENT } from '../../lib/store/store.js';
import { storeSuite } from '../support/suites/store.js';

describe('store/counted', () => {
  describe('is a store like the one it counts', () => {
    storeSuite({
      open: async () => new CountedStore(new MemoryStore()),
    });
  });

  it('counts what was done, what found another version, what failed, and the time', async () => {
    const store = new CountedStore(new MemoryStore());
    const { counts } = store;
    await store.put('a', 1, ABSENT);
    await store.put('a', 2, ABSENT);
    await store.get('a');
    await store.delete('b');
    await store.put('', 1).catch(() => undefined);
    expect(counts.get('put')).to.include({ done: 1, conflicts: 1, failed: 1 });
    expect(counts.get('get')).to.include({ done: 1, conflicts: 0, failed: 0 });
    expect(counts.get('delete')).to.include({ done: 0, conflicts: 1, failed: 0 });
    expect(counts.get('put')?.ms).to.be.within(0, 1000);
  });
});
