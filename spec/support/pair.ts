/**
 * Two sessions wired to each other in memory, so that a test owns every octet between them.
 */
import type { SessionEvent } from '../../lib/beep/event.js';
import { Session, type SessionOptions } from '../../lib/beep/session.js';

export type Side = 'initiator' | 'listener';

export interface PairOptions {
  readonly initiator?: Partial<SessionOptions>;
  readonly listener?: Partial<SessionOptions>;
  /** Octets of one chunk on the way; all at once unless given. */
  readonly chunk?: number;
  /** Called for every chunk before it is delivered. */
  readonly tap?: (from: Side, octets: Buffer) => void;
}

/** The profile that pairs offer unless told otherwise. */
export const ECHO = 'http://example.com/profiles/echo';

export class Pair {
  readonly initiator: Session;
  readonly listener: Session;
  /** All events so far, by side, oldest first. */
  readonly events: Record<Side, SessionEvent[]> = { initiator: [], listener: [] };
  /** Everything that went over the wire, by sender. */
  readonly wire: Record<Side, Buffer[]> = { initiator: [], listener: [] };
  readonly #options: PairOptions;

  constructor(options: PairOptions = {}) {
    this.#options = options;
    this.initiator = new Session({ role: 'initiator', profiles: [ECHO], ...options.initiator });
    this.listener = new Session({ role: 'listener', profiles: [ECHO], ...options.listener });
  }

  /** Carries octets both ways until nothing moves any more. @returns the events of this call. */
  pump(): Record<Side, SessionEvent[]> {
    const before = { initiator: this.events.initiator.length, listener: this.events.listener.length };
    while (this.carry('initiator') || this.carry('listener')) {
      // until both are quiet
    }
    return {
      initiator: this.events.initiator.slice(before.initiator),
      listener: this.events.listener.slice(before.listener),
    };
  }

  /** Carries what one side has to say. @returns whether it said anything. */
  carry(from: Side): boolean {
    const to = from === 'initiator' ? 'listener' : 'initiator';
    const octets = Buffer.concat(this[from].transmit(65_536));
    this.collect(from);
    if (octets.length === 0) {
      return false;
    }
    this.wire[from].push(octets);
    this.#options.tap?.(from, octets);
    const step = this.#options.chunk ?? octets.length;
    for (let at = 0; at < octets.length; at += step) {
      this[to].receive(Buffer.from(octets.subarray(at, at + step)));
      this.collect(to);
    }
    return true;
  }

  /** Takes the events that are ready on one side. */
  collect(side: Side): void {
    for (let event = this[side].nextEvent(); event !== undefined; event = this[side].nextEvent()) {
      this.events[side].push(event);
    }
  }

  /** What went over the wire from one side, as text. */
  text(side: Side): string {
    return Buffer.concat(this.wire[side]).toString('latin1');
  }

  /** Greets, and opens a channel from the initiator with the first profile the listener serves. @returns its number. */
  open(uri: string = ECHO, from: Side = 'initiator'): number {
    this.pump();
    const number = this[from].start({ profiles: [{ uri }] });
    const to = from === 'initiator' ? 'listener' : 'initiator';
    const start = this.pump()[to].find((event) => event.type === 'start');
    if (start?.type !== 'start') {
      throw new Error('the start did not arrive');
    }
    this[to].acceptStart(start, uri);
    this.pump();
    return number;
  }
}
