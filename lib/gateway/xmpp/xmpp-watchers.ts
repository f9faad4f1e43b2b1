/**
 * XMPP users who watch users of the mesh. Their subscription lasts; that of the mesh has a duration, and is renewed for
 * them. Who does not permit it in their access entries is asked again for a while, as a person would be in XMPP.
 */
import { addressOfUri, uriOfAddress } from '../../message/uri.js';
import { type CpimResponse, type NotifyOperation, newCpimId, responseTo } from '../cpim-service.js';
import { stanza } from './element.js';
import { type BareJid, type Jid, writeJid } from './jid.js';
import type { XmppLink } from './link.js';
import { FORBIDDEN, NOT_SERVED, publishRefusal } from './messages.js';
import { presenceStanza, type ResourceState, resourcesOf, subscriptionStanza } from './presence-mapping.js';
import { stanzaErrorOf } from './stanza-error.js';
import {
  type PresenceContext,
  reached,
  SubscriptionTable,
  TOO_MANY,
  type XmppPresenceOptions,
  type XmppSubscription,
} from './subscriptions.js';

/** After a failure that passes, as when the relay of the target does not answer. */
const AGAIN_MS = 30_000;
/** Part of a duration after which it is renewed. */
const RENEWED_AFTER = 0.9;
const NOT_PERMITTED = 537;
/** Subscriptions that are renewed at a time after the relay was away: it has others to serve as well. */
const RENEWALS = 16;

interface XmppWatch {
  /** The XMPP user, and the user of the mesh. */
  readonly asker: BareJid;
  readonly asked: BareJid;
  readonly watcher: string;
  readonly target: string;
  readonly since: number;
  subscriptID: string;
  until: number;
  approved: boolean;
  /** What the XMPP user was told last. */
  shown: ReadonlyMap<string, ResourceState>;
  asking: Promise<void> | undefined;
  /** Aborted when it is asked for again, or ended. */
  next: AbortController;
}

export class XmppWatchers {
  readonly #context: PresenceContext;
  readonly #options: XmppPresenceOptions;
  readonly #table: SubscriptionTable<XmppWatch>;
  /** Aborted when all are renewed once more. */
  #renewal = new AbortController();

  constructor(context: PresenceContext, options: XmppPresenceOptions) {
    this.#context = context;
    this.#options = options;
    this.#table = new SubscriptionTable(options, (domain) => context.addresses.isListed(domain));
    for (const stored of context.store.all()) if (stored.side === 'xmpp') this.#restore(stored);
  }

