/**
 * Page contents for operators: the state of the node, its counters and its links. Exists before the node starts and
 * after it stops, so that it can report "not ready".
 */
import { EventLoop } from '../ops/event-loop.js';
import { Metrics, type OperationCounts } from '../ops/metrics.js';
import { type NodeFacts, type NodeState, type NodeStatus, statusOf } from '../ops/status.js';
import { Traffic } from '../ops/traffic.js';
import { CountedStore } from '../store/counted.js';
import type { Store } from '../store/store.js';
import type { Api } from './api.js';
import { type AdminOptions, AdminServer, type Page, textPage } from './server.js';

export interface AdminAddress {
  readonly host: string;
  readonly port: number;
  /** Of the API, where there is one. */
  readonly apiLimits?: AdminOptions['apiLimits'];
  /** Admin ports of other nodes that the console shows, and consoles of others that may ask here. */
  readonly nodes?: readonly string[];
  readonly origins?: readonly string[];
  /** The console. */
  readonly files?: AdminOptions['files'];
}

/** Asked for each look. */
export type NodeFactsSource = () => Promise<Omit<NodeFacts, 'state' | 'obstacle'>>;

const INDEX = `imxp

/healthz  whether the process answers
/readyz   whether the node accepts sessions and its store can be written: 503 before it is ready, while it drains, on a full disk, after the end of its certificate
/metrics  for Prometheus
/status   for imxp status and imxp top, JSON
/nodes    other nodes that the console shows, JSON
/console  all of it for people, in a browser`;

export class Admin {
  readonly traffic = new Traffic();
  readonly #loop = new EventLoop();
  readonly #metrics: Metrics;
  readonly #server: AdminServer;
  readonly #host: string;
  readonly #hasConsole: boolean;
  #store: ReadonlyMap<string, Readonly<OperationCounts>> = new Map();
  #counted: CountedStore | undefined;
  #failing: () => string | undefined = () => undefined;
  #facts: NodeFactsSource | undefined;
  #combine: ((own: NodeStatus) => Promise<NodeStatus>) | undefined;
  #state: NodeState = 'starting';
  /** What keeps a running node from its work, besides the store. */
  #obstacle: () => string | undefined = () => undefined;
  #api: Api | undefined;

  private constructor({ host, port, apiLimits, files, nodes = [], origins = [] }: AdminAddress) {
    this.#host = host;
    this.#hasConsole = files !== undefined;
    this.#metrics = new Metrics({
      status: () => this.#status(),
      store: () => this.#store,
      failing: () => this.#failing() !== undefined,
      engine: () => this.#counted?.engine,
    });
    const pages = new Map<string, () => Page | Promise<Page>>([
      ['/', () => textPage(200, INDEX)],
      ['/healthz', () => textPage(200, 'ok')],
      ['/readyz', () => this.#readiness()],
      [
        '/metrics',
        () => this.#when(async () => ({ type: this.#metrics.contentType, body: await this.#metrics.text() })),
      ],
      ['/nodes', () => json({ nodes })],
      ['/status', () => this.#when(async () => json(await this.#status()))],
    ]);
    this.#server = new AdminServer({
      host,
      port,
      pages,
      files,
      origins: new Set(origins),
      api: () => (this.#api?.open === true ? this.#api : undefined),
      ...(apiLimits === undefined ? {} : { apiLimits }),
    });
  }

  /** Answers from now on. @throws LocalError LISTEN_FAILED | CONFIGURATION when the address cannot be had */
  static async start(place: AdminAddress): Promise<Admin> {
    const admin = new Admin(place);
    try {
      await admin.#server.listen();
    } catch (error) {
      await admin.close();
      throw error;
    }
    return admin;
  }

  get url(): string {
    const host = this.#host.includes(':') ? `[${this.#host}]` : this.#host;
    return `http://${host}:${this.#server.port}`;
  }

  /**
   * Wraps a store so that the metrics show what is done with it.
   *
   * @param failing why what is stored beside it cannot be written, as held messages on a full disk
   */
  counted(store: Store, failing: () => string | undefined = () => undefined): Store {
    const counted = new CountedStore(store);
    this.#counted = counted;
    this.#failing = () => counted.failing ?? failing();
    this.#store = counted.counts;
    return counted;
  }

  /** The node is there; it is ready, or on its way out. */
  show(state: NodeState, facts: NodeFactsSource | undefined = this.#facts): void {
    this.#state = state;
    this.#facts = facts;
  }

  /** Asks whether anything besides the store keeps the node from its work, for readiness. */
  watch(obstacle: () => string | undefined): void {
    this.#obstacle = obstacle;
  }

  /** Adds to the state of this process that of others of the node. */
  combine(combine: (own: NodeStatus) => Promise<NodeStatus>): void {
    this.#combine = combine;
  }

  /** Answers requests to the API from now on. */
  serve(api: Api): void {
    this.#api = api;
  }

  /**
   * URL of the console, with a token in its fragment, which browsers send to nobody.
   *
   * @returns undefined where the console is not built
   */
  consoleUrl(lifetimeMs: number): string | undefined {
    if (!this.#hasConsole || this.#api === undefined) return undefined;
    return `${this.url}/console/#token=${this.#api.issue('console', 'operate', lifetimeMs)}`;
  }

  async close(): Promise<void> {
    this.#metrics.stop();
    this.#loop.stop();
    await this.#server.close();
  }

  #readiness(): Page {
    if (this.#state !== 'ready') return textPage(503, this.#state);
    const obstacle = this.#failing() ?? this.#obstacle();
    return obstacle === undefined ? textPage(200, 'ready') : textPage(503, `ready, but ${obstacle}`);
  }

  /** A page that needs a node. */
  #when(page: () => Promise<Page>): Page | Promise<Page> {
    return this.#facts === undefined ? textPage(503, 'the node is starting') : page();
  }

  async #status(): Promise<NodeStatus> {
    const facts = await this.#facts?.();
    if (facts === undefined) throw new Error('there is no node to ask');
    const obstacle = this.#failing() ?? this.#obstacle();
    const state = { state: this.#state, ...(obstacle === undefined ? {} : { obstacle }) };
    const own = statusOf({ ...state, ...facts }, this.traffic, this.#loop);
    return this.#combine === undefined ? own : await this.#combine(own);
  }
}

function json(value: unknown): Page {
  return { type: 'application/json', body: `${JSON.stringify(value)}\n` };
}
