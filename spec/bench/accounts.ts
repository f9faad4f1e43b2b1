/**
 * A domain of very many accounts beside an empty one: the import, the start of the node, its memory, and the CPU time of a
 * message (RFC 2779 §2.2). Over lmdb, and over PostgreSQL where its programs are installed.
 */
import { once } from 'node:events';
import { createWriteStream, readFileSync } from 'node:fs';
import type { StoreConfig } from '../../lib/config/schema.js';
import { Records } from '../../lib/services/presence/records.js';
import { openStore } from '../../lib/store/open.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { isPostgresInstalled, PostgresServer, postgresConfig } from '../support/postgres.js';
import { type Course, type Load, stopAll, takeTurns } from './course.js';
import { latencies, saturate } from './load.js';
import { cpuSeconds, residentOctets, type Spread } from './measure.js';
import { FRED, PASSWORD, submitting, WILMA } from './mesh.js';
import { Peer } from './peer.js';

export interface AccountsResult {
  readonly what: string;
  /** Undefined for the empty domain. */
  readonly imported: { readonly seconds: number; readonly cpuSeconds: number; readonly mostOctets: number } | undefined;
  readonly startMs: number;
  /** Until nothing is left to be done: who subscribed is notified. */
  readonly startCpuSeconds: number;
  readonly residentOctets: number;
  readonly cpuPer100k: Spread;
  readonly cpuToEmpty: number;
}

const OCTETS = 100;
const OUTSTANDING = 256;
const WRITTEN_TOGETHER = 500;
const LOOK_MS = 1000;
/** Share of a core below which a node has nothing left to do. */
const QUIET = 0.05;
const IMPORT_MS = 7_200_000;
const address = (number: number): string => `user${number}@example.com`;

interface Size {
  readonly accounts: number;
  readonly subscriptions: number;
}

type Engine = 'lmdb' | 'postgres';

export async function accounts(quick: boolean, say: (text: string) => void): Promise<readonly AccountsResult[]> {
  const size = quick ? { accounts: 20_000, subscriptions: 2000 } : { accounts: 1_000_000, subscriptions: 100_000 };
  const engines: readonly Engine[] = isPostgresInstalled() ? ['lmdb', 'postgres'] : ['lmdb'];
  const results: AccountsResult[] = [];
  for (const engine of engines) results.push(...(await compared(engine, size, quick, say)));
  return results;
}

async function compared(engine: Engine, size: Size, quick: boolean, say: (text: string) => void) {
  const server = engine === 'postgres' ? await PostgresServer.start() : undefined;
  const workshop = await Workshop.open();
  const domains: Domain[] = [];
  try {
    for (const accounts of [0, size.accounts]) {
      const subscriptions = accounts === 0 ? 0 : size.subscriptions;
      domains.push(await Domain.make(workshop, { engine, server, accounts, subscriptions }, say));
    }
    const load = { count: quick ? 20_000 : 200_000, octets: OCTETS, outstanding: OUTSTANDING };
    const measured = await takeTurns(domains, { rounds: quick ? 3 : 7, load }, say);
    const [empty] = measured;
    return domains.map(({ facts }, index): AccountsResult => {
      const one = measured[index];
      if (one === undefined || empty === undefined) throw new Error('a domain was not measured');
      return { ...facts, cpuPer100k: one.cpuPer100k, cpuToEmpty: one.cpuTo(empty) };
    });
  } finally {
    await stopAll(domains);
    await workshop.close();
    server?.remove();
  }
}

interface Wanted extends Size {
  readonly engine: Engine;
  readonly server: PostgresServer | undefined;
}

type Facts = Omit<AccountsResult, 'cpuPer100k' | 'cpuToEmpty'>;

/** A node with so many accounts, and a message path through it. */
class Domain implements Course {
  readonly facts: Facts;
  readonly #node: NodeProcess;
  readonly #peers: readonly [Peer, Peer];

  private constructor(node: NodeProcess, facts: Facts, peers: readonly [Peer, Peer]) {
    this.#node = node;
    this.facts = facts;
    this.#peers = peers;
  }

