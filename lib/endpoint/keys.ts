/**
 * Rejects misspelt keys in objects that an application passes: without types it would not notice that `passwordfile`
 * has no effect.
 */
import { nearest } from '../config/nearest.js';
import { LocalError } from '../errors.js';

/** Every key of a type; the compiler rejects a table that lacks one. */
export type KnownKeys<T> = Readonly<Record<keyof T, true>>;

/**
 * @param where the call and the argument, for the error message
 * @throws LocalError ARGUMENT naming the nearest key
 */
export function checkKeys<T>(given: unknown, keys: KnownKeys<T>, where: string): void {
  if (typeof given !== 'object' || given === null) {
    throw new LocalError('ARGUMENT', `${where}: expected an object, not ${given === null ? 'null' : typeof given}`);
  }
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(keys, key)) continue;
    const known = Object.keys(keys);
    const near = nearest(key, known);
    const hint = near === undefined ? `known keys are ${known.join(', ')}` : `did you mean ${near}?`;
    throw new LocalError('ARGUMENT', `${where}: unknown key ${JSON.stringify(key)}; ${hint}`);
  }
}
