/**
 * Checks of unreadable input: XML with every kind of error, and oversized messages (RFC 3080 §6.4, §8; core-01 §10).
 */

import { refused } from '../answers.js';
import type { Check } from '../check.js';
import { type Context, causeText } from '../context.js';
import { Finding } from '../finding.js';
import * as document from '../peer/documents.js';
import type { RawPeer } from '../peer/peer.js';
import { askNone, askNothing } from './common.js';

const XML = 'RFC 3080 §6.4';
const CODES = 'core-01 §10';
const NEEDS = ['account', 'digest', 'imxp'] as const;
const DEEP = 20_000;
const MOST_OCTETS = 1_048_576;
const STEP = 4000;
/** How long a connection may take to be seen as ended. */
const END_MS = 500;

const laughs = (count: number): string =>
  Array.from({ length: count }, (_, at) => `<!ENTITY l${at + 1} "${`&l${at};`.repeat(10)}">`).join('');

/** Control documents that must be refused, with the codes for them. */
const DOCUMENTS: readonly (readonly [
  name: string,
  what: string,
  clause: string,
  document: (own: string) => string,
  codes: { must?: readonly number[]; should?: readonly number[] },
])[] = [
  [
    'not-well-formed',
    'a document that is not well-formed',
    CODES,
    (own) => `<attach endpoint='${own}'`,
    { must: [500] },
  ],
  [
    'two-roots',
    'a document with two roots',
    CODES,
    () => "<terminate transID='9' /><terminate transID='9' />",
    { must: [500] },
  ],
  ['bare-ampersand', 'a bare ampersand', CODES, () => "<terminate transID='9&' />", { must: [500] }],
  ['not-valid', 'a document of another vocabulary', CODES, () => "<letter to='barney' />", { should: [501] }],
  ['doctype', 'a DOCTYPE', XML, () => "<!DOCTYPE terminate []><terminate transID='99' />", { must: [501, 500] }],
  [
    'entities',
    'entities that expand exponentially',
    XML,
    () => `<!DOCTYPE t [<!ENTITY l0 "ha">${laughs(9)}]><terminate transID='&l9;' />`,
    { must: [501, 500] },
  ],
  ['unknown-entity', 'an undefined entity', XML, () => "<terminate transID='&nbsp;' />", { must: [500, 501] }],
  ['deep', `elements ${DEEP} deep`, XML, () => '<a>'.repeat(DEEP) + '</a>'.repeat(DEEP), { must: [501, 500] }],
];

/** Sends an endless message on channel 0 until the listener refuses it. */
async function oversize(context: Context): Promise<void> {
  const peer = await context.session();
  try {
    await untilRefused(context, peer);
  } catch (error) {
    const over =
      !peer.alive ||
      (await peer
        .ended(END_MS)
        .then(() => true)
        .catch(() => false));
    if (!over) throw error;
    await peer.ended();
    context.remark('the session ends over a message without end');
  }
}

async function untilRefused(context: Context, peer: RawPeer): Promise<void> {
  const channel = peer.channel(0);
  const msgno = channel.allocate();
  let sent = 0;
  const full = (): boolean => channel.replies.length > 0 || sent >= MOST_OCTETS;
  while (!full() && peer.alive) {
    try {
      await Promise.race([peer.allowed(0, STEP), peer.arrived(0)]);
    } catch (error) {
      if (!peer.alive) break;
      throw new Finding('a window, an error, or the end', `none of them after ${sent} octets: ${causeText(error)}`);
    }
    if (full()) break;
    peer.write(channel.build('MSG', msgno, Buffer.alloc(STEP, ' '), '*'));
    sent += STEP;
  }
  if (!peer.alive) {
    await peer.ended();
    context.remark('the session ends over a message without end');
    return;
  }
  // RFC 3080 §2.6.3: a sender that is answered before the last frame ends the message with an empty one.
  peer.write(channel.build('MSG', msgno, ''));
  refused(context, await peer.nextReply(0), { should: [500, 501, 550, 554] });
  await askNone(context, peer);
}

export const ERROR_CHECKS: readonly Check[] = [
  ...DOCUMENTS.map(
    ([name, what, clause, made, codes]): Check => ({
      id: `errors.${name}`,
      title: `refuses ${what} and continues the channel`,
      clause,
      why: 'an error tells what was wrong; accepting it could exhaust memory, and ending the session tells nothing',
      needs: NEEDS,
      fault: true,
      async run(context) {
        const { peer, channel } = await context.open();
        const payload = context.words.control(made(context.account().address));
        refused(context, await peer.ask(channel, payload), codes);
        refused(context, await askNothing(context, peer, channel), { should: [550] });
      },
    }),
  ),
  {
    id: 'errors.utf-8',
    title: 'refuses octets that are not UTF-8 and continues the channel',
    clause: XML,
    why: 'guessed text is not what was sent',
    needs: NEEDS,
    fault: true,
    async run(context) {
      const { peer, channel } = await context.open();
      const payload = Buffer.from(context.words.control("<terminate transID='99' x='?' />"), 'latin1');
      payload[payload.indexOf('?')] = 0xff;
      refused(context, await peer.ask(channel, payload), { must: [500, 501] });
      refused(context, await askNothing(context, peer, channel), { should: [550] });
    },
  },
  {
    id: 'errors.headers',
    title: 'answers a message with an unterminated MIME header and continues the channel',
    clause: 'RFC 3080 §2.2.2.1',
    why: 'an unreadable message is poorly formed, and the profile defines the answer',
    needs: NEEDS,
    async run(context) {
      const { peer, channel } = await context.open();
      refused(context, await peer.ask(channel, 'Content-Type: text/xml'), { must: [500, 501] });
      refused(context, await askNothing(context, peer, channel), { should: [550] });
    },
  },
  {
    id: 'errors.channel-0-doctype',
    title: 'refuses a DOCTYPE on channel 0',
    clause: XML,
    why: 'channel management allows only the five entities and no document type',
    fault: true,
    async run(context) {
      const peer = await context.session();
      const start = `<!DOCTYPE start []><start number='1'><profile uri='http://example.com/profiles/none' /></start>`;
      refused(context, await peer.ask(0, document.beepXml(start)), { should: [501, 500, 550] });
      await askNone(context, peer);
    },
  },
  {
    id: 'errors.oversize',
    title: 'refuses an endless message on channel 0, or ends the session, before memory is exhausted',
    clause: 'RFC 3080 §2.6.3',
    why: 'an unauthenticated peer must not be able to exhaust the memory of a relay',
    fault: true,
    patience: 3,
    run: oversize,
  },
];
