import { expect } from 'chai';
import { MemoryStore } from '../../../lib/store/memory.js';
import {
  APEX_SERVICE as APEX,
  BARNEY,
  FRED,
  SERVICE as IMXP,
  PROVISIONED,
  publish,
  Stage,
  subscribe,
  terminate,
  WILMA,
  watch,
} from '../../support/presence-stage.js';

/** Noon on the stage, as APEX and IMXP write it. */
const NOON = '2000-10-21T12:00:00-00:00';
const IMXP_NOON = '21 Oct 2000 12:00:00 +0000';
const UNTIL = '2000-10-21T14:02:00-08:00';
const SINCE = '2000-10-21T11:00:00-00:00';

/** A publish like that of RFC 3343 §2.1, at another time. */
const PUBLISH =
  `<publish publisher='${FRED}' transID='101' timeStamp='2000-10-21T05:02:00-08:00'>` +
  `<presence publisher='${FRED}' lastUpdate='${SINCE}' publisherInfo='http://www.example.com/fred/'>` +
  `<tuple destination='apex:fred/appl=im@example.com' availableUntil='${UNTIL}' />` +
  `<tuple destination='mailto:fred@flintstone.com' availableUntil='2525-12-31T23:59:59-08:00' /></presence></publish>`;

describe('presence: the form of APEX', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await new Stage().openService();
  });

  const ask = (originator: string, document: string) => stage.ask(originator, document, APEX);
  /** Everything sent since the last call, as `from > to: document`. */
  const take = (): string[] => stage.sent.splice(0).map(({ from, to, document }) => `${from} > ${to}: ${document}`);

  it('polls, publishes, subscribes and terminates (RFC 3343 §2.1, §2.2)', async () => {
    await ask(FRED, subscribe(FRED, 100, 0));
    expect(take()).to.deep.equal([
      `${APEX} > ${FRED}: <publish publisher='${FRED}' transID='100' timeStamp='${NOON}'>` +
        `<presence publisher='${FRED}' lastUpdate='${SINCE}'>` +
        `<tuple destination='im:${FRED}' availableUntil='${SINCE}' /></presence></publish>`,
    ]);
    await ask(FRED, PUBLISH);
    expect(take()).to.deep.equal([`${APEX} > ${FRED}: <reply code='250' transID='101' />`]);
    await ask(WILMA, subscribe(FRED, 100, 86_400));
    expect(take()).to.deep.equal([
      `${APEX} > ${WILMA}: ${PUBLISH.replace("transID='101'", "transID='100'")
        .replace('2000-10-21T05:02:00-08:00', NOON)
        .replace(SINCE, NOON)}`,
    ]);
    await ask(WILMA, terminate(100));
    expect(take()).to.deep.equal([`${APEX} > ${WILMA}: <reply code='250' transID='100' />`]);
    await ask(WILMA, terminate(100));
    expect(take()[0]).to.match(/<reply code='550' transID='100'>/);
  });

  it('REQ-PRES-014 tells watchers of each subscription with its duration, and of its end (RFC 3343 §2.3)', async () => {
    await ask(BARNEY, subscribe(FRED, 5, 600));
    stage.take();
    await ask(FRED, watch(FRED, 100, 86_400));
    await ask(WILMA, subscribe(FRED, 6, 3600));
    await ask(WILMA, terminate(6));
    await stage.pass(600);
    const to = `${APEX} > ${FRED}: `;
    expect(take().filter((line) => line.startsWith(to))).to.deep.equal([
      `${to}<reply code='250' transID='100' />`,
      `${to}<notify subscriber='${BARNEY}' transID='100' duration='600' action='subscribe' />`,
      `${to}<notify subscriber='${WILMA}' transID='100' duration='3600' action='subscribe' />`,
      `${to}<notify subscriber='${WILMA}' transID='100' duration='0' action='terminate' />`,
      `${to}<notify subscriber='${BARNEY}' transID='100' duration='0' action='terminate' />`,
    ]);
    await stage.pass(86_400);
    expect(take()).to.deep.equal([`${to}<terminate transID='100' />`]);
  });

  it('D-PRES-09 REQ-PRES-014 reports a poll with duration 0, and no end of it', async () => {
    await ask(FRED, watch(FRED, 100));
    stage.take();
    await ask(WILMA, subscribe(FRED, 6, 0));
    await stage.pass(60);
    expect(take()).to.include(
      `${APEX} > ${FRED}: <notify subscriber='${WILMA}' transID='100' duration='0' action='subscribe' />`,
    );
    expect(take()).to.deep.equal([]);
  });

  it('REQ-PRES-014 reports the end when the publisher withdraws the permission', async () => {
    await ask(FRED, watch(FRED, 100));
    await ask(WILMA, subscribe(FRED, 6));
    stage.take();
    stage.denied.add(`${FRED} ${WILMA} presence:subscribe`);
    await ask(FRED, PUBLISH);
    expect(stage.brief().sort()).to.deep.equal(
      [`${FRED}: reply 101 250`, `${WILMA}: terminate 6`, `${FRED}: notify 100 ${WILMA}`].sort(),
    );
  });

  it('does not report a subscription that another one of the same subscriber replaces', async () => {
    await ask(FRED, watch(FRED, 100));
    await ask(WILMA, subscribe(FRED, 6, 60));
    stage.take();
    await ask(WILMA, subscribe(FRED, 7, 120));
    expect(take().filter((line) => line.includes('<notify'))).to.deep.equal([
      `${APEX} > ${FRED}: <notify subscriber='${WILMA}' transID='100' duration='120' action='subscribe' />`,
    ]);
  });

  it('applies the transID rules over both forms: 555 for one in use', async () => {
    await ask(WILMA, subscribe(FRED, 6));
    await stage.ask(WILMA, watch(FRED, 6), IMXP);
    await ask(WILMA, watch(WILMA, 6));
    expect(stage.brief()).to.deep.equal([`${WILMA}: publish 6`, `${WILMA}: reply 6 555`, `${WILMA}: reply 6 555`]);
  });

  it('REQ-PRES-009 refuses a publish based on an outdated entry, and accepts the same moment in another zone', async () => {
    await ask(FRED, PUBLISH.replace(SINCE, '2000-10-21T03:00:00-08:00'));
    await ask(FRED, PUBLISH);
    expect(stage.brief()).to.deep.equal([`${FRED}: reply 101 250`, `${FRED}: reply 101 555`]);
  });

  describe('together with IMXP', () => {
    it('REQ-PRES-014 shows a publisher of IMXP to a subscriber of APEX, and the other way round', async () => {
      await ask(BARNEY, subscribe(FRED, 5));
      await stage.ask(WILMA, subscribe(FRED, 6), IMXP);
      stage.take();
      await stage.ask(FRED, publish(9, { lastUpdate: PROVISIONED, until: '21 Oct 2000 18:00:00 +0200' }), IMXP);
      expect(take()).to.deep.equal([
        `${IMXP} > ${FRED}: <reply code='250' transID='9' />`,
        `${APEX} > ${BARNEY}: <publish publisher='${FRED}' transID='5' timeStamp='${NOON}'>` +
          `<presence publisher='${FRED}' lastUpdate='${NOON}'>` +
          `<tuple destination='im:${FRED}' availableUntil='2000-10-21T16:00:00-00:00' /></presence></publish>`,
        `${IMXP} > ${WILMA}: <publish publisher='${FRED}' transID='6' timeStamp='${IMXP_NOON}'>` +
          `<presence publisher='${FRED}' lastUpdate='${IMXP_NOON}'>` +
          `<tuple destination='im:${FRED}' availableUntil='21 Oct 2000 18:00:00 +0200' /></presence></publish>`,
      ]);
      await ask(FRED, PUBLISH.replace(SINCE, NOON));
      const [, toBarney = '', toWilma = ''] = take();
      expect(toBarney).to.include(`availableUntil='${UNTIL}'`);
      expect(toWilma).to.include("availableUntil='21 Oct 2000 22:02:00 +0000'");
    });

    it('tells a watcher of IMXP of subscriptions only', async () => {
      await stage.ask(FRED, watch(FRED, 100), IMXP);
      await ask(WILMA, subscribe(FRED, 6, 60));
      await ask(WILMA, terminate(6));
      expect(take().filter((line) => line.includes('<notify'))).to.deep.equal([
        `${IMXP} > ${FRED}: <notify subscriber='${WILMA}' transID='100' />`,
      ]);
    });

    it('keeps the form of a subscription over a restart', async () => {
      await ask(BARNEY, subscribe(FRED, 5));
      await ask(FRED, watch(FRED, 100));
      stage.take();
      await stage.restart();
      await stage.pass(1);
      expect(take()[0]).to.include(`${APEX} > ${BARNEY}: <publish`).and.include(`lastUpdate='${SINCE}'`);
      await ask(BARNEY, terminate(5));
      expect(take().at(-1)).to.include(`<notify subscriber='${BARNEY}' transID='100' duration='0' action='terminate'`);
    });

    it('takes what was stored before there were two forms as IMXP', async () => {
      const store = new MemoryStore();
      const old = { kind: 'watch', subject: FRED, originator: FRED, transID: 100, expires: stage.now + 60_000 };
      await store.put(`presence/operation/${FRED}/100`, old);
      stage = await new Stage(store).openService();
      await ask(WILMA, subscribe(FRED, 6));
      expect(take()).to.include(`${IMXP} > ${FRED}: <notify subscriber='${WILMA}' transID='100' />`);
    });
  });
});
