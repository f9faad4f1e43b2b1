/**
 * The rules of access entries (IMXP access §3): who is granted what by a list of entries and the four that are always
 * appended. Pure; refuses to know where entries are kept.
 */
import { type Address, parseAddress } from '../imxp/address.js';

/** One `entry`: an actor, or a pattern of actors, and what it may do. */
export interface AccessEntry {
  /** `local@domain`, with `*` or `imxp=*` for the local part and `*` for the domain. */
  readonly actor: string;
  /** `service:operation`; `all` stands for every service or operation. */
  readonly actions: readonly string[];
}

/**
 * Whether the entries of an owner grant an action to an actor. The first entry that matches decides, explicit ones
 * before the implicit ones (IMXP access §3.1).
 *
 * @param owner the endpoint the entries belong to
 * @param action `service:operation`
 */
export function grants(entries: readonly AccessEntry[], owner: Address, actor: Address, action: string): boolean {
  for (const entry of entries) {
    const decides = entry.actor === 'owner' ? isOwner(owner, actor) : matches(entry.actor, actor);
    if (decides) return contains(entry.actions, action);
  }
  return implicit(owner, actor, action);
}

/** The four entries considered appended, and for a service as owner a fifth. */
function implicit(owner: Address, actor: Address, action: string): boolean {
  if (actor.service) return actor.domain === owner.domain || action === 'core:data';
  if (isOwner(owner, actor)) return true;
  return owner.service && action === 'core:data';
}

function isOwner(owner: Address, actor: Address): boolean {
  return owner.domain === actor.domain && (owner.local === actor.local || owner.base === actor.base);
}

function matches(pattern: string, actor: Address): boolean {
  const at = pattern.lastIndexOf('@');
  const domain = pattern.slice(at + 1).toLowerCase();
  if (domain !== '*' && domain !== actor.domain) return false;
  const local = pattern.slice(0, at);
  if (local === '*') return !actor.service;
  if (/^(?:imxp|apex)=\*$/i.test(local)) return actor.service;
  return local === actor.local;
}

function contains(actions: readonly string[], action: string): boolean {
  const [service, operation] = action.split(':');
  return actions.some((granted) => {
    const [grantedService, grantedOperation] = granted.split(':');
    return (
      (grantedService === 'all' || grantedService === service) &&
      (grantedOperation === 'all' || grantedOperation === operation)
    );
  });
}

/** Every account has the same entries: those the configuration gives to new ones. */
export class CommonAccess {
  readonly #entries: readonly AccessEntry[];
  /** Most nodes let anybody write to anybody; then there is nothing to compare for each Data. */
  readonly #openToAll: boolean;

  constructor(entries: readonly AccessEntry[]) {
    this.#entries = entries;
    this.#openToAll = isOpen(entries);
  }

  allowed(owner: string, actor: string, action: string): boolean {
    if (this.#openToAll && action === 'core:data') return true;
    return grants(this.#entries, parseAddress(owner), parseAddress(actor), action);
  }
}

/** True when core:data is granted to everybody whatever comes first. */
function isOpen(entries: readonly AccessEntry[]): boolean {
  for (const { actor, actions } of entries) {
    if (!contains(actions, 'core:data')) return false;
    if (actor === '*@*') return true;
  }
  return false;
}
