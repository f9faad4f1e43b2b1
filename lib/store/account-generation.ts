/**
 * Generation of an account: what tells it from earlier and later accounts of the same name. It is random, because clocks may
 * be wrong and dates may be set. An account that an earlier version added has the moment it was added for its generation,
 * which the account keeps from then on, whatever becomes of that date.
 */

/** @returns empty for what is no account */
export function generationOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  const { generation, created }: { readonly generation?: unknown; readonly created?: unknown } = value;
  if (typeof generation === 'string') return generation;
  return typeof created === 'string' ? created : '';
}
