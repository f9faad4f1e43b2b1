import { expect } from 'chai';
import { heapAfterCollection } from '../support/heap.js';
import { BARNEY, FRED, type Honest, NodeFixture, PEBBLES } from '../support/node-fixture.js';
import { attach, beepXml, errorIn, IMXP, inlineData, start } from '../support/raw-documents.js';
import { frame, seq } from '../support/raw-frame.js';

describe('security: channels and windows', () => {
  let fixture: NodeFixture;
  let honest: Honest;
  before(async () => {
    fixture = await NodeFixture.build({
      limits: { session: { channels: 300 }, rate: { startBurst: 1000, startPerSecond: 10 } },
    });
    honest = await fixture.honest();
  });
  after(() => fixture.close());
  afterEach('others are served all the while', () => honest.served());

  it('refuses channels beyond the limit, and keeps the session', async () => {
    const peer = await fixture.authenticated(BARNEY);
    const replies = [];
    for (let i = 0; i < 310; i += 1) replies.push(await peer.start(IMXP));
    const refused = replies.filter(({ reply }) => reply.keyword === 'ERR');
    expect(refused).to.have.length(10);
    expect(errorIn(refused[0]?.reply.payload ?? '')?.code).to.be.oneOf([450, 550, 554]);
    const [first] = replies;
    expect((await peer.close(first?.number ?? 1)).keyword).to.equal('RPY');
    expect((await peer.start(IMXP, attach(BARNEY, 1))).profile?.content).to.equal('<ok />');
    peer.destroy();
  });

  it('keeps nothing of channels that were opened and closed in turn', async () => {
    const peer = await fixture.authenticated(BARNEY);
    const turn = async (times: number): Promise<void> => {
      for (let i = 0; i < times; i += 1) {
        const { number, reply } = await peer.start(IMXP);
        if (reply.keyword === 'RPY') await peer.close(number);
      }
    };
    await turn(150);
    const before = heapAfterCollection();
    await turn(450);
    expect(heapAfterCollection() - before).to.be.below(3_000_000);
    peer.destroy();
  }).timeout(20_000);

  it('answers 450 to starts beyond the rate', async () => {
    const own = await NodeFixture.build({ limits: { rate: { startBurst: 5, startPerSecond: 1 } } });
    try {
      const peer = await own.authenticated(BARNEY);
      const codes: (number | undefined)[] = [];
      for (let i = 0; i < 7; i += 1) codes.push(errorIn((await peer.start(IMXP)).reply.payload)?.code);
      expect(codes).to.deep.equal([undefined, undefined, undefined, undefined, undefined, 450, 450]);
      // Another session of the same identity has no more; another identity has all.
      const second = await own.authenticated(BARNEY);
      expect(errorIn((await second.start(IMXP)).reply.payload)?.text).to.match(/wait a second/);
      expect((await (await own.authenticated(FRED)).start(IMXP)).reply.keyword).to.equal('RPY');
    } finally {
      await own.close();
    }
  });

  for (const [what, number] of [
    ['an even number', '2'],
    ['zero', '0'],
    ['a number in use', '1'],
    ['a number past 2147483647', '2147483649'],
    ['a number of a thousand digits', '9'.repeat(1000)],
    ['no number at all', 'x'],
  ] as const) {
    it(`refuses a start of ${what}, and keeps the session`, async () => {
      const peer = await fixture.authenticated(BARNEY);
      await peer.start(IMXP);
      const used = what === 'a number in use' ? '3' : number;
      const reply = await peer.ask(0, beepXml(`<start number='${used}'><profile uri='${IMXP}' /></start>`));
      expect(reply.keyword, `${reply.payload}`).to.equal('ERR');
      expect((await peer.start(IMXP)).reply.keyword).to.equal('RPY');
      peer.destroy();
    });
  }

  it('accepts the highest channel number, and uses its own next one', async () => {
    const peer = await fixture.authenticated(BARNEY);
    const reply = await peer.ask(0, start({ channel: 2_147_483_647, uri: IMXP }));
    expect(reply.keyword).to.equal('RPY');
    peer.destroy();
  });

  for (const [what, octets] of [
    ['for a channel that never was', (_: number) => seq(77, 0, 4096)],
    ['that acknowledges what was never sent', (channel: number) => seq(channel, 999_999, 4096)],
    ['with a window past 2147483647', (channel: number) => Buffer.from(`SEQ ${channel} 0 4294967295\r\n`)],
    ['with a sign', (channel: number) => Buffer.from(`SEQ ${channel} -1 4096\r\n`)],
    ['with eleven digits', (channel: number) => Buffer.from(`SEQ ${channel} 00000000000 4096\r\n`)],
    ['without its end', (channel: number) => Buffer.from(`SEQ ${channel} 0 40${'9'.repeat(80)}`)],
  ] as const) {
    it(`ends the session without a reply on a SEQ ${what}`, async () => {
      const { peer, channel } = await fixture.attached(BARNEY);
      peer.inject(octets(channel));
      expect(await peer.ended()).to.be.oneOf(['reset', 'fin']);
    });
  }

  it('spends no memory and no answer on a hundred thousand SEQ frames', async () => {
    const { peer, channel } = await fixture.attached(BARNEY);
    const before = heapAfterCollection();
    const flood = Buffer.from(
      `SEQ ${channel} 0 4096\r\nSEQ ${channel} 0 1\r\nSEQ ${channel} 0 0\r\nSEQ ${channel} 0 2147483647\r\n`.repeat(
        250,
      ),
    );
    for (let i = 0; i < 100; i += 1) peer.write(flood);
    await peer.start(IMXP);
    expect(heapAfterCollection() - before).to.be.below(6_000_000);
    peer.destroy();
  });

  it('lets a window that was reduced to nothing delay only those who write to it', async () => {
    const { peer, channel } = await fixture.attached(BARNEY);
    peer.write(seq(channel, 0, 0));
    await peer.start(IMXP);
    const pebbles = await fixture.attached(PEBBLES);
    pebbles.peer.msg(pebbles.channel, inlineData(PEBBLES, [BARNEY], 'x'.repeat(2000)));
    for (let i = 0; i < 20; i += 1) await honest.served();
    peer.destroy();
    expect(errorIn((await pebbles.peer.nextReply(pebbles.channel)).payload)?.code).to.be.oneOf([450, 451]);
    pebbles.peer.destroy();
  });

  it('ends the session on a payload beyond the window, whatever its header says', async () => {
    const { peer, channel } = await fixture.attached(BARNEY);
    peer.inject(`MSG ${channel} 0 . 0 2147483647\r\n`);
    await peer.ended();
    const again = await fixture.attached(BARNEY);
    again.peer.inject(frame('MSG', again.channel, 0, '*', 0, Buffer.alloc(1_048_577)));
    await again.peer.ended();
  });

  it('bounds MSGs without payload, which no window limits', async () => {
    const { peer, channel } = await fixture.attached(BARNEY);
    peer.deafen();
    let octets = '';
    for (let msgno = 0; msgno < 1000; msgno += 1) octets += `MSG ${channel} ${msgno} . 0 0\r\nEND\r\n`;
    peer.inject(octets);
    const before = heapAfterCollection();
    for (let batch = 1; batch < 80 && peer.alive; batch += 1) {
      octets = '';
      for (let i = 0; i < 1000; i += 1) octets += `MSG ${channel} ${batch * 1000 + i} . 0 0\r\nEND\r\n`;
      peer.inject(octets);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await fixture.ended(/unanswered MSGs|refused|ECONN|EPIPE/i, 8000).catch(() => undefined);
    expect(heapAfterCollection() - before).to.be.below(64_000_000);
    peer.destroy();
  }).timeout(20_000);
});
