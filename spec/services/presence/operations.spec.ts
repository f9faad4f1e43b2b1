import { expect } from 'chai';
import {
  BARNEY,
  FRED,
  PROVISIONED,
  publish,
  SERVICE,
  STAGE_LIMITS,
  Stage,
  subscribe,
  terminate,
  WILMA,
  watch,
} from '../../support/presence-stage.js';

const NOW = '21 Oct 2000 12:00:00 +0000';

describe('presence/subscribe', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await new Stage().openService();
  });

  it('REQ-PRES-002 REQ-IMPP-008 REQ-IMPP-042 refuses subjects of other domains, unknown ones and those who do not permit it, in this order', async () => {
    stage.denied.add(`${FRED} ${BARNEY} presence:subscribe`);
    stage.denied.add(`nobody@example.com ${BARNEY} presence:subscribe`);
    stage.denied.add(`nobody@rubble.com ${BARNEY} presence:subscribe`);
    await stage.ask(BARNEY, subscribe('nobody@rubble.com', 1));
    await stage.ask(BARNEY, subscribe('not an address', 2));
    await stage.ask(BARNEY, subscribe('nobody@example.com', 3));
    await stage.ask(BARNEY, subscribe(SERVICE, 4));
    await stage.ask(BARNEY, subscribe(FRED, 5));
    await stage.ask(BARNEY, subscribe(FRED, 5));
    expect(stage.brief()).to.deep.equal(
      [553, 553, 550, 550, 537, 537].map((code, at) => `${BARNEY}: reply ${Math.min(at + 1, 5)} ${code}`),
    );
    expect(stage.service.status.operations).to.equal(0);
  });

  it('REQ-IMPP-041 answers with presence at once, also of somebody who never published', async () => {
    await stage.ask(BARNEY, subscribe('FRED@example.com', 7));
    expect(stage.brief()).to.deep.equal([`${BARNEY}: reply 7 550`]);
    await stage.ask(BARNEY, subscribe('fred@EXAMPLE.com', 8));
    expect(stage.take()).to.deep.equal([
      `${BARNEY}: <publish publisher='${FRED}' transID='8' timeStamp='${NOW}'>` +
        `<presence publisher='${FRED}' lastUpdate='${PROVISIONED}'>` +
        `<tuple destination='im:${FRED}' availableUntil='${PROVISIONED}' /></presence></publish>`,
    ]);
  });

  it('REQ-PRES-003 REQ-IMPP-047 replaces an earlier subscription silently, with the same transID or another', async () => {
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(BARNEY, subscribe(FRED, 2));
    expect(stage.brief()).to.deep.equal([1, 1, 2].map((transID) => `${BARNEY}: publish ${transID}`));
    expect(stage.service.status.operations).to.equal(1);
    await stage.ask(FRED, publish(9, { lastUpdate: PROVISIONED }));
    expect(stage.brief()).to.deep.equal([`${FRED}: reply 9 250`, `${BARNEY}: publish 2`]);
    await stage.pass(3601);
    expect(stage.brief()).to.deep.equal([`${BARNEY}: terminate 2`]);
  });

  it('D-PRES-08 REQ-PRES-004 refuses a transID of another subscription or watch of the originator', async () => {
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(BARNEY, watch(FRED, 2));
    stage.brief();
    await stage.ask(BARNEY, subscribe(WILMA, 1));
    await stage.ask(BARNEY, subscribe(WILMA, 2));
    await stage.ask(BARNEY, watch(WILMA, 1));
    await stage.ask(BARNEY, watch(WILMA, 2));
    expect(stage.brief()).to.deep.equal([1, 2, 1, 2].map((transID) => `${BARNEY}: reply ${transID} 555`));
    // Another originator may use it: it is not the same transaction.
    await stage.ask(`barney/x@rubble.com`, subscribe(FRED, 1));
    expect(stage.brief()).to.deep.equal([`barney/x@rubble.com: publish 1`, `${BARNEY}: notify 2 barney/x@rubble.com`]);
  });

  it('ends an earlier subscription even when the new one fails (the steps are in order)', async () => {
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(BARNEY, watch(FRED, 2));
    stage.brief();
    await stage.ask(BARNEY, subscribe(FRED, 2));
    await stage.ask(BARNEY, terminate(1));
    expect(stage.brief()).to.deep.equal([`${BARNEY}: reply 2 555`, `${BARNEY}: reply 1 550`]);
  });

  it('REQ-PRES-005 publishes, tells the watchers, continues until the duration is over, then terminates', async () => {
    await stage.ask(WILMA, watch(FRED, 11, 10_000));
    expect(stage.brief()).to.deep.equal([`${WILMA}: reply 11 250`]);
    await stage.ask(BARNEY, subscribe(FRED, 1, 60));
    expect(stage.brief()).to.deep.equal([`${BARNEY}: publish 1`, `${WILMA}: notify 11 ${BARNEY}`]);
    await stage.pass(59);
    await stage.ask(FRED, publish(2, { lastUpdate: PROVISIONED }));
    expect(stage.brief()).to.deep.equal([`${FRED}: reply 2 250`, `${BARNEY}: publish 1`]);
    await stage.pass(1);
    expect(stage.brief()).to.deep.equal([`${BARNEY}: terminate 1`]);
    await stage.ask(FRED, publish(3, { lastUpdate: '21 Oct 2000 12:00:59 +0000' }));
    expect(stage.brief()).to.deep.equal([`${FRED}: reply 3 250`]);
    await stage.pass(100_000);
    expect(stage.brief()).to.deep.equal([`${WILMA}: terminate 11`]);
  });

  it('REQ-PRES-006 with duration 0 polls: no updates and no terminate, and an existing subscription ends', async () => {
    await stage.ask(WILMA, watch(FRED, 11));
    await stage.ask(BARNEY, subscribe(FRED, 1));
    stage.brief();
    await stage.ask(BARNEY, subscribe(FRED, 2, 0));
    expect(stage.brief()).to.deep.equal([`${BARNEY}: publish 2`, `${WILMA}: notify 11 ${BARNEY}`]);
    expect(stage.service.status.operations).to.equal(1);
    await stage.ask(FRED, publish(3, { lastUpdate: PROVISIONED }));
    await stage.ask(WILMA, terminate(11));
    await stage.pass(4000);
    expect(stage.brief()).to.deep.equal([`${FRED}: reply 3 250`, `${WILMA}: reply 11 250`]);
  });

  it('bounds the operations in progress of one endpoint and of all', async () => {
    stage.limits = { ...STAGE_LIMITS, operations: 3, operationsPerEndpoint: 2 };
    await stage.openService();
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(BARNEY, watch(FRED, 2));
    await stage.ask(BARNEY, subscribe(WILMA, 3));
    await stage.ask(WILMA, subscribe(FRED, 1));
    await stage.ask(FRED, subscribe(FRED, 1));
    expect(stage.brief()).to.deep.equal([
      `${BARNEY}: publish 1`,
      `${BARNEY}: reply 2 250`,
      `${BARNEY}: notify 2 ${BARNEY}`,
      `${BARNEY}: reply 3 554`,
      `${WILMA}: publish 1`,
      `${BARNEY}: notify 2 ${WILMA}`,
      `${FRED}: reply 1 450`,
    ]);
  });

  it('counts the operations of all subaddresses for their endpoint, and leaves some to others', async () => {
    stage.limits = { ...STAGE_LIMITS, operations: 8, operationsPerEndpoint: 6 };
    await stage.openService();
    for (let at = 1; at <= 5; at += 1) await stage.ask(`barney/${at}@example.com`, subscribe(FRED, at));
    expect(stage.brief().at(-1)).to.equal('barney/5@example.com: reply 5 450');
    await stage.restart();
    await stage.pass(1000);
    stage.brief();
    await stage.ask('barney/6@example.com', subscribe(FRED, 6));
    await stage.ask(WILMA, subscribe(FRED, 7));
    expect(stage.brief()).to.deep.equal(['barney/6@example.com: reply 6 450', `${WILMA}: publish 7`]);
    await stage.ask('barney/1@example.com', terminate(1));
    stage.brief();
    stage.limits = { ...STAGE_LIMITS, operations: 100, operationsPerEndpoint: 3 };
    await stage.restart();
    await stage.pass(1000);
    stage.brief();
    await stage.ask('barney/8@example.com', subscribe(FRED, 8));
    expect(stage.brief()).to.deep.equal(['barney/8@example.com: reply 8 554']);
  });
});

