/**
 * Presence that follows attachment: the tuple `im:` of an endpoint is open while an application is attached as it, and
 * closed afterwards; other tuples stay as published.
 */
import { isOpen, type Tuple } from '../../imxp/vocabulary/presence.js';
import { formatTimestamp, LATEST_MS } from '../../imxp/vocabulary/timestamp.js';
import type { Clock } from '../../ops/clock.js';
import { Refusal } from '../refusal.js';
import type { Entries } from './entries.js';
import { imUri, type Records } from './records.js';

/** Grace period after a restart, after which endpoints that have not come back are closed. */
const RETURN_MS = 60_000;
/** Number of entries updated in parallel; they share a write to the disk. */
const TOGETHER = 64;

export class AttachmentPresence {
  readonly #records: Records;
  readonly #entries: Entries;
  readonly #clock: Clock;
  readonly #fault: (error: unknown) => void;
  readonly #attached = new Set<string>();
  /** Addresses whose entry may be out of date. */
  readonly #changed = new Set<string>();
  #left: readonly string[] = [];
  #closeAt = 0;
  #work: Promise<void> | undefined;
  #stopped = false;

  constructor(records: Records, entries: Entries, clock: Clock, fault: (error: unknown) => void) {
    this.#records = records;
    this.#entries = entries;
    this.#clock = clock;
    this.#fault = fault;
  }

  /**
   * Finds out who was attached when the node ended.
   *
   * @throws LocalError STORE_FAILED
   */
  async load(): Promise<void> {
    this.#left = await this.#records.attached();
    this.#closeAt = this.#clock.wall() + RETURN_MS;
  }

  attached(address: string): void {
    this.#attached.add(address);
    this.#follow(address);
  }

  detached(address: string): void {
    if (this.#attached.delete(address)) this.#follow(address);
  }

  tick(): void {
    if (this.#left.length === 0 || this.#clock.wall() < this.#closeAt) return;
    const left = this.#left;
    this.#left = [];
    for (const address of left) if (!this.#attached.has(address)) this.#follow(address);
  }

  /**
   * Stops following; a restart is no absence, so later changes are left to the next start.
   *
   * @returns resolves when idle
   */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#work;
  }

  #follow(address: string): void {
    if (this.#stopped) return;
    this.#changed.add(address);
    this.#work ??= this.#bringInLine().finally(() => {
      this.#work = undefined;
    });
  }

  async #bringInLine(): Promise<void> {
    while (this.#changed.size > 0 && !this.#stopped) {
      const some: string[] = [];
      for (const address of this.#changed) {
        if (some.length >= TOGETHER) break;
        some.push(address);
      }
      for (const address of some) this.#changed.delete(address);
      await Promise.all(some.map((address) => this.#bring(address)));
    }
  }

  async #bring(address: string): Promise<void> {
    try {
      // Somebody may publish at the same moment.
      while (!(await this.#tried(address)));
    } catch (error) {
      if (!(error instanceof Refusal)) this.#fault(error);
    }
  }

  async #tried(address: string): Promise<boolean> {
    const record = await this.#entries.record(address);
    const open = this.#attached.has(address);
    const now = this.#clock.wall();
    const destination = imUri(address);
    const own = record.presence.tuples.find((tuple) => tuple.destination === destination);
    if (record.attached === open && own !== undefined && isOpen(own, now) === open) return true;
    const availableUntil = formatTimestamp(open ? LATEST_MS : now);
    const tuple: Tuple = { tupleInfo: '', capabilities: [], ...own, destination, availableUntil };
    const others = record.presence.tuples.filter((one) => one !== own);
    const tell = await this.#entries.replace(address, record, { ...record.presence, tuples: [tuple, ...others] }, open);
    tell?.();
    return tell !== undefined;
  }
}
