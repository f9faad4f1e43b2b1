import { expect } from 'chai';
import { BARNEY, FRED, PROVISIONED, publish, Stage, subscribe, WILMA, watch } from '../../support/presence-stage.js';

const HOME = 'fred/home@example.com';

describe('presence: removed accounts', () => {
  let stage: Stage;

  const keys = async (): Promise<string[]> => {
    const found: string[] = [];
    for await (const { key } of stage.store.list('presence/')) found.push(key);
    return found;
  };

  /** The version of what is written when the account is removed. */
  const removal = async (): Promise<number> => (await stage.store.put('account-state/fred', {})) ?? 0;

  beforeEach(async () => {
    stage = await new Stage().openService();
  });

  it('removes the entry and those of its subaddresses, and tells those who subscribed', async () => {
    await stage.ask(FRED, publish(1, { lastUpdate: PROVISIONED }));
    await stage.ask(FRED, publish(2, { publisher: HOME, lastUpdate: PROVISIONED }));
    await stage.ask(BARNEY, subscribe(FRED, 3));
    await stage.ask(BARNEY, watch(FRED, 4));
    await stage.ask(BARNEY, subscribe(HOME, 5));
    await stage.ask(BARNEY, subscribe(WILMA, 6));
    stage.take();
    stage.accounts.delete(FRED);
    await stage.service.forget(FRED, await removal());
    await stage.settle();
    expect(stage.brief().sort()).to.deep.equal(
      [3, 4, 5].map((transID) => `${BARNEY}: terminate ${transID} `.trimEnd()),
    );
    expect(await keys()).to.deep.equal([`presence/operation/${BARNEY}/6`]);
    expect(stage.service.status.operations).to.equal(1);
  });

  it('removes what the account has subscribed to, without telling it', async () => {
    await stage.ask(FRED, subscribe(WILMA, 1));
    await stage.ask(HOME, subscribe(WILMA, 2));
    await stage.ask(WILMA, watch(WILMA, 3), 'apex=presence@example.com');
    await stage.ask('fredric@example.com', subscribe(WILMA, 4));
    stage.take();
    stage.accounts.delete(FRED);
    await stage.service.forget(FRED, await removal());
    await stage.settle();
    expect(stage.brief().sort()).to.deep.equal([`${WILMA}: notify 3 ${HOME}`, `${WILMA}: notify 3 ${FRED}`].sort());
    expect(await keys()).to.deep.equal(['presence/operation/fredric@example.com/4', `presence/operation/${WILMA}/3`]);
  });

  it('leaves what a new account of that name has by now', async () => {
    await stage.ask(BARNEY, subscribe(FRED, 1));
    const removed = await removal();
    // That the clock was set back meanwhile changes nothing.
    stage.now -= 5000;
    stage.accounts.set(FRED, stage.now);
    await stage.ask(FRED, publish(2, { lastUpdate: '21 Oct 2000 11:59:55 +0000' }));
    await stage.ask(WILMA, subscribe(FRED, 3));
    await stage.ask(FRED, subscribe(WILMA, 4));
    stage.take();
    await stage.service.forget(FRED, removed);
    await stage.settle();
    expect(stage.brief()).to.deep.equal([`${BARNEY}: terminate 1`]);
    expect(await keys()).to.deep.equal([
      `presence/entry/${FRED}`,
      `presence/operation/${FRED}/4`,
      `presence/operation/${WILMA}/3`,
    ]);
  });

  it('removes it after a restart too', async () => {
    await stage.ask(FRED, subscribe(WILMA, 1));
    await stage.ask(FRED, publish(2, { lastUpdate: PROVISIONED }));
    await stage.restart();
    stage.accounts.delete(FRED);
    await stage.service.forget(FRED, await removal());
    await stage.settle();
    expect(await keys()).to.deep.equal([]);
    expect(stage.service.status.operations).to.equal(0);
  });
});
