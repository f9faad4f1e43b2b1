/**
 * Connection from an endpoint to its relay: dials, starts the channel and sends the first attach. Knows nothing of what
 * is sent and received afterwards.
 */

import { DEFAULT_LIMITS, type Limits } from '../config/limits.js';
import { type ImxpError, RefusedError, type Reply } from '../errors.js';
import { parseAddress } from '../imxp/address.js';
import type { Dialect } from '../imxp/dialect/dialect.js';
import type { Attach } from '../imxp/operation.js';
import { dialledRelay } from '../mesh/identity.js';
import { preferredTo } from '../mesh/preference.js';
import { meshErrors } from '../mesh/profile.js';
import { type Payload, payloadOctets } from '../mime/payload.js';
import type { ChannelHandler, RequestSink } from '../transport/channel.js';
import type { Connection, ConnectionOwner } from '../transport/connection.js';
import type { DialTarget } from '../transport/dialer.js';
import type { Started } from '../transport/pending-requests.js';
import { ProfileTable } from '../transport/profile.js';
import { RecentFailures } from '../transport/recent-failures.js';
import type { Credentials } from '../transport/sasl/client.js';
import { Dialling } from './dialling.js';
import type { EndpointSettings } from './options.js';

/** The part of a channel that an endpoint uses. */
export interface EndpointChannel {
  /** For logs. */
  readonly id: string;
  readonly open: boolean;
  readonly outstanding: number;
  readonly outstandingOctets: number;
  /** Calls the sink exactly once, never before this returns. */
  request(payload: Payload, sink: RequestSink): void;
  reply(msgno: number, kind: 'RPY' | 'ERR', payload: Payload): void;
  consume(octets: number): void;
  close(code: number, text: string): void;
}

/** Receives what the relay sends, possibly before {@link Connector.open} has returned. */
export interface Receiver {
  readonly message: (channel: EndpointChannel, msgno: number, payload: Payload) => void;
  /** The connection has ended; called once. `error` is undefined when it was released in order. */
  ended(error: ImxpError | undefined): void;
}

export interface RelayConnection {
  readonly channel: EndpointChannel;
  /** URL of the relay, for display. */
  readonly relay?: string;
  /** False when a relay with a higher preference exists but did not answer. */
  readonly preferred?: boolean;
  /**
   * Opens another channel; undefined when the connection has only one channel.
   *
   * @param closed called when the channel is closed
   * @param receive receives what the relay sends on it; absent for a channel to send on, where nothing is attached
   * @throws ImxpError when the relay refuses it
   */
  further?(closed: () => void, receive?: Receiver['message']): Promise<EndpointChannel>;
  /** Octets of messages that have not been transmitted yet. */
  unsentOctets?(): number;
  /** Octets that have arrived of messages that are incomplete. */
  incompleteOctets?(): number;
  /** Releases the session in order. */
  release(): Promise<void>;
}

/** Opens connections. An interface, so that an endpoint can be tested without a relay. */
export interface Connector {
  readonly dialect: Dialect;
  /**
   * @param attach sent with the start of the channel; without it nothing is attached yet
   * @param than connect only to a relay preferred to this one, named as in {@link RelayConnection.relay}
   * @throws RefusedError REFUSED when the relay refuses the attach; and as `dial`
   */
  open(attach: Attach | undefined, receiver: Receiver, than?: string): Promise<RelayConnection>;
}

/** An endpoint serves no profile: only the endpoint starts channels (core-01 §2.1, endpoint-relay mode). */
const NO_PROFILES = new ProfileTable([]);

const NOT_ATTACHED: Reply = { code: 550, text: 'no endpoint is attached on this channel' };

export class RelayConnector implements Connector {
  readonly dialect: Dialect;
  readonly #settings: EndpointSettings;
  readonly #dialling: Pick<Dialling, 'relays' | 'dial'>;
  readonly #failures = new RecentFailures();

  /** @param dialling another way to the relay than over the network */
  constructor(settings: EndpointSettings, dialect: Dialect, dialling?: Pick<Dialling, 'relays' | 'dial'>) {
    this.dialect = dialect;
    this.#settings = settings;
    const { connectTimeoutMs, closeTimeoutMs, answerTimeoutMs, messageOctets, windowOctets } = settings.limits;
    const limits: Limits = {
      ...DEFAULT_LIMITS,
      session: { ...DEFAULT_LIMITS.session, connectTimeoutMs, closeTimeoutMs, messageOctets, windowOctets },
      data: { ...DEFAULT_LIMITS.data, deliveryTimeoutMs: answerTimeoutMs },
    };
    this.#dialling = dialling ?? new Dialling(settings, limits, dialect);
  }

