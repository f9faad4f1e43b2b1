/**
 * Presence entries of subjects: read on demand, replaced only by later ones. A subject in memory always has its present
 * entry.
 */
import type { Presence } from '../../imxp/vocabulary/presence.js';
import type { Clock } from '../../ops/clock.js';
import { Refusal } from '../refusal.js';
import type { Counts } from './counts.js';
import type { FanOut } from './fan-out.js';
import type { OperationTable, Presentity } from './operation-table.js';
import type { EntryRecord, Records } from './records.js';
import { placeOfView, type Shown, type Views, viewAt } from './views.js';

export class Entries {
  readonly #records: Records;
  readonly #registry: OperationTable;
  readonly #fanOut: FanOut;
  readonly #clock: Clock;
  readonly #counts: Counts;
  readonly #views: Views;

  constructor(records: Records, registry: OperationTable, fanOut: FanOut, clock: Clock, counts: Counts, views: Views) {
    this.#records = records;
    this.#registry = registry;
    this.#fanOut = fanOut;
    this.#clock = clock;
    this.#counts = counts;
    this.#views = views;
  }

  /**
   * Returns the entry of a subject, which is pinned.
   *
   * @throws Refusal 550 if its account is gone
   */
  async present(subject: Presentity): Promise<Presence> {
    if (subject.entry === undefined) {
      const { presence, version } = await this.record(subject.key);
      subject.learn(presence, version);
    }
    return subject.entry ?? { publisher: subject.key, lastUpdate: 0, publisherInfo: '', tuples: [] };
  }

  /**
   * Returns what a subscriber of a subject, which is pinned, is shown now.
   *
   * @throws Refusal 550 if its account is gone
   */
  async shown(subject: Presentity, subscriber: string): Promise<Shown> {
    const view = this.#views.viewOf(subject.key, subscriber);
    if (view === undefined) {
      const read = await this.present(subject);
      // Read together, because the entry may have been replaced.
      const { entry = read, version } = subject;
      return { entry, version, view };
    }
    const { presence, version } = await this.record(placeOfView(subject.key, view), subject.key);
    return { entry: presence, version, view };
  }

  /**
   * Returns the entry as it is in the store, for replacing it.
   *
   * @param publisher on whose behalf
   * @throws Refusal 550
   */
  async record(subject: string, publisher?: string): Promise<EntryRecord> {
    const record = await this.#records.entry(subject, publisher);
    if (record === undefined) throw new Refusal(550, 'unknown endpoint');
    return record;
  }

  /**
   * Writes an entry; its lastUpdate becomes later than that of the one before.
   *
   * @returns the change for the subscribers; undefined if another writer was faster, and nothing was written
   */
  async replace(
    subject: string,
    old: EntryRecord,
    wanted: Presence,
    attached: boolean,
  ): Promise<(() => void) | undefined> {
    const second = Math.floor(this.#clock.wall() / 1000) * 1000;
    // D-ACCESS-02: lastUpdate differs even if the clock has not advanced.
    const entry = { ...wanted, lastUpdate: Math.max(second, old.presence.lastUpdate + 1000) };
    const version = await this.#records.putEntry(subject, entry, attached, old);
    if (version === undefined) return undefined;
    this.#counts.entries += 1;
    return () => {
      const known = this.#registry.subject(subject);
      if (known !== undefined) {
        known.learn(entry, version);
        this.#fanOut.changed(known, { entry, version, view: undefined });
      }
      this.#changedView(subject, entry, version);
    };
  }

  /** Also tells those who are shown this entry as the presence of another endpoint. */
  #changedView(subject: string, entry: Presence, version: number): void {
    const place = viewAt(subject);
    const owner = place && this.#registry.subject(place.publisher);
    if (owner === undefined || !this.#views.any(owner.key)) return;
    this.#fanOut.changed(owner, { entry: { ...entry, publisher: owner.key }, version, view: place?.view });
  }
}
