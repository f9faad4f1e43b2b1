/** The process behind `endpoints.ts`: for each line with a number it logs in so many endpoints, and says what that took. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { connect } from 'node:tls';
import type { TlsService } from '../../lib/transport/tls/service.js';
import type { Batch, EndpointsOptions } from './endpoints.js';
import { FRED, PASSWORD } from './mesh.js';
import { Peer, tlsService } from './peer.js';

/** Logging in at the same time, each on a session of its own. */
const TOGETHER = 8;

const { port, authority: file, keep, resume, task }: EndpointsOptions = JSON.parse(process.argv[2] ?? '');
const authority = file === undefined ? undefined : readFileSync(file);

const newService = (): TlsService => tlsService(authority, 30_000);
const service = newService();

let number = 0;

async function login(): Promise<void> {
  number += 1;
  const peer = await Peer.attach({
    port,
    address: `fred/${number}@example.com`,
    username: FRED,
    password: PASSWORD,
    service: resume ? service : newService(),
    ...(authority === undefined ? {} : { authority }),
  });
  if (!keep) peer.drop();
}

async function handshake(): Promise<void> {
  const socket = connect({
    port,
    host: '127.0.0.1',
    servername: 'example.com',
    ...(authority === undefined ? {} : { ca: authority }),
  });
  await once(socket, 'secureConnect');
  if (!keep) socket.destroy();
}

async function attach(count: number): Promise<Batch> {
  const [began, used] = [performance.now(), process.cpuUsage()];
  let left = count;
  const some = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      await (task === 'handshakes' ? handshake() : login());
    }
  };
  await Promise.all(Array.from({ length: TOGETHER }, some));
  const { user, system } = process.cpuUsage(used);
  return { elapsedMs: performance.now() - began, cpuMs: (user + system) / 1000 };
}

for await (const line of createInterface(process.stdin)) {
  process.stdout.write(`${JSON.stringify(await attach(Number(line)))}\n`);
}
process.exit();
