import { X509Certificate } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { AcmeFiles } from '../../lib/acme/files.js';
import { acmeNames, acmePath } from '../../lib/config/acme.js';
import { parseConfig } from '../../lib/config/parse.js';
import { renewalTime } from '../../lib/node/certificate-renewal.js';
import { checkConfig } from '../../lib/node/configuration.js';
import { TestAuthority } from '../support/certificates.js';
import { temporaryDirectory } from '../support/temporary.js';

const DAY_MS = 86_400_000;

describe('tls.acme', () => {
  const path = temporaryDirectory();

  async function problems(tls: object, more: object = {}): Promise<string[]> {
    const config = {
      domains: ['example.com'],
      listen: [{ port: 10_913 }],
      tls,
      mesh: { dns: { enabled: false } },
      ...more,
    };
    await writeFile(path('mesh.json'), JSON.stringify(config));
    const found = await checkConfig(path('mesh.json'));
    return found.problems.map((it) => `${it.severity} ${it.path}: ${it.message.replaceAll(path(), '.')}`);
  }

  it('needs the agreement, and what its challenge is answered with', async () => {
    expect(await problems({ acme: { listen: { port: 80 } } })).to.deep.equal([
      'error tls.acme.agree: is missing: true is needed',
    ]);
    const agree = true;
    expect(await problems({ acme: { agree } })).to.deep.equal([
      'error tls.acme.challenge: "http-01" needs either "listen" or "webroot"',
    ]);
    expect(await problems({ acme: { agree, challenge: 'dns-01' } })).to.deep.equal([
      'error tls.acme.challenge: "dns-01" needs "hook", the program that changes the TXT record',
    ]);
    expect(await problems({ acme: { agree, challenge: 'tls-alpn-01', webroot: '/srv' } })).to.deep.equal([
      'error tls.acme.challenge: "tls-alpn-01" needs "listen"',
      'error tls.acme.webroot: has no effect without "http-01"',
    ]);
    expect(await problems({ acme: { agree, directory: 'http://ca.example/dir', listen: { port: 80 } } })).to.deep.equal(
      ['error tls.acme.directory: "http://ca.example/dir" is not an https URL'],
    );
  });

  it('is a certificate, beside which there is no other', async () => {
    const acme = { agree: true, listen: { port: 80 } };
    expect(await problems({ acme }, { listen: [{ transport: 'wss', port: 443 }] })).to.deep.equal([]);
    expect(await problems({ acme, certificate: 'a.crt', key: 'a.key' })).to.include(
      'error tls.acme: obtains the certificate: leave out "certificate" and "key"',
    );
    expect(await problems({ acme }, { store: { type: 'memory' } })).to.deep.equal([
      'error tls.acme: needs "path", a directory for the certificates, because the store has none',
    ]);
    expect(await problems({ acme }, { domains: ['192.0.2.1'] })).to.deep.equal([
      'error tls.acme: no authority certifies "192.0.2.1" as a domain: give it a certificate in "domains"',
    ]);
  });

  it('is checked with the files that it names', async () => {
    await writeFile(path('hook'), '#!/bin/sh\n', { mode: 0o644 });
    await writeFile(path('ca.crt'), 'no certificate');
    const acme = { agree: true, challenge: 'dns-01', hook: path('hook'), authority: path('ca.crt') };
    expect(await problems({ acme: { ...acme, externalAccount: { keyId: 'k', keyFile: path('none') } } })).to.deep.equal(
      [
        'error tls.acme.hook: ./hook: permission denied',
        'error tls.acme.authority: ./ca.crt: contains no certificate in PEM format',
        'error tls.acme.externalAccount: ./none: password file ./none: no such file',
      ],
    );
  });

  it('says in a check why no certificate was issued, and when one has expired', async () => {
    const files = new AcmeFiles(path('acme'));
    await files.prepare(['example.com']);
    const acme = { agree: true, listen: { port: 80 }, path: path('acme') };
    expect(await problems({ acme })).to.deep.equal([]);
    await files.fail('example.com', 'connection refused');
    expect((await problems({ acme }))[0]).to.match(
      /^warning tls\.acme: example\.com: no certificate was issued or renewed: \S+Z connection refused$/,
    );
    const expired = new TestAuthority().issue({ domains: ['example.com'], notAfter: new Date(Date.now() - DAY_MS) });
    await files.write('example.com', 'https://ca.example/dir', expired);
    expect((await problems({ acme }))[0]).to.match(/^warning tls\.acme: \.\/acme\/example\.com\.pem: expired on \S+Z$/);
    await writeFile(path('acme', 'example.com.pem'), 'nothing');
    expect((await problems({ acme }))[0]).to.include(
      'contains no certificate with its key; remove it to obtain a new one',
    );
  });

  it('has a certificate for each domain without one, which names the hosts below it', () => {
    const config = parseConfig(
      {
        domains: ['example.com', 'rubble.com', 'own.example'],
        listen: [{ port: 0 }],
        store: { type: 'lmdb', path: '/var/lib/imxp' },
        tls: {
          acme: { agree: true, listen: { port: 80 }, hosts: ['chat.rubble.com', 'relay.isp.example', 'a.example.com'] },
          domains: { 'own.example': { certificate: 'a.crt', key: 'a.key' } },
        },
      },
      '/',
    );
    expect([...acmeNames(config)]).to.deep.equal([
      ['example.com', ['example.com', 'relay.isp.example', 'a.example.com']],
      ['rubble.com', ['rubble.com', 'chat.rubble.com']],
    ]);
    expect(acmePath(config)).to.equal('/var/lib/imxp/acme');
    expect(config.tls.require).to.equal('mesh');
  });

  it('renews some days before the end, or a third of a shorter validity, and not all at the same time', () => {
    const authority = new TestAuthority();
    const of = (days: number): X509Certificate => {
      const notBefore = new Date('2026-01-01T00:00:00Z');
      const notAfter = new Date(notBefore.getTime() + days * DAY_MS);
      return new X509Certificate(authority.issue({ domains: ['example.com'], notBefore, notAfter }).certificate);
    };
    const day = (days: number, jitter: number): number =>
      (renewalTime(of(days), 30, jitter) - Date.parse('2026-01-01T00:00:00Z')) / DAY_MS;
    expect(day(90, 0)).to.equal(60);
    expect(day(90, 1)).to.equal(59.5);
    expect(day(365, 0)).to.equal(335);
    expect(day(6, 0)).to.equal(4);
    expect(day(6, 1)).to.be.closeTo(3.8, 0.001);
  });
});
