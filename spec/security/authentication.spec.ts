import { expect } from 'chai';
import type { SomeLimits } from '../support/limits.js';
import { BARNEY, FRED, NodeFixture, passwordOf, WILMA } from '../support/node-fixture.js';
import type { RawMessage } from '../support/raw-channel.js';
import { digestAnswer } from '../support/raw-digest.js';
import { beepXml, blob, blobIn, DIGEST_MD5, errorIn, profileIn, profilesIn, start } from '../support/raw-documents.js';
import type { RawPeer } from '../support/raw-peer.js';

/** Like `authenticate`, but without closing the channel: the session may have ended with the verdict. */
async function proven(peer: RawPeer, username: string, password: string): Promise<RawMessage> {
  const { number, reply, profile } = await peer.start(DIGEST_MD5, undefined, 'example.com');
  if (reply.keyword !== 'RPY') return reply;
  return await peer.answerChallenge(number, profile?.content ?? '', { username, password });
}

/** A login with some password from some address; the verdict, and how long it took. */
async function login(
  fixture: NodeFixture,
  username: string,
  password: string,
  from: string,
): Promise<{ readonly verdict: RawMessage; readonly ms: number }> {
  const peer = await fixture.greeted({ from });
  const begun = performance.now();
  const verdict = await proven(peer, username, password);
  const ms = performance.now() - begun;
  peer.destroy();
  return { verdict, ms };
}

describe('security: guessing passwords', () => {
  let fixture: NodeFixture;
  const build = async ({ authentication }: SomeLimits): Promise<void> => {
    fixture = await NodeFixture.build({
      limits: { authentication: { delayMs: 0, failuresPerAccount: 4, ...authentication } },
    });
  };
  afterEach(() => fixture.close());

  it('answers later with each failure', async () => {
    await build({ authentication: { delayMs: 40, failuresPerAccount: 0 } });
    const times: number[] = [];
    for (let i = 0; i < 4; i += 1) times.push((await login(fixture, 'fred', `guess ${i}`, '127.0.0.1')).ms);
    for (const [index, ms] of times.entries()) expect(ms, `${times}`).to.be.at.least(40 * 2 ** index - 2);
  });

  it('answers the right password like a wrong one for a network that guesses', async () => {
    await build({});
    const verdicts: string[] = [];
    for (let i = 0; i < 4; i += 1) {
      verdicts.push(`${(await login(fixture, 'fred', `guess ${i}`, '127.0.0.1')).verdict.payload}`);
    }
    const right = await login(fixture, 'fred', passwordOf(FRED), '127.0.0.9');
    expect(right.verdict.keyword).to.equal('ERR');
    expect(`${right.verdict.payload}`).to.equal(verdicts[0]);
    // The operator reads why.
    expect(fixture.refused.at(-1)?.reason).to.match(/is locked for a time after too many failures/);
    // The owner comes from elsewhere, and the others from there are not concerned.
    expect((await login(fixture, 'fred', passwordOf(FRED), '127.0.1.1')).verdict.keyword).to.equal('RPY');
    expect((await login(fixture, 'wilma', passwordOf(WILMA), '127.0.0.1')).verdict.keyword).to.equal('RPY');
  });

  it('counts names that do not exist in the same way', async () => {
    await build({});
    const said = new Set<string>();
    for (let i = 0; i < 6; i += 1) {
      said.add(`${(await login(fixture, 'nobody', `guess ${i}`, '127.0.0.1')).verdict.payload}`);
      said.add(`${(await login(fixture, 'barney', `guess ${i}`, '127.0.0.1')).verdict.payload}`);
    }
    expect(said.size).to.equal(1);
    expect(errorIn([...said][0] ?? '')?.code).to.equal(535);
  });

  it('refuses an address that tries many accounts with 421 instead of a greeting, for a while', async () => {
    // Failures fade within this time as well: a slow machine needs a part of it for its five.
    await build({ authentication: { failuresPerAddress: 5, banMs: 4000 } });
    for (let i = 0; i < 5; i += 1) await login(fixture, `user${i}`, 'password', '127.0.0.1');
    const peer = await fixture.connect({ from: '127.0.0.1' });
    const refusal = await peer.nextReply(0);
    expect([refusal.keyword, errorIn(refusal.payload)?.code]).to.deep.equal(['ERR', 421]);
    expect(errorIn(refusal.payload)?.text).to.match(/try again in \d+ minutes/);
    await peer.ended();
    expect((await login(fixture, 'fred', passwordOf(FRED), '127.0.0.2')).verdict.keyword).to.equal('RPY');
    await new Promise((resolve) => setTimeout(resolve, 4000));
    expect((await login(fixture, 'fred', passwordOf(FRED), '127.0.0.1')).verdict.keyword).to.equal('RPY');
  });

  it('applies a ban to sessions that were opened before it', async () => {
    await build({ authentication: { failuresPerAddress: 5 } });
    const reserve = await fixture.greeted({ from: '127.0.0.1' });
    for (let i = 0; i < 5; i += 1) await login(fixture, `user${i}`, 'password', '127.0.0.1');
    expect((await proven(reserve, 'fred', passwordOf(FRED))).keyword).to.equal('ERR');
    await reserve.ended();
  });

  it('allows three attempts on one session', async () => {
    await build({ authentication: { failuresPerAccount: 0 } });
    const peer = await fixture.greeted();
    for (let i = 0; i < 3; i += 1) await peer.authenticate({ username: 'fred', password: 'guess' }).catch(() => {});
    await peer.ended();
  });
});

