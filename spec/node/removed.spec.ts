import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { failureOf } from '../support/failure.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';

describe('an account that is removed while its relay runs', () => {
  let node: Node;
  const endpoints: Endpoint[] = [];

  const add = async (address: string): Promise<boolean> =>
    node.accounts.add(await makeVerifier(address, 'rock', { realms: ['example.com'] }));
  const attach = async (address: string): Promise<Endpoint> => {
    const relay = `tcp://127.0.0.1:${node.listening[0]?.port}`;
    const endpoint = await Endpoint.connect({ address, relay, password: 'rock', tls: 'off', reconnect: false });
    endpoints.push(endpoint);
    return endpoint;
  };

  before(async () => {
    node = await startNode(
      parseConfig(
        {
          domains: ['example.com'],
          listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }],
          sasl: { mechanisms: ['DIGEST-MD5'] },
          store: { type: 'memory' },
          mesh: { dns: { enabled: false } },
          access: { initial: [{ actor: '*@*', actions: ['all:all'] }] },
        },
        '/',
      ),
    );
    for (const address of [FRED, WILMA]) await add(address);
  });
  after(async () => {
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    await node.stop();
  });

  it('removes its presence and access entries, and tells subscribers', async () => {
    const [fred, wilma] = [await attach(FRED), await attach(WILMA)];
    const availableUntil = new Date(Date.now() + 3_600_000);
    await fred.presence.publish({ tuples: [{ destination: `im:${FRED}`, availableUntil }] });
    await fred.access.put('*@slate.example', []);
    const seen = (await wilma.presence.subscribe(FRED))[Symbol.asyncIterator]();
    expect((await seen.next()).value?.open).to.equal(true);
    await node.accounts.remove(FRED);
    expect((await failureOf(seen.next())).reply?.code).to.equal(537);
    expect((await failureOf(wilma.presence.poll(FRED))).reply?.code).to.equal(550);
    await add(FRED);
    expect((await wilma.presence.poll(FRED)).open, 'another account of that name').to.equal(false);
    expect(await wilma.access.entry('*@slate.example', { owner: FRED })).to.equal(undefined);
  });
});
