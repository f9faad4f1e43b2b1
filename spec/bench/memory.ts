/**
 * What endpoints that attached and were left alone cost a relay: resident memory, as the operating system counts it. Beside
 * it as many idle TLS sockets of a bare server of Node.
 */
import { Endpoints } from './endpoints.js';
import { handshaker } from './handshaking.js';
import { residentOctets } from './measure.js';
import { Mesh, TCP, TLS, type Way } from './mesh.js';

export interface MemoryResult {
  readonly path: string;
  readonly endpoints: number;
  /** The whole relay with nobody attached, and with all. */
  readonly emptyOctets: number;
  readonly residentOctets: number;
  /** Growth shared by all of them. */
  readonly kibPerEndpoint: number;
  /** Growth by the second half of them, as the first also makes the program warm. */
  readonly kibPerLaterEndpoint: number;
}

/** @param count endpoints over TCP, and as many under TLS */
export async function memory(count: number, say: (text: string) => void): Promise<readonly MemoryResult[]> {
  return [await idle(TCP, count, say), await idle(TLS, count, say), await floor(count, say)];
}

/** What half and all of them cost. */
async function grown(path: string, endpoints: number, pid: number, crowd: Endpoints): Promise<MemoryResult> {
  const empty = residentOctets(pid);
  await crowd.attach(endpoints / 2);
  const half = residentOctets(pid);
  await crowd.attach(endpoints / 2);
  const full = residentOctets(pid);
  return {
    path,
    endpoints,
    emptyOctets: empty,
    residentOctets: full,
    kibPerEndpoint: (full - empty) / endpoints / 1024,
    kibPerLaterEndpoint: (full - half) / (endpoints / 2) / 1024,
  };
}

async function floor(sockets: number, say: (text: string) => void): Promise<MemoryResult> {
  say(`  memory of ${sockets} idle TLS sockets of node:tls`);
  const mesh = await Mesh.start(TLS);
  const server = await handshaker(mesh);
  const authority = mesh.workshop.path('certs/ca.crt');
  const crowd = new Endpoints({ port: server.port, authority, keep: true, resume: false, task: 'handshakes' });
  try {
    return await grown('floor: node:tls alone', sockets, server.pid, crowd);
  } finally {
    crowd.stop();
    server.child.kill();
    await mesh.stop();
  }
}

async function idle(way: Way, endpoints: number, say: (text: string) => void): Promise<MemoryResult> {
  say(`  memory of ${endpoints} idle attached endpoints, ${way.name}`);
  const mesh = await Mesh.start(way);
  const { port } = mesh.first;
  const authority = way.tls ? { authority: mesh.workshop.path('certs/ca.crt') } : {};
  const crowd = new Endpoints({ port, ...authority, keep: true, resume: false, task: 'logins' });
  try {
    return await grown(way.name, endpoints, mesh.pids[0], crowd);
  } finally {
    crowd.stop();
    await mesh.stop();
  }
}
