/**
 * One relay at a time on one store: two would each keep half of the attachments, and both send what is held. The store
 * itself says who holds it, by compare-and-set, so that two that start at the same moment cannot both have it, wherever
 * the store is. Whether the holder still lives is for others to find out.
 *
 * Commands work on the store beside a relay; they do not hold it.
 */
import { LocalError } from '../errors.js';
import { ABSENT, type Json, type Store } from './store.js';

/** What a holder writes down about itself. */
export interface LockEntry {
  /** Names the beacon; another one for each start. */
  readonly token: string;
  readonly pid: number;
  readonly host: string;
  /** Where the process identifier means something: the boot, the namespace, and when the process began in it. */
  readonly process: string;
  /** Whether it has lit a beacon. */
  readonly beacon: boolean;
  /** ISO 8601. */
  readonly since: string;
}

export interface Liveness {
  /** Whether that process still runs. */
  alive(holder: LockEntry): Promise<boolean>;
  /** Removes what one that died has left. */
  clear(holder: LockEntry): Promise<void>;
}

const KEY = 'holder';

/**
 * Takes the store.
 *
 * @param place for the error
 * @returns gives it back
 * @throws LocalError STORE_FAILED: another relay has it
 */
export async function takeLockEntry(
  store: Store,
  own: LockEntry,
  liveness: Liveness,
  place: string,
): Promise<() => Promise<void>> {
  for (;;) {
    const entry = await store.get(KEY);
    const known = entry === undefined ? undefined : holderFrom(entry.value);
    if (known !== undefined && (await liveness.alive(known))) throw inUse(known, place);
    const version = await store.put(KEY, { ...own }, entry?.version ?? ABSENT);
    // Somebody else was faster: it is his turn to be looked at.
    if (version === undefined) continue;
    if (known !== undefined) await liveness.clear(known);
    return async () => {
      await store.delete(KEY, version);
    };
  }
}

function inUse({ pid, host, since }: LockEntry, place: string): LocalError {
  return new LocalError(
    'STORE_FAILED',
    `the store ${place} is in use by another relay: process ${pid} on ${host}, since ${since}; ` +
      'stop that one first, or give this one a store of its own (store.path)',
    { fields: { pid, host } },
  );
}

/** An entry of another version stands for nobody who could be asked. */
function holderFrom(value: Json): LockEntry | undefined {
  return isHolder(value) ? value : undefined;
}

function isHolder(value: unknown): value is LockEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { token, pid, host, process, beacon, since } = value as Partial<LockEntry>;
  return (
    [token, host, process, since].every((each) => typeof each === 'string') &&
    typeof pid === 'number' &&
    typeof beacon === 'boolean'
  );
}
