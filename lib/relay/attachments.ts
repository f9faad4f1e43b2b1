/**
 * Table of attachments: which application is attached as which endpoint. Soft state by normalized address, removed with
 * its channel (core-01 §4.4.1); an endpoint has one attachment at most.
 */
import { type Address, accountOf, addressOf, commonKey } from '../imxp/address.js';
import type { AttachWishes } from '../imxp/attach-options.js';
import type { Application, Claim, PlacementObserver } from './cluster.js';
import type { SharedDelivery } from './policy.js';
import type { DeliveryTarget } from './target.js';
import type { WholeDomainChannels } from './whole-domain-channels.js';

/**
 * What an attachment as `*@domain` stands for (D-CORE-38): the endpoints of the domain that no application is attached
 * as.
 */
export interface WholeDomain {
  readonly domain: string;
  /** Whether it stands for a service of the domain as well. */
  serves(service: Address): boolean;
  /** The channels over which it is attached; absent where they are at another node. */
  readonly channels?: WholeDomainChannels<Attachment>;
}

/** One endpoint attached over one channel, or all those of a domain, which may be attached over several channels of a session. */
export interface Attachment {
  readonly type: 'attach';
  /** Normalized address; of a service that in IMXP. */
  readonly key: string;
  /** Set if it stands for a domain. */
  readonly whole?: WholeDomain;
  /** What its application has said that it wants of what arrives for its account. */
  readonly wishes: AttachWishes;
  /** transID of the attach on its channel. */
  readonly transID: number;
  /** Channel of the application, its channels if it stands for a domain, or the node that has it. */
  readonly application: Application;
  /**
   * Target of Data operations: the application, with fair shares if it stands for a domain; for one endpoint its offline
   * queue, or the node that has it, while there are messages to deliver first.
   */
  target: DeliveryTarget;
  /** That no other node of the domain has the endpoint; absent on a node that is alone. */
  readonly claim?: Claim;
  /** Told when another application takes over (RFC 3342 §1). */
  readonly owner: AttachmentOwner;
}

/**
 * Target of what is delivered to an attachment from an offline queue: the application, but never past the fair shares of
 * one that stands for a domain.
 */
export function receiverOf({ whole, application, target }: Attachment): DeliveryTarget {
  return whole === undefined ? application : target;
}

export interface AttachmentOwner {
  overridden(attachment: Attachment): void;
}

/** Observer of attachments of single endpoints. */
export interface AttachmentWatcher {
  /** @param address normalized */
  attached(address: string): void;
  /** Also called when another attachment of the same endpoint follows immediately. */
  detached(address: string): void;
}

const NONE: readonly Attachment[] = Object.freeze([]);

export class AttachmentTable {
  watcher: AttachmentWatcher | undefined;
  /** Told of the ways to single endpoints; only where other nodes have to know them. */
  placements: PlacementObserver | undefined;
  readonly #byKey = new Map<string, Attachment>();
  /** Those that stand for a domain, by domain. */
  readonly #wholeDomains = new Map<string, Attachment>();
  /** Attached subaddresses by endpoint, the latest last; most endpoints have none. */
  readonly #below = new Map<string, Map<string, Attachment>>();
  /** Place in {@link below} of the program whose turn it is, by endpoint; only for those with several. */
  readonly #turns = new Map<string, number>();
  /** Who receives for an endpoint as which nobody is attached (D-CORE-48), unless its applications are a queue group. */
  deliveryFor: (name: Address) => SharedDelivery = () => 'first';

  /** Looks up an exact address: an attachment as `fred` does not receive for `fred/appl=x`, nor the other way round. */
  of(key: string): Attachment | undefined {
    return this.#byKey.get(key);
  }

