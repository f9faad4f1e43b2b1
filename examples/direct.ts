/**
 * Talks to another such program directly: each is the relay of its own domain, so there is nothing between the two. It
 * prints the other's presence and messages, and sends the lines of standard input. The certificates of both, made by
 * `imxp certs --domain fred.example --domain barney.example`, are in the folder `certs`.
 */
import { randomBytes } from 'node:crypto';
import { createInterface } from 'node:readline';
import { Endpoint, ImxpError, parseConfig, startNode } from 'imxp';
import { argumentsOr } from './connect.js';

const [address = '', port = '', other = '', at = ''] = argumentsOr('direct.ts ADDRESS PORT OTHER RELAY', 4);
const domainOf = (text: string): string => text.slice(text.lastIndexOf('@') + 1);
const domain = domainOf(address);
const config = parseConfig(
  {
    domains: [domain],
    listen: [{ host: '127.0.0.1', port: Number(port) }],
    tls: { certificate: `certs/${domain}.crt`, key: `certs/${domain}.key`, authority: 'certs/ca.crt' },
    sasl: { mechanisms: ['SCRAM-SHA-256', 'EXTERNAL'] },
    store: { type: 'memory' },
    mesh: { routes: [{ domain: domainOf(other), relays: [at] }], dns: { enabled: false } },
    access: {
      initial: [
        { actor: 'owner', actions: ['all:all'] },
        { actor: other, actions: ['core:data', 'presence:subscribe'] },
      ],
    },
  },
  process.cwd(),
);
const node = await startNode(config);
const relay = `tcp://127.0.0.1:${node.listening[0]?.port}`;
const password = randomBytes(16).toString('hex');
await node.addAccount(address, password);
const self = await Endpoint.connect({ address, relay, password, ca: 'certs/ca.crt' });
self.receive(async (delivery) => console.log(`${delivery.originator}: ${delivery.text()}`));

const print = (error: unknown): void => {
  if (!(error instanceof ImxpError)) throw error;
  console.log(`${other}: ${error.message}`);
};

/** Shows whether the other is there, and every change; asks again while the other cannot be reached. */
async function follow(): Promise<void> {
  for (;;) {
    try {
      for await (const { open } of await self.presence.subscribe(other, { renew: true })) {
        console.log(`${other} is ${open ? 'here' : 'away'}`);
      }
      return;
    } catch (error) {
      print(error);
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

const lines = createInterface({ input: process.stdin });
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => lines.close());
await self.presence.publish({ tuples: [{ destination: `im:${address}`, availableUntil: new Date('2100-01-01') }] });
console.log(`ready at ${relay}`);
void follow();
for await (const line of lines) {
  await self.send({ to: other, content: line }).catch(print);
  const { reports } = await self.trace(other);
  console.log(`by way of ${reports.map((report) => report.relay).join(', ')}`);
}
await self.close();
await node.stop();
