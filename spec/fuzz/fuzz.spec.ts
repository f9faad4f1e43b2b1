/** The short form of `npm run fuzz`, and every input that it once found. `IMXP_SEED` repeats a run. */
import { expect } from 'chai';
import { keptInputs } from './failures.js';
import { type Reader, TARGETS } from './reader.js';
import { failing, run } from './run.js';
import { readersOf } from './targets/all.js';

const SEED = Number(process.env['IMXP_SEED'] ?? Date.now() % 1_000_000_007);
const MS = 300;

describe('security: random and mutated input', () => {
  let all: readonly Reader[];
  before(async () => {
    all = await readersOf();
    console.log(`      seed ${SEED}, ${MS} ms each`);
  });

  for (const target of TARGETS) {
    it(`${target} neither crashes nor hangs nor leaks memory`, async () => {
      for (const reader of all.filter((one) => one.target === target)) {
        const { failure } = await run(reader, { seed: SEED, ms: MS });
        expect(failure && `${failure.why}: ${failure.octets.toString('base64')}`, reader.name).to.equal(undefined);
      }
    }).timeout(60_000);
  }

  it('reads every input that failed before', async () => {
    for (const { target, file, octets } of keptInputs()) {
      for (const reader of all.filter((one) => one.target === target)) {
        expect((await failing(reader, octets, SEED))?.why, `${file} ${reader.name}`).to.equal(undefined);
      }
    }
  }).timeout(60_000);

  it('finds a reader that crashes, one that is slow and one that leaks memory, with the smallest input', async () => {
    const seeds = [Buffer.from('an input with a needle in it')];
    const reader = (read: Reader['read']): Reader => ({ target: 'xml', name: 'planted', seeds, read });
    const crash = await run(
      reader((octets) => {
        if (octets.includes('needle')) throw new TypeError('found');
      }),
      { seed: 1, ms: 2000 },
    );
    expect(crash.failure?.why).to.equal('TypeError: found');
    expect(crash.failure?.octets.toString()).to.equal('needle');
    const kept: Buffer[] = [];
    const keeping = await run(
      reader(() => void kept.push(Buffer.alloc(100_000))),
      { seed: 1, ms: 2000, inputs: 200 },
    );
    expect(keeping.failure?.why).to.match(/^keeps \d+ octets of 200 inputs$/);
    expect(kept.length).to.be.above(200);
  }).timeout(60_000);
});
