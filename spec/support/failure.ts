/** The error a promise is expected to reject with. */
import type { ImxpError } from '../../lib/errors.js';

/** @returns the error, with an empty code when it is none of this library's */
export async function failureOf(
  promise: Promise<unknown>,
): Promise<Error & Partial<Pick<ImxpError, 'code' | 'reply' | 'fields'>>> {
  try {
    await promise;
  } catch (error) {
    if (error instanceof Error) return error;
    throw error;
  }
  throw new Error('it did not fail');
}
