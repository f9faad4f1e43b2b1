/** What endpoints that attached and were left alone cost a relay: resident memory, as the operating system counts it. */
import { residentOctets } from './measure.js';
import { FRED, Mesh, TCP, TLS, type Way } from './mesh.js';
import type { Peer } from './peer.js';

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

/** Attached at a time, each over a session of its own. */
const TOGETHER = 16;

/** @param count endpoints over TCP; with TLS a fifth of it */
export async function memory(count: number, say: (text: string) => void): Promise<readonly MemoryResult[]> {
  return [await idle(TCP, count, say), await idle(TLS, count / 5, say)];
}

async function idle(way: Way, endpoints: number, say: (text: string) => void): Promise<MemoryResult> {
  say(`  memory of ${endpoints} idle attached endpoints, ${way.name}`);
  const mesh = await Mesh.start(way);
  const peers: Peer[] = [];
  const attach = async (upTo: number): Promise<void> => {
    for (let from = peers.length; from < upTo; from += TOGETHER) {
      const numbers = Array.from({ length: Math.min(TOGETHER, upTo - from) }, (_, index) => from + index);
      peers.push(...(await Promise.all(numbers.map((number) => mesh.attachAs(FRED, `fred/${number}@example.com`)))));
    }
  };
  try {
    const [pid] = mesh.pids;
    const empty = residentOctets(pid);
    await attach(endpoints / 2);
    const half = residentOctets(pid);
    await attach(endpoints);
    const full = residentOctets(pid);
    return {
      path: way.name,
      endpoints,
      emptyOctets: empty,
      residentOctets: full,
      kibPerEndpoint: (full - empty) / endpoints / 1024,
      kibPerLaterEndpoint: (full - half) / (endpoints / 2) / 1024,
    };
  } finally {
    for (const peer of peers) peer.drop();
    await mesh.stop();
  }
}
