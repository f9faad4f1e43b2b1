/**
 * Supervisor of a node with workers. It is the center of their cluster: it has the store, the services and the directory of
 * attachments, and starts the workers, which share the ports and have the sessions of peers. A worker that ends or hangs is
 * replaced; its endpoints come back to whichever worker takes them, and no other is touched.
 */
import cluster, { type Worker } from 'node:cluster';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CenterCluster } from '../cluster/center-cluster.js';
import type { DirectoryChange } from '../cluster/messages.js';
import { NodeSocket } from '../cluster/node-socket.js';
import type { LoginNote } from '../cluster/shared-login-throttle.js';
import type { NodeConfig } from '../config/schema.js';
import { LocalError } from '../errors.js';
import { publishCarried } from '../ops/event-relay.js';
import { events } from '../ops/events.js';
import type { NodeStatus } from '../ops/status.js';
import type { Application, Cluster, PlacementObserver } from '../relay/cluster.js';
import { Backoff } from '../transport/backoff.js';
import { systemClock } from '../transport/clock.js';
import { within } from '../transport/deadline.js';
import { closeUntaken } from './handed-connections.js';
import type { CenterRole, ClusterParts } from './role.js';
import { workerConfig } from './worker-config.js';
import {
  type FromWorker,
  LOGINS_TOGETHER_MS,
  type ToWorker,
  type WorkerAnswer,
  type WorkerStart,
} from './worker-messages.js';
import { combinedStatus, type WorkerReport } from './worker-status.js';

/** A worker says every second that it is alive; one that does not for so long is killed. */
const HANGING_MS = 15_000;
/** The same for one that has just been started: loading the program takes long on a busy machine. */
const STARTING_MS = 120_000;
/** How long a worker may take to answer a question. */
const ANSWER_MS = 5000;
const FIRST_BACKOFF_MS = 100;
const LONGEST_BACKOFF_MS = 10_000;

/** Directory of the sockets; the name of a Unix socket may have about 100 octets. */
const SOCKETS = 'imxp-workers-';

interface Post {
  readonly name: string;
  readonly backoff: Backoff;
  worker: Worker | undefined;
  socket: NodeSocket | undefined;
  ready: boolean;
  /** When it was last heard of, on the monotonic clock. */
  heardAt: number;
  cancel: (() => void) | undefined;
}

export class Supervisor implements CenterRole, PlacementObserver {
  static #present = false;
  readonly kind = 'center';
  readonly outward = true;
  readonly placements = this;
  ports: readonly number[] = [];
  readonly #posts: readonly Post[];
  readonly #questions = new Map<number, (answer: WorkerAnswer) => void>();
  #config: NodeConfig;
  #directory = '';
  #parts: ClusterParts | undefined;
  #center: CenterCluster | undefined;
  #question = 0;
  #generation = 0;
  #restarts = 0;
  /** Logins that the other workers are to be told of. */
  #notes: { readonly post: Post; readonly note: LoginNote }[] = [];
  #stopping = false;
  #perData = false;
  #silence: (() => void) | undefined;
  /** Told the end of the first start of a worker. */
  #started: ((error: LocalError | undefined) => void) | undefined;
  /** Told when a worker has ended, while the node stops. */
  #ended: (() => void) | undefined;

