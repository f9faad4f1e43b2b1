/**
 * A CPIM domain within this process: inboxes and presentities behind {@link CpimService}, as the peer of a gateway. For
 * systems that a program talks to itself, for tests, and as a model for other implementations. Knows nothing of IMXP.
 */

import type { CpimPresence } from '../message/pidf.js';
import { addressOfUri, parseInstantUri } from '../message/uri.js';
import {
  type CpimResponse,
  type CpimService,
  type LinkSecurity,
  type MessageOperation,
  type NotifyOperation,
  newCpimId,
  responseTo,
  type SubscribeOperation,
} from './cpim-service.js';

/** Handles a message for an inbox: `success`, `failure`, or `indeterminant` when the result cannot be known. */
export type InboxHandler = (operation: MessageOperation) => CpimResponse['status'] | Promise<CpimResponse['status']>;

export type Watcher = (operation: NotifyOperation) => void;

interface Presentity {
  presence: CpimPresence;
  /** By watcher. */
  readonly subscriptions: Map<string, { readonly subscriptID: string; readonly until: number }>;
}

export interface LocalPeerOptions {
  readonly now?: () => number;
  /** Longest duration of a subscription in seconds. */
  readonly longestSeconds?: number;
  /** Access control: whether to refuse a subscription. */
  readonly refuses?: (watcher: string, target: string) => boolean;
}

const LONGEST_SECONDS = 86_400;

export class LocalPeer implements CpimService {
  /** Within one process no authentication or encryption is needed. */
  readonly security: LinkSecurity = { authenticated: true, confidential: true };
  readonly #inboxes = new Map<string, InboxHandler>();
  readonly #presentities = new Map<string, Presentity>();
  readonly #watchers = new Map<string, Watcher>();
  readonly #options: Required<LocalPeerOptions>;
  #gateway: CpimService | undefined;

  constructor({ now = Date.now, longestSeconds = LONGEST_SECONDS, refuses = () => false }: LocalPeerOptions = {}) {
    this.#options = { now, longestSeconds, refuses };
  }

  /** Sets the gateway that receives operations for other domains. */
  connect(gateway: CpimService): void {
    this.#gateway = gateway;
  }

  /** @param uri `im:` */
  inbox(uri: string, inbox: InboxHandler): void {
    this.#inboxes.set(keyOf(uri), inbox);
  }

  /** Sets the handler of notifications for a local watcher. @param uri `pres:` */
  watcher(uri: string, watcher: Watcher): void {
    this.#watchers.set(keyOf(uri), watcher);
  }

  /** Changes presence and notifies the subscribers. @param uri `pres:` */
  publish(uri: string, presence: CpimPresence): void {
    const key = keyOf(uri);
    const subscriptions = this.#presentities.get(key)?.subscriptions ?? new Map();
    this.#presentities.set(key, { presence, subscriptions });
    for (const [watcher, { until }] of subscriptions) {
      if (until <= this.#options.now()) subscriptions.delete(watcher);
      else this.#tell(watcher, uri, presence);
    }
  }

  /** Sends a message to the other side of the gateway. */
  async send(operation: Omit<MessageOperation, 'type' | 'transID' | 'maxForwards'>): Promise<CpimResponse> {
    const asked: MessageOperation = { type: 'message', transID: newCpimId(), maxForwards: 255, ...operation };
    return (await this.#gateway?.message(asked)) ?? responseTo(asked, 'failure', 'no gateway');
  }

  async message(operation: MessageOperation): Promise<CpimResponse> {
    const inbox = this.#inboxes.get(keyOf(operation.destination));
    // RFC 3860 §3.4.1 steps 1 and 2
    if (inbox === undefined) return responseTo(operation, 'failure', 'no such inbox');
    // RFC 3860 §3.4.2
    if (operation.maxForwards === 0) return responseTo(operation, 'failure', 'too many gateways');
    try {
      return responseTo(operation, await inbox(operation));
    } catch {
      return responseTo(operation, 'failure', 'the inbox failed');
    }
  }

  async subscribe(operation: SubscribeOperation): Promise<CpimResponse> {
    const { watcher, target, duration, subscriptID } = operation;
    const presentity = this.#presentities.get(keyOf(target));
    // RFC 3859 §3.4.1 steps 1 to 3
    if (presentity === undefined) return responseTo(operation, 'failure', 'no such presentity');
    if (this.#options.refuses(watcher, target)) return responseTo(operation, 'failure', 'not authorized');
    const { subscriptions, presence } = presentity;
    const existing = subscriptions.get(watcher);
    const running = existing !== undefined && existing.until > this.#options.now();
    if (duration !== 0 && running) return responseTo(operation, 'failure', 'this subscription already exists');
    const granted = Math.min(duration, this.#options.longestSeconds);
    if (granted > 0) subscriptions.set(watcher, { subscriptID, until: this.#options.now() + granted * 1000 });
    // RFC 3859 §3.4.3: 0 with a known SubscriptID cancels, with a new one fetches
    else if (existing?.subscriptID === subscriptID) subscriptions.delete(watcher);
    setImmediate(() => this.#tell(watcher, target, presence));
    return responseTo(operation, 'success', undefined, granted);
  }

  notify(operation: NotifyOperation): void {
    this.#watchers.get(keyOf(operation.watcher))?.(operation);
  }

  #tell(watcher: string, target: string, presence: CpimPresence): void {
    this.#gateway?.notify({ type: 'notify', watcher, target, transID: newCpimId(), presence });
  }
}

/** Domains are compared without regard to case. */
function keyOf(uri: string): string {
  const { scheme } = parseInstantUri(uri);
  const address = addressOfUri(uri);
  const at = address.lastIndexOf('@');
  return `${scheme}:${address.slice(0, at)}@${address.slice(at + 1).toLowerCase()}`;
}
