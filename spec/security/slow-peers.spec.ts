import { expect } from 'chai';
import { heapAfterCollection } from '../support/heap.js';
import { BARNEY, FRED, NodeFixture, PEBBLES, WILMA } from '../support/node-fixture.js';
import { errorIn, GREETING, inlineData, OK, textXml } from '../support/raw-documents.js';
import { frame, seq } from '../support/raw-frame.js';
import { note } from '../support/relay-fixture.js';

describe('security: slow peers', () => {
  let fixture: NodeFixture;
  afterEach(() => fixture.close());

  it('answers each of 1,000 Data to a peer that reads nothing, grows no memory, and cuts it off', async () => {
    fixture = await NodeFixture.build({
      limits: { data: { deliveryTimeoutMs: 1500, outstanding: 100 }, session: { stalledTimeoutMs: 2500 } },
    });
    const honest = await fixture.honest();
    const reader = await fixture.attached(BARNEY);
    const peer = honest.fred.peer;
    // From now on it neither reads TCP nor grants windows nor answers.
    reader.peer.deafen();
    const send = async (to: string): Promise<Map<number | undefined, number>> => {
      const codes = new Map<number | undefined, number>();
      const body = 'x'.repeat(20_000);
      for (let i = 0; i < 1000; i += 1) peer.msg(honest.fred.channel, inlineData(FRED, [to], body));
      for (let i = 0; i < 1000; i += 1) {
        const reply = await peer.nextReply(honest.fred.channel, 15_000);
        const code = errorIn(reply.payload)?.code;
        codes.set(code, (codes.get(code) ?? 0) + 1);
      }
      return codes;
    };
    // What the raw peer keeps of its traffic is there before, too.
    for (let i = 0; i < 3; i += 1) await send('nobody@example.com');
    const before = heapAfterCollection();
    const codes = await send(BARNEY);
    const grown = heapAfterCollection() - before;
    expect(
      [...codes.keys()].every((code) => code === 450 || code === 451),
      JSON.stringify([...codes]),
    ).to.equal(true);
    expect(codes.get(450)).to.be.at.least(800);
    expect(grown, 'octets of heap').to.be.below(16_000_000);
    await fixture.ended(/not answered within 2500 ms|does not take what is sent/, 8000);
    await honest.served();
    // Its place is free again.
    await fixture.attached(BARNEY);
    console.log(`      1,000 Data to it: ${JSON.stringify([...codes])}, heap grew by ${Math.round(grown / 1024)} KiB`);
  }).timeout(120_000);

  it('cuts off a peer that reads and never answers', async () => {
    fixture = await NodeFixture.build({
      limits: { data: { deliveryTimeoutMs: 300 }, session: { stalledTimeoutMs: 600 } },
    });
    const honest = await fixture.honest();
    const mute = await fixture.attached(BARNEY);
    const reply = await honest.fred.peer.ask(honest.fred.channel, note(honest.fred, [mute], 'are you there?'));
    expect(errorIn(reply.payload)?.code).to.equal(451);
    await fixture.ended(/not answered within 600 ms/);
    await mute.peer.ended();
    await honest.served();
  });

  it('cuts off a sender that never reads its answers', async () => {
    fixture = await NodeFixture.build({
      limits: { session: { stalledTimeoutMs: 1000 }, data: { deliveryTimeoutMs: 500 } },
    });
    const honest = await fixture.honest();
    const peer = await fixture.attached(BARNEY);
    peer.peer.deafen();
    // Without a SEQ of ours, 4,096 octets of answers may leave.
    const message = textXml("<terminate transID='9' />");
    for (let i = 0; i < 400; i += 1) peer.peer.msg(peer.channel, message);
    await fixture.ended(/does not read what is sent/, 8000);
    await honest.served();
  });

  it('cuts off a peer that writes one octet at a time, within a header, a payload or a message of many frames', async () => {
    fixture = await NodeFixture.build({
      limits: { session: { messageTimeoutMs: 600, messageOctetsPerSecond: 100 } },
    });
    const honest = await fixture.honest();
    const drips = [
      // In a header; each has octets for much longer than it may take
      [PEBBLES, 500, (channel: number) => Buffer.from(`MSG ${channel} 1 . 0 5`)],
      // In a payload
      [BARNEY, 50, (channel: number) => Buffer.from(`MSG ${channel} 1 . 0 4000\r\n${'x'.repeat(2000)}`)],
    ] as const;
    for (const [address, everyMs, octets] of drips) {
      const { peer, channel } = await fixture.attached(address);
      const drip = octets(channel);
      let at = 0;
      const timer = setInterval(() => {
        peer.inject(drip.subarray(at, at + 1));
        at += 1;
      }, everyMs);
      await peer.ended(8000);
      clearInterval(timer);
      expect(at).to.be.below(drip.length);
    }
    // In a message of many frames of one octet each: slower than the rate, although each frame is whole.
    const { peer, channel } = await fixture.attached(BARNEY);
    let seqno = 0;
    const timer = setInterval(() => {
      peer.inject(frame('MSG', channel, 1, '*', seqno, 'x'));
      seqno += 1;
    }, 400);
    await peer.ended(8000);
    clearInterval(timer);
    expect(fixture.closed.filter(({ reason }) => /began a message/.test(reason ?? ''))).to.have.length(3);
    await honest.served();
  }).timeout(30_000);

  it('leaves alone a slow writer that keeps to the rate, and a peer that is silent between messages', async () => {
    fixture = await NodeFixture.build({ limits: { session: { messageTimeoutMs: 300, messageOctetsPerSecond: 10 } } });
    const honest = await fixture.honest();
    const { peer, channel } = await fixture.attached(BARNEY);
    const mine = peer.channel(channel);
    const octets = mine.build('MSG', mine.allocate(), Buffer.from(inlineData(BARNEY, [WILMA], 'y'.repeat(400))));
    for (let at = 0; at < octets.length; at += 40) {
      peer.write(octets.subarray(at, at + 40));
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    const arrived = await honest.wilma.peer.nextRequest(honest.wilma.channel);
    honest.wilma.peer.reply(honest.wilma.channel, 'RPY', arrived.msgno, OK);
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await honest.served();
    expect(peer.alive).to.equal(true);
  }).timeout(20_000);

  it('lets a window of one octet at a time cost only the peer that grants it', async () => {
    fixture = await NodeFixture.build({
      limits: { data: { deliveryTimeoutMs: 1000 }, session: { stalledTimeoutMs: 1500, messageOctetsPerSecond: 1000 } },
    });
    const honest = await fixture.honest();
    const { peer, channel } = await fixture.attached(BARNEY);
    peer.deafen();
    honest.fred.peer.msg(honest.fred.channel, inlineData(FRED, [BARNEY], 'z'.repeat(60_000)));
    let ackno = 4096;
    const timer = setInterval(() => {
      ackno += 1;
      peer.inject(seq(channel, ackno - 1, 1));
    }, 20);
    await fixture.ended(/not answered within|does not take|acknowledges/, 10_000);
    clearInterval(timer);
    await honest.fred.peer.nextReply(honest.fred.channel);
    await honest.served();
  }).timeout(20_000);

  it('ends half a greeting, or silence, within the time limit', async () => {
    fixture = await NodeFixture.build({ limits: { session: { greetingTimeoutMs: 300 } } });
    const honest = await fixture.honest();
    const silent = await fixture.connect();
    const half = await fixture.connect();
    half.inject(frame('RPY', 0, 0, '.', 0, GREETING).subarray(0, 30));
    await Promise.all([silent.ended(3000), half.ended(3000)]);
    await honest.served();
  });
});
