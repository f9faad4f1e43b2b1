/**
 * The year 2000 at a relay of today: peers whose TLS is GnuTLS's, restricted to what there was then, tune, authenticate
 * and exchange Data with a relay process, which accepts them and which connects to them, beside peers under TLS 1.3.
 * Where GnuTLS is missing root has it installed; otherwise the specs are skipped, aloud. A skipped run is not a pass.
 */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { INSTALL_TIMEOUT_MS } from '../support/debian.js';
import { Files, year2000 } from '../support/gnutls.js';
import { GnutlsPeers, missingPeers, type PeerFiles } from '../support/gnutls-peer.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { attach, beepXml, bind, errorIn, IMXP, inlineData, OK, profilesIn } from '../support/raw-documents.js';
import { RawPeer } from '../support/raw-peer.js';
import { RawRelay, type RawRelaySession } from '../support/raw-relay.js';
import { type AttachedPeer, answerAll, deliver, note, passwordOf } from '../support/relay-fixture.js';
import { within } from '../support/within.js';

const EXTERNAL = 'http://iana.org/beep/SASL/EXTERNAL';
const TLS = 'http://iana.org/beep/TLS';
const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';
const WAIT_MS = 15_000;

/** What a peer has, and a domain for the relay that has it. */
const SUITES = [
  ['TLS 1.0 with 3DES', year2000('1.0'), 'TLSv1', 'TLS_RSA_WITH_3DES_EDE_CBC_SHA', 'rubble.com'],
  ['TLS 1.1 with 3DES', year2000('1.1'), 'TLSv1.1', 'TLS_RSA_WITH_3DES_EDE_CBC_SHA', 'slate.example'],
  ['TLS 1.0 with AES', aes('1.0'), 'TLSv1', 'TLS_RSA_WITH_AES_128_CBC_SHA', 'granite.example'],
  ['TLS 1.1 with AES', aes('1.1'), 'TLSv1.1', 'TLS_RSA_WITH_AES_128_CBC_SHA', 'gravel.example'],
] as const;
const DOMAINS = SUITES.map(([, , , , domain]) => domain);

function aes(version: string): string {
  return `NORMAL:-VERS-ALL:+VERS-TLS${version}:-CIPHER-ALL:+AES-128-CBC:-KX-ALL:+RSA:+SHA1`;
}

