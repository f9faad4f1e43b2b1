import { expect } from 'chai';
import fc from 'fast-check';
import { MemoryStore } from '../../../lib/store/memory.js';
import type { Json } from '../../../lib/store/store.js';
import {
  BARNEY,
  FRED,
  NOON,
  PROVISIONED,
  publish,
  STAGE_LIMITS,
  Stage,
  subscribe,
  terminate,
  WILMA,
  watch,
} from '../../support/presence-stage.js';

/** A store that is killed: from one write on, nothing more reaches the disk and nobody is told. */
class MortalStore extends MemoryStore {
  /** Writes that still succeed. */
  left = Number.POSITIVE_INFINITY;

  override async put(key: string, value: Json, expectedVersion?: number): Promise<number | undefined> {
    return this.#dead() ? new Promise(() => {}) : super.put(key, value, expectedVersion);
  }

  override async delete(key: string, expectedVersion?: number): Promise<boolean> {
    return this.#dead() ? new Promise(() => {}) : super.delete(key, expectedVersion);
  }

  #dead(): boolean {
    this.left -= 1;
    return this.left < 0;
  }
}

const quiet = { delivered: (): void => {}, failed: (): void => {} };

describe('presence/restart', () => {
  it('REQ-IMPP-021 keeps what an entry has in other namespaces', async () => {
    const stage = await new Stage().openService();
    const extended = publish(1, { lastUpdate: PROVISIONED })
      .replace('<presence ', "<presence xmlns:m='urn:mood' m:mood='happy' ")
      .replace(/<tuple ([^>]*)\/>/, '<tuple $1><m:note>at the <m:b>alley</m:b></m:note></tuple>');
    expect(extended).to.include('m:note');
    await stage.ask(FRED, extended);
    await stage.restart();
    stage.take();
    await stage.ask(BARNEY, subscribe(FRED, 2, 600));
    const [shown = ''] = stage.take();
    expect(shown).to.include("xmlns:m='urn:mood' m:mood='happy'>");
    expect(shown).to.include("<m:note xmlns:m='urn:mood'>at the <m:b>alley</m:b></m:note></tuple></presence>");
  });

  it('REQ-IMPP-021 counts it as part of the entry', async () => {
    const stage = new Stage();
    stage.limits = { ...STAGE_LIMITS, entryOctets: 400 };
    await stage.openService();
    const long = `<m:note xmlns:m='urn:mood'>${'x'.repeat(300)}</m:note>`;
    await stage.ask(FRED, publish(1, { lastUpdate: PROVISIONED }).replace('</presence>', `${long}</presence>`));
    expect(stage.brief()).to.deep.equal([`${FRED}: reply 1 554`]);
  });

  it('REQ-PRES-001 keeps entries, subscriptions and watches', async () => {
    const stage = await new Stage().openService();
    await stage.ask(FRED, publish(1, { lastUpdate: PROVISIONED }));
    await stage.ask(BARNEY, subscribe(FRED, 2, 600));
    await stage.ask(FRED, watch(FRED, 3, 600));
    await stage.pass(100);
    stage.brief();
    await stage.restart();
    expect(stage.service.status.operations).to.equal(2);
    await stage.pass(0);
    expect(stage.take()).to.deep.equal([
      `${BARNEY}: <publish publisher='${FRED}' transID='2' timeStamp='21 Oct 2000 12:01:40 +0000'>` +
        `<presence publisher='${FRED}' lastUpdate='21 Oct 2000 12:00:00 +0000'>` +
        `<tuple destination='im:${FRED}' availableUntil='1 Jan 2030 00:00:00 +0000' /></presence></publish>`,
    ]);
    await stage.ask(WILMA, subscribe(FRED, 4));
    await stage.ask(FRED, publish(5, { lastUpdate: '21 Oct 2000 12:00:00 +0000' }));
    expect(stage.brief()).to.deep.equal([
      `${WILMA}: publish 4`,
      `${FRED}: notify 3 ${WILMA}`,
      `${FRED}: reply 5 250`,
      `${BARNEY}: publish 2`,
      `${WILMA}: publish 4`,
    ]);
    await stage.pass(500);
    expect(stage.brief().sort()).to.deep.equal([`${BARNEY}: terminate 2`, `${FRED}: terminate 3`]);
    await stage.restart();
    expect(stage.service.status.operations).to.equal(1);
  });

  it('terminates once what ended while the service was down', async () => {
    const stage = await new Stage().openService();
    await stage.ask(BARNEY, subscribe(FRED, 2, 600));
    await stage.ask(WILMA, watch(FRED, 3, 600));
    stage.brief();
    stage.now += 601_000;
    await stage.restart();
    await stage.pass(0);
    expect(stage.brief().sort()).to.deep.equal([`${BARNEY}: terminate 2`, `${WILMA}: terminate 3`]);
    await stage.restart();
    await stage.pass(1);
    expect(stage.brief()).to.deep.equal([]);
  });

  it('keeps what was replaced and ended', async () => {
    const stage = await new Stage().openService();
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(BARNEY, subscribe(FRED, 2));
    await stage.ask(BARNEY, subscribe(WILMA, 3));
    await stage.ask(BARNEY, terminate(3));
    stage.brief();
    await stage.restart();
    await stage.pass(0);
    expect(stage.brief()).to.deep.equal([`${BARNEY}: publish 2`]);
  });

  it('sends no publish to a subscriber who has lost the permission', async () => {
    const stage = await new Stage().openService();
    await stage.ask(BARNEY, subscribe(FRED, 1));
    stage.brief();
    stage.denied.add(`${FRED} ${BARNEY} presence:subscribe`);
    await stage.restart();
    await stage.pass(0);
    expect(stage.brief()).to.deep.equal([`${BARNEY}: terminate 1`]);
  });

  it('ends the subscriptions to a removed account, and drops what an earlier account published', async () => {
    const stage = await new Stage().openService();
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(WILMA, publish(2, { publisher: WILMA, lastUpdate: PROVISIONED }));
    stage.accounts.delete(FRED);
    stage.accounts.set(WILMA, NOON + 60_000);
    stage.brief();
    await stage.pass(120);
    await stage.restart();
    await stage.pass(0);
    expect(stage.brief()).to.deep.equal([`${BARNEY}: terminate 1`]);
    await stage.ask(BARNEY, subscribe(WILMA, 3, 0));
    expect(stage.take().join()).to.include(`lastUpdate='21 Oct 2000 12:01:00 +0000'`);
  });

  it('REQ-PRES-001 loses nothing that it acknowledged, wherever it is killed', async () => {
    const step = fc.record({
      who: fc.constantFrom(BARNEY, WILMA, FRED),
      what: fc.constantFrom('subscribe', 'watch', 'terminate', 'publish'),
      transID: fc.integer({ min: 1, max: 4 }),
      subject: fc.constantFrom(FRED, WILMA),
    });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 25 }), fc.nat(30), async (steps, writes) => {
        const store = new MortalStore();
        const stage = await new Stage(store).openService();
        const updates = new Map<string, string>();
        store.left = writes;
        // What the answers say is in progress: for each originator and transID.
        const progress = new Map<string, { kind: string; subject: string }>();
        let uncertain: (typeof steps)[number] | undefined;
        for (const one of steps) {
          const { who, what, transID, subject } = one;
          const document =
            what === 'terminate'
              ? terminate(transID)
              : what === 'publish'
                ? publish(transID, { publisher: subject, lastUpdate: updates.get(subject) ?? PROVISIONED })
                : (what === 'watch' ? watch : subscribe)(subject, transID);
          stage.take();
          stage.put(who, document, quiet);
          await turns();
          const lines = stage.sent.filter(({ to }) => to === who).map(({ document: text }) => text);
          const answer = lines.find((text) => text.startsWith('<reply') && text.includes(`transID='${transID}'`));
          const code = answer === undefined ? undefined : /code='(\d+)'/.exec(answer)?.[1];
          const granted =
            what === 'subscribe'
              ? lines.some((text) => text.includes(`transID='${transID}'`)) && code === undefined
              : code === '250';
          if (code === undefined && !granted) {
            uncertain = one;
            break;
          }
          if (what === 'subscribe' || what === 'watch') {
            for (const [key, value] of progress) {
              if (key.startsWith(`${who} `) && value.kind === what && value.subject === subject) progress.delete(key);
            }
            if (granted) progress.set(`${who} ${transID}`, { kind: what, subject });
          } else if (what === 'terminate' && granted) progress.delete(`${who} ${transID}`);
          else if (what === 'publish' && granted) {
            updates.set(subject, lastUpdateAfter(updates.get(subject)));
          }
        }
        store.left = Number.POSITIVE_INFINITY;
        await stage.restart();
        stage.take();
        // Everything known to be in progress can be ended, unless it is what was being replaced at the end.
        for (const [key, { kind, subject }] of progress) {
          const [who = '', transID = ''] = key.split(' ');
          const replaced =
            uncertain !== undefined &&
            uncertain.who === who &&
            (uncertain.what === 'terminate'
              ? uncertain.transID === Number(transID)
              : uncertain.what === kind && uncertain.subject === subject);
          stage.take();
          await stage.ask(who, terminate(Number(transID)));
          if (!replaced) expect(stage.brief().at(-1), key).to.equal(`${who}: reply ${transID} 250`);
        }
        if (uncertain === undefined) expect(stage.service.status.operations).to.equal(0);
        else expect(stage.service.status.operations).to.be.at.most(1);
        // Entries are those acknowledged last, or the one whose answer never came.
        for (const [subject, lastUpdate] of updates) {
          stage.take();
          await stage.ask(BARNEY, subscribe(subject, 99, 0));
          const found = /lastUpdate='([^']*)'/.exec(stage.take().join())?.[1];
          const possible = uncertain?.what === 'publish' && uncertain.subject === subject;
          expect(possible ? [lastUpdate, lastUpdateAfter(lastUpdate)] : [lastUpdate]).to.include(found);
        }
      }),
      { numRuns: 150 },
    );
  });

  it('REQ-IMPP-007 loads a hundred thousand subscriptions', async function () {
    this.timeout(60_000);
    const stage = await new Stage().openService();
    const count = 100_000;
    const records = Array.from({ length: count }, (_, index) => {
      const originator = `s${index}@rubble.com`;
      const expires = NOON + 600_000 + (index % 1000) * 1000;
      const value = { kind: 'subscribe', subject: index % 2 === 0 ? FRED : WILMA, originator, transID: 1, expires };
      return stage.store.put(`presence/operation/${originator}/1`, value);
    });
    await Promise.all(records);
    stage.limits = { ...STAGE_LIMITS, operations: count, outstanding: 1024 };
    await stage.restart();
    expect(stage.service.status.operations).to.equal(count);
    await stage.pass(0);
    expect(stage.sent).to.have.length(count);
    stage.sent.length = 0;
    stage.now += 1600_000;
    await stage.pass(0);
    expect(stage.sent.filter(({ document }) => document.startsWith('<terminate'))).to.have.length(count);
    expect(stage.service.status.operations).to.equal(0);
  });
});

function lastUpdateAfter(before: string | undefined): string {
  if (before === undefined) return '21 Oct 2000 12:00:00 +0000';
  return before.replace(/:(\d\d) /, (_, second: string) => `:${String(Number(second) + 1).padStart(2, '0')} `);
}

async function turns(): Promise<void> {
  for (let turn = 0; turn < 6; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}
