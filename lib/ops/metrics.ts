/**
 * Metrics of one node in the text format of Prometheus: its status at the time of the request, and counters of the
 * events in between. The number of labels is bounded whatever peers do.
 */
import { Counter, Gauge, type MetricObject, Registry } from 'prom-client';
import { type Event, events } from './events.js';
import { histogramText } from './histogram-text.js';
import type { NodeState, NodeStatus } from './status.js';

/** Results of one kind of operation on the store. */
export interface OperationCounts {
  done: number;
  /** Compare-and-set that found another version. */
  conflicts: number;
  failed: number;
  /** Milliseconds of all of them. */
  ms: number;
}

/** What is known of the server of the store. */
export interface EngineFacts {
  readonly connected: boolean;
  /** Milliseconds since it last answered. */
  readonly lagMs: number;
}

export interface MetricSources {
  status(): Promise<NodeStatus>;
  /** By operation. */
  store(): ReadonlyMap<string, Readonly<OperationCounts>>;
  /** Whether the last write to the store failed. */
  failing(): boolean;
  /** The server that the store is at; undefined where it is part of this process. */
  engine(): EngineFacts | undefined;
}

type Labels<Name extends string> = Readonly<Record<Name, string | number>>;

/**
 * Number of label values of one counter. Further events are counted under `other`: peers must not determine how much
 * memory is used.
 */
const MOST_SERIES = 200;
const OTHER = 'other';

const DURATION = 'imxp_data_duration_seconds';
const DURATION_HELP =
  'Time between a Data operation and its answer; a sample of them when there are more than a thousand a second';

/** A metric for documents. */
export interface MetricDescription {
  readonly name: string;
  readonly type: string;
  readonly help: string;
  readonly labels: readonly string[];
}

const STATES: readonly NodeState[] = ['starting', 'ready', 'draining'];

export class Metrics {
  readonly #registry = new Registry();
  readonly #sources: MetricSources;
  readonly #subscriptions: (() => void)[] = [];
  readonly #samplers: ((status: NodeStatus) => void)[] = [];

