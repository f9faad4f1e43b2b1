/**
 * Reassembly of a message that does not arrive in one piece. What nearly fills the chunk that it was received in is kept
 * as a view; the rest is copied into blocks. Nothing is copied twice, however large the message becomes, and a message
 * of one-octet frames occupies hardly more than twice its octets.
 */
import type { Payload } from '../mime/payload.js';
import { EMPTY, type PayloadReader } from './decoder.js';

/** Counts the octets allocated. */
export interface ReassemblyCounter {
  /** @param octets the change; negative when memory is freed */
  count(octets: number): void;
}

/** The first block, if the frame is smaller. Each one is as large as all before it, up to the largest. */
const SMALLEST_BLOCK_OCTETS = 64;
const LARGEST_BLOCK_OCTETS = 65_536;
/** From this size on, a view costs less than a copy, with the objects that make it up. */
const VIEWED_OCTETS = 4096;
/** Up to this size the message is returned in one piece: joining costs less than handling pieces. */
const JOINED_OCTETS = 16_384;

export class Reassembly implements PayloadReader {
  /** Octets received. */
  octets = 0;
  readonly #counter: ReassemblyCounter;
  #pieces: Buffer[] = [];
  /** The block that octets are copied into, and the part of it that is not in `#pieces` yet. */
  #block: Buffer = EMPTY;
  #from = 0;
  #used = 0;
  /** Octets of memory that the message keeps occupied. */
  #held = 0;

  /** @param counter called before memory is occupied */
  constructor(counter: ReassemblyCounter) {
    this.#counter = counter;
  }

  read(chunk: Buffer, start: number, end: number, left: number): void {
    const octets = end - start;
    if (octets >= VIEWED_OCTETS && octets * 2 >= chunk.length) {
      this.#hold(chunk.length);
      this.#flush();
      this.#pieces.push(chunk.subarray(start, end));
    } else {
      this.#copy(chunk, start, end, left);
    }
    this.octets += octets;
  }

  /** Returns the message. It belongs to the caller from now on. */
  finish(): Payload {
    this.#flush();
    const pieces = this.#pieces;
    const [first = EMPTY] = pieces;
    const payload = pieces.length <= 1 ? first : this.octets <= JOINED_OCTETS ? Buffer.concat(pieces) : pieces;
    this.#release();
    return payload;
  }

  /** Discards what was received. */
  drop(): void {
    this.#release();
    this.octets = 0;
  }

  #copy(chunk: Buffer, start: number, end: number, left: number): void {
    let at = start;
    while (at < end) {
      if (this.#used === this.#block.length) {
        this.#flush();
        const copied = at - start;
        const size = Math.max(SMALLEST_BLOCK_OCTETS, left - copied, this.octets + copied);
        this.#block = this.#allocate(Math.min(size, LARGEST_BLOCK_OCTETS));
        this.#from = 0;
        this.#used = 0;
      }
      const copied = chunk.copy(this.#block, this.#used, at, end);
      this.#used += copied;
      at += copied;
    }
  }

  #allocate(octets: number): Buffer {
    this.#hold(octets);
    return Buffer.allocUnsafe(octets);
  }

  #hold(octets: number): void {
    this.#held += octets;
    this.#counter.count(octets);
  }

  /** Ends the piece begun in the block; the next one begins behind it. */
  #flush(): void {
    if (this.#used > this.#from) {
      this.#pieces.push(this.#block.subarray(this.#from, this.#used));
      this.#from = this.#used;
    }
  }

  #release(): void {
    this.#counter.count(-this.#held);
    this.#held = 0;
    this.#pieces = [];
    this.#block = EMPTY;
    this.#from = 0;
    this.#used = 0;
  }
}
