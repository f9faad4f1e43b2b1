/**
 * Users of the mesh who watch XMPP users. A subscription of the mesh has a duration and ends; that of XMPP lasts and asks
 * a person, so that it is kept for a while after the other has run out.
 */
import type { Reply } from '../../errors.js';
import { accountOf, addressOf } from '../../imxp/address.js';
import { addressOfUri } from '../../message/uri.js';
import {
  type CpimResponse,
  type NotifyOperation,
  newCpimId,
  responseTo,
  type SubscribeOperation,
} from '../cpim-service.js';
import type { XmppElement } from './element.js';
import { type BareJid, type Jid, writeJid } from './jid.js';
import { failed, NO_COMPONENT, NO_USER, OFFLINE } from './messages.js';
import {
  presenceOfResources,
  RESOURCES,
  type ResourceState,
  resourceStateOf,
  subscriptionStanza,
} from './presence-mapping.js';
import { replyOfStanzaError } from './stanza-error.js';
import {
  type PresenceContext,
  reached,
  SubscriptionTable,
  TOO_MANY,
  type XmppPresenceOptions,
  type XmppSubscription,
} from './subscriptions.js';

/** After an end that the subscriber wanted: a subscription that replaces this one follows at once. */
const REPLACED_MS = 3000;
/** Instead of the end of a duration: the subscriber has ended it, or has asked only once. */
const CANCELLED = 0;
/** Presence follows an approval at once. */
const PRESENCE_MS = 1000;
/** Changes this close to each other are one notification. */
const GATHER_MS = 50;

const REFUSED: Reply = { code: 537, text: 'the XMPP user does not permit it' };
const NO_ANSWER: Reply = { code: 450, text: 'the XMPP server did not answer; try again later' };

const otherName = (name: string): Reply => ({
  code: 553,
  text: `the mesh knows this XMPP user as ${name}; subscribe to that`,
});

interface MeshWatch {
  /** The user of the mesh, and the XMPP user. */
  readonly asker: BareJid;
  readonly asked: BareJid;
  readonly watcher: string;
  readonly target: string;
  readonly since: number;
  subscriptID: string;
  until: number;
  approved: boolean;
  readonly resources: Map<string, ResourceState>;
  /** Aborted when the XMPP side has answered. */
  waiting: AbortController | undefined;
  /** What it has answered, when it has refused. */
  refusal: Reply | undefined;
  /** Whether the XMPP side has said anything about it since it was last asked by {@link MeshWatchers.connected}. */
  heard: boolean;
  /** Aborted when another end was set. */
  ends: AbortController;
  gathering: boolean;
}

export class MeshWatchers {
  readonly #context: PresenceContext;
  readonly #options: XmppPresenceOptions;
  readonly #table: SubscriptionTable<MeshWatch>;

  constructor(context: PresenceContext, options: XmppPresenceOptions) {
    this.#context = context;
    this.#options = options;
    // The subaddresses of a user share what is theirs.
    const account = (asker: BareJid): string => accountOf(context.addresses.meshAddress(asker) ?? writeJid(asker));
    this.#table = new SubscriptionTable(options, (domain) => context.addresses.isListed(domain), account);
    for (const stored of context.store.all()) if (stored.side === 'mesh') this.#restore(stored);
  }

