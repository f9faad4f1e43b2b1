/**
 * The rules of access entries (access-01 §3): who is granted what by a list of entries and those that are always
 * appended. Pure; refuses to know where entries are kept.
 */
import { type Address, addressOf } from '../imxp/address.js';
import type { AccessEntry } from '../imxp/vocabulary/access.js';
import { type ActorPattern, matchesActor, parseActor, serviceName } from '../imxp/vocabulary/actor.js';

/**
 * The entries considered appended to those of an owner, in their order (access-01 §3); a service as owner has one more
 * before the last, because services would be of no use to anybody otherwise (D-CORE-20).
 */
export function implicitEntries(owner: Address): readonly AccessEntry[] {
  const entries = [
    { actor: `imxp=*@${owner.domain}`, actions: ['all:all'] },
    { actor: 'imxp=*@*', actions: ['core:data'] },
    { actor: owner.key, actions: ['all:all'] },
  ];
  if (owner.service) entries.push({ actor: '*@*', actions: ['core:data'] });
  return [...entries, { actor: '*@*', actions: [] }];
}

interface Rule {
  readonly pattern: ActorPattern;
  /** Services and operations, in pairs. */
  readonly actions: readonly (readonly [service: string, operation: string])[];
  /** NAME of the first `presence:as-NAME`: which presence is shown. */
  readonly view: string | undefined;
}

const VIEW = /^presence:as-(.+)$/;

/** What one owner grants. Made once for many questions. */
export class AccessRules {
  readonly #rules: readonly Rule[];
  /** Where the entries of an endpoint stand for its subaddress: the endpoint, which with all subaddresses is the owner. */
  readonly #family: string | undefined;
  readonly #implicitOwner: number;
  readonly #open: boolean;
  /** Whether any entry names a view. */
  readonly views: boolean;

  /**
   * @param owner whose entries these are
   * @param inherited whether they are consulted for a subaddress of the owner that has none of its own
   */
  constructor(owner: Address, explicit: readonly AccessEntry[], inherited = false) {
    const entries = [...explicit, ...implicitEntries(owner)];
    this.#rules = entries.map(ruleOf).filter((rule) => rule !== undefined);
    this.#family = inherited ? owner.key : undefined;
    this.#implicitOwner = this.#rules.length - (owner.service ? 3 : 2);
    this.#open = this.#isOpen();
    this.views = this.#rules.some(({ view }) => view !== undefined);
  }

  /** Whether an action, `service:operation`, is granted: the first entry that matches decides (access-01 §3). */
  allows(actor: string, action: string): boolean {
    if (this.#open && action === 'core:data') return true;
    const rule = this.#deciding(actor);
    return rule !== undefined && grants(rule, action);
  }

  /** The view of the owner's presence that an actor is given: only an entry that names it gives it, `all` does not. */
  viewOf(actor: string): string | undefined {
    return this.views ? this.#deciding(actor)?.view : undefined;
  }

  #deciding(actor: string): Rule | undefined {
    const name = addressOf(actor);
    if (name === undefined) return undefined;
    for (const [index, rule] of this.#rules.entries()) {
      if (matchesActor(rule.pattern, name) || (index === this.#implicitOwner && name.base === this.#family))
        return rule;
    }
    return undefined;
  }

  /**
   * True when core:data is granted to everybody whatever comes first: most owners let anybody write, and then there is
   * nothing to compare for each Data.
   */
  #isOpen(): boolean {
    let [people, services] = [false, false];
    for (const rule of this.#rules) {
      const { kind, local, domain } = rule.pattern;
      const forServices = kind === 'services' || (kind !== 'everybody' && serviceName(local) !== undefined);
      // Whoever it matches was matched before.
      if (forServices ? services : people) continue;
      if (!grants(rule, 'core:data')) return false;
      if ((kind !== 'services' && kind !== 'everybody') || domain !== undefined) continue;
      if (forServices) services = true;
      else people = true;
    }
    return people && services;
  }
}

/** An entry that is no entry matches nobody; none gets into the store or past the configuration. */
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