  /**
   * @throws LocalError ARGUMENT if there is another one in this process, because their workers would share ports
   * @throws LocalError CONFIGURATION if its store is in the memory of one process
   */
  constructor(config: NodeConfig, workers: number) {
    if (config.store.type === 'memory') {
      throw new LocalError('CONFIGURATION', 'workers: need a store of type "lmdb", because the processes share it');
    }
    if (Supervisor.#present) {
      throw new LocalError('ARGUMENT', 'workers: one node of a process can have workers, and another one has');
    }
    Supervisor.#present = true;
    this.#config = config;
    this.#posts = Array.from({ length: workers }, (_, index) => ({
      name: `w${index + 1}`,
      backoff: new Backoff({ firstMs: FIRST_BACKOFF_MS, longestMs: LONGEST_BACKOFF_MS }),
      worker: undefined,
      socket: undefined,
      ready: false,
      heardAt: 0,
      cancel: undefined,
    }));
  }

  /**
   * Starts the node, and its workers.
   *
   * @param make starts the center
   * @throws LocalError as the start of a node, if the center or a worker cannot start
   */
  async start<Node>(make: (config: NodeConfig, role: CenterRole) => Promise<Node>): Promise<Node> {
    try {
      this.#directory = await mkdtemp(join(tmpdir(), SOCKETS));
      return await make(this.#config, this);
    } catch (error) {
      await this.#end();
      throw error;
    }
  }

  // ---- CenterRole

  join(parts: ClusterParts): Cluster {
    this.#parts = parts;
    this.#center = new CenterCluster({ ...parts, tell: (change) => this.#tell(change) });
    return this.#center;
  }

  async started(): Promise<void> {
    const file = import.meta.url.endsWith('.ts') ? './worker.ts' : './worker.js';
    cluster.setupPrimary({ exec: fileURLToPath(new URL(file, import.meta.url)), args: [], serialization: 'advanced' });
    this.#silence = systemClock.ticking(() => this.#watch());
    const error = await new Promise<LocalError | undefined>((resolve) => {
      this.#started = resolve;
      for (const post of this.#posts) void this.#fork(post);
    });
    this.#started = undefined;
    if (error !== undefined) throw error;
  }

  async stopping(limitMs: number): Promise<void> {
    const ended = new Promise<void>((resolve) => {
      this.#ended = resolve;
    });
    this.#stopping = true;
    for (const post of this.#posts) {
      post.cancel?.();
      if (post.worker !== undefined) send(post.worker, { type: 'stop' });
    }
    this.#endedAll();
    if (!(await within(limitMs, ended))) {
      events.node.publish({ state: 'workers killed: not stopped within the time limit', ms: limitMs });
      for (const { worker } of this.#posts) worker?.process.kill('SIGKILL');
    }
  }

  stopped(): Promise<void> {
    return this.#end();
  }

  async reloaded(config: NodeConfig): Promise<void> {
    this.#config = config;
    const own = workerConfig(config, this.#posts.length);
    const answers = await this.#askAll((question) => ({ type: 'reload', question, config: own }));
    for (const { name, answer } of answers) {
      const { failure } = answer;
      if (failure !== undefined) throw new LocalError(failure.code, `worker ${name}: ${failure.message}`);
    }
  }

  hearPerData(wanted: boolean): void {
    if (wanted === this.#perData) return;
    this.#perData = wanted;
    for (const { worker, ready } of this.#posts) {
      if (worker !== undefined && ready) send(worker, { type: 'hear', perData: wanted });
    }
  }

  async combined(own: NodeStatus): Promise<NodeStatus> {
    const answers = await this.#askAll((question) => ({ type: 'status', question }));
    const reports = answers.flatMap(({ name, answer: { status, forwarded = 0 } }): WorkerReport[] =>
      status === undefined ? [] : [{ name, status, forwarded }],
    );
    return combinedStatus(own, reports, this.#restarts);
  }

  placed(key: string, application: Application | undefined, transID: number): void {
    this.#center?.placed(key, application, transID);
  }

  // ---- workers

  async #fork(post: Post): Promise<void> {
    const [parts, center] = [this.#parts, this.#center];
    if (parts === undefined || center === undefined) throw new Error('the center is not there');
    this.#generation += 1;
    const path = (side: string): string => join(this.#directory, `${side}${post.name}.${this.#generation}`);
    const start: WorkerStart = {
      name: post.name,
      config: workerConfig(this.#config, this.#posts.length),
      centerPath: path('center-'),
      path: path(''),
      fromCenterPath: path('by-center-'),
      traffic: this.#config.admin !== undefined,
    };
    const socket = new NodeSocket(start.centerPath, post.name, parts);
    post.socket = socket;
    try {
      await socket.listen();
    } catch (cause) {
      const text = cause instanceof Error ? cause.message : String(cause);
      this.#failed(post, new LocalError('CONFIGURATION', `no socket for workers in ${this.#directory}: ${text}`));
      return;
    }
    const worker = cluster.fork();
    closeUntaken(worker);
    post.worker = worker;
    post.heardAt = performance.now();
    worker.on('message', (message: FromWorker) => this.#received(post, worker, start, message));
    worker.on('error', (error) => events.fault.publish({ session: post.name, error }));
    worker.on('exit', (code, signal) => this.#exited(post, worker, code, signal));
  }

  #received(post: Post, worker: Worker, start: WorkerStart, message: FromWorker): void {
    post.heardAt = performance.now();
    const center = this.#center;
    if (post.worker !== worker || center === undefined) return;
    switch (message.type) {
      case 'loaded':
        send(worker, { type: 'start', start });
        return;
      case 'joined':
        center.join({ name: start.name, path: start.path }, start.fromCenterPath);
        send(worker, { type: 'welcome', directory: center.everything });
        return;
      case 'ready':
        this.#ready(post, message.ports);
        return;
      case 'failed':
        this.#failed(post, new LocalError(message.failure.code, message.failure.message));
        return;
      case 'bound':
        center.boundAt(post.name, message.domain, message.here);
        return;
      case 'logins':
        this.#noted(post, message.notes);
        return;
      case 'events':
        publishCarried(message.heard, post.name);
        return;
      case 'answer':
        this.#questions.get(message.question)?.(message.answer);
        return;
      case 'alive':
    }
  }

  #noted(post: Post, notes: readonly LoginNote[]): void {
    if (this.#notes.length === 0) systemClock.after(LOGINS_TOGETHER_MS, () => this.#tellNotes());
    for (const note of notes) this.#notes.push({ post, note });
  }

  #tellNotes(): void {
    const noted = this.#notes;
    this.#notes = [];
    for (const other of this.#posts) {
      const notes = noted.filter(({ post }) => post !== other).map(({ note }) => note);
      if (other.worker !== undefined && notes.length > 0) send(other.worker, { type: 'logins', notes });
    }
  }

  #ready(post: Post, ports: readonly number[]): void {
    post.ready = true;
    if (this.#perData && post.worker !== undefined) send(post.worker, { type: 'hear', perData: true });
    post.backoff.connected();
    this.ports = ports;
    if (this.#stopping) return;
    if (this.#started === undefined) {
      events.node.publish({ state: 'worker replaced', worker: post.name, pid: post.worker?.process.pid ?? 0 });
    } else if (this.#posts.every(({ ready }) => ready)) this.#started(undefined);
  }

  /** A worker says that it cannot start, or there can be none. */
  #failed(post: Post, error: LocalError): void {
    if (this.#started !== undefined) this.#started(error);
    else events.fault.publish({ session: post.name, error });
  }

  #exited(post: Post, worker: Worker, code: number | null, signal: string | null): void {
    if (post.worker !== worker) return;
    post.worker = undefined;
    post.ready = false;
    this.#center?.leave(post.name);
    post.socket?.close();
    if (this.#stopping) {
      this.#endedAll();
      return;
    }
    const how = signal ?? `exit code ${code}`;
    if (this.#started !== undefined) {
      this.#started(new LocalError('STORE_FAILED', `worker ${post.name} ended while it started: ${how}`));
      return;
    }
    this.#restarts += 1;
    events.node.publish({ state: 'worker lost', worker: post.name, how });
    post.cancel = systemClock.after(post.backoff.next(), () => void this.#fork(post));
  }

  #endedAll(): void {
    if (this.#posts.every(({ worker }) => worker === undefined)) this.#ended?.();
  }

  /** Kills workers that hang. */
  #watch(): void {
    const now = performance.now();
    for (const post of this.#posts) {
      const { name, worker, heardAt, ready } = post;
      if (worker === undefined || now - heardAt < (ready ? HANGING_MS : STARTING_MS)) continue;
      events.node.publish({ state: 'worker killed: it hangs', worker: name, ms: Math.round(now - heardAt) });
      post.heardAt = now;
      worker.process.kill('SIGKILL');
    }
  }

  #tell(change: DirectoryChange): void {
    for (const { worker } of this.#posts) if (worker !== undefined) send(worker, { type: 'changed', change });
  }

  async #askAll(message: (question: number) => ToWorker) {
    const asked = this.#posts.map(async ({ name, worker, ready }) => {
      const answer = worker === undefined || !ready ? {} : await this.#ask(worker, message);
      return { name, answer };
    });
    return await Promise.all(asked);
  }

  /** @returns an empty answer when there is none in time */
  #ask(worker: Worker, message: (question: number) => ToWorker): Promise<WorkerAnswer> {
    this.#question += 1;
    const question = this.#question;
    return new Promise((resolve) => {
      const done = (answer: WorkerAnswer): void => {
        cancel();
        this.#questions.delete(question);
        resolve(answer);
      };
      const cancel = systemClock.after(ANSWER_MS, () => done({}));
      this.#questions.set(question, done);
      send(worker, message(question));
    });
  }

  async #end(): Promise<void> {
    this.#stopping = true;
    this.#silence?.();
    for (const { worker, socket, cancel } of this.#posts) {
      cancel?.();
      worker?.process.kill('SIGKILL');
      socket?.close();
    }
    await this.#center?.close(0);
    Supervisor.#present = false;
    if (this.#directory !== '') await rm(this.#directory, { recursive: true, force: true });
  }
}

/** A worker that has just ended receives nothing, and needs nothing. */
function send(worker: Worker, message: ToWorker): void {
  if (worker.isConnected()) worker.send(message, undefined, {}, () => {});
}