  async subscribe(operation: SubscribeOperation): Promise<CpimResponse> {
    const { addresses, linkOf, now } = this.#context;
    const { watcher, target, duration, subscriptID } = operation;
    const asker = addresses.meshJid(addressOfUri(watcher));
    const asked = addresses.userJid(addressOfUri(target));
    if (asker === undefined) return failed(operation, NO_COMPONENT);
    if (asked === undefined) return failed(operation, NO_USER);
    // One XMPP user has one watch, which tells of them by one name.
    const name = addresses.userAddress(asked);
    if (name !== undefined && name !== addressOf(addressOfUri(target))?.key) return failed(operation, otherName(name));
    const known = this.#table.find(asker, asked);
    if (known !== undefined && duration === 0 && known.subscriptID === subscriptID) {
      known.until = CANCELLED;
      this.#put(known);
      return responseTo(operation, 'success', undefined, 0);
    }
    const link = linkOf(asker.domain);
    if (link?.online === undefined) return failed(operation, OFFLINE);
    if (known === undefined && !this.#table.hasRoom(asker)) return failed(operation, TOO_MANY);
    const watch =
      known ?? this.#add({ asker, asked, watcher, target, since: now(), subscriptID, until: CANCELLED }, false);
    if (duration > 0) {
      watch.subscriptID = subscriptID;
      watch.until = now() + duration * 1000;
    }
    const answered = await this.#ask(watch, watch.approved || duration === 0 ? 'probe' : 'subscribe');
    // The server may have forgotten the approval, as in `connected`.
    if (!answered && watch.approved && duration > 0) void this.#send(watch, 'subscribe');
    const { refusal } = watch;
    if (refusal !== undefined || (!answered && duration === 0)) {
      if (refusal !== undefined || known === undefined) this.#forget(watch);
      return failed(operation, refusal ?? NO_ANSWER);
    }
    if (duration > 0) this.#put(watch);
    else if (known === undefined && watch.until === CANCELLED) this.#forget(watch);
    setImmediate(() => this.#notify(watch));
    return responseTo(operation, 'success', undefined, duration);
  }

  /** Handles what an XMPP user, or their server, says to a user of the mesh. */
  received(presence: XmppElement, from: Jid, to: Jid): void {
    const watch = this.#table.find(to, from);
    // Presence that nobody here has asked for.
    if (watch === undefined) return;
    watch.heard = true;
    const { resource } = from;
    switch (presence.attributes['type']) {
      case undefined:
        if (watch.resources.size >= RESOURCES && !watch.resources.has(resource ?? '')) return;
        watch.resources.set(resource ?? '', resourceStateOf(presence));
        break;
      case 'unavailable':
        if (resource === undefined) watch.resources.clear();
        else watch.resources.delete(resource);
        break;
      case 'subscribed':
        this.#approve(watch);
        return;
      case 'unsubscribed':
        this.#refuse(watch, REFUSED);
        return;
      default:
        if (!watch.approved) {
          this.#refuse(watch, replyOfStanzaError(presence));
          return;
        }
        watch.resources.clear();
    }
    watch.waiting?.abort();
    void this.#changed(watch);
  }

  /**
   * Asks for everything again that may have changed while there was no connection. A server that was killed may have
   * forgotten the approval of its user, and some servers do not answer a probe then (RFC 6121 §4.3.2 has them answer
   * `unsubscribed`): where none is answered, the approval is asked for again, which a server that knows of it confirms by
   * itself (RFC 6121 §3.1.3).
   */
  async connected(domain: string): Promise<void> {
    const online = this.#context.linkOf(domain)?.online;
    if (online === undefined) return;
    const asked: MeshWatch[] = [];
    for (const watch of this.#table) {
      if (watch.asker.domain !== domain || !this.#isThere(watch)) continue;
      // The next connection begins anew.
      if (online.aborted) return;
      const over = watch.until <= this.#context.now();
      this.#endAt(watch);
      if (over) continue;
      watch.heard = false;
      await this.#send(watch, watch.approved ? 'probe' : 'subscribe');
      asked.push(watch);
    }
    await this.#context.wait(this.#options.answerTimeoutMs, AbortSignal.any([online, this.#context.leaving]));
    for (const watch of asked) {
      if (online.aborted || this.#context.leaving.aborted) return;
      if (this.#isThere(watch) && watch.approved && !watch.heard) await this.#send(watch, 'subscribe');
    }
  }

  /** Nothing is known of those in XMPP from now on. */
  disconnected(domain: string): void {
    for (const watch of this.#table) {
      if (watch.asker.domain !== domain || watch.resources.size === 0) continue;
      watch.resources.clear();
      this.#notify(watch);
    }
  }

  // ---- one subscription ---------------------------------------------------------------------------------------------

  #restore({ watcher, target, since, subscriptID, until, approved }: XmppSubscription): void {
    const { addresses } = this.#context;
    const asker = addresses.meshJid(addressOfUri(watcher));
    const asked = addresses.userJid(addressOfUri(target));
    // Of a domain that this gateway no longer serves.
    if (asker === undefined || asked === undefined) return;
    this.#add({ asker, asked, watcher, target, since, subscriptID, until }, approved);
  }

  #add(
    facts: Pick<MeshWatch, 'asker' | 'asked' | 'watcher' | 'target' | 'since' | 'subscriptID' | 'until'>,
    approved: boolean,
  ): MeshWatch {
    const watch: MeshWatch = {
      ...facts,
      approved,
      resources: new Map(),
      waiting: undefined,
      refusal: undefined,
      heard: false,
      ends: new AbortController(),
      gathering: false,
    };
    this.#table.add(watch);
    return watch;
  }

  /** Asks, and waits for an answer. @returns whether one came */
  async #ask(watch: MeshWatch, type: 'probe' | 'subscribe'): Promise<boolean> {
    const waiting = new AbortController();
    watch.waiting = waiting;
    watch.refusal = undefined;
    void this.#send(watch, type);
    await this.#context.wait(this.#options.answerTimeoutMs, AbortSignal.any([waiting.signal, this.#context.leaving]));
    if (watch.waiting === waiting) watch.waiting = undefined;
    return waiting.signal.aborted;
  }

  #approve(watch: MeshWatch): void {
    const { waiting } = watch;
    watch.approved = true;
    if (waiting === undefined) this.#put(watch);
    else void this.#context.wait(PRESENCE_MS, waiting.signal).then(() => waiting.abort());
  }

  #refuse(watch: MeshWatch, reply: Reply): void {
    watch.approved = false;
    if (watch.waiting !== undefined) {
      watch.refusal = reply;
      watch.waiting.abort();
      return;
    }
    watch.resources.clear();
    this.#notify(watch, { ended: true });
    this.#forget(watch);
  }

