/** Time limits on promises. */

/** @returns whether the work was done within that many milliseconds; it continues either way */
export async function within(ms: number, work: Promise<void>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(() => resolve(false), ms);
  });
  const done = await Promise.race([work.then(() => true as const), late]);
  clearTimeout(timer);
  return done;
}

/**
 * Does work under a signal that is aborted after so many milliseconds, with the reason that `AbortSignal.timeout` gives.
 * Unlike that one it leaves no timer behind when the work is done.
 */
export async function withTimeLimit<Result>(
  ms: number,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(new DOMException('the time limit is over', 'TimeoutError')), ms);
  try {
    return await work(late.signal);
  } finally {
    clearTimeout(timer);
  }
}
