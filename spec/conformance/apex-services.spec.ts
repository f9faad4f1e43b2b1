import { expect } from 'chai';
import { beepXml } from '../support/raw-documents.js';
import { type AttachedPeer, RelayFixture } from '../support/relay-fixture.js';

const APEX = 'http://iana.org/beep/APEX';
const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const WILMA = 'wilma@example.com';
const ACCESS = 'apex=access@example.com';
const PRESENCE = 'apex=presence@example.com';
const OK = beepXml('<ok />');
/** RFC 3339 §4.3: in UTC, without saying where. */
const TIME = '\\d{4}-\\d\\d-\\d\\dT\\d\\d:\\d\\d:\\d\\d-00:00';

/** What RFC 3341 §2 and RFC 3343 §2 print, as it goes over the wire; times and versions are those of the moment. */
describe('the services of APEX on the wire', function () {
  this.timeout(60_000);
  this.slow(5000);
  let fixture: RelayFixture;
  let fred: AttachedPeer;
  let wilma: AttachedPeer;

  async function attached(address: string): Promise<AttachedPeer> {
    const peer = await fixture.authenticated(address);
    const started = await peer.start(APEX, `<attach endpoint='${address}' transID='1' />`);
    expect(started.profile, `${started.reply.payload}`).to.deep.equal({ uri: APEX, content: '<ok />' });
    return { address, peer, channel: started.number };
  }

  before(async () => {
    const access = [
      { actor: 'owner', actions: ['all:all'] },
      { actor: '*@*', actions: ['core:data'] },
    ];
    fixture = await RelayFixture.start({ access, accounts: [FRED, BARNEY, WILMA] });
    [fred, wilma] = [await attached(FRED), await attached(WILMA)];
  });
  afterEach(function () {
    fixture.explain(this.currentTest);
  });
  after(() => fixture.close());

  /** Sends a document to a service as the RFCs lay it out; it is taken. */
  async function tell({ address, peer, channel }: AttachedPeer, service: string, document: string): Promise<void> {
    const data = [
      "<data content='#Content'>",
      `    <originator identity='${address}' />`,
      `    <recipient identity='${service}' />`,
      "    <data-content Name='Content'>",
      `        ${document}`,
      '    </data-content>',
      '</data>',
    ].join('\r\n');
    expect((await peer.ask(channel, beepXml(data))).payload.toString()).to.equal(OK);
  }

  /** The next document of a service; exactly one Data from it, to this endpoint alone. */
  async function hear({ address, peer, channel }: AttachedPeer, service: string): Promise<string> {
    const { msgno, payload } = await peer.nextRequest(channel);
    peer.reply(channel, 'RPY', msgno, OK);
    const head =
      `Content-Type: application/beep+xml\r\n\r\n<data content='#Content'><originator identity='${service}' />` +
      `<recipient identity='${address}' /><data-content Name='Content'>`;
    const tail = '</data-content></data>\r\n';
    const text = payload.toString();
    expect([text.slice(0, head.length), text.slice(-tail.length)]).to.deep.equal([head, tail]);
    return text.slice(head.length, -tail.length);
  }

  const exactly = (document: string): RegExp =>
    new RegExp(`^${document.replace(/[.*+?^$(){}|[\]\\]/g, '\\$&').replaceAll('TIME', TIME)}$`);

  it('REQ-ACC-013 REQ-ACC-014 REQ-ACC-015 replays RFC 3341 §2: query, create, get, replace, delete', async () => {
    const query = (transID: number): string =>
      `<query owner='${FRED}'\r\n  actor='${BARNEY}'\r\n  actions='core:data presence:subscribe' transID='${transID}' />`;
    await tell(fred, ACCESS, query(100));
    expect(await hear(fred, ACCESS)).to.equal("<deny transID='100' />");

    const entry = `<access owner='${FRED}' actor='*@example.com' actions='core:data presence:subscribe'`;
    await tell(fred, ACCESS, `<set transID='101'>${entry} /></set>`);
    expect(await hear(fred, ACCESS)).to.equal("<reply code='250' transID='101' />");
    const created = await hear(fred, ACCESS);
    expect(created).to.match(exactly(`<set transID='101'>${entry} lastUpdate='TIME' /></set>`));
    await tell(fred, ACCESS, query(102));
    expect(await hear(fred, ACCESS)).to.equal("<allow transID='102' />");

    await tell(fred, ACCESS, `<get owner='${FRED}' actor='*@example.com' transID='103' />`);
    const known = await hear(fred, ACCESS);
    expect(known).to.equal(created.replace('101', '103'));

    const [lastUpdate = ''] = new RegExp(`lastUpdate='${TIME}'`).exec(known) ?? [];
    await tell(fred, ACCESS, known.replace('103', '104').replace('presence:subscribe', 'presence:watch'));
    expect(await hear(fred, ACCESS)).to.equal("<reply code='250' transID='104' />");
    const replaced = await hear(fred, ACCESS);
    expect(replaced).to.match(
      exactly(known.replace('103', '104').replace('subscribe', 'watch').replace(lastUpdate, "lastUpdate='TIME'")),
    );
    expect(replaced).to.not.include(lastUpdate);
    await tell(fred, ACCESS, known.replace('103', '105'));
    expect(await hear(fred, ACCESS)).to.match(/^<reply code='555' transID='105'>/);

    const gone = replaced.replace('104', '106').replace(/ actions='[^']*'/, '');
    await tell(fred, ACCESS, gone);
    expect(await hear(fred, ACCESS)).to.equal("<reply code='250' transID='106' />");
    expect(await hear(fred, ACCESS)).to.equal(gone);
    await tell(fred, ACCESS, `<get owner='${FRED}' actor='*@example.com' transID='107' />`);
    expect(await hear(fred, ACCESS)).to.match(/^<reply code='551' transID='107'>/);
    await tell(fred, ACCESS, "<get owner='fred@rubble.com' actor='*@*' transID='108' />");
    expect(await hear(fred, ACCESS)).to.match(/^<reply code='553' transID='108'>/);
  });

  it('REQ-PRES-014 replays RFC 3343 §2: publish, subscribe, watch, notify, terminate', async () => {
    await tell(
      fred,
      ACCESS,
      `<set transID='9'><access owner='${FRED}' actor='${WILMA}' actions='presence:subscribe' /></set>`,
    );
    for (const begin of ['<reply', '<set']) expect(await hear(fred, ACCESS)).to.match(new RegExp(`^${begin}`));

    await tell(fred, PRESENCE, `<subscribe publisher='${FRED}' duration='0' transID='99' />`);
    const [lastUpdate = ''] = new RegExp(`lastUpdate='${TIME}'`).exec(await hear(fred, PRESENCE)) ?? [];
    const tuples =
      `<tuple destination='apex:fred/appl=im@example.com' availableUntil='2000-05-14T14:02:00-08:00' />` +
      `<tuple destination='mailto:fred@flintstone.com' availableUntil='2525-12-31T23:59:59-08:00' />`;
    const presence = (update: string): string =>
      `<presence publisher='${FRED}' ${update} publisherInfo='http://www.example.com/fred/'>${tuples}</presence>`;
    await tell(
      fred,
      PRESENCE,
      `<publish publisher='${FRED}' transID='1' timeStamp='2000-05-14T13:30:00-08:00'>${presence(lastUpdate)}</publish>`,
    );
    expect(await hear(fred, PRESENCE)).to.equal("<reply code='250' transID='1' />");

    await tell(fred, PRESENCE, `<watch publisher='${FRED}' duration='86400' transID='2' />`);
    expect(await hear(fred, PRESENCE)).to.equal("<reply code='250' transID='2' />");
    await tell(wilma, PRESENCE, `<subscribe publisher='${FRED}' duration='86000' transID='100' />`);
    expect(await hear(wilma, PRESENCE)).to.match(
      exactly(`<publish publisher='${FRED}' transID='100' timeStamp='TIME'>${presence("lastUpdate='TIME'")}</publish>`),
    );
    expect(await hear(fred, PRESENCE)).to.equal(
      `<notify subscriber='${WILMA}' transID='2' duration='86000' action='subscribe' />`,
    );
    await tell(wilma, PRESENCE, "<terminate transID='100' />");
    expect(await hear(wilma, PRESENCE)).to.equal("<reply code='250' transID='100' />");
    expect(await hear(fred, PRESENCE)).to.equal(
      `<notify subscriber='${WILMA}' transID='2' duration='0' action='terminate' />`,
    );
    await tell(wilma, PRESENCE, "<terminate transID='100' />");
    expect(await hear(wilma, PRESENCE)).to.match(/^<reply code='550' transID='100'>/);
    await tell(wilma, PRESENCE, `<watch publisher='${FRED}' duration='60' transID='3' />`);
    expect(await hear(wilma, PRESENCE)).to.match(/^<reply code='537' transID='3'>/);
    await tell(fred, PRESENCE, "<terminate transID='2' />");
    expect(await hear(fred, PRESENCE)).to.equal("<reply code='250' transID='2' />");
  });
});
