import { expect } from 'chai';
import { BARNEY, FRED, PROVISIONED, publish, Stage, subscribe, WILMA, watch } from '../../support/presence-stage.js';

for (const slowAccess of [false, true]) {
  describe(`presence/permission, ${slowAccess ? 'looked up' : 'known at once'}`, () => {
    let stage: Stage;

    beforeEach(async () => {
      stage = await new Stage().openService();
      stage.slowAccess = slowAccess;
    });

    it('D-PRES-12 REQ-IMPP-027 REQ-IMPP-046 REQ-IMPP-052 is checked before each publish; a subscriber who lost it gets terminate', async () => {
      await stage.ask(BARNEY, subscribe(FRED, 1));
      await stage.ask(WILMA, subscribe(FRED, 2));
      stage.brief();
      stage.denied.add(`${FRED} ${BARNEY} presence:subscribe`);
      await stage.ask(FRED, publish(3, { lastUpdate: PROVISIONED }));
      expect(stage.brief()).to.have.members([`${FRED}: reply 3 250`, `${BARNEY}: terminate 1`, `${WILMA}: publish 2`]);
      stage.denied.clear();
      await stage.restart();
      await stage.ask(FRED, publish(4, { lastUpdate: '21 Oct 2000 12:00:00 +0000' }));
      await stage.pass(1);
      expect(stage.brief().filter((line) => line.startsWith(BARNEY))).to.deep.equal([]);
    });

    it('REQ-IMPP-027 is checked at once when it changes; whoever lost it gets terminate, without a publish', async () => {
      await stage.ask(BARNEY, subscribe(FRED, 1));
      await stage.ask(WILMA, watch(FRED, 2));
      await stage.ask(BARNEY, subscribe('fred/home@example.com', 3));
      await stage.ask(WILMA, subscribe(FRED, 4));
      stage.brief();
      stage.denied.add(`${FRED} ${BARNEY} presence:subscribe`);
      stage.denied.add(`${FRED} ${WILMA} presence:watch`);
      stage.denied.add(`fred/home@example.com ${BARNEY} presence:subscribe`);
      stage.service.permissionsChanged(WILMA);
      await stage.settle();
      expect(stage.brief(), 'somebody else’s').to.deep.equal([]);
      stage.service.permissionsChanged(FRED);
      await stage.settle();
      expect(stage.brief()).to.have.members([
        `${BARNEY}: terminate 1`,
        `${WILMA}: terminate 2`,
        `${BARNEY}: terminate 3`,
      ]);
      expect(stage.service.status.operations).to.equal(1);
      stage.denied.add(`${FRED} ${WILMA} presence:subscribe`);
      stage.service.permissionsChanged();
      await stage.settle();
      expect(stage.brief(), 'whoever it was').to.deep.equal([`${WILMA}: terminate 4`]);
    });

    it('is checked before each notify; a watcher who lost it gets terminate', async () => {
      await stage.ask(WILMA, watch(FRED, 1));
      stage.brief();
      stage.denied.add(`${FRED} ${WILMA} presence:watch`);
      await stage.ask(BARNEY, subscribe(FRED, 2));
      expect(stage.brief()).to.deep.equal([`${BARNEY}: publish 2`, `${WILMA}: terminate 1`]);
      stage.denied.clear();
      await stage.ask('betty@rubble.com', subscribe(FRED, 3));
      expect(stage.brief()).to.deep.equal(['betty@rubble.com: publish 3']);
    });
  });
}

describe('presence/clock', () => {
  it('keeps a subscription for its duration, however the wall clock is set meanwhile', async () => {
    const stage = await new Stage().openService();
    await stage.ask(BARNEY, subscribe(FRED, 1, 3600));
    stage.brief();
    for (const step of [86_400_000 * 365, -86_400_000 * 365]) {
      stage.step = step;
      await stage.pass(1000);
      expect(stage.brief()).to.deep.equal([]);
    }
    await stage.pass(1700);
    expect(stage.brief()).to.deep.equal([`${BARNEY}: terminate 1`]);
  });

  it('keeps an entry when the account’s time of creation changes', async () => {
    const stage = new Stage();
    await stage.openService();
    await stage.ask(FRED, publish(1, { lastUpdate: PROVISIONED }));
    const kept = stage.generation(FRED);
    stage.generation = () => kept;
    stage.accounts.set(FRED, stage.now + 86_400_000);
    stage.take();
    await stage.restart();
    await stage.ask(BARNEY, subscribe(FRED, 2, 0));
    expect(stage.take()[0]).to.include("availableUntil='1 Jan 2030");
  });
});

describe('presence/failures', () => {
  const REFUSED = { code: 550, text: 'unknown endpoint identity' };
  const ABSENT = { code: 450, text: 'not attached' };
  let stage: Stage;
  let lastUpdate: string;

  beforeEach(async () => {
    stage = await new Stage().openService();
    lastUpdate = PROVISIONED;
    await stage.ask(BARNEY, subscribe(FRED, 1, 100_000));
    stage.brief();
  });

  async function change(): Promise<string[]> {
    await stage.pass(100);
    await stage.ask(FRED, publish(9, { lastUpdate }));
    lastUpdate = new Date(stage.now).toISOString();
    return stage.brief().filter((line) => line.startsWith(BARNEY));
  }

  it('end a subscription after five refusals in a row, not before', async () => {
    stage.answer = ({ to }) => (to === BARNEY ? REFUSED : undefined);
    for (let round = 0; round < 4; round += 1) expect(await change()).to.deep.equal([`${BARNEY}: publish 1`]);
    stage.answer = () => undefined;
    expect(await change()).to.deep.equal([`${BARNEY}: publish 1`]);
    stage.answer = ({ to }) => (to === BARNEY ? REFUSED : undefined);
    for (let round = 0; round < 5; round += 1) expect(await change()).to.deep.equal([`${BARNEY}: publish 1`]);
    expect(await change()).to.deep.equal([]);
    expect(stage.service.status.operations).to.equal(0);
  });

  it('D-PRES-14 REQ-IMPP-055 that are temporary never end it; the present state is tried three more times, and with the next change', async () => {
    stage.answer = ({ to }) => (to === BARNEY ? ABSENT : undefined);
    for (let round = 0; round < 8; round += 1) await change();
    expect(stage.service.status.operations).to.equal(1);
    stage.answer = () => undefined;
    await change();
    stage.answer = ({ to }) => (to === BARNEY ? ABSENT : undefined);
    await change();
    const seen: number[] = [];
    for (let second = 0; second < 100; second += 1) {
      await stage.pass(1);
      if (stage.brief().length > 0) seen.push(second + 1);
    }
    expect(seen).to.deep.equal([2, 10, 40]);
    stage.answer = () => undefined;
    expect(await change()).to.deep.equal([`${BARNEY}: publish 1`]);
    await stage.pass(100);
    expect(stage.brief()).to.deep.equal([]);
  });

  it('REQ-IMPP-055 are repaired when the subscriber attaches here again', async () => {
    await stage.ask(WILMA, subscribe(FRED, 1, 100_000));
    stage.answer = ({ to }) => (to === WILMA ? ABSENT : undefined);
    for (let round = 0; round < 8; round += 1) await change();
    stage.answer = () => undefined;
    stage.brief();
    stage.service.attached(WILMA);
    await stage.pass(0);
    expect(stage.brief()).to.deep.equal([`${WILMA}: publish 1`]);
    stage.service.attached(WILMA);
    await stage.pass(0);
    expect(stage.brief()).to.deep.equal([]);
  });
});
