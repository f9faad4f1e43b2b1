/** Checks of channel management: start, close, release, and the reasons to refuse them (RFC 3080 §2.3.1, §2.4). */

import { granted, grantedInside, profileOf, refused, refusedInside } from '../answers.js';
import type { Check } from '../check.js';
import { type Context, causeOf } from '../context.js';
import { expect, Finding, NotOffered } from '../finding.js';
import type { RawMessage } from '../peer/channel.js';
import * as document from '../peer/documents.js';
import type { RawPeer } from '../peer/peer.js';
import { askNone, askNothing, NONE } from './common.js';

const START = 'RFC 3080 §2.3.1.2';
const CLOSE = 'RFC 3080 §2.3.1.3';
const MANY_CHANNELS = 257;

/** Documents that must be refused without ending the session. */
const REFUSED: readonly (readonly [
  name: string,
  what: string,
  clause: string,
  payload: (context: Context) => string,
  codes: { must?: readonly number[]; should?: readonly number[] },
])[] = [
  [
    'unknown-profile',
    'a start for a profile it does not have',
    START,
    () => document.start({ channel: 1, uri: NONE }),
    { should: [550] },
  ],
  [
    'even-number',
    'an even number from the side that opened the connection',
    START,
    ({ words }) => document.start({ channel: 2, uri: words.profile }),
    { should: [501] },
  ],
  [
    'not-well-formed',
    'a document that is not well-formed',
    'RFC 3080 §2.3.1.5, §8',
    () => document.beepXml("<start number='1'"),
    { must: [500] },
  ],
  [
    'unknown-element',
    'an unexpected element',
    'RFC 3080 §2.3.1.5, §8',
    () => document.beepXml('<letter />'),
    { should: [500, 501] },
  ],
  [
    'no-number',
    'a start without a number',
    START,
    ({ words }) => document.beepXml(`<start><profile uri='${words.profile}' /></start>`),
    { should: [501] },
  ],
  [
    'number-range',
    'a start whose number is too large',
    START,
    ({ words }) => document.beepXml(`<start number='2147483649'><profile uri='${words.profile}' /></start>`),
    { should: [501] },
  ],
  [
    'no-profile',
    'a start without a profile',
    START,
    () => document.beepXml("<start number='1'></start>"),
    { should: [501] },
  ],
  [
    'no-uri',
    'a profile without a uri',
    START,
    () => document.beepXml("<start number='1'><profile /></start>"),
    { should: [501] },
  ],
  ['close-unknown', 'a close of a channel that is not open', CLOSE, () => document.close(77), { should: [550] }],
  [
    'close-no-code',
    'a close without a code',
    CLOSE,
    () => document.beepXml("<close number='77' />"),
    { should: [501] },
  ],
];

/** A start with initialization content in one of its encodings. */
const piggyback = (uri: string, channel: number, inner: string, encoding = ''): string =>
  document.beepXml(`<start number='${channel}'><profile uri='${uri}'${encoding}>${inner}</profile></start>`);

async function attachedBy(
  context: Context,
  spell: (attach: string) => readonly [inner: string, encoding?: string],
): Promise<void> {
  const peer = await context.authenticated();
  const [inner, encoding] = spell(document.attach(context.account().address, 71));
  const reply = await peer.request(1, piggyback(context.words.profile, 1, inner, encoding));
  const { content } = profileOf(reply, 'a profile that contains the answer to attach');
  // The attachment of an earlier check may still exist; 554 also shows that the attach was read.
  if (/^<error\b[^>]*554/.test(content)) return;
  grantedInside(reply);
  context.owns(peer);
}

async function release(context: Context, payload: string): Promise<void> {
  const peer = await context.session();
  granted(await peer.ask(0, payload));
  try {
    await peer.ended();
  } catch {
    throw new Finding('the end of the connection after ok', 'a connection that stays open');
  }
}

