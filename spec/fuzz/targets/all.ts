/** Every reader there is, by target. */
import { type Reader, TARGETS, type TargetName } from '../reader.js';
import { documentReaders } from './documents.js';
import { legacyTlsReaders } from './legacy-tls.js';
import { wireReaders } from './wire.js';

/** @param targets all when undefined @throws Error when a target has no reader */
export async function readersOf(targets: readonly TargetName[] = TARGETS): Promise<Reader[]> {
  const all = [...(await wireReaders()), ...(await documentReaders()), ...(await legacyTlsReaders())];
  for (const target of targets) {
    if (!all.some((reader) => reader.target === target)) throw new Error(`no reader has the target ${target}`);
  }
  return all.filter(({ target }) => targets.includes(target));
}
