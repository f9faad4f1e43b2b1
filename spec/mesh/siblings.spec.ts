import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { failureOf } from '../support/failure.js';
import { freePort } from '../support/free-port.js';

import { temporaryFile } from '../support/temporary-file.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const MESH = 'imxp=mesh@example.com';

describe('two relays of one domain', function () {
  this.timeout(30_000);
  const nodes: Node[] = [];
  const endpoints: Endpoint[] = [];
  let ports: readonly number[];

  before(async () => {
    ports = [await freePort(), await freePort()];
    const passwordFile = await temporaryFile('yabba\n');
    for (const [at, port] of ports.entries()) {
      const sibling = `tcp://127.0.0.1:${ports[1 - at] ?? 0}`;
      const config = {
        domains: ['example.com'],
        listen: [{ port }],
        sasl: { mechanisms: ['DIGEST-MD5'] },
        store: { type: 'memory' },
        mesh: {
          dns: { enabled: false },
          siblings: [{ relays: [sibling], tls: 'off', credentials: { username: MESH, passwordFile } }],
        },
      };
      const node = await startNode(parseConfig(config, '/'));
      nodes.push(node);
      for (const address of [FRED, WILMA, MESH]) {
        await node.accounts.add(await makeVerifier(address, 'yabba', { realms: ['example.com'] }));
      }
    }
  });

  afterEach(async () => await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close())));
  after(async () => await Promise.all(nodes.map((node) => node.stop())));

  async function attach(address: string, at: number, dialect: 'imxp' | 'apex' = 'imxp'): Promise<Endpoint> {
    const relay = `tcp://127.0.0.1:${ports[at] ?? 0}`;
    const endpoint = await Endpoint.connect({ address, relay, password: 'yabba', dialect });
    endpoints.push(endpoint);
    return endpoint;
  }

  for (const dialect of ['imxp', 'apex'] as const) {
    it(`REQ-IMXP-056 handle Data for any of its endpoints, attached to either by ${dialect}`, async () => {
      const [fred, wilma] = [await attach(FRED, 0, dialect), await attach(WILMA, 1, dialect)];
      const heard: string[] = [];
      const both = new Promise<void>((resolve) => {
        for (const endpoint of [fred, wilma]) {
          endpoint.receive((delivery) => {
            heard.push(delivery.text());
            if (heard.length === 2) resolve();
          });
        }
      });
      await fred.send({ to: WILMA, content: 'to wilma' });
      await wilma.send({ to: FRED, content: 'to fred' });
      await both;
      expect(heard).to.have.members(['to wilma', 'to fred']);
      const { reports } = await fred.status({ to: WILMA, content: 'and?' });
      expect(reports.flatMap(({ recipients }) => recipients.map(({ code }) => code))).to.deep.equal([250]);
    });
  }

  it('answer 450 when it is attached to neither', async () => {
    const fred = await attach(FRED, 0);
    const failure = await failureOf(fred.send({ to: WILMA, content: 'hello?' }));
    expect(failure.reply).to.deep.equal({ code: 450, text: 'not attached' });
  });
});
