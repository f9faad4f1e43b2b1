/**
 * Cache of access rules: answers at once whether an actor may do something to an owner, and is right at every moment.
 * The rules of the owners that are asked about most are kept, and rebuilt when the store says that entries have
 * changed, whichever process changed them.
 */
import { parseAddress } from '../imxp/address.js';
import { events } from '../ops/events.js';
import type { AccessPolicy } from '../relay/target.js';
import type { AccessEntries } from '../store/access.js';
import { AccessRules } from './access-rules.js';
import type { Views } from './presence/views.js';

/** Number of owners whose rules are kept; with the default entries one takes about 1 KiB. */
const KEPT = 65_536;

interface Ready {
  rules: AccessRules;
  revision: number;
}

export class AccessCache implements AccessPolicy, Views {
  readonly #entries: AccessEntries;
  readonly #ready = new Map<string, Ready>();

  constructor(entries: AccessEntries) {
    this.#entries = entries;
  }

  /** @returns a rejected promise if the store fails; never a pending one */
  allowed(owner: string, actor: string, action: string): boolean | Promise<boolean> {
    try {
      return this.#rulesOf(owner).allows(actor, action);
    } catch (error) {
      events.fault.publish({ session: 'access', error });
      return Promise.reject(error);
    }
  }

  /** See {@link Views.any}. If the store fails, true: the look-up of the view then reports the failure. */
  any(owner: string): boolean {
    try {
      return this.#rulesOf(owner).views;
    } catch (error) {
      events.fault.publish({ session: 'access', error });
      return true;
    }
  }

  /**
   * See {@link Views.viewOf}.
   *
   * @throws LocalError STORE_FAILED
   */
  viewOf(owner: string, actor: string): string | undefined {
    return this.#rulesOf(owner).viewOf(actor);
  }

  #rulesOf(owner: string): AccessRules {
    // Read before the entries: a change in between is found the next time.
    const { revision } = this.#entries;
    const ready = this.#ready.get(owner);
    if (ready?.revision === revision) return ready.rules;
    const rules = this.#made(owner);
    if (ready === undefined) this.#keep(owner, { rules, revision });
    else {
      ready.rules = rules;
      ready.revision = revision;
    }
    return rules;
  }

  #made(owner: string): AccessRules {
    const name = parseAddress(owner);
    const { entries, inherited } = this.#entries.of(name);
    return new AccessRules(inherited ? parseAddress(name.base) : name, entries);
  }

  #keep(owner: string, ready: Ready): void {
    if (this.#ready.size >= KEPT) {
      for (const oldest of this.#ready.keys()) {
        this.#ready.delete(oldest);
        break;
      }
    }
    this.#ready.set(owner, ready);
  }
}
