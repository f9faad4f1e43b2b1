/**
 * HTTP server for operators and their monitoring: pages to read, and the API where it is configured. It decides who may ask and limits
 * what that costs the process; `admin.ts` makes the pages.
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { isIP } from 'node:net';
import type { Limits } from '../config/limits.js';
import { events } from '../ops/events.js';
import { cannotListen } from '../transport/listen-fault.js';
import { plainAddress } from '../transport/network.js';
import type { PageFiles } from '../transport/web/page-files.js';
import type { Api } from './api.js';
import { API_PATH } from './api-path.js';

export interface Page {
  /** 200 unless given. */
  readonly status?: number;
  readonly type: string;
  readonly body: string;
}

export interface AdminOptions {
  readonly host: string;
  /** 0 takes any free port. */
  readonly port: number;
  /** By path, for instance `/healthz`. */
  readonly pages: ReadonlyMap<string, () => Page | Promise<Page>>;
  /** Files of a page for browsers, the console. */
  readonly files?: PageFiles | undefined;
  /** Of pages of others that browsers may let ask here. */
  readonly origins?: ReadonlySet<string>;
  /** Answers requests below {@link API_PATH}; without it nothing is there. */
  readonly api?: () => Pick<Api, 'answer'> | undefined;
  /** What the API needs beside the pages; nothing unless given. */
  readonly apiLimits?: Pick<Limits['api'], 'outstanding' | 'streams' | 'requestTimeoutMs'>;
}

/** Nobody needs more to ask for a page; a scraper asks on one connection, every few seconds. */
const HEADER_OCTETS = 8192;
const CONNECTIONS = 64;
const REQUEST_MS = 5000;
const KEEP_ALIVE_MS = 65_000;
const CHECK_MS = 1000;
const REQUESTS_PER_CONNECTION = 10_000;

export class AdminServer {
  readonly #options: AdminOptions;
  readonly #server: Server;

  constructor(options: AdminOptions) {
    this.#options = options;
    this.#server = createServer(
      {
        maxHeaderSize: HEADER_OCTETS,
        headersTimeout: REQUEST_MS,
        requestTimeout: Math.max(REQUEST_MS, options.apiLimits?.requestTimeoutMs ?? 0),
        keepAliveTimeout: KEEP_ALIVE_MS,
        connectionsCheckingInterval: CHECK_MS,
        requireHostHeader: true,
      },
      (request, response) => {
        this.#answer(request, response).catch((error: unknown) => {
          events.fault.publish({ session: 'admin', error });
          response.destroy();
        });
      },
    );
    const { outstanding = 0, streams = 0 } = options.apiLimits ?? {};
    this.#server.maxConnections = CONNECTIONS + outstanding + streams;
    this.#server.maxRequestsPerSocket = REQUESTS_PER_CONNECTION;
  }

  /**
   * Begins to listen. @returns the port
   *
   * @throws LocalError LISTEN_FAILED | CONFIGURATION when the address cannot be had
   */
  async listen(): Promise<number> {
    const { host, port } = this.#options;
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', (cause: NodeJS.ErrnoException) => reject(cannotListen(host, port, cause, 'admin: ')));
      this.#server.listen(port, host, resolve);
    });
    this.#server.on('error', (error) => events.fault.publish({ session: 'admin', error }));
    return this.port;
  }

  get port(): number {
    const address = this.#server.address();
    return typeof address === 'object' && address !== null ? address.port : this.#options.port;
  }

  /** Ends at once: the client learns that there is no node. */
  close(): Promise<void> {
    return new Promise((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    if (this.#greeted(request, response)) return;
    const api = path.startsWith(`${API_PATH}/`) && this.#mayAsk(request) ? this.#options.api?.() : undefined;
    if (api !== undefined) {
      await api.answer(request, response, path);
      return;
    }
    const file =
      this.#mayAsk(request) && !hasBody(request)
        ? this.#options.files?.answer(request.method, path, request.headers)
        : undefined;
    if (file !== undefined) {
      response.writeHead(file.status, file.headers).end(file.body);
      return;
    }
    const page = await this.#page(request);
    const body = Buffer.from(page.body);
    response.writeHead(page.status ?? 200, {
      'Content-Type': page.type,
      'Content-Length': body.length,
      'Cache-Control': 'no-store',
      'X-Content-Type-Options': 'nosniff',
      ...(page.status === 405 ? { Allow: 'GET, HEAD' } : {}),
      // What comes with a request is not read, so no further request can come behind it.
      ...(hasBody(request) ? { Connection: 'close' } : {}),
    });
    response.end(request.method === 'HEAD' ? undefined : body);
  }

  /**
   * Lets pages of configured origins read the response (Fetch Standard, CORS protocol).
   *
   * @returns whether the request only asked for that, and is answered
   */
  #greeted(request: IncomingMessage, response: ServerResponse): boolean {
    const { origin } = request.headers;
    if (origin === undefined || this.#options.origins?.has(origin.toLowerCase()) !== true || !this.#mayAsk(request)) {
      return false;
    }
    response.setHeader('Access-Control-Allow-Origin', origin);
    response.setHeader('Vary', 'Origin');
    if (request.method !== 'OPTIONS' || request.headers['access-control-request-method'] === undefined) return false;
    response.writeHead(204, {
      'Access-Control-Allow-Methods': 'GET, POST, PUT',
      'Access-Control-Allow-Headers': 'Authorization, Content-Type',
      'Access-Control-Max-Age': '600',
    });
    response.end();
    return true;
  }

  async #page(request: IncomingMessage): Promise<Page> {
    if (!this.#mayAsk(request)) return textPage(421, 'this host name is not served here; use 127.0.0.1 or localhost');
    if (request.method !== 'GET' && request.method !== 'HEAD') return textPage(405, 'these pages are read-only');
    if (hasBody(request)) return textPage(413, 'no content is expected');
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/';
    const page = this.#options.pages.get(path);
    if (page !== undefined) return await page();
    return textPage(404, `not found; there are ${[...this.#options.pages.keys()].join(' ')}`);
  }

  /**
   * A web page somewhere can make a browser on this machine ask here under a name of its own that leads to 127.0.0.1, and
   * read the answer. A request to loopback therefore has to say so.
   */
  #mayAsk({ socket, headers }: IncomingMessage): boolean {
    const local = plainAddress(socket.localAddress ?? '');
    if (!local.startsWith('127.') && local !== '::1') return true;
    const name = (headers.host ?? '').replace(/:\d+$/, '').replace(/^\[(.*)\]$/, '$1');
    return isIP(name) !== 0 || name.toLowerCase() === 'localhost';
  }
}

function hasBody({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined || (headers['content-length'] ?? '0') !== '0';
}

export function textPage(status: number, text: string): Page {
  return { status, type: 'text/plain; charset=utf-8', body: `${text}\n` };
}
