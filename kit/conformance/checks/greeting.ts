/** The greeting: when it comes, its form, and what ours may hold (RFC 3080 §2.3.1.1). */
import type { Check } from '../check.js';
import type { Context } from '../context.js';
import { expect, Finding, NotOffered } from '../finding.js';
import { refused } from '../judge.js';
import type { RawMessage } from '../peer/channel.js';
import * as document from '../peer/documents.js';
import type { RawPeer } from '../peer/peer.js';
import { readEntity, readXml } from '../xml.js';
import { askNone, NONE, silentEnd } from './common.js';

/** Greets with other octets than usual and looks whether the session works. */
async function greetedBy(context: Context, payload: string): Promise<void> {
  const peer = await context.connect();
  peer.write(peer.channel(0).build('RPY', 0, payload));
  await peer.nextReply(0);
  await askNone(context, peer);
}

function judgeForm(context: Context, { keyword, frames, payload }: RawMessage): void {
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
    expect(name === 'profile', 'nothing but profiles in the greeting', name);
    expect((attributes['uri'] ?? '') !== '', 'profiles with a uri', 'a profile without');
    expect(text.trim() === '', 'profiles without content', `content in ${attributes['uri']}`);
  }
}

async function second(peer: RawPeer): Promise<void> {
  await silentEnd(peer, peer.channel(0).build('RPY', 0, document.GREETING));
}

export const GREETING_CHECKS: readonly Check[] = [
  {
    id: 'greeting.prompt',
    title: 'greets without waiting for our greeting',
    clause: 'RFC 3080 §2.3.1.1',
    why: 'two peers that wait for each other wait for ever',
    async run(context) {
      await (await context.connect()).nextReply(0);
    },
  },
  {
    id: 'greeting.form',
    title: 'greets with RPY 0 0 and a greeting that can be read',
    clause: 'RFC 3080 §2.3.1.1, §6.4',
    why: 'whoever cannot read the greeting ends the session',
    async run(context) {
      const peer = await context.connect();
      peer.write(peer.channel(0).build('RPY', 0, document.GREETING));
      const message = await peer.nextReply(0);
      if (message.keyword === 'ERR') throw new Finding('a greeting', `ERR ${document.errorIn(message.payload)?.code}`);
      judgeForm(context, message);
    },
  },
  {
    id: 'greeting.offers',
    title: 'names the profile of the mesh, at once or under TLS',
    clause: 'RFC 3080 §2.3.1.1; core-01 §4.2',
    why: 'nobody asks for a profile that is not named',
    async run(context) {
      const { profile } = context.words;
      if (!context.offers(profile)) throw new NotOffered(`no greeting names ${profile}`);
    },
  },
  {
    id: 'greeting.features',
    title: 'does not mind features and languages it does not know',
    clause: 'RFC 3080 §2.3.1.1',
    why: 'features are optional on both sides; who knows more greets with more',
    run: (context) =>
      greetedBy(context, document.beepXml("<greeting features='x-kit x-none' localize='gsw-u-sd-chzh i-default' />")),
  },
  {
    id: 'greeting.profiles',
    title: 'does not mind profiles it does not know, comments, double quotes and line breaks',
    clause: 'RFC 3080 §2.3.1.1, §6.4',
    why: 'these are the same document to a reader of XML',
    run: (context) =>
      greetedBy(
        context,
        document.beepXml(
          `<!-- hello -->\r\n<greeting>\r\n  <profile uri="${NONE}"></profile>\r\n  <?kit no?></greeting>`,
        ),
      ),
  },
  {
    id: 'greeting.headers',
    title: 'reads MIME headers in any case, folded, with parameters, and others beside them',
    clause: 'RFC 3080 §2.2.2.1; RFC 2045 §5.1',
    why: 'the header of a message is MIME, and other programs write it in other ways',
    run: (context) =>
      greetedBy(
        context,
        'X-Kit: yes\r\ncontent-TYPE:\r\n application/BEEP+xml; charset="utf-8"\r\nContent-Transfer-Encoding: binary\r\n\r\n<greeting />\r\n',
      ),
  },
  {
    id: 'greeting.fragments',
    title: 'takes a greeting in several frames, the last of them empty',
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
    title: 'ends the session in silence on a greeting that is none',
    clause: 'RFC 3080 §2.2.2.1',
    why: 'a reply that cannot be read leaves both sides with different ideas of the session',
    fault: true,
    async run(context) {
      const peer = await context.heard();
      await silentEnd(peer, peer.channel(0).build('RPY', 0, document.beepXml('<ok />')));
    },
  },
  {
    id: 'greeting.second',
    title: 'ends the session in silence on a second greeting',
    clause: 'RFC 3080 §2.2.1.1',
    why: 'it replies to a message that was completely answered',
    fault: true,
    run: async (context) => second(await context.session()),
  },
  {
    id: 'greeting.both-at-once',
    title: 'answers what comes in one segment with the greeting',
    clause: 'RFC 3080 §2.3.1.1',
    why: 'a client that has read the greeting of the last session may be fast',
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
