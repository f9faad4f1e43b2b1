import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import { LocalError, RemoteProtocolError, TransportError } from '../../../lib/errors.js';
import { MESH_NAMING } from '../../../lib/mesh/certificate.js';
import {
  type AcceptorOptions,
  type ClientUpgrade,
  clientContext,
  legacyContext,
  strictContext,
  TlsAcceptor,
  upgradeClient,
} from '../../../lib/transport/tls/native.js';
import { RevocationList } from '../../../lib/transport/tls/revocation.js';
import type { SecuredStream } from '../../../lib/transport/tls/secured-stream.js';
import { TestAuthority, type TestCertificate } from '../../support/certificates.js';
import { readOctets, socketPair, streamPair } from '../../support/streams.js';
import { within } from '../../support/within.js';

const DAY_MS = 86_400_000;

describe('transport/tls/native', () => {
  const authority = new TestAuthority();
  const stranger = new TestAuthority('Stranger');
  const rubble = authority.issue({ domains: ['rubble.com'] });
  const example = authority.issue({ mailboxes: ['imxp=mesh@example.com'] });
  const open: Duplex[] = [];

  afterEach(() => {
    for (const stream of open.splice(0)) stream.destroy();
  });

  const strict = (own?: { certificate: string; key: string }) =>
    strictContext({ ...(own && { certificate: own.certificate, key: own.key }), authority: authority.certificate });
  const dialled = (own?: { certificate: string; key: string }) => clientContext(strict(own));

  async function pair(make = socketPair as () => Promise<[Duplex, Duplex]>): Promise<[Duplex, Duplex]> {
    const streams = await make();
    open.push(...streams);
    return streams;
  }

  interface Case {
    readonly server?: TestCertificate;
    readonly client?: TestCertificate;
    readonly acceptor?: Partial<AcceptorOptions>;
    readonly upgrade?: Partial<ClientUpgrade>;
    readonly make?: () => Promise<[Duplex, Duplex]>;
  }

  type Outcome = PromiseSettledResult<SecuredStream>;

  async function outcomes({ server = rubble, client, acceptor, upgrade, make }: Case): Promise<[Outcome, Outcome]> {
    const [near, far] = await pair(make);
    const accepting = new TlsAcceptor({ naming: MESH_NAMING, context: strict(server), ...acceptor }).upgrade(far);
    const connecting = upgradeClient(near, {
      context: dialled(client),
      domain: 'rubble.com',
      naming: MESH_NAMING,
      ...upgrade,
    });
    const settled = await within(5000, Promise.allSettled([connecting, accepting]), 'both sides settle');
    for (const outcome of settled) if (outcome.status === 'fulfilled') open.push(outcome.value.stream);
    return settled;
  }

  async function secured(options: Case): Promise<[SecuredStream, SecuredStream]> {
    const [client, server] = await outcomes(options);
    if (client.status === 'rejected') throw client.reason;
    if (server.status === 'rejected') throw server.reason;
    return [client.value, server.value];
  }

  function refusal(outcome: Outcome): RemoteProtocolError {
    expect(outcome.status).to.equal('rejected');
    const { reason } = outcome as PromiseRejectedResult;
    expect(reason).to.be.instanceOf(RemoteProtocolError);
    expect(reason.code).to.equal('TLS_FAILED');
    expect(reason.reply).to.equal(undefined);
    return reason;
  }

  for (const [title, make] of [
    ['sockets', socketPair],
    ['streams that are no sockets', streamPair],
  ] as const) {
    it(`carries octets both ways over ${title}`, async () => {
      const [client, server] = await secured({ make });
      expect(client).to.include({ protocol: 'TLSv1.3', authorized: true });
      expect(client.cipher).to.match(/^TLS_/);
      expect(client.peerCertificate?.equals(rubble.der)).to.equal(true);
      expect(server).to.include({ protocol: 'TLSv1.3', authorized: false });
      expect(server.peerCertificate).to.equal(undefined);
      const large = Buffer.alloc(300_000, 'x');
      client.stream.write(large);
      server.stream.write('pong');
      const [there, back] = await within(
        5000,
        Promise.all([readOctets(server.stream, large.length), readOctets(client.stream, 4)]),
        'the octets arrive',
      );
      expect(there.equals(large)).to.equal(true);
      expect(back.toString()).to.equal('pong');
    });
  }

  it('gives every connection of one acceptor its own outcome', async () => {
    const acceptor = new TlsAcceptor({ naming: MESH_NAMING, context: strict(rubble), clientCertificate: 'request' });
    const clients = await Promise.all(
      Array.from({ length: 12 }, async (_, index) => {
        const [near, far] = await pair();
        const accepted = acceptor.upgrade(far);
        if (index % 3 === 2) {
          near.write('this is no ClientHello\r\n');
          return { index, outcome: (await Promise.allSettled([accepted]))[0] };
        }
        const client = upgradeClient(near, {
          context: dialled(index % 3 === 0 ? example : undefined),
          domain: 'rubble.com',
          naming: MESH_NAMING,
        });
        const [{ stream }, { stream: other, ...facts }] = await Promise.all([client, accepted]);
        open.push(stream, other);
        other.write(Buffer.from([index]));
        expect((await readOctets(stream, 1))[0]).to.equal(index);
        return { index, outcome: { status: 'fulfilled' as const, value: facts } };
      }),
    );
    for (const { index, outcome } of clients) {
      if (index % 3 === 2) refusal(outcome as Outcome);
      else expect(outcome).to.have.nested.property('value.authorized', index % 3 === 0);
    }
  });

  describe('REQ-TLS-014 the server’s certificate', () => {
    for (const [title, names] of [
      ['dNSName', { domains: ['rubble.com'] }],
      ['rfc822Name', { mailboxes: ['imxp=mesh@rubble.com'] }],
      ['URI', { uris: ['im:imxp=mesh@rubble.com'] }],
    ] as const) {
      it(`may name the domain by ${title}`, async () => {
        const [client] = await secured({ server: authority.issue(names) });
        expect(client.authorized).to.equal(true);
      });
    }

    const domains = ['rubble.com'];
    const bad: [string, () => TestCertificate, RegExp][] = [
      ['of another domain', () => authority.issue({ domains: ['relay.rubble.com'] }), /does not name the domain/],
      ['of an endpoint', () => authority.issue({ mailboxes: ['barney@rubble.com'] }), /does not name the domain/],
      ['by a stranger', () => stranger.issue({ domains }), /UNABLE_TO_VERIFY|unable to/i],
      ['expired', () => authority.issue({ domains, notAfter: new Date(Date.now() - DAY_MS / 2) }), /EXPIRED/i],
      ['not yet valid', () => authority.issue({ domains, notBefore: new Date(Date.now() + DAY_MS / 2) }), /NOT_YET/i],
      ['for clients only', () => authority.issue({ domains, usages: ['client'] }), /PURPOSE/i],
    ];
    for (const [title, issue, reason] of bad) {
      it(`is refused when ${title}, and taken with the reason when opportunistic`, async () => {
        const server = issue();
        const [client] = await outcomes({ server });
        expect(refusal(client).message).to.match(reason);
        const [tolerant] = await secured({ server, upgrade: { allowUnauthorized: true } });
        expect(tolerant.authorized).to.equal(false);
        expect(tolerant.reason).to.match(reason);
      });
    }

    it('is refused when revoked', async () => {
      const revocations = () => RevocationList.read(Buffer.from(authority.revocations([rubble.serial])));
      const [client] = await outcomes({ upgrade: { revocations } });
      expect(refusal(client).message).to.match(/revoked/);
    });
  });

  describe('REQ-TLS-016 the client’s certificate', () => {
    it('authorizes', async () => {
      const [, server] = await secured({ client: example, acceptor: { clientCertificate: 'require' } });
      expect(server.authorized).to.equal(true);
      expect(server.reason).to.equal(undefined);
      expect(server.peerCertificate?.equals(example.der)).to.equal(true);
    });

    const mailboxes = ['imxp=mesh@example.com'];
    const bad: [string, () => TestCertificate | undefined, RegExp][] = [
      ['missing', () => undefined, /no certificate/],
      ['by a stranger', () => stranger.issue({ mailboxes }), /UNABLE_TO_VERIFY|unable to/i],
      ['expired', () => authority.issue({ mailboxes, notAfter: new Date(Date.now() - DAY_MS / 2) }), /EXPIRED/i],
      [
        "an endpoint's and for servers only",
        () => authority.issue({ mailboxes: ['fred@example.com'], usages: ['server'] }),
        /PURPOSE/i,
      ],
      ['of nobody known and for servers only', () => authority.issue({ usages: ['server'] }), /PURPOSE/i],
      [
        'a wildcard and for servers only',
        () => authority.issue({ domains: ['*.com'], usages: ['server'] }),
        /PURPOSE/i,
      ],
      [
        "a relay's, for servers only, by a stranger",
        () => stranger.issue({ mailboxes, usages: ['server'] }),
        /known authority/,
      ],
      [
        "a relay's, for servers only, expired",
        () => authority.issue({ mailboxes, usages: ['server'], notAfter: new Date(Date.now() - DAY_MS / 2) }),
        /expired/,
      ],
    ];

    // Public authorities issue certificates for servers alone: a relay has no other.
    for (const [title, names] of [
      ['dNSName', { domains: ['example.com'] }],
      ['rfc822Name', { mailboxes: ['imxp=mesh@example.com'] }],
    ] as const) {
      it(`authorizes a relay when for servers only, named by ${title}`, async () => {
        const client = authority.issue({ ...names, usages: ['server'] });
        const [, server] = await secured({ client, acceptor: { clientCertificate: 'require' } });
        expect([server.authorized, server.reason]).to.deep.equal([true, undefined]);
      });
    }

    it('authorizes a relay when for servers only, over an intermediate that it sends, and not without it', async () => {
      const between = new TestAuthority('Between', authority);
      const own = between.issue({ domains: ['example.com'], usages: ['server'] });
      const sent = { ...own, certificate: `${own.certificate}${between.certificate}` };
      const acceptor = { clientCertificate: 'request' } as const;
      const [, server] = await secured({ client: sent, acceptor });
      expect([server.authorized, server.reason]).to.deep.equal([true, undefined]);
      const [, lacking] = await secured({ client: own, acceptor });
      expect(lacking.authorized).to.equal(false);
      expect(lacking.reason).to.match(/known authority/);
    });

    it('does not authorize a relay when for servers only and signed with SHA-1, which OpenSSL refuses as well', async () => {
      const own = authority.issue({ domains: ['example.com'], usages: ['server'], digest: 'sha1' });
      // Its own TLS would not show such a certificate unless told.
      const context = clientContext({ ...strict(own), ciphers: 'DEFAULT:@SECLEVEL=0' });
      const [, server] = await secured({ upgrade: { context }, acceptor: { clientCertificate: 'request' } });
      expect(server.authorized).to.equal(false);
      expect(server.reason).to.match(/SHA-1/);
    });

    it('does not authorize a relay when for servers only and revoked', async () => {
      const client = authority.issue({ domains: ['example.com'], usages: ['server'] });
      const revocations = () => RevocationList.read(Buffer.from(authority.revocations([client.serial])));
      const [, server] = await secured({ client, acceptor: { clientCertificate: 'request', revocations } });
      expect(server.authorized).to.equal(false);
      expect(server.reason).to.match(/revoked/);
    });

    for (const [title, issue, reason] of bad) {
      it(`does not authorize when ${title}, and ends the session when one is required`, async () => {
        const client = issue();
        const options = client === undefined ? {} : { client };
        const [, server] = await secured({ ...options, acceptor: { clientCertificate: 'request' } });
        expect(server.authorized).to.equal(false);
        expect(server.reason).to.match(reason);
        const [, refused] = await outcomes({ ...options, acceptor: { clientCertificate: 'require' } });
        expect(refusal(refused).message).to.match(reason);
      });
    }

    it('does not authorize when revoked, by the list as it is at the handshake', async () => {
      let lists: RevocationList[] = [];
      const acceptor = { clientCertificate: 'request', revocations: () => lists } as const;
      const [, before] = await secured({ client: example, acceptor });
      lists = RevocationList.read(Buffer.from(authority.revocations([example.serial])));
      const [, after] = await secured({ client: example, acceptor });
      expect([before.authorized, after.authorized, after.reason]).to.deep.equal([
        true,
        false,
        'the certificate is revoked',
      ]);
    });
  });

  describe('contexts', () => {
    it('strict: no TLS 1.1, not even from a client that wants nothing else', async () => {
      const material = { authority: authority.certificate };
      const context = clientContext({ ...legacyContext(material, 'client'), maxVersion: 'TLSv1.1' });
      const [client, server] = await outcomes({ upgrade: { context } });
      refusal(server);
      expect(client.status).to.equal('rejected');
    });

    for (const version of ['TLSv1', 'TLSv1.1', 'TLSv1.2'] as const) {
      it(`legacy: ${version} with AES in both roles`, async () => {
        const own = { certificate: rubble.certificate, key: rubble.key, authority: authority.certificate };
        const ciphers = 'AES128-SHA';
        const [client, server] = await secured({
          acceptor: { context: legacyContext(own, 'server') },
          upgrade: { context: clientContext({ ...legacyContext({ ...own, ciphers }, 'client'), maxVersion: version }) },
        });
        expect(client).to.include({ protocol: version, cipher: 'TLS_RSA_WITH_AES_128_CBC_SHA', authorized: true });
        expect(server.protocol).to.equal(version);
      });
    }

    it('REQ-TLS-010 suites may be configured', async () => {
      const own = { certificate: rubble.certificate, key: rubble.key };
      const context = strictContext({ ...own, ciphers: 'TLS_CHACHA20_POLY1305_SHA256' });
      const [client] = await secured({ acceptor: { context } });
      expect(client.cipher).to.equal('TLS_CHACHA20_POLY1305_SHA256');
    });

    it('that cannot be used are a LocalError', async () => {
      expect(() => new TlsAcceptor({ naming: MESH_NAMING, context: { cert: 'nonsense', key: 'nonsense' } }))
        .to.throw(LocalError)
        .with.property('code', 'CONFIGURATION');
      expect(() => clientContext({ cert: 'nonsense' }))
        .to.throw(LocalError)
        .with.property('code', 'CONFIGURATION');
    });
  });

  it('gives both sides the same keying material, and none after the end', async () => {
    const [client, server] = await secured({});
    const label = 'EXPORTER-Channel-Binding';
    const material = client.exporter?.(label, 32);
    expect(material).to.have.length(32);
    expect(server.exporter?.(label, 32)).to.deep.equal(material);
    client.stream.destroy();
    await once(client.stream, 'close');
    expect(() => client.exporter?.(label, 32))
      .to.throw(LocalError)
      .with.property('code', 'CLOSED');
  });

  describe('a handshake that does not come to its end', () => {
    for (const [title, make] of [
      ['sockets', socketPair],
      ['streams', streamPair],
    ] as const) {
      it(`times out on both sides over ${title}`, async () => {
        const [near, far] = await pair(make);
        const [other, silent] = await pair(make);
        silent.resume();
        const signal = AbortSignal.timeout(50);
        const ends = [
          new TlsAcceptor({ naming: MESH_NAMING, context: strict(rubble) }).upgrade(far, { signal }),
          upgradeClient(other, { context: dialled(), domain: 'rubble.com', naming: MESH_NAMING, signal }),
        ];
        const [server, client] = await within(5000, Promise.allSettled(ends), 'the limit');
        for (const outcome of [server, client]) {
          expect(outcome).to.have.nested.property('reason.code', 'TIMED_OUT');
        }
        expect([far.destroyed, other.destroyed]).to.deep.equal([true, true]);
        near.destroy();
      });

      it(`is a TransportError when the peer goes away over ${title}`, async () => {
        const [near, far] = await pair(make);
        const [other, gone] = await pair(make);
        const server = new TlsAcceptor({ naming: MESH_NAMING, context: strict(rubble) }).upgrade(far);
        const client = upgradeClient(other, { context: dialled(), domain: 'rubble.com', naming: MESH_NAMING });
        near.destroy();
        gone.destroy();
        if (make === streamPair) {
          // Streams in memory do not tell their other end that they are gone.
          far.push(null);
          other.push(null);
        }
        for (const outcome of await within(5000, Promise.allSettled([server, client]), 'the end')) {
          expect(outcome).to.have.nested.property('reason').that.is.instanceOf(TransportError);
        }
      });

      it(`is a RemoteProtocolError when the peer talks plain text over ${title}`, async () => {
        const [near, far] = await pair(make);
        const [other, plain] = await pair(make);
        const server = new TlsAcceptor({ naming: MESH_NAMING, context: strict(rubble) }).upgrade(far);
        const client = upgradeClient(other, { context: dialled(), domain: 'rubble.com', naming: MESH_NAMING });
        near.write('MSG 0 1 . 52 193\r\n');
        plain.write('RPY 0 0 . 0 52\r\n');
        const [one, two] = await within(5000, Promise.allSettled([server, client]), 'the fault');
        refusal(one);
        refusal(two);
      });
    }

    it('is refused at once when given up already or the stream is gone', async () => {
      const [near, far] = await pair();
      const signal = AbortSignal.abort();
      const client = upgradeClient(near, {
        context: dialled(),
        domain: 'rubble.com',
        naming: MESH_NAMING,
        signal,
      }).catch((e) => e);
      expect(await client).to.include({ code: 'CLOSED' });
      far.destroy();
      const server = await new TlsAcceptor({ naming: MESH_NAMING, context: strict(rubble) })
        .upgrade(far)
        .catch((e) => e);
      expect(server).to.be.instanceOf(TransportError);
    });
  });
});
