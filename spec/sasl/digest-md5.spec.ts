import { expect } from 'chai';
import fc from 'fast-check';
import { LocalError, RemoteProtocolError } from '../../lib/errors.js';
import { DigestMd5Client, digestUri } from '../../lib/sasl/digest-md5/client.js';
import {
  formatChallenge,
  formatResponse,
  parseChallenge,
  parseResponse,
  type Response,
} from '../../lib/sasl/digest-md5/message.js';
import { DigestMd5Server } from '../../lib/sasl/digest-md5/server.js';
import type { ServerStep } from '../../lib/sasl/mechanism.js';
import type { ClientSettings, ServerSettings } from '../../lib/sasl/settings.js';
import { authenticated, login, People, rejection, settings, talk } from './people.js';

const NONCE = 'nonce="k7Jq2vXo0Zp9hT4w"';
const CHALLENGE = `realm="example.com",${NONCE},qop="auth",algorithm=md5-sess,charset=utf-8`;

const client = (more: Partial<ClientSettings> = {}, username = 'fred', password = 'yabba-42') =>
  new DigestMd5Client(login(username, password, more));
const challenged = async (text: string, more: Partial<ClientSettings> = {}) =>
  parseResponse(await client(more).step(Buffer.from(text, 'utf8')));
const refusesChallenge = async (text: string, more: Partial<ClientSettings> = {}) => {
  const error = await rejection(client(more).step(Buffer.from(text)));
  expect(error).to.be.instanceOf(RemoteProtocolError).with.property('code', 'SASL_INVALID');
};

