import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { expect } from 'chai';
import { type Delivery, Endpoint, type Node, parseConfig, startNode } from 'imxp';
import { projectFile, RUN_SCRIPT } from '../support/script.js';

describe('imxp/browser', () => {
  let node: Node;

  before(async () => {
    node = await startNode(
      parseConfig(
        {
          domains: ['example.com'],
          listen: [{ port: 0 }, { transport: 'ws', port: 0, path: '/imxp', origins: ['*'] }],
          store: { type: 'memory' },
          mesh: { dns: { enabled: false } },
        },
        '/',
      ),
    );
    await node.addAccount('fred@example.com', 'yabba');
    await node.addAccount('barney@example.com', 'dabba');
  });

  after(() => node.stop());

  it('provides an endpoint over the WebSocket of its environment', async () => {
    const [tcp, ws] = node.listening;
    const barney = await Endpoint.connect({
      address: 'barney@example.com',
      relay: `tcp://127.0.0.1:${tcp?.port}`,
      password: 'dabba',
    });
    const arrived = new Promise<Delivery>((resolve) => barney.receive(resolve));
    // It imports 'imxp/browser'.
    const page = [...RUN_SCRIPT, projectFile('spec/doors/browser-page.ts'), `ws://127.0.0.1:${ws?.port}/imxp`];
    const { stdout } = await promisify(execFile)(process.execPath, page, { timeout: 50_000 });
    expect((await arrived).text()).to.equal('Bowling tonight?');
    expect(JSON.parse(stdout)).to.deep.equal({ code: 550 });
    await barney.close();
  }).timeout(60_000);
});
