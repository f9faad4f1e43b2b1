/**
 * Peer of one channel of the relay: reads its operations in order and answers each exactly once.
 *
 * ```
 *  message -> gate -> decode -> attach | bind | terminate -> reply, consume
 *                            -> data -> carry -> (targets) -> settled -> reply, consume
 * ```
 * The octets of a Data operation are given back when its answer is known. This is the back-pressure on a sender that is
 * faster than its recipients.
 */

import { ImxpError, type Reply } from '../errors.js';
import { type Address, accountOf, addressOf } from '../imxp/address.js';
import { isAnonymous } from '../imxp/anonymous.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { accountsOf, type Identity } from '../imxp/identity.js';
import type { Attach, Bind, Data, Operation, Terminate } from '../imxp/operation.js';
import { type Payload, payloadOctets } from '../mime/payload.js';
import type { Traffic } from '../ops/traffic.js';
import { REPLIES } from './answer.js';
import { type Association, Associations } from './associations.js';
import { type Attachment, type AttachmentOwner, receiverOf } from './attachments.js';
import type { MeshChannel, MeshHandler } from './channel.js';
import { ChannelTarget } from './channel-target.js';
import { isClusterPeer, TAKEN_OVER } from './cluster.js';
import type { Context } from './context.js';
import { fault, refused } from './events.js';
import { Gate } from './gate.js';
import { ImmediateReplies } from './immediate-replies.js';
import { languagesOf, localized } from './languages.js';
import type { Denial } from './policy.js';
import type { Allowance } from './rates.js';
import { RefusingTarget } from './route.js';
import type { Reporter } from './status.js';
import type { DeliveryTarget } from './target.js';
import { carry, carryDecided, type DataOrigin } from './transfer.js';
import { View } from './view.js';

/** A message that waits for an earlier one. */
interface Kept {
  readonly msgno: number;
  readonly payload: Payload;
  /** Time of arrival; waiting counts for Data operations with a time limit (RFC 3342 §2). */
  readonly since: number;
}

type Control = Attach | Bind | Terminate;

/** The result of an attach, bind or terminate: undefined for `ok`. */
type Outcome = Denial | undefined;

const SHUTTING_DOWN: Denial = { reply: REPLIES.shuttingDown, reason: 'draining' };
const TOO_MANY_DATA: Denial = { reply: REPLIES.tooManyData, reason: 'more Data than its rate allows' };
const TOO_MANY_OCTETS: Denial = { reply: REPLIES.tooManyOctets, reason: 'more octets of Data than its rate allows' };
const TOO_MANY_ATTACH: Denial = { reply: REPLIES.tooManyAttach, reason: 'more attach and bind than its rate allows' };
/** It cannot be read, so the language that it asks for is unknown. */
const RELAY_BUSY = because(REPLIES.relayBusy);
const NOT_FOR_ANONYMOUS: Denial = {
  reply: { code: 537, text: 'anonymous peers may not use that service: log in with an account' },
  reason: 'the peer is anonymous',
};
const NOT_PERMITTED: Reply = { code: 537, text: 'no longer permitted here' };
const NOT_INITIAL: Reply = { code: 501, text: 'only attach and bind may come with the start of a channel' };

export class Peer implements MeshHandler, DataOrigin, AttachmentOwner {
  readonly id: string;
  readonly traffic: Traffic | undefined;
  readonly clusterPeer: boolean;
  readonly #channel: MeshChannel;
  readonly #dialect: Dialect;
  readonly #context: Context;
  readonly #associations: Associations;
  readonly #view: View;
  readonly #gate: Gate<Kept>;
  /** Set if the dialect has Data operations answered before they are processed. */
  readonly #immediateReplies: ImmediateReplies | undefined;
  readonly #ended: (channel: MeshChannel) => void;
  #gone = false;
  /** Remaining allowance of the channel's identity, and the identity that it belongs to. */
  #allowance: Allowance | undefined;
  #allowed: Identity | undefined;
  #ratesVersion = 0;

