/** Dials relays from a web page, over the browser's WebSocket and TLS. */
import type { Duplex } from 'node:stream';
import type { Limits } from '../lib/config/limits.js';
import type { Dialled } from '../lib/endpoint/dialling.js';
import type { EndpointSettings } from '../lib/endpoint/options.js';
import { ImxpError, LocalError } from '../lib/errors.js';
import { dialAlternatives } from '../lib/transport/alternatives.js';
import { Connection } from '../lib/transport/connection.js';
import type { DialTarget } from '../lib/transport/dialer.js';
import { authenticate } from '../lib/transport/sasl/client.js';
import type { SecuredStream } from '../lib/transport/tls/secured-stream.js';
import { openPageStream, type PageStream } from './stream.js';

export class Dialling {
  readonly #settings: EndpointSettings;
  readonly #limits: Limits;

  constructor(settings: EndpointSettings, limits: Limits) {
    this.#settings = settings;
    this.#limits = limits;
  }

  /** @throws LocalError ARGUMENT when no relay can be reached from a browser */
  async relays(): Promise<readonly DialTarget[]> {
    const { relays } = this.#settings;
    if (relays.length === 0)
      throw new LocalError('ARGUMENT', 'a browser cannot ask the DNS: give relay, as wss://host/path');
    const foreign = relays.find(({ transport }) => transport === 'tcp');
    if (foreign === undefined) return relays;
    throw new LocalError('ARGUMENT', `a browser can reach relays only by wss:// or ws://, not ${foreign.url}`);
  }

  dial(dialled: Dialled): Promise<Connection> {
    return dialAlternatives(dialled, (relay) => this.#dialOne(relay, dialled));
  }

  async #dialOne(relay: DialTarget, { owner, profiles, credentials }: Dialled): Promise<Connection> {
    const { domain, tls } = this.#settings;
    const limits = this.#limits;
    const secure = relay.transport === 'wss';
    if (!secure && tls === 'require') {
      throw new LocalError(
        'TLS_REQUIRED',
        `in a browser TLS is by wss:// only, it is required, and ${relay.url} is without`,
      );
    }
    const stream = duplexOf(await openPageStream(relay.url, limits.session.connectTimeoutMs));
    const connection = new Connection(
      stream,
      { role: 'initiator', profiles, limits },
      {
        remote: { address: relay.host, port: relay.port },
        local: { address: '', port: 0 },
        owner,
        ...(secure ? { security: browserSecurity(stream) } : {}),
      },
    );
    try {
      await connection.greeted();
      // Layers of SASL are for those without TLS; a browser that wants protection has wss.
      if (credentials !== undefined)
        await authenticate(connection, { ...credentials, qops: ['auth'] }, { domain, limits });
      return connection;
    } catch (error) {
      connection.destroy(
        error instanceof ImxpError ? error : new LocalError('CLOSED', String(error), { cause: error }),
      );
      throw error;
    }
  }
}

/** The browser has verified the certificate, for the host of the URL, and tells nothing of it. */
function browserSecurity(stream: Duplex): SecuredStream {
  return { stream, protocol: 'TLS', cipher: '', authorized: true };
}

/** A {@link PageStream} has what a connection uses of a stream of Node. */
function duplexOf(stream: PageStream | Duplex): Duplex {
  return stream as Duplex;
}
