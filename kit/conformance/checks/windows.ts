/**
 * Checks of flow control: our windows and the listener's (RFC 3081 §3.1). Rules without exceptions are checked in all
 * sessions.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { refused } from '../answers.js';
import type { Check } from '../check.js';
import { type Context, causeText } from '../context.js';
import { expect, Finding } from '../finding.js';
import * as document from '../peer/documents.js';
import { seq } from '../peer/frame.js';
import type { RawPeer } from '../peer/peer.js';
import { askNone, askNothing, NONE, nothing } from './common.js';

/** A listener that has not continued by then holds a message until the window has room for all of it. */
const QUIET_MS = 1000;
const LOOK_MS = 5;
/** This many replies of 60 octets, the shortest error, exceed a window. */
const MANY = 80;
const WIDE = 1_048_576;

/** Waits until our window on a channel is used up or nothing has arrived for a while. */
async function full(peer: RawPeer, number: number): Promise<void> {
  const channel = peer.channel(number);
  let [seen, since] = [channel.receiveNext, Date.now()];
  while (peer.alive && channel.open > 0 && Date.now() - since < QUIET_MS) {
    await pause(LOOK_MS);
    if (channel.receiveNext !== seen) [seen, since] = [channel.receiveNext, Date.now()];
  }
}

/** Opens the window again and receives the replies to all requests. */
async function drain(context: Context, peer: RawPeer, number: number, count: number): Promise<void> {
  peer.window(number, WIDE);
  for (let taken = 0; taken < count; taken += 1) {
    try {
      refused(context, await peer.nextReply(number), { should: [550] });
    } catch (error) {
      if (error instanceof Finding) throw error;
      throw new Finding(`all ${count} replies once the window is open again`, `${taken}; ${causeText(error)}`);
    }
  }
}

/** Makes the listener send more than our window holds, and opens the window octet by octet. */
async function squeezed(context: Context, peer: RawPeer): Promise<void> {
  const channel = peer.channel(0);
  channel.buffer = 0;
  for (let count = 0; count < MANY; count += 1) peer.msg(0, document.start({ channel: 1, uri: NONE }));
  await full(peer, 0);
  if (channel.open > 0)
    context.remark(`it leaves ${channel.open} octets of the window unused rather than splitting a message`);
  else {
    for (let time = 0; time < 3; time += 1) {
      peer.window(0, 1);
      channel.buffer = 0;
      await full(peer, 0);
    }
  }
  await drain(context, peer, 0, MANY);
}

export const WINDOW_CHECKS: readonly Check[] = [
  {
    id: 'windows.small',
    title: 'stops at the end of our window and continues as it opens, octet by octet',
    clause: 'RFC 3081 §3.1.1, §3.1.2',
    why: 'the window is the only way for a slow reader to bound its memory',
    patience: 3,
    run: async (context) => await squeezed(context, await context.session()),
  },
  {
    id: 'windows.grants',
    title: 'opens its window while receiving a message of more than 4096 octets',
    clause: 'RFC 3081 §3.1.3, §3.1.4',
    why: 'without SEQ no more than 4096 octets can ever be sent on a channel',
    async run(context) {
      const peer = await context.session();
      const many = Array.from({ length: 120 }, (_, index) => `<profile uri='${NONE}/${index}/of/many' />`).join('');
      const msgno = peer.msg(0, document.beepXml(`<start number='1'>${many}</start>`));
      try {
        await peer.allowed(0, 1);
        refused(context, await peer.nextReply(0), { should: [550] });
      } catch (error) {
        if (error instanceof Finding) throw error;
        const { available, sendNext } = peer.channel(0);
        const came =
          available === 0 ? `none after ${sendNext} octets; MSG 0 ${msgno} cannot continue` : causeText(error);
        throw new Finding('SEQ frames, then a reply', came);
      }
    },
  },
  {
    id: 'windows.other-channels',
    title: 'serves one channel while the window of another is full',
    clause: 'RFC 3081 §3.1.4',
    why: 'each channel has its own window, so that a slow reader on one does not stop the others',
    needs: ['account', 'digest', 'imxp'],
    patience: 2,
    async run(context) {
      const { peer, channel } = await context.open();
      const other = await context.channel(peer);
      peer.channel(channel).buffer = 0;
      for (let count = 0; count < MANY; count += 1) peer.msg(channel, nothing(context));
      await full(peer, channel);
      refused(context, await askNothing(context, peer, other), { should: [550] });
      await askNone(context, peer);
      await drain(context, peer, channel, MANY);
    },
  },
  {
    id: 'windows.shrunk',
    title: 'respects a window that was reduced before it sent anything',
    clause: 'RFC 3081 §3.1.4; RFC 1122 §4.2.2.16',
    why: 'a sender must be robust against a shrinking window',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const { peer, channel } = await context.open();
      peer.window(channel, 16);
      peer.channel(channel).buffer = 0;
      peer.msg(channel, nothing(context));
      await full(peer, channel);
      await drain(context, peer, channel, 1);
    },
  },
  {
    id: 'windows.widest',
    title: 'accepts the largest window',
    clause: 'RFC 3081 §3.1.3',
    why: 'a window may be as large as a payload',
    async run(context) {
      const peer = await context.session();
      peer.write(seq(0, peer.channel(0).receiveNext, 2_147_483_647));
      await askNone(context, peer);
      await askNone(context, peer);
    },
  },
  {
    id: 'windows.seq-twice',
    title: 'takes the same SEQ twice',
    clause: 'RFC 3081 §3.1.3',
    why: 'a SEQ that says nothing new is valid, and leaves the window as it is',
    async run(context) {
      const peer = await context.session();
      const same = seq(0, peer.channel(0).receiveNext, 4096);
      peer.write(Buffer.concat([same, same]));
      await askNone(context, peer);
      await askNone(context, peer);
    },
  },
  {
    id: 'windows.new-channel',
    title: 'starts each channel with sequence number 0 and a window of 4096',
    clause: 'RFC 3081 §3.1.1; RFC 3080 §2.2.1.2',
    why: 'numbers and windows belong to the channel, not to its number or the session',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const { peer, channel } = await context.open();
      for (let time = 0; time < 2; time += 1) {
        const { frames } = await askNothing(context, peer, channel);
        expect(frames[0]?.seqno === 0, 'the first reply with sequence number 0', `${frames[0]?.seqno}`);
        if ((await peer.close(channel)).keyword !== 'RPY') throw new Finding('the channel closed', 'a refusal');
        const again = await peer.request(channel, document.start({ channel, uri: context.words.profile }));
        expect(again.keyword === 'RPY', 'the number accepted for a new channel', `${again.payload}`);
      }
    },
  },
];
