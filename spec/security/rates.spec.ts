import { expect } from 'chai';
import { BARNEY, FRED, NodeFixture, WILMA } from '../support/node-fixture.js';
import { attach, errorIn, IMXP, inlineData, textXml } from '../support/raw-documents.js';
import type { RawPeer } from '../support/raw-peer.js';

describe('security: rates', () => {
  let fixture: NodeFixture;
  afterEach(() => fixture.close());

  it('refuses with 450 Data beyond the rate of an endpoint on all its sessions, and affects nobody else', async () => {
    fixture = await NodeFixture.build({ limits: { rate: { dataPerSecond: 1, dataBurst: 5 } } });
    const { peer, channel } = await fixture.attached(BARNEY);
    const second = await fixture.authenticated(BARNEY);
    const other = await second.imxp(attach('barney/second@example.com', 1));
    const send = async (): Promise<number | undefined> =>
      errorIn((await peer.ask(channel, inlineData(BARNEY, ['nobody@example.com'], 'x'))).payload)?.code;
    // Many at once, because tokens come back while a slow machine looks at one after the other.
    const COUNT = 40;
    for (let i = 0; i < COUNT; i += 1) peer.msg(channel, inlineData(BARNEY, ['nobody@example.com'], 'x'));
    for (let i = 0; i < COUNT; i += 1) second.msg(other, inlineData('barney/second@example.com', [FRED], 'x'));
    const codesOf = async (from: RawPeer, on: number): Promise<(number | undefined)[]> => {
      const codes: (number | undefined)[] = [];
      for (let i = 0; i < COUNT; i += 1) codes.push(errorIn((await from.nextReply(on)).payload)?.code);
      return codes;
    };
    const codes = [...(await codesOf(peer, channel)), ...(await codesOf(second, other))];
    expect(codes.slice(0, 5)).to.deep.equal([550, 550, 550, 550, 550]);
    expect(codes.slice(0, COUNT)).to.include(450);
    expect(codes.slice(COUNT), 'on the other session').to.include(450);
    const fred = await fixture.attached(FRED);
    expect(errorIn((await fred.peer.ask(fred.channel, inlineData(FRED, [WILMA], 'x'))).payload)?.text).to.equal(
      'not attached',
    );
    // It is said what to do, and it helps.
    expect(fixture.refused.at(-1)?.reason).to.match(/not attached|rate/);
    await new Promise((resolve) => setTimeout(resolve, 1100));
    expect(await send()).to.equal(550);
  });

  it('refuses with 450 attach and bind beyond the rate, also piggybacked on a start', async () => {
    fixture = await NodeFixture.build({ limits: { rate: { attachPerSecond: 1, attachBurst: 3 } } });
    const { peer, channel } = await fixture.attached(BARNEY);
    const said: (string | undefined)[] = [];
    const COUNT = 40;
    for (let i = 0; i < COUNT; i += 1) peer.msg(channel, textXml(attach(`barney/${i}@example.com`, i + 1)));
    for (let i = 0; i < COUNT; i += 1) {
      const reply = await peer.nextReply(channel);
      said.push(reply.keyword === 'RPY' ? 'ok' : errorIn(reply.payload)?.text);
    }
    expect(said.slice(0, 2)).to.deep.equal(['ok', 'ok']);
    expect(said.some((text) => text?.includes('wait a second and try again'))).to.equal(true);
    // A token may have come back meanwhile, but not one for each.
    const codes: (number | undefined)[] = [];
    for (let i = 0; i < 5 && !codes.includes(450); i += 1) {
      const { profile } = await peer.start(IMXP, attach(`barney/x${i}@example.com`, 91 + i));
      codes.push(errorIn(profile?.content ?? '')?.code);
    }
    expect(codes).to.include(450);
  });

  it('limits nobody by default: 20,000 Data in a row', async () => {
    fixture = await NodeFixture.build();
    const { peer, channel } = await fixture.attached(BARNEY);
    peer.window(channel, 1_000_000);
    const payload = inlineData(BARNEY, ['nobody@example.com'], 'x');
    let replies = 0;
    let refused = 0;
    const done = new Promise<void>((resolve) => {
      peer.onReply = (reply) => {
        replies += 1;
        if (errorIn(reply.payload)?.code === 450) refused += 1;
        if (replies === 20_000) resolve();
      };
    });
    for (let i = 0; i < 20_000; i += 1) peer.msg(channel, payload);
    await done;
    expect(refused).to.equal(0);
  }).timeout(20_000);
});
