/**
 * Check for room on the device of a store, made before lmdb writes: on a full disk lmdb writes to standard error itself,
 * never finishes its flush, and leaves open whether a transaction will be there after a restart.
 */
import { statfsSync } from 'node:fs';
import { LocalError } from '../errors.js';

/** What must be left beside the octets of a transaction: the pages that lmdb copies to change one, several times over. */
const RESERVE_OCTETS = 1_048_576;

/**
 * Throws if a device has too little room for a transaction. Nothing has been written then. Asks at once, which takes some
 * microseconds, so that writes keep their order.
 *
 * @param path of a file or directory on the device
 * @param octets that the transaction adds
 * @throws LocalError STORE_FAILED, with `unknown: false` and `full: true` in its fields
 */
export function requireRoom(path: string, octets: number): void {
  const { blocks, bavail, bfree, bsize } = statfsSync(path);
  // File systems that do not tell their size have 0 blocks. Some of what is free is for root only.
  if (blocks === 0) return;
  const free = (process.geteuid?.() === 0 ? bfree : bavail) * bsize;
  if (free >= octets + RESERVE_OCTETS) return;
  const text = `the disk is full: ${free} octets are free at ${path}, and ${octets + RESERVE_OCTETS} are needed`;
  throw new LocalError('STORE_FAILED', text, { fields: { unknown: false, full: true } });
}
