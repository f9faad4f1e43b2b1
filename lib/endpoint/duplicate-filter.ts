/**
 * Deduplication of held messages (hold4Endpoint). A relay delivers one again when the connection was lost between the
 * application's `ok` and its arrival at the relay, or when the relay failed before it removed the message. Duplicates
 * are recognised by the identity that the relay gave the message and by nothing else: a new message may say the same as
 * an old one. Only what was accepted last on a lost connection can come again, so only that is remembered, and each
 * message is recognised once.
 */
import { heldIdOf } from '../imxp/held-id.js';
import type { Data } from '../imxp/operation.js';

/** Messages remembered; more than a relay leaves unanswered. Past it the oldest is forgotten. */
const REMEMBERED = 512;

export class DuplicateFilter {
  /** Accepted on connections that are still up. */
  #accepted = new Set<string>();
  /** Accepted before a connection was lost. */
  readonly #lost = new Set<string>();

  /** The application has accepted a message. */
  accepted(data: Data): void {
    const key = keyOf(data);
    if (key !== undefined) remember(this.#accepted, key);
  }

  /** The application has accepted a message after its connection was lost: the relay will deliver it again. */
  late(data: Data): void {
    const key = keyOf(data);
    if (key !== undefined) remember(this.#lost, key);
  }

  /** A connection is lost, and the last answers may be lost with it. */
  lose(): void {
    for (const key of this.#accepted) remember(this.#lost, key);
    this.#accepted = new Set();
  }

  /** Whether the application has already accepted this message. True once per message. */
  repeats(data: Data): boolean {
    if (this.#lost.size === 0) return false;
    const key = keyOf(data);
    return key !== undefined && this.#lost.delete(key);
  }
}

function remember(keys: Set<string>, key: string): void {
  if (keys.size >= REMEMBERED) {
    for (const oldest of keys) {
      keys.delete(oldest);
      break;
    }
  }
  keys.add(key);
}

/**
 * A sender that writes an identity of its own into a Data which is not held can only make its own Data look alike.
 *
 * @returns undefined for a message that was not held
 */
function keyOf(data: Data): string | undefined {
  const id = heldIdOf(data);
  return id === undefined ? undefined : `${id} ${data.originator}`;
}
