import { expect } from 'chai';
import { AccountWatch } from '../../lib/node/account-watch.js';
import type { Clock } from '../../lib/ops/clock.js';
import { events } from '../../lib/ops/events.js';
import { makeVerifier, type Verifier } from '../../lib/sasl/verifier.js';
import { Accounts } from '../../lib/store/accounts.js';
import { MemoryStore } from '../../lib/store/memory.js';

const [FRED, BARNEY] = ['fred@example.com', 'barney@example.com'];

/** A store that tells of changes as a file does, and counts how often it is asked for them. */
class TellingStore extends MemoryStore {
  asked = 0;
  tell: (() => void) | undefined;

  override revision(scope: string): number {
    this.asked += 1;
    return super.revision(scope);
  }

  watch(changed: () => void): () => void {
    this.tell = changed;
    return () => {
      this.tell = undefined;
    };
  }
}

/** A clock that ticks when it is told to. */
class Metronome implements Clock {
  tick = (): void => {};

  now(): number {
    return performance.now();
  }

  wall(): number {
    return Date.parse('2001-02-03T04:05:06Z');
  }

  after(): () => void {
    throw new Error('accounts are looked at by ticks');
  }

  ticking(tick: () => void): () => void {
    this.tick = tick;
    return () => {
      this.tick = () => {};
    };
  }
}