  /** Handles a stanza about a subscription of an XMPP user. */
  async received(type: 'subscribe' | 'unsubscribe' | 'probe', from: Jid, to: Jid, link: XmppLink): Promise<void> {
    const { addresses, now } = this.#context;
    const watch = this.#table.find(from, to);
    if (type === 'unsubscribe') return await this.#unsubscribed(watch, from, to);
    if (watch?.approved) {
      if (type === 'subscribe') this.#say('subscribed', watch);
      return await this.#show(watch, watch.shown, true);
    }
    if (watch !== undefined) return await this.#ask(watch);
    const [watcher, target] = [addresses.userAddress(from), to.domain === link.domain && addresses.meshAddress(to)];
    const room = this.#table.hasRoom(from);
    if (watcher === undefined || !target || !room) {
      const reply = watcher === undefined ? FORBIDDEN : room ? NOT_SERVED : TOO_MANY;
      publishRefusal(link, writeJid(from), 'presence', reply);
      const [own, other] = [writeJid(to), writeJid(from)];
      void this.#context.tell(
        link.domain,
        stanza('presence', { from: own, to: other, type: 'error' }, stanzaErrorOf(reply)),
      );
      return;
    }
    const made = this.#add({
      asker: { local: from.local, domain: from.domain },
      asked: { local: to.local, domain: to.domain },
      watcher: uriOfAddress('pres', watcher),
      target: uriOfAddress('pres', target),
      since: now(),
      subscriptID: newCpimId(),
      until: 0,
      approved: false,
    });
    await this.#ask(made, type);
  }

  /** Passes on the presence of a user of the mesh. */
  notified({ watcher, target, presence, ended }: NotifyOperation): void {
    const { addresses } = this.#context;
    const asker = addresses.userJid(addressOfUri(watcher));
    const address = addressOfUri(target);
    const asked = addresses.meshJid(address);
    const watch = asker && asked && this.#table.find(asker, asked);
    // A last notification of a subscription that was cancelled.
    if (watch === undefined) return;
    if (ended) this.#end(watch);
    else void this.#show(watch, resourcesOf(presence, address), false);
  }

  /** Subscribes again: the relay may have forgotten what it knew. */
  async renew(): Promise<void> {
    this.#renewal.abort();
    const renewal = new AbortController();
    this.#renewal = renewal;
    const watches = [...this.#table].values();
    const some = async (): Promise<void> => {
      for (const watch of watches) {
        if (renewal.signal.aborted || this.#context.leaving.aborted) return;
        if (this.#isThere(watch)) await this.#ask(watch);
      }
    };
    await Promise.all(Array.from({ length: RENEWALS }, some));
  }

  /** Tells those in XMPP what they may have missed. */
  async connected(domain: string): Promise<void> {
    const online = this.#context.linkOf(domain)?.online;
    for (const watch of this.#table) {
      // The next connection begins anew.
      if (online === undefined || online.aborted) return;
      if (watch.asked.domain === domain && this.#isThere(watch)) await this.#show(watch, watch.shown, true);
    }
  }

  /** Nobody of the mesh can be reached from now on. */
  close(): void {
    for (const watch of this.#table) if (watch.shown.size > 0) void this.#show(watch, new Map(), false);
  }

  // ---- one subscription ---------------------------------------------------------------------------------------------

  #restore({ watcher, target, since, subscriptID, until, approved }: XmppSubscription): void {
    const { addresses } = this.#context;
    const asker = addresses.userJid(addressOfUri(watcher));
    const asked = addresses.meshJid(addressOfUri(target));
    // Of a domain that this gateway no longer serves.
    if (asker === undefined || asked === undefined) return;
    this.#add({ asker, asked, watcher, target, since, subscriptID, until, approved });
  }

  #add(facts: Omit<XmppWatch, 'shown' | 'asking' | 'next'>): XmppWatch {
    const watch: XmppWatch = { ...facts, shown: new Map(), asking: undefined, next: new AbortController() };
    this.#table.add(watch);
    return watch;
  }

  /** Subscribes in the mesh; a call during another waits for that. */
  #ask(watch: XmppWatch, type: 'subscribe' | 'probe' = 'subscribe'): Promise<void> {
    watch.next.abort();
    watch.asking ??= this.#subscribe(watch, type).finally(() => {
      watch.asking = undefined;
    });
    return watch.asking;
  }

  async #subscribe(watch: XmppWatch, type: 'subscribe' | 'probe'): Promise<void> {
    const { now } = this.#context;
    const { durationSeconds, retryMs, pendingMs } = this.#options;
    if (watch.until > 0) await this.#request(watch, 0);
    watch.subscriptID = newCpimId();
    const response = await this.#request(watch, durationSeconds);
    // The XMPP user has changed their mind: what was granted meanwhile would stand in the way of another subscription.
    if (!this.#isThere(watch)) {
      if (response.status === 'success') await this.#request(watch, 0);
      return;
    }
    if (response.status === 'success') {
      watch.until = now() + durationSeconds * 1000;
      if (!watch.approved) this.#say('subscribed', watch);
      watch.approved = true;
      this.#context.store.put(stored(watch));
      this.#again(watch, now() + durationSeconds * 1000 * RENEWED_AFTER);
      return;
    }
    watch.until = 0;
    const { code = 450 } = response;
    const hopeless = code >= 500 && (code !== NOT_PERMITTED || watch.approved || type === 'probe');
    if (hopeless || (!watch.approved && now() - watch.since > pendingMs)) return this.#end(watch);
    this.#context.store.put(stored(watch));
    this.#again(watch, now() + (code === NOT_PERMITTED ? retryMs : AGAIN_MS));
  }

  async #request({ watcher, target, subscriptID }: XmppWatch, duration: number): Promise<CpimResponse> {
    const asked = { type: 'subscribe', watcher, target, duration, subscriptID, transID: newCpimId() } as const;
    return await this.#context
      .gateway()
      .subscribe(asked)
      .catch((error: unknown) => responseTo(asked, 'failure', error instanceof Error ? error.message : String(error)));
  }

  #isThere(watch: XmppWatch): boolean {
    return this.#table.find(watch.asker, watch.asked) === watch;
  }

  #again(watch: XmppWatch, at: number): void {
    watch.next = new AbortController();
    void reached(this.#context, at, watch.next.signal).then((now) => (now ? this.#ask(watch) : undefined));
  }

  /** Ends a subscription that the user of the mesh, or their relay, does not permit. */
  #end(watch: XmppWatch): void {
    void this.#show(watch, new Map(), false);
    this.#say('unsubscribed', watch);
    this.#forget(watch);
  }

  async #unsubscribed(watch: XmppWatch | undefined, from: BareJid, to: BareJid): Promise<void> {
    if (watch !== undefined) {
      this.#forget(watch);
      if (watch.until > 0) await this.#request(watch, 0);
    }
    // RFC 6121 §3.3
    await this.#context.tell(to.domain, presenceStanza(to, undefined, from, undefined));
  }

  /** Tells what has changed, or everything. */
  async #show(watch: XmppWatch, resources: ReadonlyMap<string, ResourceState>, whole: boolean): Promise<void> {
    const { asker, asked, shown } = watch;
    watch.shown = resources;
    const told: Promise<void>[] = [];
    const tell = (resource: string | undefined, state: ResourceState | undefined): void => {
      told.push(this.#context.tell(asked.domain, presenceStanza(asked, resource, asker, state)));
    };
    for (const resource of shown.keys()) if (!resources.has(resource)) tell(resource, undefined);
    for (const [resource, state] of resources)
      if (whole || JSON.stringify(state) !== JSON.stringify(shown.get(resource))) tell(resource, state);
    if (whole && resources.size === 0) tell(undefined, undefined);
    await Promise.all(told);
  }

  #say(type: 'subscribed' | 'unsubscribed', { asked, asker }: XmppWatch): void {
    void this.#context.tell(asked.domain, subscriptionStanza(type, asked, asker));
  }

  #forget(watch: XmppWatch): void {
    watch.next.abort();
    if (this.#table.remove(watch)) this.#context.store.remove(stored(watch));
  }
}

function stored({ watcher, target, subscriptID, until, since, approved }: XmppWatch): XmppSubscription {
  return { side: 'xmpp', watcher, target, subscriptID, until, since, approved };
}