describe('presence/watch', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await new Stage().openService();
  });

  it('REQ-PRES-007 REQ-IMPP-048 applies the conditions of subscribe with presence:watch, then replies 250 and reports who subscribes', async () => {
    stage.denied.add(`${FRED} ${BARNEY} presence:watch`);
    await stage.ask(BARNEY, watch('fred@rubble.com', 1));
    await stage.ask(BARNEY, watch('nobody@example.com', 2));
    await stage.ask(BARNEY, watch(FRED, 3));
    expect(stage.brief()).to.deep.equal([553, 550, 537].map((code, at) => `${BARNEY}: reply ${at + 1} ${code}`));
    await stage.ask(BARNEY, subscribe(FRED, 4));
    await stage.ask(WILMA, subscribe(FRED, 4));
    await stage.ask('barney/x@rubble.com', subscribe(FRED, 4));
    stage.brief();
    await stage.ask(FRED, watch(FRED, 5));
    expect(stage.brief()).to.deep.equal([
      `${FRED}: reply 5 250`,
      ...[BARNEY, WILMA, 'barney/x@rubble.com'].map((subscriber) => `${FRED}: notify 5 ${subscriber}`),
    ]);
  });

  it('REQ-PRES-008 REQ-IMPP-048 reports each successful subscribe until the duration is over, then terminates', async () => {
    await stage.ask(FRED, watch(FRED, 5, 60));
    stage.denied.add(`${FRED} ${WILMA} presence:subscribe`);
    stage.brief();
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(WILMA, subscribe(FRED, 1));
    expect(stage.brief()).to.deep.equal([
      `${BARNEY}: publish 1`,
      `${FRED}: notify 5 ${BARNEY}`,
      `${WILMA}: reply 1 537`,
    ]);
    await stage.pass(60);
    expect(stage.brief()).to.deep.equal([`${FRED}: terminate 5`]);
    await stage.ask(BARNEY, subscribe(FRED, 1));
    expect(stage.brief()).to.deep.equal([`${BARNEY}: publish 1`]);
  });

  it('replaces an earlier watch silently', async () => {
    await stage.ask(FRED, watch(FRED, 5));
    await stage.ask(FRED, watch(FRED, 6));
    stage.brief();
    await stage.ask(BARNEY, subscribe(FRED, 1));
    expect(stage.brief()).to.deep.equal([`${BARNEY}: publish 1`, `${FRED}: notify 6 ${BARNEY}`]);
  });

  it('D-PRES-04 with duration 0 only asks, and answers the next request behind it', async () => {
    await stage.ask(BARNEY, subscribe(FRED, 1));
    stage.brief();
    const sink = { delivered: (): void => {}, failed: (): void => {} };
    stage.put(FRED, watch(FRED, 5, 0), sink);
    await stage.ask(FRED, terminate(5));
    expect(stage.brief()).to.deep.equal([
      `${FRED}: reply 5 250`,
      `${FRED}: notify 5 ${BARNEY}`,
      `${FRED}: reply 5 550`,
    ]);
    await stage.ask(WILMA, subscribe(FRED, 1));
    await stage.pass(60);
    expect(stage.brief()).to.deep.equal([`${WILMA}: publish 1`]);
  });
});

