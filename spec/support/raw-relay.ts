/**
 * A relay over real sockets as the listener of BEEP sessions, written against RFC 3080 and the IMXP drafts, to see what a
 * relay of ours says when it is the initiator: greeting, TLS by any implementation, bind, Data. Refuses to use anything
 * from lib/.
 */
import { createServer, type Server, type Socket } from 'node:net';
import { createSecureContext, type SecureContextOptions, TLSSocket } from 'node:tls';
import type { RawMessage } from './raw-channel.js';
import * as document from './raw-documents.js';
import { type Engine, RawSession } from './raw-session.js';

/** A session that a relay began with us. */
export class RawRelaySession extends RawSession {
  /** Where it connected to. */
  static over(socket: Socket, port: number): RawRelaySession {
    return new RawRelaySession(socket, { port, name: 'raw relay' });
  }

  /** Exchanges greetings, offering these profiles; returns the relay's. */
  async greet(...profiles: readonly string[]): Promise<RawMessage> {
    const offered = profiles.map((uri) => `<profile uri='${uri}' />`).join('');
    const greeting = offered === '' ? '<greeting />' : `<greeting>${offered}</greeting>`;
    this.write(this.channel(0).build('RPY', 0, document.beepXml(greeting)));
    return await this.nextReply(0);
  }

  /** The next start. */
  async started(): Promise<Asked> {
    const { msgno, payload } = await this.nextRequest(0);
    return this.parseStart(msgno, payload);
  }

  /** Reads a start. */
  parseStart(msgno: number, payload: Buffer): Asked {
    const channel = /<start\b[^>]*\bnumber=(['"])(\d+)\1/.exec(`${payload}`)?.[2];
    const profile = document.profileIn(payload);
    if (channel === undefined || profile === undefined) throw new Error(`no start but ${payload}${this.transcript()}`);
    const serverName = /<start\b[^>]*\bserverName=(['"])([^'"]*)\1/.exec(`${payload}`)?.[2];
    return { msgno, channel: Number(channel), ...profile, serverName };
  }

  /** Creates a channel, with the answer to what came with the start. */
  accept({ msgno, channel, uri }: Asked, content?: string): void {
    this.open(channel);
    const inner = content === undefined ? ' />' : `><![CDATA[${content}]]></profile>`;
    this.reply(0, 'RPY', msgno, document.beepXml(`<profile uri='${uri}'${inner}`));
  }

  refuse({ msgno }: Asked, code: number, text: string): void {
    this.reply(0, 'ERR', msgno, document.beepXml(`<error code='${code}'>${text}</error>`));
  }

  /** Answers every request to close, the last of which ends the session. */
  async leave(): Promise<void> {
    for (;;) {
      const { msgno, payload } = await this.nextRequest(0);
      this.reply(0, 'RPY', msgno, document.beepXml('<ok />'));
      if (!/<close\b[^>]*\bnumber=['"][1-9]/.test(`${payload}`)) return;
    }
  }

  /** Takes `ready`, answers `proceed`, has the engine do the server's handshake and greets again. */
  async acceptTls(engine: Engine, ...profiles: readonly string[]): Promise<RawMessage> {
    const asked = await this.started();
    if (asked.content !== '<ready />') throw new Error(`no ready but ${asked.content}${this.transcript()}`);
    this.accept(asked, '<proceed />');
    await this.secured(engine);
    return await this.greet(...profiles);
  }
}

export interface Asked {
  readonly msgno: number;
  readonly channel: number;
  readonly uri: string;
  readonly content: string;
  readonly serverName: string | undefined;
}

/** A listening socket whose sessions a spec takes one after the other. */
export class RawRelay {
  readonly port: number;
  readonly #server: Server;
  readonly #arrived: RawRelaySession[] = [];
  readonly #sessions: RawRelaySession[] = [];
  readonly #waiting: ((session: RawRelaySession) => void)[] = [];

  private constructor(server: Server, port: number) {
    this.#server = server;
    this.port = port;
    server.on('connection', (socket) => {
      const session = RawRelaySession.over(socket, port);
      this.#sessions.push(session);
      const taker = this.#waiting.shift();
      if (taker === undefined) this.#arrived.push(session);
      else taker(session);
    });
  }

  static listen(given = 0): Promise<RawRelay> {
    return new Promise((resolve, reject) => {
      const server = createServer();
      server.once('error', reject);
      server.listen(given, '127.0.0.1', () => {
        const address = server.address();
        if (address === null || typeof address === 'string') reject(new Error('no port'));
        else resolve(new RawRelay(server, address.port));
      });
    });
  }

  get url(): string {
    return `tcp://127.0.0.1:${this.port}`;
  }

  /** The next session, greetings not yet exchanged. */
  session(): Promise<RawRelaySession> {
    const arrived = this.#arrived.shift();
    if (arrived !== undefined) return Promise.resolve(arrived);
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  close(): void {
    for (const session of this.#sessions) session.destroy();
    this.#server.close();
  }
}

/** node:tls as the server of a handshake that asks for a certificate and takes any. */
export function nodeServer(options: SecureContextOptions): Engine {
  return (plain) =>
    new Promise((resolve, reject) => {
      const context = createSecureContext(options);
      const secure = new TLSSocket(plain, { isServer: true, secureContext: context, requestCert: true });
      secure.once('secure', () => resolve(secure));
      secure.once('error', reject);
      plain.once('close', () => reject(new Error('closed during the handshake')));
    });
}
