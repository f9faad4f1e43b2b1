import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { type CertificateEnding, events, type LinkChanged } from '../../lib/ops/events.js';
import type { NodeStatus } from '../../lib/ops/status.js';
import { TestAuthority, type TestCertificate } from '../support/certificates.js';
import { temporaryDirectory } from '../support/temporary.js';
import { within } from '../support/within.js';

const DAY_MS = 86_400_000;
const HERE = 'example.com';
const THERE = 'rubble.com';

describe('node/certificate-watch', function () {
  this.timeout(60_000);
  const path = temporaryDirectory();
  const authority = new TestAuthority();
  const nodes: Node[] = [];
  const silences: (() => void)[] = [];

  afterEach(async () => {
    for (const silence of silences.splice(0)) silence();
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
  });

  const lasting = (domain: string, ms: number): TestCertificate =>
    authority.issue({
      domains: [domain],
      notBefore: new Date(Date.now() - 100 * DAY_MS),
      notAfter: new Date(Date.now() + ms),
    });

  async function start(domain: string, shown: TestCertificate, mesh: object = {}, trusted = authority): Promise<Node> {
    await writeFile(path(`${domain}.crt`), shown.certificate);
    await writeFile(path(`${domain}.key`), shown.key, { mode: 0o600 });
    await writeFile(path(`${domain}.ca`), trusted.certificate);
    const config = parseConfig(
      {
        domains: [domain],
        listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }],
        tls: {
          certificate: path(`${domain}.crt`),
          key: path(`${domain}.key`),
          authority: path(`${domain}.ca`),
          require: 'mesh',
        },
        store: { type: 'memory' },
        mesh: { dns: { enabled: false }, ...mesh },
        admin: { port: 0 },
      },
      '/',
    );
    const node = await startNode(config);
    nodes.push(node);
    return node;
  }

  const page = async (node: Node, name: string): Promise<Response> => fetch(`${node.admin}${name}`);
  const statusOf = async (node: Node): Promise<NodeStatus> =>
    (await (await page(node, '/status')).json()) as NodeStatus;

  const towards = (node: Node): object => {
    const port = node.listening[0]?.port ?? 0;
    return { routes: [{ domain: THERE, relays: [`tcp://127.0.0.1:${port}`], tls: 'require' }] };
  };

  /** Sends something to the neighbour, so that the link is needed; what becomes of it does not matter. */
  async function addressed(node: Node): Promise<void> {
    const [address, password] = [`fred@${HERE}`, 'secret-of-fred'];
    await node.addAccount(address, password);
    const relay = `tcp://127.0.0.1:${node.listening[0]?.port ?? 0}`;
    const endpoint = await Endpoint.connect({ address, password, relay, tls: 'off' });
    const sent = endpoint.send({ to: `barney@${THERE}`, content: Buffer.from('x') });
    sent.catch(() => {}).finally(() => void endpoint.close());
  }

  /** The first event that suits. */
  function heard<T extends object>(event: { subscribe(to: (it: T) => void): () => void }, suits: (it: T) => boolean) {
    return within(
      20_000,
      new Promise<T>((resolve) => {
        silences.push(event.subscribe((it) => (suits(it) ? resolve(it) : undefined)));
      }),
      'the event',
    );
  }

  it('warns from 30 days before the end, and shows all of them in the status and the metrics', async () => {
    const said: CertificateEnding[] = [];
    silences.push(events.certificate.subscribe((it) => (it.holder === 'own' ? void said.push(it) : undefined)));
    const node = await start(HERE, lasting(HERE, 20.5 * DAY_MS));
    expect(said).to.have.length(1);
    expect(said[0]).to.include({ holder: 'own', name: HERE, days: 20 });
    const { certificates } = await statusOf(node);
    // That of the authority ends first.
    expect(certificates[0]).to.include({ holder: 'authority', name: 'CN=Test Authority' });
    expect(certificates[1]).to.deep.equal(said[0]);
    const text = await (await page(node, '/metrics')).text();
    const seconds = Math.round(Date.parse(said[0]?.notAfter ?? '') / 1000);
    expect(text).to.include(`imxp_certificate_end_seconds{holder="own",name="example.com"} ${seconds}`);
    expect((await page(node, '/readyz')).status).to.equal(200);
  });

  it('says at once when the certificate of a running node expires, and the node is not ready any more', async () => {
    const ended = heard(events.certificate, ({ days, name }) => days < 0 && name === HERE);
    const node = await start(HERE, lasting(HERE, 4000));
    expect((await page(node, '/readyz')).status).to.equal(200);
    await ended;
    const answer = await page(node, '/readyz');
    expect([answer.status, await answer.text()]).to.satisfy(([status, text]: [number, string]) => {
      return status === 503 && /^ready, but the certificate of example\.com expired on /.test(text);
    });
  });

  it("a failed link names the neighbour's expired certificate and the clock, and the status keeps it", async () => {
    const there = await start(THERE, lasting(THERE, -DAY_MS));
    const failed = heard(events.link, ({ state }) => state === 'failed');
    const here = await start(HERE, lasting(HERE, 90 * DAY_MS), towards(there));
    await addressed(here);
    const { error, reason, suspect } = await failed;
    expect([error, reason]).to.deep.equal([
      'TLS_FAILED',
      "the peer's certificate is not acceptable: it has expired (CERT_HAS_EXPIRED)",
    ]);
    expect(suspect).to.match(/^the neighbour has not renewed its certificate, or the clock of this machine is wrong$/);
    const [link] = (await statusOf(here)).links;
    expect(link?.failure).to.include({ error, reason, suspect });
  });

  it('a failed link names the CA that is missing', async () => {
    const there = await start(THERE, lasting(THERE, 90 * DAY_MS));
    const failed = heard(events.link, ({ state }) => state === 'failed');
    const here = await start(HERE, lasting(HERE, 90 * DAY_MS), towards(there), new TestAuthority('Another'));
    await addressed(here);
    expect((await failed)['suspect']).to.equal("the CA of the neighbour's certificate is missing in tls.authority");
  });

  it("a failed link names this node's own expired certificate", async () => {
    const there = await start(THERE, lasting(THERE, 90 * DAY_MS));
    const failed = heard(events.link, ({ state }: LinkChanged) => state === 'failed');
    const here = await start(HERE, lasting(HERE, -DAY_MS), towards(there));
    await addressed(here);
    expect((await failed)['suspect']).to.match(
      /^the certificate of this node expired on \d{4}-\d\d-\d\d, or the clock/,
    );
  });

  it("shows a neighbour's certificate while there is a session with it", async () => {
    const there = await start(THERE, lasting(THERE, 10.5 * DAY_MS));
    const up = heard(events.link, ({ state }) => state === 'up');
    const here = await start(HERE, lasting(HERE, 90 * DAY_MS), towards(there));
    await addressed(here);
    await up;
    const { certificates } = await statusOf(here);
    expect(certificates.find(({ holder }) => holder === 'neighbour')).to.include({ name: THERE, days: 10 });
  });
});
