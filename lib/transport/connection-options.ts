/** What a connection is made with, and what it is asked for and gives. */
import type { Duplex } from 'node:stream';
import type { Role } from '../beep/session.js';
import type { Limits } from '../config/limits.js';
import type { ImxpError, Reply } from '../errors.js';
import type { TokenBuckets } from '../ops/token-bucket.js';
import type { ChannelHandle, ChannelHandler, ErrorCodec } from './channel.js';
import type { Connection } from './connection.js';
import type { ProfileTable } from './profile.js';
import type { ReassemblyBudget } from './reassembly-budget.js';
import type { SecuredStream } from './tls/secured-stream.js';

export interface RemoteAddress {
  readonly address: string;
  readonly port: number;
}

export type ConnectionLimits = Pick<
  Limits,
  | 'greetingTimeoutMs'
  | 'closeTimeoutMs'
  | 'deliveryTimeoutMs'
  | 'idleTimeoutMs'
  | 'messageOctets'
  | 'unauthenticatedMessageOctets'
  | 'unauthenticatedOctets'
  | 'unauthenticatedChannels'
  | 'stalledTimeoutMs'
  | 'messageTimeoutMs'
  | 'messageOctetsPerSecond'
  | 'windowOctets'
  | 'channels'
>;

/** Told about the life of a connection; the listener, the dialer or a link. */
export interface ConnectionOwner {
  /** The connection is gone. `error` is undefined after an orderly release. */
  ended(connection: Connection, error: ImxpError | undefined): void;
  /** The peer's identity became known or changed. */
  identified?(connection: Connection): void;
}

/** What holds for all connections of a listener, or of a dialer: made once for all of them. */
export interface ConnectionRules {
  readonly role: Role;
  readonly profiles: ProfileTable;
  readonly limits: ConnectionLimits;
  /** Whether this side acts under a server name (RFC 3080 §2.3.1.2); any, unless given. */
  readonly serves?: (serverName: string) => boolean;
  /** How often an identity may start channels; as often as it likes unless given. */
  readonly starts?: TokenBuckets;
  /** Where it is counted what sessions hold of messages that are not complete. */
  readonly reassembly?: ReassemblyBudget;
}

/** What is known of one connection. */
export interface ConnectionOptions {
  readonly remote: RemoteAddress;
  /** Where the connection arrived or left from; for logs and DIGEST-MD5 host names. */
  readonly local: RemoteAddress;
  readonly owner: ConnectionOwner;
  /** Refuse the session with this instead of a greeting (RFC 3080 §2.4). */
  readonly refuse?: Reply;
  /** The protection the connection has already, by TLS underneath. */
  readonly security?: SecuredStream;
  /**
   * Something has to happen on the connection before BEEP begins: nothing is read and written until
   * {@link Connection.renew}. Time runs from now on.
   */
  readonly opening?: boolean;
}

/** What a `start` of ours came to. */
export interface Started {
  readonly channel: ChannelHandle;
  readonly uri: string;
  readonly content: Buffer | undefined;
}

/** A connection handed over for a change of transport (RFC 3080 §3). */
export interface HandedOver {
  readonly stream: Duplex;
  /** Octets received after the last frame and not parsed. */
  readonly leftover: Buffer;
}

/** How this side uses a channel it asked for. */
export interface ChannelUse {
  readonly codec: ErrorCodec;
  /**
   * Each answer on the channel may change the transport: nothing behind it is read until {@link Connection.goOn}, or until
   * the session is renewed.
   */
  readonly tuning?: boolean;
  /** Makes the receiver of what comes on the channel; without it every request is refused. */
  handler?(channel: ChannelHandle): ChannelHandler;
}
