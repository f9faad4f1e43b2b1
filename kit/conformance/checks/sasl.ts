/**
 * Checks of authentication: DIGEST-MD5 and SCRAM-SHA-256 step by step, and everything that must be refused (RFC 3080
 * §4).
 */

import { grantedInside, profileOf, refused, refusedInside } from '../answers.js';
import type { Check } from '../check.js';
import { type Context, causeOf } from '../context.js';
import { expect, Finding } from '../finding.js';
import type { RawMessage } from '../peer/channel.js';
import { digestAnswer, directives } from '../peer/digest.js';
import * as document from '../peer/documents.js';
import type { RawPeer } from '../peer/peer.js';
import { RawScram } from '../peer/scram.js';
import { askNone } from './common.js';

export const SCRAM = 'http://iana.org/beep/SASL/SCRAM-SHA-256';
const CHALLENGE = 'a blob with a challenge in the profile';
const MOST_CHALLENGE_OCTETS = 2048;

interface Challenged {
  readonly peer: RawPeer;
  readonly number: number;
  readonly challenge: string;
}

/** A channel for DIGEST-MD5 and the challenge on it. */
async function challenged(context: Context, on?: RawPeer): Promise<Challenged> {
  const peer = on ?? (await context.loginSession(document.DIGEST_MD5));
  const { number, reply } = await peer.start(document.DIGEST_MD5, undefined, context.target.serverName);
  const { content } = profileOf(reply, CHALLENGE);
  let given = document.blobIn(content);
  // RFC 3080 §4.1: without a challenge in the profile the client begins, here with an empty blob.
  if (given === undefined) given = document.blobIn((await peer.ask(number, document.beepXml('<blob />'))).payload);
  if (given?.status !== 'continue' || given.data === '')
    throw new Finding(CHALLENGE, content.slice(0, 120) || 'nothing');
  return { peer, number, challenge: given.data };
}

/** Sends a message on a SASL channel; a relay may delay peers that guess passwords. */
const replyTo = ({ peer, number }: Challenged, blob: string): Promise<RawMessage> =>
  peer.ask(number, document.beepXml(blob), peer.deadlineMs * 3);

interface Attempt {
  readonly username?: string;
  readonly password?: string;
  readonly authzid?: string;
}

/** Answers a challenge. */
async function respond(
  context: Context,
  at: Challenged,
  attempt: Attempt = {},
): Promise<{ reply: RawMessage; rspauth: string; sent: string }> {
  const { address, password } = context.account();
  const username = context.facts.usernames.get(address) ?? address.slice(0, address.lastIndexOf('@'));
  const realm = directives(at.challenge)
    .get('realm')
    ?.find((one) => one === context.target.domain);
  const uri = `beep/${context.target.domain}`;
  const { response, rspauth } = digestAnswer(at.challenge, {
    ...{ username, password, uri },
    ...(realm === undefined ? {} : { realm }),
    ...attempt,
  });
  const reply = await replyTo(at, document.blob(response));
  return { reply, rspauth, sent: response };
}

/** Verifies the server's proof, in the completing blob or the one before it. */
async function proven(at: Challenged, reply: RawMessage, proof: string): Promise<void> {
  const expected = `a blob with ${proof.split('=')[0]}=… that proves the server`;
  if (reply.keyword !== 'RPY') throw new Finding('a blob that completes', causeOf(reply));
  const { status, data } = document.blobIn(reply.payload) ?? { status: 'none', data: '' };
  expect(data === proof, `${expected}: ${proof}`, data === '' ? `${status} without data` : data);
  if (status === 'complete') return;
  const last = await at.peer.ask(at.number, document.beepXml('<blob />'));
  const final = document.blobIn(last.payload);
  expect(last.keyword === 'RPY' && final?.status === 'complete', 'a blob that completes', causeOf(last));
}

/** Verifies that the refused peer cannot attach. */
async function locked(context: Context, peer: RawPeer): Promise<void> {
  const { reply } = await peer.start(context.words.profile, document.attach(context.account().address, 1));
  refusedInside(context, reply, { should: [530] });
}

