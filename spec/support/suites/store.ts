/** The behaviour required of every store: one suite that is run for each implementation. */
import { expect } from 'chai';
import fc from 'fast-check';
import { LocalError } from '../../../lib/errors.js';
import { ABSENT, type Json, type Listed, STORE_KEY_OCTETS, type Store } from '../../../lib/store/store.js';

export interface StoreSetup {
  open(): Promise<Store>;
}

async function listed(store: Store, prefix: string): Promise<Listed[]> {
  const found: Listed[] = [];
  for await (const entry of store.list(prefix)) found.push(entry);
  return found;
}

async function codeOf(promise: Promise<unknown>): Promise<string> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof LocalError) return error.code;
    throw error;
  }
  return 'none';
}

export function storeSuite({ open }: StoreSetup): void {
  let store: Store;

  beforeEach(async () => {
    store = await open();
  });

  afterEach(() => store.close());

  it('has nothing under a key that was never written', async () => {
    expect(await store.get('a')).to.equal(undefined);
    expect(await store.delete('a')).to.equal(false);
    expect(await listed(store, '')).to.deep.equal([]);
  });

  it('returns what was written, with its version', async () => {
    const value = { text: 'yabba', list: [1, null, true], deep: { ü: '✓' } };
    const version = await store.put('a', value);
    expect(version).to.be.greaterThan(ABSENT);
    expect(await store.get('a')).to.deep.equal({ value, version });
  });

  it('keeps any JSON value', async () => {
    await fc.assert(
      fc.asyncProperty(fc.jsonValue({ noUnicodeString: false }), async (value) => {
        const json = JSON.parse(JSON.stringify(value)) as Json;
        await store.put('a', json);
        expect((await store.get('a'))?.value).to.deep.equal(json);
      }),
      { numRuns: 30 },
    );
  });

  it('creates only where nothing exists', async () => {
    const version = await store.put('a', 1, ABSENT);
    expect(version).to.be.greaterThan(ABSENT);
    expect(await store.put('a', 2, ABSENT)).to.equal(undefined);
    expect((await store.get('a'))?.value).to.equal(1);
  });

  it('replaces only the version that was read', async () => {
    const first = await store.put('a', 1);
    const second = await store.put('a', 2, first);
    expect(second).to.be.greaterThan(first ?? Number.NaN);
    expect(await store.put('a', 3, first)).to.equal(undefined);
    expect(await store.get('a')).to.deep.equal({ value: 2, version: second });
  });

  it('deletes only the version that was read', async () => {
    const first = await store.put('a', 1);
    const second = await store.put('a', 2);
    expect(await store.delete('a', first)).to.equal(false);
    expect(await store.delete('a', second)).to.equal(true);
    expect(await store.get('a')).to.equal(undefined);
  });

  it('never uses a version twice, even after a deletion', async () => {
    const first = await store.put('a', 1);
    await store.delete('a');
    await store.put('a', 1, ABSENT);
    expect(await store.put('a', 2, first)).to.equal(undefined);
  });

  it('orders versions by the writes over all keys', async () => {
    const versions = await Promise.all(['b', 'a', 'c', 'a'].map((key) => store.put(key, 1)));
    const numbers = versions.map((version) => version ?? Number.NaN);
    expect(numbers).to.deep.equal([...new Set(numbers)].sort((one, other) => one - other));
    await store.delete('c');
    expect(await store.put('d', 1)).to.be.greaterThan(Math.max(...numbers));
  });

  it('lets exactly one of many concurrent writers succeed', async () => {
    const version = await store.put('a', 0);
    const outcomes = await Promise.all(Array.from({ length: 20 }, (_, index) => store.put('a', index, version)));
    const won = outcomes.flatMap((outcome, index) =>
      outcome === undefined ? [] : [{ value: index, version: outcome }],
    );
    expect(won).to.have.length(1);
    expect(await store.get('a')).to.deep.equal(won[0]);
  });

  it('loses no increment made by compare-and-set', async () => {
    await store.put('count', 0);
    const increment = async (): Promise<void> => {
      for (;;) {
        const entry = await store.get('count');
        if ((await store.put('count', Number(entry?.value) + 1, entry?.version)) !== undefined) return;
      }
    };
    await Promise.all(Array.from({ length: 10 }, increment));
    expect((await store.get('count'))?.value).to.equal(10);
  });

  it('commits all changes or none', async () => {
    const kept = await store.put('a', 1);
    await store.put('b', 1);
    const stale = { key: 'b', value: 2, expected: 4711 };
    expect(await store.commit([{ key: 'a', value: 2, expected: kept ?? 0 }, stale])).to.equal(false);
    expect(await store.get('a')).to.deep.equal({ value: 1, version: kept });
    const changes = [
      { key: 'a', value: 2, expected: kept ?? 0 },
      { key: 'b' },
      { key: 'c', value: 3, expected: ABSENT },
    ];
    const before = store.revision('c');
    expect(await store.commit(changes)).to.equal(true);
    expect((await listed(store, '')).map(({ key, value }) => [key, value])).to.deep.equal([
      ['a', 2],
      ['c', 3],
    ]);
    expect(store.revision('c')).to.be.greaterThan(before);
    expect(await store.commit(changes)).to.equal(false);
    expect(await store.commit([])).to.equal(true);
    expect(await codeOf(store.commit([{ key: 'd', value: 1 }, { key: '' }]))).to.equal('ARGUMENT');
    expect(await store.get('d')).to.equal(undefined);
  });

  it('counts by prefix', async () => {
    for (const key of ['b/2', 'a/1', 'b/1', 'b', 'b/ü', 'b/\u{10fffd}', 'c']) await store.put(key, null);
    expect(await store.count('b/')).to.equal(4);
    expect(await store.count('x/')).to.equal(0);
  });

  it('lists by prefix in the order of octets', async () => {
    for (const key of ['b/2', 'a/1', 'b/1', 'b', 'b/ü', 'c', 'b/z']) await store.put(key, key);
    expect((await listed(store, 'b/')).map(({ key, value }) => [key, value])).to.deep.equal([
      ['b/1', 'b/1'],
      ['b/2', 'b/2'],
      ['b/z', 'b/z'],
      ['b/ü', 'b/ü'],
    ]);
    expect(await listed(store, '')).to.have.length(7);
  });

  it('lists more than one batch, and allows deletions meanwhile', async () => {
    const keys = Array.from({ length: 600 }, (_, index) => `k/${String(index).padStart(4, '0')}`);
    await Promise.all(keys.map((key) => store.put(key, null)));
    await store.put('l', null);
    const seen: string[] = [];
    for await (const { key } of store.list('k/')) {
      seen.push(key);
      if (seen.length % 100 === 0) await store.delete(key);
    }
    expect(seen).to.deep.equal(keys);
    expect(await listed(store, 'k/')).to.have.length(594);
  });

  it('keeps its own copy of values', async () => {
    const value = { list: [1] };
    await store.put('a', value);
    value.list.push(2);
    const read = (await store.get('a'))?.value as { list: number[] };
    read.list.push(3);
    expect((await store.get('a'))?.value).to.deep.equal({ list: [1] });
  });

  it('shows at once what it reported as written and deleted', async () => {
    expect(store.peek('a')).to.equal(undefined);
    const version = await store.put('a', { deep: [1] });
    expect(store.peek('a')).to.deep.equal({ value: { deep: [1] }, version });
    await store.delete('a');
    expect(store.peek('a')).to.equal(undefined);
  });

  it('changes the revision after each change of a scope, and only then', async () => {
    const seen = [store.revision('a')];
    const step = async (change: () => Promise<unknown>): Promise<void> => {
      await change();
      seen.push(store.revision('a'));
    };
    await step(() => store.put('a/1', 1));
    await step(() => store.put('a/1', 1));
    await step(() => store.delete('a/1'));
    await step(() => store.put('ab/1', 1));
    await step(() => store.delete('a/2'));
    await step(() => store.put('a/1', 1, 4711));
    await step(() => store.put('a', 1));
    const [, first = 0, second = 0, third = 0] = seen;
    expect([first, second, third]).to.deep.equal([...new Set([first, second, third])].sort((a, b) => a - b));
    expect(seen.slice(3, 7)).to.deep.equal([third, third, third, third]);
    expect(seen[7]).to.be.greaterThan(third);
  });

  it('refuses unusable keys, and accepts the longest', async () => {
    for (const key of ['', 'a\0b', 'x'.repeat(STORE_KEY_OCTETS + 1)]) {
      expect(await codeOf(store.put(key, 1)), JSON.stringify(key)).to.equal('ARGUMENT');
      expect(await codeOf(store.get(key)), JSON.stringify(key)).to.equal('ARGUMENT');
    }
    await store.put('x'.repeat(STORE_KEY_OCTETS), 1);
    expect((await store.get('x'.repeat(STORE_KEY_OCTETS)))?.value).to.equal(1);
  });

  it('finishes what was begun when it closes, and refuses what comes after', async () => {
    const written = store.put('a', 1);
    await Promise.all([store.close(), store.close()]);
    expect(await written).to.be.greaterThan(ABSENT);
    expect(await codeOf(store.get('a'))).to.equal('STORE_FAILED');
    expect(await codeOf(store.put('a', 1))).to.equal('STORE_FAILED');
    expect(await codeOf(store.commit([]))).to.equal('STORE_FAILED');
    expect(await codeOf(store.count(''))).to.equal('STORE_FAILED');
    expect(await codeOf(listed(store, ''))).to.equal('STORE_FAILED');
    expect(await codeOf((async () => store.peek('a'))())).to.equal('STORE_FAILED');
    expect(await codeOf((async () => store.revision('a'))())).to.equal('STORE_FAILED');
  });
}
