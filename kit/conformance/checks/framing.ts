/** Checks of frames: split and joined in every way, interleaved, and numbered freely (RFC 3080 §2.2.1). */

import { refused } from '../answers.js';
import type { Check } from '../check.js';
import type { Context } from '../context.js';
import { expect } from '../finding.js';
import * as document from '../peer/documents.js';
import type { RawPeer } from '../peer/peer.js';
import { askNone, NONE, nothing } from './common.js';

const START = document.start({ channel: 1, uri: NONE });
const DIFFERENT = 5;

/** Sends a start for an unknown profile with a chosen message number. */
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
    title: 'reads frames that arrive one octet at a time',
    clause: 'RFC 3080 §2.2.1; RFC 3081 §2',
    why: 'TCP is a stream: frames may be split anywhere',
    async run(context) {
      const peer = await context.connect({ segment: 1 });
      await peer.greet();
      await askNone(context, peer);
    },
  },
  {
    id: 'framing.joined',
    title: 'reads several frames that arrive at once and answers them in order',
    clause: 'RFC 3080 §2.6.1',
    why: 'pipelining clients match replies by their order',
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
    title: 'assembles a message from one-octet and empty frames',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'the sender chooses where to split a message, and may have a small window',
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
    title: 'separates messages whose frames alternate on two channels',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'a large message on one channel must not delay other channels',
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
    title: 'accepts message numbers in any order, up to the highest',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'a number must differ only from those of unanswered messages',
    async run(context) {
      const peer = await context.session();
      for (const msgno of [2_147_483_647, 7, 3]) await startNumbered(context, peer, msgno);
    },
  },
  {
    id: 'framing.msgno-reuse',
    title: 'accepts the number of an answered message again',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'long sessions wrap around, and some clients always use the same number',
    async run(context) {
      const peer = await context.session();
      for (let time = 0; time < 3; time += 1) await startNumbered(context, peer, 1);
    },
  },
  {
    id: 'framing.both-directions',
    title: 'distinguishes our MSG from its own MSG with the same number',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'each side numbers its own messages, starting at 0',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const fred = await context.attached();
      const { peer, channel, address } = fred;
      const sent = peer.msg(channel, context.words.data({ from: address, to: [address], inner: '<note>to me</note>' }));
      const theirs = await peer.nextRequest(channel);
      // The same number as the listener's unanswered message; ours may be outstanding.
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

/** Rules for every frame, checked in all sessions. */
export const FRAME_RULES = [
  {
    rule: 'grammar',
    id: 'framing.grammar',
    title: 'sends frames with a valid header, size and trailer',
    clause: 'RFC 3080 §2.2.1',
    why: 'otherwise the start of the next frame is unknown',
  },
  {
    rule: 'channel',
    id: 'framing.channels',
    title: 'sends only on open channels',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'the frame is poorly formed, and the other side ends the session',
  },
  {
    rule: 'seqno',
    id: 'framing.seqno',
    title: 'counts every payload octet in the sequence numbers',
    clause: 'RFC 3080 §2.2.1.2',
    why: 'the peers lose synchronization, and the other side ends the session',
  },
  {
    rule: 'continuation',
    id: 'framing.continuation',
    title: 'completes a message before the next one on a channel',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'the frames of a message must be consecutive on their channel',
  },
  {
    rule: 'msgno',
    id: 'framing.msgno',
    title: 'does not reuse the number of an unanswered message',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'replies could not be matched to messages',
  },
  {
    rule: 'reply',
    id: 'framing.replies',
    title: 'replies once to each message, in order',
    clause: 'RFC 3080 §2.6.1, §2.2.1.1',
    why: 'an unexpected reply is poorly formed; one out of order is taken for another',
  },
  {
    rule: 'window',
    id: 'windows.kept',
    title: 'never exceeds our window',
    clause: 'RFC 3081 §3.1.2',
    why: 'the receiver has no memory for it and may end the session',
  },
  {
    rule: 'seq',
    id: 'windows.seq',
    title: 'acknowledges only what was sent and does not shrink its window',
    clause: 'RFC 3081 §3.1.3, §3.1.4',
    why: 'an invalid SEQ ends the session; a shrinking window makes octets in transit an error',
  },
] as const;
