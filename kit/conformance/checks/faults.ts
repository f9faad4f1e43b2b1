/**
 * Checks of poorly formed frames: each ends the session without a response, and other sessions are not affected (RFC
 * 3080 §2.2.1).
 */
import { setTimeout as pause } from 'node:timers/promises';
import type { Check } from '../check.js';
import { expect } from '../finding.js';
import * as document from '../peer/documents.js';
import { frame, seq } from '../peer/frame.js';
import { visible } from '../peer/octet-log.js';
import type { RawPeer } from '../peer/peer.js';
import { NONE, silentEnd } from './common.js';

const START = document.start({ channel: 1, uri: NONE });
const HEADER = 'RFC 3080 §2.2.1.1';
/** An unfinished header is sent in steps until the session ends, and not further than this. */
const ENDLESS_OCTETS = 8192;
const HEADER_STEP = 128;
const HEADER_STEP_MS = 25;
/** A listener that answers before the recipient does has done so by then. */
const EARLY_MS = 100;
const WHY = 'after such a frame the two sides no longer agree; continuing or answering hides the fault';

/** The next sequence number on channel 0. */
const next = (peer: RawPeer): number => peer.channel(0).sendNext;

const line =
  (text: (seqno: number) => string) =>
  (peer: RawPeer): Buffer =>
    Buffer.from(text(next(peer)));
const TABLE: readonly (readonly [name: string, what: string, clause: string, octets: (peer: RawPeer) => Buffer])[] = [
  ['keyword', 'an unknown keyword', HEADER, line((at) => `REQ 0 1 . ${at} 0\r\nEND\r\n`)],
  ['lower-case', 'a keyword in lower case', HEADER, line((at) => `msg 0 1 . ${at} 0\r\nEND\r\n`)],
  ['missing', 'a missing parameter', HEADER, line((at) => `MSG 0 1 . ${at}\r\nEND\r\n`)],
  ['surplus', 'a surplus parameter', HEADER, line((at) => `MSG 0 1 . ${at} 0 0\r\nEND\r\n`)],
  ['two-spaces', 'two spaces between parameters', HEADER, line((at) => `MSG 0  1 . ${at} 0\r\nEND\r\n`)],
  ['trailing-space', 'a space before CRLF', HEADER, line((at) => `MSG 0 1 . ${at} 0 \r\nEND\r\n`)],
  ['bare-lf', 'LF instead of CRLF', HEADER, line((at) => `MSG 0 1 . ${at} 0\nEND\r\n${' '.repeat(60)}`)],
  ['sign', 'a number with a sign', HEADER, line((at) => `MSG 0 +1 . ${at} 0\r\nEND\r\n`)],
  ['more', 'neither . nor * for more', HEADER, line((at) => `MSG 0 1 , ${at} 0\r\nEND\r\n`)],
  ['size-range', 'a size above 2147483647', HEADER, line((at) => `MSG 0 1 . ${at} 2147483648\r\n`)],
  ['seqno-range', 'a sequence number above 4294967295', HEADER, line(() => 'MSG 0 1 . 4294967296 0\r\nEND\r\n')],
  ['channel', 'a channel that is not open', HEADER, line(() => 'MSG 9 1 . 0 0\r\nEND\r\n')],
  ['unasked', 'a reply to nothing', HEADER, (peer) => frame('RPY', 0, 5, '.', next(peer), document.beepXml('<ok />'))],
  [
    'keyword-changes',
    'a message that begins as MSG and continues as RPY',
    HEADER,
    (peer) => Buffer.concat([frame('MSG', 0, 1, '*', next(peer), '1'), frame('RPY', 0, 1, '.', next(peer) + 1, '2')]),
  ],
  [
    'interrupted',
    'another message in the middle of one',
    HEADER,
    (peer) => Buffer.concat([frame('MSG', 0, 1, '*', next(peer), '1'), frame('MSG', 0, 2, '.', next(peer) + 1, '2')]),
  ],
  [
    'seqno-high',
    'a sequence number too high',
    'RFC 3080 §2.2.1.2',
    (peer) => frame('MSG', 0, 1, '.', next(peer) + 1, START),
  ],
  [
    'seqno-low',
    'a sequence number too low',
    'RFC 3080 §2.2.1.2',
    (peer) => frame('MSG', 0, 1, '.', next(peer) - 1, START),
  ],
  ['nul-more', 'a NUL that is not the last frame', HEADER, line((at) => `NUL 0 1 * ${at} 0\r\nEND\r\n`)],
  [
    'trailer',
    'a missing trailer after the payload',
    'RFC 3080 §2.2.1.3',
    line((at) => `MSG 0 1 . ${at} 2\r\nxxENDE\r\n`),
  ],
  [
    'size-small',
    'a payload longer than its size',
    'RFC 3080 §2.2.1.3',
    line((at) => `MSG 0 1 . ${at} 2\r\nxxxEND\r\n`),
  ],
  ['seq-unsent', 'a SEQ for octets never sent', 'RFC 3081 §3.1.3', () => seq(0, 100_000_000, 4096)],
  ['seq-short', 'a SEQ without its window', 'RFC 3081 §3.1.3', line(() => 'SEQ 0 0\r\n')],
  ['seq-channel', 'a SEQ for a channel that never existed', 'RFC 3081 §3.1.3', () => seq(9, 0, 4096)],
];

