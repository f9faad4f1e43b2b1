/** One outgoing message, or the place of a reply that is not given yet, and its progress. */

import { type Payload, payloadOctets } from '../mime/payload.js';
import type { Outbound } from './event.js';
import { ANS, ERR, MSG, NONE, NUL, RPY } from './frame.js';

/** Effect of the transmission of a message's last octet: none. */
export const NOTHING = 0;
/** The channel it creates exists for the peer from then on. */
export const OPENS = 1;
/** The session has ended: the `ok` to a release. */
export const RELEASES = 2;
/** The session has ended: the ERR instead of a greeting. */
export const REFUSES = 3;

export class Outgoing {
  /** NONE while this is the place of a reply not given yet. */
  keyword: number;
  readonly msgno: number;
  readonly ansno: number;
  payload: Payload | undefined;
  /** Octets of the whole payload. */
  octets: number;
  /** Octets transmitted. */
  sent = 0;
  /** Index of the next buffer of a list payload, and its octets already sent. */
  piece = 0;
  within = 0;
  /** The first frame was transmitted. */
  started = false;
  /** The final frame was transmitted. */
  complete = false;
  /** Sent after `quiesce`: held back until `resume`. */
  late = false;
  effect = NOTHING;
  /** The next message in the queue of its channel. */
  next: Outgoing | undefined = undefined;
  /** A reply: the next one due. */
  after: Outgoing | undefined = undefined;
  /** A reply: answers given before its turn. */
  staged: Outgoing[] | undefined = undefined;
  /** A MSG: keyword of the last frame of its reply. A reply: ANS once answers were given. */
  replied = NONE;
  /** A MSG: the rest of its reply is to be discarded. */
  dropped = false;
  /** The channel that `OPENS` is about. */
  opens = 0;

  constructor(keyword: number, msgno: number, ansno: number, payload: Payload | undefined) {
    this.keyword = keyword;
    this.msgno = msgno;
    this.ansno = ansno;
    this.payload = payload;
    this.octets = payloadOctets(payload);
  }

  /** Fills the place of a reply with the reply. */
  answer(keyword: number, payload: Payload | undefined): void {
    this.keyword = keyword;
    this.payload = payload;
    this.octets = payloadOctets(payload);
  }

  /** Ends the message at its present position: its next frame is the final one and has no payload (RFC 3080 §2.6.3). */
  truncate(): void {
    this.octets = this.sent;
    this.payload = undefined;
  }
}

export function keywordOf(kind: Outbound['kind']): number {
  switch (kind) {
    case 'MSG':
      return MSG;
    case 'RPY':
      return RPY;
    case 'ERR':
      return ERR;
    case 'ANS':
      return ANS;
    case 'NUL':
      return NUL;
  }
}