describe('presence/publish', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await new Stage().openService();
  });

  it('REQ-PRES-009 REQ-IMPP-010 REQ-IMPP-038 refuses with 503, 553, 550, 537, 555, in this order', async () => {
    const old = '1 Jan 2000 00:00:00 +0000';
    stage.denied.add(`${FRED} ${BARNEY} presence:publish`);
    await stage.ask(BARNEY, publish(1, { publisher: 'fred@rubble.com', inner: WILMA, lastUpdate: old }));
    await stage.ask(BARNEY, publish(2, { publisher: 'fred@rubble.com', lastUpdate: old }));
    await stage.ask(BARNEY, publish(3, { publisher: 'nobody@example.com', lastUpdate: old }));
    await stage.ask(BARNEY, publish(4, { lastUpdate: old }));
    await stage.ask(WILMA, publish(5, { lastUpdate: old }));
    expect(stage.brief()).to.deep.equal([
      `${BARNEY}: reply 1 503`,
      `${BARNEY}: reply 2 553`,
      `${BARNEY}: reply 3 550`,
      `${BARNEY}: reply 4 537`,
      `${WILMA}: reply 5 555`,
    ]);
  });

  it('D-PRES-07 REQ-PRES-010 stores the entry with the present time, replies 250 and informs the subscribers', async () => {
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.pass(10);
    stage.take();
    // The same moment in another notation.
    await stage.ask(FRED, publish(2, { lastUpdate: '2000-10-21T13:00:00+02:00', until: '21 Oct 2000 18:00:00 +0200' }));
    const presence =
      `<presence publisher='${FRED}' lastUpdate='21 Oct 2000 12:00:10 +0000'>` +
      `<tuple destination='im:${FRED}' availableUntil='21 Oct 2000 18:00:00 +0200' /></presence>`;
    expect(stage.take()).to.deep.equal([
      `${FRED}: <reply code='250' transID='2' />`,
      `${BARNEY}: <publish publisher='${FRED}' transID='1' timeStamp='21 Oct 2000 12:00:10 +0000'>${presence}</publish>`,
    ]);
    await stage.ask(WILMA, subscribe(FRED, 3, 0));
    expect(stage.take().join()).to.include(presence);
  });

  it('REQ-PRES-011 carries the transID of the subscription and the time of the service', async () => {
    await stage.ask(BARNEY, subscribe(FRED, 101));
    await stage.ask(WILMA, subscribe(FRED, 102));
    stage.take();
    await stage.pass(5);
    await stage.ask(FRED, publish(2, { lastUpdate: PROVISIONED }));
    const [, ...published] = stage.take();
    expect(published.map((text) => /transID='(\d+)' timeStamp='([^']*)'/.exec(text)?.slice(1))).to.deep.equal([
      ['101', '21 Oct 2000 12:00:05 +0000'],
      ['102', '21 Oct 2000 12:00:05 +0000'],
    ]);
  });

  it('gives each entry a later lastUpdate than the one before, even if the clock stands', async () => {
    await stage.ask(FRED, publish(1, { lastUpdate: PROVISIONED }));
    await stage.ask(FRED, publish(2, { lastUpdate: NOW }));
    await stage.ask(FRED, publish(3, { lastUpdate: NOW }));
    await stage.ask(FRED, publish(4, { lastUpdate: '21 Oct 2000 12:00:01 +0000' }));
    expect(stage.brief()).to.deep.equal([250, 250, 555, 250].map((code, at) => `${FRED}: reply ${at + 1} ${code}`));
  });

  it('lets exactly one of several simultaneous publishes on the same entry succeed', async () => {
    const originators = Array.from({ length: 20 }, (_, index) => `friend${index}@rubble.com`);
    await Promise.all(originators.map((one) => stage.ask(one, publish(1, { lastUpdate: PROVISIONED }))));
    const codes = stage.brief().map((line) => line.slice(-3));
    expect(codes.filter((code) => code === '250')).to.have.length(1);
    expect(codes.filter((code) => code === '555')).to.have.length(19);
  });

  it('REQ-IMPP-024 sends every change to every subscriber in order', async () => {
    stage.limits = { ...STAGE_LIMITS, requests: 1000 };
    await stage.openService();
    const names = Array.from({ length: 300 }, (_, index) => `s${index}@rubble.com`);
    for (const name of names) stage.put(name, subscribe(FRED, 1), { delivered: () => {}, failed: () => {} });
    await stage.settle();
    stage.take();
    let lastUpdate = PROVISIONED;
    const expected: string[] = [];
    for (let round = 0; round < 5; round += 1) {
      stage.now += 1000;
      stage.put(FRED, publish(2 + round, { lastUpdate }), { delivered: () => {}, failed: () => {} });
      await stage.until(() =>
        stage.sent.some(({ document }) => document === `<reply code='250' transID='${2 + round}' />`),
      );
      lastUpdate = `21 Oct 2000 12:00:0${1 + round} +0000`;
      expected.push(lastUpdate);
    }
    await stage.settle();
    const heard = new Map<string, string[]>(names.map((name) => [name, []]));
    for (const { to, document } of stage.sent) heard.get(to)?.push(/lastUpdate='([^']*)'/.exec(document)?.[1] ?? '');
    for (const name of names) expect(heard.get(name), name).to.deep.equal(expected);
  });

  it('refuses an entry that is too large', async () => {
    stage.limits = { ...STAGE_LIMITS, entryOctets: 200 };
    await stage.openService();
    await stage.ask(FRED, publish(1, { lastUpdate: PROVISIONED, until: '21 Oct 2000 18:00:00 +0200' }));
    const tuple = `<tuple destination='im:${FRED}' availableUntil='21 Oct 2000 18:00:00 +0200' />`;
    const presence = `<presence publisher='${FRED}' lastUpdate='${NOW}'>${tuple.repeat(3)}</presence>`;
    await stage.ask(FRED, publish(2, { lastUpdate: NOW, presence }));
    expect(stage.brief()).to.deep.equal([`${FRED}: reply 1 250`, `${FRED}: reply 2 554`]);
  });
});

