/** State of a node that several processes make up: that of the center, with the figures of the workers added. */
import type {
  CertificateStatus,
  HopStatus,
  LinkStatus,
  NodeStatus,
  SessionCounts,
  WorkerStatus,
} from '../ops/status.js';

/** What a worker has said about itself. */
export interface WorkerReport {
  readonly name: string;
  readonly status: NodeStatus;
  readonly forwarded: number;
}

/** @param restarts processes that replaced one that had ended */
export function combinedStatus(center: NodeStatus, reports: readonly WorkerReport[], restarts: number): NodeStatus {
  const all = [center, ...reports.map(({ status }) => status)];
  const sum = (of: (status: NodeStatus) => number): number => all.reduce((total, status) => total + of(status), 0);
  const most = (of: (status: NodeStatus) => number): number => Math.max(...all.map(of));
  return {
    ...center,
    sessions: summed(all.map(({ sessions }) => sessions)),
    bindings: sum(({ bindings }) => bindings),
    outstanding: sum(({ outstanding }) => outstanding),
    links: links(all),
    hops: hops(all),
    certificates: certificates(all),
    process: {
      pid: center.process.pid,
      residentOctets: sum(({ process }) => process.residentOctets),
      heapOctets: sum(({ process }) => process.heapOctets),
      cpuSeconds: sum(({ process }) => process.cpuSeconds),
      lagMs: {
        p50: most(({ process }) => process.lagMs.p50),
        p99: most(({ process }) => process.lagMs.p99),
        max: most(({ process }) => process.lagMs.max),
      },
    },
    workers: reports.map(workerStatus),
    workersRestarted: restarts,
  };
}

function workerStatus({ name, status, forwarded }: WorkerReport): WorkerStatus {
  const { sessions, attachments, outstanding, process } = status;
  return { name, sessions: sessions.listener, attachments, outstanding, forwarded, process };
}

function summed(counts: readonly SessionCounts[]): SessionCounts {
  const [first, ...others] = counts;
  if (first === undefined) throw new Error('there is a center');
  const total: { -readonly [Name in keyof SessionCounts]: number } = { ...first };
  for (const one of others) for (const name of Object.keys(total) as (keyof SessionCounts)[]) total[name] += one[name];
  return total;
}

/** One line for each neighbour: the best state of its links, since each process has one of its own. */
function links(all: readonly NodeStatus[]): readonly LinkStatus[] {
  const byName = new Map<string, LinkStatus>();
  for (const link of all.flatMap((status) => status.links)) {
    const known = byName.get(link.name);
    const best = known?.state === 'ready' ? known : link;
    byName.set(link.name, {
      ...best,
      outstanding: (known?.outstanding ?? 0) + link.outstanding,
      waiting: (known?.waiting ?? 0) + link.waiting,
    });
  }
  return [...byName.values()];
}

/** Each once, with the earliest end: processes see those of their own sessions. */
function certificates(all: readonly NodeStatus[]): readonly CertificateStatus[] {
  const byName = new Map<string, CertificateStatus>();
  for (const certificate of all.flatMap((status) => status.certificates)) {
    const key = `${certificate.holder} ${certificate.name}`;
    const known = byName.get(key);
    if (known === undefined || certificate.days < known.days) byName.set(key, certificate);
  }
  return [...byName.values()];
}

function hops(all: readonly NodeStatus[]): readonly HopStatus[] {
  const byName = new Map<string, HopStatus>();
  for (const hop of all.flatMap((status) => status.hops)) {
    const known = byName.get(hop.name);
    byName.set(hop.name, known === undefined ? hop : added(known, hop));
  }
  return [...byName.values()];
}

function added(one: HopStatus, other: HopStatus): HopStatus {
  return {
    name: one.name,
    delivered: one.delivered + other.delivered,
    transient: one.transient + other.transient,
    permanent: one.permanent + other.permanent,
    octets: one.octets + other.octets,
    timedMs: one.timedMs + other.timedMs,
    buckets: one.buckets.map((count, at) => count + (other.buckets[at] ?? 0)),
  };
}
