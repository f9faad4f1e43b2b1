/**
 * Changing a list of access entries so that one actor may do more or less, and everybody else as much as before (IMXP
 * access-01 §3: the first entry that matches decides). Pure.
 */
import { LocalError } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import { type AccessEntry, isAction } from '../imxp/vocabulary/access.js';
import { type ActorPattern, covers, parseActor, writeActor } from '../imxp/vocabulary/actor.js';
import { givenAddress } from './address.js';

/** What `all` is spelled out as where some of it is denied: the tokens of the services there are. */
export const KNOWN: readonly string[] = [
  'core:data',
  'access:get',
  'access:query',
  'access:set',
  'presence:publish',
  'presence:subscribe',
  'presence:watch',
];

const EVERYTHING = ['all:all'];
const SERVICE = /^(?:imxp|apex)=/i;

/**
 * The list in which an actor may do these things besides what it may do already, and so may its subaddresses.
 *
 * @throws LocalError ARGUMENT: no actor or no action
 */
export function allowed(
  list: readonly AccessEntry[],
  owner: string,
  actor: string,
  actions: readonly string[],
): AccessEntry[] {
  checkAllowed(actions);
  return changed(list, owner, actor, (now) => more(now, actions));
}

/** @throws LocalError ARGUMENT: no action */
export function checkAllowed(actions: readonly string[]): void {
  checkActions(actions);
  if (actions.length === 0) throw new LocalError('ARGUMENT', 'say what to allow, for instance core:data');
}

/** What is granted when these actions are granted as well. */
export function more(now: readonly string[], actions: readonly string[]): string[] {
  return [...now, ...actions.filter((action) => !grants(now, action))];
}

/**
 * The list in which an actor may not do these things, or nothing at all when there are none. An endpoint cannot evade it by
 * one of its subaddresses, not even by one that has an entry of its own.
 *
 * @throws LocalError ARGUMENT: no actor, no action, or the owner would lose the way to change the list
 */
export function denied(
  list: readonly AccessEntry[],
  owner: string,
  actor: string,
  actions: readonly string[],
): AccessEntry[] {
  checkDenied(owner, actor, actions);
  const [, subaddresses] = withSubaddresses(actor).map(patternOf);
  const narrower = ({ actor: other }: AccessEntry): boolean =>
    subaddresses !== undefined && covers(subaddresses, patternOf(other));
  const left = list.map((entry) => (narrower(entry) ? { ...entry, actions: less(entry.actions, actions) } : entry));
  return changed(left, owner, actor, (now) => less(now, actions));
}

/** @throws LocalError ARGUMENT: no action, or the owner would lose the way to change what is granted */
export function checkDenied(owner: string, actor: string, actions: readonly string[]): void {
  checkActions(actions);
  if (givenAddress(owner).key === addressOf(actor)?.key && (actions.length === 0 || grants(actions, 'access:set'))) {
    throw new LocalError('ARGUMENT', `without access:set ${owner} could not change this list again`);
  }
}

/** What is still granted without these actions; nothing when there are none. */
export function less(now: readonly string[], actions: readonly string[]): string[] {
  return actions.length === 0 ? [] : now.flatMap((granted) => without(granted, actions));
}

/** The list in which an actor and its subaddresses may do exactly this. @throws as {@link allowed} */
export function replaced(
  list: readonly AccessEntry[],
  owner: string,
  actor: string,
  actions: readonly string[],
): AccessEntry[] {
  checkActions(actions);
  return changed(list, owner, actor, () => actions);
}

/** What the entry that decides for an actor grants. @throws LocalError ARGUMENT: no actor */
export function granted(list: readonly AccessEntry[], owner: string, actor: string): readonly string[] {
  const pattern = patternOf(actor);
  return list.find((entry) => covers(patternOf(entry.actor), pattern))?.actions ?? implicitActions(owner, pattern);
}

/** The entry of exactly that actor. @throws LocalError ARGUMENT: no actor */
export function entryFor(list: readonly AccessEntry[], actor: string): AccessEntry | undefined {
  const pattern = patternOf(actor);
  return list.find((entry) => same(patternOf(entry.actor), pattern));
}

