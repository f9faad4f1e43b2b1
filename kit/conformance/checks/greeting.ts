/** Checks of the greeting: when it is sent, its form, and what ours may contain (RFC 3080 §2.3.1.1). */

import { refused } from '../answers.js';
import type { Check } from '../check.js';
import type { Context } from '../context.js';
import { expect, Finding, NotOffered } from '../finding.js';
import type { RawMessage } from '../peer/channel.js';
import * as document from '../peer/documents.js';
import type { RawPeer } from '../peer/peer.js';
import { readEntity, readXml } from '../xml.js';
import { askNone, NONE, silentEnd } from './common.js';

/** Sends an unusual greeting and checks whether the session works. */
async function greetedBy(context: Context, payload: string): Promise<void> {
  const peer = await context.connect();
  peer.write(peer.channel(0).build('RPY', 0, payload));
  await peer.nextReply(0);
  await askNone(context, peer);
}

function checkForm(context: Context, { keyword, frames, payload }: RawMessage): void {
  const expected = 'RPY 0 0 . 0 … with a greeting';
  const [first] = frames;
  const line = first === undefined ? keyword : `${keyword} 0 ${first.msgno} ${first.more} ${first.seqno}`;
  expect(keyword === 'RPY' && first?.seqno === 0 && first.msgno === 0, expected, line);
  const { type, body } = readEntity(payload);
  if (type === 'text/xml') context.remark('the type is text/xml, as in the drafts of 2000');
  else expect(type === 'application/beep+xml', 'Content-Type: application/beep+xml', `Content-Type: ${type ?? 'none'}`);
  const { root, declaration, doctype } = readXml(body);
  expect(!declaration && !doctype, 'neither an XML declaration nor a DOCTYPE', doctype ? 'a DOCTYPE' : 'a declaration');
  expect(root.name === 'greeting', 'an element greeting', root.name);
  for (const { name, attributes, text } of root.children) {
    expect(name === 'profile', 'only profile elements in the greeting', name);
    expect((attributes['uri'] ?? '') !== '', 'profiles with a uri', 'a profile without');
    expect(text.trim() === '', 'profiles without content', `content in ${attributes['uri']}`);
  }
}

async function second(peer: RawPeer): Promise<void> {
  await silentEnd(peer, peer.channel(0).build('RPY', 0, document.GREETING));
}

/** Headers of a greeting that are as good as the usual one, each different in one thing. */
const HEADERS: readonly (readonly [name: string, what: string, header: string])[] = [
  ['header-case', 'names and values of MIME headers in any case', 'content-TYPE: application/BEEP+xml'],
  ['header-folded', 'a MIME header that is folded', 'Content-Type:\r\n application/beep+xml'],
  ['header-parameter', 'a parameter of the content type', 'Content-Type: application/beep+xml; charset="utf-8"'],
  [
    'header-other',
    'a message with MIME headers that it does not know',
    'X-Kit: yes\r\nContent-Type: application/beep+xml',
  ],
  [
    'header-encoding',
    'a transfer encoding that changes nothing',
    'Content-Type: application/beep+xml\r\nContent-Transfer-Encoding: binary',
  ],
];

export const GREETING_CHECKS: readonly Check[] = [
  {
    id: 'greeting.prompt',
    title: 'greets without waiting for our greeting',
    clause: 'RFC 3080 §2.3.1.1',
    why: 'peers that wait for each other would wait for ever',
    async run(context) {
      await (await context.connect()).nextReply(0);
    },
  },
  {
    id: 'greeting.form',
    title: 'greets with RPY 0 0 and a valid greeting',
    clause: 'RFC 3080 §2.3.1.1, §6.4',
    why: 'a peer that cannot read the greeting ends the session',
    async run(context) {
      const peer = await context.connect();
      peer.write(peer.channel(0).build('RPY', 0, document.GREETING));
      const message = await peer.nextReply(0);
      if (message.keyword === 'ERR') throw new Finding('a greeting', `ERR ${document.errorIn(message.payload)?.code}`);
      checkForm(context, message);
    },
  },
  {
    id: 'greeting.offers',
    title: 'offers the profile of the mesh, in the clear or under TLS',
    clause: 'RFC 3080 §2.3.1.1; core-01 §4.2',
    why: 'peers start only profiles that are offered',
    async run(context) {
      const { profile } = context.words;
      if (!context.offers(profile)) throw new NotOffered(`no greeting names ${profile}`);
    },
  },
  {
    id: 'greeting.features',
    title: 'ignores unknown features and languages',
    clause: 'RFC 3080 §2.3.1.1',
    why: 'features are optional, and newer peers announce more of them',
    run: (context) =>
      greetedBy(context, document.beepXml("<greeting features='x-kit x-none' localize='gsw-u-sd-chzh i-default' />")),
  },
  {
    id: 'greeting.profiles',
    title: 'accepts unknown profiles, comments, double quotes and line breaks',
    clause: 'RFC 3080 §2.3.1.1, §6.4',
    why: 'to an XML parser these are equivalent documents',
    run: (context) =>
      greetedBy(
        context,
        document.beepXml(
          `<!-- hello -->\r\n<greeting>\r\n  <profile uri="${NONE}"></profile>\r\n  <?kit no?></greeting>`,
        ),
      ),
  },
  ...HEADERS.map(
    ([name, what, header]): Check => ({
      id: `greeting.${name}`,
      title: `reads ${what}`,
      clause: 'RFC 3080 §2.2.2.1; RFC 2045 §5.1',
      why: 'the header of a message is MIME, and other programs write it in other ways',
      run: (context) => greetedBy(context, `${header}\r\n\r\n<greeting />\r\n`),
    }),
  ),
  {
    id: 'greeting.fragments',
    title: 'accepts a greeting in several frames, the last one empty',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'a greeting with many profiles does not fit into one window',
    async run(context) {
      const peer = await context.connect();
      const channel = peer.channel(0);
      const half = document.GREETING.length / 2;
      peer.write(
        Buffer.concat([
          channel.build('RPY', 0, document.GREETING.slice(0, half), '*'),
          channel.build('RPY', 0, document.GREETING.slice(half), '*'),
          channel.build('RPY', 0, ''),
        ]),
      );
      await peer.nextReply(0);
      await askNone(context, peer);
    },
  },
  {
    id: 'greeting.unreadable',
    title: 'ends the session without a response on an invalid greeting',
    clause: 'RFC 3080 §2.2.2.1',
    why: 'after an unreadable reply the two sides no longer agree',
    fault: true,
    async run(context) {
      const peer = await context.heard();
      await silentEnd(peer, peer.channel(0).build('RPY', 0, document.beepXml('<ok />')));
    },
  },
  {
    id: 'greeting.second',
    title: 'ends the session without a response on a second greeting',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'it is a reply to a message that was already answered',
    fault: true,
    run: async (context) => second(await context.session()),
  },
  {
    id: 'greeting.both-at-once',
    title: 'answers a request that arrives together with the greeting',
    clause: 'RFC 3080 §2.3.1.1',
    why: 'a client that knows the greeting from an earlier session need not wait',
    async run(context) {
      const peer = await context.connect();
      const channel = peer.channel(0);
      const octets = [
        channel.build('RPY', 0, document.GREETING),
        channel.build('MSG', channel.allocate(), document.start({ channel: 1, uri: NONE })),
      ];
      peer.write(Buffer.concat(octets));
      await peer.nextReply(0);
      refused(context, await peer.nextReply(0), { should: [550] });
    },
  },
];
