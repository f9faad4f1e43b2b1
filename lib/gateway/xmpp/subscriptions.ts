/** What is kept of the subscriptions between the mesh and XMPP, and what their two directions share. */
import type { Reply } from '../../errors.js';
import { Shares } from '../shares.js';
import type { BareJid } from './jid.js';
import { writeJid } from './jid.js';
import type { XmppContext } from './messages.js';

/** A subscription as it is stored. */
export interface XmppSubscription {
  /** The side of the watcher. */
  readonly side: 'mesh' | 'xmpp';
  /** `pres:` URIs, in the mesh. */
  readonly watcher: string;
  readonly target: string;
  /** Of CPIM. */
  readonly subscriptID: string;
  /** Milliseconds since 1970: the end of its duration in the mesh. */
  readonly until: number;
  /** When it was first asked for. */
  readonly since: number;
  /** Whether the target has agreed to it. */
  readonly approved: boolean;
}

/** Storage that keeps them across restarts. */
export interface XmppSubscriptionStore {
  all(): Iterable<XmppSubscription>;
  put(subscription: XmppSubscription): void;
  remove(subscription: XmppSubscription): void;
}

export interface XmppPresenceOptions {
  /** Seconds of a subscription in the mesh, which is renewed while the XMPP user wants it. */
  readonly durationSeconds: number;
  /** Time for an XMPP server, or user, to answer before the subscriber in the mesh is told that the answer is open. */
  readonly answerTimeoutMs: number;
  /** How long an XMPP subscription is kept after the one in the mesh has run out. */
  readonly keepMs: number;
  /** Time after which a user of the mesh who has not agreed is asked again, and after which no more. */
  readonly retryMs: number;
  readonly pendingMs: number;
  /** Subscriptions of all users, and of one. */
  readonly subscriptions: number;
  readonly subscriptionsPerUser: number;
}

export interface PresenceContext extends XmppContext {
  readonly store: XmppSubscriptionStore;
  /** Aborted when the gateway ends. */
  readonly leaving: AbortSignal;
}

export const TOO_MANY: Reply = { code: 450, text: 'too many subscriptions to presence; end some and try again' };
/** Longest time that a timer can wait. */
const LONGEST_WAIT_MS = 2 ** 31 - 1;

/** Waits until a time, in milliseconds since 1970. @returns whether it came, rather than one of the signals */
export async function reached(context: PresenceContext, at: number, signal: AbortSignal): Promise<boolean> {
  const either = AbortSignal.any([signal, context.leaving]);
  while (!either.aborted) {
    const left = at - context.now();
    if (left <= 0) return true;
    await context.wait(Math.min(left, LONGEST_WAIT_MS), either);
  }
  return false;
}

/** Subscriptions by their two XMPP addresses, with shares of the users that ask. */
export class SubscriptionTable<One extends { readonly asker: BareJid; readonly asked: BareJid }> {
  readonly #all = new Map<string, One>();
  readonly #shares: Shares;
  readonly #accountOf: (asker: BareJid) => string;

  /** @param accountOf whose share a subscription counts for */
  constructor(
    { subscriptions: all, subscriptionsPerUser: perUser }: XmppPresenceOptions,
    isListed: (domain: string) => boolean,
    accountOf: (asker: BareJid) => string = writeJid,
  ) {
    this.#shares = new Shares({ all, perUser }, isListed);
    this.#accountOf = accountOf;
  }

  /** Whether one more of this user fits. */
  hasRoom(asker: BareJid): boolean {
    return this.#shares.hasRoom(this.#accountOf(asker), asker);
  }

  find(asker: BareJid, asked: BareJid): One | undefined {
    return this.#all.get(keyOf(asker, asked));
  }

  add(one: One): void {
    this.#all.set(keyOf(one.asker, one.asked), one);
    this.#shares.count(this.#accountOf(one.asker), one.asker, 1);
  }

  /** Whether it was there. */
  remove(one: One): boolean {
    const key = keyOf(one.asker, one.asked);
    if (this.#all.get(key) !== one) return false;
    this.#all.delete(key);
    this.#shares.count(this.#accountOf(one.asker), one.asker, -1);
    return true;
  }

  [Symbol.iterator](): IterableIterator<One> {
    return [...this.#all.values()][Symbol.iterator]();
  }
}

/** XMPP does not tell upper from lower case in an address without its resource. */
function keyOf(asker: BareJid, asked: BareJid): string {
  return `${writeJid(asker)} ${writeJid(asked)}`.toLowerCase();
}
