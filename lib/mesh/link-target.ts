/**
 * Delivery target for a neighbour relay that is dialled when needed. Queues Data operations during the first
 * connection attempt and distributes them over the lanes while the link is up.
 */
import type { Reply } from '../errors.js';
import { accountOf } from '../imxp/address.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { REPLIES } from '../relay/answer.js';
import type { MeshChannel } from '../relay/channel.js';
import type { WaitingDelivery } from '../relay/channel-lane.js';
import { ChannelTarget, type TargetLimits } from '../relay/channel-target.js';
import { type FairShare, FairShares } from '../relay/fair-shares.js';
import { LaneGroup } from '../relay/lanes.js';
import { type DeliverySink, type DeliveryTarget, type OutboundDelivery, receivedOctets } from '../relay/target.js';
import { systemClock, type Ticking } from '../transport/clock.js';

/** Whoever dials. */
export interface LinkDialer {
  /** Dials now, unless that is done or under way. Ends in `up` or `down` of the target, later. */
  connect(): void;
  /** Opens one more lane. Ends in `lane` of the target, later. */
  openLane(): void;
}

/** What one link may hold, and for how long. */
export interface LinkLimits extends TargetLimits {
  /** How long a Data may wait for a lane. */
  readonly deliveryTimeoutMs: number;
  /** LaneGroup of the link in all. */
  readonly maximumLanes: number;
}

interface WaitingForLink extends WaitingDelivery {
  /** On the coarse clock. */
  readonly due: number;
  readonly share: FairShare;
}

export class LinkTarget implements DeliveryTarget, Ticking {
  readonly #dialer: LinkDialer;
  readonly #dialects: readonly Dialect[];
  readonly #limits: LinkLimits;
  readonly #lanes: LaneGroup;
  #waiting: WaitingForLink[] = [];
  /** Who has how much of what may wait. */
  readonly #shares: FairShares;
  /** Why Data fail at once now; undefined while they may wait (D-CORE-36: fail fast, come back soon). */
  #obstacle: Reply | undefined;

  /**
   * @param dialects those that may be spoken there; each channel says which it is
   * @param relay the domain of the relay at the other end, as far as the configuration knows it
   */
  constructor(dialer: LinkDialer, dialects: readonly Dialect[], limits: LinkLimits, relay: string) {
    this.#dialer = dialer;
    this.#dialects = dialects;
    this.#limits = limits;
    this.#shares = new FairShares({ count: limits.outstanding, octets: limits.outstandingOctets });
    this.#lanes = new LaneGroup({
      noLane: (delivery, sink) => this.#wait(delivery, sink),
      shares: limits,
      clock: systemClock,
      opener: { most: limits.maximumLanes, open: () => dialer.openLane() },
    });
    this.#lanes.relay = relay;
  }

  /** The domain of the relay at the other end; as it proved it, once the link is up. */
  get relay(): string | undefined {
    return this.#lanes.relay;
  }

  /** Whether any Data is under way or waits for the link. */
  get busy(): boolean {
    return this.#waiting.length > 0 || this.#lanes.outstanding > 0;
  }

  /** Data sent over the link and not yet answered. */
  get outstanding(): number {
    return this.#lanes.outstanding;
  }

  /** Data that wait for the link to be up. */
  get waiting(): number {
    return this.#waiting.length;
  }

  lane(recipient: string, originator: string): DeliveryTarget {
    return this.#lanes.lane(recipient, originator);
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.#lanes.deliver(delivery, sink);
  }

  #wait(delivery: OutboundDelivery, sink: DeliverySink): void {
    if (this.#obstacle !== undefined) {
      sink.failed(this.#obstacle);
      return;
    }
    const share = this.#shares.take(accountOf(delivery.data.originator), receivedOctets(delivery));
    if (share === undefined) {
      sink.failed(REPLIES.busy);
      return;
    }
    if (this.#waiting.length === 0) systemClock.add(this);
    this.#waiting.push({ delivery, sink, share, due: systemClock.coarse + this.#limits.deliveryTimeoutMs });
    this.#dialer.connect();
  }

  /** What has waited for too long has not left: it certainly was not delivered. */
  tick(now: number): void {
    const [first] = this.#waiting;
    if (first === undefined || first.due > now) return;
    for (const { sink } of this.#taken(this.#waiting.filter(({ due }) => due <= now).length)) {
      sink.failed(REPLIES.relayUnavailable);
    }
  }

  /** The link is up: what waited goes, in order. */
  up(channels: readonly MeshChannel[]): void {
    this.#obstacle = undefined;
    this.#drop();
    for (const channel of channels) this.#add(channel);
    this.#lanes.deliverAll(this.#taken());
  }

  /** One more lane is there; undefined when there is none to be had. */
  opened(channel: MeshChannel | undefined): void {
    if (channel === undefined || !this.#add(channel)) this.#lanes.notOpened();
  }

  /** The link is down; `obstacle` is what senders are told until it is up, undefined when they may wait again. */
  down(obstacle: Reply | undefined): void {
    this.#obstacle = obstacle;
    this.#drop();
    for (const { sink } of this.#taken()) sink.failed(obstacle ?? REPLIES.relayUnavailable);
  }

  /** @returns whether it can be spoken on */
  #add(channel: MeshChannel): boolean {
    if (channel.identity.kind === 'relay') this.#lanes.relay = channel.identity.domains[0]?.toLowerCase();
    const dialect = this.#dialects.find(({ profile }) => profile === channel.profile);
    if (dialect !== undefined) this.#lanes.add(new ChannelTarget(channel, dialect, this.#limits));
    return dialect !== undefined;
  }

  /** @returns the first of those that wait, which they do no longer */
  #taken(count = this.#waiting.length): readonly WaitingForLink[] {
    const taken = this.#waiting.splice(0, count);
    for (const { delivery, share } of taken) this.#shares.give(share, receivedOctets(delivery));
    if (this.#waiting.length === 0) systemClock.remove(this);
    return taken;
  }

  #drop(): void {
    this.#lanes.clear(this.#obstacle ?? REPLIES.relayUnavailable);
  }
}
