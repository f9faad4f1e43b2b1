/**
 * Orders the targets of a service by priority and weight (RFC 2782). Pure: takes the records and a source of random
 * numbers.
 */
import { randomInt } from 'node:crypto';

/** One SRV record; the target without a final dot, `.` when the service is decidedly not available. */
export interface SrvRecord {
  readonly priority: number;
  readonly weight: number;
  readonly port: number;
  readonly target: string;
}

/** A whole number from 0 to `most`, both possible, all equally likely. */
export type RandomInteger = (most: number) => number;

export const randomInteger: RandomInteger = (most) => randomInt(most + 1);

/** RFC 2782, Target: a single record with the root as its target says that there is no such service at this domain. */
export function notOffered(records: readonly SrvRecord[]): boolean {
  return records.length === 1 && records[0]?.target === '.';
}

/**
 * RFC 2782, Weight: the first record whose running sum of weights reaches the number drawn.
 *
 * @param arranged those of weight 0 first; at least one
 * @param drawn from 0 to the sum of the weights, both included
 * @returns its index
 */
export function pick(arranged: readonly Pick<SrvRecord, 'weight'>[], drawn: number): number {
  let sum = 0;
  for (const [index, { weight }] of arranged.entries()) {
    sum += weight;
    if (sum >= drawn) return index;
  }
  return arranged.length - 1;
}

/** All records in the order in which they are to be tried: by priority, within one by chance according to weight. */
export function inOrder(records: readonly SrvRecord[], random: RandomInteger = randomInteger): SrvRecord[] {
  const priorities = [...new Set(records.map(({ priority }) => priority))].sort((a, b) => a - b);
  return priorities.flatMap((priority) =>
    byWeight(
      records.filter((record) => record.priority === priority),
      random,
    ),
  );
}

function byWeight(records: readonly SrvRecord[], random: RandomInteger): SrvRecord[] {
  const left = arranged(records, random);
  const ordered: SrvRecord[] = [];
  while (left.length > 0) {
    const total = left.reduce((sum, { weight }) => sum + weight, 0);
    ordered.push(...left.splice(pick(left, random(total)), 1));
  }
  return ordered;
}

/** Weight 0 first, and otherwise shuffled: where all weights are 0, the random number alone would always take the first. */
function arranged(records: readonly SrvRecord[], random: RandomInteger): SrvRecord[] {
  const shuffled: SrvRecord[] = [];
  for (const record of records) shuffled.splice(random(shuffled.length), 0, record);
  return [...shuffled.filter(({ weight }) => weight === 0), ...shuffled.filter(({ weight }) => weight !== 0)];
}