  /** Ends the XMPP subscription when that of the mesh is over and the time to keep it has passed. */
  #endAt(watch: MeshWatch): void {
    const cancelled = watch.until === CANCELLED;
    const at = cancelled ? this.#context.now() + REPLACED_MS : watch.until + this.#options.keepMs;
    watch.ends.abort();
    watch.ends = new AbortController();
    void reached(this.#context, at, watch.ends.signal).then((over) => {
      // Without a connection it is ended when there is one.
      if (!over || this.#context.linkOf(watch.asker.domain)?.online === undefined) return;
      void this.#send(watch, 'unsubscribe');
      this.#forget(watch);
    });
  }

  async #changed(watch: MeshWatch): Promise<void> {
    if (watch.gathering) return;
    watch.gathering = true;
    await this.#context.wait(GATHER_MS, this.#context.leaving);
    watch.gathering = false;
    this.#notify(watch);
  }

  #notify(watch: MeshWatch, ended: { readonly ended?: true } = {}): void {
    const { watcher, target, asked, resources } = watch;
    const presence = presenceOfResources(addressOfUri(target), asked, resources);
    const operation: NotifyOperation = { type: 'notify', watcher, target, transID: newCpimId(), presence, ...ended };
    this.#context.gateway().notify(operation);
  }

  #isThere(watch: MeshWatch): boolean {
    return this.#table.find(watch.asker, watch.asked) === watch;
  }

  #send(watch: MeshWatch, type: 'probe' | 'subscribe' | 'unsubscribe'): Promise<void> {
    return this.#context.tell(watch.asker.domain, subscriptionStanza(type, watch.asker, watch.asked));
  }

  #put(watch: MeshWatch): void {
    this.#endAt(watch);
    this.#context.store.put(stored(watch));
  }

  #forget(watch: MeshWatch): void {
    watch.ends.abort();
    if (this.#table.remove(watch)) this.#context.store.remove(stored(watch));
  }
}

function stored({ watcher, target, subscriptID, until, since, approved }: MeshWatch): XmppSubscription {
  return { side: 'mesh', watcher, target, subscriptID, until, since, approved };
}