  /** @param ended called once when the channel is closed */
  constructor(channel: MeshChannel, dialect: Dialect, context: Context, ended: (channel: MeshChannel) => void) {
    const { limits } = context;
    this.id = channel.id;
    this.clusterPeer = isClusterPeer(channel.identity);
    // The other node counts what it was given by somebody else.
    this.traffic = this.clusterPeer ? undefined : context.traffic;
    this.#channel = channel;
    this.#dialect = dialect;
    this.#context = context;
    const target = new ChannelTarget(channel, dialect, limits);
    this.#associations = new Associations(channel, dialect.apexNames, target, this, context);
    this.#view = new PeerView(context, channel, dialect.apexNames, this.#associations);
    this.#gate = new Gate(limits.outstanding, ({ msgno, payload, since }) => this.#operate(msgno, payload, since), {
      clock: context.time,
      ms: limits.deliveryTimeoutMs,
      late: ({ msgno, payload }) => this.#refuse(msgno, payloadOctets(payload), 'operation', '', RELAY_BUSY),
    });
    // Between the nodes of a domain an answer is the result, whatever the dialect.
    this.#immediateReplies =
      dialect.repliesImmediately && !this.#associations.clusterPeer
        ? new ImmediateReplies(channel, context, this.#gate)
        : undefined;
    this.#ended = ended;
  }

  // ---- MeshHandler

  message(msgno: number, payload: Payload): void {
    if (!this.#gate.shut) this.#operate(msgno, payload);
    else if (!this.#gate.push({ msgno, payload, since: this.#context.time.now() })) {
      this.#refuse(msgno, payloadOctets(payload), 'operation', '', RELAY_BUSY);
    }
  }

  closed(): void {
    if (this.#gone) return;
    this.#gone = true;
    this.#gate.clear();
    const end = (): void => this.#associations.close();
    if (this.#context.cluster?.outlasts?.(this.#channel, end) !== true) end();
    this.#ended(this.#channel);
  }

  // ---- operations of the relay

  /**
   * Processes an attach or bind that came with the start of the channel (core-01 §4.2).
   *
   * @returns the content of the answer; a promise only if a bind has to be checked first, or other nodes asked
   */
  initial(content: Buffer): string | Promise<string> {
    let operation: Operation;
    try {
      operation = this.#dialect.decodeInitial(content);
    } catch (error) {
      return this.#initialReply('operation', '', { reply: this.#faultOf(error), reason: 'not readable' });
    }
    if (operation.type === 'attach') {
      const { endpoint } = operation;
      const outcome = this.#attach(operation);
      if (!(outcome instanceof Promise)) return this.#initialReply('attach', endpoint, outcome, operation);
      return outcome.then((denial) => this.#initialReply('attach', endpoint, denial, operation));
    }
    if (operation.type !== 'bind') {
      return this.#initialReply(operation.type, '', { reply: NOT_INITIAL, reason: 'not an initial operation' });
    }
    const { relay } = operation;
    const outcome = this.#bind(operation);
    if (!(outcome instanceof Promise)) return this.#initialReply('bind', relay, outcome, operation);
    return outcome.then((denial) => this.#initialReply('bind', relay, denial, operation));
  }

  /** Records an operation of this side that the peer accepted, so that the peer can end it. */
  initiated(transID: number, terminated: () => void): void {
    this.#associations.initiated(transID, terminated);
  }

  /** Forgets an operation of this side that it ends itself. */
  forget(transID: number): void {
    this.#associations.forget(transID);
  }

  /**
   * Ends the attachments and bindings that `which` selects, and tells the peer (core-01 §4.4.3).
   *
   * @param why told to the peer if its dialect can express it (RFC 3340 §4.4.3)
   */
  terminate(which: (association: Association) => boolean, why: Reply): void {
    for (const association of this.#associations.all()) {
      if (which(association)) this.#end(association, why);
    }
  }

  /** RFC 3342 §1: another application attached as the endpoint with attachOverride. */
  overridden(attachment: Attachment): void {
    this.#end(attachment, { code: 556, text: 'overridden' });
  }

  #end(association: Association, { code, text }: Reply): void {
    this.#associations.drop(association);
    if (!this.#channel.open) return;
    const answered = (): void => this.#context.ended();
    this.#context.began();
    const payload = this.#dialect.encode({ type: 'terminate', transID: association.transID, code, text });
    this.#channel.request(payload, { replied: answered, failed: answered });
  }

  /** Ends the attachments of applications, of which other nodes of the domain have none here. */
  dismiss(why: Reply): void {
    if (!this.#associations.clusterPeer) this.terminate(({ type }) => type === 'attach', why);
  }

  /** Ends the attachments and bindings of accounts on this channel. */
  expel(accounts: ReadonlySet<string>): void {
    // Each node of the domain does this with its own applications.
    if (this.#associations.clusterPeer) return;
    const own = accountsOf(this.#channel.identity).some((account) => accounts.has(account));
    const theirs = (each: Association): boolean => own || (each.type === 'attach' && accounts.has(accountOf(each.key)));
    this.terminate(theirs, REPLIES.accountDisabled);
  }

  /** Ends what the configuration in force no longer permits. */
  review(): void {
    if (this.#associations.clusterPeer) return;
    this.#associations.review();
    this.terminate((association) => !this.#associations.permits(association), NOT_PERMITTED);
  }

  // ---- DataOrigin

  encode(data: Data, profile: string): Payload {
    return this.#context.encode(data, profile);
  }

  settled(msgno: number, octets: number, data: Data, reply: Reply | undefined, later?: boolean): void {
    const answer = later === true && this.#associations.clusterPeer ? TAKEN_OVER : reply;
    this.#answer(msgno, octets, answer, answer === undefined ? '' : languagesOf(data));
    this.#context.ended();
  }

  // ---- operations of the peer

  #operate(msgno: number, payload: Payload, since?: number): void {
    const octets = payloadOctets(payload);
    if (this.#gone) return;
    let operation: Operation;
    try {
      operation = this.#dialect.decode(payload);
    } catch (error) {
      this.#refuse(msgno, octets, 'operation', '', because(this.#faultOf(error)));
      return;
    }
    if (operation.type === 'data') this.#data(msgno, octets, operation, since);
    else this.#control(msgno, octets, operation);
  }

  #control(msgno: number, octets: number, operation: Control): void {
    const { type } = operation;
    if (type === 'attach') {
      this.#conclude(msgno, octets, operation.endpoint, operation, this.#attach(operation));
    } else if (type === 'terminate') {
      this.#concluded(msgno, octets, String(operation.transID), operation, this.#associations.terminate(operation));
    } else {
      this.#conclude(msgno, octets, operation.relay, operation, this.#bind(operation));
    }
  }

  #conclude(
    msgno: number,
    octets: number,
    subject: string,
    operation: Attach | Bind,
    outcome: Outcome | Promise<Outcome>,
  ): void {
    if (!(outcome instanceof Promise)) this.#concluded(msgno, octets, subject, operation, outcome);
    // Later messages may rely on the association, so they wait.
    else this.#gate.shutUntil(outcome.then((denial) => this.#concluded(msgno, octets, subject, operation, denial)));
  }

  #attach(attach: Attach): Outcome | Promise<Outcome> {
    return this.#allowances()?.attach?.take() === false ? TOO_MANY_ATTACH : this.#associations.attach(attach);
  }

  #bind(bind: Bind): Outcome | Promise<Outcome> {
    return this.#allowances()?.attach?.take() === false ? TOO_MANY_ATTACH : this.#associations.bind(bind);
  }

  /** Looked up once for each identity of the channel, because every Data operation needs it. */
  #allowances(): Allowance | undefined {
    const { identity, remote } = this.#channel;
    const { rates } = this.#context;
    if (rates === undefined || this.#associations.clusterPeer) return undefined;
    if (identity !== this.#allowed || rates.version !== this.#ratesVersion) {
      this.#allowed = identity;
      this.#ratesVersion = rates.version;
      this.#allowance = rates.of(identity, remote.address);
    }
    return this.#allowance;
  }

  #data(msgno: number, octets: number, data: Data, since?: number): void {
    const { draining, limits } = this.#context;
    const denial = draining ? SHUTTING_DOWN : this.#denialOf(data, octets, limits.recipients);
    if (denial !== undefined) {
      this.#refuse(msgno, octets, 'data', data.originator, denial, data);
      return;
    }
    if (this.#immediateReplies !== undefined) {
      this.#dataImmediate(this.#immediateReplies, msgno, octets, data, since);
      return;
    }
    this.#context.began();
    const pending = carry(this, msgno, octets, data, this.#view, since);
    if (pending === undefined) return;
    // Later messages wait, so that they do not overtake this one.
    this.#gate.shutUntil(carryDecided(this, msgno, octets, data, this.#view, pending, () => this.#gone, since));
  }

  /**
   * RFC 3340 §4.4.4.1 steps 2 to 5: a Data operation that was answered `ok` is processed whether or not its sender
   * stays.
   */
  #dataImmediate(replies: ImmediateReplies, msgno: number, octets: number, data: Data, since?: number): void {
    const refusal = replies.refusal(data, this.#view);
    if (refusal !== undefined) {
      this.#refuse(msgno, octets, 'data', data.originator, because(refusal), data);
      return;
    }
    this.#channel.reply(msgno, 'RPY', this.#dialect.ok);
    replies.began();
    const pending = carry(replies, msgno, octets, data, this.#view, since);
    if (pending === undefined) return;
    this.#gate.shutUntil(carryDecided(replies, msgno, octets, data, this.#view, pending, () => false, since));
  }

  #denialOf(data: Data, octets: number, recipients: number): Denial | undefined {
    const allowance = this.#allowances();
    if (allowance?.data?.take() === false) return TOO_MANY_DATA;
    if (allowance?.octets?.take(octets) === false) return TOO_MANY_OCTETS;
    if (data.recipients.length > recipients) {
      const text = `more than ${recipients} recipients`;
      return { reply: { code: 501, text }, reason: text };
    }
    return this.#associations.mayOriginate(data.originator) ?? this.#anonymousDenial(data);
  }

  /** D-CORE-47: an anonymous peer uses no service but those that are for anonymous peers. */
  #anonymousDenial({ recipients }: Data): Denial | undefined {
    if (!isAnonymous(this.#channel.identity)) return undefined;
    for (const { identity } of recipients) {
      const name = addressOf(identity);
      if (name?.service === true && !this.#context.servesAnonymous(name)) return NOT_FOR_ANONYMOUS;
    }
    return undefined;
  }

  // ---- answers

  #concluded(msgno: number, octets: number, subject: string, operation: Control, outcome: Outcome): void {
    if (outcome === undefined) this.#answer(msgno, octets, undefined, '');
    else {
      const localizing = operation.type === 'terminate' ? undefined : operation;
      this.#refuse(msgno, octets, operation.type, subject, outcome, localizing);
    }
  }

  #refuse(
    msgno: number,
    octets: number,
    what: string,
    subject: string,
    { reply, reason }: Denial,
    operation?: Attach | Bind | Data,
  ): void {
    refused(this.#channel, what, subject, reply, reason);
    this.#answer(msgno, octets, reply, operation === undefined ? '' : languagesOf(operation));
  }

  #answer(msgno: number, octets: number, reply: Reply | undefined, languages: string): void {
    if (this.#gone) return;
    if (reply === undefined) this.#channel.reply(msgno, 'RPY', this.#dialect.ok);
    else this.#channel.reply(msgno, 'ERR', this.#dialect.encodeReply(errorOf(reply, languages)));
    this.#channel.consume(octets);
  }

  #initialReply(what: string, subject: string, outcome: Outcome, operation?: Attach | Bind): string {
    if (outcome === undefined) return this.#dialect.encodeInitialReply({ type: 'ok' });
    refused(this.#channel, what, subject, outcome.reply, outcome.reason);
    const languages = operation === undefined ? '' : languagesOf(operation);
    return this.#dialect.encodeInitialReply(errorOf(outcome.reply, languages));
  }

  /** Returns the answer to an operation that could not be read. */
  #faultOf(error: unknown): Reply {
    if (error instanceof ImxpError && error.reply !== undefined) return error.reply;
    fault(this.id, error);
    return REPLIES.internal;
  }
}

/** The view that the peer of a channel has of the relay; a relay may not use it to reach any foreign domain. */
class PeerView extends View {
  readonly #channel: MeshChannel;
  readonly #apexNames: boolean;
  readonly #associations: Associations;

  constructor(context: Context, channel: MeshChannel, apexNames: boolean, associations: Associations) {
    super(context);
    this.#channel = channel;
    this.#apexNames = apexNames;
    this.#associations = associations;
  }

  override get relayed(): boolean {
    return this.#associations.relaying;
  }

  override get sameHop(): boolean {
    return this.#associations.clusterPeer;
  }

  override attached(name: Address): DeliveryTarget | undefined {
    const { attachments, cluster } = this.context;
    // What another node sends here is for an application here: the node that orders what is held has done so.
    if (!this.#associations.clusterPeer || cluster?.claim === undefined) return super.attached(name);
    const attachment = attachments.receiving(name);
    return attachment?.key === name.key ? receiverOf(attachment) : super.receiver(name);
  }

  protected override get center(): DeliveryTarget | undefined {
    const { cluster } = this.context;
    // What it sends here it sends because nobody knows better.
    return cluster?.isCenter(this.#channel.identity) === true ? undefined : super.center;
  }

  /** Another relay of this domain reports to its originators itself, and has asked its siblings itself. */
  override get reporter(): Reporter | undefined {
    return this.#associations.sibling ? undefined : super.reporter;
  }

  protected override get siblings(): readonly DeliveryTarget[] {
    return this.#associations.sibling && !this.#associations.clusterPeer ? NONE : super.siblings;
  }

  override get hopLimit(): number {
    return this.context.hopLimit;
  }

  override toward(name: Address, originator: string): DeliveryTarget {
    // D-CORE-03: IMXP has no names with domain literals or characters beyond ASCII.
    if (name.apexOnly && !this.#apexNames) return ADDRESS_INVALID;
    if (!this.#associations.relaying) return super.toward(name, originator);
    if (this.#associations.clusterPeer) return this.#boundHere(name, originator);
    if (this.#associations.serves(name.domain)) return LOOP;
    // D-CORE-21: transit between two foreign domains only for trusted intermediaries.
    if (!this.context.policy.trusts(this.#channel.identity)) return NO_TRANSIT;
    const way = super.toward(name, originator);
    return way.relay !== undefined && this.#associations.serves(way.relay) ? LOOP : way;
  }

  /** Another node of this domain sends here what is for a domain that is bound here, and nothing else. */
  #boundHere({ domain, key }: Address, originator: string): DeliveryTarget {
    const bound = this.context.bindings.of(domain);
    return bound?.live === true ? bound.lane(key, originator) : UNAVAILABLE;
  }
}

const NONE: readonly DeliveryTarget[] = Object.freeze([]);
const UNAVAILABLE = new RefusingTarget(REPLIES.relayUnavailable);
const LOOP = new RefusingTarget(REPLIES.loop);
const NO_TRANSIT = new RefusingTarget(REPLIES.noTransit);
const ADDRESS_INVALID = new RefusingTarget(REPLIES.addressInvalid);

/** @param languages those that the originator asked for; see {@link languagesOf} */
function errorOf(reply: Reply, languages: string) {
  return { type: 'error', code: reply.code, ...localized(reply, languages) } as const;
}

function because(reply: Reply): Denial {
  return { reply, reason: reply.text };
}
