/** Checks of tuning to TLS: ready and proceed, what may be sent around them, and the new session (RFC 3080 §3.1). */
import { type ConnectionOptions, checkServerIdentity as checkHost } from 'node:tls';
import { namesRelay } from '../../../lib/mesh/certificate.js';
import { certificateNames } from '../../../lib/transport/tls/certificate.js';
import { profileOf, refusedContent, refusedInside } from '../answers.js';
import type { Check } from '../check.js';
import { type Context, causeText } from '../context.js';
import { expect, Finding, NotOffered } from '../finding.js';
import type { RawMessage } from '../peer/channel.js';
import * as document from '../peer/documents.js';
import { visible } from '../peer/octet-log.js';
import type { RawPeer } from '../peer/peer.js';
import { readXml } from '../xml.js';
import { askNone, NONE, silentEnd } from './common.js';

const PROCEED = 'a profile that contains proceed';

function proceeded(content: string): void {
  try {
    if (readXml(content).root.name === 'proceed') return;
  } catch {
    // Reported below.
  }
  throw new Finding(PROCEED, JSON.stringify(content.slice(0, 120)));
}

/** Requests TLS; the next octet belongs to the handshake. */
async function ready(context: Context, peer: RawPeer): Promise<RawMessage> {
  peer.hush();
  const start = document.start({
    channel: 1,
    uri: document.TLS,
    content: '<ready />',
    serverName: context.target.serverName,
  });
  const reply = await peer.ask(0, start);
  proceeded(profileOf(reply, PROCEED).content);
  return reply;
}

async function shake(context: Context, peer: RawPeer, authority?: string): Promise<void> {
  const { serverName } = context.tlsOptions;
  try {
    await peer.handshake({ serverName, authority, more: { rejectUnauthorized: authority !== undefined } });
  } catch (error) {
    throw new Finding('a TLS handshake', causeText(error));
  }
}

/** By the rule of this project's relays; names that only others accept are a remark. */
async function named(context: Context, peer: RawPeer): Promise<void> {
  const { serverName = '' } = context.tlsOptions;
  let fault: string | undefined;
  const checkServerIdentity: NonNullable<ConnectionOptions['checkServerIdentity']> = (host, certificate) => {
    if (namesRelay(certificateNames(certificate.raw), serverName)) return undefined;
    const error = checkHost(host, certificate);
    if (error === undefined) fault = `the certificate names ${serverName} by a wildcard or its common name only`;
    return error;
  };
  try {
    const more = { checkServerIdentity, rejectUnauthorized: true };
    await peer.handshake({ serverName, authority: context.target.authority, more });
  } catch (error) {
    throw new Finding('a TLS handshake', causeText(error));
  }
  if (fault !== undefined) context.remark(`${fault}; relays of this project do not accept that`);
}

async function anew(context: Context, peer: RawPeer): Promise<RawMessage> {
  const greeting = await peer.greet();
  const first = greeting.frames[0];
  expect(first?.seqno === 0 && greeting.keyword === 'RPY', 'a new greeting RPY 0 0 . 0', `seqno ${first?.seqno}`);
  await askNone(context, peer);
  return greeting;
}

