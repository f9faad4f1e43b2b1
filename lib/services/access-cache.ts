/**
 * The answers to "may this actor do that to this owner", at once and right at every moment: the rules of the owners asked
 * for most are kept ready, and made anew when the store says that entries have changed, whichever process changed them.
 */
import { parseAddress } from '../imxp/address.js';
import { events } from '../ops/events.js';
import type { AccessPolicy } from '../relay/target.js';
import type { AccessEntries } from '../store/access.js';
import { AccessRules } from './access-rules.js';
import type { Views } from './presence/views.js';

/** Owners whose rules are kept ready; with the default entries one takes about 1 KiB. */
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

  /** @returns a rejected promise when the store fails; never a pending one */
  allowed(owner: string, actor: string, action: string): boolean | Promise<boolean> {
    try {
      return this.#rulesOf(owner).allows(actor, action);
    } catch (error) {
      events.fault.publish({ session: 'access', error });
      return Promise.reject(error);
    }
  }

  /** See {@link Views.any}. When the store fails, true: whoever asks who sees what then is told of the failure. */
  any(owner: string): boolean {
    try {
      return this.#rulesOf(owner).views;
    } catch (error) {
      events.fault.publish({ session: 'access', error });
      return true;
    }
  }

  /** See {@link Views.viewOf}. @throws LocalError STORE_FAILED */
  viewOf(owner: string, actor: string): string | undefined {
    return this.#rulesOf(owner).viewOf(actor);
  }

  #rulesOf(owner: string): AccessRules {
    // Read before the entries: what changes in between is found the next time.
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
    return new AccessRules(inherited ? parseAddress(name.base) : name, entries, inherited);
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
