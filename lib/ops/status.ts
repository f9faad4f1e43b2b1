/**
 * State of a running node at one moment: the body of `/status`, which `imxp status`, `imxp top` and the
 * metrics are made of. Numbers and names; never payloads, credentials or addresses of people.
 */
import type { EventLoop } from './event-loop.js';
import { LATENCY_BOUNDS_MS, type Traffic } from './traffic.js';
import { VERSION } from './version.js';

export type NodeState = 'starting' | 'ready' | 'draining';

/** Open sessions by kind of peer, and what they wait for. */
export interface SessionCounts {
  /** Opened by peers, and by this node. */
  readonly listener: number;
  readonly initiator: number;
  /** By identity of the peer. */
  readonly unauthenticated: number;
  readonly endpoints: number;
  readonly relays: number;
  /** Under TLS. */
  readonly private: number;
  /** Sessions whose transport currently accepts no more octets. */
  readonly blocked: number;
  readonly channels: number;
  /** Channels with something to send whose peer's window is closed. */
  readonly shut: number;
  /** Payload octets queued for peers. */
  readonly unsentOctets: number;
  /** Octets that peers currently allow this node to send, over all channels. */
  readonly windowOctets: number;
  /** Requests of peers without an answer, and requests to peers without an answer. */
  readonly owed: number;
  readonly awaited: number;
}

/** The link to a neighbour relay. */
export interface LinkStatus {
  readonly name: string;
  readonly state: string;
  /** Data operations without an answer, and those that wait for the link to be up. */
  readonly outstanding: number;
  readonly waiting: number;
  /** By what the neighbour was proven, while it is up. */
  readonly proof?: LinkProof;
  /** Why it failed or was lost most recently, unless it is up again. */
  readonly failure?: LinkFailure;
}

/** `authority`: by a certificate of a trusted CA; `dane`: by a TLSA record; `nothing`: TLS did not prove it. */
export interface LinkProof {
  readonly by: 'authority' | 'dane' | 'nothing';
  readonly record?: string;
}

/** The last failure of a link. */
export interface LinkFailure {
  /** ISO 8601. */
  readonly at: string;
  /** Code of the error, and the error in words. */
  readonly error: string;
  readonly reason: string;
  /** The likely cause, where one is known. */
  readonly suspect?: string;
}

/** Validity of a certificate that this node, or a neighbour with a session, depends on. */
export interface CertificateStatus {
  /** `own`: shown to peers; `authority`: trusted for neighbours; `neighbour`: shown by the relay of a domain. */
  readonly holder: 'own' | 'authority' | 'neighbour';
  /** The domain, or the name of the authority. */
  readonly name: string;
  /** ISO 8601. */
  readonly notAfter: string;
  /** Why its renewal by ACME failed, when it did. */
  readonly failure?: string;
  /** How many orders have failed since one did not. */
  readonly failures?: number;
  /** Whole days that are left, negative after its end. */
  readonly days: number;
}

/** Answers of one next hop since the start; see `traffic.ts`. */
export interface HopStatus {
  readonly name: string;
  readonly delivered: number;
  readonly transient: number;
  readonly permanent: number;
  readonly octets: number;
  readonly timedMs: number;
  /** One count for each of `latencyBoundsMs`, and one for everything above; only of the operations that were timed. */
  readonly buckets: readonly number[];
}

/** Messages held for endpoints that are not attached. */
export interface HeldStatus {
  readonly data: number;
  readonly octets: number;
  readonly endpoints: number;
  /** Age of the oldest message. */
  readonly oldestMs: number;
  /** Since the start: stored; delivered to an application; refused by it, or expired. */
  readonly stored: number;
  readonly delivered: number;
  readonly failed: number;
}

/** Messages held for one endpoint. */
export interface HeldForEndpoint {
  readonly data: number;
  readonly octets: number;
  /** Age of the oldest message; 0 when there is none. */
  readonly oldestMs: number;
}

export interface ProcessStatus {
  readonly pid: number;
  readonly residentOctets: number;
  readonly heapOctets: number;
  readonly cpuSeconds: number;
  /** Delay of timers since the last reading: how long the event loop delays everything. */
  readonly lagMs: { readonly p50: number; readonly p99: number; readonly max: number };
}

/** Presence service: what is in progress, and what was done since the start. */
export interface PresenceFacts {
  readonly subscriptions: number;
  readonly watches: number;
  /** Unanswered Data operations to subscribers and watchers. */
  readonly outstanding: number;
  readonly counts: {
    /** Entries replaced. */
    readonly entries: number;
    /** Operations sent, by element. */
    readonly publish: number;
    readonly notify: number;
    readonly terminate: number;
    /** Publish and notify operations that did not arrive. */
    readonly failed: number;
  };
}

/** One of the processes that have the sessions of peers. */
export interface WorkerStatus {
  readonly name: string;
  /** Opened by peers. */
  readonly sessions: number;
  readonly attachments: number;
  readonly outstanding: number;
  /** Data operations that it sent to the other processes of the node. */
  readonly forwarded: number;
  readonly process: ProcessStatus;
}

/** Facts that the node itself supplies; the others are the process's. */
export interface NodeFacts {
  readonly state: NodeState;
  /** What keeps a node that is ready from its work: a full disk, an expired certificate. */
  readonly obstacle?: string;
  readonly domains: readonly string[];
  readonly listening: readonly string[];
  readonly sessions: SessionCounts;
  readonly attachments: number;
  readonly bindings: number;
  /** Accounts of endpoints and relays; disabled ones are counted in both. */
  readonly accounts: { readonly total: number; readonly disabled: number };
  /** Operations without an answer. */
  readonly outstanding: number;
  readonly links: readonly LinkStatus[];
  /** Those that end first come first. */
  readonly certificates: readonly CertificateStatus[];
  readonly held: HeldStatus;
  readonly presence: PresenceFacts;
}

export interface NodeStatus extends NodeFacts {
  readonly version: string;
  /** ISO 8601. */
  readonly started: string;
  readonly uptimeSeconds: number;
  readonly hops: readonly HopStatus[];
  readonly latencyBoundsMs: readonly number[];
  /** Of all processes together, if there are workers; `pid` is that of the supervisor. */
  readonly process: ProcessStatus;
  /** Absent if one process does everything. */
  readonly workers?: readonly WorkerStatus[];
  /** Workers that replaced one that had ended. */
  readonly workersRestarted?: number;
}

export function statusOf(facts: NodeFacts, traffic: Traffic, loop: EventLoop): NodeStatus {
  const uptime = process.uptime();
  return {
    version: VERSION,
    started: new Date(Date.now() - uptime * 1000).toISOString(),
    uptimeSeconds: Math.round(uptime),
    ...facts,
    hops: [...traffic.hops].map(([name, hop]) => ({ name, ...hop })),
    latencyBoundsMs: LATENCY_BOUNDS_MS,
    process: processStatus(loop),
  };
}

function processStatus(loop: EventLoop): ProcessStatus {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed } = process.memoryUsage();
  return {
    pid: process.pid,
    residentOctets: rss,
    heapOctets: heapUsed,
    cpuSeconds: (user + system) / 1e6,
    lagMs: loop.lag(),
  };
}
