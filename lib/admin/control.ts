/**
 * Control socket: HTTP on a Unix socket in the directory of the store, which only the user of the node may enter. Through
 * it commands on the same machine list sessions and end them, and read the log as it is written.
 */
import { chmod } from 'node:fs/promises';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { events } from '../ops/events.js';
import type { SessionFacts } from '../ops/session-facts.js';
import { removeSocket, type SocketPath, socketPath } from '../store/lock.js';
import type { LogReaders } from './log-readers.js';

/** Names of the sockets in the directory of the store: that of the node, and those of its workers. */
export const CONTROL_SOCKET = /^control(?:-[0-9]+)?$/;

export interface ControlExtras {
  /** Readers of the live log. */
  readonly readers?: LogReaders | undefined;
  /** URL of the console with a new token, or why there is none. */
  readonly console?: (() => Promise<string | { readonly error: string }>) | undefined;
}

export interface ControlledSessions {
  list(): SessionFacts[];
  end(whom: string, reason: string): SessionFacts[];
}

const REQUEST_MS = 5000;
const HEADER_OCTETS = 8192;
const CONNECTIONS = 16;
/** Longest name or reason that an operator gives. */
const LONGEST = 1024;

export class ControlSocket {
  readonly #server: Server;
  readonly #path: SocketPath;
  readonly #directory: string;
  readonly #name: string;
  readonly #readers: LogReaders | undefined;

  private constructor(server: Server, path: SocketPath, directory: string, name: string, readers?: LogReaders) {
    this.#name = name;
    this.#readers = readers;
    this.#server = server;
    this.#path = path;
    this.#directory = directory;
  }

  /**
   * Opens the socket for the relay that has the lock of the store, or for one of its workers.
   *
   * @param extras what workers have not, because the relay has it for all
   * @returns undefined where there can be none: on file systems without sockets, and for paths that are too long
   */
  static async open(
    directory: string,
    worker: boolean,
    sessions: ControlledSessions,
    { readers, console: page }: ControlExtras = {},
  ): Promise<ControlSocket | undefined> {
    const name = worker ? `control-${process.pid}` : 'control';
    const path = await socketPath(directory, name);
    if (path === undefined) return undefined;
    const limits = { maxHeaderSize: HEADER_OCTETS, headersTimeout: REQUEST_MS, requestTimeout: REQUEST_MS };
    const server = createServer(limits, (request, response) =>
      answer(request, response, sessions, { readers, console: page }),
    );
    server.maxConnections = CONNECTIONS;
    try {
      // What a relay that was killed has left.
      await removeSocket(directory, name);
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject);
        server.listen(path.text, resolve);
      });
      await chmod(path.text, 0o600);
    } catch (error) {
      events.fault.publish({ session: 'control', error });
      await path.close();
      return undefined;
    }
    server.on('error', (error) => events.fault.publish({ session: 'control', error }));
    // It does not keep the process alive by itself.
    server.unref();
    return new ControlSocket(server, path, directory, name, readers);
  }

  async close(): Promise<void> {
    await this.#readers?.close();
    await new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      this.#server.closeAllConnections();
    });
    await removeSocket(this.#directory, this.#name);
    await this.#path.close();
  }
}

function answer(
  request: IncomingMessage,
  response: ServerResponse,
  sessions: ControlledSessions,
  { readers, console: page }: ControlExtras,
): void {
  const { pathname, searchParams } = new URL(request.url ?? '/', 'http://control');
  const whom = searchParams.get('whom') ?? '';
  const reason = searchParams.get('reason') ?? '';
  if (request.method === 'GET' && pathname === '/sessions') {
    reply(response, 200, { sessions: sessions.list() });
  } else if (request.method === 'POST' && pathname === '/kick' && whom !== '' && (whom + reason).length <= LONGEST) {
    reply(response, 200, { sessions: sessions.end(whom, reason === '' ? 'kicked' : `kicked: ${reason}`) });
  } else if (request.method === 'GET' && pathname === '/events' && readers !== undefined) {
    const refused = readers.add(response, searchParams, sessions.list());
    if (refused !== undefined) reply(response, refused.status, { error: refused.error });
  } else if (request.method === 'GET' && pathname === '/console' && page !== undefined) {
    void page().then(
      (url) => (typeof url === 'string' ? reply(response, 200, { url }) : reply(response, 503, url)),
      (error: unknown) => {
        events.fault.publish({ session: 'control', error });
        response.destroy();
      },
    );
  } else reply(response, 404, { error: 'there are GET /sessions, GET /events, GET /console and POST /kick?whom=' });
}

function reply(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'Content-Type': 'application/json', Connection: 'close' });
  response.end(`${JSON.stringify(body)}\n`);
}
