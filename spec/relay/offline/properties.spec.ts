import { expect } from 'chai';
import fc from 'fast-check';
import type { Spool, SpoolEntry, SpoolRecord, Written } from '../../../lib/relay/offline/spool.js';
import { type FakeChannel, LIMITS, settled } from '../../support/fake-channel.js';
import { BARNEY, data, FRED, hold, override, Stage } from '../../support/option-stage.js';

/** A disk: what is asked for becomes durable when the spec says so, in order; a crash loses the rest. */
class Disk implements Spool {
  readonly #durable = new Map<number, { readonly entry: SpoolEntry; readonly record: SpoolRecord }>();
  #asked: (() => void)[] = [];

  entries(): Iterable<SpoolEntry> {
    return [...this.#durable.values()].map(({ entry }) => entry).sort((a, b) => a.seq - b.seq);
  }

  put(entry: SpoolEntry, record: SpoolRecord, written: Written): void {
    this.#asked.push(() => {
      this.#durable.set(entry.seq, { entry, record });
      written(undefined);
    });
  }

  read({ seq }: SpoolEntry): SpoolRecord | undefined {
    return this.#durable.get(seq)?.record;
  }

  remove({ seq }: SpoolEntry, written: Written): void {
    this.#asked.push(() => {
      this.#durable.delete(seq);
      written(undefined);
    });
  }

  replace(_entry: SpoolEntry, by: SpoolEntry, record: SpoolRecord, written: Written): void {
    this.put(by, record, written);
  }

  flush(): void {
    while (this.#asked.length > 0) for (const action of this.#asked.splice(0)) action();
  }

  crash(): void {
    this.#asked = [];
  }

  async close(): Promise<void> {}
}

type Action = 'send' | 'flush' | 'attach' | 'override' | 'lose' | 'ok' | 'busy' | 'crash' | 'wait';

/** A relay, its disk, one sender and whoever is attached; counts what was promised and what was kept. */
class World {
  readonly disk = new Disk();
  /** The relay said ok to the sender. */
  readonly acknowledged: number[] = [];
  /** The application said ok, in that order. */
  readonly taken: number[] = [];
  crashes = 0;
  #stage: Stage;
  #fred: FakeChannel;
  #barney: FakeChannel | undefined;
  #overridden: FakeChannel[] = [];
  #number = 0;
  /** Numbers by msgno, of the present relay. */
  #sent = new Map<number, number>();

  constructor() {
    this.#stage = this.#start();
    this.#fred = this.#stage.attached(FRED);
  }

  #start(): Stage {
    return new Stage({ spool: this.disk, relay: { limits: { ...LIMITS, outstanding: 4096 } } });
  }

  get held(): number {
    return this.#stage.relay.held.data;
  }

  async do(action: Action): Promise<void> {
    if (action === 'send') this.#send();
    else if (action === 'flush') this.disk.flush();
    else if (action === 'attach' || action === 'override') this.#attach(action === 'override');
    else if (action === 'lose') this.#lose();
    else if (action === 'ok') this.#answer();
    else if (action === 'busy') this.#waiting()[0]?.error(450, 'busy');
    else if (action === 'crash') this.#crash();
    else this.#wait();
    await settled();
    this.#look();
  }

  /** Long enough for everything that waits for a time; who was overridden does not answer any more. */
  #wait(): void {
    for (const channel of this.#overridden.splice(0)) for (const request of channel.waiting) request.fail('timeout');
    this.#stage.time.pass(60_000);
  }

  #send(): void {
    this.#number += 1;
    const msgno = this.#fred.send(data(FRED, [BARNEY], [hold({ transID: this.#number })]));
    this.#sent.set(msgno, this.#number);
  }

  /** What the relay has acknowledged since the last look. */
  #look(): void {
    for (const [msgno, number] of this.#sent) {
      if (this.#fred.code(msgno) === undefined) continue;
      this.#sent.delete(msgno);
      if (this.#fred.code(msgno) === 0) this.acknowledged.push(number);
    }
  }

  #attach(instead: boolean): void {
    if (this.#barney !== undefined && !instead) return;
    if (this.#barney !== undefined) this.#overridden.push(this.#barney);
    this.#barney = this.#stage.attached(BARNEY, instead ? [override()] : []);
  }

  #lose(): void {
    this.#barney?.lose();
    this.#barney = undefined;
  }

  #waiting() {
    return this.#barney?.waiting.filter(({ operation }) => operation.type === 'data') ?? [];
  }

  #answer(): void {
    const [request] = this.#waiting();
    if (request === undefined) return;
    this.taken.push(request.data.options[0]?.transID ?? 0);
    request.ok();
  }

  #crash(): void {
    this.crashes += 1;
    this.#stage.time.forget();
    this.disk.crash();
    this.#sent = new Map();
    this.#barney = undefined;
    this.#overridden = [];
    this.#stage = this.#start();
    this.#fred = this.#stage.attached(FRED);
  }

  /** Everything that can still arrive arrives. */
  async finish(): Promise<void> {
    await this.do('flush');
    await this.do('wait');
    await this.do('lose');
    await this.do('attach');
    for (let rounds = 0; rounds < 1000 && (this.held > 0 || this.#waiting().length > 0); rounds += 1) {
      await this.do(this.#waiting().length > 0 ? 'ok' : 'flush');
    }
    await this.do('flush');
  }
}

const COMMON: readonly Action[] = ['send', 'send', 'send', 'flush', 'attach', 'lose', 'ok', 'ok', 'ok', 'wait'];

const actions = (...more: readonly Action[]) =>
  fc.array(fc.constantFrom(...COMMON, ...more), { minLength: 5, maxLength: 60 });

describe('relay: properties of held Data', function () {
  this.timeout(60_000);
  this.slow(5000);

  async function through(run: readonly Action[]): Promise<World> {
    const world = new World();
    for (const action of run) await world.do(action);
    await world.finish();
    // Where the application was there, its own ok is the acknowledgement.
    expect(world.acknowledged.filter((number) => !world.taken.includes(number))).to.deep.equal([]);
    expect([...world.disk.entries()]).to.deep.equal([]);
    return world;
  }

  it('REQ-IMXP-060 are accepted once and in order when nothing is killed and nothing is refused', async () => {
    await fc.assert(
      fc.asyncProperty(actions(), async (run) => {
        const { taken } = await through(run);
        expect(taken).to.deep.equal([...new Set(taken)].sort((a, b) => a - b));
      }),
      { numRuns: 60 },
    );
  });

  it('are accepted once when applications refuse temporarily and replace each other', async () => {
    await fc.assert(
      fc.asyncProperty(actions('busy', 'override'), async (run) => {
        const { taken } = await through(run);
        expect(taken).to.have.length(new Set(taken).size);
      }),
      { numRuns: 60 },
    );
  });

  it('are accepted in the end when the relay is killed, and twice only where it was killed before it had deleted them', async () => {
    await fc.assert(
      fc.asyncProperty(actions('crash', 'flush'), async (run) => {
        const { taken, crashes } = await through(run);
        const often = Math.max(0, ...taken.map((number) => taken.filter((other) => other === number).length));
        expect(often).to.be.at.most(1 + crashes);
      }),
      { numRuns: 60 },
    );
  });
});
