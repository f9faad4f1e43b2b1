/**
 * One message that comes in several frames. One buffer that grows: a list of the pieces would hold a hundred times the
 * memory when they are one octet each. Refuses to know frames.
 */
import { EMPTY } from './decoder.js';

/** Counts what is held. */
export interface ReassemblyCounter {
  /** @param octets so many more are held from now on; fewer when negative */
  count(octets: number): void;
}

/** Below this it is not worth growing in smaller steps. */
const MINIMUM_OCTETS = 64;

export class Reassembly {
  buffer: Buffer = EMPTY;
  /** Octets received. */
  octets = 0;

  /**
   * Makes room behind what is there, at most doubling. `octets` were judged against window and limit before.
   *
   * @param keeper told before
   */
  reserve(octets: number, limit: number, keeper: ReassemblyCounter): void {
    const needed = this.octets + octets;
    if (needed <= this.buffer.length) {
      return;
    }
    const size = Math.max(needed, Math.min(limit, this.buffer.length * 2), MINIMUM_OCTETS);
    keeper.count(size - this.buffer.length);
    const larger = Buffer.allocUnsafe(size);
    this.buffer.copy(larger, 0, 0, this.octets);
    this.buffer = larger;
  }

  /** The message: exactly its octets. It is the user's from now on. */
  finish(keeper: ReassemblyCounter): Buffer {
    keeper.count(-this.buffer.length);
    return this.buffer.subarray(0, this.octets);
  }

  /** Lets go of what has come. */
  drop(keeper: ReassemblyCounter): void {
    keeper.count(-this.buffer.length);
    this.buffer = EMPTY;
    this.octets = 0;
  }
}
