/**
 * Runs a relay inside a program, with accounts that the program makes, and an endpoint of its own that prints what it is
 * told. A real program keeps its accounts: `"store": { "type": "lmdb", "path": "var/relay" }`.
 */
import { randomBytes } from 'node:crypto';
import { Endpoint, events, parseConfig, startNode } from 'imxp';

const port = Number(process.env['PORT'] ?? 10913);
const config = parseConfig(
  {
    domains: ['example.com'],
    listen: [{ transport: 'tcp', host: '127.0.0.1', port }],
    sasl: { mechanisms: ['SCRAM-SHA-256', 'DIGEST-MD5'] },
    store: { type: 'memory' },
    mesh: { dns: { enabled: false } },
  },
  process.cwd(),
);

events.attached.subscribe(({ subject }) => console.log(`attached: ${subject}`));
const node = await startNode(config);
const [listening] = node.listening;
const relay = `tcp://127.0.0.1:${listening?.port}`;

// Accounts of people, and one for the program itself.
await node.addAccount('fred@example.com', process.env['IMXP_PASSWORD'] ?? 'yabba');
const password = randomBytes(16).toString('hex');
await node.addAccount('host@example.com', password);
const host = await Endpoint.connect({ address: 'host@example.com', relay, password });
host.receive(async (delivery) => {
  console.log(`${delivery.originator} says: ${delivery.text()}`);
});

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  process.once(signal, async () => {
    await host.close();
    await node.stop();
  });
}
console.log(`ready at ${relay}`);
