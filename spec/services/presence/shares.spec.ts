import { expect } from 'chai';
import type { Reply } from '../../../lib/errors.js';
import {
  BARNEY,
  FRED,
  PROVISIONED,
  publish,
  STAGE_LIMITS,
  Stage,
  subscribe,
  WILMA,
  watch,
} from '../../support/presence-stage.js';

const EVIL = 'evil@example.com';

describe('presence/shares: an endpoint that answers nothing it is sent', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = new Stage();
    stage.limits = {
      ...STAGE_LIMITS,
      operations: 10_000,
      operationsPerEndpoint: 5000,
      outstandingPerEndpoint: 8,
      requestsPerEndpoint: 64,
    };
    await stage.openService();
    stage.answer = ({ to }) => (to.startsWith('evil') ? 'later' : undefined);
  });

  it('delays only itself, however much it asks and from whatever subaddress', async () => {
    const refused: Reply[] = [];
    for (let count = 0; count < 1500; count += 1) {
      const from = count % 2 === 0 ? EVIL : `evil/${count}@example.com`;
      stage.put(from, subscribe(FRED, count + 1, 0), { delivered: () => {}, failed: (reply) => refused.push(reply) });
    }
    await stage.settle();
    expect(stage.open.length, 'sent to it').to.equal(8);
    expect(refused.length).to.be.at.least(1400);
    expect(new Set(refused.map(({ code }) => code))).to.deep.equal(new Set([450]));
    stage.take();
    await stage.ask(BARNEY, subscribe(FRED, 1));
    await stage.ask(FRED, publish(2, { lastUpdate: PROVISIONED }));
    expect(stage.brief()).to.have.members([`${BARNEY}: publish 1`, `${FRED}: reply 2 250`, `${BARNEY}: publish 1`]);
    stage.answer = () => undefined;
    for (const { sink } of stage.open.splice(0)) sink.delivered();
    await stage.settle();
    expect(await stage.ask(EVIL, subscribe(WILMA, 9999, 0)), 'when it has answered').to.equal(undefined);
  });

  it('does not delay other subscribers of the same publisher, and gets the newest state when it answers', async () => {
    stage.answer = () => undefined;
    for (let count = 0; count < 20; count += 1) await stage.ask(`evil/${count}@example.com`, subscribe(FRED, 1));
    await stage.ask(BARNEY, subscribe(FRED, 1));
    stage.take();
    stage.answer = ({ to }) => (to.startsWith('evil') ? 'later' : undefined);
    let lastUpdate = PROVISIONED;
    for (let change = 1; change <= 3; change += 1) {
      await stage.ask(FRED, publish(change, { lastUpdate }));
      lastUpdate = new Date(stage.now).toISOString();
      await stage.pass(10);
    }
    expect(stage.brief().filter((line) => line.startsWith(BARNEY))).to.have.length(3);
    expect(stage.open.length).to.equal(8);
    stage.answer = () => undefined;
    for (const { sink } of stage.open.splice(0)) sink.delivered();
    for (let round = 0; round < 5; round += 1) await stage.pass(1);
    const late = stage.brief();
    expect(new Set(late.map((line) => line.split(':')[0])).size, 'every one of them').to.be.at.least(19);
  });

  it('does not delay presence for everybody, even in great numbers', async () => {
    stage.answer = () => undefined;
    const many = Array.from({ length: 200 }, (_, at) => `evil${at}@evil.example`);
    for (const one of many) await stage.ask(one, subscribe(FRED, 1));
    stage.take();
    stage.answer = ({ to }) => (to.startsWith('evil') ? 'later' : undefined);
    await stage.ask(FRED, publish(1, { lastUpdate: PROVISIONED }));
    expect(stage.open.length, 'as many as may be on their way').to.equal(64);
    stage.take();
    const asked = stage.ask(BARNEY, subscribe(WILMA, 1));
    for (let second = 0; second < 2; second += 1) await stage.pass(1);
    await asked;
    expect(stage.brief(), 'a second later').to.include(`${BARNEY}: publish 1`);
  });

  it('is not told for ever who subscribes while it watches', async () => {
    for (let count = 0; count < 100; count += 1) await stage.ask(`n${count}@rubble.com`, subscribe(FRED, 1));
    stage.put(EVIL, watch(FRED, 1), { delivered: () => {}, failed: () => {} });
    await stage.settle();
    expect(stage.open.length).to.equal(8);
    for (const { sink } of stage.open.splice(0)) sink.failed({ code: 451, text: 'no answer' });
    await stage.settle();
    expect([stage.open.length, stage.service.status.requests]).to.deep.equal([0, 0]);
  });
});
