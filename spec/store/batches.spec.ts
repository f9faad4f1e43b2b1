import { expect } from 'chai';
import { Batches } from '../../lib/store/batches.js';

describe('store/batches', () => {
  /** Batches of texts by their length; each waits until it is let go. */
  function texts() {
    const seen: string[][] = [];
    const open: (() => void)[] = [];
    const batches = new Batches<string>({
      limits: { requests: 3, octets: 10 },
      sizeOf: ({ length }) => ({ requests: 1, octets: length }),
      run: (batch) => {
        seen.push([...batch]);
        return new Promise((resolve) => open.push(resolve));
      },
    });
    const next = async (): Promise<void> => {
      open.shift()?.();
      await new Promise((resolve) => setImmediate(resolve));
    };
    return { batches, seen, next };
  }

  it('takes together what comes in one turn, and what comes while a batch is under way', async () => {
    const { batches, seen, next } = texts();
    for (const text of ['a', 'b']) batches.add(text);
    await next();
    for (const text of ['c', 'd']) batches.add(text);
    expect(seen).to.deep.equal([['a', 'b']]);
    await next();
    expect(seen).to.deep.equal([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    await next();
    await batches.done();
  });

  it('keeps the limits of a batch, and lets one request exceed them alone', async () => {
    const { batches, seen, next } = texts();
    for (const text of ['a', 'b', 'c', 'd', 'larger than ten', 'e', '123456', '12345']) batches.add(text);
    for (let batch = 0; batch < 6; batch += 1) await next();
    expect(seen).to.deep.equal([['a', 'b', 'c'], ['d'], ['larger than ten'], ['e', '123456'], ['12345']]);
    await batches.done();
  });

  it('runs nothing beside what must be alone, and that only while there is no batch', async () => {
    const { batches, seen, next } = texts();
    let finish = (): void => {};
    const alone = new Promise<void>((resolve) => {
      finish = resolve;
    });
    batches.between(() => alone);
    batches.add('a');
    await next();
    expect(seen).to.deep.equal([]);
    finish();
    await next();
    let ran = false;
    batches.between(async () => {
      ran = true;
    });
    expect([seen, ran]).to.deep.equal([[['a']], false]);
    await next();
    await batches.done();
  });
});
