/**
 * Three domains that know each other only by the DNS and by certificates: no routes, no passwords between relays, endpoints
 * that are told nothing but their address. Relays are processes, so that they can be killed.
 */
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { ImxpError } from '../../lib/errors.js';
import { DnsServer, RCODE, type SrvLine } from '../support/dns-server.js';
import { failureOf } from '../support/failure.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const SLATE = 'slate@quarry.example';
const PASSWORD = 'gravel pit';

describe('domains that are found by DNS records alone', function () {
  this.timeout(30_000);
  this.slow(10_000);
  let dns: DnsServer;
  let workshop: Workshop;
  let authority: Buffer;
  let example: NodeProcess;
  let rubble: NodeProcess;
  /** Two relays for one domain; the first is preferred. */
  let quarry: readonly [NodeProcess, NodeProcess];
  const endpoints: Endpoint[] = [];

  before(async function () {
    this.timeout(120_000);
    dns = await DnsServer.start();
    workshop = await Workshop.open();
    ({ octets: authority } = await workshop.certs('example.com', 'rubble.com', 'quarry.example'));
    example = await relay('example', 'example.com');
    rubble = await relay('rubble', 'rubble.com');
    quarry = [await relay('quarry-1', 'quarry.example'), await relay('quarry-2', 'quarry.example')];
    publish('example.com', [example]);
    publish('rubble.com', [rubble]);
    publish('quarry.example', quarry);
    await Promise.all([
      workshop.account(example, FRED, PASSWORD),
      workshop.account(rubble, BARNEY, PASSWORD),
      ...quarry.map((node) => workshop.account(node, SLATE, PASSWORD)),
    ]);
    await Promise.all([example, rubble, ...quarry].map((node) => node.start()));
  });

  afterEach(async function () {
    await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
    if (this.currentTest?.state !== 'failed') return;
    for (const node of [example, rubble, ...quarry]) console.log(`${node.config}:\n${node.output.slice(-3000)}`);
  });

  after(async () => {
    await workshop?.close();
    await dns?.stop();
  });

  async function relay(name: string, domain: string): Promise<NodeProcess> {
    return await workshop.node(name, (port) => ({
      domains: [domain],
      listen: [{ transport: 'tcp', host: '127.0.0.1', port }],
      tls: {
        certificate: `certs/${domain}.crt`,
        key: `certs/${domain}.key`,
        authority: 'certs/ca.crt',
        require: 'mesh',
      },
      sasl: { mechanisms: ['EXTERNAL', 'DIGEST-MD5'] },
      store: { type: 'lmdb', path: `var/${name}` },
      mesh: { dns: { servers: [dns.address] } },
      // There a binding relay must also be where its domain's records say.
      policy: { bindCheckAuthenticated: domain === 'quarry.example' },
      log: { level: 'info' },
    }));
  }

  /** The records of a domain, its relays in the order of preference; they hold for a second. */
  function publish(domain: string, nodes: readonly NodeProcess[]): void {
    const lines = nodes.map(
      ({ port }, index): SrvLine => ({
        priority: 10 * (index + 1),
        port,
        target: `relay${index + 1}.${domain}`,
        ttl: 1,
      }),
    );
    for (const service of ['mesh', 'edge']) dns.srv(`_imxp-${service}._tcp.${domain}`, ...lines);
    for (const { target } of lines) dns.host(target, ['127.0.0.1'], 1);
  }

  async function attach(address: string): Promise<Endpoint> {
    const endpoint = await Endpoint.connect({
      address,
      password: PASSWORD,
      ca: authority,
      nameServers: [dns.address],
      reconnect: { firstMs: 50 },
    });
    endpoints.push(endpoint);
    return endpoint;
  }

  it('REQ-IMXP-002 REQ-IMPP-004 REQ-IMPP-005 REQ-IMPP-006 reach each other, and their endpoints find them by their address', async () => {
    const [fred, barney, slate] = [await attach(FRED), await attach(BARNEY), await attach(SLATE)];
    const got: string[] = [];
    for (const endpoint of [barney, slate]) {
      endpoint.receive((delivery) => void got.push(`${delivery.recipients} ${delivery.text()}`));
    }
    fred.receive((delivery) => void got.push(`${delivery.originator} ${delivery.text()}`));
    expect(slate.relay).to.equal(`tcp://relay1.quarry.example:${quarry[0].port}`);
    await within(10_000, fred.send({ to: [BARNEY, SLATE], content: 'Dinner' }), 'the answer to fred');
    await within(10_000, barney.send({ to: FRED, content: 'at eight' }), 'the answer to barney');
    await within(10_000, slate.send({ to: [FRED, BARNEY], content: 'overtime' }), 'the answer to slate');
    expect(got.sort()).to.deep.equal(
      [`${BARNEY} Dinner`, `${SLATE} Dinner`, `${BARNEY} at eight`, `${SLATE} overtime`, `${BARNEY} overtime`].sort(),
    );
  });

  it('REQ-CPIM-006 answer 550 for a domain without relay or existence, 450 while the DNS fails', async () => {
    dns.srv('_imxp-mesh._tcp.dot.example', { port: 0, target: '.' });
    dns.fail('_imxp-mesh._tcp.broken.example', RCODE.SERVFAIL);
    dns.srv('_imxp-mesh._tcp.mirror.example', { port: example.port, target: 'relay1.example.com' });
    const fred = await attach(FRED);
    const reply = async (domain: string) =>
      (await failureOf(fred.send({ to: `pebbles@${domain}`, content: 'x' }))).reply;
    expect(await reply('dot.example')).to.deep.equal({
      code: 550,
      text: 'no relay for domain: its DNS says that it has none',
    });
    expect(await reply('nowhere.example')).to.deep.equal({ code: 550, text: 'no relay for domain' });
    expect((await reply('broken.example'))?.code).to.equal(450);
    expect(await reply('mirror.example')).to.deep.equal({
      code: 550,
      text: 'no relay for domain: its DNS leads back to this relay',
    });
    dns.fail('_imxp-mesh._tcp.broken.example', 0);
  });

  it('continue within 2 seconds when the preferred relay of a domain is killed, with every Data answered', async () => {
    const [fred, slate] = [await attach(FRED), await attach(SLATE)];
    const received = new Set<string>();
    slate.receive((delivery) => void received.add(delivery.text()));
    await fred.send({ to: SLATE, content: 'first' });

    const accepted = new Set<string>();
    let [sent, failed] = [0, 0];
    let killedAt = Number.POSITIVE_INFINITY;
    let backAfterMs: number | undefined;
    let stopping = false;
    const unexpected: string[] = [];
    const sender = async (name: string): Promise<void> => {
      for (let number = 0; !stopping; number += 1) {
        const content = `${name} ${number}`;
        const begun = performance.now();
        sent += 1;
        try {
          await within(10_000, fred.send({ to: SLATE, content }), `an answer to ${content}`);
          accepted.add(content);
          // Only what was sent after the relay was dead shows that there is a way again.
          if (begun > killedAt) backAfterMs ??= performance.now() - killedAt;
        } catch (error) {
          failed += 1;
          if (!(error instanceof ImxpError) || (error.reply?.code ?? 0) < 400 || (error.reply?.code ?? 0) > 499) {
            unexpected.push(String(error));
          }
          // A refusal may come at once; ask again as a person would, not as fast as the machine can.
          await new Promise((resolve) => setTimeout(resolve, 10));
        }
      }
    };
    const senders = ['a', 'b', 'c', 'd'].map(sender);
    await until(() => accepted.size > 200, 'traffic');
    await quarry[0].kill();
    killedAt = performance.now();
    await until(() => backAfterMs !== undefined, 'traffic again');
    const before = accepted.size;
    await until(() => accepted.size > before + 200, 'more traffic');
    stopping = true;
    await Promise.all(senders);

    console.log(
      `      traffic again after ${Math.round(backAfterMs ?? 0)} ms; ${sent} sent, ${failed} refused meanwhile`,
    );
    expect(unexpected).to.deep.equal([]);
    expect(accepted.size + failed).to.equal(sent);
    for (const content of accepted) expect(received.has(content)).to.equal(true);
    expect(slate.relay).to.equal(`tcp://relay2.quarry.example:${quarry[1].port}`);
    await quarry[0].start();
  });

  it('continue when the DNS fails, over new connections too', async () => {
    const [fred, barney] = [await attach(FRED), await attach(BARNEY)];
    barney.receive(() => {});
    await fred.send({ to: BARNEY, content: 'before' });
    await dns.stop();
    try {
      await fred.send({ to: BARNEY, content: 'on the same link' });
      await rubble.kill();
      await rubble.start();
      // All records are out of date by now; the link and barney come back by what they remember.
      await until(async () => {
        try {
          await fred.send({ to: BARNEY, content: 'on a new link' });
          return true;
        } catch {
          return false;
        }
      }, 'traffic without DNS');
      expect(barney.relay).to.equal(`tcp://relay1.rubble.com:${rubble.port}`);
    } finally {
      await dns.listen();
    }
  });

  it('are found by imxp send and listen from the address alone', async () => {
    const common = (address: string): string[] => [
      '--password-file',
      workshop.path(`secrets/${encodeURIComponent(address)}`),
      '--ca',
      workshop.path('certs/ca.crt'),
      '--name-server',
      dns.address,
    ];
    const listen = workshop.command(['listen', BARNEY, '--count', '1', ...common(BARNEY)]);
    await listen.seen(
      (output) => /attached as .* at tcp:\/\/relay1\.rubble\.com/.exec(output)?.[0],
      'is attached',
      20_000,
    );
    const sent = await workshop.run(['send', '--from', FRED, '--to', BARNEY, ...common(FRED)], { input: 'Bowling?' });
    expect(sent.code, sent.stderr.toString()).to.equal(0);
    expect((await listen.finished()).stdout.toString()).to.include('Bowling?');
    const nobody = await workshop.run(['send', '--from', 'fred@nowhere.example', '--to', BARNEY, ...common(FRED)]);
    expect(nobody.code).to.equal(69);
    expect(nobody.stderr.toString())
      .to.include('there is no SRV record _imxp-edge._tcp.nowhere.example')
      .and.include('Name the relay with --relay');
  });

  it('are shown by imxp check --dns as others see them', async () => {
    const own = await workshop.run(['check', '--config', example.config, '--dns']);
    expect(own.code, `${own.stdout}${own.stderr}`).to.equal(0);
    const text = own.stdout.toString();
    expect(text).to.match(/^example\.com\n {2}_imxp-mesh\._tcp\.example\.com +for 1 s\n/);
    expect(text).to.include(`tcp://relay1.example.com:${example.port}`).and.include('priority 10, weight 0');
    expect(text).to.match(/127\.0\.0\.1 +answers with TLSv1\.3; its certificate names example\.com\n/);

    dns.srv('_imxp-mesh._tcp.bedrock.example', { port: rubble.port, target: 'relay1.rubble.com' });
    const other = await workshop.run(['check', '--config', example.config, '--dns', 'bedrock.example', '--json']);
    expect(other.code).to.equal(69);
    const [seen] = JSON.parse(other.stdout.toString());
    expect(seen).to.include({ domain: 'bedrock.example', ok: false });
    expect(seen.services[0].targets[0].addresses[0].says).to.match(/^the server of bedrock\.example refused TLS/);
    expect(seen.services[1].problem).to.equal('no SRV record: endpoints must be given the URL of their relay');

    dns.srv('_apex-mesh._tcp.slate.example', { port: rubble.port, target: 'relay1.rubble.com' });
    const apex = await workshop.run(['check', '--config', example.config, '--dns', 'slate.example']);
    expect(apex.stdout.toString()).to.match(/ _apex-mesh\._tcp\.slate\.example +for /);
    expect(apex.stdout.toString()).not.to.include('_imxp-mesh');
  });
});

/** Waits until something holds, asking at each turn of the clock. */
async function until(holds: () => boolean | Promise<boolean>, what: string): Promise<void> {
  let over = false;
  const asking = async (): Promise<void> => {
    while (!over && !(await holds())) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  try {
    await within(15_000, asking(), what);
  } finally {
    over = true;
  }
}
