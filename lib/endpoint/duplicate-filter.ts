/**
 * Deduplication of held messages (hold4Endpoint). A relay delivers one again when the connection was lost between the
 * application's `ok` and its arrival at the relay, or when the relay failed before it removed the message. Duplicates
 * are recognised by originator, transID of the option, and content. Only what was accepted last on a lost connection
 * can come again, so only that is remembered, and each message is recognised once.
 */
import { createHash } from 'node:crypto';
import { contentOf } from '../imxp/content.js';
import type { Data, Option } from '../imxp/operation.js';

/** Messages remembered; more than a relay leaves unanswered. Past it the oldest is forgotten. */
const REMEMBERED = 512;
/** transID 0 identifies nothing: a peer that assigns none uses it for every message. */
const NO_TRANS_ID = 0;

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

/** @returns undefined for a message that was not held or cannot be told from others */
function keyOf(data: Data): string | undefined {
  const option = holdOf(data);
  if (option === undefined || option.transID === NO_TRANS_ID) return undefined;
  const hash = createHash('sha1');
  try {
    const content = contentOf(data);
    hash.update(content.kind === 'part' ? content.body : content.kind === 'inline' ? content.inner : content.uri);
  } catch {
    return undefined;
  }
  const to = data.recipients.map(({ identity }) => identity).join(' ');
  return `${option.transID} ${hash.digest('base64')} ${data.originator} ${to}`;
}

/** Called for each accepted message; most have no options at all. */
function holdOf({ options, recipients }: Data): Option | undefined {
  for (const option of options) if (option.internal === 'hold4Endpoint') return option;
  for (const recipient of recipients) {
    for (const option of recipient.options) if (option.internal === 'hold4Endpoint') return option;
  }
  return undefined;
}
