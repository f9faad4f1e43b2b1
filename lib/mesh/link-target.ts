/**
 * The way to a neighbour relay that is dialled when needed. Owns what waits while the first attempt is under way and the
 * lanes while the link is up; refuses to know how a link is made.
 */
import type { Reply } from '../errors.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import { REPLIES } from '../relay/answer.js';
import type { MeshChannel } from '../relay/channel.js';
import { ChannelTarget, type TargetLimits } from '../relay/channel-target.js';
import { LaneGroup } from '../relay/lanes.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from '../relay/target.js';
import { systemClock, type Ticking } from '../transport/clock.js';

/** Whoever dials. */
export interface LinkDialer {
  /** Dials now, unless that is done or under way. Ends in `up` or `down` of the target, later. */
  connect(): void;
}

/** What one link may hold, and for how long. */
export interface LinkLimits extends TargetLimits {
  /** How long a Data may wait for a lane. */
  readonly deliveryTimeoutMs: number;
}

interface Waiting {
  /** On the coarse clock. */
  readonly due: number;
  readonly lane: DeliveryTarget;
  readonly delivery: OutboundDelivery;
  readonly sink: DeliverySink;
}

export class LinkTarget implements DeliveryTarget, Ticking {
  readonly #dialer: LinkDialer;
  readonly #dialects: readonly Dialect[];
  readonly #limits: LinkLimits;
  readonly #lanes = new LaneGroup((delivery, sink, lane) => this.#wait(delivery, sink, lane));
  #channels: ChannelTarget[] = [];
  #waiting: Waiting[] = [];
  #waitingOctets = 0;
  /** Why what comes now fails at once; undefined while it may wait (D-CORE-36: fail fast, come back soon). */
  #obstacle: Reply | undefined;

  /**
   * @param dialects those that may be spoken there; each channel says which it is
   * @param relay the domain of the relay at the other end, as far as the configuration knows it
   */
  constructor(dialer: LinkDialer, dialects: readonly Dialect[], limits: LinkLimits, relay: string) {
    this.#lanes.relay = relay;
    this.#dialer = dialer;
    this.#dialects = dialects;
    this.#limits = limits;
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

  /** Also while the link is down: recipients that do not share a lane later must not share a Data that waits. */
  lane(recipient: string): DeliveryTarget {
    return this.#lanes.lane(recipient);
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    this.#lanes.deliver(delivery, sink);
  }

  #wait(delivery: OutboundDelivery, sink: DeliverySink, lane: DeliveryTarget): void {
    if (this.#obstacle !== undefined) {
      sink.failed(this.#obstacle);
      return;
    }
    const octets = octetsOf(delivery);
    const { outstanding, outstandingOctets } = this.#limits;
    const full = this.#waiting.length >= outstanding || this.#waitingOctets + octets > outstandingOctets;
    if (full && this.#waiting.length > 0) {
      sink.failed(REPLIES.busy);
      return;
    }
    if (this.#waiting.length === 0) systemClock.add(this);
    this.#waiting.push({ delivery, sink, lane, due: systemClock.coarse + this.#limits.deliveryTimeoutMs });
    this.#waitingOctets += octets;
    this.#dialer.connect();
  }

  /** What has waited for too long has not left: it certainly was not delivered. */
  tick(now: number): void {
    const [first] = this.#waiting;
    if (first === undefined || first.due > now) return;
    const late = this.#waiting.filter(({ due }) => due <= now);
    this.#waiting = this.#waiting.slice(late.length);
    for (const { delivery } of late) this.#waitingOctets -= octetsOf(delivery);
    if (this.#waiting.length === 0) systemClock.remove(this);
    for (const { sink } of late) sink.failed(REPLIES.relayUnavailable);
  }

  /** The link is up: what waited goes, in order. */
  up(channels: readonly MeshChannel[]): void {
    this.#obstacle = undefined;
    this.#drop();
    for (const channel of channels) {
      if (channel.identity.kind === 'relay') this.#lanes.relay = channel.identity.domains[0]?.toLowerCase();
      const dialect = this.#dialects.find(({ profile }) => profile === channel.profile);
      if (dialect === undefined) continue;
      const target = new ChannelTarget(channel, dialect, this.#limits);
      this.#channels.push(target);
      this.#lanes.add(target);
    }
    for (const { delivery, sink, lane } of this.#taken()) lane.deliver(delivery, sink);
  }

  /** The link is down; `obstacle` is what senders are told until it is up, undefined when they may wait again. */
  down(obstacle: Reply | undefined): void {
    this.#obstacle = obstacle;
    this.#drop();
    for (const { sink } of this.#taken()) sink.failed(obstacle ?? REPLIES.relayUnavailable);
  }

  #taken(): readonly Waiting[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingOctets = 0;
    systemClock.remove(this);
    return waiting;
  }

  #drop(): void {
    for (const channel of this.#channels) this.#lanes.remove(channel);
    this.#channels = [];
  }
}

function octetsOf({ data }: OutboundDelivery): number {
  return data.source?.payload.length ?? 0;
}