const checkChallenge = (challenge: string): void => {
  const given = directives(challenge);
  expect(challenge.length < MOST_CHALLENGE_OCTETS, 'a challenge below 2048 octets', `${challenge.length} octets`);
  for (const name of ['nonce', 'algorithm']) {
    const count = given.get(name)?.length ?? 0;
    expect(count === 1, `one ${name}`, `${count} in ${challenge.slice(0, 120)}`);
  }
  expect(given.get('algorithm')?.[0] === 'md5-sess', 'algorithm=md5-sess', `${given.get('algorithm')?.[0]}`);
  expect((given.get('nonce')?.[0]?.length ?? 0) >= 8, 'a nonce that cannot be guessed', `${given.get('nonce')?.[0]}`);
};

export const SASL_CHECKS: readonly Check[] = [
  {
    id: 'sasl.challenge',
    title: 'sends a valid challenge below 2048 octets, with a new nonce each time',
    clause: 'RFC 2831 §2.1.1',
    why: 'otherwise a client must abort the exchange, and a repeated nonce can be replayed',
    needs: ['digest'],
    async run(context) {
      const [one, two] = [await challenged(context), await challenged(context)];
      for (const { challenge } of [one, two]) checkChallenge(challenge);
      const nonces = [one, two].map(({ challenge }) => directives(challenge).get('nonce')?.[0]);
      expect(nonces[0] !== nonces[1], 'another nonce', 'the same nonce twice');
    },
  },
  {
    id: 'sasl.digest-md5',
    title: 'authenticates the account by DIGEST-MD5 and proves that it knows the password',
    clause: 'RFC 3080 §4.1; RFC 2831 §2.1.2, §2.1.3',
    why: 'without rspauth a man in the middle could impersonate the relay',
    needs: ['digest', 'account'],
    async run(context) {
      const { address } = context.account();
      const local = address.slice(0, address.lastIndexOf('@'));
      for (const username of context.facts.usernames.has(address) ? [undefined] : [local, address]) {
        const at = await challenged(context);
        const { reply, rspauth } = await respond(context, at, username === undefined ? {} : { username });
        if (reply.keyword === 'ERR' && username === local) continue;
        await proven(at, reply, rspauth);
        return;
      }
    },
  },
  {
    id: 'sasl.scram',
    title: 'authenticates the account by SCRAM-SHA-256 and proves that it knows the password',
    clause: 'RFC 3080 §4.1; RFC 5802 §3; RFC 7677',
    why: 'the server signature authenticates the server',
    needs: ['scram', 'account'],
    async run(context) {
      const { address, password } = context.account();
      const names = [context.facts.usernames.get(address) ?? address.slice(0, address.lastIndexOf('@')), address];
      let last: RawMessage | undefined;
      for (const username of new Set(names)) {
        const peer = await context.loginSession(SCRAM);
        const scram = new RawScram(username, password);
        const { number, reply } = await peer.start(SCRAM, document.blob(scram.first), context.target.serverName);
        const given = document.blobIn(profileOf(reply, CHALLENGE).content);
        if (given === undefined) throw new Finding(CHALLENGE, causeOf(reply));
        const answer = await peer.ask(number, document.beepXml(document.blob(scram.answer(given.data))));
        last = answer;
        if (answer.keyword === 'ERR') continue;
        await proven({ peer, number, challenge: given.data }, answer, scram.proof);
        return;
      }
      throw new Finding('a blob that completes', last === undefined ? 'nothing' : causeOf(last));
    },
  },
  {
    id: 'sasl.wrong-password',
    title: 'refuses a wrong password and an unknown user in the same way, and allows another attempt',
    clause: 'RFC 3080 §4.1, §8; RFC 2831 §2.1.3',
    why: 'a difference reveals which accounts exist',
    needs: ['digest', 'account', 'imxp'],
    patience: 3,
    async run(context) {
      const said: string[] = [];
      for (const attempt of [{ password: 'kit: not the password' }, { username: 'kit-nobody' }]) {
        const at = await challenged(context);
        const { reply } = await respond(context, at, attempt);
        refused(context, reply, { should: [535] });
        said.push(`${reply.payload}`);
        await at.peer.close(at.number);
        await locked(context, at.peer);
        if (said.length > 1) continue;
        const again = await challenged(context, at.peer);
        const { reply: verdict, rspauth } = await respond(context, again);
        await proven(again, verdict, rspauth);
      }
      expect(said[0] === said[1], 'the same answer to both', `${said[0]} and ${said[1]}`.replaceAll(/\s+/g, ' '));
    },
  },
  {
    id: 'sasl.replay',
    title: 'refuses the response to another challenge',
    clause: 'RFC 2831 §2.1.2',
    why: 'a recorded response must be useless',
    needs: ['digest', 'account'],
    patience: 2,
    async run(context) {
      const first = await challenged(context);
      const { sent, reply } = await respond(context, first);
      expect(reply.keyword === 'RPY', 'one successful login', causeOf(reply));
      const second = await challenged(context);
      const replayed = await replyTo(second, document.blob(sent));
      // RFC 2831 §2.2: a new challenge is acceptable as well; success is not.
      if (replayed.keyword === 'ERR') refused(context, replayed, { should: [535] });
      else expect(document.blobIn(replayed.payload)?.status === 'continue', 'a refusal', 'a successful login');
    },
  },
  {
    id: 'sasl.authzid',
    title: 'does not let the account act as another user',
    clause: 'RFC 2831 §2.1.2; RFC 3080 §8',
    why: 'a password authenticates only its own identity',
    needs: ['digest', 'account'],
    async run(context) {
      const at = await challenged(context);
      const { reply } = await respond(context, at, { authzid: context.missingEndpoint });
      refused(context, reply, { should: [537, 535] });
    },
  },
  {
    id: 'sasl.bad-base64',
    title: 'refuses a blob that is not base64',
    clause: 'RFC 3080 §4.1, §8',
    why: 'content that cannot be decoded must not be guessed',
    needs: ['digest'],
    async run(context) {
      const reply = await replyTo(await challenged(context), '<blob>*** not base64 ***</blob>');
      refused(context, reply, { should: [501] });
    },
  },
  {
    id: 'sasl.not-well-formed',
    title: 'refuses a blob that is not well-formed',
    clause: 'RFC 3080 §4.1, §8',
    why: 'the error concerns the channel; the session continues',
    needs: ['digest'],
    async run(context) {
      const at = await challenged(context);
      refused(context, await replyTo(at, '<blob>'), { must: [500, 501] });
      await askNone(context, at.peer);
    },
  },
  {
    id: 'sasl.not-a-response',
    title: 'refuses an incomplete response',
    clause: 'RFC 2831 §2.1.2',
    why: 'missing values must not be taken as empty',
    needs: ['digest'],
    async run(context) {
      const reply = await replyTo(await challenged(context), document.blob('username="kit-nobody",,'));
      refused(context, reply, { should: [535, 501] });
    },
  },
  {
    id: 'sasl.abort',
    title: 'ends the exchange when the client aborts it and continues the session',
    clause: 'RFC 3080 §4.1',
    why: 'a client that aborts must not be left waiting',
    needs: ['digest'],
    async run(context) {
      const at = await challenged(context);
      refused(context, await replyTo(at, "<blob status='abort' />"), { should: [451] });
      await askNone(context, at.peer);
    },
  },
  {
    id: 'sasl.second',
    title: 'refuses a second authentication',
    clause: 'RFC 3080 §4.1',
    why: 'success applies to the session, in which the identity must not change',
    needs: ['digest', 'account'],
    async run(context) {
      const peer = await context.authenticated();
      const { reply } = await peer.start(document.DIGEST_MD5, document.blob('anything'));
      refusedInside(context, reply, { should: [550] });
    },
  },
  {
    id: 'sasl.one-at-a-time',
    title: 'allows only one tuning channel at a time',
    clause: 'RFC 3080 §2.3.1.2, §3',
    why: 'two tuning negotiations at once leave the session in an undefined state',
    needs: ['digest'],
    async run(context) {
      const { peer } = await challenged(context);
      const { reply } = await peer.start(document.DIGEST_MD5, undefined, context.target.serverName);
      if (reply.keyword === 'RPY') context.remark('a second tuning channel is created while one exists');
      else refused(context, reply, { should: [550] });
    },
  },
  {
    id: 'sasl.holds',
    title: 'applies the authentication to all channels, even after the SASL channel is closed',
    clause: 'RFC 3080 §4.1',
    why: 'success applies to all existing and future channels',
    needs: ['digest', 'account', 'imxp'],
    async run(context) {
      const peer = await context.authenticated();
      const { reply } = await peer.start(context.words.profile, document.attach(context.account().address, 71));
      if (document.errorIn(reply.payload)?.code === 554) return;
      grantedInside(reply);
      context.owns(peer);
    },
  },
];
