/**
 * Which application is attached as which endpoint: soft state by normalised address, gone with its channel (core-01
 * §4.4.1). Owns the uniqueness of an attachment; refuses to know who may attach.
 */
import { addressOf } from '../imxp/address.js';
import type { ChannelTarget } from './channel-target.js';
import type { DeliveryTarget } from './target.js';

/** One endpoint attached over one channel. */
export interface Attachment {
  readonly type: 'attach';
  /** Normalised address. */
  readonly key: string;
  /** The transID of the attach on its channel. */
  readonly transID: number;
  /** The channel of the application. */
  readonly application: ChannelTarget;
  /** Where Data for it goes: the application, or the queue of what was held for it and has to go first. */
  target: DeliveryTarget;
  /** Whoever made it, to be told when another application takes its place (RFC 3342 §1). */
  readonly owner: AttachmentOwner;
}

export interface AttachmentOwner {
  overridden(attachment: Attachment): void;
}

/** Whoever wants to know who is attached. */
export interface AttachmentWatcher {
  /** @param address normalised */
  attached(address: string): void;
  /** Also when another attachment of that endpoint follows at once. */
  detached(address: string): void;
}

export class AttachmentTable {
  watcher: AttachmentWatcher | undefined;
  readonly #byKey = new Map<string, Attachment>();
  /** By endpoint how many of its subaddresses are attached; most have none. */
  readonly #below = new Map<string, number>();

  /** Exact: an attachment as `fred` does not receive for `fred/appl=x`, nor the other way round. */
  of(key: string): Attachment | undefined {
    return this.#byKey.get(key);
  }

  /** @returns false when another attachment of that endpoint exists; nothing is recorded then. */
  add(attachment: Attachment): boolean {
    if (this.#byKey.has(attachment.key)) return false;
    this.#byKey.set(attachment.key, attachment);
    this.#count(attachment.key, 1);
    this.watcher?.attached(attachment.key);
    return true;
  }

  /** How many are attached as an endpoint (without subaddress) and its subaddresses. */
  countOf(base: string): number {
    return (this.#byKey.has(base) ? 1 : 0) + (this.#below.get(base) ?? 0);
  }

  /** Takes the place of another attachment. Nobody is told: the endpoint was attached, and is. */
  replace(attachment: Attachment): void {
    this.#byKey.set(attachment.key, attachment);
  }

  remove(attachment: Attachment): void {
    if (this.#byKey.get(attachment.key) !== attachment) return;
    this.#byKey.delete(attachment.key);
    this.#count(attachment.key, -1);
    this.watcher?.detached(attachment.key);
  }

  get size(): number {
    return this.#byKey.size;
  }

  keys(): IterableIterator<string> {
    return this.#byKey.keys();
  }

  #count(key: string, change: number): void {
    const base = addressOf(key)?.base ?? key;
    if (base === key) return;
    const left = (this.#below.get(base) ?? 0) + change;
    if (left === 0) this.#below.delete(base);
    else this.#below.set(base, left);
  }
}
