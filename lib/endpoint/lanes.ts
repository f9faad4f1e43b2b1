/**
 * The channels an endpoint sends on. BEEP answers in order within a channel (RFC 3080 §2.6.1), so a recipient who is slow to
 * answer holds up what was sent behind him. Further channels, lanes, are opened when all there are wait for answers. Owns
 * which lane a Data takes: that of an earlier one to the same recipient while this has no answer, so that nothing overtakes.
 * Knows neither contents nor answers.
 */

import type { Payload } from '../beep/payload.js';
import type { ReplySink } from '../transport/channel.js';
import type { EndpointChannel, RelayConnection } from './connection.js';

/** What takes a lane. */
export interface OutboundData extends ReplySink {
  readonly payload: Payload;
  readonly octets: number;
  /** Normalised addresses. */
  readonly recipients: readonly string[];
}

export class Lane {
  /** Undefined while it is being opened. */
  channel: EndpointChannel | undefined;
  /** Opened for sending, beside the one the endpoint is attached on. */
  readonly further: boolean;
  /** Takes nothing new: it is closed when its answers are there. */
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

/** Where Data to a recipient go while there are some without an answer. */
interface Pin {
  lane: Lane;
  count: number;
}

export class Lanes {
  readonly #most: number;
  readonly #pins = new Map<string, Pin>();
  #lanes: Lane[] = [];
  /** Of an earlier connection, or no longer used: they wait for their answers. */
  #retired: Lane[] = [];
  #connection: RelayConnection | undefined;
  #first: Lane | undefined;
  /** As many as this connection allows. */
  #allowed: number;

  /** @param most how many lanes one connection may have, the channel it is attached on included */
  constructor(most: number) {
    this.#most = most;
    this.#allowed = most;
  }

  /** Whether there is anything to send on. */
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

  /** Whether an answer is due on a lane that takes nothing new. */
  get retiring(): boolean {
    return this.#retired.length > 0;
  }

  /** Whether an answer is due on any other channel than the one the endpoint is attached on. */
  get waiting(): boolean {
    return this.outstanding > (this.#first?.outstanding ?? 0);
  }

  /** Sends over this connection from now on; what is under way over an earlier one gets its answers there. */
  begin(connection: RelayConnection): void {
    this.#retire(this.#lanes);
    this.#connection = connection;
    this.#first = new Lane(connection.channel);
    this.#lanes = [this.#first];
    this.#allowed = connection.further === undefined ? 1 : this.#most;
  }

  /** The connection is gone. @returns what had not left, because its lane was still being opened */
  end(): OutboundData[] {
    const unsent = this.#lanes.flatMap((lane) => lane.takeWaiting());
    this.#lanes = [];
    this.#retired = [];
    this.#pins.clear();
    this.#connection = undefined;
    this.#first = undefined;
    return unsent;
  }

  /** The lane for a Data to these recipients; undefined while earlier ones to them keep it from taking any. */
  take(recipients: readonly string[]): Lane | undefined {
    let lane: Lane | undefined;
    for (const recipient of recipients) {
      const pinned = this.#pins.get(recipient)?.lane;
      if (pinned === undefined || pinned === lane) continue;
      // Behind one of them on its lane it might overtake the other one on his.
      if (lane !== undefined || !pinned.usable) return undefined;
      lane = pinned;
    }
    lane ??= this.#freest();
    if (lane === undefined) return undefined;
    for (const recipient of recipients) this.#pin(recipient, lane);
    return lane;
  }

  /** A Data has its answer, or gets none. */
  leave(recipients: readonly string[]): void {
    for (const recipient of recipients) {
      const pin = this.#pins.get(recipient);
      if (pin === undefined) continue;
      pin.count -= 1;
      if (pin.count === 0) this.#pins.delete(recipient);
    }
    if (this.#retired.length > 0) this.#closeRetired();
  }

  /** The relay lets this endpoint originate on the channel it is attached on alone: no others from now on. */
  confine(): void {
    this.#allowed = 1;
    this.#retire(this.#lanes.filter(({ further }) => further));
  }

  /** The channel the endpoint is attached on. */
  get first(): Lane | undefined {
    return this.#first;
  }

  /** The usual case, which each Data asks for. */
  get #single(): Lane | undefined {
    return this.#lanes.length === 1 && this.#retired.length === 0 ? this.#first : undefined;
  }

  #pin(recipient: string, lane: Lane): void {
    const pin = this.#pins.get(recipient);
    if (pin === undefined) this.#pins.set(recipient, { lane, count: 1 });
    else pin.count += 1;
  }

  /** The one with the fewest answers due; a new one when all wait for some. */
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

  /** A relay that takes no further channel gets everything on those there are. */
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

  /** In order: when all answers are there. The channel of an attachment ends with its connection. */
  #closeRetired(): void {
    this.#retired = this.#retired.filter((lane) => {
      if (lane.channel === undefined || lane.outstanding > 0) return true;
      if (lane.further) lane.channel.close(200, 'no longer needed');
      return false;
    });
  }
}
