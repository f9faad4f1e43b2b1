/**
 * How much of this device's storage conversations may fill. Somebody who is no contact can send what they like to whom they
 * like, so they have little room, in which the oldest gives way; contacts have much, and are told when it is used up.
 */
import type { Contact, Entry, Kept } from './types.js';

export const NOTHING: Kept = Object.freeze({ messages: 0, octets: 0 });

/** What the browser needs for a message besides its text and file. */
const OVERHEAD = 500;

const STRANGER = { messages: 200, octets: 10_000_000 };
const STRANGERS = { conversations: 50, octets: 50_000_000 };
const CONTACT = { octets: 500_000_000 };
const EVERYBODY = { octets: 2_000_000_000 };

export function costOf({ text, file }: Entry): Kept {
  return { messages: 1, octets: OVERHEAD + 2 * text.length + (file === undefined ? 0 : file.size) };
}

/** Whether a stranger has more than their room. */
export function excessOf({ messages, octets }: Kept): boolean {
  return messages > STRANGER.messages || octets > STRANGER.octets;
}

/** Whether a message that has come may be kept. */
export function isRoomFor(entry: Entry, from: Contact | undefined, all: readonly Contact[]): boolean {
  const { octets } = costOf(entry);
  if (from?.added !== true) return octets <= STRANGER.octets;
  return (from.kept?.octets ?? 0) + octets <= CONTACT.octets && octetsOf(all) + octets <= EVERYBODY.octets;
}

/**
 * Strangers whose conversations give way to that of another stranger, who keeps theirs.
 *
 * @param others who else there is
 */
export function strangersToDrop(newest: Contact, others: readonly Contact[]): readonly string[] {
  const strangers = others.filter(({ added }) => !added).sort((one, other) => lastOf(one) - lastOf(other));
  let octets = octetsOf([...strangers, newest]);
  let conversations = strangers.length + 1;
  const dropped: string[] = [];
  for (const { address, kept = NOTHING } of strangers) {
    if (conversations <= STRANGERS.conversations && octets <= STRANGERS.octets) break;
    dropped.push(address);
    conversations -= 1;
    octets -= kept.octets;
  }
  return dropped;
}

function octetsOf(contacts: readonly Contact[]): number {
  return contacts.reduce((sum, { kept = NOTHING }) => sum + kept.octets, 0);
}

function lastOf({ last }: Contact): number {
  return last?.at ?? 0;
}
