/**
 * Edits a list of access entries so that one actor may do more or less while everybody else may do as much as before
 * (access-01 §3: the first matching entry decides, after those for the owner and the services of the owner's domain,
 * D-ACCESS-01). Pure functions.
 */
import { LocalError } from '../errors.js';
import { addressOf } from '../imxp/address.js';
import { type AccessEntry, isAction } from '../imxp/vocabulary/access.js';
import { type ActorPattern, covers, parseActor, writeActor } from '../imxp/vocabulary/actor.js';
import { givenAddress } from './address.js';

/** Every action there is. `all` is expanded to these when part of it is denied. */
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
 * Returns the list after granting an actor and its subaddresses these actions in addition to those it has.
 *
 * @throws LocalError ARGUMENT when the actor or an action is not valid, or no action is given
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

/** @throws LocalError ARGUMENT when no action is given or one is not valid */
export function checkAllowed(actions: readonly string[]): void {
  checkActions(actions);
  if (actions.length === 0)
    throw new LocalError('ARGUMENT', 'no action given; name what to allow, for example core:data');
}

/** The granted actions after adding these. */
export function more(now: readonly string[], actions: readonly string[]): string[] {
  return [...now, ...actions.filter((action) => !grants(now, action))];
}

/**
 * Returns the list after taking these actions from an actor, or all actions when none are given. Subaddresses of an
 * endpoint lose them too, even one that has an entry of its own.
 *
 * @throws LocalError ARGUMENT when the actor or an action is not valid, or the owner could no longer change the list
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

/** @throws LocalError ARGUMENT when an action is not valid, or the owner could no longer change what is granted */
export function checkDenied(owner: string, actor: string, actions: readonly string[]): void {
  checkActions(actions);
  const { key, domain } = givenAddress(owner);
  if (key === addressOf(actor)?.key && (actions.length === 0 || grants(actions, 'access:set'))) {
    throw new LocalError('ARGUMENT', `${owner} must keep access:set; without it nobody could change this list again`);
  }
  if (ownServices(owner, patternOf(actor))) {
    throw new LocalError(
      'ARGUMENT',
      `the services of ${domain} may do everything to its endpoints; no entry changes that`,
    );
  }
}

/** The granted actions after removing these; empty when no actions are named. */
export function less(now: readonly string[], actions: readonly string[]): string[] {
  return actions.length === 0 ? [] : now.flatMap((granted) => without(granted, actions));
}

/** Returns the list after granting an actor and its subaddresses exactly these actions. @throws as {@link allowed} */
export function replaced(
  list: readonly AccessEntry[],
  owner: string,
  actor: string,
  actions: readonly string[],
): AccessEntry[] {
  checkActions(actions);
  return changed(list, owner, actor, () => actions);
}

/**
 * The actions granted by the entry that decides for an actor. @throws LocalError ARGUMENT when the actor is not valid
 */
export function granted(list: readonly AccessEntry[], owner: string, actor: string): readonly string[] {
  const pattern = patternOf(actor);
  if (ownServices(owner, pattern)) return EVERYTHING;
  if (same(pattern, patternOf(owner))) {
    const named = list.find((entry) => same(patternOf(entry.actor), pattern));
    return named === undefined ? EVERYTHING : [...named.actions, 'access:all'];
  }
  return list.find((entry) => covers(patternOf(entry.actor), pattern))?.actions ?? implicitActions(pattern);
}

/**
 * The entries without effect: an earlier one matches every actor that they match. Those for services of the owner's
 * domain have no such entry: these services may do everything anyway.
 */
export function unreachable(
  list: readonly AccessEntry[],
  owner: string,
): readonly { readonly entry: AccessEntry; readonly by: AccessEntry | undefined }[] {
  const own = patternOf(owner);
  return list.flatMap((entry, index): { entry: AccessEntry; by: AccessEntry | undefined }[] => {
    const pattern = patternOf(entry.actor);
    if (ownServices(owner, pattern)) return [{ entry, by: undefined }];
    const [before, named] = [list.slice(0, index), same(pattern, own)];
    const by = before.find(({ actor }) => (named ? same(patternOf(actor), own) : covers(patternOf(actor), pattern)));
    return by === undefined ? [] : [{ entry, by }];
  });
}

