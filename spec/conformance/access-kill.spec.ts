/**
 * A relay killed at random moments while access lists are being set: every set that was acknowledged is there after the
 * restart, and no list is half of one and half of another.
 */
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { TransportError } from '../../lib/errors.js';
import type { AccessEntry } from '../../lib/imxp/vocabulary/access.js';
import { lonely, type NodeProcess, Workshop } from '../support/node-process.js';
import { passwordOf } from '../support/relay-fixture.js';

const SETS = 1000;
const KILLS = 3;
const OWNERS = ['fred', 'wilma', 'barney', 'betty'].map((name) => `${name}@example.com`);
/** Enough for a part of a list to be told from a whole one. */
const ENTRIES = 40;

/** What is known of one owner's list. */
interface Known {
  readonly owner: string;
  /** The last number that was acknowledged, and the last that was asked for. */
  acknowledged: number;
  asked: number;
}

/** A list in which every entry says which set it is of. */
function listOf(owner: string, number: number): AccessEntry[] {
  const entries = Array.from({ length: ENTRIES }, (_, at) => ({ actor: `n${number}@e${at}.example`, actions: [] }));
  return [{ actor: owner, actions: ['all:all'] }, ...entries];
}

/** The number of the set a list is of; fails when it is of several. */
function numberIn(entries: readonly AccessEntry[]): number {
  const numbers = new Set(entries.slice(1).map(({ actor }) => Number(/^n(\d+)@/.exec(actor)?.[1])));
  expect([...numbers], 'one set, not parts of several').to.have.length(1);
  expect(entries).to.have.length(ENTRIES + 1);
  return [...numbers][0] ?? -1;
}

describe('access lists and SIGKILL', function () {
  this.timeout(120_000);
  this.slow(60_000);
  let workshop: Workshop;
  let node: NodeProcess;

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.node('mesh', lonely({ sasl: { mechanisms: ['DIGEST-MD5'] } }));
    await Promise.all(OWNERS.map((owner) => workshop.account(node, owner, passwordOf(owner))));
  });
  after(async () => await workshop?.close());

  async function attached(owner: string): Promise<Endpoint> {
    return Endpoint.connect({ address: owner, relay: `tcp://127.0.0.1:${node.port}`, password: passwordOf(owner) });
  }

  /** Sets until the relay is gone or the turn's number of sets is done. */
  async function keepSetting(known: Known, turn: { left: number }, done: () => void): Promise<void> {
    const endpoint = await attached(known.owner);
    try {
      while (turn.left > 0) {
        turn.left -= 1;
        known.asked += 1;
        await endpoint.access.set(listOf(known.owner, known.asked));
        known.acknowledged = known.asked;
        done();
      }
    } catch (error) {
      if (!(error instanceof TransportError)) throw error;
    } finally {
      await endpoint.close();
    }
  }

  async function check(known: Known): Promise<void> {
    const endpoint = await attached(known.owner);
    const number = numberIn((await endpoint.access.get()).entries);
    expect(number, known.owner).to.be.within(known.acknowledged, known.asked);
    known.acknowledged = number;
    known.asked = number;
    await endpoint.close();
  }

  it(`REQ-ACC-002 REQ-ACC-010 keeps every acknowledged one of ${SETS} sets over ${KILLS} kills`, async () => {
    const all = OWNERS.map((owner): Known => ({ owner, acknowledged: 0, asked: 0 }));
    let total = 0;
    for (let turn = 0; turn <= KILLS; turn += 1) {
      await node.start();
      if (turn > 0) await Promise.all(all.map(check));
      const killAt = turn < KILLS ? Math.floor(((0.5 + Math.random()) * SETS) / (KILLS + 1)) : Number.POSITIVE_INFINITY;
      let done = 0;
      let killed: Promise<void> | undefined;
      const rest = { left: turn < KILLS ? Number.POSITIVE_INFINITY : Math.max(0, SETS - total) };
      await Promise.all(
        all.map((known) =>
          keepSetting(known, rest, () => {
            total += 1;
            done += 1;
            if (done >= killAt) killed ??= node.kill();
          }),
        ),
      );
      await killed;
    }
    expect(total).to.be.at.least(SETS);
    await Promise.all(all.map(check));
  });
});