describe('node/account-watch', () => {
  let store: TellingStore;
  let accounts: Accounts;
  let clock: Metronome;
  let watch: AccountWatch;
  let expelled: string[][];
  let forgotten: string[];
  let ratesChanged: number;
  let permissionsChanged: number;
  let access: { writtenByOthers: number };

  const verifier = (account: string): Promise<Verifier> =>
    makeVerifier(account, 'yabba', { realms: ['example.com'], scramIterations: 4096 });

  /** Ticks until the watch has seen what was done, and whatever comes of that. */
  async function until(done: () => boolean): Promise<void> {
    store.tell?.();
    while (!done()) {
      clock.tick();
      await new Promise((resolve) => setImmediate(resolve));
    }
  }

  beforeEach(async () => {
    store = new TellingStore();
    accounts = new Accounts(store, { domains: ['example.com'] });
    clock = new Metronome();
    [expelled, forgotten, ratesChanged, permissionsChanged] = [[], [], 0, 0];
    access = { writtenByOthers: 3 };
    watch = new AccountWatch({
      store,
      access,
      permissionsChanged: () => {
        permissionsChanged += 1;
      },
      accounts,
      clock,
      connections: () => [],
      expel: (names) => expelled.push([...names]),
      ratesChanged: () => {
        ratesChanged += 1;
      },
      forget: [
        async (account, { at, version }) => {
          forgotten.push(`${account} ${at > 0 && version > 0}`);
        },
      ],
      forgets: true,
      attachmentsPerAccount: 7,
    });
    for (const name of [FRED, BARNEY]) await accounts.add(await verifier(name));
  });

  afterEach(() => watch.stop());

  it('knows at the start what was decided before, and ends nobody for it again', async () => {
    await accounts.disable(FRED, 'left');
    await watch.load();
    watch.start();
    expect(watch.suspended(FRED)).to.match(/is disabled since .*: left$/);
    expect(watch.suspended(BARNEY)).to.equal(undefined);
    await accounts.disable(BARNEY);
    await until(() => watch.suspended(BARNEY) !== undefined);
    expect(expelled.at(-1)).to.deep.equal([BARNEY]);
  });

  it('ends everything of a disabled account, once', async () => {
    await watch.load();
    watch.start();
    await accounts.disable(FRED);
    await until(() => expelled.length > 0);
    await accounts.disable(FRED, 'another reason');
    await until(() => watch.suspended(FRED)?.endsWith('another reason') === true);
    await accounts.enable(FRED);
    await until(() => watch.suspended(FRED) === undefined);
    expect(expelled).to.deep.equal([[FRED]]);
  });

  it('looks at an unchanged store only now and then, and stops in the end', async () => {
    await watch.load();
    watch.start();
    await until(() => store.asked > 0);
    const ticks = (count: number): number => {
      const before = store.asked;
      for (let at = 0; at < count; at += 1) clock.tick();
      return store.asked - before;
    };
    ticks(50);
    // A file that lies elsewhere may change without a word: once in 5 s is looked at all the same.
    expect(ticks(500)).to.be.within(10, 20);
    store.tell?.();
    expect(ticks(1)).to.be.at.least(1);
    await watch.stop();
    expect(store.tell).to.equal(undefined);
    expect(ticks(100)).to.equal(0);
  });

  it('has permissions looked at when another process has written access entries since the node was loaded', async () => {
    await watch.load();
    watch.start();
    for (const [written, changed] of [
      [3, 0],
      [4, 1],
      [4, 1],
    ] as const) {
      access.writtenByOthers = written;
      store.tell?.();
      clock.tick();
      expect(permissionsChanged).to.equal(changed);
    }
  });

  it('refuses nobody who was enabled since the last look', async () => {
    await accounts.disable(FRED);
    await watch.load();
    expect(watch.suspended(FRED)).to.be.a('string');
    await accounts.enable(FRED);
    expect(watch.suspended(FRED)).to.equal(undefined);
  });

  it('deletes once, after a restart too, what a removed account has left', async () => {
    await accounts.remove(FRED);
    await watch.load();
    expect(forgotten).to.deep.equal([]);
    watch.start();
    await until(() => forgotten.length > 0);
    await until(() => accounts.states.of(FRED).version === 0);
    await accounts.remove(BARNEY);
    await until(() => accounts.states.of(BARNEY).version === 0 && forgotten.length > 1);
    expect(forgotten).to.deep.equal([`${FRED} true`, `${BARNEY} true`]);
    expect(expelled).to.deep.equal([[FRED], [BARNEY]]);
  });

  it('reports what cannot be deleted, and tries again at the next start', async () => {
    const faults: unknown[] = [];
    const silence = events.fault.subscribe(({ session }) => faults.push(session));
    const inner = store.commit.bind(store);
    await accounts.remove(FRED);
    store.commit = () => Promise.reject(new Error('the disk is full'));
    await watch.load();
    watch.start();
    await until(() => faults.length > 0);
    silence();
    store.commit = inner;
    expect(accounts.states.of(FRED).state.removed).to.be.a('string');
  });

  it('applies quotas, and the configured limits where there are none', async () => {
    await watch.load();
    watch.start();
    expect(watch.attachments(FRED)).to.equal(7);
    expect(watch.rates(FRED)).to.deep.equal({});
    await accounts.limit(FRED, { attachments: 2, dataPerSecond: 5, octetsPerSecond: 0, heldData: 3 });
    await until(() => ratesChanged > 0);
    expect(watch.attachments(FRED)).to.equal(2);
    expect(watch.heldQuota(FRED)).to.include({ heldData: 3 });
    expect(watch.rates(FRED)).to.deep.equal({
      data: { perSecond: 5, burst: 50 },
      octets: { perSecond: 0, burst: 1 },
    });
    await accounts.disable(BARNEY);
    await until(() => watch.suspended(BARNEY) !== undefined);
    expect(ratesChanged).to.equal(1);
  });

  it('counts accounts, and the disabled ones', async () => {
    await watch.load();
    watch.start();
    expect(await watch.counts()).to.deep.equal({ total: 2, disabled: 0 });
    await accounts.disable(FRED);
    await accounts.remove(BARNEY);
    await until(() => watch.suspended(FRED) !== undefined);
    expect(await watch.counts()).to.deep.equal({ total: 1, disabled: 1 });
  });

  it('records now and then, and in the end, who attached', async () => {
    await watch.load();
    watch.start();
    const last = async (name: string) => (await accounts.profile(name))?.lastAttached?.from;
    watch.joined(FRED, '192.0.2.1');
    expect(await last(FRED)).to.equal(undefined);
    for (let tick = 0; tick < 50; tick += 1) clock.tick();
    while ((await last(FRED)) === undefined) await new Promise((resolve) => setImmediate(resolve));
    expect(await last(FRED)).to.equal('192.0.2.1');
    watch.joined(BARNEY, '192.0.2.2');
    await watch.stop();
    expect(await last(BARNEY)).to.equal('192.0.2.2');
  });
});
