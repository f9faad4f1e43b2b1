/**
 * Lanes: the channels an endpoint sends on. Within a channel BEEP delivers replies in order (RFC 3080 §2.6.1), so a
 * slow recipient delays everything sent after it. Further channels are opened while all existing ones have unanswered
 * messages. Decides which lane a message takes: that of an earlier unanswered message to the same recipient, so that
 * messages to one recipient keep their order. Knows neither contents nor answers.
 */

import type { Payload } from '../mime/payload.js';
import type { RequestSink } from '../transport/channel.js';
import type { EndpointChannel, RelayConnection } from './connection.js';

/** A message to be sent on a lane. */
export interface OutboundData extends RequestSink {
  readonly payload: Payload;
  readonly octets: number;
  /** Normalised addresses. */
  readonly recipients: readonly string[];
}

export class Lane {
  /** Undefined while it is being opened. */
  channel: EndpointChannel | undefined;
  /** Whether it was opened in addition to the channel on which the endpoint is attached. */
  readonly further: boolean;
  /** Accepts no new messages and is closed once everything on it is answered. */
  retired = false;
  #waiting: OutboundData[] = [];
  #waitingOctets = 0;

  constructor(channel: EndpointChannel | undefined) {
    this.channel = channel;
    this.further = channel === undefined;
  }

  get outstanding(): number {
    return (this.channel?.outstanding ?? 0) + this.#waiting.length;
  }

  get octets(): number {
    return (this.channel?.outstandingOctets ?? 0) + this.#waitingOctets;
  }

  get usable(): boolean {
    return !this.retired && this.channel?.open !== false;
  }

  send(travelling: OutboundData): void {
    if (this.channel !== undefined) {
      this.channel.request(travelling.payload, travelling);
      return;
    }
    this.#waiting.push(travelling);
    this.#waitingOctets += travelling.octets;
  }

  opened(channel: EndpointChannel): void {
    this.channel = channel;
    for (const travelling of this.takeWaiting()) this.send(travelling);
  }

  takeWaiting(): OutboundData[] {
    const waiting = this.#waiting;
    this.#waiting = [];
    this.#waitingOctets = 0;
    return waiting;
  }
}

/** The lane of a recipient while messages to it are unanswered. */
interface Pin {
  lane: Lane;
  count: number;
}

export class Lanes {
  readonly #most: number;
  readonly #pins = new Map<string, Pin>();
  #lanes: Lane[] = [];
  /** Lanes of an earlier connection or no longer used, waiting for their last answers. */
  #retired: Lane[] = [];
  #connection: RelayConnection | undefined;
  #first: Lane | undefined;
  /** Number of lanes that this connection allows. */
  #allowed: number;

  /** @param most maximum number of lanes per connection, including the channel of the attachment */
  constructor(most: number) {
    this.#most = most;
    this.#allowed = most;
  }

  /** Whether there is a connection to send on. */
  get ready(): boolean {
    return this.#first !== undefined;
  }

