/**
 * A sender or recipient of the benchmark, in a process of its own so that neither limits the other nor what is measured.
 *
 *   client-process.ts '{"protocol": "imxp", "role": "send", ...}'    prints "ready" once it is logged in
 *
 * A sender reads orders from its input, one a line, and answers each with a line.
 */
import { createInterface } from 'node:readline';
import type { Client, ClientSettings } from './client.js';
import type { Load } from './course.js';
import { lineRecipient, lineSender } from './line-client.js';
import { latencies, saturate } from './load.js';
import { BARNEY, FRED, PASSWORD, submitting } from './mesh.js';
import { mqttClient } from './mqtt-client.js';
import { natsClient } from './nats-client.js';
import { Peer } from './peer.js';
import { xmppClient } from './xmpp-client.js';

/** A round, or so many messages one after the other. The answer: its seconds, or the milliseconds of each. */
export type Order = Load | { readonly single: number; readonly octets: number };

async function imxpClient({ role, port, transport = 'tcp', authority, ...who }: ClientSettings): Promise<Client> {
  const { address = role === 'send' ? FRED : BARNEY, to = BARNEY } = who;
  const trusted = authority === undefined ? {} : { authority: Buffer.from(authority) };
  const peer = await Peer.attach({ port, address, password: PASSWORD, transport, ...trusted });
  return { submitting: (octets) => submitting(peer, to, octets) };
}

function open(settings: ClientSettings): Promise<Client | undefined> {
  const { protocol, role, port } = settings;
  switch (protocol) {
    case 'imxp':
      return imxpClient(settings);
    case 'line':
      return role === 'send' ? lineSender(port) : lineRecipient(port).then(() => undefined);
    case 'mqtt':
      return mqttClient(role, port);
    case 'nats':
      return natsClient(role, port);
    case 'xmpp':
      return xmppClient(role, port);
  }
}

const client = await open(JSON.parse(process.argv[2] ?? '') as ClientSettings);
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  if (client === undefined) throw new Error('a recipient takes no orders');
  const order = JSON.parse(line) as Order;
  const submit = client.submitting(order.octets);
  const answer =
    'single' in order
      ? await latencies(submit, order.single)
      : (await saturate(submit, order.count, order.outstanding)).elapsed;
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
process.exit();
