/**
 * Size of V8's young generation. V8 doubles it whenever much survives in it, as in a burst of logins, and hardly ever gives
 * it back: 24 MiB that idle endpoints do not need. Messages do: with less of it each costs up to a fifth more CPU time.
 */
import { setFlagsFromString } from 'node:v8';

/** Outstanding Data operations from which on messages are what the relay is busy with. */
const BUSY = 16;
const LOOK_MS = 100;

/** A node as far as it matters here. */
export interface BusyNode {
  /** Number of Data operations without an answer. */
  readonly outstanding: number;
}

/**
 * Lets the young generation grow only from the time on when the node has many messages under way.
 *
 * @param every calls a function at an interval until the returned function is called
 * @param grow sets by what factor it grows; V8's own is 2
 */
export function growWhenBusy(
  node: BusyNode,
  every: (ms: number, run: () => void) => () => void,
  grow = (factor: number): void => setFlagsFromString(`--semi-space-growth-factor=${factor}`),
): void {
  grow(1);
  const stop = every(LOOK_MS, () => {
    if (node.outstanding < BUSY) return;
    grow(2);
    stop();
  });
}
