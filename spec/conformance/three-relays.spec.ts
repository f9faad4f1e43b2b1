/**
 * Three relays in three processes, example.com -> rubble.com -> slate.example, with TLS and certificates: routes over an
 * intermediary (core-01 §4.4.4.1 step 3.2, §4.5.2), traces of what fails on the way (§5.1), and an application that stands
 * for a whole domain of the last relay.
 */
import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { EndpointOptions } from '../../lib/endpoint/options.js';
import { failureOf } from '../support/failure.js';
import { freePort } from '../support/free-port.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const JOE = 'joe@slate.example';
const BARNEY = 'barney@rubble.com';
/** Served by the relay of slate.example, and given to a program. */
const GRAVEL = 'gravel.example';
const GATEWAY = `imxp=gateway@${GRAVEL}`;
const passwordOf = (address: string): string => `pit ${address}`;

describe('three relays in a row', function () {
  this.timeout(120_000);
  this.slow(30_000);
  let workshop: Workshop;
  let authority: string;
  const nodes = new Map<string, NodeProcess>();
  const configurations = new Map<string, object>();
  const endpoints: Endpoint[] = [];

  const portOf = (domain: string): number => nodes.get(domain)?.port ?? 0;
  const node = (domain: string): NodeProcess => {
    const found = nodes.get(domain);
    if (found === undefined) throw new Error(`no relay of ${domain}`);
    return found;
  };

  before(async function () {
    this.timeout(180_000);
    workshop = await Workshop.open();
    ({ authority } = await workshop.certs('example.com', 'rubble.com', 'slate.example', GRAVEL));
    const [a, b, c] = [await freePort(), await freePort(), await freePort()];
    const toRubble = { relays: [`tcp://127.0.0.1:${b}`], via: 'rubble.com' };
    await relay('example.com', a, {
      routes: [
        { domain: 'rubble.com', relays: [`tcp://127.0.0.1:${b}`] },
        // An exact domain with relays of its own, a pattern that shares the link to rubble.com, and a wrong name.
        { domain: 'slate.example', ...toRubble },
        { domain: '*.example', via: 'rubble.com' },
        { domain: 'quarry.example', relays: [`tcp://127.0.0.1:${b}`], via: 'cave.example' },
      ],
      trusted: ['rubble.com'],
    });
    await relay('rubble.com', b, {
      routes: [
        { domain: 'example.com', relays: [`tcp://127.0.0.1:${a}`] },
        { domain: 'slate.example', relays: [`tcp://127.0.0.1:${c}`] },
        { domain: GRAVEL, relays: [`tcp://127.0.0.1:${c}`] },
      ],
      trusted: ['example.com', 'slate.example'],
    });
    await relay(
      'slate.example',
      c,
      { routes: [{ domain: '*', ...toRubble }], trusted: ['imxp=mesh@rubble.com'] },
      { gateways: { [GRAVEL]: GATEWAY } },
      GRAVEL,
    );
    const accounts = [
      ['example.com', FRED],
      ['rubble.com', BARNEY],
      ['slate.example', JOE],
      ['slate.example', GATEWAY],
    ] as const;
    for (const [domain, address] of accounts) await workshop.account(node(domain), address, passwordOf(address));
    for (const each of nodes.values()) await each.start();
  });

  afterEach(async function () {
    await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
    if (this.currentTest?.state !== 'failed') return;
    for (const [domain, { output }] of nodes) console.log(`${domain}:\n${output.slice(-3000)}`);
  });

  after(async () => await workshop?.close());

  async function relay(domain: string, port: number, mesh: object, policy: object = {}, also?: string): Promise<void> {
    const configuration = {
      domains: [domain, ...(also === undefined ? [] : [also])],
      listen: [{ transport: 'tcp', host: '127.0.0.1', port }],
      tls: {
        certificate: `certs/${domain}.crt`,
        key: `certs/${domain}.key`,
        authority: 'certs/ca.crt',
        require: 'always',
        ...(also === undefined
          ? {}
          : { domains: { [also]: { certificate: `certs/${also}.crt`, key: `certs/${also}.key` } } }),
      },
      store: { type: 'lmdb', path: `var/${domain}` },
      mesh: { ...mesh, dns: { enabled: false } },
      policy,
      ...(domain === 'rubble.com' ? { sasl: { serverNames: ['cave.example'] } } : {}),
      log: { level: 'debug' },
    };
    configurations.set(domain, configuration);
    nodes.set(domain, await workshop.node(domain, () => configuration, port));
  }

  /** Has a relay read its configuration again, with something different in its section `mesh`. */
  async function reload(domain: string, mesh: object): Promise<void> {
    const { config, command, mark } = node(domain);
    const original = configurations.get(domain) as { readonly mesh: object };
    await writeFile(config, JSON.stringify({ ...original, mesh: { ...original.mesh, ...mesh } }));
    command.signal('SIGHUP');
    await node(domain).log(({ msg }) => msg === 'reloaded', 'that it has read it', 10_000, mark);
  }

  const options = (address: string, domain: string): EndpointOptions => ({
    address,
    relay: `tcp://127.0.0.1:${portOf(domain)}`,
    password: passwordOf(address),
    ca: authority,
  });

  async function attach(address: string, domain = address.slice(address.lastIndexOf('@') + 1)): Promise<Endpoint> {
    const endpoint = await Endpoint.connect(options(address, domain));
    endpoints.push(endpoint);
    return endpoint;
  }

  async function traced(to: string): Promise<{ code: number; complete: boolean; hops: readonly string[] }> {
    const { stdout } = await workshop.run([
      ...['trace', to, '--from', FRED, '--relay', `tcp://127.0.0.1:${portOf('example.com')}`, '--json'],
      ...['--password-file', workshop.path(`secrets/${encodeURIComponent(FRED)}`), '--ca', authority],
    ]);
    const { code, complete, hops } = JSON.parse(stdout.toString());
    return { code, complete, hops: hops.map((hop: { relay: string; code: number }) => `${hop.relay} ${hop.code}`) };
  }

  it('REQ-IMPP-071 REQ-IMXP-035 carry Data to an exact domain over the intermediary that its route names, and back', async () => {
    const [fred, joe] = [await attach(FRED), await attach(JOE)];
    const seen: string[] = [];
    const note = (delivery: { originator: string; text(): string }): void => {
      seen.push(`${delivery.originator} ${delivery.text()}`);
    };
    fred.receive(note);
    joe.receive(note);
    await fred.send({ to: JOE, content: 'Dinner?' });
    await joe.send({ to: FRED, content: 'At six' });
    expect(seen).to.deep.equal([`${FRED} Dinner?`, `${JOE} At six`]);
    // The name asked for and the certificate expected are those of the intermediary.
    const links = node('example.com').lines.flatMap(({ msg, link }) => (msg === 'link up' ? [link] : []));
    expect(links).to.deep.equal(['rubble.com']);
  });

  it('carry Data to what a pattern covers on the link of the intermediary that there is', async () => {
    const [fred, gateway] = [await attach(FRED), await attach(GATEWAY, 'slate.example')];
    await gateway.attach(`*@${GRAVEL}`);
    const seen: string[] = [];
    gateway.receive(({ recipients }) => void seen.push(...recipients));
    await fred.send({ to: [`pearl@${GRAVEL}`, `ingrid@${GRAVEL}`], content: 'x' });
    expect(seen.sort()).to.deep.equal([`ingrid@${GRAVEL}`, `pearl@${GRAVEL}`]);
  });

  it('refuse an intermediary whose certificate does not name what the route says', async () => {
    const fred = await attach(FRED);
    const { reply } = await failureOf(fred.send({ to: 'bettyrock@quarry.example', content: 'x' }));
    expect(reply?.code).to.equal(450);
    const failed = await node('example.com').log(
      ({ link, error }) => link === 'cave.example' && error !== undefined,
      'why',
    );
    expect(failed['error']).to.equal('TLS_FAILED');
  });

  it('REQ-IMXP-035 believe an intermediary about others only where the configuration trusts it', async () => {
    const [fred, joe] = [await attach(FRED), await attach(JOE)];
    joe.receive(() => {});
    await reload('slate.example', { trusted: [] });
    const { reply } = await failureOf(fred.send({ to: JOE, content: 'x' }));
    expect([reply?.code, reply?.text]).to.deep.equal([537, 'not authorized to send data for this originator']);
    await reload('slate.example', {});
    await fred.send({ to: JOE, content: 'x' });
  });

  it('REQ-IMXP-042 show every relay in a trace that arrives', async () => {
    await attach(JOE);
    expect(await traced(JOE)).to.deep.equal({
      code: 250,
      complete: true,
      hops: ['example.com 250', 'rubble.com 250', 'slate.example 250'],
    });
  });

  it('D-CORE-26 REQ-IMXP-042 show every relay in a trace that fails at the last of them', async () => {
    expect(await traced(JOE)).to.deep.equal({
      code: 450,
      complete: true,
      hops: ['example.com 450', 'rubble.com 450', 'slate.example 450'],
    });
    expect(await traced('nobody@slate.example')).to.deep.equal({
      code: 550,
      complete: true,
      hops: ['example.com 550', 'rubble.com 550', 'slate.example 550'],
    });
  });

  it('D-CORE-26 show the relays up to the one that a trace comes no further than', async () => {
    const { code, hops } = await traced('nobody@nowhere.example');
    expect({ code, hops }).to.deep.equal({ code: 550, hops: ['example.com 550', 'rubble.com 550'] });
  });

  it('D-CORE-38 give a program a whole domain: everybody, and the services, both ways', async () => {
    const [fred, gateway] = [await attach(FRED), await attach(GATEWAY, 'slate.example')];
    await gateway.attach(`*@${GRAVEL}`);
    const asked: string[] = [];
    gateway.receive(async ({ originator, recipients: [recipient = ''], content }) => {
      asked.push(`${originator} ${recipient}`);
      if (!recipient.startsWith('imxp=presence@') || content.kind !== 'inline') return;
      const transID = /transID='(\d+)'/.exec(content.inner.toString())?.[1];
      const presence = `<presence publisher='pearl@${GRAVEL}' lastUpdate='2026-11-30T12:00:00Z' publisherInfo=''><tuple destination='im:pearl@${GRAVEL}' availableUntil='2100-01-01T00:00:00Z' /></presence>`;
      const xml = `<publish publisher='pearl@${GRAVEL}' transID='${transID}' timeStamp='2026-11-30T12:00:00Z'>${presence}</publish>`;
      setImmediate(() => void gateway.send({ from: recipient, to: originator, content: { xml } }));
    });
    const heard: string[] = [];
    fred.receive(({ originator }) => void heard.push(originator));
    for (const user of ['pearl', 'ingrid/home']) await fred.send({ to: `${user}@${GRAVEL}`, content: 'Hello' });
    await gateway.send({ from: `ingrid/home@${GRAVEL}`, to: FRED, content: 'Hello yourself' });
    const { open } = await fred.presence.poll(`pearl@${GRAVEL}`);
    expect(open, 'answered by the program, not by the service of the relay').to.equal(true);
    expect(asked).to.deep.equal([
      `${FRED} pearl@${GRAVEL}`,
      `${FRED} ingrid/home@${GRAVEL}`,
      `${FRED} imxp=presence@${GRAVEL}`,
    ]);
    expect(heard).to.deep.equal([`ingrid/home@${GRAVEL}`]);
    const { reply } = await failureOf(gateway.send({ from: JOE, to: FRED, content: 'x' }));
    expect(reply?.code).to.equal(537);
  });

  it('answer 450 for a domain whose program is not there', async () => {
    const fred = await attach(FRED);
    const { reply } = await failureOf(fred.send({ to: `pearl@${GRAVEL}`, content: 'x' }));
    expect([reply?.code, reply?.text]).to.deep.equal([450, 'not attached']);
  });
});
