/**
 * Program of a worker, started by the supervisor. It does what it is told over the channel to the supervisor, ignores the
 * signals of the terminal, which are for the supervisor, and ends when the supervisor has gone.
 */

import { NodeSocket } from '../cluster/node-socket.js';
import { type LoginNote, SharedLoginThrottle } from '../cluster/shared-login-throttle.js';
import { CENTER, WorkerCluster } from '../cluster/worker-cluster.js';
import { ImxpError } from '../errors.js';
import { EventLoop } from '../ops/event-loop.js';
import { hearEvents } from '../ops/event-relay.js';
import { events } from '../ops/events.js';
import { statusOf } from '../ops/status.js';
import { Traffic } from '../ops/traffic.js';
import type { Cluster } from '../relay/cluster.js';
import type { DeliveryTarget } from '../relay/target.js';
import { systemClock } from '../transport/clock.js';
import { Node } from './node.js';
import { giveRoomForOctets } from './old-generation.js';
import type { ClusterParts, WorkerRole } from './role.js';
import {
  type FromWorker,
  LOGINS_TOGETHER_MS,
  type ToWorker,
  type WorkerAnswer,
  type WorkerFailure,
  type WorkerStart,
} from './worker-messages.js';

const ALIVE_MS = 1000;

/** Sessions with the other processes end last, and nothing is under way on them any more. */
const CLOSE_MS = 200;

class Worker implements WorkerRole {
  readonly kind = 'worker';
  readonly outward = false;
  readonly traffic: Traffic | undefined;
  readonly throttle: SharedLoginThrottle;
  readonly #start: WorkerStart;
  readonly #loop = new EventLoop();
  #deafen: () => void;
  #config: WorkerStart['config'];
  #notes: LoginNote[] = [];
  /** Whether somebody reads lines about each Data operation. */
  #perData = false;
  readonly #sockets: NodeSocket[] = [];
  #cluster: WorkerCluster | undefined;
  #node: Node | undefined;
  #welcomed: (() => void) | undefined;

  constructor(start: WorkerStart) {
    const { config, traffic } = start;
    this.#start = start;
    this.traffic = traffic ? new Traffic() : undefined;
    this.throttle = new SharedLoginThrottle(config.limits.authentication, (note) => this.#noted(note));
    this.#config = config;
    this.#deafen = hear(config, false);
  }

  get center(): DeliveryTarget {
    // The relay is made, and has joined the cluster, before the first Data operation.
    const center = (): DeliveryTarget => this.#joined.center();
    return { deliver: (delivery, sink) => center().deliver(delivery, sink) };
  }

  async run(): Promise<void> {
    try {
      this.#node = await Node.start(this.#start.config, this);
      tell({ type: 'ready', ports: this.#node.listening.map(({ port }) => port) });
    } catch (error) {
      tell({ type: 'failed', failure: failureOf(error) });
      await this.#ended(1);
    }
  }

  async received(message: ToWorker): Promise<void> {
    switch (message.type) {
      case 'start':
        return;
      case 'welcome':
        this.#joined.changed(message.directory);
        this.#welcomed?.();
        return;
      case 'changed':
        // What came before the welcome is in it.
        this.#cluster?.changed(message.change);
        return;
      case 'logins':
        for (const note of message.notes) this.throttle.note(note);
        return;
      case 'status':
        tell({ type: 'answer', question: message.question, answer: await this.#status() });
        return;
      case 'reload':
        tell({ type: 'answer', question: message.question, answer: await this.#reload(message.config) });
        return;
      case 'hear':
        this.#perData = message.perData;
        this.#hearAgain(this.#config);
        return;
      case 'stop':
        await this.#node?.stop();
        await this.#ended(0);
    }
  }

  // ---- WorkerRole

  join(parts: ClusterParts): Cluster {
    const { name, path, fromCenterPath } = this.#start;
    this.#sockets.push(new NodeSocket(path, 'worker', parts), new NodeSocket(fromCenterPath, CENTER, parts));
    this.#cluster = new WorkerCluster({
      ...parts,
      name,
      bound: (domain, here) => tell({ type: 'bound', domain, here }),
      lost: (why) => {
        // Others may have the endpoints now, so the applications here must not stay attached.
        events.fault.publish({ session: name, error: new Error(`the worker ends: ${why}`) });
        void this.#ended(1);
      },
    });
    return this.#cluster;
  }

  async started(): Promise<void> {
    await Promise.all(this.#sockets.map((socket) => socket.listen()));
    const welcomed = new Promise<void>((resolve) => {
      this.#welcomed = resolve;
    });
    tell({ type: 'joined' });
    await welcomed;
    await this.#joined.open(this.#start.centerPath);
  }

  async stopping(): Promise<void> {}

  async stopped(): Promise<void> {
    await this.#cluster?.close(CLOSE_MS);
    for (const socket of this.#sockets) socket.close();
  }

  // ---- the supervisor

  #noted(note: LoginNote): void {
    if (this.#notes.length === 0) systemClock.after(LOGINS_TOGETHER_MS, () => this.#tellNotes());
    this.#notes.push(note);
  }

  #tellNotes(): void {
    const notes = this.#notes;
    this.#notes = [];
    tell({ type: 'logins', notes });
  }

  get #joined(): WorkerCluster {
    if (this.#cluster === undefined) throw new Error('the worker has not joined the cluster');
    return this.#cluster;
  }

  async #status(): Promise<WorkerAnswer> {
    const facts = await this.#node?.facts();
    if (facts === undefined) return {};
    const status = statusOf({ state: 'ready', ...facts }, this.traffic ?? new Traffic(), this.#loop);
    return { status, forwarded: this.#joined.forwarded };
  }

  async #reload(config: WorkerStart['config']): Promise<WorkerAnswer> {
    try {
      await this.#node?.reload(config);
      this.#hearAgain(config);
      return {};
    } catch (error) {
      return { failure: failureOf(error) };
    }
  }

  #hearAgain(config: WorkerStart['config']): void {
    this.#config = config;
    this.#deafen();
    this.#deafen = hear(config, this.#perData);
  }

  async #ended(code: number): Promise<void> {
    this.#deafen();
    // The channel is written in order, so the last message has left when this one has.
    await new Promise((resolve) => process.send?.({ type: 'alive' }, undefined, {}, resolve));
    process.exit(code);
  }
}

function hear({ log: { level } }: WorkerStart['config'], wanted: boolean): () => void {
  const perData = wanted || level === 'debug' || level === 'trace';
  return hearEvents({ perData, clock: systemClock }, (heard) => tell({ type: 'events', heard }));
}

function failureOf(error: unknown): WorkerFailure {
  if (error instanceof ImxpError) return { code: error.code, message: error.message };
  return { code: 'STORE_FAILED', message: error instanceof Error ? (error.stack ?? error.message) : String(error) };
}

function tell(message: FromWorker): void {
  // When the supervisor has gone, this process ends; see below.
  if (process.connected) process.send?.(message, undefined, {}, () => {});
}

/** Says every second that this process is alive. */
function live(): void {
  let saidAt = performance.now();
  systemClock.ticking(() => {
    const now = performance.now();
    if (now - saidAt < ALIVE_MS) return;
    saidAt = now;
    tell({ type: 'alive' });
  });
}

let worker: Worker | undefined;
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => {});
process.on('disconnect', () => process.exit(1));
process.on('message', (message: ToWorker) => {
  if (message.type === 'start') {
    worker = new Worker(message.start);
    live();
    giveRoomForOctets((_ms, look) => systemClock.ticking(look));
    void worker.run();
  } else void worker?.received(message);
});
tell({ type: 'loaded' });