describe('presence/terminate', () => {
  it('D-PRES-01 REQ-PRES-012 REQ-IMPP-044 REQ-IMPP-045 replies 550 for a transID that the originator does not use, else ends the operation and replies 250', async () => {
    const stage = await new Stage().openService();
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(BARNEY, watch(FRED, 2));
    stage.brief();
    await stage.ask(WILMA, terminate(1));
    await stage.ask(BARNEY, terminate(3));
    await stage.ask(BARNEY, terminate(1));
    await stage.ask(BARNEY, terminate(1));
    await stage.ask(BARNEY, terminate(2));
    expect(stage.brief()).to.deep.equal([
      `${WILMA}: reply 1 550`,
      `${BARNEY}: reply 3 550`,
      `${BARNEY}: reply 1 250`,
      `${BARNEY}: reply 1 550`,
      `${BARNEY}: reply 2 250`,
    ]);
    await stage.ask(FRED, publish(9, { lastUpdate: PROVISIONED }));
    await stage.ask(WILMA, subscribe(FRED, 9));
    await stage.pass(4000);
    expect(stage.brief()).to.deep.equal([`${FRED}: reply 9 250`, `${WILMA}: publish 9`, `${WILMA}: terminate 9`]);
  });
});

describe('presence/requests to the service', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = await new Stage().openService();
  });

  it('D-PRES-15 answers 501 to what is not valid and 504 to what it does not know, where there is a transID', async () => {
    await stage.ask(BARNEY, `<subscribe publisher='${FRED}' transID='1' />`);
    await stage.ask(BARNEY, `<terminate transID='2' why='x' />`);
    await stage.ask(BARNEY, `<get owner='${FRED}' transID='3' />`);
    await stage.ask(BARNEY, publish(4, { lastUpdate: 'yesterday' }));
    expect(stage.brief()).to.deep.equal([501, 501, 504, 501].map((code, at) => `${BARNEY}: reply ${at + 1} ${code}`));
  });

  it('fails the Data itself where there is no transID to answer', async () => {
    expect((await stage.ask(BARNEY, `<terminate />`))?.code).to.equal(501);
    expect((await stage.ask(BARNEY, `<terminate transID='0' />`))?.code).to.equal(501);
    expect((await stage.ask(BARNEY, `<terminate transID='1e3' />`))?.code).to.equal(501);
    expect((await stage.ask(BARNEY, `<hello />`))?.code).to.equal(504);
    expect((await stage.ask(BARNEY, `hello`))?.code).to.equal(500);
    expect((await stage.ask(BARNEY, `<a /><b />`))?.code).to.equal(500);
    expect(stage.sent).to.deep.equal([]);
  });

  it('never answers an answer, so that two services do not talk for ever', async () => {
    expect(await stage.ask('imxp=presence@rubble.com', `<reply code='504' transID='1' />`)).to.equal(undefined);
    expect(await stage.ask(BARNEY, `<notify subscriber='${FRED}' transID='1' />`)).to.equal(undefined);
    expect(await stage.ask('imxp=report@rubble.com', `<statusResponse transID='1' />`)).to.equal(undefined);
    expect(stage.sent).to.deep.equal([]);
  });

  it('accepts a bounded number of requests', async () => {
    stage.limits = { ...STAGE_LIMITS, requests: 4 };
    await stage.openService();
    const asked = [BARNEY, BARNEY, BARNEY, WILMA].map((who, at) => stage.ask(who, subscribe(FRED, at + 1, 0)));
    const replies = await Promise.all(asked);
    expect(replies.map((reply) => reply?.code)).to.deep.equal([undefined, undefined, 450, undefined]);
  });

  it('sends nothing more once it is stopped', async () => {
    await stage.ask(BARNEY, subscribe(FRED, 1));
    stage.brief();
    await stage.service.stop();
    expect((await stage.ask(BARNEY, terminate(1)))?.code).to.equal(421);
    await stage.pass(4000);
    expect(stage.sent).to.deep.equal([]);
  });
});
