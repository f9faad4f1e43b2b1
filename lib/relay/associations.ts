/**
 * Attachments and bindings of one channel: what its peer is attached as and bound for, under which transIDs, and for
 * whom it may therefore send (core-01 §4.4.1 to §4.4.3, §4.4.4.1 step 1). Checks the steps in the order of the draft.
 */
import { ImxpError, type Reply } from '../errors.js';
import { type Address, accountOf, addressOf, commonKey, EVERYBODY } from '../imxp/address.js';
import { isAnonymous, isAnonymousName } from '../imxp/anonymous.js';
import { wishesOf } from '../imxp/attach-options.js';
import { accountsOf } from '../imxp/identity.js';
import type { Attach, Bind, Option, Terminate } from '../imxp/operation.js';
import { REPLIES } from './answer.js';
import type { Attachment, AttachmentOwner } from './attachments.js';
import type { Binding } from './bindings.js';
import type { MeshChannel } from './channel.js';
import type { ChannelTarget } from './channel-target.js';
import { type Claim, isClusterPeer } from './cluster.js';
import type { Context } from './context.js';
import { ATTACH_OVERRIDE } from './delivery-options.js';
import { began, ended, fault } from './events.js';
import { examineOptions, type OptionRegistry } from './options.js';
import type { Denial } from './policy.js';
import type { SessionAssociations } from './session-associations.js';
import { SharedTarget } from './shared-target.js';
import { SmallMap } from './small-map.js';
import { WholeDomainChannels } from './whole-domain-channels.js';

/** Number of originators remembered as permitted. A trusted relay may send for any number of them. */
const PERMITTED = 1024;

/** Attached already (core-01 §4.4.1 step 5), with what can be done about it. */
const ATTACHED_AS =
  'an application is already attached as this endpoint: attach as a subaddress such as name/laptop@domain, or end it';
const TRANSID_IN_USE = denied({ code: 555, text: 'transID is in use on this channel' });
const TRANSID_UNKNOWN = denied({ code: 550, text: 'no attach or bind with this transID on this channel' });
const NOT_INITIATOR = denied({ code: 550, text: 'only the initiator of the session may attach' });
const ENDPOINT_INVALID = denied({ code: 553, text: 'the endpoint is not of the form local@domain' });
const ALREADY_ATTACHED = denied({ code: 554, text: ATTACHED_AS });
const BUILT_IN: Reply = {
  code: 554,
  text: 'this relay provides that service itself: policy.services hands it to an application',
};
const TOO_MANY = denied({
  code: 554,
  text: 'too many attachments and bindings on this channel: end some, or open another',
});
const ATTACHED_ENOUGH: Reply = {
  code: 554,
  text: 'the limit of applications attached for this account is reached: end one of them',
};
const ANONYMOUS_ONCE = denied({ code: 554, text: 'an anonymous peer attaches once: open another session' });
const SERVED_HERE = denied({ code: 537, text: 'this relay serves that domain itself' });
const NOT_LOCATED: Reply = { code: 537, text: 'your address is not that of a relay of this domain' };
const ORIGINATOR_INVALID = denied({ code: 537, text: 'the originator is not of the form local@domain' });

/** The result of an attach or a bind. */
export type Association = Attachment | Binding;

export class Associations {
  readonly #channel: MeshChannel;
  readonly #apexNames: boolean;
  readonly #target: ChannelTarget;
  readonly #owner: AttachmentOwner;
  readonly #context: Context;
  /** The peer's attachments and bindings, by its transID. */
  readonly #theirs = new SmallMap<number, Association>();
  /** Associations that this side asked for, by our transID, with the function to call when the peer ends one. */
  #ours: Map<number, () => void> | undefined;
  #bound: Set<string> | undefined;
  /** Shared with the other channels of the session. */
  readonly #session: SessionAssociations;
  /** Whether the peer is another node of the domains served here. */
  readonly clusterPeer: boolean;
  /** Originators, as written, that were permitted since the session's associations last changed. */
  #permitted: Set<string> | undefined;
  #version = 0;

  /**
   * @param apexNames whether the peer may use names that IMXP does not have
   * @param owner told when another application takes over an attachment
   */
  constructor(
    channel: MeshChannel,
    apexNames: boolean,
    target: ChannelTarget,
    owner: AttachmentOwner,
    context: Context,
  ) {
    this.#channel = channel;
    this.#apexNames = apexNames;
    this.#target = target;
    this.#owner = owner;
    this.#context = context;
    this.#session = context.sessionAssociations.enter(channel.session, this);
    this.clusterPeer = isClusterPeer(channel.identity);
  }

