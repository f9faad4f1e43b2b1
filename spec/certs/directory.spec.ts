import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { CertificateDirectory, listCertificates } from '../../lib/certs/directory.js';
import { LocalError } from '../../lib/errors.js';
import { temporaryDirectory } from '../support/temporary.js';

const RELAY = { kind: 'relay', domain: 'example.com' } as const;

describe('certs/directory', function () {
  this.timeout(60_000);
  const path = temporaryDirectory();

  it('makes an authority once, and uses it from then on', async () => {
    const first = await CertificateDirectory.open(path('certs'));
    expect((await first.authority()).action).to.equal('made');
    const text = await readFile(path('certs', 'ca.crt'), 'utf8');
    const second = await CertificateDirectory.open(path('certs'));
    expect((await second.authority()).action).to.equal('kept');
    expect(await readFile(path('certs', 'ca.crt'), 'utf8')).to.equal(text);
  });

  it('writes keys readable by the owner only', async () => {
    const directory = await CertificateDirectory.open(path());
    await directory.make(RELAY);
    for (const file of ['ca.key', 'example.com.key']) {
      expect((await stat(path(file))).mode & 0o777, file).to.equal(0o600);
    }
    expect((await readdir(path())).filter((file) => file.endsWith('.new'))).to.deep.equal([]);
  });

  it('keeps a good certificate, and makes a new one when asked, when expired, or for further hosts', async () => {
    let now = new Date();
    const directory = await CertificateDirectory.open(path(), () => now);
    const made = await directory.make(RELAY, { days: 30 });
    expect(made.action).to.equal('made');
    const kept = await directory.make(RELAY, { days: 30 });
    expect(kept).to.deep.equal({ ...made, action: 'kept' });
    const renewed = await directory.make(RELAY, { days: 30, renew: true });
    expect(renewed.action).to.equal('renewed');
    expect(renewed.serial).to.not.equal(made.serial);
    expect((await directory.make({ ...RELAY, hosts: ['localhost'] }, { days: 30 })).action).to.equal('renewed');
    now = new Date(now.getTime() + 31 * 86_400_000);
    expect((await directory.make(RELAY, { days: 30 })).action).to.equal('renewed');
  });

  it('lists what exists, with its expiry', async () => {
    const directory = await CertificateDirectory.open(path());
    await directory.make(RELAY, { days: 10 });
    await directory.make({ kind: 'endpoint', address: 'fred/appl=wb@example.com' }, { days: 20 });
    const listed = await listCertificates(path());
    expect(listed.map(({ kind, name }) => [kind, name])).to.deep.equal([
      ['authority', listed[0]?.name],
      ['relay', 'example.com'],
      ['endpoint', 'fred/appl=wb@example.com'],
    ]);
    const days = ((listed[1]?.validTo.getTime() ?? 0) - Date.now()) / 86_400_000;
    expect(days).to.be.closeTo(10, 0.01);
    expect(await readdir(path())).to.include('fred%2Fappl=wb@example.com.key');
  });

  it('renews all certificates for the names that they have', async () => {
    const directory = await CertificateDirectory.open(path());
    const before = await directory.make({ ...RELAY, hosts: ['localhost', '127.0.0.1', '::1'] });
    const renewed = await directory.renewAll({ days: 3 });
    expect(renewed.map(({ name, action }) => [name, action])).to.deep.equal([['example.com', 'renewed']]);
    expect(renewed[0]?.serial).to.not.equal(before.serial);
    const kept = await directory.make({ ...RELAY, hosts: ['localhost', '127.0.0.1', '::1'] });
    expect(kept.action).to.equal('kept');
  });

  it('revokes certificates, and makes new ones in their place', async () => {
    const directory = await CertificateDirectory.open(path());
    const made = await directory.make(RELAY);
    const list = await directory.revoke([made.certificate]);
    expect(await readFile(list, 'utf8')).to.match(/^-----BEGIN X509 CRL-----\n/);
    expect((await listCertificates(path())).find(({ name }) => name === 'example.com')?.revoked).to.equal(true);
    const next = await directory.make(RELAY);
    expect(next).to.include({ action: 'renewed', revoked: false });
  });

  it('refuses to revoke what it did not sign', async () => {
    const ours = await CertificateDirectory.open(path('ours'));
    const theirs = await CertificateDirectory.open(path('theirs'));
    const made = await theirs.make(RELAY);
    for (const file of [made.certificate, ours.authorityFile]) {
      const error = await ours.revoke([file]).catch((caught: unknown) => caught);
      expect(error).to.be.instanceOf(LocalError).and.include({ code: 'ARGUMENT' });
    }
  });

  it('does not replace an incomplete authority', async () => {
    await CertificateDirectory.open(path());
    await rm(path('ca.key'));
    const error = await CertificateDirectory.open(path()).catch((caught: unknown) => caught);
    expect(error).to.be.instanceOf(LocalError);
    expect(String(error)).to.include('ca.key does not');
  });

  it('refuses a key of another authority', async () => {
    await CertificateDirectory.open(path('one'));
    await CertificateDirectory.open(path('two'));
    await writeFile(path('one', 'ca.key'), await readFile(path('two', 'ca.key')));
    const error = await CertificateDirectory.open(path('one')).catch((caught: unknown) => caught);
    expect(String(error)).to.include('is not the key of');
  });
});
