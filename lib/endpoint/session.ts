/**
 * One session of an endpoint with its relay: handles the operations that the relay sends and keeps the attachments of
 * the session. Knows nothing of how connections are made.
 */

import { ImxpError, RefusedError, RemoteProtocolError, type Reply } from '../errors.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Data, Operation, Terminate } from '../imxp/operation.js';
import { isProbe } from '../imxp/probe.js';
import { type Payload, payloadOctets } from '../mime/payload.js';
import { events } from '../ops/events.js';
import { SessionAttachments } from './attachments.js';
import type { EndpointChannel, Receiver, RelayConnection } from './connection.js';
import type { Inbox } from './inbox.js';
import type { ReceivingLanes } from './receiving-lanes.js';
import { isNotification, type Transactions } from './transactions.js';

const NOT_ATTACHED: Reply = { code: 550, text: 'not attached as this endpoint' };
const NOT_FOR_ENDPOINTS: Reply = { code: 550, text: 'an endpoint does not accept this operation' };
/** The service ends a subscription whose notifications are refused for good (D-PRES-14). */
const NOT_SUBSCRIBED: Reply = { code: 550, text: 'nobody here has subscribed to this' };
const UNKNOWN_TRANSACTION: Reply = { code: 550, text: 'no attachment has this transID' };

export interface EndpointSessionOptions {
  readonly dialect: Dialect;
  readonly inbox: Inbox;
  readonly transactions: Transactions;
  /** Called when the relay has ended an attachment. */
  terminated(session: EndpointSession, address: string): void;
  /** Called when the connection has ended. */
  ended(session: EndpointSession, error: ImxpError | undefined): void;
}

export class EndpointSession implements Receiver {
  readonly attached = new SessionAttachments();
  /** Aborted when the connection has ended. */
  readonly over = new AbortController();
  /** Set once the connection is made. */
  connection: RelayConnection | undefined;
  /** Set once the endpoint is attached for a whole domain. */
  lanes: ReceivingLanes | undefined;
  readonly #options: EndpointSessionOptions;

  constructor(options: EndpointSessionOptions) {
    this.#options = options;
  }

  ended(error: ImxpError | undefined): void {
    this.over.abort();
    this.#options.ended(this, error);
  }

  /** The channels of the session on which the relay sends. */
  get channels(): readonly EndpointChannel[] {
    const own = this.connection === undefined ? [] : [this.connection.channel];
    return [...own, ...(this.lanes?.further ?? [])];
  }

  message(channel: EndpointChannel, msgno: number, payload: Payload): void {
    const octets = payloadOctets(payload);
    let operation: Operation;
    try {
      operation = this.#options.dialect.decode(payload);
    } catch (error) {
      if (!(error instanceof RemoteProtocolError) || error.reply === undefined) throw error;
      this.#refuse(channel, msgno, octets, error.reply);
      return;
    }
    if (operation.type === 'data') {
      this.#data(channel, msgno, octets, operation);
      return;
    }
    channel.consume(octets);
    if (operation.type === 'terminate') this.#terminated(channel, msgno, operation);
    // core-01 §2.1: in endpoint-relay mode only the endpoint attaches, and neither side binds.
    else this.#refuse(channel, msgno, 0, NOT_FOR_ENDPOINTS);
  }

  #data(channel: EndpointChannel, msgno: number, octets: number, data: Data): void {
    const recipients = data.recipients
      .map(({ identity }) => identity)
      .filter((identity) => this.attached.has(identity));
    this.lanes?.received(channel);
    // core-01 §4.4.4.2: an error when no recipient is attached here.
    if (recipients.length === 0) this.#refuse(channel, msgno, octets, NOT_ATTACHED);
    else if (this.#transacted(channel, msgno, octets, data)) return;
    else this.#options.inbox.take(channel, msgno, octets, data, recipients);
  }

  /** Handles answers of services and probes, which the application does not see. @returns false for other Data */
  #transacted(channel: EndpointChannel, msgno: number, octets: number, data: Data): boolean {
    const { dialect, inbox, transactions } = this.#options;
    try {
      if (!transactions.take(data) && !isProbe(data)) {
        if (inbox.notifications || !isNotification(data)) return false;
        throw new RefusedError('REFUSED', NOT_SUBSCRIBED);
      }
      channel.reply(msgno, 'RPY', dialect.ok);
      channel.consume(octets);
    } catch (error) {
      if (!(error instanceof ImxpError) || error.reply === undefined) throw error;
      this.#refuse(channel, msgno, octets, error.reply);
      const { code, text: reason } = error.reply;
      const subject = data.originator;
      events.refused.publish({ session: channel.id, remote: '', what: 'service element', code, reason, subject });
    }
    return true;
  }

  /** core-01 §4.4.3: the relay ends an attachment. */
  #terminated(channel: EndpointChannel, msgno: number, { transID }: Terminate): void {
    // RFC 3340 §4.4.3 step 1: 0 ends all of them
    const transIDs = transID === 0 ? this.attached.transIDs : [transID];
    // One that ends on several lanes has ended with the first.
    const further = this.connection !== undefined && channel !== this.connection.channel;
    if (transID !== 0 && !further && !this.attached.transIDs.includes(transID)) {
      this.#refuse(channel, msgno, 0, UNKNOWN_TRANSACTION);
      return;
    }
    channel.reply(msgno, 'RPY', this.#options.dialect.ok);
    for (const one of transIDs) {
      const address = this.attached.ended(one);
      if (address !== undefined) this.#options.terminated(this, address);
    }
  }

  #refuse(channel: EndpointChannel, msgno: number, octets: number, { code, text }: Reply): void {
    const { dialect } = this.#options;
    channel.reply(msgno, 'ERR', dialect.encodeReply({ type: 'error', code, text, lang: undefined }));
    if (octets > 0) channel.consume(octets);
  }
}
