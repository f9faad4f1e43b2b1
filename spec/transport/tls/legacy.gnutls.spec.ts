/** The year-2000 suite with GnuTLS at the other end: it, and not this project, decides what TLS 1.0 and 1.1 are. */

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import { issue, periodOf } from '../../../lib/certs/issue.js';
import { RemoteProtocolError } from '../../../lib/errors.js';
import { MESH_NAMING } from '../../../lib/mesh/certificate.js';
import { chooseStack } from '../../../lib/transport/tls/choice.js';
import { ClientHelloReader } from '../../../lib/transport/tls/client-hello.js';
import { ForgeAcceptor, upgradeForgeClient } from '../../../lib/transport/tls/legacy.js';
import type { SecuredStream } from '../../../lib/transport/tls/secured-stream.js';
import { TestAuthority, type TestCertificate } from '../../support/certificates.js';
import { INSTALL_TIMEOUT_MS } from '../../support/debian.js';
import { freePort } from '../../support/free-port.js';
import { connected, Files, listening, missingGnutls, Program, year2000 } from '../../support/gnutls.js';
import { readOctets } from '../../support/streams.js';
import { within } from '../../support/within.js';

const WAIT_MS = 15_000;

/** The suites of the two drafts, and what GnuTLS needs to have them. */
const SUITES = [
  { kx: 'RSA', suite: 'TLS_RSA_WITH_3DES_EDE_CBC_SHA', id: 'REQ-TLS-013', more: '' },
  {
    kx: 'DHE-DSS',
    suite: 'TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA',
    id: 'REQ-MSG-021',
    more: ':+SIGN-DSA-SHA1:%VERIFY_ALLOW_SIGN_WITH_SHA1:%PROFILE_VERY_WEAK',
  },
] as const;

