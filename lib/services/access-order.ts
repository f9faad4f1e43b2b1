/**
 * One entry of an ordered list of access entries: found, put where it belongs, taken away. In IMXP the first entry that
 * matches decides (access-01 §3), in APEX the closest (RFC 3341 §3.1); an entry goes where both mean the same, so that an
 * owner who sets it in one dialect is obeyed in the other. The defaults of RFC 3341 §3.1 need no place in it: those of the
 * owner and of the domain's services come first (D-ACCESS-01), and the others match last in either reading. Pure.
 *
 * A list that was set as a whole in an order that contradicts the closest match keeps that order, and the order
 * decides.
 */
import { type ActorPattern, closeness, overlaps, parseActor, writeActor } from '../imxp/vocabulary/actor.js';
import type { KeptEntry } from '../store/access.js';

interface Placed {
  readonly entry: KeptEntry;
  readonly pattern: ActorPattern;
  /** Returns the same text for equal actors. */
  readonly actor: string;
}

/** Returns the entry for exactly that actor; of two, the one that takes effect. */
export function entryOf(list: readonly KeptEntry[], actor: ActorPattern): KeptEntry | undefined {
  const wanted = writeActor(actor);
  return placedIn(list).find((one) => one.actor === wanted)?.entry;
}

/** The list without the entries of that actor; the default for that actor holds then, if there is one (RFC 3341 §3.1). */
export function withoutEntry(list: readonly KeptEntry[], actor: ActorPattern): KeptEntry[] {
  const gone = writeActor(actor);
  return entriesOf(placedIn(list).filter((one) => one.actor !== gone));
}

/** The list in which an actor may do these things and nothing else, and all closer actors what they might before. */
export function withEntry(list: readonly KeptEntry[], actor: ActorPattern, actions: readonly string[]): KeptEntry[] {
  const text = writeActor(actor);
  const added: Placed = { entry: { actor: text, actions }, pattern: actor, actor: text };
  const present = placedIn(list);
  const at = present.findIndex((one) => one.actor === text);
  const others = present.filter((one) => one.actor !== text);
  return entriesOf(inserted(others, added, at < 0 ? others.length : at));
}

function entriesOf(list: readonly Placed[]): KeptEntry[] {
  return list.map(({ entry }) => entry);
}

/** An entry that cannot be read matches no actor; none gets into the store. */
function placedIn(list: readonly KeptEntry[]): Placed[] {
  return list.flatMap((entry) => {
    const pattern = parseActor(entry.actor);
    return pattern === undefined ? [] : [{ entry, pattern, actor: writeActor(pattern) }];
  });
}

/** @param last how far back it may be put */
function inserted(list: readonly Placed[], added: Placed, last: number): Placed[] {
  if (isClosestFirst(list)) {
    // Sorting moves only entries that do not overlap, which changes nothing.
    return [...list, added].sort((first, second) => closeness(first.pattern, second.pattern));
  }
  const behind = list.findIndex((one) => hides(one, added));
  return list.toSpliced(behind < 0 ? last : Math.min(behind, last), 0, added);
}

function isClosestFirst(list: readonly Placed[]): boolean {
  return list.every((later, index) => list.slice(0, index).every((earlier) => !hides(earlier, later)));
}

/**
 * Whether the first entry, standing before the second, decides for some actors for whom the second is the closer match.
 */
function hides(first: Placed, second: Placed): boolean {
  return closeness(first.pattern, second.pattern) > 0 && overlaps(first.pattern, second.pattern);
}
