import { expect } from 'chai';
import type { MadeEntity, OpenEntity } from '../../../lib/message/smime/entity.js';
import { opaque } from '../../../lib/message/smime/entity.js';
import { Secure } from '../../../lib/message/smime/secure.js';
import type { ClassicVersion } from '../../../lib/message/smime/version.js';
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
    const seal = (made: MadeEntity, how: object, classic: ClassicVersion = false) =>
      secureOf(fred, { classic }).seal(made, { from: FRED, to, ...how });

    it('REQ-CPIM-014 our detached signatures', () => {
      const signed = openssl.put('signed', written(seal(entity, { sign: true })));
      expect(verify('-in', signed).toString()).to.include('Yabba dabba doo');
      const binary = openssl.put(
        'signed',
        written(seal({ type: 'image/png', body: Buffer.from([10, 0]) }, { sign: true })),
      );
      expect(verify('-in', binary).toString()).to.include('base64');
    });

    it('REQ-CPIM-014 our opaque signatures', () => {
      const made = seal(cpim(FRED, 'one line\nand another'), { sign: true });
      expect(made.type).to.include('smime-type=signed-data');
      const signed = openssl.put('signed', made.body);
      expect(verify('-inform', 'DER', '-binary', '-in', signed).toString()).to.include('one line\nand another');
    });

    it('that the content is not what we signed', () => {
      const signed = written(seal(entity, { sign: true }))
        .toString('latin1')
        .replace('Yabba', 'Dabba');
      const args = ['cms', '-verify', '-CAfile', files.ca, '-in', openssl.put('signed', Buffer.from(signed, 'latin1'))];
      expect(openssl.run(args).ok).to.equal(false);
    });

    it('REQ-CPIM-014 our encrypted content, signed and not signed', () => {
      for (const classic of [false, '3.2', '3.1'] as const) {
        const encrypted = openssl.put('encrypted', seal(entity, { encrypt: true }, classic).body);
        expect(decrypt(encrypted).toString()).to.include('Yabba dabba doo');
        const both = openssl.put('encrypted', seal(entity, { sign: true, encrypt: true }, classic).body);
        const signed = openssl.put('signed', decrypt(both));
        expect(verify('-in', signed).toString()).to.include('Yabba dabba doo');
      }
    });

    for (const [curve, micalg] of [
      ['P-256', 'sha-256'],
      ['P-384', 'sha-384'],
      ['P-521', 'sha-512'],
    ] as const) {
      it(`REQ-CPIM-033 what an EC key on ${curve} signs, and what we encrypt for one`, () => {
        const { certificate, key } = selfSigned(curve);
        for (const classic of [false, '3.2', '3.1'] as const) {
          const side = new Secure({ certificate, key, people: () => certificate, classic });
          const signed = side.seal(entity, { sign: true, from: FRED, to });
          expect(signed.type).to.include(`micalg=${micalg};`);
          const args = ['-CAfile', openssl.path('own.crt'), '-in', openssl.put('signed', written(signed))];
          expect(openssl.must(['cms', '-verify', ...args]).toString()).to.include('Yabba dabba doo');
          const encrypted = openssl.put('encrypted', side.seal(entity, { encrypt: true, from: FRED, to: [FRED] }).body);
          const own = ['-recip', openssl.path('own.crt'), '-inkey', openssl.path('own.key')];
          expect(
            openssl.must(['cms', '-decrypt', '-inform', 'DER', '-in', encrypted, ...own]).toString(),
            String(classic),
          ).to.include('Yabba dabba doo');
        }
      });
    }

    it('REQ-CPIM-030 with openssl smime, what the version of 2004 signs with SHA-1 and encrypts with 3DES', () => {
      const signed = seal(entity, { sign: true }, true);
      expect(signed.type).to.include('micalg=sha1;');
      const file = openssl.put('signed', written(signed));
      const verified = openssl.must(['smime', '-verify', '-CAfile', files.ca, '-in', file]);
      expect(verified.toString()).to.include('Yabba dabba doo');
      const { body } = seal(entity, { sign: true, encrypt: true }, true);
      const shown = openssl.must(['asn1parse', '-inform', 'DER', '-in', openssl.put('encrypted', body)]).toString();
      expect(shown).to.include('des-ede3-cbc').and.include('rsaEncryption');
      const args = ['-inform', 'DER', '-in', openssl.path('encrypted'), '-recip', files.barney];
      const inner = openssl.must(['smime', '-decrypt', ...args, '-inkey', files.barneyKey]);
      const again = openssl.must(['smime', '-verify', '-CAfile', files.ca, '-in', openssl.put('signed', inner)]);
      expect(again.toString()).to.include('Yabba dabba doo');
    });

    it('with openssl smime, what the version of 2010 signs with SHA-256 and encrypts with AES', () => {
      const { body } = seal(entity, { sign: true, encrypt: true }, '3.2');
      const args = ['-inform', 'DER', '-in', openssl.put('encrypted', body), '-recip', files.barney];
      const inner = openssl.must(['smime', '-decrypt', ...args, '-inkey', files.barneyKey]);
      expect(inner.toString()).to.include('micalg=sha-256');
      const again = openssl.must(['smime', '-verify', '-CAfile', files.ca, '-in', openssl.put('signed', inner)]);
      expect(again.toString()).to.include('Yabba dabba doo');
    });
  });

  describe('is understood', () => {
    const signing = (...args: string[]): Buffer =>
      openssl.must(['cms', '-sign', '-in', plain, '-signer', files.fred, '-inkey', files.fredKey, ...args]);
    /** What Barney makes of it. */
    const opened = (received: OpenEntity, side = secureOf(barney)) => {
      const { valid, reason, encrypted } = judgement(received, side);
      return { valid, reason, encrypted };
    };
    const judgement = (received: OpenEntity, side: Secure) => {
      const { entity: inner, signed, encrypted } = side.open(received, FRED);
      expect(inner.body.toString()).to.include('Yabba dabba doo');
      return { ...signed, encrypted };
    };
    /** As OpenSSL writes it, with line ends that are those of its system or of the network. */
    const mime = (octets: Buffer): OpenEntity => {
      const lines = Buffer.from(octets.toString('latin1').replace(/\r?\n/g, '\r\n'), 'latin1');
      const received = parseEntity(lines);
      return { headers: received.headers, body: decodedBody(received) };
    };
    const GOOD = { valid: true, reason: undefined, encrypted: false };

    it('REQ-CPIM-014 when it makes detached signatures', () => {
      expect(opened(mime(signing('-crlfeol')))).to.deep.equal(GOOD);
      expect(opened(mime(signing()))).to.deep.equal(GOOD);
      expect(
        opened(mime(openssl.must(['smime', '-sign', '-in', plain, '-signer', files.fred, '-inkey', files.fredKey]))),
      ).to.deep.equal(GOOD);
    });

    it('REQ-CPIM-014 when it makes opaque signatures, in DER, in base64, and as a stream', () => {
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

    for (const command of ['smime', 'cms']) {
      it(`REQ-CPIM-030 when openssl ${command} signs with SHA-1, which counts only where it is asked for, and says so`, () => {
        const signer = ['-signer', files.fred, '-inkey', files.fredKey];
        const signed = mime(openssl.must([command, '-sign', '-md', 'sha1', '-in', plain, ...signer]));
        for (const classic of [false, '3.2'] as const) {
          const { reason, algorithm } = judgement(signed, secureOf(barney, { classic }));
          expect({ reason, algorithm }).to.deep.equal({ reason: 'weak', algorithm: 'RSA with SHA-1' });
        }
        const { valid, trust, algorithm, outdated } = judgement(signed, secureOf(barney, { classic: true }));
        expect({ valid, trust, algorithm, outdated }).to.deep.equal({
          valid: true,
          trust: 'authority',
          algorithm: 'RSA with SHA-1',
          outdated: true,
        });
        const file = openssl.put(
          'signed',
          written({ type: signed.headers.get('Content-Type') ?? '', body: signed.body }),
        );
        const args = [command, '-encrypt', '-des3', '-in', file, '-outform', 'DER', '-binary'];
        const both = arrived(opaque('enveloped-data', openssl.must([...args, files.barney])));
        const read = judgement(both, secureOf(barney, { classic: true }));
        expect([read.valid, read.outdated, read.encrypted]).to.deep.equal([true, true, true]);
        expect(() => secureOf(barney).open(both, FRED)).to.throw('no longer secure');
      });
    }

    it('REQ-CPIM-030 when a DSA key signs with SHA-1', () => {
      openssl.must(['dsaparam', '-out', openssl.path('dsa.pem'), '1024']);
      openssl.must(['gendsa', '-out', openssl.path('dsa.key'), openssl.path('dsa.pem')]);
      const certificate = certificateOf('dsa.key', 'dsa.crt', ['-sha1']);
      const args = ['-signer', openssl.path('dsa.crt'), '-inkey', openssl.path('dsa.key'), '-md', 'sha1'];
      const signed = mime(openssl.must(['smime', '-sign', '-in', plain, ...args]));
      const read = judgement(signed, secureOf(barney, { classic: true, authorities: certificate }));
      expect([read.valid, read.algorithm, read.outdated]).to.deep.equal([true, 'DSA with SHA-1', true]);
      expect(opened(signed, secureOf(barney, { authorities: certificate })).reason).to.equal('weak');
    });

    it('when it leaves its certificate out', () => {
      const bare = mime(signing('-nocerts'));
      expect(opened(bare)).to.deep.equal(GOOD);
      expect(opened(bare, secureOf(barney, { people: [] })).reason).to.equal('no certificate');
    });

    for (const curve of ['P-256', 'P-384', 'P-521']) {
      it(`REQ-CPIM-033 when an EC key on ${curve} signs, named by its identifier, and when it encrypts for one`, () => {
        const { certificate, key } = selfSigned(curve);
        const args = ['-signer', openssl.path('own.crt'), '-inkey', openssl.path('own.key'), '-keyid'];
        const signed = openssl.must(['cms', '-sign', '-crlfeol', '-in', plain, ...args]);
        expect(opened(mime(signed), secureOf(barney, { authorities: certificate }))).to.deep.equal(GOOD);
        const own = new Secure({ certificate, key, classic: '3.2' });
        for (const cipher of [['-aes-256-gcm'], ['-aes128'], ['-des3']]) {
          for (const options of [[], ['-keyopt', 'ecdh_kdf_md:sha256'], ['-keyopt', 'ecdh_cofactor_mode:1']]) {
            const recipient = ['-recip', openssl.path('own.crt'), ...options];
            const made = openssl.must([
              ...['cms', '-encrypt', ...cipher, '-outform', 'DER', '-binary', '-in', plain],
              ...['-recip', files.barney, ...recipient],
            ]);
            expect(judgement(arrived(opaque('enveloped-data', made)), own).encrypted).to.equal(true);
          }
        }
      });
    }

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

    it('REQ-CPIM-014 when it signs and encrypts, also with encryption that does not detect changes', () => {
      const signed = openssl.put('signed', signing('-crlfeol'));
      for (const cipher of ['-aes256', '-aes-256-gcm']) {
        const args = ['cms', '-encrypt', cipher, '-in', signed, '-outform', 'DER', '-binary', '-recip', files.barney];
        const received = arrived(opaque('enveloped-data', openssl.must(args)));
        expect(opened(received)).to.deep.equal({ valid: true, reason: undefined, encrypted: true });
      }
    });
  });

  /** A self-signed certificate of Fred for a key on a curve, with its files. */
  function selfSigned(curve: string): { certificate: string; key: string } {
    const options = ['-algorithm', 'EC', '-pkeyopt', `ec_paramgen_curve:${curve}`];
    openssl.must(['genpkey', ...options, '-out', openssl.path('own.key')]);
    return { certificate: certificateOf('own.key', 'own.crt'), key: openssl.read('own.key').toString() };
  }

  function certificateOf(key: string, out: string, options: readonly string[] = []): string {
    const subject = ['-subj', '/CN=fred', '-addext', `subjectAltName=URI:im:${FRED}`];
    const usages = ['-addext', 'keyUsage=digitalSignature,keyAgreement', '-addext', 'extendedKeyUsage=emailProtection'];
    const id = ['-addext', 'subjectKeyIdentifier=hash'];
    const files = ['-key', openssl.path(key), '-out', openssl.path(out)];
    openssl.must(['req', '-new', '-x509', '-days', '2', ...options, ...subject, ...usages, ...id, ...files]);
    return openssl.read(out).toString();
  }
});
