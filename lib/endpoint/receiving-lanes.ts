/**
 * Receiving lanes: the channels of one session over which an endpoint is attached for a whole domain (D-CORE-38). BEEP answers
 * the requests of a channel in order (RFC 3080 §2.6.1), so that a user who is slow to answer would delay the deliveries to all
 * others. The relay chooses the lane of a delivery; only the endpoint can open lanes (core-01 §2.1). Knows nothing of what is
 * delivered.
 */
import { RefusedError } from '../errors.js';
import type { Attach } from '../imxp/operation.js';
import { LaneWatch, WatchedLane } from '../mesh/lane-watch.js';
import { REFUSED_MS } from '../relay/lanes.js';
import type { EndpointChannel, Receiver, RelayConnection } from './connection.js';
import type { Requests } from './requests.js';

/** Lanes to begin with: as many as a relay keeps for users known to be prompt, and as many again for others. */
const FIRST = 8;

export interface ReceivingLanesOptions {
  readonly connection: RelayConnection;
  readonly requests: Requests;
  /** Lanes in all, the channel of the connection included. */
  readonly most: number;
  readonly receive: Receiver['message'];
  /** Number of deliveries of a channel without an answer. */
  due(channel: EndpointChannel): number;
  /** The relay has closed a lane, and its deliveries cannot be answered any more. */
  closed(channel: EndpointChannel): void;
}

export class ReceivingLanes {
  readonly #options: ReceivingLanesOptions;
  readonly #lanes = new Map<EndpointChannel, WatchedLane>();
  /** Of the domains, without conditions: each lane is attached for all of them. */
  #attaches: readonly Attach[] = [];
  #opening = 0;
  /** The relay does not attach for a domain over several channels. */
  #refused = false;
  readonly #watch = new LaneWatch({
    lanes: () => [...this.#lanes.values()],
    full: () => this.#refused || this.#count >= this.#options.most,
    open: () => void this.#open(),
  });

  constructor(options: ReceivingLanesOptions) {
    const { connection, due } = options;
    this.#options = options;
    this.#lanes.set(connection.channel, new WatchedLane(() => due(connection.channel)));
  }

  get #count(): number {
    return this.#lanes.size + this.#opening;
  }

  /** The channels besides that of the connection. */
  get further(): readonly EndpointChannel[] {
    return [...this.#lanes.keys()].filter((channel) => channel !== this.#options.connection.channel);
  }

  /** The connection is attached for a domain: the lanes are from now on as well. Never rejects. */
  async attached({ endpoint, transID }: Attach): Promise<void> {
    const attach: Attach = { type: 'attach', endpoint, transID, options: [] };
    this.#attaches = [...this.#attaches, attach];
    await Promise.all(this.further.map((channel) => this.#attach(channel, [attach])));
    const missing = Math.min(FIRST, this.#options.most) - this.#count;
    await Promise.all(Array.from({ length: Math.max(0, missing) }, () => this.#open()));
  }

  /** Ends an attachment on all lanes. Never rejects. */
  async terminate(transIDs: readonly number[]): Promise<void> {
    this.#attaches = this.#attaches.filter(({ transID }) => !transIDs.includes(transID));
    await Promise.all(this.further.map((channel) => this.#options.requests.terminate(channel, transIDs)));
  }

  /** A delivery has arrived. */
  received(channel: EndpointChannel): void {
    const lane = this.#lanes.get(channel);
    if (lane !== undefined) this.#watch.received(lane);
  }

  async #open(): Promise<void> {
    const { connection, due, receive } = this.#options;
    if (connection.further === undefined || this.#refused) return;
    this.#opening += 1;
    const made: { lane?: EndpointChannel } = {};
    try {
      const lane = await connection.further(() => this.#closed(made.lane), receive);
      made.lane = lane;
      this.#lanes.set(lane, new WatchedLane(() => due(lane)));
      this.#opening -= 1;
      await this.#attach(lane, this.#attaches);
    } catch {
      // The lanes that there are have to suffice for a while.
      this.#opening -= 1;
      this.#watch.refused(REFUSED_MS);
    }
  }

  /** Attaches a lane, and closes it where the relay does not want that. Never rejects. */
  async #attach(lane: EndpointChannel, attaches: readonly Attach[]): Promise<void> {
    try {
      for (const attach of attaches) await this.#options.requests.ask(lane, attach);
    } catch (error) {
      // 4xx may pass, as a rate that was exceeded.
      this.#refused = error instanceof RefusedError && error.reply.code >= 500;
      this.#watch.refused(REFUSED_MS);
      this.#lanes.delete(lane);
      if (lane.open) lane.close(200, 'no longer needed');
    }
  }

  #closed(lane: EndpointChannel | undefined): void {
    if (lane === undefined) return;
    this.#lanes.delete(lane);
    this.#options.closed(lane);
  }
}
