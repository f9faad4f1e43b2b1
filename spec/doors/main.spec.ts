import { expect } from 'chai';
import { type Delivery, Endpoint, ERROR_CODES, type Node, parseConfig, RefusedError, startNode } from 'imxp';

const CONFIG = {
  domains: ['example.com'],
  listen: [{ port: 0 }],
  sasl: { mechanisms: ['DIGEST-MD5', 'SCRAM-SHA-256'] },
  store: { type: 'memory' },
  mesh: { dns: { enabled: false } },
};

describe('imxp', () => {
  let node: Node;

  before(async () => {
    node = await startNode(parseConfig(CONFIG, '/'));
    expect(await node.addAccount('fred@example.com', 'yabba')).to.equal(true);
    expect(await node.addAccount('barney@example.com', 'dabba')).to.equal(true);
  });

  after(() => node.stop());

  const connect = (name: string, password: string): Promise<Endpoint> =>
    Endpoint.connect({
      address: `${name}@example.com`,
      relay: `tcp://127.0.0.1:${node.listening[0]?.port}`,
      password,
    });

  it('runs a node with accounts, and endpoints that send and receive', async () => {
    const [fred, barney] = [await connect('fred', 'yabba'), await connect('barney', 'dabba')];
    const arrived = new Promise<Delivery>((resolve) => barney.receive(resolve));
    await fred.send({ to: 'barney@example.com', content: 'Bowling tonight?' });
    const delivery = await arrived;
    expect([delivery.originator, delivery.text()]).to.deep.equal(['fred@example.com', 'Bowling tonight?']);
    const refusal = await fred.send({ to: 'wilma@example.com', content: 'Dinner?' }).catch((error: unknown) => error);
    expect(refusal).to.be.instanceOf(RefusedError);
    expect((refusal as RefusedError).reply.code).to.equal(550);
    expect(ERROR_CODES).to.have.property((refusal as RefusedError).code);
    await Promise.all([fred.close(), barney.close()]);
  });

  it('adds accounts for valid addresses only, and sets a new password', async () => {
    expect(await node.addAccount('fred@example.com', 'other')).to.equal(false);
    expect(await node.setPassword('nobody@example.com', 'other')).to.equal(false);
    for (const name of ['fred', 'fred@rubble.com', 'fred/home@example.com', 'imxp=access@example.com']) {
      const failure = await node.addAccount(name, 'x').catch((error: unknown) => error);
      expect(failure, name).to.include({ code: 'ARGUMENT' });
    }
    expect(await node.addAccount('imxp=mesh@rubble.com', 'between relays')).to.equal(true);
    expect(await node.setPassword('barney@example.com', 'doo')).to.equal(true);
    await (await connect('barney', 'doo')).close();
    const failure = await connect('barney', 'dabba').catch((error: unknown) => error);
    expect(failure).to.include({ code: 'SASL_REFUSED' });
    const names: string[] = [];
    for await (const { address } of node.accounts.list()) names.push(address);
    expect(names).to.deep.equal(['barney@example.com', 'fred@example.com', 'imxp=mesh@rubble.com']);
  });
});
