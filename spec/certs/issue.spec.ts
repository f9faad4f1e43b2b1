import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { connect, createServer, type TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { type Credential, domainOf, issue, makeAuthority, periodOf, subjectAddress } from '../../lib/certs/issue.js';
import { revocationList } from '../../lib/certs/revocation.js';
import { LocalError } from '../../lib/errors.js';
import { Secure } from '../../lib/message/smime/secure.js';
import { Headers } from '../../lib/mime/headers.js';
import { RevocationList, revocationFault } from '../../lib/transport/tls/revocation.js';
import { failureOf } from '../support/failure.js';
import { within } from '../support/within.js';

const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';
const SERVER_AUTH = '1.3.6.1.5.5.7.3.1';
const EMAIL_PROTECTION = '1.3.6.1.5.5.7.3.4';
const FRED = 'email:fred@example.com, URI:im:fred@example.com, URI:pres:fred@example.com';

describe('certs/issue', () => {
  let authority: Credential;
  let relay: Credential;
  let fred: Credential;

  before(async function () {
    this.timeout(60_000);
    authority = await makeAuthority(periodOf(10));
    relay = await issue(
      authority,
      { kind: 'relay', domain: 'Example.COM', hosts: ['localhost', '127.0.0.1', '::1'] },
      periodOf(5),
    );
    fred = await issue(authority, { kind: 'endpoint', address: 'fred@EXAMPLE.com' }, periodOf(500));
  });

  interface Seen {
    readonly names: string | undefined;
    readonly fault: unknown;
  }

  /** A handshake with a client certificate; what the server made of it. */
  async function handshake(client: Credential, crl: string[] = []): Promise<Seen> {
    const server = createServer({
      cert: relay.certificate,
      key: relay.key,
      ca: authority.certificate,
      requestCert: true,
      // So that the reason can be read; verification itself goes on.
      rejectUnauthorized: false,
      ...(crl.length === 0 ? {} : { crl }),
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const outcome = new Promise<Seen>((resolve, reject) => {
      server.once('secureConnection', (socket: TLSSocket) => {
        resolve({ names: socket.getPeerCertificate().subjectaltname, fault: socket.authorizationError ?? undefined });
      });
      server.once('tlsClientError', reject);
    });
    const { port } = server.address() as AddressInfo;
    const socket = connect({
      host: '127.0.0.1',
      port,
      servername: 'example.com',
      ca: authority.certificate,
      cert: client.certificate,
      key: client.key,
    });
    socket.on('error', () => {});
    try {
      return await within(5000, outcome, 'a handshake');
    } finally {
      socket.destroy();
      server.close();
    }
  }

  it('makes an authority that may sign certificates and lists; nothing below it may', () => {
    const certificate = new X509Certificate(authority.certificate);
    expect(certificate.ca).to.equal(true);
    expect(certificate.verify(certificate.publicKey)).to.equal(true);
    expect(new X509Certificate(relay.certificate).ca).to.equal(false);
  });

  it('names a relay by domain, mailbox and im: URI, and its hosts', () => {
    const names = new X509Certificate(relay.certificate).subjectAltName;
    expect(names?.split(', ')).to.deep.equal([
      'DNS:example.com',
      'email:imxp=mesh@example.com',
      'URI:im:imxp=mesh@example.com',
      'DNS:localhost',
      'IP Address:127.0.0.1',
      'IP Address:0:0:0:0:0:0:0:1',
    ]);
  });

  it('lets a relay be server and client, and an endpoint client and signer of messages', () => {
    expect(new X509Certificate(relay.certificate).keyUsage).to.have.members([SERVER_AUTH, CLIENT_AUTH]);
    expect(new X509Certificate(fred.certificate).keyUsage).to.have.members([CLIENT_AUTH, EMAIL_PROTECTION]);
  });

  it('REQ-CPIM-015 names an endpoint by mailbox, im: and pres: URI, with the rest percent-encoded', async () => {
    expect(new X509Certificate(fred.certificate).subjectAltName).to.equal(FRED);
    const odd = await issue(authority, { kind: 'endpoint', address: 'a/b%c@example.com' }, periodOf(1));
    const names = new X509Certificate(odd.certificate).subjectAltName;
    expect(names).to.include('URI:im:a%2Fb%25c@example.com');
    const wrong = issue(authority, { kind: 'endpoint', address: '.fred@example.com' }, periodOf(1));
    expect((await failureOf(wrong)).code).to.equal('ARGUMENT');
  });

  it('signs each certificate with its own key pair and serial number', () => {
    const signer = new X509Certificate(authority.certificate);
    const made = [relay, fred].map(({ certificate }) => new X509Certificate(certificate));
    for (const certificate of made) {
      expect(certificate.checkIssued(signer)).to.equal(true);
      expect(certificate.verify(signer.publicKey)).to.equal(true);
    }
    expect(new Set(made.map(({ serialNumber }) => serialNumber)).size).to.equal(2);
    expect(relay.key).to.not.equal(fred.key);
  });

  it('lets no certificate outlast its authority', () => {
    expect(new X509Certificate(fred.certificate).validTo).to.equal(new X509Certificate(authority.certificate).validTo);
  });

  it('is accepted in a mutual handshake of node:tls', async () => {
    expect(await handshake(fred)).to.deep.equal({ names: FRED, fault: undefined });
  });

  it('revokes a certificate by a list that node:tls obeys', async () => {
    const serial = new X509Certificate(fred.certificate).serialNumber;
    const list = revocationList(authority, [{ serial, at: new Date() }]);
    expect((await handshake(fred, [list])).fault).to.equal('CERT_REVOKED');
    expect((await handshake(relay, [list])).fault).to.equal(undefined);
    expect((await handshake(fred, [revocationList(authority, [])])).fault).to.equal(undefined);
  });

  it('REQ-CPIM-014 REQ-CPIM-015 can sign and encrypt messages, until a list revokes it', async () => {
    const BARNEY = 'barney@rubble.com';
    const barney = await issue(authority, { kind: 'endpoint', address: BARNEY }, periodOf(5));
    const known = { authorities: authority.certificate, people: [fred.certificate, barney.certificate] };
    const [from, entity] = ['fred@example.com', { type: 'text/plain', body: Buffer.from('Yabba') }];
    const made = new Secure({ ...fred, ...known }).seal(entity, { sign: true, encrypt: true, from, to: [BARNEY] });
    const received = { headers: new Headers([{ name: 'Content-Type', value: made.type }]), body: made.body };
    const opened = new Secure({ ...barney, ...known }).open(received, from);
    expect([opened.entity.body.toString(), opened.signed?.valid, opened.encrypted]).to.deep.equal([
      'Yabba',
      true,
      true,
    ]);
    const serial = new X509Certificate(fred.certificate).serialNumber;
    const revoked = revocationList(authority, [{ serial, at: new Date() }]);
    const later = new Secure({ ...barney, ...known, revoked }).open(received, from);
    expect(later.signed?.reason).to.equal('revoked');
    const asRelay = new Secure({ ...relay, ...known });
    expect(() => asRelay.seal(entity, { sign: true, from: 'imxp=mesh@example.com', to: [] })).to.throw(
      'not for signing',
    );
  });

  it('writes lists that the relay reads and obeys', () => {
    const signer = new X509Certificate(authority.certificate);
    const [good, bad] = [new X509Certificate(relay.certificate), new X509Certificate(fred.certificate)];
    const lists = RevocationList.read(
      Buffer.from(revocationList(authority, [{ serial: bad.serialNumber, at: new Date() }])),
    );
    expect(revocationFault([bad, signer], lists, Date.now())).to.equal('the certificate is revoked');
    expect(revocationFault([good, signer], lists, Date.now())).to.equal(undefined);
  });

  it('refuses names that a certificate cannot contain', () => {
    for (const name of ['', 'a b', '-a.com', '../etc', 'a..b', `${'a'.repeat(64)}.com`]) {
      expect(() => domainOf(name), name)
        .to.throw(LocalError)
        .with.property('code', 'ARGUMENT');
    }
    for (const name of ['fred', '@example.com', 'frèd@example.com', 'a b@example.com', 'fred@']) {
      expect(() => subjectAddress(name), name)
        .to.throw(LocalError)
        .with.property('code', 'ARGUMENT');
    }
  });

  it('refuses an invalid number of days', () => {
    for (const days of [0, -1, 1.5, Number.NaN, 100_000]) {
      expect(() => periodOf(days), String(days))
        .to.throw(LocalError)
        .with.property('code', 'ARGUMENT');
    }
  });
});
