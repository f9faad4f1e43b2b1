/**
 * Data that were held for an endpoint (hold4Endpoint) and come a second time, because the connection was lost between the
 * application's `ok` and its arrival at the relay, or the relay died before it had forgotten them. They are known by the
 * originator, the transID of his option and the content. Only what was accepted last on a connection that is lost can come
 * again, so no more than that is remembered, and each is recognised once.
 */
import { createHash } from 'node:crypto';
import { contentOf } from '../imxp/content.js';
import type { Data, Option } from '../imxp/operation.js';

/** More than a relay of this kind leaves unanswered; the oldest is forgotten past it. */
const REMEMBERED = 512;
/** A peer that gives no transID of its own gives them all the same. */
const NO_TRANS_ID = 0;

export class DuplicateFilter {
  /** Accepted on connections that live. */
  #accepted = new Set<string>();
  /** Accepted before a connection was lost. */
  readonly #lost = new Set<string>();

  /** The application has taken a Data. */
  accepted(data: Data): void {
    const key = keyOf(data);
    if (key !== undefined) remember(this.#accepted, key);
  }

  /** The application has taken a Data after the connection was lost it came by: it will surely come again. */
  late(data: Data): void {
    const key = keyOf(data);
    if (key !== undefined) remember(this.#lost, key);
  }

  /** A connection is gone, and perhaps the last answers with it. */
  lose(): void {
    for (const key of this.#accepted) remember(this.#lost, key);
    this.#accepted = new Set();
  }

  /** Whether the application has taken this one before. Told once. */
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

/** @returns undefined for what was not held, or cannot be told from others */
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

/** Asked of each Data that is accepted: most have no options at all. */
function holdOf({ options, recipients }: Data): Option | undefined {
  for (const option of options) if (option.internal === 'hold4Endpoint') return option;
  for (const recipient of recipients) {
    for (const option of recipient.options) if (option.internal === 'hold4Endpoint') return option;
  }
  return undefined;
}
