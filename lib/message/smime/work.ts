/**
 * Work that may have to wait for cryptography. Node computes at once; browsers (WebCrypto) only by promises. The code of
 * this folder is written once for both: it yields what it waits for, and whoever runs it decides how.
 */

/** A value, or the promise of one. */
export type Awaitable<T> = T | Promise<T>;

/** Yields promises, and is resumed with what they resolve to. */
export type Work<T> = Generator<Promise<unknown>, T, unknown>;

/** Waits for a value within work: `const value = yield* waited(compute())`. */
export function* waited<T>(value: Awaitable<T>): Work<T> {
  // What resumes the work gives back the value of this very promise.
  return value instanceof Promise ? ((yield value) as T) : value;
}

/** Runs work where all cryptography is synchronous. */
export function runNow<T>(work: Work<T>): T {
  const step = work.next();
  if (step.done === true) return step.value;
  throw new Error('this cryptography needs to be waited for');
}

/** Runs work, and waits wherever it has to. */
export async function runLater<T>(work: Work<T>): Promise<T> {
  let step = work.next();
  while (step.done !== true) {
    let value: unknown;
    try {
      value = await step.value;
    } catch (error) {
      step = work.throw(error);
      continue;
    }
    step = work.next(value);
  }
  return step.value;
}
