/** The time of day over the ticker of the process, for those who may not set timers themselves. */
import { type Ticking, ticker } from './ticker.js';

export class TickerClock {
  now(): number {
    return Date.now();
  }

  /** Calls about ten times a second until the returned function is called. */
  ticking(tick: () => void): () => void {
    const member: Ticking = { tick };
    ticker.add(member);
    return () => ticker.remove(member);
  }
}
