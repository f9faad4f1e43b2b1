import { expect } from 'chai';
import fc from 'fast-check';
import { LocalError, RemoteProtocolError } from '../../lib/errors.js';
import type { ServerMechanism, ServerStep } from '../../lib/sasl/mechanism.js';
import { ScramClient } from '../../lib/sasl/scram/client.js';
import {
  parseClientFinal,
  parseClientFirst,
  parseServerFinal,
  parseServerFirst,
} from '../../lib/sasl/scram/message.js';
import { prepared } from '../../lib/sasl/scram/saslprep.js';
import { ScramServer } from '../../lib/sasl/scram/server.js';
import type { ClientSettings, ServerSettings } from '../../lib/sasl/settings.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { authenticated, login, People, rejection, settings, talk } from './people.js';

const BINDINGS = new Map([
  ['tls-exporter', Buffer.alloc(32, 1)],
  ['tls-server-end-point', Buffer.alloc(32, 2)],
]);
const code = (step: ServerStep) => (step.type === 'failure' ? step.reply.code : step.type);
const utf8 = (text: string) => Buffer.from(text, 'utf8');

describe('SCRAM-SHA-256', () => {
  const people = new People();
  before(async () => {
    await people.add('fred@example.com', 'yabba-42');
    await people.add('w=ilma,x@example.com', 'pébbles');
  });

  const client = (
    more: Partial<ClientSettings> & { plus?: boolean; plusOffered?: boolean } = {},
    name = 'fred@example.com',
    password = 'yabba-42',
  ) => new ScramClient({ plus: false, ...login(name, password, more) });
  const server = (
    more: Partial<ServerSettings> & {
      plus?: boolean;
      plusOffered?: boolean;
      channelBindings?: ReadonlyMap<string, Buffer>;
      nonce?: string;
    } = {},
  ) => new ScramServer({ plus: false, plusOffered: false, privacy: false, ...settings(people), ...more });

  it('reproduces the example of RFC 7677', async () => {
    const salt = Buffer.from('W22ZaJ0SNY7soEsUEjb6gQ==', 'base64');
    const verifier = await makeVerifier('user@example.com', 'pencil', { realms: [], salt, scramIterations: 4096 });
    const credentials = { lookup: async () => verifier };
    const nonce = 'rOprNGfwEbeRWgbNEkqO';
    const user = new ScramClient({ plus: false, ...login('user', 'pencil'), nonce });
    const listener = server({ credentials, nonce: '%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0' });
    const first = await user.initial();
    expect(first.toString()).to.equal('n,,n=user,r=rOprNGfwEbeRWgbNEkqO');
    const challenge = await listener.step(first);
    if (challenge.type !== 'challenge') throw new Error('a challenge is expected');
    expect(challenge.data.toString()).to.equal(
      'r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096',
    );
    const final = await user.step(challenge.data);
    expect(final.toString()).to.equal(
      'c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=',
    );
    const success = await listener.step(final);
    expect(success.type === 'success' && success.data?.toString()).to.equal(
      'v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4=',
    );
    await user.step((success.type === 'success' && success.data) || Buffer.alloc(0));
    expect(user.complete).to.equal(true);
  });

  it('authenticates by address, by local part and with names that need escapes', async () => {
    for (const name of ['fred@example.com', 'fred']) {
      expect(authenticated(await talk(client({}, name), server()))).to.include({
        account: 'fred@example.com',
        username: name,
      });
    }
    const odd = authenticated(await talk(client({}, 'w=ilma,x', 'pe\u0301bbles'), server()));
    expect(odd.account).to.equal('w=ilma,x@example.com');
  });

  it('answers an unknown user, with the same salt each time, like a wrong password', async () => {
    const [unknown, wrong] = [
      await talk(client({}, 'barney'), server()),
      await talk(client({}, 'fred', 'x'), server()),
    ];
    if (unknown.type !== 'failure' || wrong.type !== 'failure') throw new Error('failures expected');
    expect(unknown.reply).to.deep.equal(wrong.reply);
    const salts = new Set<string>();
    for (const name of ['barney', 'barney', 'betty', 'fred']) {
      const step = await server().step(utf8(`n,,n=${name},r=abc`));
      const first = parseServerFirst(step.type === 'challenge' ? step.data : Buffer.alloc(0));
      expect(first.iterations).to.equal(4096);
      expect(first.salt).to.have.length(16);
      salts.add(first.salt.toString('hex'));
    }
    expect(salts.size).to.equal(3);
  });

  it('carries an authzid, which policy must permit', async () => {
    expect(authenticated(await talk(client({ authzid: 'fred@example.com' }), server())).authzid).to.equal(
      'fred@example.com',
    );
    expect(code(await talk(client({ authzid: 'wilma@example.com' }), server()))).to.equal(537);
  });

  it('binds to the channel', async () => {
    const bound = { plus: true, plusOffered: true, privacy: true, channelBindings: BINDINGS };
    expect(authenticated(await talk(client(bound), server(bound))).mechanism).to.equal('SCRAM-SHA-256-PLUS');
    const other = { ...bound, channelBindings: new Map([['tls-exporter', Buffer.alloc(32, 9)]]) };
    expect(code(await talk(client(other), server(bound)))).to.equal(535);
    const unknown = { ...bound, channelBindings: new Map([['tls-unique', Buffer.alloc(12)]]) };
    expect(code(await talk(client(unknown), server(bound)))).to.equal(535);
    expect(code(await server(bound).step(utf8('n,,n=fred,r=abc')))).to.equal(535);
    expect(code(await server().step(utf8('p=tls-exporter,,n=fred,r=abc')))).to.equal(535);
    expect(() => client({ plus: true })).to.throw(LocalError);
  });

  it('detects that the offer of channel binding was removed in transit', async () => {
    const could = client({ channelBindings: BINDINGS, privacy: true, plusOffered: false });
    expect((await could.initial()).toString()).to.match(/^y,,/);
    expect(code(await talk(could, server({ plusOffered: true, channelBindings: BINDINGS })))).to.equal(535);
    const honest = client({ channelBindings: BINDINGS, privacy: true, plusOffered: false });
    authenticated(await talk(honest, server()));
  });

  it('accepts only a server that proves itself', async () => {
    const fake = async (final: string) => {
      const fred = client();
      const listener = server();
      const challenge = await listener.step(await fred.initial());
      await fred.step(challenge.type === 'challenge' ? challenge.data : Buffer.alloc(0));
      return [await rejection(fred.step(utf8(final))), fred.complete];
    };
    for (const final of ['v=AAAA', `v=${Buffer.alloc(32).toString('base64')}`, 'e=other-error', '']) {
      const [error, complete] = await fake(final);
      expect(error).to.be.instanceOf(RemoteProtocolError).with.property('code', 'SASL_SERVER_UNPROVEN');
      expect(complete).to.equal(false);
    }
  });

  it('refuses few or endless iterations, and a foreign nonce', async () => {
    const answer = async (text: (nonce: string) => string) => {
      const fred = client();
      const nonce = parseClientFirst(await fred.initial()).nonce;
      return rejection(fred.step(utf8(text(nonce))));
    };
    for (const i of [1, 4095, 2_000_001]) {
      expect(await answer((nonce) => `r=${nonce}x,s=AAAA,i=${i}`))
        .to.have.property('message')
        .that.includes('iterations');
    }
    expect(await answer((nonce) => `r=x${nonce},s=AAAA,i=4096`)).to.have.property('code', 'SASL_INVALID');
    expect(await answer((nonce) => `r=${nonce},s=AAAA,i=4096`)).to.have.property('code', 'SASL_INVALID');
  });

  it('asks with an empty challenge when there is no initial response', async () => {
    const step = await server().step(Buffer.alloc(0));
    expect(step.type === 'challenge' && step.data).to.have.length(0);
  });

  it('never authenticates when changed in transit', async () => {
    const flip = (octets: Buffer, at: number, bit: number) => {
      const changed = Buffer.from(octets);
      changed[at % changed.length] = (changed[at % changed.length] ?? 0) ^ (1 << bit);
      return changed;
    };
    const attempt = async (listener: ServerMechanism, octets: Buffer) => {
      try {
        return await listener.step(octets);
      } catch (error) {
        expect(error).to.be.instanceOf(RemoteProtocolError);
        return undefined;
      }
    };
    await fc.assert(
      fc.asyncProperty(fc.nat(200), fc.nat(7), fc.boolean(), async (at, bit, inFirst) => {
        const [fred, listener] = [client(), server()];
        const first = await fred.initial();
        const challenge = await attempt(listener, inFirst ? flip(first, at, bit) : first);
        if (challenge?.type !== 'challenge') return;
        const step = await fred.step(challenge.data).catch(() => undefined);
        if (step === undefined) return;
        const outcome = await attempt(listener, inFirst ? step : flip(step, at, bit));
        expect(outcome?.type).to.not.equal('success');
      }),
      { numRuns: 60 },
    );
  });

  it('throws only RemoteProtocolError, whatever the octets', () => {
    const octets = fc.oneof(
      fc.uint8Array({ maxLength: 100 }).map((a) => Buffer.from(a)),
      fc
        .array(fc.constantFrom('n,,', 'n=', 'r=', 'a', ',', 'p=', 'c=biws', 's=AAAA', 'i=4096', 'v=', 'm=', '=2C', 'é'))
        .map((words) => utf8(words.join(''))),
    );
    fc.assert(
      fc.property(octets, (input) => {
        for (const reader of [parseClientFirst, parseClientFinal, parseServerFirst, parseServerFinal]) {
          try {
            reader(input);
          } catch (error) {
            expect(error).to.be.instanceOf(RemoteProtocolError);
          }
        }
      }),
    );
  });

  for (const text of [
    'n,,n=fred',
    'n,,m=x,n=fred,r=a',
    'n,,n=f=red,r=a',
    'x,,n=fred,r=a',
    'n,,n=fred,r=a b',
    'n,b=x,n=fred,r=a',
    `n,,n=${'f'.repeat(5000)},r=a`,
  ]) {
    it(`refuses ${text.slice(0, 40)}`, () => expect(() => parseClientFirst(utf8(text))).to.throw(RemoteProtocolError));
  }
});

describe('SASLprep', () => {
  // RFC 4013 §3.
  const table: readonly [string, string | undefined][] = [
    ['I\u00adX', 'IX'],
    ['user', 'user'],
    ['USER', 'USER'],
    ['\u00aa', 'a'],
    ['\u2168', 'IX'],
    ['\u0007', undefined],
    ['a\u00a0b', 'a b'],
    ['a\0b', undefined],
    ['\ue000', undefined],
    ['\ud800', undefined],
    ['\ufffe', undefined],
    ['e\u0301', 'é'],
  ];
  for (const [text, expected] of table) {
    it(`makes ${JSON.stringify(expected)} of ${JSON.stringify(text)}`, () => expect(prepared(text)).to.equal(expected));
  }
});