  static async make(workshop: Workshop, wanted: Wanted, say: (text: string) => void): Promise<Domain> {
    const { engine, server, accounts, subscriptions } = wanted;
    const path = workshop.path(`var-${accounts}`);
    const store: StoreConfig =
      server === undefined
        ? { type: 'lmdb', path }
        : { ...postgresConfig(server.url, `bench_${accounts}`, path), queryTimeoutMs: 60_000 };
    const node = await workshop.node(`domain-${accounts}`, (port) => ({
      domains: ['example.com'],
      listen: [{ port }],
      store,
      mesh: { dns: { enabled: false } },
    }));
    for (const one of [FRED, WILMA]) await workshop.account(node, one, PASSWORD);
    const imported = accounts === 0 ? undefined : await importMany(workshop, node, accounts, say);
    if (subscriptions > 0) await subscribe(store, subscriptions, say);
    say(`    start with ${accounts} accounts and ${subscriptions} subscriptions in ${engine}`);
    const begin = performance.now();
    await node.start();
    const startMs = performance.now() - begin;
    const pid = node.command.pid ?? 0;
    const startCpuSeconds = await quiet(pid);
    const what = `${engine}: ${accounts} accounts, ${subscriptions} subscriptions`;
    const facts = { what, imported, startMs, startCpuSeconds, residentOctets: residentOctets(pid) };
    const attach = (one: string) => Peer.attach({ port: node.port, address: one, username: one, password: PASSWORD });
    return new Domain(node, facts, [await attach(FRED), await attach(WILMA)]);
  }

  get name(): string {
    return this.facts.what;
  }

  get pids(): readonly number[] {
    return [this.#node.command.pid ?? 0];
  }

  get output(): string {
    return this.#node.output;
  }

  async send({ count, octets, outstanding }: Load): Promise<number> {
    const [from] = this.#peers;
    return (await saturate(submitting(from, WILMA, octets), count, outstanding)).elapsed;
  }

  latencies(count: number, octets: number): Promise<readonly number[]> {
    return latencies(submitting(this.#peers[0], WILMA, octets), count);
  }

  async stop(): Promise<void> {
    for (const peer of this.#peers) peer.drop();
    await this.#node.stop();
  }
}

/** `imxp account import` of a file with verifiers: deriving them from passwords is another measurement. */
async function importMany(workshop: Workshop, node: NodeProcess, count: number, say: (text: string) => void) {
  say(`    import of ${count} accounts`);
  const path = await workshop.file('accounts.jsonl', '');
  const file = createWriteStream(path);
  for (let number = 0; number < count; number += 1) {
    const name = address(number);
    const hash = number.toString(16).padStart(32, '0');
    const line = JSON.stringify({ address: name, digestMd5: `${name}:example.com:${hash}` });
    if (!file.write(`${line}\n`)) await once(file, 'drain');
  }
  file.end();
  await once(file, 'finish');
  const begin = performance.now();
  const command = workshop.command(['account', 'import', path, '--config', node.config]);
  command.input('');
  const pid = command.pid ?? 0;
  let [cpu, most] = [0, 0];
  const look = setInterval(() => {
    if (command.ended) return;
    cpu = Math.max(cpu, cpuSeconds(pid));
    most = Math.max(most, mostOctets(pid));
  }, 100);
  const { code } = await command.finished(IMPORT_MS);
  clearInterval(look);
  if (code !== 0) throw new Error(`the import ended with ${code}: ${command.output.slice(-1000)}`);
  return { seconds: (performance.now() - begin) / 1000, cpuSeconds: cpu, mostOctets: most };
}

/** The most memory that a process has had (Linux). */
function mostOctets(pid: number): number {
  return Number(/^VmHWM:\s+(\d+) kB/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1] ?? 0) * 1024;
}

/** Subscriptions as the node writes them, so that they are in progress when it starts. */
async function subscribe(store: StoreConfig, count: number, say: (text: string) => void): Promise<void> {
  say(`    ${count} subscriptions`);
  const opened = await openStore(store);
  const nobody = { created: async () => undefined, generation: async () => undefined };
  const records = new Records(opened, nobody);
  const duration = 86_400;
  for (let at = 0; at < count; at += WRITTEN_TOGETHER) {
    const numbers = Array.from({ length: Math.min(WRITTEN_TOGETHER, count - at) }, (_, index) => at + index);
    const written = numbers.map((number) =>
      records.putOperation({
        kind: 'subscribe',
        subject: address(number + 1),
        originator: address(number),
        transID: number + 1,
        duration,
        expires: Date.now() + duration * 1000,
        form: 'imxp',
        proof: undefined,
      }),
    );
    await Promise.all(written);
  }
  await opened.close();
}

/** Waits until a process has nothing to do. @returns the CPU seconds that it has used since it was started */
async function quiet(pid: number): Promise<number> {
  for (;;) {
    const before = cpuSeconds(pid);
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    const used = cpuSeconds(pid) - before;
    if (used < (QUIET * LOOK_MS) / 1000) return before;
  }
}
