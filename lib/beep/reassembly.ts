/**
 * Reassembly of a message from several frames, in one growing buffer: with one-octet pieces a list of them would occupy
 * a hundred times the memory.
 */
import { EMPTY } from './decoder.js';

/** Counts the octets allocated. */
export interface ReassemblyCounter {
  /** @param octets the change; negative when memory is freed */
  count(octets: number): void;
}

/** Smallest allocation. */
const MINIMUM_OCTETS = 64;

export class Reassembly {
  buffer: Buffer = EMPTY;
  /** Octets received. */
  octets = 0;

  /**
   * Makes room for further octets, at most doubling the buffer. `octets` were checked against window and limit before.
   *
   * @param counter called before the allocation
   */
  reserve(octets: number, limit: number, counter: ReassemblyCounter): void {
    const needed = this.octets + octets;
    if (needed <= this.buffer.length) {
      return;
    }
    const size = Math.max(needed, Math.min(limit, this.buffer.length * 2), MINIMUM_OCTETS);
    counter.count(size - this.buffer.length);
    const larger = Buffer.allocUnsafe(size);
    this.buffer.copy(larger, 0, 0, this.octets);
    this.buffer = larger;
  }

  /** Returns the message. It belongs to the caller from now on. */
  finish(counter: ReassemblyCounter): Buffer {
    counter.count(-this.buffer.length);
    return this.buffer.subarray(0, this.octets);
  }

  /** Discards what was received. */
  drop(counter: ReassemblyCounter): void {
    counter.count(-this.buffer.length);
    this.buffer = EMPTY;
    this.octets = 0;
  }
}
