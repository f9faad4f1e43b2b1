/**
 * Which application is attached as which endpoint: soft state by normalised address, gone with its channel (IMXP core
 * §6). Owns the uniqueness of an attachment; refuses to know who may attach.
 */
import type { ChannelTarget } from './channel-target.js';

/** One endpoint attached over one channel. */
export interface Attachment {
  readonly type: 'attach';
  /** Normalised address. */
  readonly key: string;
  /** The transID of the attach on its channel. */
  readonly transID: number;
  readonly target: ChannelTarget;
}

/** Whoever wants to know who is attached. */
export interface AttachmentWatcher {
  /** @param address normalised */
  attached(address: string): void;
  /** Also when another attachment of that endpoint follows at once. */
  detached(address: string): void;
}

export class Attachments {
  watcher: AttachmentWatcher | undefined;
  readonly #byKey = new Map<string, Attachment>();

  /** Exact: an attachment as `fred` does not receive for `fred/appl=x`, nor the other way round. */
  of(key: string): Attachment | undefined {
    return this.#byKey.get(key);
  }

  /** @returns false when another attachment of that endpoint exists; nothing is recorded then. */
  add(attachment: Attachment): boolean {
    if (this.#byKey.has(attachment.key)) return false;
    this.#byKey.set(attachment.key, attachment);
    this.watcher?.attached(attachment.key);
    return true;
  }

  remove(attachment: Attachment): void {
    if (this.#byKey.get(attachment.key) !== attachment) return;
    this.#byKey.delete(attachment.key);
    this.watcher?.detached(attachment.key);
  }

  get size(): number {
    return this.#byKey.size;
  }

  keys(): IterableIterator<string> {
    return this.#byKey.keys();
  }
}
