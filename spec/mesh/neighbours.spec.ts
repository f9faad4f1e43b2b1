import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { events } from '../../lib/ops/events.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { DnsServer } from '../support/dns-server.js';
import { failureOf } from '../support/failure.js';
import { temporaryFile } from '../support/temporary-file.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const MESH = 'imxp=mesh@example.com';
const PASSWORD = 'rock bottom';

describe('neighbours found by DNS', () => {
  let dns: DnsServer;
  const nodes: Node[] = [];
  const endpoints: Endpoint[] = [];

  beforeEach(async () => {
    dns = await DnsServer.start();
  });

  afterEach(async () => {
    await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
    await Promise.all(nodes.splice(0).map((node) => node.stop()));
    await dns.stop();
  });

  async function configuration(domain: string): Promise<NodeConfigInput> {
    const passwordFile = await temporaryFile(`${PASSWORD}\n`);
    return {
      domains: [domain],
      listen: [{ host: '127.0.0.1', port: 0 }],
      store: { type: 'memory' },
      mesh: {
        dns: { servers: [dns.address], tls: 'off', credentials: { username: `imxp=mesh@${domain}`, passwordFile } },
      },
    };
  }

  async function node(domain: string, more: Partial<NodeConfigInput> = {}): Promise<Node> {
    const started = await startNode(parseConfig({ ...(await configuration(domain)), ...more }, '/'));
    for (const address of [FRED, BARNEY, MESH]) {
      if (address !== MESH && !address.endsWith(`@${domain}`)) continue;
      await started.accounts.add(await makeVerifier(address, PASSWORD, { realms: [domain] }));
    }
    nodes.push(started);
    return started;
  }

  const portOf = (one: Node): number => one.listening[0]?.port ?? 0;

  function publish(domain: string, one: Node, address = '127.0.0.1'): void {
    dns.srv(`_imxp-mesh._tcp.${domain}`, { port: portOf(one), target: `relay.${domain}`, ttl: 1 });
    dns.host(`relay.${domain}`, [address], 1);
  }

  async function attach(address: string, at: Node): Promise<Endpoint> {
    const endpoint = await Endpoint.connect({ address, password: PASSWORD, relay: `tcp://127.0.0.1:${portOf(at)}` });
    endpoint.receive(() => {});
    endpoints.push(endpoint);
    return endpoint;
  }

  it('receive the credentials that are configured for relays found by DNS', async () => {
    const [example, rubble] = [await node('example.com'), await node('rubble.com')];
    publish('rubble.com', rubble);
    const [fred] = [await attach(FRED, example), await attach(BARNEY, rubble)];
    await within(5000, fred.send({ to: BARNEY, content: 'x' }), 'the answer');
  });

  it('are disconnected after idling, and found again when needed', async () => {
    const example = await node('example.com', { limits: { link: { idleTimeoutMs: 60 } } });
    const rubble = await node('rubble.com');
    publish('rubble.com', rubble);
    const [fred] = [await attach(FRED, example), await attach(BARNEY, rubble)];
    await fred.send({ to: BARNEY, content: 'x' });
    expect(rubble.sessions).to.equal(2);
    await until(() => rubble.sessions === 1, 'the link is closed');
    await fred.send({ to: BARNEY, content: 'y' });
  });

  it('are followed to the address that the DNS has now', async () => {
    const example = await node('example.com', { limits: { link: { idleTimeoutMs: 4000 } } });
    const [old, young] = [await node('rubble.com'), await node('rubble.com')];
    publish('rubble.com', old);
    const fred = await attach(FRED, example);
    await attach(BARNEY, old);
    await fred.send({ to: BARNEY, content: 'x' });
    publish('rubble.com', young);
    await attach(BARNEY, young);
    await until(() => old.sessions === 1, 'the link is closed');
    await fred.send({ to: BARNEY, content: 'y' });
    expect(young.sessions).to.equal(2);
  });

  it('are replaced by a preferred relay of the same domain when it answers again', async () => {
    const example = await node('example.com', { limits: { link: { returnMs: 50 } } });
    const [first, second] = [await node('rubble.com'), await node('rubble.com')];
    const port = portOf(first);
    await first.stop();
    const target = 'relay.rubble.com';
    dns.srv(
      '_imxp-mesh._tcp.rubble.com',
      { port, target, priority: 10, ttl: 1 },
      { port: portOf(second), target, priority: 20, ttl: 1 },
    );
    dns.host('relay.rubble.com', ['127.0.0.1'], 1);
    const fred = await attach(FRED, example);
    const slow = await attach(BARNEY, second);
    await fred.send({ to: BARNEY, content: 'to the second choice' });
    expect(second.sessions).to.equal(2);
    let answer = (): void => {};
    const arrived = new Promise<void>((resolve) => {
      slow.receive(() => {
        resolve();
        return new Promise<void>((answered) => {
          answer = answered;
        });
      });
    });
    const waiting = fred.send({ to: BARNEY, content: 'to be answered first' });
    await arrived;
    const again = await node('rubble.com', { listen: [{ host: '127.0.0.1', port }] });
    await until(() => again.sessions === 1, 'the preferred one is tried');
    expect(second.sessions, 'nothing overtakes what has no answer').to.equal(2);
    answer();
    await waiting;
    const heard: string[] = [];
    const barney = await attach(BARNEY, again);
    barney.receive((delivery) => void heard.push(delivery.text()));
    await until(() => again.sessions === 2 && second.sessions === 1, 'the link has moved');
    await fred.send({ to: BARNEY, content: 'to the first' });
    expect(heard).to.deep.equal(['to the first']);
  });

  it('are looked up by the reloaded configuration', async () => {
    const [example, rubble] = [await node('example.com'), await node('rubble.com')];
    publish('rubble.com', rubble);
    const [fred] = [await attach(FRED, example), await attach(BARNEY, rubble)];
    await fred.send({ to: BARNEY, content: 'x' });
    await example.reload(
      parseConfig({ ...(await configuration('example.com')), mesh: { dns: { enabled: false } } }, '/'),
    );
    expect((await failureOf(fred.send({ to: BARNEY, content: 'y' }))).reply?.code).to.equal(550);
    await example.reload(parseConfig(await configuration('example.com'), '/'));
    await fred.send({ to: BARNEY, content: 'z' });
  });

  it('REQ-IMXP-019 refuse with 537 a bind from an address that the records of the domain do not list', async () => {
    const example = await node('example.com');
    const rubble = await node('rubble.com', { policy: { bindCheckAuthenticated: true } });
    publish('rubble.com', rubble);
    publish('example.com', example, '127.0.0.9');
    const [fred] = [await attach(FRED, example), await attach(BARNEY, rubble)];
    const refusals: string[] = [];
    const stop = events.refused.subscribe(({ what, code, reason }) => refusals.push(`${what} ${code} ${reason}`));
    try {
      const failure = await failureOf(fred.send({ to: BARNEY, content: 'x' }));
      expect(failure.reply?.code).to.equal(450);
      expect(refusals).to.include('bind 537 127.0.0.1 is no relay of example.com by its SRV');
    } finally {
      stop();
    }
  });
});

async function until(holds: () => boolean, what: string): Promise<void> {
  let over = false;
  const asking = async (): Promise<void> => {
    while (!over && !holds()) await new Promise((resolve) => setTimeout(resolve, 5));
  };
  try {
    await within(10_000, asking(), what);
  } finally {
    over = true;
  }
}
