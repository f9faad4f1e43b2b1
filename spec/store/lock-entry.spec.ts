import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { type Liveness, type LockEntry, takeLockEntry } from '../../lib/store/lock-entry.js';
import { MemoryStore } from '../../lib/store/memory.js';

const holder = (token: string): LockEntry => ({
  token,
  pid: token.length,
  host: 'quarry',
  process: 'boot namespace start',
  beacon: true,
  since: '2001-02-03T04:05:06.000Z',
});

/** Who lives, and what was cleared away. */
class Village implements Liveness {
  readonly living = new Set<string>();
  readonly cleared: string[] = [];

  async alive({ token }: LockEntry): Promise<boolean> {
    return this.living.has(token);
  }

  async clear({ token }: LockEntry): Promise<void> {
    this.cleared.push(token);
  }
}

describe('store/holder', () => {
  let store: MemoryStore;
  let village: Village;

  beforeEach(() => {
    store = new MemoryStore();
    village = new Village();
  });

  const take = (token: string): Promise<() => Promise<void>> => {
    village.living.add(token);
    return takeLockEntry(store, holder(token), village, 'var');
  };
  const codeOf = (promise: Promise<unknown>): Promise<string> =>
    promise.then(
      () => 'none',
      (error: unknown) => (error instanceof LocalError ? error.code : String(error)),
    );

  it('is one at a time', async () => {
    const leave = await take('fred');
    const refused = await take('barney').catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(LocalError).and.include({ code: 'STORE_FAILED' });
    expect(String(refused))
      .to.include('the store var is in use by another relay: process 4 on quarry, since 2001-02-03')
      .and.include('store.path');
    await leave();
    await take('barney');
    expect(village.cleared).to.deep.equal([]);
  });

  it('takes over from one that died, and clears up after it', async () => {
    const late = await take('fred');
    village.living.delete('fred');
    await take('barney');
    expect(village.cleared).to.deep.equal(['fred']);
    // The dead cannot give away what is not theirs any more.
    await late();
    expect(await codeOf(take('wilma'))).to.equal('STORE_FAILED');
  });

  it('lets one of many that start at once have it', async () => {
    const outcomes = await Promise.all(['a', 'b', 'c', 'd', 'e'].map((token) => codeOf(take(token))));
    expect(outcomes.filter((outcome) => outcome === 'none')).to.have.length(1);
    village.living.clear();
    const again = await Promise.all(['f', 'g', 'h'].map((token) => codeOf(take(token))));
    expect(again.filter((outcome) => outcome === 'none')).to.have.length(1);
    expect(village.cleared).to.have.length(1);
  });

  it('asks nobody about an entry that it does not understand', async () => {
    await store.put('holder', { version: 2 });
    await take('fred');
  });
});
