/** Interface to the storage of offline messages (RFC 3342 §3). `lib/store` implements it. */

/** What is known of a held message without reading it. */
export interface SpoolEntry {
  /** Normalized address of the recipient. */
  readonly address: string;
  /** Number that grows with each arrival, over all endpoints. */
  readonly seq: number;
  /** Octets of the payload. */
  readonly octets: number;
  /** Time of arrival, milliseconds since 1970. */
  readonly at: number;
  /** Time at which it has to be looked at even if no application attaches, milliseconds since 1970; 0 for never. */
  readonly due: number;
  /** Whom it counts for, see `senderOf`; empty when it was written by a version that did not say. */
  readonly sender: string;
  /** Of the recipient's account, when it was written; empty when a version wrote it that did not say. */
  readonly generation: string;
}

/** A held message as it is stored. */
export interface SpoolRecord {
  /** Profile of the payload's dialect. */
  readonly profile: string;
  readonly payload: Buffer;
}

/** Told once, never before the call returns. */
export type Written = (error: Error | undefined) => void;

export interface Spool {
  /** Why the last write failed, as on a full disk; undefined if it did not. */
  readonly failing?: string | undefined;
  /** Finds out whether what failed still fails. */
  probe?(): void;
  /** Returns all entries, by endpoint and in the order of arrival; reads only the keys. */
  entries(): Iterable<SpoolEntry>;
  /** Stores an entry. Entries of one turn of the event loop become durable together. */
  put(entry: SpoolEntry, record: SpoolRecord, written: Written): void;
  /**
   * Reads a record: at once where it is on this machine.
   *
   * @returns undefined if there is none; a promise of it, which rejects with LocalError STORE_FAILED for as long as the
   *   engine does not answer
   * @throws LocalError STORE_FAILED: it is damaged
   */
  read(entry: SpoolEntry): SpoolRecord | undefined | Promise<SpoolRecord | undefined>;
  /** Deletes an entry, after everything that was requested before. */
  remove(entry: SpoolEntry, written: Written): void;
  /** Replaces an entry by one with another `due` and record. */
  replace(entry: SpoolEntry, by: SpoolEntry, record: SpoolRecord, written: Written): void;
  /** Waits for the operations in progress, and closes. */
  close(): Promise<void>;
}
