/**
 * Misspelt keys of what an application gives: a program without types would not learn that `passwordfile` is nothing.
 * Knows no option.
 */
import { nearest } from '../config/nearest.js';
import { LocalError } from '../errors.js';

/** Every key of a type, so that none can be forgotten. */
export type Keys<T> = Readonly<Record<keyof T, true>>;

/**
 * @param where the call and the argument, for people
 * @throws LocalError ARGUMENT naming the nearest key
 */
export function checkKeys<T>(given: unknown, keys: Keys<T>, where: string): void {
  if (typeof given !== 'object' || given === null) {
    throw new LocalError('ARGUMENT', `${where}: an object is expected, not ${given === null ? 'null' : typeof given}`);
  }
  for (const key of Object.keys(given)) {
    if (Object.hasOwn(keys, key)) continue;
    const known = Object.keys(keys);
    const near = nearest(key, known);
    const hint = near === undefined ? `there are ${known.join(', ')}` : `did you mean ${near}?`;
    throw new LocalError('ARGUMENT', `${where}: there is no ${JSON.stringify(key)}; ${hint}`);
  }
}
