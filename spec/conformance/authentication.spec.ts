/** Authentication at a node as peers meet it: names old and new, each mechanism under its conditions, and what it is good for. */
import { expect } from 'chai';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import type { Node } from '../../lib/node/node.js';
import { TestAuthority } from '../support/certificates.js';
import { Nodes, portOf } from '../support/nodes.js';
import { digestAnswer } from '../support/raw-digest.js';
import {
  attach,
  beepXml,
  bind,
  blob,
  blobIn,
  DIGEST_MD5,
  errorIn,
  IMXP,
  profilesIn,
} from '../support/raw-documents.js';
import { RawPeer } from '../support/raw-peer.js';
import { temporaryFile } from '../support/temporary-file.js';

const SASL = 'http://iana.org/beep/SASL';
const DRAFT = 'http://xml.resource.org/profiles';
const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const PASSWORD = 'yabba dabba doo';
const MECHANISMS = ['SCRAM-SHA-256-PLUS', 'SCRAM-SHA-256', 'DIGEST-MD5', 'EXTERNAL', 'PLAIN', 'ANONYMOUS'] as const;

describe('authentication at a node', function () {
  this.timeout(20_000);
  const authority = new TestAuthority();
  const nodes = new Nodes();
  let peers: RawPeer[] = [];

  async function node(more: Partial<NodeConfigInput> = {}): Promise<Node> {
    const { certificate, key } = authority.issue({ domains: ['example.com'] });
    const tls = {
      certificate: await temporaryFile(certificate),
      key: await temporaryFile(key),
      authority: await temporaryFile(authority.certificate),
    };
    return nodes.start({ tls, ...more }, { [FRED]: PASSWORD, [WILMA]: `not ${PASSWORD}` });
  }

  async function greeted(at: Node): Promise<{ peer: RawPeer; offered: string[] }> {
    const peer = await RawPeer.connect({ port: portOf(at) });
    peers.push(peer);
    return { peer, offered: profilesIn((await peer.greet()).payload) };
  }

  async function underTls(at: Node): Promise<{ peer: RawPeer; offered: string[] }> {
    const { peer } = await greeted(at);
    const greeting = await peer.startTls({ serverName: 'example.com', authority: Buffer.from(authority.certificate) });
    return { peer, offered: profilesIn(greeting.payload) };
  }

  /** The error that answers a start, wherever it stands. */
  async function refusal(peer: RawPeer, uri: string, content?: string): Promise<number | undefined> {
    const { reply, profile } = await peer.start(uri, content, 'example.com');
    return errorIn(profile?.content ?? reply.payload)?.code;
  }

  afterEach(async () => {
    for (const peer of peers) peer.destroy();
    peers = [];
    await nodes.stop();
  });

  describe('by the profile names of the drafts', () => {
    it('REQ-TLS-001 REQ-SASL-001 accepts them, answers with them, and does not offer them', async () => {
      const at = await node();
      const { peer, offered } = await greeted(at);
      expect(offered.filter((uri) => uri.startsWith(`${DRAFT}/TLS`) || uri.includes('/sasl/'))).to.deep.equal([]);
      const greeting = await peer.startTls({
        uri: `${DRAFT}/TLS`,
        serverName: 'example.com',
        authority: Buffer.from(authority.certificate),
      });
      expect(profilesIn(greeting.payload)).to.include(DIGEST_MD5).and.not.to.include(`${DRAFT}/sasl/DIGEST-MD5`);
      const { number, profile } = await peer.start(`${DRAFT}/sasl/DIGEST-MD5`, undefined, 'example.com');
      expect(profile?.uri).to.equal(`${DRAFT}/sasl/DIGEST-MD5`);
      await peer.answerChallenge(number, profile?.content ?? '', { username: 'fred', password: PASSWORD });
      await peer.close(number);
      await peer.imxp(attach(FRED, 1));
    });

    it('REQ-TLS-001 REQ-SASL-001 offers them where the configuration says so', async () => {
      const at = await node({ compatibility: { draftNames: true } });
      const { offered } = await greeted(at);
      expect(offered).to.include.members([
        'http://iana.org/beep/TLS',
        `${DRAFT}/TLS`,
        DIGEST_MD5,
        `${DRAFT}/sasl/DIGEST-MD5`,
      ]);
    });
  });

  describe('by mechanism', () => {
    it('REQ-SASL-008 offers and accepts PLAIN and SCRAM-SHA-256-PLUS under TLS only', async () => {
      const at = await node({ sasl: { mechanisms: [...MECHANISMS] } });
      const { peer, offered } = await greeted(at);
      expect(offered).to.include(`${SASL}/SCRAM-SHA-256`);
      for (const name of ['PLAIN', 'SCRAM-SHA-256-PLUS']) {
        expect(offered).to.not.include(`${SASL}/${name}`);
        expect(await refusal(peer, `${SASL}/${name}`, blob(`\0fred\0${PASSWORD}`))).to.equal(538);
      }
      const tls = await underTls(at);
      expect(tls.offered).to.include.members([`${SASL}/PLAIN`, `${SASL}/SCRAM-SHA-256-PLUS`]);
      const { profile } = await tls.peer.start(`${SASL}/PLAIN`, blob(`\0fred\0${PASSWORD}`), 'example.com');
      expect(profile?.content).to.match(/status='complete'/);
    });

    it('accepts ANONYMOUS only where configured, and lets an anonymous peer do nothing', async () => {
      const strict = await node();
      expect(await refusal((await greeted(strict)).peer, `${SASL}/ANONYMOUS`, blob('dino'))).to.equal(550);
      const { peer } = await greeted(await node({ sasl: { mechanisms: ['ANONYMOUS'] } }));
      const { number, profile } = await peer.start(`${SASL}/ANONYMOUS`, blob('dino'));
      expect(profile?.content).to.match(/status='complete'/);
      await peer.close(number);
      expect(await refusal(peer, IMXP, attach(FRED, 1))).to.equal(530);
      expect(await refusal(peer, IMXP, bind('example.com', 1))).to.equal(530);
      // REQ-SASL-005: nobody is somebody, too.
      expect(await refusal(peer, `${SASL}/ANONYMOUS`, blob('dino'))).to.equal(550);
    });

    it('REQ-SASL-033 offers the configured protection without TLS, and auth alone under TLS', async () => {
      const at = await node({ sasl: { mechanisms: ['DIGEST-MD5'], qops: ['auth', 'auth-int', 'auth-conf'] } });
      const challenge = async ({ peer }: { peer: RawPeer }): Promise<string> => {
        const { profile } = await peer.start(DIGEST_MD5, undefined, 'example.com');
        return blobIn(profile?.content ?? '')?.data ?? '';
      };
      expect(await challenge(await greeted(at))).to.match(/qop="auth,auth-int,auth-conf"/);
      expect(await challenge(await underTls(at))).to.match(/qop="auth"/);
    });
  });

  describe('in a later session', () => {
    it('REQ-SASL-028 takes one step in a later session, and answers a replay with a challenge', async () => {
      const at = await node();
      const first = (await greeted(at)).peer;
      const { number, profile } = await first.start(DIGEST_MD5, undefined, 'example.com');
      const login = { username: 'fred', password: PASSWORD, cnonce: 'c0Rr3ct', host: 'example.com' };
      await first.answerChallenge(number, profile?.content ?? '', login);
      const challenge = blobIn(profile?.content ?? '')?.data ?? '';
      const again = digestAnswer(challenge, { ...login, uri: 'beep/example.com', count: 2 });

      const second = (await greeted(at)).peer;
      const resumed = await second.start(DIGEST_MD5, blob(again.response), 'example.com');
      expect(blobIn(resumed.profile?.content ?? '')).to.deep.equal({ status: 'complete', data: again.rspauth });
      await second.close(resumed.number);
      await second.imxp(attach(FRED, 1));

      const thief = (await greeted(at)).peer;
      const replayed = await thief.start(DIGEST_MD5, blob(again.response), 'example.com');
      const answer = blobIn(replayed.profile?.content ?? '');
      expect(answer?.status).to.equal('continue');
      expect(answer?.data)
        .to.match(/nonce="/)
        .and.to.not.contain(/nonce="([^"]*)"/.exec(challenge)?.[1]);
    });
  });

  describe('as somebody else', () => {
    const as = async (at: Node, authzid: string) => {
      const { peer } = await greeted(at);
      const { number, profile } = await peer.start(DIGEST_MD5, undefined, 'example.com');
      const challenge = blobIn(profile?.content ?? '')?.data ?? '';
      const uri = 'beep/example.com';
      const { response } = digestAnswer(challenge, { username: 'fred', password: PASSWORD, authzid, uri });
      const answer = await peer.ask(number, beepXml(blob(response)));
      await peer.close(number);
      return { peer, answer };
    };

    it('REQ-SASL-026 acts as the identities that policy allows', async () => {
      const at = await node({ policy: { attach: { [FRED]: [WILMA] } } });
      const { peer, answer } = await as(at, WILMA);
      expect(blobIn(answer.payload)?.status).to.equal('complete');
      await peer.imxp(attach(WILMA, 1));
      expect(await refusal(peer, IMXP, attach(FRED, 2)), 'and nobody else').to.equal(537);
    });

    it('REQ-SASL-026 is refused where policy says nothing', async () => {
      const { peer, answer } = await as(await node(), WILMA);
      expect(errorIn(answer.payload)?.code).to.equal(537);
      expect(await refusal(peer, IMXP, attach(WILMA, 1))).to.equal(530);
    });
  });
});
