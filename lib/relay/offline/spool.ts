/**
 * Where held Data are kept (RFC 3342 §3): the one thing a relay knows about messages that outlives it. `store` implements
 * it.
 */

/** What is known of a held Data without reading it. */
export interface SpoolEntry {
  /** Whom it is for, normalised. */
  readonly address: string;
  /** Grows with the arrival; of one endpoint, and over all of them. */
  readonly seq: number;
  /** Of the payload. */
  readonly octets: number;
  /** When it arrived, milliseconds since 1970. */
  readonly at: number;
  /** When it has to be looked at even if nobody attaches, milliseconds since 1970; 0 for never. */
  readonly due: number;
}

/** A held Data as it is written down. */
export interface SpoolRecord {
  /** Of the dialect the payload is in. */
  readonly profile: string;
  readonly payload: Buffer;
}

/** Told once, never before the call returns. */
export type Written = (error: Error | undefined) => void;

export interface Spool {
  /** All entries, by endpoint and in the order of their arrival; a look at the keys alone. */
  entries(): Iterable<SpoolEntry>;
  /** Writes an entry. What is asked for in one turn of the event loop becomes durable together. */
  put(entry: SpoolEntry, record: SpoolRecord, written: Written): void;
  /** @throws LocalError STORE_FAILED */
  read(entry: SpoolEntry): SpoolRecord | undefined;
  /** Deletes an entry; after everything asked for before. */
  remove(entry: SpoolEntry, written: Written): void;
  /** Exchanges an entry for itself with another `due` and record. */
  replace(entry: SpoolEntry, by: SpoolEntry, record: SpoolRecord, written: Written): void;
  /** Waits for what was begun. */
  close(): Promise<void>;
}