  /** Counts from now on, until {@link stop}. Events belong to the process: nodes in one process count each other's. */
  constructor(sources: MetricSources) {
    this.#sources = sources;
    this.#node();
    this.#sessions();
    this.#data();
    this.#links();
    this.#certificates();
    this.#storage();
    this.#held();
    this.#presence();
    this.#occurrences();
    this.#process();
    this.#workers();
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  /** Returns the names of all metrics. */
  get names(): string[] {
    return this.descriptions.map(({ name }) => name);
  }

  /** Every metric with its type, help text and labels; for documents. */
  get descriptions(): MetricDescription[] {
    // The type of the registry leaves out what each metric was constructed with.
    const registered = this.#registry.getMetricsAsArray() as readonly (MetricObject & { labelNames?: string[] })[];
    return [
      ...registered.map(({ name, type, help, labelNames = [] }) => ({
        name,
        type: `${type}`,
        help,
        labels: labelNames,
      })),
      { name: DURATION, type: 'histogram', help: DURATION_HELP, labels: ['next_hop'] },
    ];
  }

  async text(): Promise<string> {
    const status = await this.#sources.status();
    for (const sample of this.#samplers) sample(status);
    const latencies = histogramText({
      name: DURATION,
      help: DURATION_HELP,
      label: 'next_hop',
      boundsMs: status.latencyBoundsMs,
      series: status.hops,
    });
    return `${await this.#registry.metrics()}\n${latencies}`;
  }

  stop(): void {
    for (const unsubscribe of this.#subscriptions) unsubscribe();
    this.#subscriptions.length = 0;
  }

  // ---- sampled on request

  #node(): void {
    const state = this.#gauge('imxp_node_state', '1 for the present state of the node, 0 for the others', ['state']);
    const info = this.#gauge('imxp_node_info', 'Always 1; the label is the version', ['version']);
    this.#sample((status) => {
      for (const one of STATES) state.set({ state: one }, one === status.state ? 1 : 0);
      info.set({ version: status.version }, 1);
    });
    this.#figure('imxp_attachments', 'Attached endpoints', ({ attachments }) => attachments);
    this.#figure('imxp_bindings', 'Domains that relays have bound', ({ bindings }) => bindings);
    const accounts = this.#gauge('imxp_accounts', 'Accounts of endpoints and relays, by state', ['state']);
    this.#sample((status) => {
      accounts.set({ state: 'active' }, status.accounts.total - status.accounts.disabled);
      accounts.set({ state: 'disabled' }, status.accounts.disabled);
    });
    this.#figure('imxp_operations_outstanding', 'Operations without an answer', ({ outstanding }) => outstanding);
  }

  #sessions(): void {
    const role = this.#gauge('imxp_sessions', 'Open sessions, by the side that opened them', ['role']);
    const peer = this.#gauge('imxp_session_peers', 'Open sessions, by kind of peer', ['peer']);
    this.#sample(({ sessions }) => {
      role.set({ role: 'listener' }, sessions.listener);
      role.set({ role: 'initiator' }, sessions.initiator);
      peer.set({ peer: 'unauthenticated' }, sessions.unauthenticated);
      peer.set({ peer: 'endpoint' }, sessions.endpoints);
      peer.set({ peer: 'relay' }, sessions.relays);
    });
    this.#figure('imxp_sessions_private', 'Open sessions under TLS', ({ sessions }) => sessions.private);
    this.#figure(
      'imxp_sessions_blocked',
      'Sessions whose transport accepts no more octets',
      ({ sessions }) => sessions.blocked,
    );
    this.#figure('imxp_channels', 'Open channels', ({ sessions }) => sessions.channels);
    this.#figure('imxp_channels_shut', 'Channels that wait for a window to open', ({ sessions }) => sessions.shut);
    this.#figure('imxp_unsent_octets', 'Payload octets queued for peers', ({ sessions }) => sessions.unsentOctets);
    this.#figure('imxp_window_octets', 'Octets that peers allow to be sent', ({ sessions }) => sessions.windowOctets);
    this.#figure('imxp_requests_owed', 'Requests of peers without an answer', ({ sessions }) => sessions.owed);
    this.#figure('imxp_requests_awaited', 'Requests to peers without an answer', ({ sessions }) => sessions.awaited);
  }

  #data(): void {
    const data = this.#total('imxp_data_total', 'Answered Data operations, by next hop and result', [
      'next_hop',
      'result',
    ]);
    const octets = this.#total('imxp_data_octets_total', 'Payload octets of answered Data operations', ['next_hop']);
    this.#sample(({ hops }) => {
      data.reset();
      octets.reset();
      for (const hop of hops) {
        data.inc({ next_hop: hop.name, result: '2xx' }, hop.delivered);
        data.inc({ next_hop: hop.name, result: '4xx' }, hop.transient);
        data.inc({ next_hop: hop.name, result: '5xx' }, hop.permanent);
        octets.inc({ next_hop: hop.name }, hop.octets);
      }
    });
  }

  #links(): void {
    const up = this.#gauge('imxp_link_up', '1 if the link to a relay is up, else 0', ['link']);
    const outstanding = this.#gauge('imxp_link_outstanding', 'Data operations on a link without an answer', ['link']);
    const waiting = this.#gauge('imxp_link_waiting', 'Data operations that wait for a link to come up', ['link']);
    const proven = this.#gauge(
      'imxp_link_proof',
      'By what the relay at the end of a link is proven: authority, dane or nothing; always 1',
      ['link', 'by'],
    );
    this.#sample(({ links }) => {
      for (const gauge of [up, outstanding, waiting, proven]) gauge.reset();
      for (const { name: link, ...facts } of links.slice(0, MOST_SERIES)) {
        up.set({ link }, facts.state === 'ready' ? 1 : 0);
        outstanding.set({ link }, facts.outstanding);
        waiting.set({ link }, facts.waiting);
        if (facts.proof !== undefined) proven.set({ link, by: facts.proof.by }, 1);
      }
    });
    this.#count(events.link, 'imxp_link_changes_total', 'State changes of links', ['state'], ({ state }) => ({
      state,
    }));
  }

  #certificates(): void {
    const end = this.#gauge(
      'imxp_certificate_end_seconds',
      'End of the validity of a certificate, seconds since 1970',
      ['holder', 'name'],
    );
    const failures = this.#gauge(
      'imxp_certificate_renewal_failures',
      'Orders of a certificate by ACME that have failed since one did not',
      ['name'],
    );
    this.#sample(({ certificates }) => {
      end.reset();
      failures.reset();
      for (const { holder, name, notAfter, failures: times = 0 } of certificates.slice(0, MOST_SERIES)) {
        end.set({ holder, name }, Date.parse(notAfter) / 1000);
        if (holder === 'own') failures.set({ name }, times);
      }
    });
  }

  #storage(): void {
    const operations = this.#total('imxp_store_operations_total', 'Operations on the store', ['operation', 'result']);
    const failing = this.#gauge('imxp_store_failing', '1 while the store cannot be written, as on a full disk', []);
    const connected = this.#gauge('imxp_store_connected', '1 while the database of the store answers', []);
    const lag = this.#gauge('imxp_store_lag_seconds', 'Time since the database of the store last answered', []);
    const seconds = this.#total('imxp_store_seconds_total', 'Time spent waiting for the store', ['operation']);
    this.#sample(() => {
      failing.set(this.#sources.failing() ? 1 : 0);
      const engine = this.#sources.engine();
      if (engine === undefined) {
        // No series where there is no database.
        connected.remove();
        lag.remove();
      } else {
        connected.set(engine.connected ? 1 : 0);
        lag.set(engine.lagMs / 1000);
      }
      operations.reset();
      seconds.reset();
      for (const [operation, counts] of this.#sources.store()) {
        operations.inc({ operation, result: 'done' }, counts.done);
        operations.inc({ operation, result: 'conflict' }, counts.conflicts);
        operations.inc({ operation, result: 'failed' }, counts.failed);
        seconds.inc({ operation }, counts.ms / 1000);
      }
    });
  }

  #held(): void {
    this.#figure('imxp_held_data', 'Messages held for endpoints that are not attached', ({ held }) => held.data);
    this.#figure('imxp_held_octets', 'Payload octets of held messages', ({ held }) => held.octets);
    this.#figure('imxp_held_endpoints', 'Endpoints with held messages', ({ held }) => held.endpoints);
    this.#figure('imxp_held_oldest_seconds', 'Age of the oldest held message', ({ held }) => held.oldestMs / 1000);
    const outcomes = this.#total('imxp_held_total', 'Messages that were held, by result', ['result']);
    this.#sample(({ held }) => {
      outcomes.reset();
      outcomes.inc({ result: 'stored' }, held.stored);
      outcomes.inc({ result: 'delivered' }, held.delivered);
      outcomes.inc({ result: 'failed' }, held.failed);
    });
  }

  #presence(): void {
    const operations = this.#gauge('imxp_presence_operations', 'Subscriptions and watches in progress', ['operation']);
    const sent = this.#total('imxp_presence_sent_total', 'Operations sent by the presence service', ['element']);
    const entries = this.#total('imxp_presence_entries_total', 'Presence entries published', []);
    const failed = this.#total('imxp_presence_failed_total', 'Publish and notify operations that did not arrive', []);
    this.#sample(({ presence: { subscriptions, watches, counts } }) => {
      operations.set({ operation: 'subscribe' }, subscriptions);
      operations.set({ operation: 'watch' }, watches);
      for (const counter of [sent, entries, failed]) counter.reset();
      for (const element of ['publish', 'notify', 'terminate'] as const) sent.inc({ element }, counts[element]);
      entries.inc(counts.entries);
      failed.inc(counts.failed);
    });
    this.#figure(
      'imxp_presence_outstanding',
      'Operations sent by the presence service without an answer',
      ({ presence }) => presence.outstanding,
    );
  }

  #process(): void {
    const cpu = this.#total('process_cpu_seconds_total', 'CPU time in user and system mode', []);
    const lag = this.#gauge('nodejs_eventloop_lag_seconds', 'Delay of timers since the last sample', ['quantile']);
    const start = this.#gauge('process_start_time_seconds', 'Start time of the process, seconds since 1970', []);
    this.#sample(({ process: { cpuSeconds, lagMs }, started }) => {
      cpu.reset();
      cpu.inc(cpuSeconds);
      lag.set({ quantile: '0.5' }, lagMs.p50 / 1000);
      lag.set({ quantile: '0.99' }, lagMs.p99 / 1000);
      lag.set({ quantile: '1' }, lagMs.max / 1000);
      start.set(Date.parse(started) / 1000);
    });
    this.#figure('process_resident_memory_bytes', 'Memory in use', ({ process: { residentOctets } }) => residentOctets);
    this.#figure('nodejs_heap_size_used_bytes', 'JavaScript heap in use', ({ process: { heapOctets } }) => heapOctets);
  }

  /** Of a node that several processes make up; no series where one process does everything. */
  #workers(): void {
    const sessions = this.#gauge('imxp_worker_sessions', 'Open sessions of a worker that peers opened', ['worker']);
    const attached = this.#gauge('imxp_worker_attachments', 'Endpoints attached at a worker', ['worker']);
    const lag = this.#gauge('imxp_worker_lag_seconds', 'Delay of timers of a worker, 99th percentile', ['worker']);
    const memory = this.#gauge('imxp_worker_resident_memory_bytes', 'Memory in use by a worker', ['worker']);
    const cpu = this.#total('imxp_worker_cpu_seconds_total', 'CPU time of a worker since its start', ['worker']);
    const forwarded = this.#total(
      'imxp_worker_forwarded_total',
      'Data operations that a worker sent to other processes of the node',
      ['worker'],
    );
    const restarts = this.#total('imxp_workers_restarted_total', 'Workers that replaced one that had ended', []);
    this.#sample(({ workers = [], workersRestarted = 0 }) => {
      for (const one of [sessions, attached, lag, memory, cpu, forwarded, restarts]) one.reset();
      restarts.inc(workersRestarted);
      for (const { name: worker, process, ...counts } of workers) {
        sessions.set({ worker }, counts.sessions);
        attached.set({ worker }, counts.attachments);
        lag.set({ worker }, process.lagMs.p99 / 1000);
        memory.set({ worker }, process.residentOctets);
        cpu.inc({ worker }, process.cpuSeconds);
        forwarded.inc({ worker }, counts.forwarded);
      }
    });
  }

  // ---- counted as they happen: at most a few for each session

  #occurrences(): void {
    this.#count(events.opened, 'imxp_sessions_opened_total', 'Sessions opened', ['role'], ({ role }) => ({ role }));
    this.#count(events.closed, 'imxp_sessions_closed_total', 'Sessions ended, by error code', ['error'], (it) => ({
      error: it.error ?? 'none',
    }));
    this.#count(
      events.tuned,
      'imxp_tls_sessions_total',
      'TLS handshakes completed',
      ['protocol', 'cipher', 'legacy'],
      ({ protocol, cipher, legacy }) => ({ protocol, cipher, legacy: String(legacy) }),
    );
    const logins = this.#labelled('imxp_authentications_total', 'Authentications', ['mechanism', 'side', 'result']);
    this.#hear(events.authenticated, ({ mechanism, side }) => logins({ mechanism, side, result: 'accepted' }));
    this.#hear(events.refused, ({ what, subject }) => {
      if (what === 'authentication') logins({ mechanism: subject ?? 'unknown', side: 'peer', result: 'refused' });
    });
    this.#count(events.refused, 'imxp_refusals_total', 'Refusals by code', ['what', 'code'], ({ what, code }) => ({
      what,
      code,
    }));
    const associations = this.#labelled('imxp_associations_total', 'Attachments and bindings', ['event']);
    this.#hear(events.attached, () => associations({ event: 'attached' }));
    this.#hear(events.bound, () => associations({ event: 'bound' }));
    this.#hear(events.terminated, () => associations({ event: 'terminated' }));
    this.#count(events.lookup, 'imxp_dns_lookups_total', 'DNS queries', ['type', 'result'], ({ type, result }) => ({
      type,
      result,
    }));
    this.#count(events.fault, 'imxp_faults_total', 'Internal errors that were contained', [], () => ({}));
  }

  // ---- construction

  #hear<Message extends object>(event: Event<Message>, listener: (message: Message) => void): void {
    this.#subscriptions.push(event.subscribe(listener));
  }

  #sample(sampler: (status: NodeStatus) => void): void {
    this.#samplers.push(sampler);
  }

  #gauge<Name extends string>(name: string, help: string, labelNames: readonly Name[]): Gauge<Name> {
    return new Gauge({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #total<Name extends string>(name: string, help: string, labelNames: readonly Name[]): Counter<Name> {
    return new Counter({ name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #figure(name: string, help: string, read: (status: NodeStatus) => number): void {
    const gauge = this.#gauge(name, help, []);
    this.#sample((status) => gauge.set(read(status)));
  }

  /**
   * Makes a counter with a bounded number of series.
   *
   * @returns a function that counts one
   */
  #labelled<Name extends string>(
    name: string,
    help: string,
    labelNames: readonly Name[],
  ): (labels: Labels<Name>) => void {
    const counter = this.#total(name, help, labelNames);
    const known = new Set<string>();
    return (labels) => {
      const key = labelNames.map((label) => labels[label]).join('\n');
      if (known.size < MOST_SERIES) known.add(key);
      if (known.has(key)) counter.inc({ ...labels });
      else counter.labels(...labelNames.map(() => OTHER)).inc();
    };
  }

  #count<Message extends object, Name extends string>(
    event: Event<Message>,
    name: string,
    help: string,
    labelNames: readonly Name[],
    labels: (message: Message) => Labels<Name>,
  ): void {
    const count = this.#labelled(name, help, labelNames);
    this.#hear(event, (message) => count(labels(message)));
  }
}
