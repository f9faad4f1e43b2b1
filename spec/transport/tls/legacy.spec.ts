import { createPrivateKey, generateKeyPairSync, publicEncrypt, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import forge from 'node-forge';
import { ImxpError, LocalError, RemoteProtocolError, TransportError } from '../../../lib/errors.js';
import { MESH_NAMING } from '../../../lib/mesh/certificate.js';
import { HOST_NAMING } from '../../../lib/transport/tls/certificate.js';
import { ForgeHandshake } from '../../../lib/transport/tls/forge-handshake.js';
import { HandshakeGate } from '../../../lib/transport/tls/handshake-gate.js';
import {
  ForgeAcceptor,
  type ForgeAcceptorOptions,
  type ForgeClientUpgrade,
  upgradeForgeClient,
} from '../../../lib/transport/tls/legacy.js';
import type { HandshakeResult } from '../../../lib/transport/tls/legacy-handshake.js';
import { premasterSecret } from '../../../lib/transport/tls/premaster.js';
import { RECORD, RecordReader, recordOf } from '../../../lib/transport/tls/record.js';
import { RevocationList } from '../../../lib/transport/tls/revocation.js';
import type { SecuredStream } from '../../../lib/transport/tls/secured-stream.js';
import { TestAuthority, type TestCertificate } from '../../support/certificates.js';
import { readOctets, socketPair, streamPair } from '../../support/streams.js';
import { within } from '../../support/within.js';

const DAY_MS = 86_400_000;
const VERSIONS = ['TLSv1', 'TLSv1.1'] as const;
const WAIT_MS = 5000;

describe('transport/tls/legacy (REQ-TLS-013)', () => {
  const authority = new TestAuthority();
  const stranger = new TestAuthority('Stranger');
  const rubble = authority.issue({ domains: ['rubble.com'] });
  const example = authority.issue({ mailboxes: ['imxp=mesh@example.com'] });
  const open: Duplex[] = [];

  afterEach(() => {
    for (const stream of open.splice(0)) stream.on('error', () => {}).destroy();
  });

  const material = (own?: TestCertificate) => ({
    authority: authority.certificate,
    ...(own === undefined ? {} : { certificate: own.certificate, key: own.key }),
  });

  interface Case {
    readonly server?: TestCertificate;
    readonly client?: TestCertificate | undefined;
    readonly acceptor?: Partial<ForgeAcceptorOptions>;
    readonly upgrade?: Partial<ForgeClientUpgrade>;
    readonly streams?: readonly [Duplex, Duplex];
  }

  type Outcome = PromiseSettledResult<SecuredStream>;

  async function pair(make: () => Promise<[Duplex, Duplex]> = streamPair): Promise<[Duplex, Duplex]> {
    const streams = await make();
    open.push(...streams);
    return streams;
  }

  async function outcomes({ server = rubble, client, acceptor, upgrade, streams }: Case): Promise<[Outcome, Outcome]> {
    const [near, far] = streams ?? (await pair(socketPair));
    const settled = await within(
      WAIT_MS,
      Promise.allSettled([
        upgradeForgeClient(near, { material: material(client), domain: 'rubble.com', naming: MESH_NAMING, ...upgrade }),
        new ForgeAcceptor({ naming: MESH_NAMING, material: material(server), ...acceptor }).upgrade(far),
      ]),
      'both sides settle',
    );
    for (const outcome of settled) if (outcome.status === 'fulfilled') open.push(outcome.value.stream);
    return settled;
  }

  async function secured(options: Case = {}): Promise<[SecuredStream, SecuredStream]> {
    const [client, server] = await outcomes(options);
    if (client.status === 'rejected') throw client.reason;
    if (server.status === 'rejected') throw server.reason;
    return [client.value, server.value];
  }

  function refusal(outcome: Outcome): RemoteProtocolError {
    expect(outcome.status).to.equal('rejected');
    const { reason } = outcome as PromiseRejectedResult;
    expect(reason).to.be.instanceOf(RemoteProtocolError);
    expect(reason).to.include({ code: 'TLS_FAILED', reply: undefined });
    return reason;
  }

  const failureOf = (stream: Duplex): Promise<ImxpError> =>
    within(WAIT_MS, new Promise((resolve) => stream.once('error', resolve).resume()), 'the fault');

  for (const maxVersion of VERSIONS) {
    for (const [title, make] of [
      ['sockets', socketPair],
      ['streams that are no sockets', streamPair],
    ] as const) {
      it(`${maxVersion} carries octets both ways over ${title}, with certificates of both`, async () => {
        const acceptor = { clientCertificate: 'require' } as const;
        const streams = await pair(make);
        const [client, server] = await secured({ client: example, acceptor, upgrade: { maxVersion }, streams });
        const facts = { protocol: maxVersion, cipher: 'TLS_RSA_WITH_3DES_EDE_CBC_SHA', authorized: true };
        expect(client).to.include(facts);
        expect(server).to.include(facts);
        expect(client.peerCertificate?.equals(rubble.der)).to.equal(true);
        expect(server.peerCertificate?.equals(example.der)).to.equal(true);
        const large = Buffer.alloc(300_001, 'across the years ');
        client.stream.write(large);
        server.stream.write('pong');
        const both = Promise.all([readOctets(server.stream, large.length), readOctets(client.stream, 4)]);
        const [there, back] = await within(WAIT_MS, both, 'the octets arrive');
        expect(there.equals(large)).to.equal(true);
        expect(back.toString()).to.equal('pong');
      });
    }
  }

  it('is broken right behind the handshake, before anybody has it, without an error that nobody hears', async () => {
    const [near, far] = await pair(socketPair);
    const write = near.write.bind(near);
    // Behind the client's Finished, in the same segment, a record that is none of its.
    const behind = recordOf(RECORD.APPLICATION_DATA, 2, Buffer.alloc(24));
    near.write = (octets: Buffer) =>
      write(octets.includes('140302000101', 'hex') ? Buffer.concat([octets, behind]) : octets);
    // An error without a listener would fail this spec as an uncaught exception.
    const [, server] = await outcomes({ streams: [near, far] });
    if (server.status === 'rejected') throw server.reason;
    expect(server.value.stream.errored?.message).to.match(/altered in transit/);
  });

  it('ends in order: close_notify both ways, nothing lost', async () => {
    const [client, server] = await secured({ streams: await pair(socketPair) });
    const received: Buffer[] = [];
    server.stream.on('data', (chunk: Buffer) => received.push(chunk));
    client.stream.resume();
    client.stream.end(Buffer.alloc(200_000, 'x'));
    const closed = Promise.all([once(client.stream, 'close'), once(server.stream, 'close')]);
    await within(WAIT_MS, closed, 'both close');
    expect(Buffer.concat(received)).to.have.length(200_000);
    expect([client.stream.errored, server.stream.errored]).to.deep.equal([null, null]);
  });

  it('is slow when the reader is, in both directions', async () => {
    const [client, server] = await secured({ streams: await pair(socketPair) });
    for (const [writer, reader] of [
      [client.stream, server.stream],
      [server.stream, client.stream],
    ] as const) {
      const total = 30_000_000;
      const done = new Promise<void>((resolve) => writer.write(Buffer.alloc(total), () => resolve()));
      let finished = false;
      done.then(() => {
        finished = true;
      });
      const first = await readOctets(reader, 1);
      expect(first).to.have.length(1);
      // What is read ahead is bounded by buffers, not by what was sent.
      await new Promise((resolve) => setImmediate(resolve));
      expect(finished).to.equal(false);
      expect(reader.readableLength).to.be.below(total / 2);
      await within(15_000, readOctets(reader, total - 1), 'the rest');
      await within(WAIT_MS, done, 'the write is done');
    }
  }).timeout(40_000);

  it('joins handshake messages split over records, of both sides', async () => {
    for (const octets of [1, 7, 100]) {
      const [near, entry] = await pair();
      const [exit, far] = await pair();
      splitting(entry, exit, octets);
      splitting(exit, entry, octets);
      const [client, server] = await secured({
        client: example,
        acceptor: { clientCertificate: 'require' },
        streams: [near, far],
      });
      expect([client.authorized, server.authorized]).to.deep.equal([true, true]);
      client.stream.write('whole');
      expect((await readOctets(server.stream, 5)).toString()).to.equal('whole');
    }
  });

  /** Passes octets on, every plain handshake record in records of so few octets. */
  function splitting(from: Duplex, to: Duplex, octets: number): void {
    const reader = new RecordReader();
    let plain = true;
    from.on('data', (chunk: Buffer) => {
      reader.read(chunk, (type, minor, fragment) => {
        if (type === RECORD.CHANGE_CIPHER_SPEC) plain = false;
        const size = plain && type === RECORD.HANDSHAKE ? octets : fragment.length;
        for (let at = 0; at < fragment.length; at += size) {
          to.write(recordOf(type, minor, fragment.subarray(at, at + size)));
        }
        return true;
      });
    });
  }

  it('TLS 1.0 sends one octet in a record of its own before the others, TLS 1.1 does not', async () => {
    for (const maxVersion of VERSIONS) {
      const [near, far] = await pair();
      const raw = await rawClient(near, far, maxVersion);
      const { stream } = await raw.server;
      stream.write('abc');
      const contents = await raw.contents(maxVersion === 'TLSv1' ? 2 : 1);
      expect(contents).to.deep.equal(maxVersion === 'TLSv1' ? ['a', 'bc'] : ['abc']);
    }
  });

  describe('the server’s certificate', () => {
    const domains = ['rubble.com'];
    const bad: [string, () => TestCertificate, RegExp][] = [
      ['of another domain', () => authority.issue({ domains: ['relay.rubble.com'] }), /does not name the domain/],
      ['of an endpoint', () => authority.issue({ mailboxes: ['barney@rubble.com'] }), /does not name the domain/],
      ['by a stranger', () => stranger.issue({ domains }), /known authority/],
      ['expired', () => authority.issue({ domains, notAfter: new Date(Date.now() - DAY_MS / 2) }), /expired/],
      ['not yet valid', () => authority.issue({ domains, notBefore: new Date(Date.now() + DAY_MS / 2) }), /not valid/],
      ['for clients only', () => authority.issue({ domains, usages: ['client'] }), /not for a TLS server/],
      ['signed with MD5', () => authority.issue({ domains, digest: 'md5' }), /MD5/],
    ];
    for (const [title, issue, reason] of bad) {
      it(`is refused when ${title}, and taken with the reason when opportunistic`, async () => {
        const server = issue();
        const [client, other] = await outcomes({ server });
        expect(refusal(client).message).to.match(reason);
        expect(refusal(other).message).to.match(/alert/);
        const [tolerant] = await secured({ server, upgrade: { allowUnauthorized: true } });
        expect(tolerant.authorized).to.equal(false);
        expect(tolerant.reason).to.match(reason);
      });
    }

    it('is read as the users of the session name servers', async () => {
      const server = authority.issue({ mailboxes: ['imxp=mesh@rubble.com'] });
      const [client] = await secured({ server });
      expect(client.authorized).to.equal(true);
      const [other] = await outcomes({ server, upgrade: { naming: HOST_NAMING } });
      expect(refusal(other).message).to.match(/does not name the domain/);
    });

    it('is refused when revoked', async () => {
      const revocations = () => RevocationList.read(Buffer.from(authority.revocations([rubble.serial])));
      const [client] = await outcomes({ upgrade: { revocations } });
      expect(refusal(client).message).to.match(/revoked/);
    });

    it('may be of an intermediate authority', async () => {
      const intermediate = new TestAuthority('Intermediate', authority);
      const own = intermediate.issue({ domains });
      const server = { ...own, certificate: `${own.certificate}\n${intermediate.certificate}` };
      const [client] = await secured({ server });
      expect(client.authorized).to.equal(true);
    });
  });

  describe('the client’s certificate', () => {
    const mailboxes = ['imxp=mesh@example.com'];
    const bad: [string, () => TestCertificate | undefined, RegExp, RegExp][] = [
      ['missing', () => undefined, /no certificate/, /No client certificate/],
      ['by a stranger', () => stranger.issue({ mailboxes }), /known authority/, /known authority/],
      [
        'expired',
        () => authority.issue({ mailboxes, notAfter: new Date(Date.now() - DAY_MS / 2) }),
        /expired/,
        /expired/,
      ],
      [
        "an endpoint's and for servers only",
        () => authority.issue({ mailboxes: ['fred@example.com'], usages: ['server'] }),
        /not for a TLS client/,
        /not for a TLS client/,
      ],
    ];
    for (const [title, issue, reason, refused] of bad) {
      it(`does not authorize when ${title}, and ends the session when one is required`, async () => {
        const client = issue();
        const [, server] = await secured({ client, acceptor: { clientCertificate: 'request' } });
        expect(server.authorized).to.equal(false);
        expect(server.reason).to.match(reason);
        const [, strict] = await outcomes({ client, acceptor: { clientCertificate: 'require' } });
        expect(refusal(strict).message).to.match(refused);
      });
    }

    it('authorizes a relay when for servers only, as public authorities issue them', async () => {
      const client = authority.issue({ domains: ['example.com'], usages: ['server'] });
      const [, server] = await secured({ client, acceptor: { clientCertificate: 'require' } });
      expect([server.authorized, server.reason]).to.deep.equal([true, undefined]);
    });

    it('authorizes a relay for servers only that is named as in IMXP, and not as a host', async () => {
      const client = authority.issue({ mailboxes: ['imxp=mesh@example.com'], usages: ['server'] });
      const required = { clientCertificate: 'require' } as const;
      const [, server] = await secured({ client, acceptor: required });
      expect(server.authorized).to.equal(true);
      const [, other] = await outcomes({ client, acceptor: { ...required, naming: HOST_NAMING } });
      expect(refusal(other).message).to.match(/not for a TLS client/);
    });

    it('proves nothing without its key', async () => {
      const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const key = privateKey.export({ type: 'pkcs1', format: 'pem' }).toString();
      const [, server] = await outcomes({ client: { ...example, key }, acceptor: { clientCertificate: 'request' } });
      expect(refusal(server).message).to.match(/CertificateVerify/);
    });

    it('is not asked for unless told', async () => {
      const [, server] = await secured({ client: example });
      expect(server).to.include({ authorized: false });
      expect(server).not.to.have.any.keys('reason', 'peerCertificate');
    });
  });

  describe('after the handshake', () => {
    it('an end without close_notify is an error, not an end', async () => {
      const [near, far] = await pair(socketPair);
      const raw = await rawClient(near, far);
      const { stream } = await raw.server;
      raw.send(RECORD.APPLICATION_DATA, Buffer.from('half a mess'));
      expect((await readOctets(stream, 11)).toString()).to.equal('half a mess');
      near.end();
      const error = await failureOf(stream);
      expect(error).to.be.instanceOf(TransportError).with.property('code', 'CONNECTION_LOST');
    });

    const faults: [string, (raw: RawClient, near: Duplex) => void, RegExp][] = [
      ['renegotiation', (raw) => raw.send(RECORD.HANDSHAKE, Buffer.from([1, 0, 0, 0])), /renegotiate/],
      ['a second ChangeCipherSpec', (raw) => raw.send(RECORD.CHANGE_CIPHER_SPEC, Buffer.from([1])), /renegotiate/],
      [
        'a record above 18,432 octets',
        (_raw, near) => near.write(Buffer.concat([Buffer.from([23, 3, 2, 0x48, 0x01]), Buffer.alloc(0x4801)])),
        /18433 octets/,
      ],
      ['more than 16,384 octets of content', (raw) => raw.send(23, Buffer.alloc(16_385)), /too much content/],
      ['a changed record', (_raw, near) => near.write(recordOf(23, 2, Buffer.alloc(64))), /altered in transit/],
      ['another version', (_raw, near) => near.write(recordOf(23, 1, Buffer.alloc(64))), /version changed/],
      ['a flood of empty records', (raw) => raw.repeat(40, 23, Buffer.alloc(0)), /empty records/],
      ['a flood of warnings', (raw) => raw.repeat(40, RECORD.ALERT, Buffer.from([1, 90])), /warnings/],
      ['a fatal alert', (raw) => raw.send(RECORD.ALERT, Buffer.from([2, 40])), /alert 40/],
      ['an alert of three octets', (raw) => raw.send(RECORD.ALERT, Buffer.from([1, 0, 0])), /alert/],
    ];
    for (const [title, act, reason] of faults) {
      it(`${title} ends the session with a RemoteProtocolError`, async () => {
        const [near, far] = await pair();
        const raw = await rawClient(near, far);
        const { stream } = await raw.server;
        const failed = failureOf(stream);
        act(raw, near);
        const error = await failed;
        expect(error).to.be.instanceOf(RemoteProtocolError).with.property('code', 'TLS_FAILED');
        expect(error.message).to.match(reason);
        expect(far.destroyed).to.equal(true);
      });
    }

    it('empty records and a warning now and then are no harm', async () => {
      const [near, far] = await pair();
      const raw = await rawClient(near, far);
      const { stream } = await raw.server;
      for (let round = 0; round < 3; round++) {
        raw.repeat(20, RECORD.APPLICATION_DATA, Buffer.alloc(0));
        raw.send(RECORD.ALERT, Buffer.from([1, 100]));
        raw.send(RECORD.APPLICATION_DATA, Buffer.from('on'));
        expect((await readOctets(stream, 2)).toString()).to.equal('on');
      }
    });
  });

  interface RawClient {
    readonly server: Promise<SecuredStream>;
    send(type: number, content: Buffer): void;
    repeat(count: number, type: number, content: Buffer): void;
    contents(count: number): Promise<string[]>;
  }

  /** A client with its hands on the records; the server at the other end is a whole one. */
  async function rawClient(near: Duplex, far: Duplex, maxVersion: 'TLSv1' | 'TLSv1.1' = 'TLSv1.1'): Promise<RawClient> {
    const server = new ForgeAcceptor({ naming: MESH_NAMING, material: material(rubble) }).upgrade(far);
    server.then(({ stream }) => open.push(stream.on('error', () => {})));
    const contents: string[] = [];
    let heard = (): void => {};
    let keys: HandshakeResult | undefined;
    await within(
      WAIT_MS,
      new Promise<void>((resolve, reject) => {
        const events = {
          write: (octets: Buffer) => void near.write(octets),
          done: (result: HandshakeResult) => {
            keys = result;
            resolve();
          },
          failed: reject,
        };
        const suite = 'TLS_RSA_WITH_3DES_EDE_CBC_SHA';
        const options = { suite, role: 'client', certificates: [], clientCertificate: 'none', maxVersion } as const;
        const handshake = new ForgeHandshake({ ...options, verify: () => undefined }, events);
        const reader = new RecordReader();
        near.on('data', (chunk: Buffer) => {
          reader.read(chunk, (type, minor, fragment) => {
            if (keys === undefined) handshake.record(type, minor, fragment);
            else contents.push(keys.opener.open(type, fragment)?.toString() ?? 'not genuine');
            heard();
            return true;
          });
        });
        handshake.begin();
      }),
      'the handshake',
    );
    const send = (type: number, content: Buffer): void => {
      if (keys !== undefined) near.write(recordOf(type, keys.minor, keys.sealer.seal(type, content)));
    };
    return {
      server,
      send,
      repeat: (count, type, content) => {
        for (let sent = 0; sent < count; sent++) send(type, content);
      },
      contents: (count) =>
        within(
          WAIT_MS,
          new Promise((resolve) => {
            heard = () => {
              if (contents.length >= count) resolve(contents);
            };
            heard();
          }),
          'the records',
        ),
    };
  }

  describe('a handshake that does not come to its end', () => {
    for (const [title, make] of [
      ['sockets', socketPair],
      ['streams', streamPair],
    ] as const) {
      it(`times out on both sides over ${title}`, async () => {
        const [, far] = await pair(make);
        const [other, silent] = await pair(make);
        silent.resume();
        const signal = AbortSignal.timeout(50);
        const ends = [
          new ForgeAcceptor({ naming: MESH_NAMING, material: material(rubble) }).upgrade(far, { signal }),
          upgradeForgeClient(other, { material: material(), domain: 'rubble.com', naming: MESH_NAMING, signal }),
        ];
        for (const outcome of await within(WAIT_MS, Promise.allSettled(ends), 'the limit')) {
          expect(outcome).to.have.nested.property('reason.code', 'TIMED_OUT');
        }
        expect([far.destroyed, other.destroyed]).to.deep.equal([true, true]);
      });

      it(`is a TransportError when the peer goes away over ${title}`, async () => {
        const [near, far] = await pair(make);
        const [other, gone] = await pair(make);
        const ends = [
          new ForgeAcceptor({ naming: MESH_NAMING, material: material(rubble) }).upgrade(far),
          upgradeForgeClient(other, { material: material(), domain: 'rubble.com', naming: MESH_NAMING }),
        ];
        near.end();
        gone.resume().end();
        for (const outcome of await within(WAIT_MS, Promise.allSettled(ends), 'the end')) {
          expect(outcome).to.have.nested.property('reason').that.is.instanceOf(TransportError);
        }
      });
    }

    const plain: [string, Buffer][] = [
      ['plain text', Buffer.from('RPY 0 0 . 0 52\r\n')],
      ['an alert', Buffer.from([21, 3, 1, 0, 2, 2, 40])],
      ['a hello of SSL 3.0', recordOf(22, 0, Buffer.concat([Buffer.from([1, 0, 0, 38, 3, 0]), Buffer.alloc(36)]))],
      ['a handshake message above the limit', recordOf(22, 1, Buffer.from([1, 1, 0, 0]))],
      ['application data', recordOf(23, 1, Buffer.from('early'))],
      [
        'a record inside a message',
        Buffer.concat([recordOf(22, 1, Buffer.from([1, 0])), recordOf(23, 1, Buffer.from('x'))]),
      ],
      ['nothing but warnings', Buffer.concat(new Array<Buffer>(9).fill(recordOf(21, 1, Buffer.from([1, 112]))))],
    ];
    for (const [title, octets] of plain) {
      it(`is a RemoteProtocolError when ${title} comes instead`, async () => {
        const [near, far] = await pair();
        const [other, peer] = await pair();
        const ends = [
          new ForgeAcceptor({ naming: MESH_NAMING, material: material(rubble) }).upgrade(far),
          upgradeForgeClient(other, { material: material(), domain: 'rubble.com', naming: MESH_NAMING }),
        ];
        near.resume().write(octets);
        peer.resume().write(octets);
        const [server, client] = await within(WAIT_MS, Promise.allSettled(ends), 'the fault');
        refusal(server as Outcome);
        refusal(client as Outcome);
      });
    }

    it('waits for its turn, and its stream may fail meanwhile', async () => {
      const gate = new HandshakeGate({ limit: 1, queueLimit: 1 });
      const acceptor = new ForgeAcceptor({ naming: MESH_NAMING, material: material(rubble), gate });
      const abort = new AbortController();
      const [, first] = await pair();
      const [, second] = await pair(socketPair);
      const [, third] = await pair();
      const holding = acceptor.upgrade(first, { signal: abort.signal }).catch((error) => error);
      const waiting = acceptor.upgrade(second).catch((error) => error);
      const refused = await acceptor.upgrade(third).catch((error) => error);
      expect(refused).to.include({ code: 'BUSY' });
      expect(third.destroyed).to.equal(true);
      second.destroy(new Error('reset'));
      abort.abort();
      expect(await holding).to.include({ code: 'CLOSED' });
      expect(await within(WAIT_MS, waiting, 'its turn')).to.be.instanceOf(TransportError);
    });

    it('is an ImxpError for mutated hellos and messages, never a crash', async () => {
      const hello = await helloOf();
      await fc.assert(
        fc.asyncProperty(
          fc.array(fc.tuple(fc.nat(hello.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
          fc.uint8Array({ maxLength: 60 }),
          async (changes, more) => {
            const [near, far] = await streamPair();
            const octets = Buffer.from(hello);
            for (const [at, value] of changes) octets[at] = value;
            const acceptor = new ForgeAcceptor({
              naming: MESH_NAMING,
              material: material(rubble),
              clientCertificate: 'request',
            });
            const upgraded = acceptor.upgrade(far).catch((error) => error);
            near.resume();
            near.write(octets);
            near.write(recordOf(22, 2, Buffer.concat([Buffer.from([16, 0, 0, more.length]), more])));
            near.end();
            expect(await within(WAIT_MS, upgraded, 'an end')).to.be.instanceOf(ImxpError);
          },
        ),
        { numRuns: 60 },
      );
    });

    async function helloOf(): Promise<Buffer> {
      const [near, far] = await pair();
      const upgraded = upgradeForgeClient(near, {
        material: material(),
        domain: 'rubble.com',
        naming: MESH_NAMING,
      }).catch(() => {});
      const [chunk] = await once(far, 'data');
      near.destroy();
      await upgraded;
      return chunk;
    }
  });

  describe('material', () => {
    it('of another kind than RSA is a LocalError', () => {
      const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
      const key = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
      expect(() => new ForgeAcceptor({ naming: MESH_NAMING, material: { certificate: rubble.certificate, key } }))
        .to.throw(LocalError, /RSA/)
        .with.property('code', 'CONFIGURATION');
    });

    it('without certificate makes no server, and nonsense none at all', async () => {
      expect(() => new ForgeAcceptor({ naming: MESH_NAMING, material: material() })).to.throw(LocalError);
      expect(
        () =>
          new ForgeAcceptor({ naming: MESH_NAMING, material: { certificate: rubble.certificate, key: 'nonsense' } }),
      ).to.throw(LocalError);
      const [near] = await pair();
      const options = { material: { key: 'nonsense' }, domain: 'rubble.com', naming: MESH_NAMING };
      expect(await upgradeForgeClient(near, options).catch((error) => error)).to.be.instanceOf(LocalError);
    });
  });

  describe('premaster secret', () => {
    const key = createPrivateKey(rubble.key);
    const publicKey = new X509Certificate(rubble.der).publicKey;
    const message = (block: Buffer): Buffer => {
      const enciphered = publicEncrypt({ key: publicKey, padding: 3 }, block);
      return Buffer.concat([Buffer.from([16, 0, 1, 2, 1, 0]), enciphered]);
    };
    const good = Buffer.alloc(256, 0x11);
    good[0] = 0;
    good[1] = 2;
    good[207] = 0;
    good.writeUInt16BE(0x0302, 208);

    it('is what the client sent', () => {
      expect(premasterSecret(message(good), key, 0x0302).equals(good.subarray(208))).to.equal(true);
    });

    for (const [title, at, value] of [
      ['the first octet', 0, 1],
      ['the block type', 1, 1],
      ['a zero in the padding', 100, 0],
      ['no end of the padding', 207, 1],
      ['the version', 209, 1],
    ] as const) {
      it(`is random when ${title} is wrong, and no error`, () => {
        const block = Buffer.from(good);
        block[at] = value;
        const secret = premasterSecret(message(block), key, 0x0302);
        expect(secret).to.have.length(48);
        expect(secret.equals(block.subarray(208))).to.equal(false);
      });
    }

    it('is random for a message of another length', () => {
      for (const length of [0, 6, 7, 100, 261, 300]) {
        expect(premasterSecret(Buffer.alloc(length, 1), key, 0x0302)).to.have.length(48);
      }
    });
  });

  it('leaves node-forge with the one suite and TLS 1.1 as a server, however often it is set up', async () => {
    await secured();
    await secured();
    expect(Object.keys(forge.tls.CipherSuites)).to.deep.equal(['TLS_RSA_WITH_3DES_EDE_CBC_SHA']);
    expect(forge.tls.SupportedVersions.map(({ minor }) => minor)).to.deep.equal([2, 2, 1]);
  });
});
