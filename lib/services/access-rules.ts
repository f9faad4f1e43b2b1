/**
 * Rules of access entries (access-01 §3): who is granted what by a list of entries and those that always exist. Pure;
 * refuses to know where entries are kept.
 *
 * Anonymous principals are granted only what an entry says that names them (D-ACCESS-11).
 *
 * The owner and the services of the owner's domain come before the list (D-ACCESS-01): no entry takes anything from these
 * services, and one that names the owner leaves access:get and access:set.
 */
import { type Address, addressOf } from '../imxp/address.js';
import { ANONYMOUS, isAnonymousName } from '../imxp/anonymous.js';
import type { AccessEntry } from '../imxp/vocabulary/access.js';
import { type ActorPattern, matchesActor, parseActor, serviceName } from '../imxp/vocabulary/actor.js';

const EVERYTHING = ['all:all'];

/**
 * The entries considered appended to those of an owner, in their order (access-01 §3). A service as owner has one more
 * before the last, because nobody could use services otherwise (D-CORE-20).
 */
export function implicitEntries(owner: Address): readonly AccessEntry[] {
  const entries = [
    { actor: `imxp=*@${owner.domain}`, actions: EVERYTHING },
    { actor: 'imxp=*@*', actions: ['core:data'] },
    { actor: owner.key, actions: EVERYTHING },
  ];
  if (owner.service) entries.push({ actor: '*@*', actions: ['core:data'] });
  return [...entries, { actor: '*@*', actions: [] }];
}

/** What the owner may do to their own entries, whatever they say. */
const KEPT: readonly (readonly [string, string])[] = [['access', 'all']];

interface Rule {
  readonly pattern: ActorPattern;
  /** Services and operations, in pairs. */
  readonly actions: readonly (readonly [service: string, operation: string])[];
  /** NAME of the first `presence:as-NAME`: the view that is shown. */
  readonly view: string | undefined;
}

/** All that anonymous principals can be granted. */
const FOR_ANONYMOUS: ReadonlySet<string> = new Set(['core:data', 'presence:subscribe']);

const VIEW = /^presence:as-(.+)$/;

/** The grants of one owner, prepared for many questions. */
export class AccessRules {
  readonly #owner: Address;
  /** The first is that of the domain's services. */
  readonly #rules: readonly Rule[];
  /** Of these, the explicit ones that name the owner or programs of the owner. */
  readonly #owned: readonly Rule[];
  readonly #open: boolean;
  /** Whether any entry names a view. */
  readonly views: boolean;

  constructor(owner: Address, explicit: readonly AccessEntry[]) {
    const [services, ...others] = rulesOf(implicitEntries(owner));
    const given = rulesOf(explicit);
    this.#owner = owner;
    this.#rules = [...(services === undefined ? [] : [services]), ...given, ...others];
    this.#owned = given.filter(({ pattern }) => this.#namesOwner(pattern));
    this.#open = this.#isOpen();
    this.views = this.#rules.some(({ view }) => view !== undefined);
  }

  /** Whether an action, `service:operation`, is granted: the first entry that matches decides (access-01 §3). */
  allows(actor: string, action: string): boolean {
    // By the parsed name: quotes in an originator are part of its notation only.
    const name = addressOf(actor);
    const anonymous = name !== undefined && isAnonymousName(name);
    if (this.#open && action === 'core:data' && !anonymous) return true;
    if (anonymous && !FOR_ANONYMOUS.has(action)) return false;
    const rule = this.#deciding(name);
    return rule !== undefined && grants(rule, action);
  }

  /**
   * Returns the view of the owner's presence that an actor is given. Only an entry that names it grants it; `all` does
   * not.
   */
  viewOf(actor: string): string | undefined {
    return this.views ? this.#deciding(addressOf(actor))?.view : undefined;
  }

  #deciding(name: Address | undefined): Rule | undefined {
    if (name === undefined) return undefined;
    // Every endpoint may send to a service; what the service does is decided by other entries.
    if (isAnonymousName(name) && !this.#owner.service) return this.#anonymousRule(name);
    if (this.#isOwner(name)) return this.#ownRule(name);
    return this.#rules.find(({ pattern }) => matchesActor(pattern, name));
  }

  /** D-ACCESS-11: `*@*` does not cover unproven identities. */
  #anonymousRule(name: Address): Rule | undefined {
    return this.#rules.find(({ pattern }) => namesAnonymous(pattern) && matchesActor(pattern, name));
  }

  /** D-ACCESS-05: whoever may attach as the owner may attach as every subaddress, so all of these are the owner. */
  #isOwner({ base }: Address): boolean {
    return base === this.#owner.base;
  }

  #namesOwner({ kind, local, domain, below }: ActorPattern): boolean {
    if (domain !== this.#owner.domain || below) return false;
    if (kind === 'subaddresses') return `${local}@${domain}` === this.#owner.base;
    const name = kind === 'literal' ? addressOf(`${local}@${domain}`) : undefined;
    return name !== undefined && this.#isOwner(name);
  }

  /** D-ACCESS-01. The rule of an explicit entry says everything but that the owner may read and change the entries. */
  #ownRule(name: Address): Rule | undefined {
    const named = this.#owned.find(({ pattern }) => matchesActor(pattern, name));
    if (named !== undefined) return { ...named, actions: [...named.actions, ...KEPT] };
    return ruleOf({ actor: this.#owner.key, actions: EVERYTHING });
  }

  /**
   * True if core:data is granted to everybody in any case. Most owners accept messages from anyone; then no entries are
   * compared for each Data operation.
   */
  #isOpen(): boolean {
    // These count wherever they stand.
    if (!this.#owned.every((rule) => grants(rule, 'core:data'))) return false;
    let [people, services] = [false, false];
    for (const rule of this.#rules) {
      const { kind, local, domain } = rule.pattern;
      const forServices = kind === 'services' || (kind !== 'everybody' && serviceName(local) !== undefined);
      // An earlier entry has already matched everyone that this one matches.
      if (forServices ? services : people) continue;
      if (!grants(rule, 'core:data')) return false;
      if ((kind !== 'services' && kind !== 'everybody') || domain !== undefined) continue;
      if (forServices) services = true;
      else people = true;
    }
    return people && services;
  }
}

function namesAnonymous({ kind, local }: ActorPattern): boolean {
  return kind === 'subaddresses' ? local === ANONYMOUS : kind === 'literal' && isAnonymousName({ local });
}

function rulesOf(entries: readonly AccessEntry[]): Rule[] {
  return entries.map(ruleOf).filter((rule) => rule !== undefined);
}

/** An invalid entry matches no actor; none gets into the store or past the configuration. */
function ruleOf({ actor, actions }: AccessEntry): Rule | undefined {
  const pattern = parseActor(actor);
  if (pattern === undefined) return undefined;
  const view = actions.map((action) => VIEW.exec(action)?.[1]).find((name) => name !== undefined);
  return { pattern, actions: actions.map(pairOf), view };
}

function pairOf(action: string): readonly [string, string] {
  const [service = '', operation = ''] = action.split(':');
  return [service, operation];
}

function grants({ actions }: Rule, action: string): boolean {
  const [service, operation] = pairOf(action);
  return actions.some(
    ([grantedService, grantedOperation]) =>
      (grantedService === 'all' || grantedService === service) &&
      (grantedOperation === 'all' || grantedOperation === operation),
  );
}
