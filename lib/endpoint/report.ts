/** Reports of relays about a message, as applications see them. */
import type { Destination } from '../imxp/vocabulary/status.js';

/** What a relay reports about one recipient. */
export interface RecipientStatus {
  readonly identity: string;
  /** 250: delivered, or accepted by the next relay. */
  readonly code: number;
  readonly text: string;
}

/** The report of one relay. */
export interface RelayReport {
  /** The domain of the relay. */
  readonly relay: string;
  readonly recipients: readonly RecipientStatus[];
  /** Milliseconds between sending and the arrival of the report. */
  readonly ms: number;
}

export function recipientStatus({ identity, reply: { code, text } }: Destination): RecipientStatus {
  return { identity, code, text };
}
