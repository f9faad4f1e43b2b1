import { expect } from 'chai';
import type { MadeEntity, OpenEntity } from '../../../lib/message/smime/entity.js';
import { opaque } from '../../../lib/message/smime/entity.js';
import { Secure } from '../../../lib/message/smime/secure.js';
import { decodedBody, parseEntity } from '../../../lib/mime/entity.js';
import { missingOpenssl, Openssl } from '../../support/openssl.js';
import { arrived, authority, BARNEY, barney, cpim, FRED, fred, secureOf, wilma, written } from './people.js';

const to = [BARNEY];

describe('S/MIME and OpenSSL', function () {
  this.timeout(60_000);
  const missing = missingOpenssl();
  if (missing !== undefined) {
    console.log(`    NOT RUN: ${missing}; nothing proves here that others understand our S/MIME`);
    it('needs the openssl command');
    return;
  }

  let openssl: Openssl;
  let files: Record<'ca' | 'fred' | 'fredKey' | 'barney' | 'barneyKey' | 'wilma', string>;
  const entity = cpim(FRED, 'Yabba dabba doo');
  let plain: string;

  before(() => {
    openssl = new Openssl();
    files = {
      ca: openssl.put('ca.crt', authority.certificate),
      fred: openssl.put('fred.crt', fred.certificate),
      fredKey: openssl.put('fred.key', fred.key),
      barney: openssl.put('barney.crt', barney.certificate),
      barneyKey: openssl.put('barney.key', barney.key),
      wilma: openssl.put('wilma.crt', wilma.certificate),
    };
    plain = openssl.put('plain', written(entity));
  });

  after(() => openssl.remove());

  const verify = (...args: string[]): Buffer =>
    openssl.must(['cms', '-verify', '-CAfile', files.ca, '-purpose', 'smimesign', '-certfile', files.fred, ...args]);
  const decrypt = (file: string): Buffer =>
    openssl.must(['cms', '-decrypt', '-inform', 'DER', '-in', file, '-recip', files.barney, '-inkey', files.barneyKey]);

  describe('understands', () => {
    const seal = (made: MadeEntity, how: object, classic = false) =>
      secureOf(fred, { classic }).seal(made, { from: FRED, to, ...how });

    it('REQ-CPIM-014 what we sign beside the content', () => {
      const signed = openssl.put('signed', written(seal(entity, { sign: true })));
      expect(verify('-in', signed).toString()).to.include('Yabba dabba doo');
      const binary = openssl.put(
        'signed',
        written(seal({ type: 'image/png', body: Buffer.from([10, 0]) }, { sign: true })),
      );
      expect(verify('-in', binary).toString()).to.include('base64');
    });

    it('REQ-CPIM-014 what we sign around the content', () => {
      const made = seal(cpim(FRED, 'one line\nand another'), { sign: true });
      expect(made.type).to.include('smime-type=signed-data');
      const signed = openssl.put('signed', made.body);
      expect(verify('-inform', 'DER', '-binary', '-in', signed).toString()).to.include('one line\nand another');
    });

    it('that we signed something else', () => {
      const signed = written(seal(entity, { sign: true }))
        .toString('latin1')
        .replace('Yabba', 'Dabba');
      const args = ['cms', '-verify', '-CAfile', files.ca, '-in', openssl.put('signed', Buffer.from(signed, 'latin1'))];
      expect(openssl.run(args).ok).to.equal(false);
    });

    it('REQ-CPIM-014 what we encrypt, and sign and encrypt', () => {
      for (const classic of [false, true]) {
        const encrypted = openssl.put('encrypted', seal(entity, { encrypt: true }, classic).body);
        expect(decrypt(encrypted).toString()).to.include('Yabba dabba doo');
        const both = openssl.put('encrypted', seal(entity, { sign: true, encrypt: true }, classic).body);
        const signed = openssl.put('signed', decrypt(both));
        expect(verify('-in', signed).toString()).to.include('Yabba dabba doo');
      }
    });

    it('what an EC key signs', () => {
      const { certificate, key } = elliptic();
      const signed = new Secure({ certificate, key }).seal(entity, { sign: true, from: FRED, to });
      const args = ['-CAfile', openssl.path('ec.crt'), '-in', openssl.put('signed', written(signed))];
      expect(openssl.must(['cms', '-verify', ...args]).toString()).to.include('Yabba dabba doo');
    });
  });

  describe('is understood', () => {
    const signing = (...args: string[]): Buffer =>
      openssl.must(['cms', '-sign', '-in', plain, '-signer', files.fred, '-inkey', files.fredKey, ...args]);
    /** What Barney makes of it. */
    const opened = (received: OpenEntity, side = secureOf(barney)) => {
      const { entity: inner, signed, encrypted } = side.open(received, FRED);
      expect(inner.body.toString()).to.include('Yabba dabba doo');
      return { valid: signed?.valid, reason: signed?.reason, encrypted };
    };
    /** As OpenSSL writes it, with line ends that are those of its system or of the network. */
    const mime = (octets: Buffer): OpenEntity => {
      const lines = Buffer.from(octets.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
      const received = parseEntity(lines);
      return { headers: received.headers, body: decodedBody(received) };
    };
    const GOOD = { valid: true, reason: undefined, encrypted: false };

    it('REQ-CPIM-014 when it signs beside the content', () => {
      expect(opened(mime(signing('-crlfeol')))).to.deep.equal(GOOD);
      expect(opened(mime(signing()))).to.deep.equal(GOOD);
      expect(
        opened(mime(openssl.must(['smime', '-sign', '-in', plain, '-signer', files.fred, '-inkey', files.fredKey]))),
      ).to.deep.equal(GOOD);
    });

    it('REQ-CPIM-014 when it signs around the content, in DER, in base64, and as a stream', () => {
      const der = signing('-nodetach', '-outform', 'DER', '-binary');
      expect(opened(arrived(opaque('signed-data', der)))).to.deep.equal(GOOD);
      expect(opened(mime(signing('-nodetach')))).to.deep.equal(GOOD);
      const stream = signing('-nodetach', '-outform', 'DER', '-binary', '-stream');
      expect(stream.equals(der)).to.equal(false);
      expect(opened(arrived(opaque('signed-data', stream)))).to.deep.equal(GOOD);
    });

    for (const [name, args] of [
      ['RSASSA-PSS', ['-keyopt', 'rsa_padding_mode:pss', '-md', 'sha384']],
      ['SHA-512', ['-md', 'sha512']],
      ['no signed attributes', ['-noattr']],
    ] as const) {
      it(`when it signs with ${name}`, () => {
        expect(opened(mime(signing('-crlfeol', ...args)))).to.deep.equal(GOOD);
      });
    }

    it('when it signs with SHA-1, which proves nothing, or leaves its certificate out', () => {
      expect(opened(mime(signing('-md', 'sha1'))).reason).to.equal('weak');
      const bare = mime(signing('-nocerts'));
      expect(opened(bare)).to.deep.equal(GOOD);
      expect(opened(bare, secureOf(barney, { people: [] })).reason).to.equal('no certificate');
    });

    it('when an EC key signs, named by its identifier', () => {
      const { certificate, key } = elliptic();
      const args = ['-signer', openssl.put('ec.crt', certificate), '-inkey', openssl.put('ec.key', key), '-keyid'];
      const signed = openssl.must(['cms', '-sign', '-crlfeol', '-in', plain, ...args]);
      expect(opened(mime(signed), secureOf(barney, { authorities: certificate }))).to.deep.equal(GOOD);
    });

    for (const [name, args, classic] of [
      ['AES-256-GCM', ['-aes-256-gcm'], false],
      ['AES-128-GCM and RSAES-OAEP', ['-aes-128-gcm', '-keyopt', 'rsa_padding_mode:oaep'], false],
      ['OAEP by SHA-256', ['-aes-256-gcm', '-keyopt', 'rsa_padding_mode:oaep', '-keyopt', 'rsa_oaep_md:sha256'], false],
      ['AES-256-CBC', ['-aes256'], true],
      ['3DES', ['-des3'], true],
      ['AES-128-CBC as a stream', ['-aes128', '-stream'], true],
    ] as const) {
      it(`REQ-CPIM-014 when it encrypts with ${name}`, () => {
        // its key options are about the recipient before them
        const key = args.slice(classic ? args.length : 1);
        const both = ['-recip', files.wilma, ...key, '-recip', files.barney, ...key];
        const cipher = args.slice(0, args.length - key.length);
        const all = ['cms', '-encrypt', ...cipher, '-outform', 'DER', '-binary', '-in', plain, ...both];
        const received = arrived(opaque('enveloped-data', openssl.must(all)));
        expect(opened(received, secureOf(barney, { classic }))).to.deep.equal({
          valid: undefined,
          reason: undefined,
          encrypted: true,
        });
        if (!classic) return;
        expect(() => secureOf(barney).open(received, FRED))
          .to.throw('it is not signed')
          .with.property('code', 'SMIME_UNREADABLE');
      });
    }

    it('REQ-CPIM-014 when it signs and encrypts, also with what notices no change', () => {
      const signed = openssl.put('signed', signing('-crlfeol'));
      for (const cipher of ['-aes256', '-aes-256-gcm']) {
        const args = ['cms', '-encrypt', cipher, '-in', signed, '-outform', 'DER', '-binary', '-recip', files.barney];
        const received = arrived(opaque('enveloped-data', openssl.must(args)));
        expect(opened(received)).to.deep.equal({ valid: true, reason: undefined, encrypted: true });
      }
    });
  });

  function elliptic(): { certificate: string; key: string } {
    const subject = ['-subj', '/CN=fred', '-addext', `subjectAltName=URI:im:${FRED}`];
    const usages = ['-addext', 'keyUsage=digitalSignature', '-addext', 'extendedKeyUsage=emailProtection'];
    const out = ['-keyout', openssl.path('ec.key'), '-out', openssl.path('ec.crt')];
    const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2'];
    openssl.must(['req', '-x509', ...curve, ...subject, ...usages, ...out]);
    return { certificate: openssl.read('ec.crt').toString(), key: openssl.read('ec.key').toString() };
  }
});
