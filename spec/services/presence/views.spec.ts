import { expect } from 'chai';
import { parseAddress } from '../../../lib/imxp/address.js';
import { AccessRules } from '../../../lib/services/access-rules.js';
import { placeOfView, viewAt } from '../../../lib/services/presence/views.js';
import {
  BARNEY,
  FRED,
  PROVISIONED,
  publish,
  Stage,
  subscribe,
  terminate,
  WILMA,
  watch,
} from '../../support/presence-stage.js';

const WORK = 'fred/work@example.com';
const SECOND = '21 Oct 2000 12:00:01 +0000';

describe('presence/views', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await new Stage().openService();
    stage.denied.add(`${FRED} ${BARNEY} presence:subscribe`);
  });

  /** Whom the service told what: the destinations published, in whose name. */
  const told = (): string[] =>
    stage.sent.splice(0).map(({ to, document }) => {
      const [, publisher = ''] = /<presence publisher='(.*?)'/.exec(document) ?? [];
      const [, destination = ''] = /destination='(.*?)'/.exec(document) ?? [];
      return publisher === '' ? `${to} ${document.slice(0, 30)}` : `${to} ${publisher} ${destination}`;
    });
  const work = (transID: number, lastUpdate = PROVISIONED): string =>
    publish(transID, {
      publisher: WORK,
      lastUpdate,
      presence: `<presence publisher='${WORK}' lastUpdate='${lastUpdate}'><tuple destination='mailto:fred@quarry' availableUntil='1 Jan 2030 00:00:00 +0000' /></presence>`,
    });

  it('REQ-IMPP-051 blocks politely: shows the entry of somebody who never published, which never changes', async () => {
    stage.views.set(`${FRED} ${BARNEY}`, 'nobody');
    await stage.ask(FRED, publish(1, { lastUpdate: PROVISIONED }));
    await stage.ask(WILMA, subscribe('wilma@example.com', 2, 0));
    const [, unpublished = ''] = stage.sent.splice(0).map(({ document }) => document);
    await stage.ask(BARNEY, subscribe(FRED, 2));
    expect(stage.take()).to.deep.equal([`${BARNEY}: ${unpublished.replaceAll('wilma@', 'fred@')}`]);
    await stage.ask(FRED, publish(3, { lastUpdate: '21 Oct 2000 12:00:00 +0000' }));
    await stage.ask(BARNEY, subscribe(FRED, 4, 0));
    expect(stage.take()).to.deep.equal([
      `${FRED}: <reply code='250' transID='3' />`,
      `${BARNEY}: ${unpublished.replaceAll('wilma@', 'fred@').replace("transID='2'", "transID='4'")}`,
    ]);
  });

  it('D-PRES-17 REQ-IMPP-009 REQ-IMPP-056 shows each subscriber the view that the access entry gives, and its changes only', async () => {
    stage.views.set(`${FRED} ${BARNEY}`, 'work');
    await stage.ask(FRED, work(1));
    await stage.ask(BARNEY, subscribe(FRED, 2));
    await stage.ask(WILMA, subscribe(FRED, 3));
    expect(told()).to.deep.equal([
      `${FRED} <reply code='250' transID='1' `,
      `${BARNEY} ${FRED} mailto:fred@quarry`,
      `${WILMA} ${FRED} im:${FRED}`,
    ]);
    await stage.ask(FRED, publish(4, { lastUpdate: PROVISIONED }));
    expect(told()).to.deep.equal([`${FRED} <reply code='250' transID='4' `, `${WILMA} ${FRED} im:${FRED}`]);
    await stage.ask(FRED, work(5, '21 Oct 2000 12:00:00 +0000'));
    expect(told()).to.deep.equal([`${FRED} <reply code='250' transID='5' `, `${BARNEY} ${FRED} mailto:fred@quarry`]);
    await stage.ask(BARNEY, terminate(2));
    await stage.ask(FRED, work(6, SECOND));
    expect(told().filter((line) => line.startsWith(`${BARNEY} ${FRED}`))).to.deep.equal([]);
  });

  it('shows another view with the next change when a subscriber gets another view, or none', async () => {
    await stage.ask(FRED, work(1));
    await stage.ask(WILMA, subscribe(FRED, 2));
    stage.views.set(`${FRED} ${WILMA}`, 'work');
    stage.take();
    await stage.ask(FRED, publish(3, { lastUpdate: PROVISIONED }));
    expect(told()).to.include(`${WILMA} ${FRED} mailto:fred@quarry`);
    stage.views.clear();
    await stage.ask(FRED, publish(4, { lastUpdate: '21 Oct 2000 12:00:00 +0000' }));
    expect(told()).to.include(`${WILMA} ${FRED} im:${FRED}`);
    stage.views.set(`${FRED} ${BARNEY}`, 'work');
    await stage.ask(BARNEY, subscribe(FRED, 5));
    stage.views.clear();
    stage.take();
    await stage.ask(FRED, publish(6, { lastUpdate: SECOND }));
    expect(stage.brief(), 'no view, no permission').to.include(`${BARNEY}: terminate 5`);
  });

  it('is reported to the watchers like any other subscription', async () => {
    stage.views.set(`${FRED} ${BARNEY}`, 'nobody');
    await stage.ask(FRED, watch(FRED, 1));
    await stage.ask(BARNEY, subscribe(FRED, 2));
    expect(stage.brief()).to.include(`${FRED}: notify 1 ${BARNEY}`);
  });

  it('outlasts the process', async () => {
    stage.views.set(`${FRED} ${BARNEY}`, 'work');
    await stage.ask(FRED, work(1));
    await stage.ask(BARNEY, subscribe(FRED, 2));
    stage.take();
    await stage.restart();
    await stage.pass(1);
    expect(told()).to.deep.equal([`${BARNEY} ${FRED} mailto:fred@quarry`]);
  });

  it('is given by the access entry that decides and names it, not by one that grants everything', () => {
    const rules = new AccessRules(parseAddress(FRED), [
      { actor: BARNEY, actions: ['core:data', 'presence:as-nobody'] },
      { actor: '*@example.com', actions: ['all:all'] },
      { actor: '*@*', actions: ['presence:all'] },
    ]);
    expect(rules.viewOf(BARNEY)).to.equal('nobody');
    expect(rules.allows(BARNEY, 'presence:subscribe')).to.equal(false);
    for (const other of [WILMA, 'betty@rubble.com', 'no address']) expect(rules.viewOf(other)).to.equal(undefined);
    expect(new AccessRules(parseAddress(FRED), []).views).to.equal(false);
  });

  it('has an entry of its own under the name of the publisher', () => {
    expect(placeOfView(FRED, 'work')).to.equal(WORK);
    expect(placeOfView('fred/home@example.com', 'work')).to.equal(WORK);
    expect(viewAt(WORK)).to.deep.equal({ publisher: FRED, view: 'work' });
    expect(viewAt(FRED)).to.equal(undefined);
  });
});
