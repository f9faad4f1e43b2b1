import { expect } from 'chai';
import { inlineData, OK } from '../support/raw-documents.js';
import { type AttachedPeer, RelayFixture } from '../support/relay-fixture.js';

const SERVICE = 'imxp=presence@example.com';
const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const TIME = /'\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d \+0000'/g;

/** The exchange of presence-01 §4.2, §4.5 and §4.6 with the people of this project, octet by octet as it goes over the wire. */
describe('the presence service on the wire', function () {
  this.timeout(60_000);
  this.slow(5000);
  let fixture: RelayFixture;
  let fred: AttachedPeer;
  let barney: AttachedPeer;

  before(async () => {
    const access = [
      { actor: 'owner', actions: ['all:all'] },
      { actor: '*@example.com', actions: ['core:data', 'presence:subscribe'] },
    ];
    fixture = await RelayFixture.start({ access, accounts: [FRED, BARNEY] });
    [fred, barney] = [await fixture.attached(FRED), await fixture.attached(BARNEY)];
  });
  afterEach(function () {
    fixture.explain(this.currentTest);
  });
  after(() => fixture.close());

  /** Sends a document to the service, which takes it. */
  async function tell({ address, peer, channel }: AttachedPeer, document: string): Promise<void> {
    expect((await peer.ask(channel, inlineData(address, [SERVICE], document))).payload.toString()).to.equal(OK);
  }

  /** The next document of the service; exactly one Data from it, to this endpoint alone. */
  async function hear({ address, peer, channel }: AttachedPeer): Promise<string> {
    const { msgno, payload } = await peer.nextRequest(channel);
    peer.reply(channel, 'RPY', msgno, OK);
    const head =
      `Content-Type: text/xml\r\n\r\n<data originator='${SERVICE}' content='#Content'><recipient identity='${address}' />` +
      `<data-content Name='Content'>`;
    const tail = '</data-content></data>\r\n';
    const text = payload.toString();
    expect([text.slice(0, head.length), text.slice(-tail.length)]).to.deep.equal([head, tail]);
    return text.slice(head.length, -tail.length);
  }

  it('REQ-PRES-001 REQ-PRES-005 REQ-PRES-010 REQ-PRES-012 replays the example of the specification', async () => {
    await tell(fred, `<subscribe publisher='${FRED}' duration='0' transID='1' />`);
    const lastUpdate = /lastUpdate=('[^']*')/.exec(await hear(fred))?.[1] ?? '';
    const tuples =
      `<tuple destination='im:${FRED}' availableUntil='21 Oct 2030 18:00:00 +0200' />` +
      `<tuple destination='mailto:fred@quarry.example.com' availableUntil='1 Jan 2030 00:00:00 +0000' />`;
    const presence = (update: string): string =>
      `<presence publisher='${FRED}' lastUpdate=${update} publisherInfo='http://example.com/~fred/'>${tuples}</presence>`;
    await tell(
      fred,
      `<publish publisher='${FRED}' transID='2' timeStamp='21 Oct 2000 09:58:12 +0200'>${presence(lastUpdate)}</publish>`,
    );
    expect(await hear(fred)).to.equal(`<reply code='250' transID='2' />`);
    // fred watches himself
    await tell(fred, `<watch publisher='${FRED}' duration='86400' transID='20661' />`);
    expect(await hear(fred)).to.equal(`<reply code='250' transID='20661' />`);
    await tell(barney, `<subscribe publisher='${FRED}' duration='3600' transID='51877' />`);
    const published = await hear(barney);
    const [timeStamp = '', update = ''] = published.match(TIME) ?? [];
    expect(published).to.equal(
      `<publish publisher='${FRED}' transID='51877' timeStamp=${timeStamp}>${presence(update)}</publish>`,
    );
    expect(await hear(fred)).to.equal(`<notify subscriber='${BARNEY}' transID='20661' />`);
    await tell(barney, `<terminate transID='51877' />`);
    expect(await hear(barney)).to.equal(`<reply code='250' transID='51877' />`);
    await tell(fred, `<terminate transID='20661' />`);
    expect(await hear(fred)).to.equal(`<reply code='250' transID='20661' />`);
  });

  it('answers a request by Data of its own, and in the reply where no Data is possible', async () => {
    const { peer, channel } = barney;
    const broken = await peer.ask(channel, inlineData(BARNEY, [SERVICE], '<subscribe />'));
    expect([broken.keyword, broken.payload.includes("code='501'")]).to.deep.equal(['ERR', true]);
    await tell(barney, `<watch publisher='${FRED}' duration='60' transID='3' />`);
    expect(await hear(barney)).to.match(/^<reply code='537' transID='3'>.+<\/reply>$/);
    await tell(barney, `<applaud transID='4' />`);
    expect(await hear(barney)).to.match(/^<reply code='504' transID='4'>.+<\/reply>$/);
  });
});