describe('DIGEST-MD5', () => {
  const people = new People();
  before(async () => {
    await people.add('fred@example.com', 'yabba-42');
    await people.add('renée@example.com', 'pässword');
    await people.add('imxp=mesh@rubble.com', 'bedrock');
  });

  const server = (more: Partial<ServerSettings> = {}, privacy = false) =>
    new DigestMd5Server({ ...settings(people, more), privacy });

  /** A challenge, an answer to it by our client, changed by the spec, and what the server says. */
  async function answered(
    change: (response: Response) => object,
    more: Partial<ServerSettings> = {},
  ): Promise<ServerStep> {
    const listener = server(more);
    const challenge = await listener.step(undefined);
    if (challenge.type !== 'challenge') throw new Error('a challenge is expected');
    const response = parseResponse(await client().step(challenge.data));
    return listener.step(formatResponse({ ...response, ...change(response) }));
  }

  it('REQ-SASL-009 authenticates fred in the configured realm', async () => {
    const authentication = authenticated(await talk(client(), server()));
    expect(authentication).to.include({ username: 'fred', realm: 'example.com', account: 'fred@example.com' });
    expect(authentication).to.include({ mechanism: 'DIGEST-MD5', authzid: undefined, layer: undefined });
  });

  it('REQ-SASL-010 REQ-SASL-011 authenticates full names and relays', async () => {
    const full = authenticated(await talk(client({}, 'fred@example.com'), server()));
    expect(full).to.include({ username: 'fred@example.com', account: 'fred@example.com' });
    for (const name of ['imxp=mesh@rubble.com', 'rubble.com']) {
      const relay = authenticated(await talk(client({}, name, 'bedrock'), server()));
      expect(relay.account).to.equal('imxp=mesh@rubble.com');
    }
  });

  describe('challenge', () => {
    it('REQ-SASL-012 REQ-SASL-013 has another nonce of 64 bits or more each time', async () => {
      const nonces = new Set<string>();
      for (let i = 0; i < 50; i += 1) {
        const step = await server().step(undefined);
        if (step.type === 'challenge') nonces.add(parseChallenge(step.data).nonce);
      }
      expect(nonces.size).to.equal(50);
      for (const nonce of nonces) expect(Buffer.from(nonce, 'base64').length).to.be.at.least(8);
      const cnonces = [await challenged(CHALLENGE), await challenged(CHALLENGE)].map(({ cnonce }) => cnonce);
      expect(cnonces[0]).to.not.equal(cnonces[1]);
      expect(Buffer.from(cnonces[0] ?? '', 'base64').length).to.be.at.least(8);
    });

    it('REQ-SASL-014 must be shorter than 2048 octets, a response than 4096', async () => {
      await challenged(CHALLENGE.padEnd(2047, ' '));
      await refusesChallenge(CHALLENGE.padEnd(2048, ' '));
      const response = formatResponse(await challenged(CHALLENGE));
      const padded = (octets: number) => Buffer.concat([response, Buffer.alloc(octets - response.length, ' ')]);
      expect(parseResponse(padded(4095))).to.include({ username: 'fred' });
      expect(() => parseResponse(padded(4096))).to.throw(RemoteProtocolError, /4096/);
      const tooLong = await rejection(client({}, 'f'.repeat(4000)).step(Buffer.from(CHALLENGE)));
      expect(tooLong).to.be.instanceOf(LocalError);
    });

    it('D-SASL-07 REQ-SASL-015 has nonce and algorithm exactly once, or the client aborts', async () => {
      await refusesChallenge('realm="example.com",qop="auth",algorithm=md5-sess');
      await refusesChallenge(`${NONCE},${NONCE},algorithm=md5-sess`);
      await refusesChallenge(`${NONCE}`);
      await refusesChallenge(`${NONCE},algorithm=md5-sess,algorithm=md5-sess`);
      await refusesChallenge(`${NONCE},algorithm=md5`);
      for (const twice of ['qop="auth"', 'stale=true', 'maxbuf=4096', 'charset=utf-8']) {
        await refusesChallenge(`${NONCE},algorithm=md5-sess,${twice},${twice}`);
      }
      for (const maxbuf of ['31', '16777216', '-1', 'x']) await refusesChallenge(`${CHALLENGE},maxbuf=${maxbuf}`);
    });

    it('REQ-SASL-016 may name unknown values; the client aborts when nothing else is left', async () => {
      const more = `realm="example.com",${NONCE},qop="auth-future,auth",algorithm=md5-sess,novelty="x",opaque="y",domain=z`;
      expect(await challenged(more)).to.include({ qop: 'auth' });
      await refusesChallenge(`${NONCE},qop="auth-future",algorithm=md5-sess`);
      const qops = { qops: ['auth-conf'] as const };
      const conf = (cipher: string) => `${NONCE},qop="auth-conf",algorithm=md5-sess,cipher="${cipher}"`;
      expect(await challenged(conf('aes,3des'), qops)).to.include({ cipher: '3des', qop: 'auth-conf' });
      await refusesChallenge(conf('aes'), qops);
      expect(await challenged(`${NONCE},algorithm=md5-sess`), 'no qop means auth').to.include({ qop: 'auth' });
    });

    it('REQ-SASL-017 names ciphers exactly once with auth-conf; 3des and des work when switched on', async () => {
      const offer = { qops: ['auth', 'auth-int', 'auth-conf'], ciphers: ['3des', 'des'] } as const;
      const step = await server(offer).step(undefined);
      const text = step.type === 'challenge' ? step.data.toString() : '';
      expect(text.match(/cipher="3des,des"/g)).to.have.length(1);
      expect(await refusal(`${NONCE},qop="auth-conf",algorithm=md5-sess`)).to.match(/cipher is missing/);
      for (const cipher of offer.ciphers) {
        const outcome = await talk(client({ qops: ['auth-conf'], ciphers: [cipher] }), server(offer));
        expect(authenticated(outcome).layer?.qop).to.equal('auth-conf');
      }
      const bare = await server().step(undefined);
      expect(bare.type === 'challenge' && bare.data.toString()).to.not.include('cipher');
    });

    async function refusal(text: string): Promise<string> {
      return String(await rejection(client({ qops: ['auth', 'auth-conf'] }).step(Buffer.from(text))));
    }

    it('REQ-SASL-018 and response leave out what must not be sent, and ignore it when received', async () => {
      const step = await server({ qops: ['auth', 'auth-int', 'auth-conf'] }).step(undefined);
      expect(step.type === 'challenge' && step.data.toString()).to.not.match(/opaque|domain=/);
      const sent = (await client().step(Buffer.from(CHALLENGE))).toString();
      expect(sent).to.not.match(/opaque|algorithm/);
      const more = Buffer.from(`${sent},opaque="x",algorithm=md5-sess`);
      expect(parseResponse(more)).to.include({ username: 'fred' });
    });

    it('D-SASL-08 offers 40 and 56 bits only where configured', async () => {
      const step = await server({ qops: ['auth-conf'] }).step(undefined);
      const { ciphers } = parseChallenge(step.type === 'challenge' ? step.data : Buffer.alloc(0));
      expect(ciphers).to.deep.equal(['3des', 'rc4']);
      const weak = `${NONCE},qop="auth-conf",algorithm=md5-sess,cipher="des,rc4-40,rc4-56"`;
      await refusesChallenge(weak, { qops: ['auth-conf'] });
    });
  });

  describe('response', () => {
    const sample = async () => (await client().step(Buffer.from(CHALLENGE))).toString('latin1');

    it('D-SASL-02 REQ-SASL-019 has username, nonce, cnonce and response exactly once', async () => {
      const text = await sample();
      for (const name of ['username', 'nonce', 'cnonce', 'response', 'nc', 'digest-uri']) {
        const directive = new RegExp(`(^|,)${name}=("[^"]*"|[^,]*)`).exec(text)?.[2] ?? '';
        const without = text.replace(`${name}=${directive}`, 'x=y');
        expect(() => parseResponse(Buffer.from(without, 'latin1')), name).to.throw(RemoteProtocolError, /missing/);
        const twice = `${text},${name}=${directive}`;
        expect(() => parseResponse(Buffer.from(twice, 'latin1')), name).to.throw(RemoteProtocolError, /more than once/);
      }
      for (const twice of [
        'realm="a"',
        'qop=auth',
        'authzid="a",authzid="a"',
        'charset=utf-8',
        'maxbuf=99,maxbuf=99',
      ]) {
        expect(() => parseResponse(Buffer.from(`${text},${twice}`, 'latin1')), twice).to.throw(RemoteProtocolError);
      }
    });

    it('REQ-SASL-020 has a realm when one was offered, and one of those', async () => {
      expect(await answered(() => ({ realm: undefined }))).to.have.nested.property('reply.code', 535);
      expect(await answered(() => ({ realm: 'rubble.com' }))).to.have.nested.property('reply.code', 535);
      const two = `realm="rubble.com",realm="Example.com",${NONCE},algorithm=md5-sess`;
      expect((await challenged(two)).realm).to.equal('rubble.com');
      const full = new DigestMd5Client(login('fred@example.com', 'x'));
      expect(parseResponse(await full.step(Buffer.from(two))).realm).to.equal('Example.com');
      expect((await challenged(two, { service: 'example.com' })).realm).to.equal('Example.com');
      expect((await challenged(two, { realm: 'mine' })).realm).to.equal('mine');
      expect((await challenged(`${NONCE},algorithm=md5-sess`)).realm).to.equal(undefined);
    });

    it('works without any realm', async () => {
      const store = await new People().add('fred@example.com', 'yabba-42', []);
      const listener = new DigestMd5Server({ ...settings(store, { realms: [] }), privacy: false });
      expect(authenticated(await talk(client({}, 'fred@example.com'), listener)).realm).to.equal(undefined);
    });

    it('REQ-SASL-021 counts eight hexadecimal digits from 00000001', async () => {
      expect((await challenged(CHALLENGE)).nc).to.equal('00000001');
      expect(await answered(() => ({ nc: '00000002' }))).to.include({ type: 'failure' });
      const text = await sample();
      for (const nc of ['1', '0000001g', '000000001']) {
        const changed = Buffer.from(text.replace('nc=00000001', `nc=${nc}`));
        expect(() => parseResponse(changed)).to.throw(RemoteProtocolError, /eight hexadecimal/);
      }
    });

    it('REQ-SASL-022 names a service of this node', async () => {
      const accepts = async (host: string, service?: string) => {
        const options = { host, ...(service !== undefined && { service }) };
        const outcome = await talk(client(options), server({ hosts: ['relay.example.com'] }));
        return outcome.type === 'success';
      };
      expect(await accepts('relay.example.com')).to.equal(true);
      expect(await accepts('RELAY.example.com')).to.equal(true);
      expect(await accepts('example.com')).to.equal(true);
      expect(await accepts('relay.example.com', 'example.com')).to.equal(true);
      expect(await accepts('relay.rubble.com')).to.equal(false);
      expect(await accepts('192.0.2.1')).to.equal(false);
      expect(await accepts('relay.example.com', 'rubble.com')).to.equal(false);
      const imap = await answered(() => ({ digestUri: 'imap/relay.example.com' }));
      expect(imap).to.have.nested.property('reply.text').that.includes('digest-uri');
    });

    it('REQ-SASL-023 names the service only when it is not the host', () => {
      expect(digestUri('relay.example.com', undefined)).to.equal('beep/relay.example.com');
      expect(digestUri('example.com', 'Example.com')).to.equal('beep/example.com');
      expect(digestUri('relay.example.com', 'example.com')).to.equal('beep/relay.example.com/example.com');
    });

    it('REQ-SASL-024 is in lower-case hexadecimal, and case matters in qop and digest-uri', async () => {
      const text = await sample();
      expect(text).to.match(/response=[0-9a-f]{32}(,|$)/);
      const upper = text.replace(/response=([0-9a-f]+)/, (_, hex: string) =>
        `response=${hex.toUpperCase()}0`.slice(0, 41),
      );
      expect(() => parseResponse(Buffer.from(upper))).to.throw(RemoteProtocolError, /lower-case/);
      expect(await answered(() => ({ digestUri: 'beep/Relay.example.com' }))).to.include({ type: 'failure' });
      expect(await answered(() => ({ qop: 'AUTH' }))).to.include({ type: 'failure' });
    });

    it('D-SASL-03 REQ-SASL-025 hashes ISO 8859-1 where names fit, and accepts the other variants met', async () => {
      for (const name of ['renée', 'renée@example.com']) {
        const outcome = await talk(client({}, name, 'pässword'), server());
        expect(authenticated(outcome).account).to.equal('renée@example.com');
      }
      expect(people.verifiers.get('renée@example.com')?.digestMd5[0]?.hashes).to.have.length(3);
    });

    it('uses ISO 8859-1 without charset, and says so when a name does not fit', async () => {
      const plain = CHALLENGE.replace(',charset=utf-8', '');
      const renee = new DigestMd5Client(login('renée', 'pässword'));
      expect((await renee.step(Buffer.from(plain))).includes(Buffer.from('ren\xe9e', 'latin1'))).to.equal(true);
      const wilma = new DigestMd5Client(login('wilmą', 'x'));
      expect(await rejection(wilma.step(Buffer.from(plain)))).to.be.instanceOf(LocalError);
    });

    it('accepts UTF-8 without charset, as Cyrus SASL sends it', async () => {
      const listener = new DigestMd5Server({ ...settings(people), privacy: false, nonce: 'k7Jq2vXo0Zp9hT4w' });
      await listener.step(undefined);
      const renee = new DigestMd5Client(login('renée', 'pässword'));
      const response = parseResponse(await renee.step(Buffer.from(CHALLENGE)));
      const step = await listener.step(formatResponse({ ...response, utf8: false }));
      expect(authenticated(step).account).to.equal('renée@example.com');
    });

    it('refuses names that are not UTF-8', async () => {
      const error = await rejection(answered(() => ({ username: 'ren\xe9e' })));
      expect(error).to.be.instanceOf(RemoteProtocolError).with.nested.property('reply.code', 535);
    });

    it('REQ-SASL-026 covers an authzid, which policy must permit', async () => {
      const same = authenticated(await talk(client({ authzid: 'fred@EXAMPLE.com' }), server()));
      expect(same.authzid).to.equal('fred@EXAMPLE.com');
      const other = client({ authzid: 'wilma@example.com' });
      expect(await talk(other, server())).to.have.nested.property('reply.code', 537);
      const asked: string[] = [];
      const authorize = (account: string, authzid: string) => asked.push(account, authzid) > 0;
      const policy = server({ authorize });
      expect(authenticated(await talk(client({ authzid: 'wilma@example.com' }), policy)).authzid).to.equal(
        'wilma@example.com',
      );
      expect(asked).to.deep.equal(['fred@example.com', 'wilma@example.com']);
      expect(await answered(() => ({ authzid: 'fred@example.com' })), 'added on the way').to.have.nested.property(
        'reply.code',
        535,
      );
    });

    it('belongs to its challenge', async () => {
      expect(await answered(() => ({ nonce: 'k7Jq2vXo0Zp9hT4w' }))).to.have.nested.property('reply.code', 535);
    });

    it('never authenticates when changed in transit', async () => {
      const listener = () => new DigestMd5Server({ ...settings(people), privacy: false, nonce: 'k7Jq2vXo0Zp9hT4w' });
      const octets = await client().step(Buffer.from(CHALLENGE));
      const original = parseResponse(octets);
      await fc.assert(
        fc.asyncProperty(fc.nat(octets.length - 1), fc.integer({ min: 1, max: 255 }), async (at, change) => {
          const changed = Buffer.from(octets);
          changed[at] = (changed[at] ?? 0) ^ change;
          const outcome = await attempt(listener(), changed);
          // A change of white space or of the case of a directive's name changes nothing.
          if (outcome?.type !== 'success') return;
          const { maxbuf: _, utf8: __, ...rest } = parseResponse(changed);
          expect(original).to.deep.include(rest);
        }),
        { numRuns: 400 },
      );
    });

    async function attempt(listener: DigestMd5Server, octets: Buffer): Promise<ServerStep | undefined> {
      await listener.step(undefined);
      try {
        return await listener.step(octets);
      } catch (error) {
        expect(error).to.be.instanceOf(RemoteProtocolError);
        return undefined;
      }
    }
  });

  describe('proof of the server', () => {
    it('REQ-SASL-027 is sent on success and must be right', async () => {
      const listener = server();
      const fred = client();
      const challenge = await listener.step(undefined);
      if (challenge.type !== 'challenge') throw new Error('a challenge is expected');
      const success = await listener.step(await fred.step(challenge.data));
      expect(success.type === 'success' && success.data?.toString()).to.match(/^rspauth=[0-9a-f]{32}$/);
      for (const wrong of [`rspauth=${'0'.repeat(32)}`, 'rspauth=""', 'rspauth=1,x=y']) {
        const error = await rejection(fred.step(Buffer.from(wrong)));
        expect(error).to.be.instanceOf(RemoteProtocolError).with.property('code', 'SASL_SERVER_UNPROVEN');
        expect(fred.complete).to.equal(false);
      }
    });

    it('cannot be replaced by a second challenge', async () => {
      const fred = client();
      await fred.step(Buffer.from(CHALLENGE));
      expect(await rejection(fred.step(Buffer.from(CHALLENGE)))).to.have.property('code', 'SASL_INVALID');
    });
  });

  describe('quality of protection', () => {
    const all = 'realm="example.com",nonce="x",algorithm=md5-sess,cipher="rc4,3des",qop="auth,auth-int,auth-conf"';

    it('REQ-SASL-033 is the strongest acceptable, never less than demanded', async () => {
      expect(await challenged(all, { qops: ['auth', 'auth-conf', 'auth-int'] })).to.include({
        qop: 'auth-conf',
        cipher: '3des',
      });
      expect(await challenged(all, { qops: ['auth', 'auth-int'] })).to.include({ qop: 'auth-int', cipher: undefined });
      expect(await challenged(all)).to.include({ qop: 'auth' });
      await refusesChallenge(CHALLENGE, { qops: ['auth-int', 'auth-conf'] });
      expect(await challenged(all, { qops: ['auth-conf', 'auth'], ciphers: ['des'] })).to.include({ qop: 'auth' });
    });

    it('REQ-TLS-008 is auth only under TLS, on both sides', async () => {
      const step = await server({ qops: ['auth', 'auth-int', 'auth-conf'] }, true).step(undefined);
      expect(step.type === 'challenge' && parseChallenge(step.data).qops).to.deep.equal(['auth']);
      expect(await challenged(all, { qops: ['auth', 'auth-conf'], privacy: true })).to.include({ qop: 'auth' });
    });

    it('fails when the client chooses what was not offered', async () => {
      expect(await answered(() => ({ qop: 'auth-int' })))
        .to.have.nested.property('reply.text')
        .that.includes('qop');
      const conf = await answered(() => ({ qop: 'auth-conf' }), { qops: ['auth', 'auth-conf'] });
      expect(conf).to.have.nested.property('reply.text').that.includes('cipher');
    });
  });

  it('D-SASL-04 answers an unknown user and a wrong password alike', async () => {
    const unknown = await talk(client({}, 'barney'), server());
    const wrong = await talk(client({}, 'fred', 'dabba-doo'), server());
    if (unknown.type !== 'failure' || wrong.type !== 'failure') throw new Error('failures expected');
    expect(unknown.reply).to.deep.equal(wrong.reply);
    expect(unknown.reply.code).to.equal(535);
    expect(unknown.reason).to.not.equal(wrong.reason);
  });

  it('reads the challenges that it writes', () => {
    const challenge = {
      realms: ['example.com', 'né"e'],
      nonce: 'x',
      qops: ['auth', 'auth-conf'],
      stale: true,
      maxbuf: 4096,
      utf8: true,
      ciphers: ['3des'],
    } as const;
    expect(parseChallenge(formatChallenge(challenge))).to.deep.equal(challenge);
  });
});