  /**
   * Looks up who receives for an endpoint: its own attachment, else that of a subaddress where the policy says so, else that
   * of its whole domain.
   */
  receiving(name: Address): Attachment | undefined {
    const own = this.#byKey.get(name.service ? commonKey(name) : name.key) ?? this.below(name).at(-1);
    if (own !== undefined || this.#wholeDomains.size === 0) return own;
    const whole = this.#wholeDomains.get(name.domain);
    return name.service && whole?.whole?.serves(name) === false ? undefined : whole;
  }

  /** Returns the attachments as subaddresses that receive for an endpoint as which nobody is attached, the latest last. */
  below(name: Address): readonly Attachment[] {
    if (this.#below.size === 0 || name.key !== name.base) return NONE;
    const all = this.#below.get(name.base);
    if (all === undefined) return NONE;
    const group = [...all.values()].filter(({ wishes }) => wishes.queueGroup === true);
    if (group.length > 0) return group;
    if (this.deliveryFor(name) === 'first') return NONE;
    return [...all.values()].filter(({ wishes }) => wishes.sendOnly !== true);
  }

  /** How the attachments of {@link below} share what arrives; a queue group of applications (D-CORE-50) counts first. */
  sharing(name: Address): SharedDelivery {
    return this.below(name)[0]?.wishes.queueGroup === true ? 'one' : this.deliveryFor(name);
  }

  /** Returns the same attachments as {@link below}, beginning with the one after that of the last call. */
  inTurn(name: Address): readonly Attachment[] {
    const all = this.below(name);
    if (all.length < 2) return all;
    const first = (this.#turns.get(name.base) ?? 0) % all.length;
    this.#turns.set(name.base, first + 1);
    return [...all.slice(first), ...all.slice(0, first)];
  }

  /** @returns false if the endpoint is attached already; nothing is recorded then */
  add(attachment: Attachment): boolean {
    if (this.#byKey.has(attachment.key)) return false;
    this.replace(attachment);
    if (isSeen(attachment)) this.watcher?.attached(attachment.key);
    return true;
  }

  /** Returns the number of attachments as an endpoint (without subaddress) and its subaddresses. */
  countOf(base: string): number {
    return (this.#byKey.has(base) ? 1 : 0) + (this.#below.get(base)?.size ?? 0);
  }

  /**
   * Tells other nodes the way to an endpoint, whenever the target of its attachment has changed. A service has two names, and
   * a domain many, each with messages of its own that may have to go first: there is no one way to them.
   */
  settled({ key, transID, whole, target, application }: Attachment): void {
    if (this.placements === undefined || whole !== undefined || addressOf(key)?.service !== false) return;
    this.placements.placed(key, target === application ? application : undefined, transID);
  }

  /** Replaces the attachment of the same endpoint. The watcher is not told, because the endpoint stays attached. */
  replace(attachment: Attachment): void {
    this.#byKey.set(attachment.key, attachment);
    const base = accountOf(attachment.key);
    if (base !== attachment.key) {
      const below = this.#below.get(base) ?? new Map<string, Attachment>();
      // Deleted first, so that the latest is the last.
      below.delete(attachment.key);
      this.#below.set(base, below.set(attachment.key, attachment));
    }
    if (attachment.whole !== undefined) this.#wholeDomains.set(attachment.whole.domain, attachment);
  }

  remove(attachment: Attachment): void {
    if (this.#byKey.get(attachment.key) !== attachment) return;
    this.#byKey.delete(attachment.key);
    const below = this.#below.get(accountOf(attachment.key));
    if (below?.delete(attachment.key) === true && below.size === 0) {
      this.#below.delete(accountOf(attachment.key));
      this.#turns.delete(accountOf(attachment.key));
    }
    if (attachment.whole !== undefined) this.#wholeDomains.delete(attachment.whole.domain);
    else {
      this.placements?.placed(attachment.key, undefined, attachment.transID);
      if (isSeen(attachment)) this.watcher?.detached(attachment.key);
    }
  }

  get size(): number {
    return this.#byKey.size;
  }

  keys(): IterableIterator<string> {
    return this.#byKey.keys();
  }

  /** Returns the attached endpoints by the session over which they are attached. */
  bySession(): ReadonlyMap<string, readonly string[]> {
    const found = new Map<string, string[]>();
    for (const { key, application } of this.#byKey.values()) {
      const { session } = application;
      // Those of other processes of the node are not sessions here.
      if (session === undefined) continue;
      const known = found.get(session);
      if (known === undefined) found.set(session, [key]);
      else known.push(key);
    }
    return found;
  }
}

/** Whether presence follows the attachment. */
function isSeen({ whole, wishes }: Attachment): boolean {
  return whole === undefined && wishes.sendOnly !== true;
}
