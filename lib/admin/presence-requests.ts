/** Presence for clients of the HTTP API: publishes that of their account, asks for that of others, and follows it. */
import type { ServerResponse } from 'node:http';
import { givenAddress } from '../endpoint/address.js';
import type { PresenceInfo, PresenceTupleInit, PresenceUpdate } from '../endpoint/presence-info.js';
import { events } from '../ops/events.js';
import type { AccountEndpoints, Lease } from './account-endpoints.js';
import type { PublishBody } from './api-schemas.js';
import { describedPresence } from './described.js';
import { EventStream } from './event-stream.js';
import { faultOfError, HttpFault } from './http-fault.js';

/** Until when somebody is available who names no time: as late as a timestamp can say. */
const ALWAYS = new Date('9999-12-31T23:59:59Z');

export class PresenceRequests {
  readonly #endpoints: AccountEndpoints;
  /** The presence that is followed: account and publisher. */
  readonly #followed = new Set<string>();

  constructor(endpoints: AccountEndpoints) {
    this.#endpoints = endpoints;
  }

  async publish(account: string, given: PublishBody): Promise<object> {
    const { open, until, destination = `im:${account}`, info } = given;
    const availableUntil = open ? (until === undefined ? ALWAYS : new Date(until)) : new Date();
    // Other destinations of the account are kept.
    const change = (present: PresenceInfo): PresenceUpdate => {
      const others = present.tuples.filter((tuple) => tuple.destination !== destination);
      const own = present.tuples.find((tuple) => tuple.destination === destination);
      const tuple: PresenceTupleInit = { ...own, destination, availableUntil };
      return { tuples: [tuple, ...others], info: info ?? present.info, extension: present.extension };
    };
    const lease = await this.#endpoints.leaseToAsk(account);
    try {
      await lease.endpoint.presence.publish(change, { publisher: account });
      return { publisher: account, destination, open, availableUntil: availableUntil.toISOString() };
    } finally {
      lease.release();
    }
  }

  async poll(account: string, publisher: string): Promise<object> {
    const lease = await this.#endpoints.leaseToAsk(account);
    try {
      return describedPresence(await lease.endpoint.presence.poll(publisher));
    } finally {
      lease.release();
    }
  }

  /** Resolves when the stream is open; the present state comes first. @throws HttpFault 409; and what asking throws */
  async follow(account: string, publisher: string, response: ServerResponse): Promise<void> {
    const key = `${account} ${givenAddress(publisher).key}`;
    // The service keeps one subscription of an account to a publisher (D-PRES-02).
    if (this.#followed.has(key)) throw new HttpFault(409, `a stream of the presence of ${publisher} is open already`);
    this.#followed.add(key);
    let lease: Lease | undefined;
    const end = (): void => {
      this.#followed.delete(key);
      lease?.release();
    };
    try {
      lease = await this.#endpoints.leaseToAsk(account);
      const feed = await lease.endpoint.presence.subscribe(publisher, { renew: true });
      const stream = new EventStream(response, () => void feed.end().then(end));
      stream.open();
      void sendAll(feed, stream);
    } catch (error) {
      end();
      throw error;
    }
  }
}

/** Sends what a feed gives, and why it ended. */
async function sendAll(feed: AsyncIterable<PresenceInfo>, stream: EventStream): Promise<void> {
  try {
    for await (const presence of feed) stream.send('presence', describedPresence(presence));
  } catch (error) {
    const fault = faultOfError(error);
    if (fault === undefined) events.fault.publish({ session: 'api', error });
    else stream.send('error', { error: fault.message, ...(fault.code === undefined ? {} : { code: fault.code }) });
  }
  stream.close();
}
