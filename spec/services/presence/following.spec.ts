import { expect } from 'chai';
import { BARNEY, FRED, PROVISIONED, publish, Stage, subscribe, WILMA } from '../../support/presence-stage.js';

const OPEN = '31 Dec 9999 23:59:59 +0000';

describe('presence/following', () => {
  let stage: Stage;

  beforeEach(async () => {
    stage = new Stage();
    stage.follows = (address) => address === FRED;
    await stage.openService();
    await stage.ask(BARNEY, subscribe(FRED, 1, 100_000));
    stage.take();
  });

  /** The tuples that barney hears of, destination and availableUntil each. */
  function heard(): (readonly string[])[] {
    return stage.take().map((text) => {
      return [...text.matchAll(/destination='([^']*)' availableUntil='([^']*)'/g)].map(
        (match) => `${match[1]} ${match[2]}`,
      );
    });
  }

  it('REQ-IMPP-025 opens the tuple of an endpoint while it is attached, and closes it afterwards', async () => {
    await stage.pass(10);
    stage.service.attached(FRED);
    await stage.settle();
    expect(heard()).to.deep.equal([[`im:${FRED} ${OPEN}`]]);
    await stage.pass(10);
    stage.service.detached(FRED);
    await stage.settle();
    expect(heard()).to.deep.equal([[`im:${FRED} 21 Oct 2000 12:00:20 +0000`]]);
  });

  it('leaves the rest of the entry as published', async () => {
    const mail = `<tuple destination='mailto:fred@quarry.example.com' availableUntil='1 Jan 2030 00:00:00 +0000' />`;
    const own = `<tuple destination='im:${FRED}' availableUntil='1 Jan 2001 00:00:00 +0000' tupleInfo='urn:x'><capability baseline='rfc2533'>(text)</capability></tuple>`;
    const presence = `<presence publisher='${FRED}' lastUpdate='${PROVISIONED}' publisherInfo='urn:fred'>${mail}${own}</presence>`;
    await stage.ask(FRED, publish(2, { lastUpdate: PROVISIONED, presence }));
    stage.take();
    stage.service.attached(FRED);
    await stage.settle();
    const [text = ''] = stage.take();
    expect(text).to.include(mail).and.to.include(`publisherInfo='urn:fred'`);
    expect(text).to.include(own.replace('1 Jan 2001 00:00:00 +0000', OPEN));
  });

  it('does nothing for endpoints that are not configured', async () => {
    await stage.ask(BARNEY, subscribe(WILMA, 2));
    stage.take();
    stage.service.attached(WILMA);
    stage.service.detached(WILMA);
    await stage.settle();
    expect(stage.take()).to.deep.equal([]);
  });

  it('ends in the state of the last of many changes', async () => {
    for (let round = 0; round < 50; round += 1) {
      stage.service.attached(FRED);
      if (round % 7 === 0) await stage.settle();
      stage.service.detached(FRED);
    }
    stage.service.attached(FRED);
    await stage.settle();
    expect(heard().at(-1)).to.deep.equal([`im:${FRED} ${OPEN}`]);
  });

  it('REQ-IMPP-025 closes after a restart the tuples of those who have not come back within a minute', async () => {
    stage.follows = () => true;
    stage.service.attached(FRED);
    stage.service.attached(WILMA);
    await stage.settle();
    await stage.ask(BARNEY, subscribe(WILMA, 2));
    stage.take();
    await stage.restart();
    stage.service.attached(WILMA);
    await stage.pass(59);
    // The fresh publish that everybody gets after a restart.
    expect(heard().flat()).to.have.members([`im:${FRED} ${OPEN}`, `im:${WILMA} ${OPEN}`]);
    await stage.pass(2);
    expect(heard().flat()).to.deep.equal([`im:${FRED} 21 Oct 2000 12:01:01 +0000`]);
  });

  it('does not take an orderly stop for a departure', async () => {
    stage.service.attached(FRED);
    await stage.settle();
    stage.take();
    await stage.service.stop();
    stage.service.detached(FRED);
    await stage.restart();
    stage.service.attached(FRED);
    await stage.pass(100);
    expect(heard().flat()).to.deep.equal([`im:${FRED} ${OPEN}`]);
  });
});