describe('transport/tls/legacy with GnuTLS (REQ-TLS-013)', function () {
  this.timeout(60_000);
  let authority: TestAuthority;
  let dsa: TestCertificate;
  let files: Files;
  let running: Program[] = [];
  let open: Duplex[] = [];

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const missing = missingGnutls();
    if (missing !== undefined) {
      console.log(`      SKIPPED, nothing was tried with GnuTLS: ${missing}`);
      this.skip();
    }
    authority = new TestAuthority();
    const relay = { kind: 'relay', domain: 'rubble.com', dsa: true } as const;
    const made = await issue(authority, relay, periodOf(1));
    dsa = { ...made, der: new X509Certificate(made.certificate).raw, serial: '' };
    files = new Files();
  });

  afterEach(() => {
    for (const program of running) program.stop();
    for (const stream of open) stream.destroy();
    running = [];
    open = [];
  });

  after(() => files?.remove());

  function run(command: string, args: readonly string[]): Program {
    const program = new Program(command, args);
    running.push(program);
    return program;
  }

  function credentialFiles(name: string, { certificate, key }: TestCertificate): string[] {
    return ['--x509certfile', files.put(`${name}.crt`, certificate), '--x509keyfile', files.put(`${name}.key`, key)];
  }

  const material = (own?: TestCertificate) => ({
    authority: authority.certificate,
    ...(own === undefined ? {} : { certificate: own.certificate, key: own.key }),
  });

  for (const { kx, suite, id, more, version } of SUITES.flatMap((one) => [
    { ...one, version: '1.0' as const },
    { ...one, version: '1.1' as const },
  ])) {
    const protocol = version === '1.0' ? 'TLSv1' : 'TLSv1.1';
    const priority = `${year2000(version, kx)}${more}`;
    const dss = kx === 'DHE-DSS';

    for (const certified of [false, true]) {
      it(`${id} gnutls-cli, TLS ${version} by ${kx}, ${certified ? 'with' : 'without'} a client certificate`, async () => {
        const server = dss ? dsa : authority.issue({ domains: ['rubble.com'] });
        const client = authority.issue({ mailboxes: ['imxp=mesh@example.com'] });
        const listener = await listening();
        const cli = run('gnutls-cli', [
          ...['--port', String(listener.port), '--priority', priority],
          ...['--x509cafile', files.put('ca.crt', authority.certificate)],
          ...['--sni-hostname', 'rubble.com', '--verify-hostname', 'rubble.com'],
          ...(certified ? credentialFiles('client', client) : []),
          '127.0.0.1',
        ]);
        const socket = await within(WAIT_MS, listener.accepted, () => `a connection: ${cli.output}`);
        listener.close();
        const hello = await peeked(socket);
        expect(chooseStack(hello, { legacy: true, dss }).stack).to.equal(dss ? 'legacy-dss' : 'legacy-forge');
        if (dss) expect(chooseStack(hello, { legacy: true }).stack, 'without a DSA certificate').to.equal('refuse');
        expect(chooseStack(hello, { legacy: false }).stack).to.equal('refuse');
        const acceptor = new ForgeAcceptor({
          suite,
          naming: MESH_NAMING,
          material: material(server),
          clientCertificate: 'request',
        });
        const secured = await within(WAIT_MS, acceptor.upgrade(socket), () => `the handshake: ${cli.output}`);
        open.push(secured.stream);
        expect(secured).to.include({ protocol, authorized: certified });
        await within(WAIT_MS, cli.says(/Handshake was completed/), () => cli.output);
        cli.process.stdin.write('across the years\n');
        expect((await readOctets(secured.stream, 17)).toString()).to.equal('across the years\n');
        secured.stream.write(`${'and back '.repeat(20_000)}again\n`);
        await within(WAIT_MS, cli.says(/and back again\n/), () => 'all of it arrives');
        secured.stream.resume();
        secured.stream.end();
        await within(WAIT_MS, cli.says(/Peer has closed the GnuTLS connection/), () => cli.output);
      });

      it(`${id} gnutls-serv, TLS ${version} by ${kx}, ${certified ? 'with' : 'without'} a client certificate`, async () => {
        const server = dss ? dsa : authority.issue({ domains: ['rubble.com'] });
        const client = authority.issue({ mailboxes: ['imxp=mesh@example.com'] });
        const port = await freePort();
        const serv = run('gnutls-serv', [
          ...['--echo', '--port', String(port), '--priority', priority],
          ...['--x509cafile', files.put('ca.crt', authority.certificate), ...credentialFiles('server', server)],
          ...(certified ? ['--require-client-cert', '--verify-client-cert'] : ['--disable-client-cert']),
        ]);
        await within(WAIT_MS, serv.says(/IPv4 .*done/), () => serv.output);
        const socket = await connected(port);
        const own = certified ? client : undefined;
        const upgraded = upgradeForgeClient(socket, {
          suite,
          material: material(own),
          domain: 'rubble.com',
          naming: MESH_NAMING,
        });
        const secured = await within(WAIT_MS, upgraded, () => `the handshake: ${serv.output}`);
        open.push(secured.stream);
        expect(secured).to.include({ protocol, cipher: suite, authorized: true });
        expect(secured.peerCertificate?.equals(server.der)).to.equal(true);
        // gnutls-serv echoes line by line.
        for (const line of ['across the years\n', 'x'.repeat(4000), '\n']) secured.stream.write(line);
        const echo = await within(WAIT_MS, readOctets(secured.stream, 17 + 4001), () => `the echo: ${serv.output}`);
        expect(echo.toString()).to.equal(`across the years\n${'x'.repeat(4000)}\n`);
        if (certified) expect(serv.output).to.match(/The certificate is trusted|Peer's certificate is trusted/i);
        const ended = once(secured.stream, 'close');
        secured.stream.resume();
        secured.stream.end();
        await within(WAIT_MS, ended, () => 'the end');
      });
    }
  }

  it('gnutls-cli may not renegotiate', async () => {
    const listener = await listening();
    const cli = run('gnutls-cli', [
      ...['--rehandshake', '--insecure', '--port', String(listener.port)],
      ...['--priority', `${year2000('1.0')}:%UNSAFE_RENEGOTIATION`, '127.0.0.1'],
    ]);
    const socket = await within(WAIT_MS, listener.accepted, () => cli.output);
    listener.close();
    const acceptor = new ForgeAcceptor({
      naming: MESH_NAMING,
      material: material(authority.issue({ domains: ['rubble.com'] })),
    });
    const { stream } = await within(WAIT_MS, acceptor.upgrade(socket), () => cli.output);
    open.push(stream);
    const [error] = await within(
      WAIT_MS,
      once(stream.resume(), 'error').catch((reason) => [reason]),
      () => cli.output,
    );
    expect(error)
      .to.be.instanceOf(RemoteProtocolError)
      .with.property('message')
      .that.matches(/renegotiate/);
  });

  it('gnutls-cli may ask to resume and gets a new session', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const acceptor = new ForgeAcceptor({
      naming: MESH_NAMING,
      material: material(authority.issue({ domains: ['rubble.com'] })),
    });
    const secured: Promise<SecuredStream>[] = [];
    const second = new Promise<void>((resolve) => {
      server.on('connection', (socket) => {
        const upgraded = acceptor.upgrade(socket);
        secured.push(upgraded);
        upgraded.then(
          ({ stream }) => open.push(stream.on('error', () => {}).resume()),
          () => {},
        );
        if (secured.length === 2) resolve();
      });
    });
    const cli = run('gnutls-cli', [
      ...['--resume', '--insecure', '--port', String(address.port), '--priority', year2000('1.1'), '127.0.0.1'],
    ]);
    await within(WAIT_MS, second, () => cli.output);
    const both = await within(WAIT_MS, Promise.all(secured), () => cli.output);
    server.close();
    expect(both.map(({ protocol }) => protocol)).to.deep.equal(['TLSv1.1', 'TLSv1.1']);
    await within(WAIT_MS, cli.says(/Resume Handshake was completed/), () => cli.output);
    const ids = [...cli.output.matchAll(/Session ID: (\S+)/g)].map(([, id]) => id);
    expect(new Set(ids)).to.have.property('size', 2);
    expect(cli.output).not.to.match(/This is a resumed session/i);
  });

  it('gnutls-cli refuses a certificate of another name and its alert is told', async () => {
    const listener = await listening();
    const cli = run('gnutls-cli', [
      ...['--port', String(listener.port), '--priority', year2000('1.0')],
      ...['--x509cafile', files.put('ca.crt', authority.certificate), '--verify-hostname', 'rubble.com', '127.0.0.1'],
    ]);
    const socket = await within(WAIT_MS, listener.accepted, () => cli.output);
    listener.close();
    const acceptor = new ForgeAcceptor({
      naming: MESH_NAMING,
      material: material(authority.issue({ domains: ['example.com'] })),
    });
    const failed = await within(
      WAIT_MS,
      acceptor.upgrade(socket).catch((error) => error),
      () => cli.output,
    );
    expect(failed).to.have.property('code', 'TLS_FAILED');
    expect(await within(WAIT_MS, cli.exited, () => cli.output)).not.to.equal(0);
  });

  it('gnutls-serv refuses a client without certificate and its alert is told', async () => {
    const port = await freePort();
    const serv = run('gnutls-serv', [
      ...['--echo', '--port', String(port), '--priority', year2000('1.1'), '--require-client-cert'],
      ...['--x509cafile', files.put('ca.crt', authority.certificate)],
      ...credentialFiles('server', authority.issue({ domains: ['rubble.com'] })),
    ]);
    await within(WAIT_MS, serv.says(/IPv4 .*done/), () => serv.output);
    const options = { material: material(), domain: 'rubble.com', naming: MESH_NAMING };
    const upgraded = upgradeForgeClient(await connected(port), options).catch((error) => error);
    expect(await within(WAIT_MS, upgraded, () => serv.output)).to.have.property('code', 'TLS_FAILED');
  });

  /** Reads the ClientHello and puts it back. */
  function peeked(socket: Duplex) {
    const reader = new ClientHelloReader();
    return new Promise<NonNullable<ReturnType<typeof reader.push>>>((resolve, reject) => {
      const take = (chunk: Buffer): void => {
        try {
          const hello = reader.push(chunk);
          if (hello === undefined) return;
          socket.off('data', take);
          socket.pause();
          socket.unshift(hello.received);
          resolve(hello);
        } catch (error) {
          reject(error);
        }
      };
      socket.on('data', take);
    });
  }
});
