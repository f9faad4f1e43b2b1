import { expect } from 'chai';
import { OK } from '../support/raw-documents.js';
import { type AttachedPeer, note, RelayFixture } from '../support/relay-fixture.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const WILMA = 'wilma@example.com';
/** The window of a channel whose peer has said nothing (RFC 3081 §3.1.1). */
const WINDOW = 4096;

describe('attachOverride at a relay process', function () {
  this.timeout(60_000);
  this.slow(5000);
  let fixture: RelayFixture;

  before(async () => {
    fixture = await RelayFixture.start({ accounts: [FRED, BARNEY, WILMA] });
  });
  after(() => fixture.close());

  afterEach(function () {
    fixture.explain(this.currentTest);
    fixture.leave();
  });

  it('REQ-IMXP-057 gives the new application what the old one has not read, except for what was already written', async () => {
    const [fred, wilma] = [await fixture.attached(FRED), await fixture.attached(WILMA)];
    const old = await fixture.attached(BARNEY);
    // It reads what comes and never opens its window again.
    old.peer.hush();
    const texts = ['x'.repeat(WINDOW + 1000), 'second', 'third'];
    for (const text of texts) fred.peer.msg(fred.channel, note(fred, [old], text));
    // When this one is there, those before it are where they can get.
    fred.peer.msg(fred.channel, note(fred, [wilma], 'barrier'));
    const passed = await wilma.peer.nextRequest(wilma.channel);
    wilma.peer.reply(wilma.channel, 'RPY', passed.msgno, OK);

    const young = await attachedInstead();
    const arrived = [await young.peer.nextRequest(young.channel), await young.peer.nextRequest(young.channel)];
    expect(arrived.map(({ payload }) => /second|third/.exec(payload.toString())?.[0])).to.deep.equal([
      'second',
      'third',
    ]);
    for (const { msgno } of arrived) young.peer.reply(young.channel, 'RPY', msgno, OK);

    old.peer.window(old.channel, 65_536);
    const begun = await old.peer.nextRequest(old.channel);
    expect(begun.payload.toString()).to.include(texts[0] ?? '');
    old.peer.reply(old.channel, 'RPY', begun.msgno, OK);
    const terminate = await old.peer.nextRequest(old.channel);
    expect(terminate.payload.toString()).to.include(`<terminate transID='71' />`);
    old.peer.reply(old.channel, 'RPY', terminate.msgno, OK);
    for (let answers = 0; answers < 4; answers += 1) {
      expect((await fred.peer.nextReply(fred.channel)).payload.toString()).to.equal(OK);
    }
  });

  async function attachedInstead(): Promise<AttachedPeer> {
    const peer = await fixture.authenticated(BARNEY);
    const document = `<attach endpoint='${BARNEY}' transID='802'>
      <option internal='attachOverride' transID='803' /></attach>`;
    return { address: BARNEY, peer, channel: await peer.imxp(document) };
  }
});