  get outstanding(): number {
    if (this.#single !== undefined) return this.#single.outstanding;
    let sum = 0;
    for (const lane of this.#lanes) sum += lane.outstanding;
    for (const lane of this.#retired) sum += lane.outstanding;
    return sum;
  }

  get octets(): number {
    if (this.#single !== undefined) return this.#single.octets;
    let sum = 0;
    for (const lane of this.#lanes) sum += lane.octets;
    for (const lane of this.#retired) sum += lane.octets;
    return sum;
  }

  /** Whether an answer is outstanding on a retired lane. */
  get retiring(): boolean {
    return this.#retired.length > 0;
  }

  /** Whether an answer is outstanding on any channel other than that of the attachment. */
  get waiting(): boolean {
    return this.outstanding > (this.#first?.outstanding ?? 0);
  }

  /** Sends over this connection from now on; messages outstanding on an earlier one are answered there. */
  begin(connection: RelayConnection): void {
    this.#retire(this.#lanes);
    this.#connection = connection;
    this.#first = new Lane(connection.channel);
    this.#lanes = [this.#first];
    this.#allowed = connection.further === undefined ? 1 : this.#most;
  }

  /** The connection is lost. @returns messages that were not sent because their lane was still being opened */
  end(): OutboundData[] {
    const unsent = this.#lanes.flatMap((lane) => lane.takeWaiting());
    this.#lanes = [];
    this.#retired = [];
    this.#pins.clear();
    this.#connection = undefined;
    this.#first = undefined;
    return unsent;
  }

  /**
   * Chooses the lane for a message to these recipients; undefined while their earlier messages are on different lanes.
   */
  take(recipients: readonly string[]): Lane | undefined {
    let lane: Lane | undefined;
    for (const recipient of recipients) {
      const pinned = this.#pins.get(recipient)?.lane;
      if (pinned === undefined || pinned === lane) continue;
      // On the lane of one recipient it might overtake an earlier message to the other.
      if (lane !== undefined || !pinned.usable) return undefined;
      lane = pinned;
    }
    lane ??= this.#freest();
    if (lane === undefined) return undefined;
    for (const recipient of recipients) this.#pin(recipient, lane);
    return lane;
  }

  /** A message is answered, or will get no answer. */
  leave(recipients: readonly string[]): void {
    for (const recipient of recipients) {
      const pin = this.#pins.get(recipient);
      if (pin === undefined) continue;
      pin.count -= 1;
      if (pin.count === 0) this.#pins.delete(recipient);
    }
    if (this.#retired.length > 0) this.#closeRetired();
  }

  /** The relay accepts messages only on the channel of the attachment: opens no others from now on. */
  confine(): void {
    this.#allowed = 1;
    this.#retire(this.#lanes.filter(({ further }) => further));
  }

  /** The channel on which the endpoint is attached. */
  get first(): Lane | undefined {
    return this.#first;
  }

  /** The only lane, in the usual case; consulted for each message. */
  get #single(): Lane | undefined {
    return this.#lanes.length === 1 && this.#retired.length === 0 ? this.#first : undefined;
  }

  #pin(recipient: string, lane: Lane): void {
    const pin = this.#pins.get(recipient);
    if (pin === undefined) this.#pins.set(recipient, { lane, count: 1 });
    else pin.count += 1;
  }

  /** The lane with the fewest outstanding answers; a new one when none is idle. */
  #freest(): Lane | undefined {
    let freest: Lane | undefined;
    for (const lane of this.#lanes) {
      if (lane.usable && (freest === undefined || lane.outstanding < freest.outstanding)) freest = lane;
    }
    if (freest !== undefined && freest.outstanding === 0) return freest;
    return this.#lanes.length < this.#allowed ? this.#open() : freest;
  }

  #open(): Lane | undefined {
    const connection = this.#connection;
    if (connection?.further === undefined) return undefined;
    const lane = new Lane(undefined);
    this.#lanes.push(lane);
    connection
      .further(() => this.#gone(lane))
      .then(
        (channel) => this.#opened(lane, channel),
        () => this.#refused(lane),
      );
    return lane;
  }

  #opened(lane: Lane, channel: EndpointChannel): void {
    lane.opened(channel);
    if (lane.retired) this.#closeRetired();
  }

  /** When the relay refuses a further channel, everything goes over the existing ones. */
  #refused(lane: Lane): void {
    if (!this.#lanes.includes(lane) && !this.#retired.includes(lane)) return;
    const { first } = this;
    this.#gone(lane);
    this.#allowed = Math.max(1, this.#lanes.length);
    for (const pin of this.#pins.values()) if (pin.lane === lane && first !== undefined) pin.lane = first;
    for (const travelling of lane.takeWaiting()) {
      if (first === undefined) travelling.failed('unsent');
      else first.send(travelling);
    }
  }

  #gone(lane: Lane): void {
    this.#lanes = this.#lanes.filter((other) => other !== lane);
    this.#retired = this.#retired.filter((other) => other !== lane);
  }

  #retire(lanes: readonly Lane[]): void {
    for (const lane of lanes) lane.retired = true;
    this.#retired.push(...lanes);
    this.#lanes = this.#lanes.filter(({ retired }) => !retired);
    this.#closeRetired();
  }

  /** Closes retired lanes without outstanding answers. The channel of the attachment ends with its connection. */
  #closeRetired(): void {
    this.#retired = this.#retired.filter((lane) => {
      if (lane.channel === undefined || lane.outstanding > 0) return true;
      if (lane.further) lane.channel.close(200, 'no longer needed');
      return false;
    });
  }
}
