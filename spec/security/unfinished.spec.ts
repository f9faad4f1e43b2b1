import { expect } from 'chai';
import { BARNEY, FRED, NodeFixture, PEBBLES } from '../support/node-fixture.js';
import { attach, inlineData } from '../support/raw-documents.js';
import { frame } from '../support/raw-frame.js';
import type { AttachedPeer } from '../support/relay-fixture.js';

const LIMIT = 3_000_000;
/** Fits in the window of a channel. */
const PORTION = 900_000;

describe('security: incomplete messages', () => {
  let fixture: NodeFixture;
  before(async () => {
    fixture = await NodeFixture.build({ limits: { node: { unfinishedOctets: LIMIT } } });
  });
  after(() => fixture.close());

  async function another(account: string, name: string): Promise<AttachedPeer> {
    const peer = await fixture.authenticated(account);
    const address = account.replace('@', `/${name}@`);
    return { address, peer, channel: await peer.imxp(attach(address, 71)) };
  }

  it('ends a session of the account that begins many messages and completes none, while others send large messages', async () => {
    const honest = await fixture.honest();
    const fred = await another(FRED, 'large');
    const data = Buffer.from(inlineData(fred.address, [PEBBLES], 'x'.repeat(PORTION)));
    const half = Math.floor(data.length / 2);
    const channel = fred.peer.channel(fred.channel);
    const msgno = channel.allocate();
    fred.peer.write(channel.build('MSG', msgno, data.subarray(0, half), '*'));
    const ended = (): number => fixture.closed.filter(({ error }) => error === 'BUSY').length;
    for (let round = 0; round < 6; round += 1) {
      const barney = await another(BARNEY, `${round}`);
      barney.peer.inject(frame('MSG', barney.channel, 77, '*', 0, Buffer.alloc(PORTION, 'x')));
    }
    await fixture.until('four of the six sessions had to go', () => (ended() === 4 ? true : undefined));
    await honest.served();
    expect(fixture.closed.find(({ error }) => error === 'BUSY')?.reason).to.match(
      /occupied more than those of any other/,
    );
    fred.peer.write(channel.build('MSG', msgno, data.subarray(half)));
    // Pebbles is not attached: the answer shows that all of it arrived.
    expect(`${(await fred.peer.nextReply(fred.channel, 15_000)).payload}`).to.include('450');
    expect(ended()).to.equal(4);
    expect(fixture.faults).to.deep.equal([]);
  });
});