/** Checks a whole list. @throws LocalError ARGUMENT: there is no entry, or an actor or an action is not valid */
export function checkEntries(entries: readonly AccessEntry[]): void {
  if (entries.length === 0) throw new LocalError('ARGUMENT', 'an access list needs at least one entry');
  for (const { actor, actions } of entries) {
    patternOf(actor);
    checkActions(actions);
  }
}

/** The entry whose actor is exactly this one. @throws LocalError ARGUMENT when the actor is not valid */
export function entryFor(list: readonly AccessEntry[], actor: string): AccessEntry | undefined {
  const pattern = patternOf(actor);
  return list.find((entry) => same(patternOf(entry.actor), pattern));
}

/**
 * The actors to write entries for when one is named: an endpoint stands for itself and all its subaddresses, because
 * the owner of the endpoint can use any of them. Subaddresses, services and patterns are taken literally.
 *
 * @throws LocalError ARGUMENT when the actor is not valid
 */
export function withSubaddresses(actor: string): readonly string[] {
  const { kind, local, ...domains } = patternOf(actor);
  if (kind !== 'literal' || local.includes('/') || SERVICE.test(local)) return [actor];
  return [actor, writeActor({ kind: 'subaddresses', local, ...domains })];
}

/**
 * The list, with an entry for the owner put first unless one that matches lets the owner change it: a service that follows
 * the order of access-01 §3 to the letter would shut the owner out.
 */
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

/** Changes the entry of an actor, or inserts one before the entry that decides for this actor and others. */
function changedOne(
  list: readonly AccessEntry[],
  owner: string,
  actor: string,
  change: (actions: readonly string[]) => readonly string[],
): AccessEntry[] {
  const pattern = patternOf(actor);
  const at = list.findIndex((entry) => covers(patternOf(entry.actor), pattern));
  const decides = at < 0 ? undefined : list[at];
  const own = same(pattern, patternOf(owner)) && (decides === undefined || !same(patternOf(decides.actor), pattern));
  const present = own ? EVERYTHING : (decides?.actions ?? implicitActions(pattern));
  const entry = { actor, actions: change(present) };
  // An entry for the same actor further down could never be reached.
  const others = list.filter((other) => other === decides || !same(patternOf(other.actor), pattern));
  const place = decides === undefined ? others.length : others.indexOf(decides);
  const replaced = decides !== undefined && same(patternOf(decides.actor), pattern) ? 1 : 0;
  return [...keepingOwner(others.toSpliced(place, replaced, entry), owner)];
}

/** What the implicit entries at the end of every list grant to the actors that a pattern names. */
function implicitActions(pattern: ActorPattern): readonly string[] {
  return meansServices(pattern) ? ['core:data'] : [];
}

function meansServices({ kind, local }: ActorPattern): boolean {
  return kind === 'services' || (kind === 'literal' && SERVICE.test(local));
}

/** Whether an actor is a service of the owner's domain, or all of them. */
function ownServices(owner: string, pattern: ActorPattern): boolean {
  return meansServices(pattern) && pattern.domain === givenAddress(owner).domain && !pattern.below;
}

export function patternOf(actor: string): ActorPattern {
  const pattern = parseActor(actor);
  if (pattern !== undefined) return pattern;
  throw new LocalError(
    'ARGUMENT',
    `${JSON.stringify(actor)} is not an actor; write local@domain, *@domain, *@* or imxp=*@*`,
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

/** What remains of a granted action after some are taken away. */
function without(granted: string, actions: readonly string[]): readonly string[] {
  if (actions.some((action) => includes(action, granted))) return [];
  if (!actions.some((action) => includes(granted, action))) return [granted];
  return KNOWN.filter((known) => includes(granted, known) && !grants(actions, known));
}

export function checkActions(actions: readonly string[]): void {
  for (const action of actions) {
    if (!isAction(action)) {
      throw new LocalError(
        'ARGUMENT',
        `${JSON.stringify(action)} is not an action; write service:operation, for example core:data`,
      );
    }
  }
}
