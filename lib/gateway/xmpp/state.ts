/**
 * Subscriptions through the gateway in a store, so that a restart loses none: all are read at the start, and changes are
 * written in their order.
 */
import { createHash } from 'node:crypto';
import * as z from 'zod';
import { LocalError } from '../../errors.js';
import { events } from '../../ops/events.js';
import type { Change, Json, Store } from '../../store/store.js';
import type { GatewaySubscription, SubscriptionStore } from '../presence.js';
import type { XmppSubscription, XmppSubscriptionStore } from './subscriptions.js';

const gatewayRecord: z.ZodType<GatewaySubscription> = z.strictObject({
  side: z.enum(['cpim', 'imxp']),
  watcher: z.string(),
  target: z.string(),
  transID: z.number(),
  subscriptID: z.string(),
  until: z.number(),
});
const xmppRecord: z.ZodType<XmppSubscription> = z.strictObject({
  side: z.enum(['mesh', 'xmpp']),
  watcher: z.string(),
  target: z.string(),
  subscriptID: z.string(),
  until: z.number(),
  since: z.number(),
  approved: z.boolean(),
});

/** What names a subscription. */
type Named = { readonly side: string; readonly watcher: string; readonly target: string };

/** The subscriptions of one kind. */
class Records<One extends Named> {
  readonly #prefix: string;
  readonly #found: readonly One[];
  readonly #write: (change: Change) => void;

  constructor(prefix: string, found: readonly One[], write: (change: Change) => void) {
    this.#prefix = prefix;
    this.#found = found;
    this.#write = write;
  }

  /** Those that were there at the start. */
  all(): readonly One[] {
    return this.#found;
  }

  put(one: One): void {
    this.#write({ key: this.#keyOf(one), value: Object.fromEntries(Object.entries<Json>({ ...one })) });
  }

  remove(one: One): void {
    this.#write({ key: this.#keyOf(one) });
  }

  /** Two addresses may be longer than a key. */
  #keyOf({ side, watcher, target }: One): string {
    return this.#prefix + createHash('sha256').update(`${side} ${watcher} ${target}`).digest('hex');
  }
}

const GATEWAY = 'gateway/cpim/';
const XMPP = 'gateway/xmpp/';

export class GatewayState {
  readonly subscriptions: SubscriptionStore;
  readonly xmpp: XmppSubscriptionStore;
  readonly #store: Store;
  #waiting: Change[] = [];
  #writing: Promise<void> | undefined;

  private constructor(store: Store, cpim: readonly GatewaySubscription[], xmpp: readonly XmppSubscription[]) {
    this.#store = store;
    const write = (change: Change): void => this.#change(change);
    this.subscriptions = new Records(GATEWAY, cpim, write);
    this.xmpp = new Records(XMPP, xmpp, write);
  }

  /**
   * Reads what is kept.
   *
   * @param store belongs to the state from now on
   * @throws LocalError STORE_FAILED
   */
  static async open(store: Store): Promise<GatewayState> {
    return new GatewayState(store, await read(store, GATEWAY, gatewayRecord), await read(store, XMPP, xmppRecord));
  }

  /** Writes what is not written yet, and closes the store. */
  async close(): Promise<void> {
    await this.#writing;
    await this.#store.close();
  }

  #change(change: Change): void {
    this.#waiting.push(change);
    this.#writing ??= this.#write().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Everything that waits is one transaction. */
  async #write(): Promise<void> {
    // What is changed in the same turn goes with it.
    await Promise.resolve();
    while (this.#waiting.length > 0) {
      const changes = new Map(this.#waiting.map((change) => [change.key, change] as const));
      this.#waiting = [];
      try {
        await this.#store.commit([...changes.values()]);
      } catch (error) {
        // The subscriptions go on; a restart before the next change of each of them forgets it.
        events.fault.publish({ session: 'gateway', error });
      }
    }
  }
}

/** @throws LocalError STORE_FAILED also for a record that this version did not write */
async function read<One>(store: Store, prefix: string, record: z.ZodType<One>): Promise<One[]> {
  const found: One[] = [];
  for await (const { key, value } of store.list(prefix)) {
    const result = record.safeParse(value);
    if (!result.success)
      throw new LocalError('STORE_FAILED', `the record ${key} in the store of the gateway is not valid`);
    found.push(result.data);
  }
  return found;
}