  async open(attach: Attach | undefined, receiver: Receiver, than?: string): Promise<RelayConnection> {
    const line = new Line(receiver, this.#failures);
    const relays = await this.#dialling.relays();
    const connection = await this.#dial(line, than === undefined ? relays : preferredTo(than, relays));
    line.connection = connection;
    try {
      const started = await connection.start(
        { profiles: [this.#proposal(attach)] },
        { codec: meshErrors(this.dialect), handler: (channel) => line.on(channel) },
      );
      if (attach !== undefined) this.#verify(attach, started);
      line.live = true;
      return {
        channel: started.channel,
        relay: line.relay,
        preferred: preferredTo(line.relay, relays).length === 0,
        further: (closed, receive) => this.#further(connection, closed, receive),
        unsentOctets: () => waiting(connection, 'unsentOctets'),
        incompleteOctets: () => waiting(connection, 'incompleteOctets'),
        release: () => connection.release(),
      };
    } catch (error) {
      this.#failures.failed(line.relay);
      await connection.release();
      throw error;
    }
  }

  async #further(connection: Connection, closed: () => void, receive?: Receiver['message']): Promise<EndpointChannel> {
    const { channel } = await connection.start(
      { profiles: [this.#proposal(undefined)] },
      {
        codec: meshErrors(this.dialect),
        handler: (made) => ({
          closed,
          message: (msgno, payload) => {
            if (receive !== undefined) return receive(made, msgno, payload);
            // No endpoint is attached on this channel, so the relay has nothing to send.
            made.consume(payloadOctets(payload));
            made.refuse(msgno, NOT_ATTACHED);
          },
        }),
      },
    );
    return channel;
  }

  async #dial(line: Line, relays: readonly DialTarget[]): Promise<Connection> {
    const { domain } = this.#settings;
    const connection = await this.#dialling.dial({
      relays,
      failures: this.#failures,
      chosen: ({ url }) => {
        line.relay = url;
      },
      profiles: NO_PROFILES,
      owner: line,
      ...this.#credentials(),
    });
    // The application or the DNS chose this relay, so the limits for unauthenticated peers do not apply to it.
    connection.identity = dialledRelay(domain, 'chosen', connection.privacy);
    return connection;
  }

  #credentials(): { readonly credentials?: Credentials } {
    const { address, anonymous, loginName, password, own } = this.#settings;
    if (anonymous) return { credentials: { mechanisms: ['ANONYMOUS'] } };
    const useCertificate = own !== undefined;
    // Accounts and certificates name the endpoint; subaddresses have no passwords of their own.
    const account = parseAddress(address).base;
    const username = loginName ?? account;
    if (password !== undefined) return { credentials: { username, password, useCertificate } };
    return useCertificate ? { credentials: { username: account, authzid: account, useCertificate } } : {};
  }

  #proposal(attach: Attach | undefined): { uri: string; content?: string } {
    const uri = this.dialect.profile;
    return attach === undefined ? { uri } : { uri, content: this.dialect.encodeInitial(attach) };
  }

  #verify(attach: Attach, { content }: Started): void {
    if (content === undefined || content.length === 0) {
      throw new RefusedError('REFUSED', { code: 501, text: 'the relay did not answer the attach' });
    }
    const answer = this.dialect.decodeInitialReply(content);
    if (answer.type === 'error') throw attachRefused(attach.endpoint, answer);
  }
}

function waiting(connection: Connection, what: 'unsentOctets' | 'incompleteOctets'): number {
  let sum = 0;
  for (const { number } of connection.channels) sum += connection.channelInfo(number)?.[what] ?? 0;
  return sum;
}

/** The error for an attach that the relay refused. */
export function attachRefused(
  address: string,
  { code, text }: { readonly code: number; readonly text: string },
): RefusedError {
  return new RefusedError('REFUSED', { code, text }, `cannot attach as ${address}: ${code} ${text}`);
}

/** Turns what a connection and its channel tell about their ends into one. */
class Line implements ConnectionOwner {
  readonly #receiver: Receiver;
  readonly #failures: RecentFailures;
  connection: Connection | undefined;
  relay = '';
  /** Until this is true {@link Connector.open} reports failures. */
  live = false;

  constructor(receiver: Receiver, failures: RecentFailures) {
    this.#receiver = receiver;
    this.#failures = failures;
  }

  on(channel: EndpointChannel): ChannelHandler {
    return {
      message: (msgno, payload) => this.#receiver.message(channel, msgno, payload),
      closed: () => {
        // The relay closed the channel of the attachment: the session has no further use.
        const { connection } = this;
        if (connection !== undefined && !connection.ended) void connection.release();
      },
    };
  }

  ended(_driver: Connection, error: ImxpError | undefined): void {
    if (!this.live) return;
    // An alternative relay, if any, is tried first next time.
    this.#failures.failed(this.relay);
    this.#receiver.ended(error);
  }
}
