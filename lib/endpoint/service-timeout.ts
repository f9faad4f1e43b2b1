/** Time limit for the answer of a service, which arrives as a Data operation and may never arrive. */
import { TransportError } from '../errors.js';
import { whenAborted } from '../transport/abort.js';
import { pause } from '../transport/backoff.js';
import { Deferred } from './deferred.js';

/**
 * @param what what did not happen in time, for the error message
 * @throws TransportError TIMED_OUT; the signal's reason when it is aborted
 */
export async function withinTime<T>(
  answer: Promise<T>,
  ms: number,
  what: string,
  signal: AbortSignal | undefined,
): Promise<T> {
  const over = new AbortController();
  const late = pause(ms, over.signal).then((): never => {
    throw new TransportError('TIMED_OUT', `${what} within ${ms} ms`);
  });
  late.catch(() => {});
  const aborted = new Deferred<never>();
  const abort = (): void => aborted.reject(signal?.reason);
  if (signal?.aborted === true) abort();
  const forget = signal === undefined ? undefined : whenAborted(signal, abort);
  try {
    return await Promise.race([answer, late, aborted.promise]);
  } finally {
    forget?.();
    over.abort();
  }
}
