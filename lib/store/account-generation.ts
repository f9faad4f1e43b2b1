/**
 * Generation of an account: it distinguishes the account from earlier and later ones of the same name. It is random,
 * because clocks may be wrong and dates may be set. An account that an earlier version added has the moment it was
 * added for its generation, which the account keeps from then on, whatever becomes of that date.
 */

/** @returns empty for anything that is not an account */
export function generationOf(value: unknown): string {
  if (typeof value !== 'object' || value === null) return '';
  const { generation, created }: { readonly generation?: unknown; readonly created?: unknown } = value;
  if (typeof generation === 'string') return generation;
  return typeof created === 'string' ? created : '';
}
