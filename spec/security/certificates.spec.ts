/**
 * Relays and endpoints that know each other only by certificates, made, renewed and revoked by `imxp certs`, and strangers
 * whose certificates are not good enough: they are refused, the log says why, and they are told nothing of it.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { TLSSocket } from 'node:tls';
import { expect } from 'chai';
import { type CertificateSubject, type Credential, issue } from '../../lib/certs/issue.js';
import { issueBy, TestAuthority } from '../support/certificates.js';
import { freePort } from '../support/free-port.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { attach, bind, errorIn, IMXP, inlineData, OK } from '../support/raw-documents.js';
import { RawPeer } from '../support/raw-peer.js';
import { nodeServer, RawRelay } from '../support/raw-relay.js';
import { within } from '../support/within.js';

const EXTERNAL = 'http://iana.org/beep/SASL/EXTERNAL';
const TLS = 'http://iana.org/beep/TLS';
const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const DAY_MS = 86_400_000;
const WAIT_MS = 15_000;

describe('security: certificates as identities', function () {
  this.timeout(60_000);
  this.slow(10_000);
  let workshop: Workshop;
  let authority: Buffer;
  let example: NodeProcess;
  let rubble: NodeProcess;
  let slate: RawRelay;
  let peers: RawPeer[] = [];

  const certs = async (...options: string[]): Promise<string> => {
    const { code, stdout, stderr } = await workshop.run(['certs', '--out', 'certs', ...options]);
    expect(code, `${stderr}`).to.equal(0);
    return stdout.toString();
  };
  const pem = (name: string): Buffer => readFileSync(workshop.path(`certs/${name}`));
  const made = (name: string): Credential => ({
    certificate: `${pem(`${name}.crt`)}`,
    key: `${pem(`${name}.key`)}`,
  });
  const signed = (subject: CertificateSubject, from: Date, to: Date): Promise<Credential> =>
    issue(made('ca'), subject, { from, to });

  before(async function () {
    this.timeout(120_000);
    workshop = await Workshop.open();
    ({ octets: authority } = await workshop.certs('example.com', 'rubble.com', 'quarry.example'));
    await certs('--endpoint', FRED, '--endpoint', BARNEY, '--endpoint', 'dino@example.com');
    await certs('--revoke', 'certs/dino@example.com.crt', 'certs/quarry.example.crt');
    slate = await RawRelay.listen();
    const [examplePort, rubblePort] = [await freePort(), await freePort()];
    const toSlate = { domain: 'slate.example', relays: [slate.url], lanes: 1 };
    example = await relay('example.com', examplePort, 'rubble.com', rubblePort, [toSlate]);
    rubble = await relay('rubble.com', rubblePort, 'example.com', examplePort);
    await Promise.all([example.start(), rubble.start()]);
  });
  afterEach(() => {
    for (const peer of peers) peer.destroy();
    peers = [];
  });
  after(async () => {
    slate?.close();
    await workshop?.close();
  });

  /** A relay with neither accounts nor passwords. */
  function relay(domain: string, port: number, other: string, otherPort: number, routes: object[] = []) {
    const config = {
      domains: [domain],
      listen: [{ port }],
      tls: {
        certificate: `certs/${domain}.crt`,
        key: `certs/${domain}.key`,
        authority: 'certs/ca.crt',
        revoked: 'certs/ca.crl',
        require: 'always',
      },
      sasl: { mechanisms: ['EXTERNAL'] },
      store: { type: 'memory' },
      mesh: {
        routes: [{ domain: other, relays: [`tcp://127.0.0.1:${otherPort}`] }, ...routes],
        dns: { enabled: false },
      },
    };
    return workshop.node(domain, () => config, port);
  }

  const options = (node: NodeProcess, address: string): string[] => [
    ...['--relay', `tcp://127.0.0.1:${node.port}`, '--tls', 'require', '--ca', workshop.path('certs/ca.crt')],
    ...['--cert', workshop.path(`certs/${address}.crt`), '--key', workshop.path(`certs/${address}.key`)],
  ];

  async function carried(from: string, at: NodeProcess, to: string, there: NodeProcess): Promise<void> {
    const listen = workshop.command(['listen', to, '--count', '1', ...options(there, to)]);
    await listen.seen((output) => (/attached as/.test(output) ? true : undefined), 'attached', WAIT_MS);
    const sent = await workshop.run(['send', '--from', from, '--to', to, ...options(at, from), '-'], {
      input: 'Yabba',
    });
    expect(sent.code, `${sent.stderr}`).to.equal(0);
    const { stdout } = await listen.finished();
    expect(stdout.toString()).to.contain('Yabba').and.to.contain(from);
  }

  it('REQ-SASL-007 REQ-SASL-011 lets two relays and their endpoints exchange Data without any password', async () => {
    await carried(FRED, example, BARNEY, rubble);
    await carried(BARNEY, rubble, FRED, example);
    const line = await rubble.log(({ identity }) => identity === 'imxp=mesh@example.com', 'the relay', WAIT_MS);
    expect(line).to.include({ mechanism: 'EXTERNAL', side: 'peer' });
  });

  it('REQ-SASL-011 lets two relays do so with certificates for servers only, as public authorities issue them', async () => {
    const [granite, basalt] = ['granite.example', 'basalt.example'];
    const people = [`fred@${granite}`, `barney@${basalt}`] as const;
    await certs('--domain', granite, '--domain', basalt, '--server-only');
    await certs('--endpoint', people[0], '--endpoint', people[1]);
    const ports = [await freePort(), await freePort()] as const;
    const one = await relay(granite, ports[0], basalt, ports[1]);
    const two = await relay(basalt, ports[1], granite, ports[0]);
    try {
      const checked = await workshop.run(['check', '--config', `${granite}.json`]);
      expect(`${checked.stdout}`).to.match(/: OK$/m);
      await Promise.all([one.start(), two.start()]);
      await carried(people[0], one, people[1], two);
      await carried(people[1], two, people[0], one);
      const mark = two.mark;
      await under(two, basalt, made(granite));
      const tuned = await two.log(({ msg }) => msg === 'session tuned: TLS', 'TLS', WAIT_MS, mark);
      expect(tuned).to.include({ authorized: true });
    } finally {
      await Promise.all([one.stop(), two.stop()]);
    }
  });

  /** A peer under TLS with a certificate of its own, or none. */
  async function under(node: NodeProcess, domain: string, own?: Credential): Promise<RawPeer> {
    const peer = await RawPeer.connect({ port: node.port });
    peers.push(peer);
    await peer.greet();
    const more = own === undefined ? {} : { cert: own.certificate, key: own.key };
    await peer.startTls({ serverName: domain, authority, more });
    return peer;
  }

  const external = (peer: RawPeer, identity = '') =>
    peer.start(EXTERNAL, `<blob>${Buffer.from(identity).toString('base64')}</blob>`);

  /** What the relay says to a bind, and to an attach. */
  async function refused(peer: RawPeer, operation: string) {
    const { reply, profile } = await peer.start(IMXP, operation);
    return errorIn(profile?.content ?? reply.payload);
  }

  describe('of relays that connect', () => {
    const soon = new Date(Date.now() + DAY_MS);
    const before = new Date(Date.now() - 2 * DAY_MS);
    const strangers: [string, () => Promise<Credential | undefined>, RegExp][] = [
      ['none', async () => undefined, /no certificate/],
      [
        'an expired one',
        () => signed({ kind: 'relay', domain: 'example.com' }, before, new Date(Date.now() - DAY_MS)),
        /expired/i,
      ],
      [
        'one not valid yet',
        () => signed({ kind: 'relay', domain: 'example.com' }, soon, new Date(Date.now() + 2 * DAY_MS)),
        /not yet|NOT_YET|before/i,
      ],
      ['a revoked one', async () => made('quarry.example'), /revoked/],
      [
        'one of another authority',
        async () => new TestAuthority('Stranger').issue({ domains: ['example.com'] }),
        /UNABLE|self|issuer|authority|verif/i,
      ],
    ];
    for (const [what, own, reason] of strangers) {
      it(`REQ-SASL-007 takes ${what} as nobody's, for a reason only the log shows`, async () => {
        const mark = rubble.mark;
        const peer = await under(rubble, 'rubble.com', await own());
        const tuned = await rubble.log(({ msg }) => msg === 'session tuned: TLS', 'TLS', WAIT_MS, mark);
        expect(tuned).to.include({ authorized: false });
        expect(tuned['reason']).to.match(reason);
        const { reply } = await external(peer, 'imxp=mesh@example.com');
        // The same words for all of them.
        expect(errorIn(reply.payload)).to.deep.equal({
          code: 535,
          text: 'this profile requires a client certificate that is trusted here',
        });
        expect(await refused(peer, bind('example.com', 1))).to.deep.equal({
          code: 530,
          text: 'authentication required',
        });
        await rubble.log(({ msg, code }) => /^refused: /.test(`${msg}`) && code === 530, 'a refusal', WAIT_MS, mark);
      });
    }

    it('accepts no relay by a certificate for clients only that names the domain', async () => {
      const mark = rubble.mark;
      const { certificate, key } = made('ca');
      const name = /^CN=(.*)$/m.exec(new X509Certificate(certificate).subject)?.[1] ?? '';
      const own = issueBy({ name, key }, { domains: ['example.com'], usages: ['client'] });
      const peer = await under(rubble, 'rubble.com', own);
      const { profile, reply } = await external(peer, 'imxp=mesh@example.com');
      expect(errorIn(profile?.content ?? reply.payload)?.code).to.equal(535);
      const line = await rubble.log(({ msg }) => msg === 'refused: authentication', 'the reason', WAIT_MS, mark);
      expect(line['reason']).to.match(/certificate that names you/);
      expect((await refused(peer, bind('example.com', 1)))?.code).to.equal(530);
    });

    it('accepts no endpoint by a certificate for servers only, and no relay of an untrusted authority', async () => {
      const { certificate, key } = made('ca');
      const name = /^CN=(.*)$/m.exec(new X509Certificate(certificate).subject)?.[1] ?? '';
      const person = issueBy({ name, key }, { mailboxes: [BARNEY], usages: ['server'] });
      const stranger = new TestAuthority('Stranger').issue({ domains: ['example.com'], usages: ['server'] });
      for (const [own, reason] of [
        [person, /PURPOSE/],
        [stranger, /known authority/],
      ] as const) {
        const mark = rubble.mark;
        const peer = await under(rubble, 'rubble.com', own);
        const tuned = await rubble.log(({ msg }) => msg === 'session tuned: TLS', 'TLS', WAIT_MS, mark);
        expect(tuned).to.include({ authorized: false });
        expect(tuned['reason']).to.match(reason);
        expect(errorIn((await external(peer)).reply.payload)?.code).to.equal(535);
      }
    });

    it('takes a certificate of another domain as that domain only', async () => {
      const mark = rubble.mark;
      const other = await signed({ kind: 'relay', domain: 'slate.example' }, new Date(Date.now() - 1000), soon);
      const peer = await under(rubble, 'rubble.com', other);
      const asOther = await external(peer, 'imxp=mesh@example.com');
      expect(errorIn(asOther.profile?.content ?? asOther.reply.payload)?.code).to.equal(537);
      await peer.close(asOther.number);
      expect((await external(peer)).profile?.content).to.match(/complete/);
      expect(await refused(peer, bind('example.com', 1))).to.deep.equal({
        code: 537,
        text: 'not authorized to bind for this domain',
      });
      const line = await rubble.log(({ msg, code }) => msg === 'refused: bind' && code === 537, 'why', WAIT_MS, mark);
      expect(line['reason']).to.equal('the peer is the relay of slate.example');
      const channel = await peer.imxp(bind('slate.example', 2));
      const forged = await peer.ask(channel, inlineData(FRED, [BARNEY], '<note />'));
      expect(errorIn(forged.payload)?.code).to.equal(537);
    });

    it('REQ-SASL-010 takes a certificate of an endpoint as that endpoint only', async () => {
      const peer = await under(rubble, 'rubble.com', made(BARNEY));
      expect((await external(peer)).profile?.content).to.match(/complete/);
      expect((await refused(peer, attach('wilma@rubble.com', 1)))?.code).to.equal(537);
      expect((await refused(peer, bind('rubble.com', 1)))?.code).to.equal(537);
      const channel = await peer.imxp(attach(BARNEY, 1));
      const own = peer.ask(channel, inlineData(BARNEY, [BARNEY], '<note>to myself</note>'));
      const arrived = await peer.nextRequest(channel);
      peer.reply(channel, 'RPY', arrived.msgno, OK);
      expect((await own).payload.toString()).to.equal(OK);
    });
  });

  describe('of relays that are connected to', () => {
    const now = Date.now();
    const strangers: [string, () => Promise<Credential>, RegExp][] = [
      ['of another domain', async () => made('rubble.com'), /does not name the domain/],
      [
        'an expired one',
        () => signed({ kind: 'relay', domain: 'slate.example' }, new Date(now - 2 * DAY_MS), new Date(now - DAY_MS)),
        /expired/i,
      ],
      ['a revoked one', revokedSlate, /revoked/],
      [
        'one for clients only',
        () =>
          signed(
            { kind: 'endpoint', address: 'imxp=mesh@slate.example' },
            new Date(now - 1000),
            new Date(now + DAY_MS),
          ),
        /purpose|not for a TLS server/i,
      ],
    ];

    async function revokedSlate(): Promise<Credential> {
      await certs('--domain', 'slate.example');
      await certs('--revoke', 'certs/slate.example.crt');
      const mark = example.mark;
      example.command.signal('SIGHUP');
      await example.log(({ msg }) => msg === 'reloaded', 'reloaded', WAIT_MS, mark);
      return made('slate.example');
    }

    for (const [what, own, reason] of strangers) {
      it(`REQ-TLS-011 sends ${what} nothing under TLS, and logs why`, async () => {
        const { certificate: cert, key } = await own();
        const mark = example.mark;
        const fred = await under(example, 'example.com', made(FRED));
        expect((await external(fred)).profile?.content).to.match(/complete/);
        const channel = await fred.imxp(attach(FRED, 1));
        const sent = fred.ask(channel, inlineData(FRED, ['pebbles@slate.example'], '<note />'));
        const session = await within(WAIT_MS, slate.session(), 'the relay connects');
        await session.greet(TLS);
        const heard = await session.acceptTls(nodeServer({ cert, key, ca: authority }), EXTERNAL, IMXP).then(
          ({ payload }) => `${payload}`,
          () => 'nothing',
        );
        expect(heard).to.equal('nothing');
        expect(errorIn((await sent).payload)?.code).to.equal(450);
        const failed = await example.log(
          (line) => line.msg === 'link failed' && line['link'] === 'slate.example',
          'why there is no link',
          WAIT_MS,
          mark,
        );
        expect(failed['reason']).to.match(reason);
      });
    }
  });

  describe('without a restart', () => {
    async function shown(node: NodeProcess, domain: string): Promise<string> {
      const peer = await RawPeer.connect({ port: node.port });
      peers.push(peer);
      await peer.greet();
      let serial = '';
      const look = (socket: TLSSocket): void => {
        serial = socket.getPeerX509Certificate()?.serialNumber.toLowerCase() ?? '';
      };
      await peer.startTls({ serverName: domain, authority, look });
      return serial;
    }

    async function reloaded(node: NodeProcess): Promise<void> {
      const mark = node.mark;
      node.command.signal('SIGHUP');
      await node.log(({ msg }) => msg === 'reloaded', 'reloaded', WAIT_MS, mark);
    }

    const serialOf = (name: string): string => new X509Certificate(pem(`${name}.crt`)).serialNumber.toLowerCase();

    it('SIGHUP loads a renewed certificate; existing sessions continue', async () => {
      const old = serialOf('rubble.com');
      expect(await shown(rubble, 'rubble.com')).to.equal(old);
      const barney = await under(rubble, 'rubble.com', made(BARNEY));
      expect((await external(barney)).profile?.content).to.match(/complete/);
      const channel = await barney.imxp(attach(BARNEY, 1));
      expect(await certs('--domain', 'rubble.com', '--renew')).to.match(/^renewed +relay +rubble\.com/m);
      expect(serialOf('rubble.com')).to.not.equal(old);
      expect(await shown(rubble, 'rubble.com'), 'before SIGHUP').to.equal(old);
      await reloaded(rubble);
      expect(await shown(rubble, 'rubble.com')).to.equal(serialOf('rubble.com'));
      const own = barney.ask(channel, inlineData(BARNEY, [BARNEY], '<note>still here</note>'));
      const arrived = await barney.nextRequest(channel);
      barney.reply(channel, 'RPY', arrived.msgno, OK);
      expect((await own).payload.toString()).to.equal(OK);
    });

    it('SIGHUP loads a revocation; the revoked certificate is refused from then on', async () => {
      const fred = made(FRED);
      const before = await under(example, 'example.com', fred);
      expect((await external(before)).profile?.content).to.match(/complete/);
      expect(await certs('--revoke', `certs/${FRED}.crt`)).to.match(/^endpoint +fred@example\.com .* revoked$/m);
      await reloaded(example);
      const peer = await under(example, 'example.com', fred);
      expect(errorIn((await external(peer)).reply.payload)?.code).to.equal(535);
      const send = ['send', '--from', FRED, '--to', BARNEY, ...options(example, FRED), '-'];
      const { code, stderr } = await workshop.run(send, { input: 'x' });
      expect(code).to.be.oneOf([69, 77]);
      expect(stderr.toString()).to.match(/no acceptable mechanism/);
    });

    it('SIGHUP with an unusable certificate changes nothing, and says so', async () => {
      const mark = rubble.mark;
      const good = pem('rubble.com.crt');
      await workshop.file('certs/rubble.com.crt', 'not a certificate');
      rubble.command.signal('SIGHUP');
      const line = await rubble.log(({ msg }) => /not reloaded/.test(`${msg}`), 'the refusal', WAIT_MS, mark);
      expect(JSON.stringify(line['reasons'])).to.contain('rubble.com.crt');
      await workshop.file('certs/rubble.com.crt', good);
      expect(await shown(rubble, 'rubble.com')).to.equal(serialOf('rubble.com'));
    });
  });
});
