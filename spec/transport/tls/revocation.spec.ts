import { X509Certificate } from 'node:crypto';
import { expect } from 'chai';
import { LocalError } from '../../../lib/errors.js';
import { RevocationList, revocationFault } from '../../../lib/transport/tls/revocation.js';
import { TestAuthority } from '../../support/certificates.js';

describe('transport/tls/revocation', () => {
  const authority = new TestAuthority();
  const root = new X509Certificate(authority.certificate);
  const good = authority.issue({ domains: ['example.com'] });
  const bad = authority.issue({ domains: ['rubble.com'] });
  const pem = authority.revocations([bad.serial]);
  const path = (der: Buffer): X509Certificate[] => [new X509Certificate(der), root];
  const now = Date.now();

  it('reads PEM with several lists, and DER', () => {
    const other = new TestAuthority('Other').revocations([]);
    const lists = RevocationList.read(Buffer.from(`${pem}\nsome text\n${other}`));
    expect(lists.map((list) => list.serials)).to.deep.equal([[bad.serial], []]);
    const base64 = pem.replace(/-----.*-----|\n/g, '');
    expect(RevocationList.read(Buffer.from(base64, 'base64'))[0]?.serials).to.deep.equal([bad.serial]);
  });

  it('refuses files that hold none', () => {
    for (const text of ['', 'nothing', good.certificate, '-----BEGIN X509 CRL-----\nAAAA\n-----END X509 CRL-----']) {
      expect(() => RevocationList.read(Buffer.from(text)))
        .to.throw(LocalError)
        .with.property('code', 'CONFIGURATION');
    }
  });

  it('distinguishes a revoked certificate from a good one', () => {
    const lists = RevocationList.read(Buffer.from(pem));
    expect(revocationFault(path(bad.der), lists, now)).to.equal('the certificate is revoked');
    expect(revocationFault(path(good.der), lists, now)).to.equal(undefined);
  });

  it('does not listen to a list signed by another authority of the same name', () => {
    const lists = RevocationList.read(Buffer.from(new TestAuthority().revocations([good.serial])));
    expect(revocationFault(path(good.der), lists, now)).to.equal(undefined);
  });

  it('refuses all certificates of an authority whose list is out of date, until there is a newer one', () => {
    const old = RevocationList.read(Buffer.from(authority.revocations([], new Date(now - 1000))));
    expect(revocationFault(path(good.der), old, now)).to.match(/ended at/);
    expect(revocationFault(path(good.der), [...old, ...RevocationList.read(Buffer.from(pem))], now)).to.equal(
      undefined,
    );
  });

  it('refuses a chain over a revoked intermediate', () => {
    const intermediate = new TestAuthority('Intermediate', authority);
    const between = new X509Certificate(intermediate.certificate);
    const lists = RevocationList.read(Buffer.from(authority.revocations([between.serialNumber])));
    const leaf = new X509Certificate(intermediate.issue({}).der);
    expect(revocationFault([leaf, between, root], lists, now)).to.equal('the certificate is revoked');
  });
});
