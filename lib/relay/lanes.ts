/**
 * Several channels to the same relay used as one target (D-CORE-35). A recipient is pinned to a lane by hash,
 * so that a slow recipient delays only its lane and Data to one recipient are never reordered. Owns the pinning; refuses
 * to know where the channels come from (bindings and links alike).
 *
 * A lane moves to another channel only while none of its Data is unanswered: before that, what it sends by the new
 * channel could overtake what is still on its way by the old one.
 */

import { addressOf } from '../imxp/address.js';
import { REPLIES } from './answer.js';
import type { AnswerListener, ChannelTarget } from './channel-target.js';
import type { DeliverySink, DeliveryTarget, OutboundDelivery } from './target.js';

/** More lanes than channels, so that adding or losing a channel moves only a share of the recipients. Power of two. */
const SLOTS = 64;

/** Told of a Data for which no channel is open; settles the sink, or gives the Data to the lane again later. */
export type Stranded = (delivery: OutboundDelivery, sink: DeliverySink, lane: DeliveryTarget) => void;

export class LaneGroup implements DeliveryTarget {
  /** The domain of the relay they lead to, where known. */
  relay: string | undefined;
  readonly #stranded: Stranded;
  readonly #channels: ChannelTarget[] = [];
  readonly #slots: (Slot | undefined)[] = new Array<Slot | undefined>(SLOTS).fill(undefined);

  /** @param stranded refuses with 450 unless given */
  constructor(stranded: Stranded = refuse) {
    this.#stranded = stranded;
  }

  /** Whether any channel may be used. */
  get live(): boolean {
    for (const channel of this.#channels) if (channel.open) return true;
    return false;
  }

  /** Data sent through these lanes and not yet answered. */
  get outstanding(): number {
    let total = 0;
    for (const slot of this.#slots) if (slot !== undefined) total += slot.outstanding;
    return total;
  }

  add(channel: ChannelTarget): void {
    // The same channel may be bound for a domain twice, under two transIDs: it counts once for each.
    this.#channels.push(channel);
  }

  remove(channel: ChannelTarget): void {
    const at = this.#channels.indexOf(channel);
    if (at >= 0) this.#channels.splice(at, 1);
  }

  has(channel: ChannelTarget): boolean {
    return this.#channels.includes(channel);
  }

  /** The open channel number `preference`, counted round the ones there are. */
  channelFor(preference: number): ChannelTarget | undefined {
    const count = this.#channels.length;
    for (let step = 0; step < count; step += 1) {
      const channel = this.#channels[(preference + step) % count];
      if (channel?.open === true) return channel;
    }
    return undefined;
  }

  lane(recipient: string): DeliveryTarget {
    const index = hash(recipient) & (SLOTS - 1);
    let slot = this.#slots[index];
    if (slot === undefined) {
      slot = new Slot(this, index);
      this.#slots[index] = slot;
    }
    return slot;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    const identity = delivery.data.recipients[0]?.identity ?? '';
    this.lane(addressOf(identity)?.key ?? identity).deliver(delivery, sink);
  }

  /** No channel is open for this lane. */
  strand(delivery: OutboundDelivery, sink: DeliverySink, lane: DeliveryTarget): void {
    this.#stranded(delivery, sink, lane);
  }
}

function refuse(_delivery: OutboundDelivery, sink: DeliverySink): void {
  sink.failed(REPLIES.relayUnavailable);
}

/** All recipients of one hash value. */
class Slot implements DeliveryTarget, AnswerListener {
  readonly #lanes: LaneGroup;
  readonly #index: number;
  #channel: ChannelTarget | undefined;
  #outstanding = 0;

  constructor(lanes: LaneGroup, index: number) {
    this.#lanes = lanes;
    this.#index = index;
  }

  get relay(): string | undefined {
    return this.#lanes.relay;
  }

  get outstanding(): number {
    return this.#outstanding;
  }

  deliver(delivery: OutboundDelivery, sink: DeliverySink): void {
    if (this.#outstanding === 0) this.#channel = this.#lanes.channelFor(this.#index);
    const channel = this.#channel;
    if (channel === undefined) {
      this.#lanes.strand(delivery, sink, this);
      return;
    }
    // A channel that is no longer bound still owes answers: nothing may overtake them, and nothing more may go there.
    if (!this.#lanes.has(channel)) {
      refuse(delivery, sink);
      return;
    }
    this.#outstanding += 1;
    channel.send(delivery, sink, this);
  }

  answered(): void {
    this.#outstanding -= 1;
  }
}

/** FNV-1a over the UTF-16 units: quick, spreads well, the same in every process. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let at = 0; at < text.length; at += 1) value = Math.imul(value ^ text.charCodeAt(at), 0x01000193);
  return (value ^ (value >>> 15)) >>> 0;
}
