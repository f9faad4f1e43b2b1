/**
 * Reassembles TCP segments into connections with the octets of both directions in order: late and repeated segments are
 * sorted in, and gaps are reported.
 */
import { RecordingError } from './packet.js';
import type { Segment } from './segment.js';

/** Which side sent: the one that opened the connection, or the one that accepted it. */
export type Side = 'I' | 'L';

/** Some octets of one direction, when they became complete. */
export interface Chunk {
  readonly side: Side;
  readonly octets: Buffer;
  /** Seconds since 1970; undefined where nobody recorded it. */
  readonly time: number | undefined;
}

export interface Connection {
  /** `address:port` of who opened it, and who accepted it. */
  readonly initiator: string;
  readonly listener: string;
  /** In the order of the recording. */
  readonly chunks: readonly Chunk[];
  readonly remarks: readonly string[];
}

/** Out-of-order octets kept; more than a window means that something was not recorded. */
const MOST_EARLY = 16_777_216;
/** What is farther away than the largest window belongs to another connection. */
const FARTHEST = 1_073_725_440;

class Direction {
  readonly #side: Side;
  readonly #chunks: Chunk[];
  #next: number | undefined;
  #early: Segment[] = [];
  #earlyOctets = 0;
  lost = 0;
  /** Segments that are not of this connection: of an earlier one with the same ports. */
  stray = 0;
  /** The first sequence number, if its SYN was recorded. */
  #initial: number | undefined;
  /** The number of the first octets, in the order of the recording. */
  #first: number | undefined;

  constructor(side: Side, chunks: Chunk[]) {
    this.#side = side;
    this.#chunks = chunks;
  }

  /** Whether anything of it was recorded. */
  get begun(): boolean {
    return this.#first !== undefined;
  }

  /** Whether a SYN begins another connection: it has another number, or octets came before that are not near it. */
  isAnother({ sequence, ack }: Segment): boolean {
    if (this.#initial !== undefined) return this.#initial !== sequence;
    if (this.#first === undefined) return false;
    // Packets of several queues are not recorded in order, but nothing of the initiator comes before its SYN is answered.
    return !ack || Math.abs((this.#first - sequence) | 0) > MOST_EARLY;
  }

  take(segment: Segment): void {
    if (segment.syn) {
      this.#initial ??= segment.sequence;
      this.#begin((segment.sequence + 1) >>> 0);
    }
    if (segment.payload.length === 0) return;
    // Octets may come with the SYN (TCP Fast Open), which counts as one.
    const sequence = (segment.sequence + (segment.syn ? 1 : 0)) >>> 0;
    // A recording that began later: from its first octets on.
    if (Math.abs((sequence - this.#begin(sequence)) | 0) > FARTHEST) {
      this.stray += 1;
      return;
    }
    this.#early.push(segment.syn ? { ...segment, sequence } : segment);
    this.#earlyOctets += segment.payload.length;
    this.#settle(segment.time);
    if (this.#earlyOctets > MOST_EARLY) this.skip();
  }

  /** @returns the sequence number of what comes next */
  #begin(sequence: number): number {
    this.#first ??= sequence;
    this.#next ??= sequence;
    return this.#next;
  }

  /** Goes on behind what was never recorded. */
  skip(): void {
    while (this.#early.length > 0 && this.#next !== undefined) {
      const next = this.#next;
      const gap = Math.min(...this.#early.map(({ sequence }) => (sequence - next) >>> 0));
      this.lost += gap;
      this.#next = (next + gap) >>> 0;
      this.#settle(this.#early[0]?.time ?? 0);
    }
  }

  #settle(time: number): void {
    for (let moved = true; moved; ) {
      moved = false;
      for (const segment of this.#early) {
        const ahead = (segment.sequence - (this.#next ?? 0)) | 0;
        if (ahead > 0) continue;
        this.#early = this.#early.filter((other) => other !== segment);
        this.#earlyOctets -= segment.payload.length;
        const octets = segment.payload.subarray(-ahead);
        if (octets.length > 0) {
          this.#next = ((this.#next ?? 0) + octets.length) >>> 0;
          this.#chunks.push({ side: this.#side, octets, time });
        }
        moved = true;
        break;
      }
    }
  }
}

class Gathering {
  readonly initiator: string;
  readonly listener: string;
  readonly chunks: Chunk[] = [];
  readonly remarks: string[] = [];
  readonly #directions = { I: new Direction('I', this.chunks), L: new Direction('L', this.chunks) };
  #cut = false;
  #over = false;

  constructor(initiator: string, listener: string) {
    this.initiator = initiator;
    this.listener = listener;
  }

  take(segment: Segment): void {
    this.#cut ||= segment.cut;
    this.#directions[this.#sideOf(segment)].take(segment);
    this.#over ||= segment.reset || segment.fin;
  }

  /** Whether a segment begins another connection with the same ports: this one has ended, or nobody saw its end. */
  endsBefore(segment: Segment): boolean {
    if (!segment.syn) return false;
    if (segment.ack) return this.#directions[this.#sideOf(segment)].isAnother(segment);
    // Who accepted before may be the one that opens, and nothing is answered before it is asked.
    const { I: asking, L: answering } = this.#directions;
    const other = segment.from !== this.initiator || (answering.begun && !asking.begun);
    return this.#over || other || asking.isAnother(segment);
  }

  #sideOf({ from }: Segment): Side {
    return from === this.initiator ? 'I' : 'L';
  }

  finish(): Connection {
    for (const side of ['I', 'L'] as const) {
      const direction = this.#directions[side];
      direction.skip();
      if (direction.lost > 0) this.remarks.push(`${direction.lost} octets of ${side} are not in the recording`);
      if (direction.stray > 0) this.remarks.push(`${direction.stray} packets of ${side} are of another connection`);
    }
    if (this.#cut) this.remarks.push('packets were recorded in part only; use tcpdump -s 0');
    return this;
  }
}

/** @param port only connections with that port at one end, which is then the listener's */
export function connections(segments: Iterable<Segment>, port: number | undefined): Connection[] {
  const all: Gathering[] = [];
  const open = new Map<string, Gathering>();
  for (const segment of segments) {
    if (port !== undefined && portOf(segment.from) !== port && portOf(segment.to) !== port) continue;
    const key = [segment.from, segment.to].sort().join(' ');
    let connection = open.get(key);
    if (connection?.endsBefore(segment) !== false) {
      connection = new Gathering(...ends(segment, port));
      open.set(key, connection);
      all.push(connection);
    }
    connection.take(segment);
  }
  const found = all.map((connection) => connection.finish()).filter(({ chunks }) => chunks.length > 0);
  if (found.length === 0) {
    throw new RecordingError(`no TCP octets${port === undefined ? '' : ` of port ${port}`} are in the recording`);
  }
  return found;
}

/** Who opened the connection, and who accepted it: the SYN says so, else the port that is asked for, else the lower one. */
function ends({ from, to, syn, ack }: Segment, port: number | undefined): [string, string] {
  if (syn) return ack ? [to, from] : [from, to];
  const [source, destination] = [portOf(from), portOf(to)];
  const fromListener = port === undefined ? source < destination : source === port && destination !== port;
  return fromListener ? [to, from] : [from, to];
}

function portOf(place: string): number {
  return Number(place.slice(place.lastIndexOf(':') + 1));
}
