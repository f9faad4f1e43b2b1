import { stat } from 'node:fs/promises';
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { lonely, type NodeProcess, Workshop } from '../support/node-process.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const PASSWORD = 'yabba dabba doo';

describe('imxp store backup', function () {
  this.timeout(180_000);
  this.slow(20_000);
  let workshop: Workshop;
  let node: NodeProcess;

  const config = (path: string) => lonely({ store: { type: 'lmdb', path } });

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.node('mesh', config('var'));
    for (const address of [FRED, WILMA]) await workshop.account(node, address, PASSWORD);
    await node.start();
  });

  after(() => workshop.close());

  const attached = (address: string, port: number): Promise<Endpoint> =>
    Endpoint.connect({ address, password: PASSWORD, relay: `tcp://127.0.0.1:${port}`, tls: 'off' });

  it('copies a store while the node runs; a node on the copy has the accounts and delivers what was held', async () => {
    const fred = await attached(FRED, node.port);
    await fred.send({ to: WILMA, content: 'held for wilma', hold: true });
    await fred.close();
    const made = await workshop.run(['store', 'backup', 'copy', '--config', node.config, '--json']);
    expect([made.code, made.stderr.toString()]).to.deep.equal([0, '']);
    expect(JSON.parse(made.stdout.toString())).to.include({ directory: workshop.path('copy') });
    expect((await stat(workshop.path('copy'))).mode & 0o077).to.equal(0);
    const again = await workshop.run(['store', 'backup', 'copy', '--config', node.config]);
    expect([again.code, again.stderr.toString()]).to.satisfy(([code, text]: [number, string]) => {
      return code === 69 && /^error: .*copy is not empty; name a new directory\n/.test(text);
    });
    await node.stop();

    const restored = await workshop.node('restored', config('copy'));
    await restored.start();
    const wilma = await attached(WILMA, restored.port);
    for await (const delivery of wilma) {
      expect([delivery.originator, delivery.text(), delivery.held]).to.deep.equal([FRED, 'held for wilma', true]);
      break;
    }
    await wilma.close();
    await restored.stop();
  });
});
