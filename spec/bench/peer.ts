/** An attached endpoint for the benchmark: sends prepared payloads and answers what comes, with little work of its own. */

import { DEFAULT_LIMITS } from '../../lib/config/limits.js';
import { parseRelayUrl, type Transport } from '../../lib/config/relay-url.js';
import { LocalError } from '../../lib/errors.js';
import { makeData } from '../../lib/imxp/content.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import { newTransId } from '../../lib/imxp/trans-id.js';
import { type Subscribe, writePresenceOperation } from '../../lib/imxp/vocabulary/presence.js';
import { MESH_NAMING } from '../../lib/mesh/certificate.js';
import { meshErrors } from '../../lib/mesh/profile.js';
import { type Payload, payloadOctets } from '../../lib/mime/payload.js';
import type { ChannelHandle, RequestSink } from '../../lib/transport/channel.js';
import type { Connection } from '../../lib/transport/connection.js';
import { dial } from '../../lib/transport/dialer.js';
import { ProfileTable } from '../../lib/transport/profile.js';
import { TlsService } from '../../lib/transport/tls/service.js';

export interface PeerOptions {
  readonly port: number;
  readonly address: string;
  /** Who logs in, where that is not the address. */
  readonly username?: string;
  readonly password: string;
  /** PEM of the authority; with it TLS is required. */
  readonly authority?: Buffer;
  /** `tcp` unless given. */
  readonly transport?: Transport;
  /** Keeps what sessions may be resumed with; one of its own unless given. */
  readonly service?: TlsService;
}

/** TLS of endpoints without certificates. */
export function tlsService(authority: Buffer | undefined, timeoutMs: number): TlsService {
  return new TlsService({
    naming: MESH_NAMING,
    common: authority === undefined ? {} : { authority },
    domains: new Map(),
    revocations: [],
    timeoutMs,
  });
}

const dialect = imxpDialect();
const NOTHING = new ProfileTable([]);

export class Peer {
  readonly address: string;
  received = 0;
  receivedOctets = 0;
  /** Messages are received and not answered. */
  mute = false;
  /** Told of each message after it was counted. */
  heard: (() => void) | undefined;
  readonly #connection: Connection;
  #channel: ChannelHandle | undefined;

  private constructor(address: string, connection: Connection) {
    this.address = address;
    this.#connection = connection;
  }

  static async attach(options: PeerOptions): Promise<Peer> {
    const { port, address, password, authority, transport = 'tcp' } = options;
    const domain = address.split('@')[1] ?? '';
    const connection = await dial({
      relays: [parseRelayUrl(`${transport}://127.0.0.1:${port}`)],
      domain,
      tls: authority === undefined ? 'off' : 'require',
      service: options.service ?? tlsService(authority, 10_000),
      credentials: { username: options.username ?? address, password: () => password },
      profiles: NOTHING,
      limits: DEFAULT_LIMITS,
      owner: { ended: () => {} },
    });
    const peer = new Peer(address, connection);
    const attach = dialect.encodeInitial({ type: 'attach', endpoint: address, transID: newTransId(), options: [] });
    const { content } = await connection.start(
      { profiles: [{ uri: dialect.profile, content: attach }] },
      { codec: meshErrors(dialect), handler: (channel) => peer.#take(channel) },
    );
    const answer = content === undefined ? undefined : dialect.decodeInitialReply(content);
    if (answer?.type !== 'ok') throw new Error(`${address} could not attach: ${JSON.stringify(answer)}`);
    return peer;
  }

  /** Attaches as a further address on the same channel. */
  attachMore(address: string): Promise<void> {
    const attach = dialect.encode({ type: 'attach', endpoint: address, transID: newTransId(), options: [] });
    return new Promise((resolve, reject) => {
      this.request(attach, {
        replied: (kind, answer) => (kind === 'RPY' ? resolve() : reject(new Error(`${address}: ${answer}`))),
        failed: (reason) => reject(new Error(`${address}: ${reason}`)),
      });
    });
  }

  request(payload: Buffer | readonly Buffer[], sink: RequestSink): void {
    this.#channel?.request(payload, sink);
  }

  /** Goes away without a word. */
  drop(): void {
    this.#connection.destroy(new LocalError('CLOSED', 'the measurement is over'));
  }

  async leave(): Promise<void> {
    await this.#connection.release();
  }

  #take(channel: ChannelHandle) {
    this.#channel = channel;
    return {
      message: (msgno: number, payload: Payload): void => {
        const octets = payloadOctets(payload);
        this.received += 1;
        this.receivedOctets += octets;
        if (!this.mute) channel.reply(msgno, 'RPY', dialect.ok);
        channel.consume(octets);
        this.heard?.();
      },
      closed: (): void => {},
    };
  }
}

/** A request to the presence service of the publisher's domain. */
export function subscribing(subscriber: string, publisher: string, transID: number): Buffer | readonly Buffer[] {
  const operation: Subscribe = { type: 'subscribe', publisher, transID, duration: 86_400 };
  return dialect.encodeData({
    type: 'data',
    originator: subscriber,
    content: '#C',
    recipients: [{ identity: `imxp=presence@${publisher.split('@')[1]}`, options: [] }],
    options: [],
    dataContent: { name: 'C', inner: Buffer.from(writePresenceOperation(operation)) },
    source: undefined,
  });
}

/** A Data from one address to another with so many octets of text, as the library writes it. */
export function dataOf(from: string, to: string, octets: number): Payload {
  const content = { type: 'text/plain; charset=UTF-8', body: Buffer.alloc(octets, 'yabba dabba doo ') };
  const data = makeData({ originator: from, recipients: [to], content });
  return data.source?.payload ?? dialect.encodeData(data);
}
