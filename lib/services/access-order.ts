/**
 * One entry of an ordered list of access entries: found, put where it belongs, taken away. In IMXP the first entry that
 * matches decides (access-01 §3), in APEX the closest (RFC 3341 §3.1); an entry goes where both mean the same, so that an
 * owner who sets it in one dialect is obeyed in the other. Pure.
 *
 * A list that was set as a whole in an order that contradicts the closest match keeps that order, and it decides.
 */
import type { Address } from '../imxp/address.js';
import { type ActorPattern, closeness, overlaps, parseActor, writeActor } from '../imxp/vocabulary/actor.js';
import type { KeptEntry } from '../store/access.js';
import { implicitEntries } from './access-rules.js';

interface Placed {
  readonly entry: KeptEntry;
  readonly pattern: ActorPattern;
  /** The same text for the same actor. */
  readonly actor: string;
}

/** The entry that somebody has set for exactly that actor; of two, the one that is reached. */
export function entryOf(list: readonly KeptEntry[], actor: ActorPattern): KeptEntry | undefined {
  const wanted = writeActor(actor);
  return list.find((entry) => entry.implied !== true && placed(entry)?.actor === wanted);
}

/** The list without the entries of that actor; the default for that actor holds then, if there is one (RFC 3341 §3.1). */
export function withoutEntry(owner: Address, list: readonly KeptEntry[], actor: ActorPattern): KeptEntry[] {
  const gone = writeActor(actor);
  const left = list
    .map(placed)
    .filter((one) => one !== undefined)
    .filter((one) => one.actor !== gone);
  const defaults = defaultsOf(owner).filter((one) => one.actor === gone);
  return entriesOf(restored(left, defaults, left));
}

/** The list in which an actor may do these things and nothing else, and all closer actors what they might before. */
export function withEntry(
  owner: Address,
  list: readonly KeptEntry[],
  actor: ActorPattern,
  actions: readonly string[],
): KeptEntry[] {
  const text = writeActor(actor);
  const added: Placed = { entry: { actor: text, actions }, pattern: actor, actor: text };
  const present = list.map(placed).filter((one) => one !== undefined);
  const at = present.findIndex((one) => one.actor === text);
  const others = present.filter((one) => one.actor !== text);
  const result = inserted(others, added, at < 0 ? others.length : at);
  return entriesOf(restored(result, defaultsOf(owner), [added]));
}

function defaultsOf(owner: Address): Placed[] {
  const entries = implicitEntries(owner).map((entry) => placed({ ...entry, implied: true }));
  return entries.filter((one) => one !== undefined);
}

function entriesOf(list: readonly Placed[]): KeptEntry[] {
  return list.map(({ entry }) => entry);
}

/**
 * RFC 3341 §3.1: a default is overridden by an entry of the same actor only. Those that the entries `by` would hide, which
 * match more, are written out.
 */
function restored(list: readonly Placed[], defaults: readonly Placed[], by: readonly Placed[]): readonly Placed[] {
  let result = list;
  for (const one of defaults) {
    if (result.some(({ actor }) => actor === one.actor)) continue;
    if (by.some((entry) => hides(entry, one))) result = inserted(result, one, result.length);
  }
  return result;
}

/** What cannot be read matches nobody; none gets into the store. */
function placed(entry: KeptEntry): Placed | undefined {
  const pattern = parseActor(entry.actor);
  return pattern === undefined ? undefined : { entry, pattern, actor: writeActor(pattern) };
}

/** @param last how far behind it may be put */
function inserted(list: readonly Placed[], added: Placed, last: number): Placed[] {
  if (isClosestFirst(list)) {
    // Sorting moves only what does not overlap, which changes nothing.
    return [...list, added].sort((first, second) => closeness(first.pattern, second.pattern));
  }
  const behind = list.findIndex((one) => hides(one, added));
  return list.toSpliced(behind < 0 ? last : Math.min(behind, last), 0, added);
}

function isClosestFirst(list: readonly Placed[]): boolean {
  return list.every((later, index) => list.slice(0, index).every((earlier) => !hides(earlier, later)));
}

/** Whether the first, standing before the second, decides for some for whom the second is the closer match. */
function hides(first: Placed, second: Placed): boolean {
  return closeness(first.pattern, second.pattern) > 0 && overlaps(first.pattern, second.pattern);
}
