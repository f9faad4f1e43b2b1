/**
 * Spool of offline messages on disk: lmdb in a directory of its own, payloads unchanged. Requests that arrive while one
 * transaction is flushed go together into the next one, so that thousands a second become durable on any disk.
 */
import { mkdir } from 'node:fs/promises';
import { open, type RootDatabase } from 'lmdb';
import { LocalError } from '../errors.js';
import type { Spool, SpoolEntry, SpoolRecord, Written } from '../relay/offline/spool.js';
import { Batches, type BatchLimits } from './batches.js';
import { reasonOf } from './lmdb-failure.js';
import { refuseDamaged } from './lmdb-file.js';
import { requireRoom } from './room.js';
import { closedError } from './store.js';

/** The key contains what must be known without reading; keys are in the order of their parts. */
type Key = [
  address: string,
  seq: number,
  octets: number,
  at: number,
  due: number,
  // Earlier versions wrote neither.
  ...([sender: string, generation: string] | []),
];

/** Size of one transaction: copying more would keep everybody else waiting. */
const BATCH: BatchLimits = { requests: 4096, octets: 8_388_608 };

/** Written and deleted in one transaction. No address is empty. */
const PROBE_KEY: Key = ['', 0, 0, 0, 0];
const PROBE = Buffer.alloc(4096);

interface Job {
  readonly octets: number;
  readonly action: () => void;
  readonly written: Written;
}

export class LmdbSpool implements Spool {
  readonly #root: RootDatabase<Buffer, Key>;
  readonly #batches = new Batches<Job>({
    limits: BATCH,
    sizeOf: ({ octets }) => ({ requests: 1, octets }),
    run: async (batch) => {
      const full = this.#roomFor(batch);
      // Deleting makes room.
      const tried = full === undefined ? batch : batch.filter(({ octets }) => octets === 0);
      if (full !== undefined) for (const { octets, written } of batch) if (octets > 0) written(full);
      if (tried.length === 0) return;
      const error = await this.#write(tried);
      for (const { written } of tried) written(error);
    },
  });
  #closed = false;
  /** The last write failed, as on a full disk; lmdb then waits for its flush for ever. */
  #unwritten = false;
  #failing: string | undefined;
  readonly #path: string;

  /** See {@link openLmdbSpool}. */
  constructor(path: string) {
    this.#path = path;
    // Batches by turns of the event loop are promises that are not awaited: one that fails would end the process.
    this.#root = open<Buffer, Key>({ path, noSubdir: false, encoding: 'binary', eventTurnBatching: false });
  }

  get failing(): string | undefined {
    return this.#failing;
  }

  probe(): void {
    if (this.#failing === undefined || this.#closed) return;
    // Where only deletions are asked for, nobody would notice that there is room again.
    this.#ask(
      PROBE.length,
      () => {
        this.#root.putSync(PROBE_KEY, PROBE);
        this.#root.removeSync(PROBE_KEY);
      },
      () => {},
    );
  }

  *entries(): Iterable<SpoolEntry> {
    for (const [address, seq, octets, at, due, sender = '', generation = ''] of this.#root.getKeys()) {
      yield { address, seq, octets, at, due, sender, generation };
    }
  }

  put(entry: SpoolEntry, record: SpoolRecord, written: Written): void {
    const [key, value] = [keyOf(entry), encoded(record)];
    this.#ask(value.length, () => this.#root.putSync(key, value), written);
  }

  read(entry: SpoolEntry): SpoolRecord | undefined {
    if (this.#closed) throw closedError();
    try {
      const value = this.#root.getBinary(keyOf(entry));
      return value === undefined ? undefined : recordOf(value);
    } catch (cause) {
      throw failed(cause);
    }
  }

  remove(entry: SpoolEntry, written: Written): void {
    const key = keyOf(entry);
    this.#ask(0, () => void this.#root.removeSync(key), written);
  }

  replace(entry: SpoolEntry, by: SpoolEntry, record: SpoolRecord, written: Written): void {
    const [old, key, value] = [keyOf(entry), keyOf(by), encoded(record)];
    const exchange = (): void => {
      if (this.#root.removeSync(old)) this.#root.putSync(key, value);
    };
    this.#ask(value.length, exchange, written);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#batches.done();
    const closed = this.#root.close();
    if (!this.#unwritten) await closed;
  }

  #ask(octets: number, action: () => void, written: Written): void {
    if (this.#closed) {
      queueMicrotask(() => written(closedError()));
      return;
    }
    this.#batches.add({ octets, action, written });
  }

  /** Why a batch cannot be written, if its entries do not fit on the disk. */
  #roomFor(batch: readonly Job[]): Error | undefined {
    const octets = batch.reduce((sum, job) => sum + job.octets, 0);
    if (octets === 0) return undefined;
    try {
      requireRoom(this.#path, octets);
      return undefined;
    } catch (cause) {
      const error = cause instanceof LocalError ? cause : failed(cause);
      this.#failing = error.message;
      return error;
    }
  }

  async #write(batch: readonly Job[]): Promise<Error | undefined> {
    try {
      await this.#root.transaction(() => {
        for (const { action } of batch) action();
      });
      // A transaction resolves at commit, before the data are on the disk.
      await this.#root.flushed;
      this.#unwritten = false;
      if (batch.some(({ octets }) => octets > 0)) this.#failing = undefined;
      // The read transaction may have begun before.
      this.#root.resetReadTxn();
      return undefined;
    } catch (cause) {
      this.#unwritten = true;
      const error = failed(await reasonOf(cause));
      this.#failing = error.message;
      return error;
    }
  }
}

/**
 * Opens the spool in a directory, which is created if it does not exist.
 *
 * @throws LocalError STORE_FAILED
 */
export async function openLmdbSpool(path: string): Promise<LmdbSpool> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    refuseDamaged(path, 'restore the directory from a backup, or move it away; the messages held in it are then lost');
    return new LmdbSpool(path);
  } catch (cause) {
    throw cause instanceof LocalError ? cause : failed(cause);
  }
}

function keyOf({ address, seq, octets, at, due, sender, generation }: SpoolEntry): Key {
  if (sender === '' && generation === '') return [address, seq, octets, at, due];
  return [address, seq, octets, at, due, sender, generation];
}

function encoded({ profile, payload }: SpoolRecord): Buffer {
  const name = Buffer.from(profile);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(name.length);
  return Buffer.concat([length, name, payload]);
}

function recordOf(value: Buffer): SpoolRecord {
  const end = 2 + value.readUInt16BE(0);
  return { profile: value.toString('utf8', 2, end), payload: value.subarray(end) };
}

function failed(cause: unknown): LocalError {
  const message = cause instanceof Error ? cause.message : String(cause);
  return new LocalError('STORE_FAILED', `held messages could not be read or written: ${message}`, { cause });
}
