/** What the recipients of a command line, some of them URIs with headers, make of a message before it is written. */
import { addressOf } from '../../lib/imxp/address.js';
import type { InstantMessageInit } from '../../lib/message/instant-message.js';
import { type UriMailbox, uriOfAddress } from '../../lib/message/uri.js';
import { harmless } from '../../lib/ops/terminal.js';
import { CommandError, EXIT } from './exit.js';
import type { Recipients } from './names.js';
import { note } from './output.js';

export interface Draft {
  /** Without repetitions; at least one. */
  readonly recipients: readonly string[];
  /** Header fields; empty if an address is all that was given. */
  readonly fields: InstantMessageInit;
  /** The text to begin with. */
  readonly body: string | undefined;
}

/**
 * Puts together what several recipients ask for.
 *
 * @param subject takes the place of any in URIs
 * @throws CommandError USAGE: there is no recipient, or URIs contradict each other
 */
export function draftOf(given: readonly Recipients[], subject?: string): Draft {
  const to = given.flatMap((one) => one.to);
  const cc = given.flatMap((one) => one.cc ?? []);
  const recipients = distinct([...to, ...cc].map(({ address }) => address));
  if (recipients.length === 0) throw new CommandError(EXIT.USAGE, 'the URI names nobody; write im:local@domain');
  const unused = [...new Set(given.flatMap((one) => one.unused ?? []))];
  if (unused.length > 0) note(`not used of the URI: ${unused.map(harmless).join(', ')}`);
  const about = subject ?? single(given, 'subject', 'give --subject');
  const inReplyTo = single(given, 'inReplyTo', 'send the messages one by one');
  const others = given.flatMap((one) => one.fields ?? []);
  const listed = cc.length > 0 || to.some(({ phrase }) => phrase !== undefined);
  return {
    recipients,
    fields: {
      ...(listed ? { to: to.map(mailbox), cc: cc.map(mailbox) } : {}),
      ...(about === undefined ? {} : { subject: about }),
      ...(inReplyTo === undefined ? {} : { inReplyTo }),
      ...(others.length === 0 ? {} : { fields: others }),
    },
    body: single(given, 'body', 'give a file'),
  };
}

function distinct(addresses: readonly string[]): string[] {
  const known = new Map<string | undefined, string>();
  for (const address of addresses) {
    const key = addressOf(address)?.key;
    if (!known.has(key)) known.set(key, address);
  }
  return [...known.values()];
}

function mailbox({ address, phrase }: UriMailbox) {
  return { phrase, uri: uriOfAddress('im', address) };
}

function single(
  given: readonly Recipients[],
  name: 'subject' | 'inReplyTo' | 'body',
  remedy: string,
): string | undefined {
  const values = new Set(given.flatMap((one) => one[name] ?? []));
  if (values.size <= 1) return [...values][0];
  const what = { subject: 'subject', inReplyTo: 'message to reply to', body: 'text' }[name];
  throw new CommandError(EXIT.USAGE, `the URIs differ in their ${what}; ${remedy}`);
}