describe('relays and the TLS of the year 2000', function () {
  this.timeout(60_000);
  this.slow(10_000);
  let workshop: Workshop;
  let authority: Buffer;
  let files: Files;
  const gnutls = new GnutlsPeers();
  let peers: RawPeer[] = [];

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const missing = missingPeers();
    if (missing !== undefined) {
      console.log(`      SKIPPED, nothing was tried with GnuTLS: ${missing}`);
      this.skip();
    }
    workshop = await Workshop.open();
    files = new Files();
    const domains = ['example.com', ...DOMAINS];
    // TLS 1.0 and 1.1 know no other keys; the certificates are kept by what makes those of all specs.
    const named = domains.flatMap((domain) => ['--domain', domain]);
    await workshop.run(['certs', '--out', workshop.path('certs'), '--key', 'rsa', ...named]);
    ({ octets: authority } = await workshop.certs(...domains));
  });
  afterEach(() => {
    for (const peer of peers) peer.destroy();
    peers = [];
    gnutls.stop();
  });
  after(async () => {
    files?.remove();
    await workshop?.close();
  });

  const filesOf = (domain: string): Required<PeerFiles> => ({
    authority: workshop.path('certs/ca.crt'),
    certificate: workshop.path(`certs/${domain}.crt`),
    key: workshop.path(`certs/${domain}.key`),
  });

  async function relay(name: string, legacy: boolean, routes: readonly object[] = []): Promise<NodeProcess> {
    const node = await workshop.node(name, (port) => ({
      domains: ['example.com'],
      listen: [{ port }],
      tls: {
        certificate: 'certs/example.com.crt',
        key: 'certs/example.com.key',
        authority: 'certs/ca.crt',
        require: 'always',
        legacy,
      },
      store: { type: 'lmdb', path: `var/${name}` },
      mesh: { routes, dns: { enabled: false } },
      log: { level: 'debug' },
    }));
    for (const address of [FRED, WILMA]) await workshop.account(node, address, passwordOf(address));
    return await node.start();
  }

  async function greeted(node: NodeProcess, name: string): Promise<RawPeer> {
    const peer = await RawPeer.connect({ port: node.port, name });
    peers.push(peer);
    await peer.greet();
    return peer;
  }

  /** A peer under GnuTLS's TLS. */
  async function old(node: NodeProcess, priority: string, own?: PeerFiles): Promise<RawPeer> {
    const peer = await greeted(node, 'GnuTLS');
    const log = files.put(`cli-${Date.now()}-${Math.random()}.log`, '');
    const engine = gnutls.client(priority, 'example.com', own ?? { authority: workshop.path('certs/ca.crt') }, log);
    await peer.startTls({ serverName: 'example.com', authority, engine }).catch(async (cause: unknown) => {
      await within(WAIT_MS, gnutls.last.exited, 'gnutls-cli ends');
      throw new Error(`${cause}\n${readFileSync(log, 'latin1')}`, { cause });
    });
    return peer;
  }

  async function attached(peer: RawPeer, address: string): Promise<AttachedPeer> {
    const [username = ''] = address.split('@');
    const reply = await peer.authenticate({ username, password: passwordOf(address) });
    expect(reply.keyword, `${reply.payload}`).to.equal('RPY');
    return { address, peer, channel: await peer.imxp(attach(address, 7)) };
  }

  async function modern(node: NodeProcess, address: string): Promise<AttachedPeer> {
    const peer = await greeted(node, address);
    await peer.startTls({ serverName: 'example.com', authority, more: { minVersion: 'TLSv1.3' } });
    return attached(peer, address);
  }

  /** The log has said which TLS it was, as a warning. */
  async function warned(node: NodeProcess, protocol: string, cipher: string, since: number): Promise<void> {
    const line = await node.log(({ msg }) => /legacy TLS/.test(`${msg}`), 'a warning of legacy TLS', WAIT_MS, since);
    expect(line).to.include({ level: 'warn', protocol, cipher });
  }

  describe('as listener', () => {
    let node: NodeProcess;

    before(async () => {
      node = await relay('listener', true);
    });
    after(async () => {
      expect((await node?.stop())?.code).to.equal(0);
    });

    for (const [title, priority, protocol, cipher] of SUITES) {
      it(`REQ-TLS-013 serve an endpoint under ${title}, one under TLS 1.3 beside it, and Data between them`, async () => {
        const mark = node.mark;
        const fred = await modern(node, FRED);
        await node.log((line) => line['protocol'] === 'TLSv1.3', 'TLS 1.3', WAIT_MS, mark);
        const wilma = await attached(await old(node, priority), WILMA);
        await warned(node, protocol, cipher, mark);
        const there = await deliver(wilma, fred, note(wilma, [fred], `from the year 2000: ${'rock '.repeat(4000)}`));
        expect(there.reply.payload.toString()).to.equal(OK);
        expect(there.arrived.payload.toString()).to.contain('from the year 2000');
        const back = await deliver(fred, wilma, note(fred, [wilma], `from today: ${'roll '.repeat(4000)}`));
        expect(back.reply.payload.toString()).to.equal(OK);
        expect(back.arrived.payload.toString()).to.contain('from today');
      });
    }

    for (const [title, priority] of SUITES) {
      it(`REQ-TLS-016 know a relay by its certificate under ${title}`, async () => {
        const fred = await modern(node, FRED);
        answerAll(fred);
        const peer = await old(node, priority, filesOf('rubble.com'));
        const { number, reply, profile } = await peer.start(EXTERNAL, '<blob></blob>', 'example.com');
        expect(profile?.content, `${reply.payload}`).to.match(/status='complete'/);
        await peer.close(number);
        const channel = await peer.imxp(bind('rubble.com', 1));
        const answer = await peer.ask(channel, inlineData(BARNEY, [FRED], '<note>from the quarry</note>'));
        expect(answer.payload.toString()).to.equal(OK);
      });
    }
  });

  /** Neighbours of a relay, one for each domain. */
  class Neighbourhood {
    readonly #relays = new Map<string, RawRelay>();

    async routes(domains: readonly string[]): Promise<object[]> {
      return await Promise.all(
        domains.map(async (domain) => {
          const neighbour = await RawRelay.listen();
          this.#relays.set(domain, neighbour);
          return { domain, relays: [neighbour.url], tls: 'require', lanes: 1 };
        }),
      );
    }

    /** The next session the relay begins with a neighbour, greeted. */
    async session(domain: string): Promise<RawRelaySession> {
      const neighbour = this.#relays.get(domain);
      if (neighbour === undefined) throw new Error(`no neighbour for ${domain}`);
      const session = await within(WAIT_MS, neighbour.session(), `the relay connects to that of ${domain}`);
      expect(profilesIn((await session.greet(TLS)).payload)).not.to.include(TLS);
      return session;
    }

    /** The session in which the client gets to the stack that this server has: each attempt is a connection. */
    async tuned(domain: string, priority: string, certified = domain): Promise<RawRelaySession> {
      for (let attempt = 1; ; attempt += 1) {
        const session = await this.session(domain);
        try {
          await session.acceptTls(gnutls.server(priority, filesOf(certified)), EXTERNAL, IMXP);
          return session;
        } catch (error) {
          if (attempt === 3) throw error;
        }
      }
    }

    url(domain: string): string {
      return this.#relays.get(domain)?.url ?? '';
    }

    close(): void {
      for (const neighbour of this.#relays.values()) neighbour.close();
    }
  }

  /** Sends a Data before there is a link; the answer comes when there is one, or none can be had. */
  const send = ({ peer, channel }: AttachedPeer, domain: string) =>
    peer.ask(channel, inlineData(FRED, [`barney@${domain}`], '<note>to the quarry</note>'), WAIT_MS);

  /** Takes what is done after TLS: EXTERNAL, one channel with an operation. Returns the channel. */
  async function login(session: RawRelaySession, operation: RegExp): Promise<number> {
    const external = await session.started();
    expect(external.uri).to.equal(EXTERNAL);
    session.accept(external, "<blob status='complete' />");
    for (;;) {
      const { msgno, payload } = await session.nextRequest(0);
      if (/<close\b/.test(`${payload}`)) {
        session.reply(0, 'RPY', msgno, beepXml('<ok />'));
        continue;
      }
      const asked = session.parseStart(msgno, payload);
      expect(asked.uri).to.equal(IMXP);
      expect(asked.content).to.match(operation);
      session.accept(asked, '<ok />');
      return asked.channel;
    }
  }

  describe('endpoints', () => {
    const neighbours = new Neighbourhood();
    after(() => neighbours.close());

    it('REQ-TLS-015 reach a relay that has only TLS 1.0 with 3DES, logging in by certificate', async () => {
      await workshop.run(['certs', '--out', workshop.path('certs'), '--endpoint', FRED]);
      await neighbours.routes(['rubble.com']);
      const own = ['--cert', workshop.path(`certs/${FRED}.crt`), '--key', workshop.path(`certs/${FRED}.key`)];
      const use = ['--relay', neighbours.url('rubble.com'), '--ca', workshop.path('certs/ca.crt'), ...own];
      const send = workshop.command(['send', '--from', FRED, '--to', BARNEY, ...use, '--legacy-tls']);
      send.input('Yabba dabba doo\n');
      const session = await neighbours.tuned('rubble.com', year2000('1.0'), 'example.com');
      const channel = await login(session, /<attach\b.*fred\/send=[0-9a-f]+@example\.com/);
      const { msgno, payload } = await session.nextRequest(channel);
      expect(payload.toString()).to.contain('Yabba dabba doo');
      session.reply(channel, 'RPY', msgno, OK);
      session.onRequest = (message) => session.reply(message.channel, 'RPY', message.msgno, OK);
      await session.leave();
      expect((await send.finished()).code).to.equal(0);
    });
  });

  describe('as initiator', () => {
    let node: NodeProcess;
    const neighbours = new Neighbourhood();

    before(async () => {
      node = await relay('initiator', true, await neighbours.routes(DOMAINS));
    });
    after(async () => {
      await node?.stop();
      neighbours.close();
    });

    for (const [title, priority, protocol, cipher, domain] of SUITES) {
      it(`REQ-TLS-013 REQ-TLS-014 reach a relay that has only ${title}, and exchange Data with it`, async () => {
        const mark = node.mark;
        const fred = await modern(node, FRED);
        const sent = send(fred, domain);
        const session = await neighbours.tuned(domain, priority);
        await warned(node, protocol, cipher, mark);
        expect(gnutls.last.errors).to.match(/client certificate trusted/);
        const channel = await login(session, /<bind\b.*example\.com/);
        const arrived = await session.nextRequest(channel);
        expect(arrived.payload.toString()).to.contain('to the quarry');
        session.reply(channel, 'RPY', arrived.msgno, OK);
        expect((await sent).payload.toString()).to.equal(OK);
        answerAll(fred);
        const back = inlineData(`barney@${domain}`, [FRED], '<note>from the quarry</note>');
        expect((await session.ask(channel, back)).payload.toString()).to.equal(OK);
      });
    }
  });

  describe('without tls.legacy', () => {
    let node: NodeProcess;
    const neighbours = new Neighbourhood();

    before(async () => {
      node = await relay('strict', false, await neighbours.routes(DOMAINS));
    });
    after(async () => {
      await node?.stop();
      neighbours.close();
    });

    for (const [title, priority, , , domain] of SUITES) {
      it(`REQ-TLS-010 refuse ${title} with an alert and a reason in the log`, async () => {
        const mark = node.mark;
        const failure = await old(node, priority).then(
          () => 'it was served',
          (error: unknown) => `${error}`,
        );
        expect(failure).to.match(/alert.*version/i);
        const closed = await node.log(({ error }) => error === 'TLS_FAILED', 'the refusal', WAIT_MS, mark);
        expect(closed['reason']).to.match(/only legacy versions or cipher suites.*not allow/);
        // The relay is none the worse for it.
        const fred = await modern(node, FRED);
        const wilma = await modern(node, WILMA);
        const { reply } = await deliver(fred, wilma, note(fred, [wilma], 'still here'));
        expect(reply.payload.toString()).to.equal(OK);
      });

      it(`REQ-TLS-011 say nothing to a relay that has only ${title}`, async () => {
        const mark = node.mark;
        const fred = await modern(node, FRED);
        const sent = send(fred, domain);
        const session = await neighbours.session(domain);
        const outcome = await session.acceptTls(gnutls.server(priority, filesOf(domain))).then(
          () => 'it went on',
          (error: unknown) => `${error}`,
        );
        expect(outcome).to.match(/it ended/);
        expect(errorIn((await sent).payload)?.code).to.equal(450);
        const failed = await node.log(({ msg }) => msg === 'link failed', 'no link', WAIT_MS, mark);
        expect(failed).to.include({ link: domain, error: 'TLS_FAILED' });
      });
    }
  });
});
