/** Why lmdb failed. */

/**
 * What a failure of lmdb is, in the end. It reports why a commit failed in a promise of its own, which is already
 * rejected and would end the process if nobody handled it.
 */
export async function reasonOf(cause: unknown): Promise<unknown> {
  if (!(cause instanceof Error && 'commitError' in cause)) return cause;
  try {
    return await Promise.race([cause.commitError, cause]);
  } catch (reason) {
    return reason;
  }
}
