import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { RefusedError } from '../../lib/errors.js';
import { type Node, startNode } from '../../lib/node/node.js';
import type { NodeStatus } from '../../lib/ops/status.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';

describe('a node with admin pages', () => {
  const PASSWORD = 'yabba dabba doo';
  let node: Node;
  let fred: Endpoint;
  let wilma: Endpoint;

  before(async function () {
    this.timeout(30_000);
    const config = parseConfig(
      {
        domains: ['example.com'],
        listen: [{ port: 0 }],
        store: { type: 'memory' },
        mesh: {
          routes: [{ domain: 'rubble.com', relays: ['tcp://127.0.0.1:1'], tls: 'off' }],
          dns: { enabled: false },
        },
        admin: { port: 0 },
      },
      '/',
    );
    node = await startNode(config);
    for (const address of ['fred@example.com', 'wilma@example.com']) {
      await node.accounts.add(await makeVerifier(address, PASSWORD, { realms: ['example.com'] }));
    }
    const relay = `tcp://127.0.0.1:${node.listening[0]?.port ?? 0}`;
    fred = await Endpoint.connect({ address: 'fred@example.com', relay, password: PASSWORD });
    wilma = await Endpoint.connect({ address: 'wilma@example.com', relay, password: PASSWORD });
  });

  after(async () => {
    await fred?.close();
    await wilma?.close();
    await node?.stop();
  });

  const page = async (path: string): Promise<Response> => fetch(new URL(path, node.admin));
  const status = async (): Promise<NodeStatus> => JSON.parse(await (await page('/status')).text());

  async function metric(series: string): Promise<number> {
    const text = await (await page('/metrics')).text();
    const line = text.split('\n').find((one) => one.startsWith(`${series} `)) ?? expect.fail(`there is no ${series}`);
    return Number(line.slice(series.length));
  }

  it('is ready, and answers', async () => {
    for (const path of ['/healthz', '/readyz', '/']) expect((await page(path)).status, path).to.equal(200);
  });

  it('reports sessions and links, what was answered, and how quickly', async () => {
    const taken = wilma[Symbol.asyncIterator]().next();
    const sent = fred.send({ to: 'wilma@example.com', content: 'Dinner?' });
    (await taken).value?.accept();
    await sent;
    const refused = await fred.send({ to: 'barney@rubble.com', content: 'Bowling?' }).catch((error: unknown) => error);
    expect(refused).to.be.instanceOf(RefusedError);

    const { state, attachments, sessions, hops, links, outstanding } = await status();
    expect({ state, attachments, outstanding }).to.deep.equal({ state: 'ready', attachments: 2, outstanding: 0 });
    expect(sessions).to.include({
      listener: 2,
      initiator: 0,
      endpoints: 2,
      unauthenticated: 0,
      channels: 2,
      unsentOctets: 0,
    });
    expect(sessions.windowOctets).to.be.greaterThan(4096);
    const local = hops.find(({ name }) => name === 'local') ?? expect.fail('nothing was answered here');
    expect(local).to.include({ delivered: 1 });
    expect(local.octets).to.be.greaterThan(100);
    expect(local.buckets.reduce((sum, count) => sum + count, 0)).to.be.greaterThan(0);
    expect(hops.find(({ name }) => name === 'rubble.com')).to.include({ delivered: 0, transient: 1 });
    expect(links).to.have.length(1);
    expect(links[0]).to.include({ name: 'rubble.com', outstanding: 0, waiting: 0 });
  });

  it('counts logins, sessions and the operations of the store', async () => {
    expect(await metric('imxp_attachments')).to.equal(2);
    expect(await metric('imxp_data_total{next_hop="local",result="2xx"}')).to.equal(1);
    const login = 'imxp_authentications_total{mechanism="DIGEST-MD5",side="peer",result="accepted"}';
    expect(await metric(login)).to.be.at.least(2);
    expect(await metric('imxp_store_operations_total{operation="commit",result="done"}')).to.be.at.least(2);
    expect(await metric('imxp_data_duration_seconds_count{next_hop="local"}')).to.be.at.least(1);
  });

  it('shows no password, verifier or address of a person', async () => {
    const text = (await (await page('/metrics')).text()) + (await (await page('/status')).text());
    expect(text).to.not.match(/fred|wilma|barney|yabba/);
  });

  it('closes when the node has stopped', async () => {
    const url = node.admin;
    await fred.close();
    await wilma.close();
    await node.stop();
    expect(await fetch(`${url}/healthz`).catch((error: unknown) => error)).to.be.instanceOf(TypeError);
  });
});