export const FAULT_CHECKS: readonly Check[] = [
  ...TABLE.map(
    ([name, what, clause, octets]): Check => ({
      id: `faults.${name}`,
      title: `ends the session without a response on ${what}`,
      clause,
      why: WHY,
      fault: true,
      run: async (context) => {
        const peer = await context.session();
        await silentEnd(peer, octets(peer));
      },
    }),
  ),
  {
    id: 'faults.endless-header',
    title: 'ends the session in silence on a header without end',
    clause: HEADER,
    why: 'a header has 61 octets at the most; whoever reads on keeps whatever an unauthenticated peer sends',
    fault: true,
    async run(context) {
      const peer = await context.session();
      peer.log.record();
      let sent = 0;
      const put = (octets: string): void => {
        peer.inject(octets);
        sent += octets.length;
      };
      put(`MSG 0 1 . ${next(peer)} `);
      while (peer.alive && sent < ENDLESS_OCTETS) {
        put('0'.repeat(HEADER_STEP));
        await peer.ended(HEADER_STEP_MS).catch(() => {});
      }
      const said = peer.log.recorded.toString('latin1').replace(/SEQ \d+ \d+ \d+\r\n/g, '');
      expect(said === '', 'nothing said', visible(Buffer.from(said, 'latin1'), 160));
      // No clause says when an unfinished header is too long.
      if (peer.alive) context.remark(`an unfinished header of ${sent} octets is still read`);
      else await peer.ended();
    },
  },
  {
    id: 'faults.msgno-in-use',
    title: 'ends the session without a response on a message number that is still in use',
    clause: HEADER,
    why: 'replies could not be matched to messages',
    fault: true,
    needs: ['account', 'digest', 'imxp', 'waits'],
    async run(context) {
      const { peer, channel, address } = await context.attached();
      const payload = context.words.data({ from: address, to: [address], inner: '<note>twice</note>' });
      const own = peer.channel(channel);
      peer.write(own.build('MSG', 0, payload));
      await peer.nextRequest(channel);
      await pause(EARLY_MS);
      if (own.replies.length > 0) {
        context.remark('Data is answered before its recipient answers, so the number is free again');
        return;
      }
      await silentEnd(peer, own.build('MSG', 0, payload));
    },
  },
  {
    id: 'faults.second-reply',
    title: 'ends the session without a response on a second reply to a message',
    clause: HEADER,
    why: 'the message was already answered',
    fault: true,
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const fred = await context.attached();
      const { peer, channel, address } = fred;
      const once = context.words.data({ from: address, to: [address], inner: '<note>once</note>' });
      const { msgno } = await context.deliver(fred, fred, once);
      await silentEnd(peer, peer.channel(channel).build('RPY', msgno, context.words.ok));
    },
  },
];

/** Checked after each fault. */
export const OTHERS_SERVED = {
  id: 'faults.others-served',
  title: 'continues to serve other sessions during a fault',
  clause: 'RFC 3080 §2.2.1',
  why: 'one faulty client must not affect the sessions of others',
} as const;
