/**
 * What honest messages and logins cost while others attack the relay: each attack of a table, the quiet time before it, the
 * same attack on another relay of the machine, and the attack itself in one run. All relays run under TLS; honest messages go
 * over a link.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { RUN_SCRIPT } from '../support/script.js';
import { latenciesFor } from './load.js';
import { median, percentile } from './measure.js';
import { BARNEY, FRED, Mesh, submitting, TLS } from './mesh.js';
import { ACCESS } from './presence.js';

export interface Honest {
  readonly messages: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
  readonly maximumMs: number;
  /** A TLS login and an attach; the median of some. */
  readonly loginMs: number;
}

export interface AttackResult {
  readonly attack: string;
  readonly quiet: Honest;
  /** While the same attack goes against another relay of the machine: what the attacker alone costs everybody here. */
  readonly elsewhere: Honest;
  readonly attacked: Honest;
  /** Connections, handshakes or requests that the attacker made. */
  readonly made: number;
}

const ATTACKS: readonly { readonly name: string; readonly attack: string }[] = [
  { name: '10,000 strangers that stay idle', attack: 'idle' },
  { name: '1,000 strangers that ask and never read', attack: 'never-reading' },
  { name: 'connections opened and left, 32 at a time', attack: 'churn' },
  { name: 'TLS handshakes, 32 at a time', attack: 'tls' },
  { name: 'an account that answers nothing of the presence service', attack: 'presence' },
  { name: 'two accounts that write to 32 recipients that never answer', attack: 'recipients' },
];

/** Room for the idle strangers: more of them than this are closed, and that would be another attack. */
const LIMITS = {
  node: { sessionsPerAddress: 20_000 },
  unauthenticated: { sessions: 12_000, sessionsPerAddress: 1500, lifetimeMs: 600_000 },
};
const OCTETS = 100;
const LOGINS = 9;
const WARM_UP_MS = 2000;

/** @param only the attack to try; all unless given */
export async function attacks(
  quick: boolean,
  say: (text: string) => void,
  only?: string,
): Promise<readonly AttackResult[]> {
  const results: AttackResult[] = [];
  for (const { name, attack } of ATTACKS) {
    if (only !== undefined && attack !== only) continue;
    say(`  ${name}`);
    results.push(await beside(name, attack, quick ? 1000 : 5000));
  }
  return results;
}

async function beside(name: string, attack: string, ms: number): Promise<AttackResult> {
  const mesh = await Mesh.start(TLS, { ...ACCESS, limits: LIMITS });
  const other = await Mesh.start(TLS, { ...ACCESS, limits: LIMITS });
  let attacker: ChildProcess | undefined;
  try {
    const fred = await mesh.attach(FRED);
    const barney = await mesh.attach(BARNEY);
    const submit = submitting(fred, BARNEY, OCTETS);
    const honest = async (): Promise<Honest> => {
      const times = await latenciesFor(submit, ms);
      const logins: number[] = [];
      for (let at = 0; at < LOGINS; at += 1) logins.push(await login(mesh, at));
      return {
        messages: times.length,
        p50Ms: percentile(times, 0.5),
        p99Ms: percentile(times, 0.99),
        maximumMs: percentile(times, 1),
        loginMs: median(logins),
      };
    };
    await latenciesFor(submit, WARM_UP_MS);
    const quiet = await honest();
    attacker = await started(other, attack);
    const elsewhere = await honest();
    await ended(attacker);
    attacker = await started(mesh, attack);
    const attacked = await honest();
    const made = await ended(attacker);
    await fred.leave();
    await barney.leave();
    return { attack: name, quiet, elsewhere, attacked, made };
  } finally {
    attacker?.kill();
    await mesh.stop();
    await other.stop();
  }
}

async function login(mesh: Mesh, at: number): Promise<number> {
  const begun = performance.now();
  const peer = await mesh.attachAs(FRED, `fred/${at}@example.com`);
  const took = performance.now() - begun;
  await peer.leave();
  return took;
}

async function started(mesh: Mesh, attack: string): Promise<ChildProcess> {
  const file = fileURLToPath(new URL('./attacker.ts', import.meta.url));
  const ports = [mesh.first.port, mesh.second.port].map(String);
  const child = spawn(process.execPath, [...RUN_SCRIPT, file, attack, ...ports, mesh.workshop.path('certs/ca.crt')], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = await Promise.race([
    once(child.stdout, 'data'),
    once(child, 'exit').then(([code]) => [`it ended with ${code}`]),
  ]);
  if (!String(line).startsWith('under way')) throw new Error(`the attack ${attack} did not begin: ${line}`);
  return child;
}

/** Ends the attack. @returns what it counted */
async function ended(child: ChildProcess): Promise<number> {
  if (child.stdout === null || child.exitCode !== null) throw new Error('the attack had ended by itself');
  const last = once(child.stdout, 'data');
  child.kill('SIGTERM');
  const [line] = await last;
  return Number(String(line));
}