  /** Ends everything that the peer had over this channel, which has gone. */
  close(): void {
    this.terminateTheirs();
    this.#context.sessionAssociations.leave(this.#channel.session, this);
  }

  /** Whether the peer forwards Data operations of others: it is a relay, or has bound as one. */
  get relaying(): boolean {
    return this.#channel.identity.kind === 'relay' || this.#bound !== undefined;
  }

  /** Whether the peer is another relay of a domain served here; there are none unless the configuration says so. */
  get sibling(): boolean {
    if (this.clusterPeer) return true;
    const { identity } = this.#channel;
    const { siblings = [] } = this.#context.dialer;
    return (
      siblings.length > 0 &&
      identity.kind === 'relay' &&
      identity.domains.some((own) => this.#context.domains.has(own.toLowerCase()))
    );
  }

  /** Whether the peer is a relay of a domain (in lower case). */
  serves(domain: string): boolean {
    const { identity } = this.#channel;
    if (this.#bound?.has(domain) === true) return true;
    return identity.kind === 'relay' && identity.domains.some((own) => own.toLowerCase() === domain);
  }

  /**
   * Processes an attach: the steps of core-01 §4.4.1 in their order.
   *
   * @returns a promise only if other nodes of the domain have to agree
   */
  attach(attach: Attach): Denial | undefined | Promise<Denial | undefined> {
    if (this.clusterPeer) return this.#attachForNode(attach);
    const name = this.#examined(attach);
    if ('reply' in name) return name;
    const { attachments, cluster, understood } = this.#context;
    const { transID, options } = attach;
    // Whom an anonymous peer wrote to knows its name, and must not take it over.
    const override = !isAnonymous(this.#channel.identity) && options.some((option) => overrides(option, understood));
    const present = attachments.of(commonKey(name));
    if (!override && present !== undefined) return this.#join(present, transID);
    const attachment = this.#attachmentOf(name, transID, options);
    if (cluster?.claim !== undefined) return this.#claimed(attachment, override);
    this.#occupy(attachment);
    return undefined;
  }

  /** @returns the endpoint, or why the peer may not attach as it */
  #examined({ endpoint, transID, options }: Attach): Address | Denial {
    const { domains, policy, limits, understood, draining } = this.#context;
    const { identity, privacy, initiator } = this.#channel;
    if (draining) return denied(REPLIES.shuttingDown);
    // core-01 §2.1: the endpoint is the BEEP initiator, without exception.
    if (initiator) return NOT_INITIATOR;
    if (this.#theirs.has(transID)) return TRANSID_IN_USE;
    const name = this.#named(endpoint);
    if (name === undefined) return ENDPOINT_INVALID;
    if (!domains.has(name.domain)) return denied({ code: 553, text: `this relay does not serve ${name.domain}` });
    const denial = policy.mayAttach(identity, privacy, name);
    if (denial !== undefined) return denial;
    // Nothing would ever arrive.
    if (this.#context.builtIn(name) !== undefined) {
      return denied(BUILT_IN, `policy.services hands ${commonKey(name)} to no application`);
    }
    const unknown = examineOptions(options, 'attach', true, understood);
    if (unknown !== undefined) return denied(unknown);
    if (this.#theirs.size >= limits.attachmentsPerSession) return TOO_MANY;
    // Otherwise the limits on anonymous sessions would limit nothing.
    if (isAnonymous(identity) && this.#session.hasAttached) return ANONYMOUS_ONCE;
    return this.#barred(name) ?? name;
  }

  /** Takes one more channel for an application of this session that stands for a whole domain (D-CORE-38). */
  #join(present: Attachment, transID: number): Denial | undefined {
    const channels = present.whole?.channels;
    if (channels?.session !== this.#session.id) return ALREADY_ATTACHED;
    const joined: Attachment = { ...present, transID, owner: this.#owner };
    channels.add(this.#target, joined);
    this.#theirs.set(transID, joined);
    return undefined;
  }

  /** Attaches where no other node has the endpoint. */
  async #claimed(attachment: Attachment, override: boolean): Promise<Denial | undefined> {
    const { key, wishes } = attachment;
    const made: { attachment?: Attachment } = {};
    const claim = await this.#context.cluster?.claim?.(key, { override, ...wishes }, () => {
      if (made.attachment !== undefined) this.#lost(made.attachment);
    });
    if (claim === undefined || 'code' in claim) return denied(claim ?? REPLIES.internal);
    // The channel may have been closed in the meantime.
    const obstacle = this.#obstacle(claim);
    if (obstacle !== undefined) {
      claim.release();
      return denied(obstacle);
    }
    const claimed: Attachment = { ...attachment, claim };
    made.attachment = claimed;
    this.#occupy(claimed);
    // Those of a whole domain have no one way; see View.attached.
    if (claimed.whole === undefined) {
      claim.routed((way) => {
        claimed.target = way ?? claimed.application;
      });
    }
    return undefined;
  }

  /** @returns why a claim that was granted cannot be used */
  #obstacle({ live }: Claim): Reply | undefined {
    if (this.#context.draining) return REPLIES.shuttingDown;
    if (!this.#channel.open) return REPLIES.endpointUnsent;
    return live ? undefined : ALREADY_ATTACHED.reply;
  }

  /** Another node has the endpoint now: what the application has not begun to read goes there. */
  #lost(attachment: Attachment): void {
    const { attachments, cluster } = this.#context;
    if (attachments.of(attachment.key)?.claim !== attachment.claim) return;
    endAll(attachment);
    const successor = cluster?.successor();
    if (successor === undefined) return;
    attachment.application.yield((recipient) => commonKey(recipient) === attachment.key, successor);
  }

  /** Another node of the domain has an application for an endpoint, and has examined what it may. */
  #attachForNode({ endpoint, transID, options }: Attach): Denial | undefined {
    const { attachments, cluster, draining } = this.#context;
    if (draining) return denied(REPLIES.shuttingDown);
    if (this.#theirs.has(transID)) return TRANSID_IN_USE;
    const name = addressOf(endpoint);
    const application = cluster?.applicationsOf(this.#channel.identity);
    if (name === undefined || application === undefined) return ENDPOINT_INVALID;
    const key = commonKey(name);
    const enough = isAnonymousName(name) ? undefined : this.#enough(name);
    if (enough !== undefined) return enough;
    const override = options.some(({ internal }) => internal === ATTACH_OVERRIDE);
    const again = attachments.of(key)?.application === application && cluster?.reclaims?.(this.#channel.identity);
    if (!override && again !== true && attachments.of(key) !== undefined) return ALREADY_ATTACHED;
    // The other node knows which services an application for a whole domain serves.
    const whole = name.local === EVERYBODY ? { whole: { domain: name.domain, serves: () => true } } : {};
    const [owner, wishes] = [this.#owner, wishesOf(options)];
    this.#occupy({ type: 'attach', key, transID, application, target: application, owner, wishes, ...whole });
    return undefined;
  }

  #occupy(attachment: Attachment): void {
    const { attachments, offline } = this.#context;
    const { key, application, whole } = attachment;
    whole?.channels?.add(this.#target, attachment);
    const earlier = attachments.of(key);
    if (earlier === undefined) attachments.add(attachment);
    else {
      // D-OPT-07: the new attachment takes effect first; then the old one is ended.
      attachments.replace(attachment);
      offline?.detached(earlier);
      endAll(earlier);
    }
    this.#record(attachment);
    offline?.attached(attachment);
    attachments.settled(attachment);
    earlier?.application.yield((recipient) => attachments.receiving(recipient) === attachment, application);
  }

  #attachmentOf(name: Address, transID: number, options: readonly Option[]): Attachment {
    const [key, application, owner] = [commonKey(name), this.#target, this.#owner];
    const wishes = name.local === EVERYBODY ? {} : wishesOf(options);
    const attachment: Attachment = { type: 'attach', key, transID, application, target: application, owner, wishes };
    if (name.local !== EVERYBODY) return attachment;
    const { identity, privacy } = this.#channel;
    const serves = (service: Address): boolean =>
      this.#context.policy.mayAttach(identity, privacy, service) === undefined;
    const { limits, time: clock } = this.#context;
    const channels = new WholeDomainChannels<Attachment>(this.#session.id, { shares: limits, clock });
    const target = new SharedTarget(channels, limits);
    return { ...attachment, application: channels, target, whole: { domain: name.domain, serves, channels } };
  }

  /**
   * Processes a bind (core-01 §4.4.2). D-CORE-12: authorization (step 3) comes before the DNS check (step 2), so that
   * unauthenticated peers cannot make this relay send queries; both refuse with 537.
   *
   * @returns a promise only if the DNS has to be queried
   */
  bind(bind: Bind): Denial | undefined | Promise<Denial | undefined> {
    const { domains, policy, bindCheck, draining } = this.#context;
    const { identity, privacy } = this.#channel;
    const domain = bind.relay.toLowerCase();
    if (draining) return denied(REPLIES.shuttingDown);
    // Where the domain's own nodes are is known without it.
    if (this.clusterPeer) return undefined;
    if (this.#theirs.has(bind.transID)) return TRANSID_IN_USE;
    const denial = policy.mayBind(identity, privacy, domain) ?? this.#suspended(accountsOf(identity));
    if (denial !== undefined) return denial;
    if (domains.has(domain) && !this.sibling) return SERVED_HERE;
    // The records of a domain served here name this relay and its siblings, so a comparison would prove nothing.
    const located = domains.has(domain) || bindCheck(domain, this.#channel);
    if (!(located instanceof Promise)) return this.#bindLocated(bind, domain, located);
    return located.then(
      (found) => this.#bindLocated(bind, domain, found),
      (error: unknown) => {
        if (error instanceof ImxpError) return denied(REPLIES.domainLookupFailed, error.message);
        fault(this.#channel.id, error);
        return denied(REPLIES.domainLookupFailed);
      },
    );
  }

  #bindLocated({ transID, options }: Bind, domain: string, located: boolean): Denial | undefined {
    const { limits, understood, bindings, draining } = this.#context;
    if (draining) return denied(REPLIES.shuttingDown);
    if (!located) return denied(NOT_LOCATED, `${this.#channel.remote.address} is no relay of ${domain} by its SRV`);
    const unknown = examineOptions(options, 'bind', true, understood);
    if (unknown !== undefined) return denied(unknown);
    if (this.#theirs.size >= limits.attachmentsPerSession) return TOO_MANY;
    // The channel may have been closed during the DNS query.
    if (!this.#channel.open) return denied(REPLIES.relayLost);
    const binding = { type: 'bind', domain, transID, target: this.#target } as const;
    bindings.add(binding);
    this.#context.cluster?.bound(domain, true);
    this.#record(binding);
    return undefined;
  }

  #named(identity: string): Address | undefined {
    const name = addressOf(identity);
    return name?.apexOnly === true && !this.#apexNames ? undefined : name;
  }

  /**
   * Ends an association by transID. D-CORE-16: looks first among those that the sender initiated, then among ours
   * (core-01 §4.4.3).
   */
  terminate({ transID }: Terminate): Denial | undefined {
    // RFC 3340 §4.4.3 step 1: 0 ends all associations of the session.
    if (transID === 0) {
      this.#session.terminate();
      return undefined;
    }
    const association = this.#theirs.get(transID);
    if (association !== undefined) {
      this.drop(association);
      return undefined;
    }
    const told = this.#ours?.get(transID);
    if (told === undefined) return TRANSID_UNKNOWN;
    this.#ours?.delete(transID);
    told();
    return undefined;
  }

  /**
   * Ends what the peer has over this channel.
   *
   * @returns whether there was anything
   */
  terminateTheirs(): boolean {
    const all = this.all();
    for (const association of all) this.drop(association);
    return all.length > 0;
  }

  /** Ends what this side has over this channel. */
  terminateOurs(): void {
    const ours = [...(this.#ours?.values() ?? [])];
    this.#ours = undefined;
    for (const told of ours) told();
  }

  /** Records an operation of this side that the peer accepted. */
  initiated(transID: number, terminated: () => void): void {
    this.#ours ??= new Map();
    this.#ours.set(transID, terminated);
  }

  /** Forgets an operation of this side that it ends itself. */
  forget(transID: number): void {
    this.#ours?.delete(transID);
  }

  /** Returns a snapshot of the peer's associations. */
  all(): Association[] {
    return this.#theirs.values();
  }

  drop(association: Association): void {
    const { attachments, bindings, cluster, offline } = this.#context;
    this.#theirs.delete(association.transID);
    if (association.type === 'attach') {
      const left = association.whole?.channels?.remove(this.#target);
      if (left !== undefined) {
        if (attachments.of(association.key) === association) attachments.replace(left);
        return;
      }
      attachments.remove(association);
      association.claim?.release();
      offline?.detached(association);
      this.#session.detach(association.key);
    } else {
      bindings.remove(association);
      const { domain } = association;
      if (cluster !== undefined && bindings.of(domain)?.live !== true) cluster.bound(domain, false);
      this.#session.unbind(association.domain);
      this.#rebind();
    }
    if (!this.clusterPeer) ended(this.#channel, association);
  }

  /** Whether the configuration in force would accept an association today. */
  permits(association: Association): boolean {
    const { domains, policy } = this.#context;
    const { identity, privacy } = this.#channel;
    if (association.type === 'bind') {
      if (domains.has(association.domain) && !this.sibling) return false;
      return policy.mayBind(identity, privacy, association.domain) === undefined;
    }
    const name = addressOf(association.key);
    if (name === undefined || !domains.has(name.domain) || this.#context.builtIn(name) !== undefined) return false;
    return policy.mayAttach(identity, privacy, name) === undefined;
  }

  /** Forgets permissions that were found under an earlier configuration. */
  review(): void {
    this.#permitted = undefined;
    this.#version = this.#session.version;
  }

  /** Whether the peer may send for an originator (core-01 §4.4.4.1 step 1). */
  mayOriginate(originator: string): Denial | undefined {
    if (this.#version !== this.#session.version) this.review();
    if (this.#permitted?.has(originator) === true) return undefined;
    const name = this.#named(originator);
    if (name === undefined) return ORIGINATOR_INVALID;
    const { identity, privacy } = this.#channel;
    // Another relay of this domain checked the permission before it forwarded the Data operation.
    const denial = this.sibling ? undefined : this.#context.policy.mayOriginate(identity, privacy, name, this.#session);
    if (denial !== undefined) return denial;
    if (this.#permitted === undefined || this.#permitted.size >= PERMITTED) this.#permitted = new Set();
    this.#permitted.add(originator);
    return undefined;
  }

  /** Returns the reason why the operator forbids an attachment, if there is one. */
  #barred(name: Address): Denial | undefined {
    // Anonymous peers have no account.
    if (this.#context.accounts === undefined || isAnonymousName(name)) return undefined;
    return this.#suspended([name.base, ...accountsOf(this.#channel.identity)]) ?? this.#enough(name);
  }

  /** Whether the account may not be attached once more, as far as the attachments that this node knows go. */
  #enough(name: Address): Denial | undefined {
    const { accounts, attachments } = this.#context;
    const { base } = name;
    const most = accounts?.attachments(base) ?? 0;
    if (most === 0 || attachments.of(commonKey(name)) !== undefined || attachments.countOf(base) < most) {
      return undefined;
    }
    return denied(ATTACHED_ENOUGH, `${base} may have ${most} attachments at a time`);
  }

  #suspended(accounts: readonly string[]): Denial | undefined {
    for (const account of accounts) {
      const reason = this.#context.accounts?.suspended(account);
      if (reason !== undefined) return denied(REPLIES.accountDisabled, reason);
    }
    return undefined;
  }

  #record(association: Association): void {
    this.#theirs.set(association.transID, association);
    if (association.type === 'attach') this.#session.attach(association.key);
    else {
      this.#session.bind(association.domain);
      this.#rebind();
    }
    if (this.clusterPeer) return;
    began(this.#channel, association);
    const { accounts } = this.#context;
    if (accounts === undefined || isAnonymous(this.#channel.identity)) return;
    accounts.joined(this.#accountOf(association), this.#channel.remote.address);
  }

  /** Returns the account that an association is for; a whole domain has none, so it is that of the peer. */
  #accountOf(association: Association): string {
    if (association.type === 'bind') return `imxp=mesh@${association.domain}`;
    const [own] = association.whole === undefined ? [] : accountsOf(this.#channel.identity);
    return own ?? accountOf(association.key);
  }

  #rebind(): void {
    this.#bound = undefined;
    for (const association of this.#theirs.values())
      if (association.type === 'bind') {
        this.#bound ??= new Set();
        this.#bound.add(association.domain);
      }
  }
}

/** Tells whoever has an attachment that another application has it now; one for a whole domain may have several channels. */
function endAll(attachment: Attachment): void {
  const members = attachment.whole?.channels?.members ?? [attachment];
  for (const member of members) member.owner.overridden(member);
}

/** RFC 3342 §1: whether the newcomer takes over from the application that is attached. */
function overrides(option: Option, understood: OptionRegistry): boolean {
  return option.internal === ATTACH_OVERRIDE && understood.understands(option, 'attach', true);
}

function denied(reply: Reply, reason = reply.text): Denial {
  return { reply, reason };
}
