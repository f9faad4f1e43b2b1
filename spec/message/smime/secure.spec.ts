import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { instantMessage } from '../../../lib/message/instant-message.js';
import { readMessage } from '../../../lib/message/read.js';
import type { MadeEntity } from '../../../lib/message/smime/entity.js';
import { type Sealing, Secure, type SecureOptions } from '../../../lib/message/smime/secure.js';
import { SIGNATURE_FAULTS } from '../../../lib/message/smime/signature-fault.js';
import { madeContent } from '../../../lib/message/write.js';
import { issueBy, TestAuthority, type TestCertificate } from '../../support/certificates.js';
import { PROJECT } from '../../support/requirement-table.js';
import {
  arrived,
  authority,
  BARNEY,
  barney,
  cpim,
  FRED,
  forged,
  fred,
  person,
  secureOf,
  text,
  WILMA,
  wilma,
} from './people.js';

const to = [BARNEY];
const authorityOfNobody = new TestAuthority('Nobody else');
const DAY_MS = 86_400_000;

describe('S/MIME', () => {
  it('has every reason explained in docs/internals/conformance.md', () => {
    const text = readFileSync(`${PROJECT}docs/internals/conformance.md`, 'utf8');
    for (const [reason, meaning] of Object.entries(SIGNATURE_FAULTS)) {
      expect(text).to.include(`| \`${reason}\` | ${meaning} |`);
    }
  });

  const fredsSide = secureOf(fred);
  const barneysSide = secureOf(barney);
  const sealed = (entity = text('Bowling\ntonight?'), how: Partial<Sealing> = { sign: true }) =>
    fredsSide.seal(entity, { from: FRED, to, ...how });

  const message = (form: 'nested' | 'part') => {
    const made = madeContent(
      instantMessage({ from: `im:${FRED}`, subject: 'Bowling', text: 'Yabba' }),
      form,
      'example.com',
    );
    if (!('type' in made)) throw new Error('not an entity');
    return made;
  };

  const contents = [
    ['a text', text('Yabba\ndabba')],
    ['message/cpim', cpim(FRED, 'Yabba')],
    ['a nested instant message', message('nested')],
    ['an instant message in one part', message('part')],
    ['octets', { type: 'image/png', body: Buffer.from([0, 10, 13, 255]) }],
  ] as const;

  for (const [name, content] of contents) {
    it(`REQ-CPIM-014 signs, encrypts, and does both, of ${name}`, () => {
      const expected = content.type.startsWith('text/') ? 'Yabba\r\ndabba' : content.body.toString('latin1');
      for (const how of [{ sign: true }, { encrypt: true }, { sign: true, encrypt: true }]) {
        const { entity, signed, encrypted } = barneysSide.open(arrived(sealed(content, how)), FRED);
        expect(entity.headers.get('Content-Type')).to.equal(content.type);
        expect(entity.body.toString('latin1')).to.equal(expected);
        expect([signed?.valid, signed?.by, signed?.reason], JSON.stringify(how)).to.deep.equal(
          'sign' in how ? [true, FRED, undefined] : [undefined, undefined, undefined],
        );
        expect(encrypted).to.equal('encrypt' in how);
      }
    });
  }

  it('leaves content unchanged that is neither signed nor encrypted', () => {
    const entity = arrived(text('Yabba'));
    expect(barneysSide.open(entity, FRED)).to.deep.equal({ entity, signed: undefined, encrypted: false });
  });

  it('makes a detached signature, so that the content can be read without S/MIME', () => {
    const { type, body } = sealed(cpim(FRED, 'Yabba dabba'));
    expect(type).to.match(/^multipart\/signed; protocol="application\/pkcs7-signature"; micalg=sha-256; boundary=/);
    expect(body.toString()).to.include('\r\n\r\nYabba dabba\r\n--');
  });

  it('makes an opaque signature of content whose line ends would not survive', () => {
    const { type } = sealed(cpim(FRED, 'a line feed\nalone'));
    expect(type).to.include('application/pkcs7-mime; smime-type=signed-data');
  });

  it('encrypts for several people and for oneself', () => {
    const entity = arrived(sealed(text('Dinner'), { encrypt: true, to: [BARNEY, WILMA] }));
    for (const side of [barneysSide, secureOf(wilma), fredsSide]) {
      expect(side.open(entity, FRED).entity.body.toString()).to.equal('Dinner');
    }
    const other = secureOf(person('betty@rubble.com'));
    expect(() => other.open(entity, FRED))
      .to.throw('for others')
      .with.property('code', 'SMIME_UNREADABLE');
    expect(() => new Secure().open(entity, FRED)).to.throw('this endpoint has no key');
  });

  it('removes three layers: signed, encrypted, signed again', () => {
    const inner = sealed(text('Yabba'), { sign: true, encrypt: true });
    const { signed, encrypted, entity } = barneysSide.open(arrived(sealed(inner)), FRED);
    expect([signed?.valid, encrypted, entity.body.toString()]).to.deep.equal([true, true, 'Yabba']);
  });

  it('finds people by a function, by any of their certificates, and by the newest of several', () => {
    const asked: string[] = [];
    const find = (address: string): string | undefined => {
      asked.push(address);
      return address === BARNEY ? barney.certificate : undefined;
    };
    const seal = { encrypt: true, from: FRED, to };
    const entity = arrived(secureOf(fred, { people: find }).seal(text('x'), seal));
    expect(barneysSide.open(entity, FRED).encrypted).to.equal(true);
    expect(asked).to.deep.equal([BARNEY]);
    const older = person(BARNEY, { notBefore: new Date(Date.now() - 30 * DAY_MS) });
    const both = secureOf(fred, { people: [barney.certificate, older.certificate] });
    expect(barneysSide.open(arrived(both.seal(text('x'), seal)), FRED).encrypted).to.equal(true);
  });

  describe('refuses to make', () => {
    const failure = (side: Secure, how: Partial<Sealing>) => () => side.seal(text('x'), { from: FRED, to, ...how });
    const wrong = (side: Secure, how: Partial<Sealing>, words: string): void => {
      expect(failure(side, how)).to.throw(words).with.property('code', 'ARGUMENT');
    };

    it('a signature without a key, in the name of another, or by a certificate that is not for it', () => {
      wrong(new Secure(), { sign: true }, 'signing needs a certificate and its key');
      wrong(fredsSide, { sign: true, from: WILMA }, `the certificate of ${WILMA} names ${FRED}`);
      wrong(secureOf(person(FRED, { usages: ['client'] })), { sign: true }, 'is not for signing messages');
      wrong(secureOf(person(FRED, { keyUsages: ['keyEncipherment'] })), { sign: true }, 'is not for signing messages');
      wrong(secureOf(person(FRED, { notAfter: new Date(0) })), { sign: true }, 'is not valid at this time');
    });

    it('encrypted content that nobody, or somebody else, could read', () => {
      const given = (certificate: TestCertificate): Secure => secureOf(fred, { people: () => certificate.certificate });
      wrong(fredsSide, { encrypt: true, to: ['dino@example.com'] }, 'no certificate of dino@example.com is known');
      wrong(given(wilma), { encrypt: true }, `the certificate of ${BARNEY} names ${WILMA}`);
      wrong(given(person(BARNEY, { keyUsages: ['digitalSignature'] })), { encrypt: true }, 'is not for encryption');
      wrong(given(person(BARNEY, { notAfter: new Date(0) })), { encrypt: true }, 'is not valid at this time');
      const stranger = new TestAuthority('Nobody').issue({ uris: [`im:${BARNEY}`], usages: ['mail'] });
      wrong(given(stranger), { encrypt: true }, 'not signed by a trusted CA');
    });

    it('anything with the key of another certificate, or with a file that cannot be read', () => {
      const options: readonly SecureOptions[] = [
        { certificate: fred.certificate, key: wilma.key },
        { certificate: fred.certificate },
        { certificate: 'hello', key: fred.key },
        { certificate: fred.certificate, key: 'hello' },
        { authorities: '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----' },
        { revoked: 'hello' },
      ];
      for (const one of options)
        expect(() => new Secure(one))
          .to.throw()
          .with.property('code', 'ARGUMENT');
    });
  });

  describe('accepts a signature only', () => {
    interface Sent extends SecureOptions {
      readonly content?: MadeEntity;
      readonly from?: string;
    }

    /** What Barney thinks of what somebody signs and sends in the name of Fred, or of another. */
    function thought(signer: TestCertificate, { content = text('x'), from = FRED, ...options }: Sent = {}) {
      const { signed } = secureOf(barney, options).open(arrived(forged(signer, content)), from);
      expect(signed?.valid).to.equal(signed?.reason === undefined);
      return signed?.reason;
    }

    it('REQ-CPIM-014 of unaltered content', () => {
      const made = sealed(text('At eight'));
      const changed = Buffer.from(made.body.toString('latin1').replace('eight', 'seven'), 'latin1');
      expect(barneysSide.open(arrived({ ...made, body: changed }), FRED).signed?.reason).to.equal('altered');
      const opaque = sealed({ type: 'message/x', body: Buffer.from('At eight\n') });
      const body = Buffer.from(opaque.body);
      body.write('seven', body.indexOf('eight'));
      expect(barneysSide.open(arrived({ ...opaque, body }), FRED).signed?.reason).to.equal('altered');
      // the signature of another message
      const other = sealed(text('At seven')).body.toString('latin1');
      const signature = /smime\.p7s"\r\n\r\n([^-]*)/;
      const swapped = made.body.toString('latin1').replace(signature, signature.exec(other)?.[0] ?? '');
      const { signed } = barneysSide.open(arrived({ ...made, body: Buffer.from(swapped, 'latin1') }), FRED);
      expect(signed?.reason).to.equal('altered');
    });

    it('REQ-CPIM-014 REQ-CPIM-015 of the sender, by im: or pres: URI, and without these by rfc822Name', () => {
      expect(thought(fred)).to.equal(undefined);
      expect(thought(person(FRED, { uris: [`pres:${FRED}`] }))).to.equal(undefined);
      expect(thought(person(FRED, { uris: [], mailboxes: [FRED] }))).to.equal(undefined);
      expect(thought(person(FRED, { uris: [`im:FRED%40x@example.com`, `im:${FRED}`] }))).to.equal(undefined);
      // with URIs there, a mailbox says nothing
      expect(thought(person(WILMA, { mailboxes: [FRED] }))).to.equal('other sender');
      expect(thought(wilma)).to.equal('other sender');
      expect(thought(person(FRED, { uris: [] }))).to.equal('other sender');
      expect(thought(fred, { from: `fred/appl=wb@example.com` })).to.equal(undefined);
    });

    it('of the author whom the signed content names', () => {
      expect(thought(fred, { content: cpim(FRED, 'x') })).to.equal(undefined);
      expect(thought(fred, { content: cpim(WILMA, 'x') })).to.equal('other sender');
      const spoofed = madeContent(instantMessage({ from: `im:${WILMA}`, text: 'x' }), 'part', 'example.com');
      if (!('type' in spoofed)) throw new Error('not an entity');
      expect(readMessage(spoofed.body).from?.uri).to.equal(`im:${WILMA}`);
      expect(thought(fred, { content: spoofed })).to.equal('other sender');
      // Wilma sends again what Fred has signed
      expect(thought(fred, { content: cpim(FRED, 'yes'), from: WILMA })).to.equal('other sender');
    });

    it('with a certificate that a trusted CA issued, directly or through permitted intermediates', () => {
      const nobody = new TestAuthority('Nobody');
      expect(thought(nobody.issue({ uris: [`im:${FRED}`], usages: ['mail'] }))).to.equal('untrusted');
      expect(new Secure(barney).open(arrived(sealed()), FRED).signed?.reason).to.equal('untrusted');
      const between = new TestAuthority('Between', authority);
      const leaf = between.issue({ uris: [`im:${FRED}`], usages: ['mail'] });
      expect(thought(leaf)).to.equal('untrusted');
      expect(thought({ ...leaf, certificate: leaf.certificate + between.certificate })).to.equal(undefined);
      const root = new TestAuthority('Root', undefined, { pathLength: 0 });
      const below = new TestAuthority('Below', root);
      const far = below.issue({ uris: [`im:${FRED}`], usages: ['mail'] });
      const authorities = root.certificate;
      expect(thought({ ...far, certificate: far.certificate + below.certificate }, { authorities })).to.equal(
        'untrusted',
      );
      // Fred is no authority
      const byFred = issueBy({ name: 'test', key: fred.key }, { uris: [`im:${WILMA}`], usages: ['mail'] });
      expect(thought({ ...byFred, certificate: byFred.certificate + fred.certificate })).to.equal('untrusted');
    });

    it('with a certificate of any of many trusted CAs', () => {
      const others = Array.from({ length: 70 }, () => authorityOfNobody.certificate);
      expect(thought(fred, { authorities: [...others, authority.certificate].join('') })).to.equal(undefined);
    });

    it('with a certificate that is valid now', () => {
      expect(thought(person(FRED, { notAfter: new Date(Date.now() - 1000) }))).to.equal('expired');
      expect(thought(person(FRED, { notBefore: new Date(Date.now() + DAY_MS / 2) }))).to.equal('expired');
      const later = () => new Date(Date.now() + 7 * DAY_MS);
      expect(thought(fred, { now: later })).to.equal('expired');
    });

    it('with a certificate that was not revoked, according to a current list', () => {
      const revoked = authority.revocations([fred.serial]);
      expect(thought(fred, { revoked })).to.equal('revoked');
      expect(thought(wilma, { revoked, from: WILMA })).to.equal(undefined);
      const stale = authority.revocations([], new Date(Date.now() - 1000));
      expect(thought(fred, { revoked: stale })).to.equal('revocation unknown');
      const forged = new TestAuthority(authority.name).revocations([fred.serial]);
      expect(thought(fred, { revoked: forged })).to.equal(undefined);
    });

    it('with a certificate for signing messages', () => {
      expect(thought(person(FRED, { usages: ['client'] }))).to.equal('usage');
      expect(thought(person(FRED, { keyUsages: ['keyEncipherment'] }))).to.equal('usage');
    });

    it('with a certificate that was signed by a secure algorithm', () => {
      expect(thought(person(FRED, { digest: 'md5' }))).to.equal('untrusted');
      expect(thought(person(FRED, { digest: 'sha1' }))).to.equal('untrusted');
      const demanding = { id: '2.5.29.30', critical: true, value: '0\0' };
      expect(thought(person(FRED, { extensions: [demanding] }))).to.equal('untrusted');
    });

    it('when each layer is valid, and reports the one that is not', () => {
      const made = forged(wilma, forged(fred, text('x')));
      expect(barneysSide.open(arrived(made), FRED).signed).to.include({ by: WILMA, reason: 'other sender' });
    });
  });
});