/** Provokes a close request by the listener with a nonsensical answer on a channel. */
async function provoked(context: Context): Promise<{ peer: RawPeer; channel: number; asked: RawMessage }> {
  const { peer, channel, address } = await context.attached();
  peer.msg(channel, context.words.data({ from: address, to: [address], inner: '<note>what?</note>' }));
  const { msgno } = await peer.nextRequest(channel);
  peer.reply(channel, 'RPY', msgno, context.words.control('<maybe />'));
  const asked = await peer.nextRequest(0);
  const number = /<close\b[^>]*\bnumber=['"](\d+)['"]/.exec(asked.payload.toString('latin1', 0, 4096))?.[1];
  expect(number === `${channel}`, `a close of channel ${channel}`, causeOf(asked));
  return { peer, channel, asked };
}

export const CHANNEL_0_CHECKS: readonly Check[] = [
  ...REFUSED.map(
    ([name, what, clause, payload, codes]): Check => ({
      id: `channel-0.${name}`,
      title: `refuses ${what} and continues the session`,
      clause,
      why: 'an error tells what was wrong; ending the session tells nothing, and ok would be false',
      async run(context) {
        const peer = await context.session();
        refused(context, await peer.ask(0, payload(context)), codes);
        await askNone(context, peer);
      },
    }),
  ),
  {
    id: 'channel-0.number-in-use',
    title: 'refuses a number that is in use',
    clause: START,
    why: 'two channels with one number cannot be told apart',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const { peer, channel } = await context.open();
      const reply = await peer.ask(0, document.start({ channel, uri: context.words.profile }));
      refused(context, reply, { should: [550, 501] });
      refused(context, await askNothing(context, peer, channel), { should: [550] });
    },
  },
  {
    id: 'channel-0.preference',
    title: 'chooses the first supported profile of those proposed',
    clause: START,
    why: 'profiles are proposed in order of preference, and the peer must learn which was chosen',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const peer = await context.authenticated();
      const uris = [NONE, context.words.profile, `${NONE}/either`];
      const profiles = uris.map((uri) => `<profile uri='${uri}' />`).join('');
      const reply = await peer.request(1, document.beepXml(`<start number='1'>${profiles}</start>`));
      const { uri } = profileOf(reply, 'a profile');
      expect(uri === context.words.profile, `the profile ${context.words.profile}`, uri);
    },
  },
  {
    id: 'channel-0.piggyback-cdata',
    title: 'processes initialization content in a CDATA section',
    clause: START,
    why: 'most programs save a round trip this way',
    needs: ['account', 'digest', 'imxp'],
    run: (context) => attachedBy(context, (attach) => [`<![CDATA[${attach}]]>`]),
  },
  {
    id: 'channel-0.piggyback-escaped',
    title: 'processes initialization content escaped by entities and character references',
    clause: 'RFC 3080 §2.3.1.2, §6.4',
    why: 'CDATA, entities and character references denote the same characters',
    needs: ['account', 'digest', 'imxp'],
    run: (context) =>
      attachedBy(context, (attach) => [
        attach.replaceAll('<', '&lt;').replaceAll('>', '&#62;').replaceAll("'", '&#x27;'),
      ]),
  },
  {
    id: 'channel-0.piggyback-base64',
    title: "processes initialization content in base64 (encoding='base64')",
    clause: START,
    why: 'content that XML cannot carry can only be sent this way',
    needs: ['account', 'digest', 'imxp'],
    run: (context) => attachedBy(context, (attach) => [Buffer.from(attach).toString('base64'), " encoding='base64'"]),
  },
  {
    id: 'channel-0.bad-base64',
    title: 'refuses invalid base64',
    clause: START,
    why: 'content that cannot be decoded must not be guessed',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const peer = await context.authenticated();
      const reply = await peer.request(1, piggyback(context.words.profile, 1, '*?*', " encoding='base64'"));
      refusedInside(context, reply, { should: [501] });
      await askNone(context, peer);
    },
  },
  {
    id: 'channel-0.long-content',
    title: 'refuses initialization content of more than 4096 octets',
    clause: START,
    why: 'peers come to depend on a larger limit',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const peer = await context.authenticated();
      const long = `<attach endpoint='${context.missingEndpoint}' transID='1' ${' '.repeat(4096)}/>`;
      const reply = await peer.request(1, piggyback(context.words.profile, 1, `<![CDATA[${long}]]>`));
      refusedInside(context, reply, { should: [501] });
      await askNone(context, peer);
    },
  },
  {
    id: 'channel-0.failed-piggyback',
    title: 'creates the channel even if the initialization content is refused',
    clause: START,
    why: 'the error is the answer to the content, not to the start',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const peer = await context.authenticated();
      const { number, reply } = await peer.start(context.words.profile, document.attach(context.missingEndpoint, 1));
      expect(reply.keyword === 'RPY', 'RPY with a profile and the error in it', causeOf(reply));
      refusedInside(context, reply, { should: [537] });
      refused(context, await askNothing(context, peer, number), { should: [550] });
    },
  },
  {
    id: 'channel-0.server-name',
    title: 'refuses a serverName that it does not serve',
    clause: START,
    why: 'a client that asks for another server must not be served by this one unknowingly',
    async run(context) {
      // The serverName of the first channel applies to the session: TLS would be such a channel.
      const peer = await context.greeted();
      const [uri] = context.facts.clear ?? [];
      if (uri === undefined) throw new NotOffered('the greeting offers no profile');
      const { reply } = await peer.start(uri, undefined, 'kit.invalid');
      if (reply.keyword === 'RPY') context.remark('a channel is created under a serverName that is not served');
      else refused(context, reply, { should: [550] });
      await askNone(context, peer);
    },
  },
  {
    id: 'channel-0.close',
    title: 'closes a channel and allows its number to be reused',
    clause: CLOSE,
    why: 'otherwise long sessions run out of numbers and memory',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const { peer, channel } = await context.open();
      refused(context, await askNothing(context, peer, channel), { should: [550] });
      granted(await peer.close(channel));
      profileOf(await peer.request(channel, document.start({ channel, uri: context.words.profile })), 'a new channel');
      refused(context, await askNothing(context, peer, channel), { should: [550] });
    },
  },
  {
    id: 'channel-0.many',
    title: `supports ${MANY_CHANNELS} open channels`,
    clause: 'RFC 3080 §2.1.1',
    why: 'fewer are allowed, but gateways attach many endpoints',
    needs: ['account', 'digest', 'imxp'],
    patience: 2,
    async run(context) {
      const peer = await context.authenticated();
      for (let count = 1; count < MANY_CHANNELS; count += 1) {
        const { reply } = await peer.start(context.words.profile);
        if (reply.keyword === 'RPY') continue;
        refused(context, reply, { should: [450, 550] });
        context.remark(`at most ${count} channels are supported, including channel 0`);
        break;
      }
      await askNone(context, peer);
    },
  },
  {
    id: 'channel-0.release',
    title: 'answers ok to a release and closes the connection',
    clause: 'RFC 3080 §2.4; RFC 3081 §2',
    why: 'the side that sent ok closes first; the other waits for it',
    run: (context) => release(context, document.close(0)),
  },
  {
    id: 'channel-0.release-default',
    title: 'treats a close without a number as a release',
    clause: CLOSE,
    why: 'the default number is 0',
    run: (context) => release(context, document.beepXml("<close code='200' xml:lang='en'>done &amp; thanks</close>")),
  },
  {
    id: 'channel-0.bad-reply',
    title: 'closes the channel, not the session, on a reply that cannot be read',
    clause: 'RFC 3080 §2.2.2.1',
    why: 'the fault concerns one channel; the others can continue',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const { peer, asked } = await provoked(context);
      peer.reply(0, 'RPY', asked.msgno, document.beepXml('<ok />'));
      await askNone(context, peer);
    },
  },
  {
    id: 'channel-0.close-refused',
    title: 'accepts an error as the answer to its close',
    clause: CLOSE,
    why: 'each side may decline a close; the channel then stays open',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const { peer, asked } = await provoked(context);
      peer.reply(0, 'ERR', asked.msgno, document.beepXml("<error code='550'>still working</error>"));
      await askNone(context, peer);
    },
  },
  {
    id: 'channel-0.crossing',
    title: 'answers a close of a channel that it is itself closing',
    clause: CLOSE,
    why: 'requests may cross; peers that wait for each other would wait for ever',
    needs: ['account', 'digest', 'imxp'],
    async run(context) {
      const { peer, channel, asked } = await provoked(context);
      const msgno = peer.msg(0, document.close(channel));
      peer.reply(0, 'RPY', asked.msgno, document.beepXml('<ok />'));
      const reply = await peer.nextReply(0);
      expect(reply.msgno === msgno, `a reply to MSG 0 ${msgno}`, `${reply.keyword} 0 ${reply.msgno}`);
      if (reply.keyword === 'ERR') refused(context, reply, { should: [550] });
      await askNone(context, peer);
    },
  },
];
