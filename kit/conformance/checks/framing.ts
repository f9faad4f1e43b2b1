/** Frames: cut and joined in every way, interleaved, numbered as one likes (RFC 3080 §2.2.1). */
import type { Check } from '../check.js';
import type { Context } from '../context.js';
import { expect } from '../finding.js';
import { refused } from '../judge.js';
import * as document from '../peer/documents.js';
import type { RawPeer } from '../peer/peer.js';
import { askNone, NONE, nothing } from './common.js';

const START = document.start({ channel: 1, uri: NONE });
const DIFFERENT = 5;

/** A start of nothing with the number of the message chosen. */
async function startNumbered(context: Context, peer: RawPeer, msgno: number): Promise<void> {
  const channel = peer.channel(0);
  channel.awaiting.push(msgno);
  peer.write(channel.build('MSG', msgno, START));
  const reply = await peer.nextReply(0);
  expect(reply.msgno === msgno, `a reply to MSG 0 ${msgno}`, `${reply.keyword} 0 ${reply.msgno}`);
  refused(context, reply, { should: [550] });
}

export const FRAMING_CHECKS: readonly Check[] = [
  {
    id: 'framing.octet-by-octet',
    title: 'reads frames that come one octet at a time',
    clause: 'RFC 3080 §2.2.1; RFC 3081 §2',
    why: 'TCP has no segments: any frame may be cut at any place',
    async run(context) {
      const peer = await context.connect({ segment: 1 });
      await peer.greet();
      await askNone(context, peer);
    },
  },
  {
    id: 'framing.joined',
    title: 'reads several frames that come at once, and answers them in their order',
    clause: 'RFC 3080 §2.6.1',
    why: 'a client that does not wait tells the replies apart by their order',
    async run(context) {
      const peer = await context.session();
      const channel = peer.channel(0);
      const numbers = Array.from({ length: DIFFERENT }, () => channel.allocate());
      peer.write(Buffer.concat(numbers.map((msgno) => channel.build('MSG', msgno, START))));
      for (const _ of numbers) refused(context, await peer.nextReply(0), { should: [550] });
    },
  },
  {
    id: 'framing.fragments',
    title: 'puts a message together from frames of one octet and empty ones',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'where a message is cut is the choice of the sender, who may have a small window',
    async run(context) {
      const peer = await context.session();
      const channel = peer.channel(0);
      const msgno = channel.allocate();
      const frames = [...START].flatMap((one, index) =>
        index % 10 === 0
          ? [channel.build('MSG', msgno, one, '*'), channel.build('MSG', msgno, '', '*')]
          : [channel.build('MSG', msgno, one, '*')],
      );
      peer.write(Buffer.concat([...frames, channel.build('MSG', msgno, '')]));
      refused(context, await peer.nextReply(0), { should: [550] });
    },
  },
  {
    id: 'framing.interleaving',
    title: 'keeps messages apart whose frames alternate on two channels',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'a large message on one channel must not have to wait for another',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const { peer, channel } = await context.open();
      const channels = [channel, await context.channel(peer)].map((number) => peer.channel(number));
      const numbers = channels.map((one) => one.allocate());
      const payload = nothing(context);
      const frames = [...payload].flatMap((one, index) =>
        channels.map((each, which) =>
          each.build('MSG', numbers[which] ?? 0, one, index === payload.length - 1 ? '.' : '*'),
        ),
      );
      peer.write(Buffer.concat(frames));
      for (const { number } of channels) refused(context, await peer.nextReply(number), { should: [550] });
    },
  },
  {
    id: 'framing.any-number',
    title: 'takes the numbers of messages as they come, up to the highest',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'a number only has to differ from those that are not answered yet',
    async run(context) {
      const peer = await context.session();
      for (const msgno of [2_147_483_647, 7, 3]) await startNumbered(context, peer, msgno);
    },
  },
  {
    id: 'framing.msgno-reuse',
    title: 'takes a number again whose message is answered',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'a session that lives long has to begin again, and some clients use one number all the time',
    async run(context) {
      const peer = await context.session();
      for (let time = 0; time < 3; time += 1) await startNumbered(context, peer, 1);
    },
  },
  {
    id: 'framing.both-directions',
    title: 'does not take our MSG for one with the same number of its own',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'each side numbers its own messages; both begin at 0',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const fred = await context.attached();
      const { peer, channel, address } = fred;
      const sent = peer.msg(channel, context.words.data({ from: address, to: [address], inner: '<note>to me</note>' }));
      const theirs = await peer.nextRequest(channel);
      // The same number as theirs, which is not answered yet; ours may be under way.
      const own = peer.channel(channel);
      const free = theirs.msgno === sent ? sent + 1 : theirs.msgno;
      own.awaiting.push(free);
      peer.write(own.build('MSG', free, nothing(context)));
      peer.reply(channel, 'RPY', theirs.msgno, context.words.ok);
      const replies = [await peer.nextReply(channel), await peer.nextReply(channel)];
      expect(replies[0]?.keyword === 'RPY', 'ok for the Data, then the error', `${replies[0]?.payload}`);
    },
  },
];

/** The rules of each frame, judged over all sessions. */
export const FRAME_RULES = [
  {
    rule: 'grammar',
    id: 'framing.grammar',
    title: 'writes frames whose header, size and trailer are as printed',
    clause: 'RFC 3080 §2.2.1',
    why: 'nobody can tell where the next frame begins',
  },
  {
    rule: 'channel',
    id: 'framing.channels',
    title: 'writes on no channel that is not open',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'the frame is poorly formed; the other side ends the session',
  },
  {
    rule: 'seqno',
    id: 'framing.seqno',
    title: 'counts every octet of payload in the sequence numbers',
    clause: 'RFC 3080 §2.2.1.2',
    why: 'the peers have lost synchronization; the other side ends the session',
  },
  {
    rule: 'continuation',
    id: 'framing.continuation',
    title: 'finishes a message before the next on a channel',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'frames of one message must follow each other on their channel',
  },
  {
    rule: 'msgno',
    id: 'framing.msgno',
    title: 'gives no message a number of one that is not answered yet',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'nobody could tell to which of the two the reply belongs',
  },
  {
    rule: 'reply',
    id: 'framing.replies',
    title: 'replies once to each message, in the order of the messages',
    clause: 'RFC 3080 §2.6.1, §2.2.1.1',
    why: 'a reply to nothing is poorly formed; one out of order is taken for another',
  },
  {
    rule: 'window',
    id: 'windows.kept',
    title: 'never sends more than our window',
    clause: 'RFC 3081 §3.1.2',
    why: 'there is no memory for it, and the other side may end the session',
  },
  {
    rule: 'seq',
    id: 'windows.seq',
    title: 'acknowledges only what was sent and does not shrink its window',
    clause: 'RFC 3081 §3.1.3, §3.1.4',
    why: 'a SEQ that is not valid ends the session; a window that shrinks makes what is on its way an error',
  },
] as const;
