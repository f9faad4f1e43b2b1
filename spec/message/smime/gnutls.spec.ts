import { spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { opaque } from '../../../lib/message/smime/entity.js';
import { Secure } from '../../../lib/message/smime/secure.js';
import { Files, missingGnutls } from '../../support/gnutls.js';
import { arrived, cpim, FRED, written } from './people.js';

/** OpenSSL does not sign CMS by Ed25519 keys; GnuTLS does. */
describe('S/MIME and GnuTLS, by Ed25519 keys', function () {
  this.timeout(60_000);
  const missing = missingGnutls();
  if (missing !== undefined) {
    console.log(`    NOT RUN: ${missing}; nothing proves here that others understand our signatures by Ed25519`);
    it('needs certtool');
    return;
  }

  let files: Files;
  let certificate: string;
  let key: string;
  let paths: { readonly certificate: string; readonly key: string };

  before(() => {
    files = new Files();
    key = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
    const template = files.put(
      'template',
      `cn = "fred"\nuri = "im:${FRED}"\nexpiration_days = 2\nsigning_key\nemail_protection_key\n`,
    );
    const keyFile = files.put('own.key', key);
    paths = { certificate: files.put('own.crt', ''), key: keyFile };
    const out = ['--outfile', paths.certificate];
    certtool('--generate-self-signed', '--load-privkey', keyFile, '--template', template, ...out);
    certificate = readFileSync(paths.certificate, 'latin1');
  });

  after(() => files.remove());

  function certtool(...args: string[]): Buffer {
    const { status, stdout, stderr } = spawnSync('certtool', args);
    if (status !== 0) throw new Error(`certtool ${args.join(' ')}: ${stderr.toString()}`);
    // It says what it found on standard error where standard output has the content.
    return Buffer.concat([stdout, stderr]);
  }

  it('REQ-CPIM-033 understands what we sign', () => {
    const side = new Secure({ certificate, key });
    // A bare line feed, so that the signature is around the content.
    const made = side.seal(cpim(FRED, 'Yabba\ndabba doo'), { sign: true, from: FRED, to: [FRED] });
    const pem = files.put(
      'signed.pem',
      `-----BEGIN PKCS7-----\n${made.body.toString('base64')}\n-----END PKCS7-----\n`,
    );
    const said = certtool('--p7-verify', '--load-ca-certificate', paths.certificate, '--infile', pem);
    expect(said.toString()).to.include('EdDSA-Ed25519').and.include('Signature status: ok');
    const altered = Buffer.from(made.body);
    altered.write('D', altered.indexOf('dabba doo'));
    const bad = files.put('bad.pem', `-----BEGIN PKCS7-----\n${altered.toString('base64')}\n-----END PKCS7-----\n`);
    expect(() => certtool('--p7-verify', '--load-ca-certificate', paths.certificate, '--infile', bad)).to.throw(
      'certtool --p7-verify',
    );
  });

  it('names SHA-512 beside the content, and has no parameters (RFC 8419 §3.1)', () => {
    const { type, body } = new Secure({ certificate, key }).seal(cpim(FRED, 'Yabba'), {
      sign: true,
      from: FRED,
      to: [],
    });
    expect(type).to.include('micalg=sha-512;');
    const der = Buffer.from(/smime\.p7s"\r\n\r\n([^-]*)/.exec(body.toString('latin1'))?.[1] ?? '', 'base64');
    expect(der.includes(Buffer.from('300b0609608648016503040203', 'hex')), 'SHA-512').to.equal(true);
    expect(der.includes(Buffer.from('300506032b6570', 'hex')), 'Ed25519').to.equal(true);
  });

  it('REQ-CPIM-033 is understood, with signed attributes and without', () => {
    const plain = files.put('plain', written(cpim(FRED, 'Yabba dabba doo')).toString('latin1'));
    const side = new Secure({ authorities: certificate });
    for (const options of [[], ['--p7-time']]) {
      const args = [
        '--load-certificate',
        paths.certificate,
        '--load-privkey',
        paths.key,
        '--infile',
        plain,
        '--outder',
      ];
      const out = files.put('signed.der', '');
      certtool('--p7-sign', ...options, ...args, '--outfile', out);
      const der = readFileSync(out);
      const { signed } = side.open(arrived(opaque('signed-data', der)), FRED);
      expect([signed?.valid, signed?.algorithm, signed?.outdated]).to.deep.equal([true, 'Ed25519', false]);
      expect(signed?.at !== undefined, 'a time is signed').to.equal(options.length > 0);
      const altered = Buffer.from(der);
      altered.write('D', altered.indexOf('dabba doo'));
      expect(side.open(arrived(opaque('signed-data', altered)), FRED).signed?.reason).to.equal('altered');
    }
  });

  it('does not decrypt, and says so before anything is sent', () => {
    const side = new Secure({ people: () => certificate });
    expect(() => side.seal(cpim(FRED, 'x'), { encrypt: true, from: FRED, to: [FRED] })).to.throw(
      'is not for encryption',
    );
  });
});
