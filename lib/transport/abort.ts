/**
 * Listens once to each abort signal on behalf of any number of waiters: Node warns of a leak when many listen to one
 * signal, and an application may well pass the same signal to a thousand sends.
 */

const waiting = new WeakMap<AbortSignal, Set<() => void>>();

/**
 * Calls once when the signal is aborted, not before this returns.
 *
 * @returns ends the waiting; may be called at any time
 */
export function whenAborted(signal: AbortSignal, tell: () => void): () => void {
  const all = waiting.get(signal) ?? listen(signal);
  // A separate function, so that the same callback may wait twice.
  const one = (): void => tell();
  all.add(one);
  return () => void all.delete(one);
}

/** One listener for as long as the signal lives; it holds nothing but the set. */
function listen(signal: AbortSignal): Set<() => void> {
  const all = new Set<() => void>();
  waiting.set(signal, all);
  signal.addEventListener('abort', () => tellAll(all), { once: true });
  return all;
}

function tellAll(all: Set<() => void>): void {
  const told = [...all];
  all.clear();
  for (const tell of told) tell();
}