export const TLS_CHECKS: readonly Check[] = [
  {
    id: 'tls.proceed',
    title: 'proceeds to TLS and greets again under it',
    clause: 'RFC 3080 §3.1.3',
    why: 'otherwise passwords and messages are sent in the clear',
    needs: ['plain', 'tls'],
    async run(context) {
      const peer = await context.greeted();
      await ready(context, peer);
      await shake(context, peer);
      await anew(context, peer);
    },
  },
  {
    id: 'tls.ready-as-message',
    title: 'also accepts ready as a message on the channel',
    clause: 'RFC 3080 §3.1.1',
    why: 'initialization content may also be sent as a message',
    needs: ['plain', 'tls'],
    async run(context) {
      const peer = await context.greeted();
      const { number, reply } = await peer.start(document.TLS, undefined, context.target.serverName);
      profileOf(reply, 'a channel for TLS');
      peer.hush();
      const answer = await peer.ask(number, document.beepXml('<ready />'));
      expect(
        answer.keyword === 'RPY' && /<proceed\b/.test(`${answer.payload}`),
        'RPY with proceed',
        `${answer.payload}`,
      );
      await shake(context, peer);
      await anew(context, peer);
    },
  },
  {
    id: 'tls.silence',
    title: 'sends nothing between proceed and the handshake, not even SEQ',
    clause: 'RFC 3080 §3.1.3.2',
    why: 'the next octet belongs to TLS; anything else breaks the handshake',
    needs: ['plain', 'tls'],
    async run(context) {
      const peer = await context.greeted();
      peer.log.record();
      await ready(context, peer);
      await new Promise((resolve) => setTimeout(resolve, 50));
      const said = peer.log.take().toString('latin1');
      const behind = said.slice(said.indexOf('END\r\n') + 5);
      expect(behind === '', 'nothing after proceed', visible(Buffer.from(behind, 'latin1'), 120));
    },
  },
  {
    id: 'tls.reset',
    title: 'discards the channels and numbers of the cleartext session',
    clause: 'RFC 3080 §3.1.3',
    why: 'cleartext may have been changed in transit',
    needs: ['plain', 'tls'],
    async run(context) {
      const peer = await context.greeted();
      await askNone(context, peer);
      await peer.startTls(context.tlsOptions);
      const { number, reply } = await peer.start(NONE);
      expect(number === 1 && reply.msgno === 1, 'message 1 on channel 0 again', `${reply.keyword} ${reply.msgno}`);
    },
  },
  {
    id: 'tls.once',
    title: 'offers no TLS under TLS',
    clause: 'RFC 3080 §3.1',
    why: 'a session has only one transport security',
    needs: ['plain', 'tls'],
    async run(context) {
      const peer = await context.greeted();
      await ready(context, peer);
      await shake(context, peer);
      const greeting = await anew(context, peer);
      const offered = document.profilesIn(greeting.payload).includes(document.TLS);
      expect(!offered, 'a greeting without the TLS profile', 'a greeting with it');
    },
  },
  {
    id: 'tls.version',
    title: 'answers an invalid version with an error and continues in the clear',
    clause: 'RFC 3080 §3.1.2',
    why: 'nothing was agreed, so the session continues',
    needs: ['plain', 'tls'],
    async run(context) {
      const peer = await context.greeted();
      const { reply } = await peer.start(document.TLS, "<ready version='oh' />", context.target.serverName);
      refusedInside(context, reply, { should: [501] });
      await askNone(context, peer);
    },
  },
  {
    id: 'tls.certificate',
    title: 'presents a certificate from the CA that names the domain',
    clause: 'RFC 2246 §7.4.2; RFC 3080 §9',
    why: 'a man in the middle can have any other certificate',
    needs: ['plain', 'tls', 'authority'],
    async run(context) {
      const peer = await context.greeted();
      await ready(context, peer);
      await named(context, peer);
    },
  },
  {
    id: 'tls.behind-ready',
    title: 'does not treat octets after ready as protected',
    clause: 'RFC 3080 §3.1.3',
    why: 'a man in the middle could inject commands into a session that looks secure',
    needs: ['plain', 'tls'],
    fault: true,
    async run(context) {
      const peer = await context.greeted();
      const channel = peer.channel(0);
      const start = document.start({
        channel: 1,
        uri: document.TLS,
        content: '<ready />',
        serverName: context.target.serverName,
      });
      const injected = document.start({ channel: 3, uri: NONE });
      const octets = [start, injected].map((payload) => channel.build('MSG', channel.allocate(), payload));
      peer.log.record();
      peer.inject(Buffer.concat(octets));
      await peer.ended().catch(() => {});
      const said = peer.log.recorded.toString('latin1');
      // Whoever does not proceed, or answers before it does, is in the clear still and may answer.
      const proceeds = said.indexOf('<proceed');
      const behind = proceeds < 0 ? '' : said.slice(proceeds);
      expect(
        !/(?:^|\n)(?:RPY|ERR) 0 2 /.test(behind),
        'no answer to what came behind ready once TLS was agreed on',
        'one',
      );
      if (proceeds < 0) context.remark('there is no TLS where something comes behind ready');
      else if (peer.alive) context.remark('what came behind ready is passed over, and the handshake awaited');
    },
  },
  {
    id: 'tls.no-handshake',
    title: 'ends the connection when no handshake follows proceed',
    clause: 'RFC 3080 §3.1.3',
    why: 'an attacker wants BEEP in the clear on a session that should be secure',
    needs: ['plain', 'tls'],
    fault: true,
    async run(context) {
      const peer = await context.greeted();
      await ready(context, peer);
      peer.log.record();
      peer.inject(peer.channel(0).build('MSG', 2, document.start({ channel: 3, uri: NONE })));
      await peer.ended();
      const said = peer.log.take().toString('latin1');
      expect(!said.includes('END\r\n'), 'at most a TLS alert', visible(Buffer.from(said, 'latin1'), 120));
    },
  },
  {
    id: 'tls.poorly-formed',
    title: 'ends the session without a response on a poorly formed frame under TLS',
    clause: 'RFC 3080 §2.2.1.1, §3.1.3',
    why: 'TLS uses another connection object; a relay has been seen to crash here',
    needs: ['plain', 'tls'],
    fault: true,
    async run(context) {
      const peer = await context.secured();
      await silentEnd(peer, `REQ 0 1 . ${peer.channel(0).sendNext} 0\r\nEND\r\n`);
    },
  },
  {
    id: 'tls.octet-by-octet',
    title: 'performs a handshake that arrives one octet at a time',
    clause: 'RFC 3081 §2',
    why: 'TCP may split TLS records anywhere',
    needs: ['plain', 'tls'],
    patience: 3,
    run: async (context) => void (await askNone(context, await context.secured({ segment: 1 }))),
  },
  {
    id: 'tls.after-login',
    title: 'refuses TLS after authentication',
    clause: 'RFC 3080 §3.1',
    why: 'authentication in the clear must not look as if it was done under TLS',
    needs: ['plain', 'tls', 'digest', 'account'],
    async run(context) {
      const { clear } = context.facts;
      if (clear?.includes(document.DIGEST_MD5) !== true)
        throw new NotOffered('this listener allows no login without TLS');
      const peer = await context.loggedInClear();
      const { reply } = await peer.start(document.TLS, '<ready />');
      if (reply.keyword === 'ERR') refusedInside(context, reply, { should: [554, 550] });
      else {
        const { content } = profileOf(reply, 'an error');
        refusedContent(context, content, { should: [554, 550] }, 'an error in the profile');
      }
    },
  },
];
