/**
 * Relay: everything between a received operation and its answer (core-01 §4.4 to §5). Keeps the attachments and
 * bindings and executes the delivery plans; sockets, clocks, storage and services are passed in.
 */

import { LocalError, type Reply } from '../errors.js';
import { type Address, addressOf } from '../imxp/address.js';
import type { Data } from '../imxp/operation.js';
import type { Payload } from '../mime/payload.js';
import type { HeldForEndpoint, HeldStatus } from '../ops/status.js';
import type { Traffic } from '../ops/traffic.js';
import { REPLIES } from './answer.js';
import type { Association } from './associations.js';
import type { AttachmentWatcher } from './attachments.js';
import type { MeshChannel, MeshHandler } from './channel.js';
import type { PlacementObserver } from './cluster.js';
import { Context, type RelayOptions, type RelaySettings } from './context.js';
import { Gate } from './gate.js';
import { NOTHING_FOR_ENDPOINT, OfflineQueues } from './offline/queues.js';
import { Peer } from './peer.js';
import type { DeliverySink } from './target.js';
import { carry, carryDecided, type DataOrigin } from './transfer.js';
import { View } from './view.js';

const NOTHING_HELD: HeldStatus = Object.freeze({
  data: 0,
  octets: 0,
  endpoints: 0,
  oldestMs: 0,
  stored: 0,
  delivered: 0,
  failed: 0,
});

export class Relay {
  readonly #context: Context;
  readonly #peers = new Map<MeshChannel, Peer>();
  /** One function for all peers. */
  readonly #gone = (channel: MeshChannel): void => void this.#peers.delete(channel);
  readonly #view: View;
  readonly #submissions: Gate<Submission>;

