import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFile, stat } from 'node:fs/promises';
import { expect } from 'chai';
import { type CliResult, imxp } from '../support/cli.js';
import { temporaryDirectory } from '../support/temporary.js';

describe('imxp certs', function () {
  this.timeout(60_000);
  const path = temporaryDirectory();
  const certs = (...args: string[]): Promise<CliResult> => imxp(['certs', '--out', 'certs', ...args], { cwd: path() });
  const certificate = async (file: string): Promise<X509Certificate> =>
    new X509Certificate(await readFile(path('certs', file)));

  it('makes an authority, relays and endpoints, and prints each with its expiry', async () => {
    const made = await certs(
      '--domain',
      'example.com',
      '--domain',
      'rubble.com',
      '--endpoint',
      'fred@example.com',
      '--days',
      '30',
    );
    expect(made.code).to.equal(0);
    const until = new Date(Date.now() + 30 * 86_400_000).toISOString().slice(0, 10);
    const lines = made.stdout.trimEnd().split('\n');
    expect(lines).to.have.length(4);
    expect(lines[0]).to.match(/^made +authority +IMXP development authority/);
    expect(lines[1])
      .to.match(/^made +relay +example\.com +certs\/example\.com\.crt +until /)
      .and.include(until);
    expect(lines[3]).to.match(/^made +endpoint +fred@example\.com +certs\/fred@example\.com\.crt /);
    expect(made.stderr).to.include('keep ca.key secret');
    expect((await certificate('rubble.com.crt')).checkIssued(await certificate('ca.crt'))).to.equal(true);
    expect((await stat(path('certs/rubble.com.key'))).mode & 0o777).to.equal(0o600);
  });

  it('keeps what exists, and renews when asked', async () => {
    await certs('--domain', 'example.com');
    const before = await certificate('example.com.crt');
    expect((await certs('--domain', 'example.com')).stdout).to.match(/^kept +relay +example\.com/m);
    expect((await certificate('example.com.crt')).serialNumber).to.equal(before.serialNumber);
    expect((await certs('--renew')).stdout).to.match(/^renewed +relay +example\.com/m);
    expect((await certificate('example.com.crt')).serialNumber).to.not.equal(before.serialNumber);
    expect((await certificate('example.com.crt')).checkIssued(await certificate('ca.crt'))).to.equal(true);
  });

  it('makes ECDSA keys for relays and RSA keys for endpoints; RSA for relays when asked, and again when it renews', async () => {
    const types = async (...files: string[]) =>
      Promise.all(files.map(async (file) => (await certificate(file)).publicKey.asymmetricKeyType));
    await certs('--domain', 'example.com', '--domain', 'rubble.com', '--endpoint', 'fred@example.com');
    const files = ['ca.crt', 'example.com.crt', 'rubble.com.crt', 'fred@example.com.crt'];
    expect(await types(...files)).to.deep.equal(['rsa', 'ec', 'ec', 'rsa']);
    const made = await certificate('example.com.crt');
    expect(made.publicKey.asymmetricKeyDetails?.namedCurve).to.equal('prime256v1');
    expect(made.verify((await certificate('ca.crt')).publicKey)).to.equal(true);
    expect(made.checkPrivateKey(createPrivateKey(await readFile(path('certs/example.com.key'))))).to.equal(true);
    expect((await certs('--domain', 'example.com', '--key', 'rsa')).stdout).to.match(/^renewed +relay/m);
    expect((await certs('--domain', 'example.com')).stdout).to.match(/^kept +relay/m);
    expect((await certs('--renew')).code).to.equal(0);
    expect(await types(...files)).to.deep.equal(['rsa', 'rsa', 'ec', 'rsa']);
  });

  it('leaves out clientAuth when asked, and again when it renews', async () => {
    const [SERVER, CLIENT] = ['1.3.6.1.5.5.7.3.1', '1.3.6.1.5.5.7.3.2'];
    await certs('--domain', 'example.com');
    expect((await certificate('example.com.crt')).keyUsage).to.deep.equal([SERVER, CLIENT]);
    expect((await certs('--domain', 'example.com', '--server-only')).stdout).to.match(/^renewed +relay/m);
    expect((await certificate('example.com.crt')).keyUsage).to.deep.equal([SERVER]);
    expect((await certs('--renew')).stdout).to.match(/^renewed +relay/m);
    expect((await certificate('example.com.crt')).keyUsage).to.deep.equal([SERVER]);
    expect((await certs('--domain', 'example.com')).stdout).to.match(/^kept +relay/m);
  });

  it('REQ-MSG-021 makes certificates for DSA keys beside the others when asked, and again when it renews', async () => {
    expect((await certs('--domain', 'example.com', '--legacy-dsa')).stdout.match(/^made +relay/gm)).to.have.length(2);
    const types = async () => {
      const both = [await certificate('example.com.crt'), await certificate('example.com-dsa.crt')];
      return both.map(({ publicKey }) => publicKey.asymmetricKeyType);
    };
    expect(await types()).to.deep.equal(['rsa', 'dsa']);
    const dsa = await certificate('example.com-dsa.crt');
    expect(dsa.verify((await certificate('ca.crt')).publicKey)).to.equal(true);
    expect(dsa.checkPrivateKey(createPrivateKey(await readFile(path('certs/example.com-dsa.key'))))).to.equal(true);
    expect((await certs('--domain', 'example.com', '--legacy-dsa')).stdout.match(/^kept +relay/gm)).to.have.length(2);
    expect((await certs('--renew')).stdout.match(/^renewed +relay/gm)).to.have.length(2);
    expect(await types()).to.deep.equal(['rsa', 'dsa']);
  });

  it('lists, revokes, and prints JSON', async () => {
    await certs('--domain', 'example.com', '--host', 'localhost', '--host', '127.0.0.1');
    const revoked = await certs('--revoke', 'certs/example.com.crt');
    expect(revoked.stdout).to.match(/^relay +example\.com .* revoked$/m);
    expect(await readFile(path('certs/ca.crl'), 'utf8')).to.include('BEGIN X509 CRL');
    const listed: { kind: string; name: string; revoked: boolean }[] = JSON.parse(
      (await certs('--list', '--json')).stdout,
    );
    expect(listed[1]).to.include({
      kind: 'relay',
      name: 'example.com',
      revoked: true,
      certificate: 'certs/example.com.crt',
    });
  });

  it('exits 64 without a name, or with an invalid one', async () => {
    const nothing = await certs();
    expect(nothing.stderr).to.include('nothing to do; use --domain example.com');
    const domain = await certs('--domain', '../etc');
    expect(domain.stderr).to.include('"../etc" is not a domain name');
    const days = await certs('--domain', 'example.com', '--days', 'many');
    expect(days.stderr).to.include('--days must be a whole number');
    expect([nothing.code, domain.code, days.code]).to.deep.equal([64, 64, 64]);
  });

  it('exits 1 when there is nothing to list', async () => {
    const { code, stderr } = await certs('--list');
    expect(stderr).to.include('certs cannot be read');
    expect(code).to.equal(1);
  });
});
