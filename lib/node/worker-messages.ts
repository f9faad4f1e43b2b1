/** Messages between the supervisor of a node and its workers, over the channel that Node.js opens with each process. */

import type { DirectoryChange } from '../cluster/messages.js';
import type { LoginNote } from '../cluster/shared-login-throttle.js';
import type { NodeConfig } from '../config/schema.js';
import type { ErrorCode } from '../errors.js';
import type { CarriedEvent } from '../ops/event-relay.js';
import type { NodeStatus } from '../ops/status.js';

/**
 * Logins of that time are told together, by a worker and by the supervisor: what the supervisor tells each worker would
 * otherwise grow with the number of logins times that of the workers.
 */
export const LOGINS_TOGETHER_MS = 10;

/** What a worker is started with. */
export interface WorkerStart {
  readonly name: string;
  readonly config: NodeConfig;
  /** Sockets: that of the center for this worker, and its own for the other workers and for the center. */
  readonly centerPath: string;
  readonly path: string;
  readonly fromCenterPath: string;
  /** Whether answers are counted, for the metrics. */
  readonly traffic: boolean;
}

export type ToWorker =
  | { readonly type: 'start'; readonly start: WorkerStart }
  /** The center knows the worker, and this is the directory. */
  | { readonly type: 'welcome'; readonly directory: DirectoryChange }
  | { readonly type: 'changed'; readonly change: DirectoryChange }
  | { readonly type: 'logins'; readonly notes: readonly LoginNote[] }
  | { readonly type: 'reload'; readonly question: number; readonly config: NodeConfig }
  | { readonly type: 'status'; readonly question: number }
  /** Whether each Data operation is reported, whatever the log level. */
  | { readonly type: 'hear'; readonly perData: boolean }
  | { readonly type: 'stop' };

/** Why a worker could not do what it was told. */
export interface WorkerFailure {
  readonly code: ErrorCode;
  readonly message: string;
}

/** What a worker says about itself. */
export interface WorkerAnswer {
  readonly status?: NodeStatus;
  /** Data operations sent to the other processes since its start. */
  readonly forwarded?: number;
  readonly failure?: WorkerFailure;
}

export type FromWorker =
  /** It hears what it is told; before that it may not. */
  | { readonly type: 'loaded' }
  /** Its sockets are open. */
  | { readonly type: 'joined' }
  /** It listens on these ports. */
  | { readonly type: 'ready'; readonly ports: readonly number[] }
  | { readonly type: 'failed'; readonly failure: WorkerFailure }
  | { readonly type: 'bound'; readonly domain: string; readonly here: boolean }
  | { readonly type: 'logins'; readonly notes: readonly LoginNote[] }
  | { readonly type: 'events'; readonly heard: readonly CarriedEvent[] }
  | { readonly type: 'answer'; readonly question: number; readonly answer: WorkerAnswer }
  /** Sent every second, so that one that hangs is noticed. */
  | { readonly type: 'alive' };
