/** BEEP session for an application on either side: the channels that it starts there, and the end of the session. */
import type { Duplex } from 'node:stream';
import type { ProfileContent } from '../../beep/management.js';
import { type ImxpError, LocalError, type Reply } from '../../errors.js';
import type { PeerIdentity } from '../../sasl/identity.js';
import type { ErrorCodec } from '../channel.js';
import type { Connection } from '../connection.js';
import type { NetworkAddress } from '../network.js';
import type { HandedOver } from '../session-io.js';
import { BEEP_ERRORS, BeepChannel, type ChannelUser, handlerFor, renew } from './channel.js';

export interface StartOptions {
  /** Asks the peer to act under that name (RFC 3080 §2.3.1.2). */
  readonly serverName?: string;
  /** True for a tuning profile: nothing behind an answer is read until `tune` or `goOn`. */
  readonly tuning?: boolean;
  /** How errors are written on the channel; as the `error` element of BEEP unless given. */
  readonly errors?: ErrorCodec;
}

/** A channel that the peer has created. */
export interface StartedChannel {
  readonly channel: BeepChannel;
  /** Which of the proposed profiles it is. */
  readonly uri: string;
  /** The answer to the message that went with the proposal. */
  readonly content: Buffer | undefined;
}

export class BeepConnection {
  /** Resolves at the end of the session, with the reason unless it was released in order. */
  readonly closed: Promise<ImxpError | undefined>;
  readonly #connection: Connection;

  constructor(connection: Connection, closed: Promise<ImxpError | undefined>) {
    this.#connection = connection;
    this.closed = closed;
  }

  /** Unique in this process; the log has it as `session`. */
  get id(): string {
    return this.#connection.id;
  }

  get remote(): NetworkAddress {
    return this.#connection.remote;
  }

  /** Who the peer has proved to be; undefined when it has not authenticated. */
  get peer(): PeerIdentity | undefined {
    return this.#connection.identity;
  }

  /** Whether TLS protects the session. */
  get privacy(): boolean {
    return this.#connection.privacy;
  }

  /** The profiles that the peer offers. */
  get profiles(): readonly string[] {
    return this.#connection.peer?.profiles ?? [];
  }

  /**
   * Asks the peer for a channel (RFC 3080 §2.3.1.2).
   *
   * @param proposals profiles, the preferred first, each with a message for it where needed
   * @param user what is done with the channel; without it every request of the peer is refused
   * @throws RefusedError START_REFUSED, TransportError CONNECTION_LOST
   */
  async start(
    proposals: string | ProfileContent | readonly ProfileContent[],
    user: ChannelUser = {},
    { serverName, tuning = false, errors = BEEP_ERRORS }: StartOptions = {},
  ): Promise<StartedChannel> {
    const profiles = typeof proposals === 'string' ? [{ uri: proposals }] : [proposals].flat();
    const made: { channel?: BeepChannel } = {};
    const { channel, uri, content } = await this.#connection.start(
      { profiles, ...(serverName === undefined ? {} : { serverName }) },
      {
        codec: errors,
        tuning,
        handler: (handle) => {
          made.channel = new BeepChannel(handle, this.#connection);
          return handlerFor(handle, made.channel, user);
        },
      },
    );
    return { channel: made.channel ?? new BeepChannel(channel, this.#connection), uri, content };
  }

  /** Begins a new session over another transport, after the peer agreed on a tuning channel (RFC 3080 §3). */
  async tune(
    change: (handed: HandedOver) => Duplex | Promise<Duplex>,
    { greets = true }: { readonly greets?: boolean } = {},
  ): Promise<void> {
    await renew(this.#connection, this.#connection.handOverNow(), { stream: change, greets });
    await this.#connection.greeted();
  }

  /** Goes on after an answer on a tuning channel that does not change the transport. */
  resume(): void {
    this.#connection.resume();
  }

  /**
   * Ends the session in order (RFC 3080 §2.4), and cuts the connection when the peer declines or takes too long.
   *
   * @param limitMs how long it may take in all
   */
  close(text = '', limitMs?: number): Promise<void> {
    return this.#connection.release(text, limitMs);
  }

  /** Drops the connection without a word. */
  abort(reason: Reply = { code: 421, text: 'aborted' }): void {
    this.#connection.destroy(new LocalError('CLOSED', reason.text, { reply: reason }));
  }
}
