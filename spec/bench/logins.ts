/**
 * What a login costs a relay in CPU time: plain, under TLS, and under TLS that is resumed, beside a bare TLS handshake
 * of Node with the same certificate. In rounds that take turns, because machines drift.
 */
import { Endpoints, type EndpointsOptions } from './endpoints.js';
import { handshaker } from './handshaking.js';
import { cpuSeconds, median } from './measure.js';
import { Mesh, TCP, TLS } from './mesh.js';

export interface LoginResult {
  readonly what: string;
  /** CPU milliseconds of the relay for one login: the median of the rounds, the least and the most. */
  readonly relayMs: number;
  readonly leastMs: number;
  readonly mostMs: number;
  /** CPU milliseconds of the endpoint, in the library. */
  readonly endpointMs: number;
  readonly toFloor: number;
}

interface Candidate {
  readonly what: string;
  readonly pid: number;
  readonly endpoints: Endpoints;
  readonly relayMs: number[];
  readonly endpointMs: number[];
}

export async function logins(quick: boolean, say: (text: string) => void): Promise<readonly LoginResult[]> {
  say('  logins');
  const [plain, secure] = [await Mesh.start(TCP), await Mesh.start(TLS)];
  const authority = secure.workshop.path('certs/ca.crt');
  const floor = await handshaker(secure);
  const candidates: Candidate[] = [];
  const candidate = (what: string, pid: number, options: Omit<EndpointsOptions, 'keep'>): void => {
    const endpoints = new Endpoints({ ...options, keep: false });
    candidates.push({ what, pid, endpoints, relayMs: [], endpointMs: [] });
  };
  try {
    const pid = secure.pids[0];
    const tls = { port: secure.first.port, authority, task: 'logins' } as const;
    candidate('floor: TLS handshake', floor.pid, { port: floor.port, authority, resume: false, task: 'handshakes' });
    candidate('login', plain.pids[0], { port: plain.first.port, resume: false, task: 'logins' });
    candidate('login under TLS', pid, { ...tls, resume: false });
    candidate('login under TLS, resumed', pid, { ...tls, resume: true });
    const count = quick ? 300 : 1000;
    for (const { endpoints } of candidates) await endpoints.attach(count);
    for (let round = 0; round < (quick ? 3 : 5); round += 1) for (const one of candidates) await measure(one, count);
    const base = median(candidates[0]?.relayMs ?? []);
    return candidates.map(({ what, relayMs, endpointMs }) => ({
      what,
      relayMs: median(relayMs),
      leastMs: Math.min(...relayMs),
      mostMs: Math.max(...relayMs),
      endpointMs: median(endpointMs),
      toFloor: median(relayMs) / base,
    }));
  } finally {
    for (const { endpoints } of candidates) endpoints.stop();
    floor.child.kill();
    await plain.stop();
    await secure.stop();
  }
}

async function measure({ pid, endpoints, relayMs, endpointMs }: Candidate, count: number): Promise<void> {
  const before = cpuSeconds(pid);
  const { cpuMs } = await endpoints.attach(count);
  relayMs.push(((cpuSeconds(pid) - before) * 1000) / count);
  endpointMs.push(cpuMs / count);
}
