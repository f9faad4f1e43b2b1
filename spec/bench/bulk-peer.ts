/**
 * Sender or recipient of the bulk section, in a process of its own so that neither limits the other.
 *
 *   node bulk-peer.ts '{"role": "send", ...}'   attaches, and prints "ready"
 *
 * A sender reads lines `COUNT OCTETS` from its input and answers each with the seconds that sending took.
 */
import { createInterface } from 'node:readline';
import type { Transport } from '../../lib/config/relay-url.js';
import { saturate } from './load.js';
import { BARNEY, FRED, PASSWORD, submitting } from './mesh.js';
import { Peer } from './peer.js';

export interface BulkPeer {
  readonly role: 'send' | 'receive';
  readonly port: number;
  readonly transport: Transport;
  /** PEM of the authority; with it TLS is required. */
  readonly authority?: string;
}

const OUTSTANDING = 8;

const { role, port, transport, authority } = JSON.parse(process.argv[2] ?? '') as BulkPeer;
const address = role === 'send' ? FRED : BARNEY;
const trusted = authority === undefined ? {} : { authority: Buffer.from(authority) };
const peer = await Peer.attach({ port, address, password: PASSWORD, transport, ...trusted });
process.stdout.write('ready\n');
for await (const line of createInterface({ input: process.stdin })) {
  const [count = 0, octets = 0] = line.split(' ').map(Number);
  const { elapsed } = await saturate(submitting(peer, BARNEY, octets), count, OUTSTANDING);
  process.stdout.write(`${elapsed}\n`);
}
peer.drop();
