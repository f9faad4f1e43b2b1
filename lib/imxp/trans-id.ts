/**
 * Transaction identifiers (core-01 §6.1.1, D-CORE-30): 1 to 2147483647, unpredictable.
 */
import { randomInt } from 'node:crypto';

export const TRANS_ID_MAX = 2_147_483_647;

/**
 * Returns a random transaction identifier.
 *
 * @param taken identifiers in use, which are avoided
 */
export function newTransId(taken?: { has(transID: number): boolean }): number {
  let transID = randomInt(1, TRANS_ID_MAX + 1);
  while (taken?.has(transID) === true) {
    transID = randomInt(1, TRANS_ID_MAX + 1);
  }
  return transID;
}