/**
 * Whom an entry for an actor is written for: an endpoint is named together with all its subaddresses, because whoever has the
 * endpoint can use any of them. A subaddress, a service and a pattern stand for themselves.
 *
 * @throws LocalError ARGUMENT: no actor
 */
export function withSubaddresses(actor: string): readonly string[] {
  const { kind, local, ...domains } = patternOf(actor);
  if (kind !== 'literal' || local.includes('/') || SERVICE.test(local)) return [actor];
  return [actor, writeActor({ kind: 'subaddresses', local, ...domains })];
}

/** The list with the owner in front, unless the owner may change it anyway. */
export function keepingOwner(list: readonly AccessEntry[], owner: string): readonly AccessEntry[] {
  const decides = list.find((entry) => covers(patternOf(entry.actor), patternOf(owner)));
  if (decides === undefined || grants(decides.actions, 'access:set')) return list;
  return [{ actor: owner, actions: EVERYTHING }, ...list];
}

/** Changes what an actor and its subaddresses are granted. */
function changed(
  list: readonly AccessEntry[],
  owner: string,
  actor: string,
  change: (actions: readonly string[]) => readonly string[],
): AccessEntry[] {
  let result = [...list];
  for (const one of withSubaddresses(actor)) result = changedOne(result, owner, one, change);
  return result;
}

/** Gives the entry that decides for an actor other actions, or puts one before the entry that decides for others too. */
function changedOne(
  list: readonly AccessEntry[],
  owner: string,
  actor: string,
  change: (actions: readonly string[]) => readonly string[],
): AccessEntry[] {
  const pattern = patternOf(actor);
  const at = list.findIndex((entry) => covers(patternOf(entry.actor), pattern));
  const decides = at < 0 ? undefined : list[at];
  const present = decides?.actions ?? implicitActions(owner, pattern);
  const entry = { actor, actions: change(present) };
  // An entry of the same actor further down was never reached.
  const others = list.filter((other) => other === decides || !same(patternOf(other.actor), pattern));
  const place = decides === undefined ? others.length : others.indexOf(decides);
  const replaced = decides !== undefined && same(patternOf(decides.actor), pattern) ? 1 : 0;
  return [...keepingOwner(others.toSpliced(place, replaced, entry), owner)];
}

/** What the entries that are always appended grant to all whom a pattern names. */
function implicitActions(owner: string, { kind, local, domain }: ActorPattern): readonly string[] {
  const own = givenAddress(owner);
  if (kind === 'services' || (kind === 'literal' && SERVICE.test(local))) {
    return domain === own.domain ? EVERYTHING : ['core:data'];
  }
  return kind === 'literal' && local === own.local && domain === own.domain ? EVERYTHING : [];
}

export function patternOf(actor: string): ActorPattern {
  const pattern = parseActor(actor);
  if (pattern !== undefined) return pattern;
  throw new LocalError(
    'ARGUMENT',
    `${JSON.stringify(actor)} is no actor: write local@domain, *@domain, *@* or imxp=*@*`,
  );
}

function same(first: ActorPattern, second: ActorPattern): boolean {
  return writeActor(first) === writeActor(second);
}

export function grants(actions: readonly string[], action: string): boolean {
  return actions.some((granted) => includes(granted, action));
}

function includes(granted: string, action: string): boolean {
  const [service = '', operation = ''] = granted.split(':');
  const [asked, wanted] = action.split(':');
  return (service === 'all' || service === asked) && (operation === 'all' || operation === wanted);
}

/** What is left of a granted action. */
function without(granted: string, actions: readonly string[]): readonly string[] {
  if (actions.some((action) => includes(action, granted))) return [];
  if (!actions.some((action) => includes(granted, action))) return [granted];
  return KNOWN.filter((known) => includes(granted, known) && !grants(actions, known));
}

export function checkActions(actions: readonly string[]): void {
  for (const action of actions) {
    if (!isAction(action)) {
      throw new LocalError('ARGUMENT', `${JSON.stringify(action)} is no action: write service:operation, as core:data`);
    }
  }
}