describe('security: recorded logins', () => {
  let fixture: NodeFixture;
  afterEach(() => fixture.close());

  /** What an eavesdropper saw of a login: the challenge and the answer. */
  async function overhear(): Promise<string> {
    const peer = await fixture.greeted();
    const { number, profile } = await peer.start(DIGEST_MD5, undefined, 'example.com');
    const challenge = blobIn(profile?.content ?? '')?.data ?? '';
    const uri = 'beep/example.com';
    const { response } = digestAnswer(challenge, { username: 'fred', password: passwordOf(FRED), uri });
    expect((await peer.ask(number, beepXml(blob(response)))).keyword).to.equal('RPY');
    return response;
  }

  it('refuses a replayed response, with its nonce, as an answer and as an initial response', async () => {
    fixture = await NodeFixture.build({ limits: { authentication: { delayMs: 0 } } });
    const response = await overhear();
    const answering = await fixture.greeted();
    const { number } = await answering.start(DIGEST_MD5, undefined, 'example.com');
    const reply = await answering.ask(number, beepXml(blob(response)));
    expect([reply.keyword, errorIn(reply.payload)?.code]).to.deep.equal(['ERR', 535]);
    const initial = await fixture.greeted();
    const { profile } = await initial.start(DIGEST_MD5, blob(response), 'example.com');
    const answer = blobIn(profile?.content ?? '');
    expect(answer?.status).to.equal('continue');
    expect(answer?.data).to.match(/stale=true/);
    // The nonce with the next count, which needs the password to be computed.
    const forged = await fixture.greeted();
    const next = await forged.start(DIGEST_MD5, blob(response.replace('nc=00000001', 'nc=00000002')), 'example.com');
    expect(blobIn(next.profile?.content ?? '')?.status).to.equal('continue');
  });

  it('offers nothing but TLS before TLS with tls.require "always"', async () => {
    fixture = await NodeFixture.build({ tls: 'always' });
    const peer = await fixture.connect();
    expect(profilesIn((await peer.greet()).payload)).to.deep.equal(['http://iana.org/beep/TLS']);
    const { reply } = await peer.start(DIGEST_MD5, undefined, 'example.com');
    expect([reply.keyword, errorIn(reply.payload)?.code]).to.deep.equal(['ERR', 538]);
    const honest = await fixture.authenticated(BARNEY, { tls: true });
    expect(honest.alive).to.equal(true);
  });

  it('refuses a second mechanism while an exchange is under way', async () => {
    fixture = await NodeFixture.build({ config: { sasl: { mechanisms: ['DIGEST-MD5', 'SCRAM-SHA-256'] } } });
    const peer = await fixture.greeted();
    await peer.start(DIGEST_MD5, undefined, 'example.com');
    const reply = await peer.ask(0, start({ channel: 9, uri: 'http://iana.org/beep/SASL/SCRAM-SHA-256' }));
    expect([reply.keyword, profileIn(reply.payload)]).to.deep.equal(['ERR', undefined]);
  });
});
