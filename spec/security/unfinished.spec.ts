import { expect } from 'chai';
import { attach, inlineData } from '../support/raw-documents.js';
import { frame } from '../support/raw-frame.js';
import { BARNEY, FRED, PEBBLES, Stronghold } from '../support/stronghold.js';
import type { Villager } from '../support/town.js';

const LIMIT = 3_000_000;
/** Fits in the window of a channel. */
const PORTION = 900_000;

describe('security: messages half sent', () => {
  let stronghold: Stronghold;
  before(async () => {
    stronghold = await Stronghold.build({ limits: { node: { unfinishedOctets: LIMIT } } });
  });
  after(() => stronghold.fall());

  async function another(account: string, name: string): Promise<Villager> {
    const peer = await stronghold.authenticated(account);
    const address = account.replace('@', `/${name}@`);
    return { address, peer, channel: await peer.imxp(attach(address, 71)) };
  }

  it('one account begins many and ends none: it loses its own, others send large messages all the while', async () => {
    const honest = await stronghold.honest();
    const fred = await another(FRED, 'large');
    const data = Buffer.from(inlineData(fred.address, [PEBBLES], 'x'.repeat(PORTION)));
    const half = Math.floor(data.length / 2);
    const channel = fred.peer.channel(fred.channel);
    const msgno = channel.allocate();
    fred.peer.write(channel.build('MSG', msgno, data.subarray(0, half), '*'));
    const ended = (): number => stronghold.closed.filter(({ error }) => error === 'BUSY').length;
    for (let round = 0; round < 6; round += 1) {
      const barney = await another(BARNEY, `${round}`);
      barney.peer.inject(frame('MSG', barney.channel, 77, '*', 0, Buffer.alloc(PORTION, 'x')));
    }
    await stronghold.told('four of the six sessions had to go', () => (ended() === 4 ? true : undefined));
    await honest.served();
    expect(stronghold.closed.find(({ error }) => error === 'BUSY')?.reason).to.match(
      /occupied more than those of any other/,
    );
    fred.peer.write(channel.build('MSG', msgno, data.subarray(half)));
    // Pebbles is not attached: the answer shows that all of it arrived.
    expect(`${(await fred.peer.nextReply(fred.channel, 15_000)).payload}`).to.include('450');
    expect(ended()).to.equal(4);
    expect(stronghold.faults).to.deep.equal([]);
  });
});