  constructor(options: RelayOptions) {
    this.#context = new Context(options);
    this.#view = new View(this.#context);
    const { offline } = options;
    if (offline !== undefined) this.#context.offline = new OfflineQueues(this.#context, this.#view, offline);
    this.#submissions = new Gate(options.limits.outstanding, (submission) => this.#send(submission), {
      clock: this.#context.time,
      ms: options.limits.deliveryTimeoutMs,
      late: (submission) => submission.refuse(REPLIES.relayBusy),
    });
  }

  /**
   * Takes a channel that was accepted or opened by this side.
   *
   * @throws LocalError ARGUMENT if its profile belongs to none of the dialects
   */
  accept(channel: MeshChannel): MeshHandler {
    return this.#peer(channel);
  }

  /**
   * Processes the attach or bind that came with the start of a channel; may be called before or after {@link accept}.
   *
   * @returns the content of the answer, which is an `error` if it was refused: the channel is created all the same (RFC
   *   3080 §3.1.1). A promise only if a bind has to be checked in the DNS.
   */
  initial(channel: MeshChannel, content: Buffer): string | Promise<string> {
    return this.#peer(channel).initial(content);
  }

  /**
   * Records a bind (or attach) of this side that the peer of a channel accepted.
   *
   * @param terminated called when the peer ends it with `terminate`
   */
  initiated(channel: MeshChannel, transID: number, terminated: () => void): void {
    this.#peer(channel).initiated(transID, terminated);
  }

  /** Forgets what {@link initiated} recorded, because this side ends it. */
  forget(channel: MeshChannel, transID: number): void {
    this.#peers.get(channel)?.forget(transID);
  }

  /** Sends a Data operation of a local service. Operations of one caller are not reordered. */
  submit(data: Data, sink: DeliverySink): void {
    const submission = new Submission(this.#context, data, sink);
    if (!this.#submissions.shut) this.#send(submission);
    else if (!this.#submissions.push(submission)) submission.refuse(REPLIES.busy);
  }

  /** Sets the observer of attachments. It is called in the middle of processing, so it must return quickly. */
  watchAttachments(watcher: AttachmentWatcher): void {
    this.#context.attachments.watcher = watcher;
  }

  /** Sets the observer of the ways to endpoints, which other nodes of the domain have to know. */
  watchPlacements(observer: PlacementObserver): void {
    this.#context.attachments.placements = observer;
  }

  /** Normalized addresses that are attached now. */
  attached(): string[] {
    return [...this.#context.attachments.keys()];
  }

  /** Domains that are bound now, in lower case. */
  bound(): string[] {
    return [...this.#context.bindings.domains()];
  }

  /** Attached endpoints by the session over which they are attached. */
  get attachedBySession(): ReadonlyMap<string, readonly string[]> {
    return this.#context.attachments.bySession();
  }

  /** Number of attached addresses. */
  get attachments(): number {
    return this.#context.attachments.size;
  }

  /** Number of bound domains. */
  get bindings(): number {
    return this.#context.bindings.size;
  }

  /** Messages held for endpoints that are not attached. */
  get held(): HeldStatus {
    return this.#context.offline?.status ?? NOTHING_HELD;
  }

  /** What is held for one endpoint. */
  heldFor(endpoint: Address): HeldForEndpoint {
    return this.#context.offline?.statusOf(endpoint) ?? NOTHING_FOR_ENDPOINT;
  }

  /** Number of operations without an answer. */
  get outstanding(): number {
    return this.#context.outstanding;
  }

  /**
   * Ends an attachment toward its application, for instance because its account is gone.
   *
   * @returns whether there was one
   */
  detach(address: string): boolean {
    const attachment = this.#context.attachments.of(addressOf(address)?.key ?? address);
    if (attachment === undefined) return false;
    for (const peer of this.#peers.values()) peer.terminate((association) => association === attachment, REPLIES.ended);
    return true;
  }

  /**
   * Ends the associations of accounts: attachments as them and their subaddresses on any session, and all attachments
   * and bindings on sessions of their own.
   *
   * @param accounts endpoints without their subaddress, or `imxp=mesh@domain`
   */
  expel(accounts: ReadonlySet<string>): void {
    for (const peer of this.#peers.values()) peer.expel(accounts);
  }

  /** Ends all attachments of applications of this node. @param why what they are told */
  dismiss(why: Reply): void {
    for (const peer of this.#peers.values()) peer.dismiss(why);
  }

  /**
   * Drops the messages held for an account that was removed.
   *
   * @param account an endpoint without its subaddress
   * @param before time of the removal; later messages belong to another account of that name
   */
  forgetHeld(account: string, before: number): void {
    this.#context.offline?.forget(account, before);
  }

  /**
   * Stops accepting: attach, bind and Data operations are refused with 421 from now on, and attachments are terminated.
   *
   * @returns resolves when every Data operation and every terminate has its answer; the caller sets the time limit
   */
  drain(): Promise<void> {
    this.#context.draining = true;
    const all = ({ type }: Association): boolean => type === 'attach';
    for (const peer of this.#peers.values()) peer.terminate(all, REPLIES.shuttingDown);
    return this.#context.idle();
  }

  /** Applies a changed configuration; ends the attachments and bindings that it no longer permits. */
  reload(settings: Partial<RelaySettings>): void {
    this.#context.apply(settings);
    for (const peer of this.#peers.values()) peer.review();
  }

  #peer(channel: MeshChannel): Peer {
    const known = this.#peers.get(channel);
    if (known !== undefined) return known;
    const dialect = this.#context.dialects.get(channel.profile);
    if (dialect === undefined) throw new LocalError('ARGUMENT', `no dialect for the profile ${channel.profile}`);
    const peer = new Peer(channel, dialect, this.#context, this.#gone);
    this.#peers.set(channel, peer);
    return peer;
  }

  #send(submission: Submission): void {
    const pending = carry(submission, 0, 0, submission.data, this.#view);
    if (pending !== undefined) {
      this.#submissions.shutUntil(carryDecided(submission, 0, 0, submission.data, this.#view, pending, () => false));
    }
  }
}

/** A Data operation of a local service until its answer. */
class Submission implements DataOrigin {
  readonly id = 'local';
  readonly traffic: Traffic | undefined;
  readonly data: Data;
  readonly #context: Context;
  readonly #sink: DeliverySink;

  constructor(context: Context, data: Data, sink: DeliverySink) {
    this.data = data;
    this.traffic = context.traffic;
    this.#context = context;
    this.#sink = sink;
    context.began();
  }

  encode(data: Data, profile: string): Payload {
    return this.#context.encode(data, profile);
  }

  settled(_msgno: number, _octets: number, _data: Data, reply: Reply | undefined): void {
    this.#context.ended();
    if (reply === undefined) this.#sink.delivered();
    else this.#sink.failed(reply);
  }

  refuse(reply: Reply): void {
    this.settled(0, 0, this.data, reply);
  }
}
