import { expect } from 'chai';
import { instantMessage } from '../../../lib/message/instant-message.js';
import { ReplayMemory } from '../../../lib/message/smime/replay.js';
import type { SecureOptions } from '../../../lib/message/smime/secure.js';
import { madeContent } from '../../../lib/message/write.js';
import { arrived, BARNEY, barney, FRED, fred, secureOf, text, WILMA } from './people.js';

const DAY_MS = 86_400_000;
const START = Date.now();

describe('replayed signed messages', () => {
  const sealed = (entity = text('Pay wilma ten shells'), options: SecureOptions = {}) =>
    secureOf(fred, options).seal(entity, { sign: true, from: FRED, to: [BARNEY] });

  it('REQ-IMPP-016 are reported as repeated, and the first one is not', () => {
    const side = secureOf(barney);
    const made = sealed();
    const reasons = [1, 2, 3].map(() => side.open(arrived(made), FRED).signed?.reason);
    expect(reasons).to.deep.equal([undefined, 'repeated', 'repeated']);
    expect(side.open(arrived(made), FRED).signed?.valid).to.equal(false);
    // Saying the same thing twice is something else, within a second, too.
    expect([sealed(), sealed()].map((one) => side.open(arrived(one), FRED).signed?.valid)).to.deep.equal([true, true]);
  });

  it('REQ-IMPP-016 are recognised by their message-id, if they have one', () => {
    const side = secureOf(barney);
    const message = (messageId: string) => {
      const content = madeContent(
        instantMessage({ from: `im:${FRED}`, messageId, text: 'Yabba' }),
        'part',
        'example.com',
      );
      if (!('type' in content)) throw new Error('not an entity');
      return arrived(sealed(content));
    };
    const reasons = ['<1@example.com>', '<2@example.com>', '<1@example.com>'].map(
      (id) => side.open(message(id), FRED).signed?.reason,
    );
    expect(reasons).to.deep.equal([undefined, undefined, 'repeated']);
  });

  it('may arrive once for each recipient, be opened twice, and arrive again when they were not accepted', () => {
    const side = secureOf(barney);
    const made = sealed();
    expect([BARNEY, WILMA].map((to) => side.open(arrived(made), FRED, [to]).signed?.valid)).to.deep.equal([true, true]);
    const entity = arrived(sealed());
    expect([1, 2].map(() => side.open(entity, FRED).signed?.valid)).to.deep.equal([true, true]);
    side.forget(entity);
    expect(side.open({ ...entity }, FRED).signed?.valid).to.equal(true);
    // What was forgotten is judged anew, the same object as well: meanwhile it came again.
    expect(side.open(entity, FRED).signed?.reason).to.equal('repeated');
  });

  it('REQ-IMPP-016 are stale when they were signed long ago, or in the future', () => {
    const signedAt = (ms: number) => arrived(sealed(undefined, { now: () => new Date(START + ms) }));
    const thought = (ms: number, options: SecureOptions = {}) =>
      secureOf(barney, options).open(signedAt(ms), FRED).signed?.reason;
    expect([thought(-DAY_MS / 2), thought(60_000), thought(DAY_MS / 2)]).to.deep.equal([undefined, undefined, 'stale']);
    expect(thought(-DAY_MS / 2, { freshMs: DAY_MS / 4 })).to.equal('stale');
  });

  describe('in a memory that is full', () => {
    const memory = (): ReplayMemory => new ReplayMemory(DAY_MS, { messages: 6, perSigner: 4 });
    const at = (ms: number): Date => new Date(START + ms);

    it('are stale when they can no longer be distinguished from new ones', () => {
      const replays = memory();
      const judge = (signer: string, id: number) =>
        replays.judge({ signer, id: String(id), at: at(id) }, at(DAY_MS / 2));
      for (const id of [1, 2, 3, 4, 5]) expect(judge('fred', id)).to.equal(undefined);
      expect([judge('fred', 1), judge('fred', 2), judge('fred', 5)]).to.deep.equal(['stale', 'repeated', 'repeated']);
      // Wilma's make room by what Fred sent, who was not heard of for longer.
      for (const id of [6, 7, 8]) expect(judge('wilma', id)).to.equal(undefined);
      expect([judge('fred', 3), judge('fred', 9)]).to.deep.equal(['stale', undefined]);
    });

    it('are forgotten once they are stale', () => {
      const replays = memory();
      for (let id = 0; id < 50; id += 1) {
        const now = at(id * DAY_MS);
        expect(replays.judge({ signer: 'fred', id: String(id), at: now }, now)).to.equal(undefined);
      }
    });

    it('leave no signer whose messages were all forgotten, unless it is needed to recognise old ones', () => {
      const replays = memory();
      for (const signer of ['fred', 'wilma', 'barney']) {
        expect(replays.judge({ signer, id: 'x', at: at(0) }, at(0))).to.equal(undefined);
        replays.forget({ signer, id: 'x' });
      }
      expect(replays.signers).to.equal(0);
      const ids = ['1', '2', '3', '4', '5'];
      const judge = (id: string) => replays.judge({ signer: 'fred', id, at: at(Number(id)) }, at(9));
      for (const id of ids) expect(judge(id)).to.equal(undefined);
      for (const id of ids) replays.forget({ signer: 'fred', id });
      expect([replays.signers, judge('1'), judge('2')]).to.deep.equal([1, 'stale', undefined]);
    });

    it('are recognised by their identifier alone when the time of signing is unknown', () => {
      const replays = memory();
      const judge = () => replays.judge({ signer: 'fred', id: 'x', at: undefined }, at(0));
      expect([judge(), judge()]).to.deep.equal([undefined, 'repeated']);
    });
  });
});
