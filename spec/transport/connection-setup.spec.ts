import type { Duplex } from 'node:stream';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import { type ImxpError, TransportError } from '../../lib/errors.js';
import { events, type SessionClosed } from '../../lib/ops/events.js';
import { ask } from '../../lib/transport/ask.js';
import type { ConnectionSetupOptions } from '../../lib/transport/connection-setup.js';
import type { Listener } from '../../lib/transport/listener.js';
import { LoginThrottle } from '../../lib/transport/login-throttle.js';
import { PageFiles } from '../../lib/transport/web/page-files.js';
import { connected, ECHO, echoListener, foreign, initiator, PLAIN_ERRORS } from '../support/echo.js';
import type { SomeLimits } from '../support/limits.js';
import { exchangeHttp, type RawAnswer, type Transport, upgradeRequest } from '../support/raw-websocket.js';
import { readOctets } from '../support/streams.js';
import { parties, setupOf, TRANSPORTS } from '../support/transport.js';
import { within } from '../support/within.js';

const GREETING = 'RPY 0 0 . 0 52\r\nContent-Type: application/beep+xml\r\n\r\n<greeting />\r\nEND\r\n';

describe('transport/connection-setup', () => {
  let listener: Listener;
  let port: number;
  const open: Duplex[] = [];

  async function listen(
    transport: Transport | 'any',
    limits: SomeLimits = {},
    more: Partial<ConnectionSetupOptions> = {},
    options: Parameters<typeof echoListener>[0] = {},
  ): Promise<void> {
    const setup = setupOf(transport, limits, more);
    ({ listener, port } = await echoListener({ limits, ...options, ...setup }));
  }

  const socket = async (): Promise<Duplex> => {
    const stream = await connected(port);
    stream.on('error', () => {});
    open.push(stream);
    return stream;
  };

  const closed = (stream: Duplex): Promise<void> => {
    stream.resume();
    const end = new Promise<void>((resolve) => (stream.closed ? resolve() : stream.once('close', () => resolve())));
    return within(5000, end, 'the end of the connection');
  };

  const nextClosed = (): Promise<SessionClosed> =>
    within(
      5000,
      new Promise((resolve) => {
        const stop = events.closed.subscribe((message) => {
          stop();
          resolve(message);
        });
      }),
      'the end of a session',
    );

  afterEach(() => {
    for (const stream of open.splice(0)) stream.destroy();
    for (const connection of listener.connections) connection.destroy(new TransportError('CLOSED', 'the spec is over'));
    listener.stop();
  });

  describe('a page', () => {
    const body = Buffer.alloc(4_000_000, 'x');
    const page = new PageFiles('/chat', new Map([['', { type: 'text/html', body }]]));
    const rules = { path: '/', origins: [], knows: () => false, page };
    const request = (path: string) => `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: keep-alive\r\n\r\n`;

    it('is served to a browser, whose leaving is no fault', async () => {
      await listen('ws', {}, { rules });
      const stream = await socket();
      const over = nextClosed();
      stream.write(request('/chat') + request('/chat/'));
      const answer = (await readOctets(stream, body.length)).toString();
      expect(answer).to.match(/^HTTP\/1\.1 308 .*Location: \/chat\/\r\n.*HTTP\/1\.1 200 /s);
      stream.destroy();
      expect(await over).to.not.have.property('error');
    });

    it('ends by time where the browser does not take it', async () => {
      await listen('ws', { websocket: { pageTimeoutMs: 300 } }, { rules });
      const stream = await socket();
      stream.pause();
      const over = nextClosed();
      stream.write(request('/chat/'));
      expect(await over).to.not.have.property('error');
    });
  });

  describe('one port for all', () => {
    for (const transport of TRANSPORTS) {
      it(`serves ${transport}`, async () => {
        await listen('any');
        const { connection } = await initiator(port, { transport });
        await within(5000, connection.greeted(), 'the greeting');
        const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, { codec: PLAIN_ERRORS });
        const { payload } = await within(5000, ask(channel, Buffer.from('\r\nYabba')), 'the reply');
        expect(payload.toString()).to.equal('\r\nYabba');
        const [accepted] = listener.connections;
        expect([connection.privacy, accepted?.privacy]).to.deep.equal(Array(2).fill(transport === 'wss'));
        await connection.release();
      });
    }

    it('greets a peer that waits for the greeting, after a moment', async () => {
      await listen('any', { websocket: { greetingDelayMs: 120 } });
      const begun = performance.now();
      const silent = await socket();
      const text = (await within(5000, readOctets(silent, 13), 'the greeting')).toString();
      expect(text).to.match(/^RPY 0 0 \. 0 /);
      expect(performance.now() - begun).to.be.greaterThan(100);
    });

    it('greets at once a peer that sends BEEP first, without losing an octet', async () => {
      await listen('any', { websocket: { greetingDelayMs: 60_000 } });
      const peer = await socket();
      const [first, rest] = [GREETING.slice(0, 1), GREETING.slice(1)];
      peer.write(first);
      expect((await within(5000, readOctets(peer, 9), 'the greeting')).toString()).to.equal('RPY 0 0 .');
      peer.resume();
      peer.write(rest);
      const payload = 'Content-Type: application/beep+xml\r\n\r\n<close number="0" code="200"/>';
      peer.write(`MSG 0 1 . 52 ${payload.length}\r\n${payload}END\r\n`);
      await closed(peer);
    });

    it('reads an HTTP request and a ClientHello however slowly they come', async () => {
      await listen('any', { websocket: { greetingDelayMs: 60_000 } });
      const peer = await socket();
      const request = upgradeRequest();
      for (const octet of request.slice(0, -1)) {
        peer.write(octet);
        await new Promise((resolve) => setImmediate(resolve));
      }
      expect((await exchangeHttp(peer, request.slice(-1))).status).to.equal(101);
      const { connection } = await initiator(port, { transport: 'wss' });
      await within(5000, connection.greeted(), 'the greeting');
      await connection.release();
    });

    it('drops TLS where there is no certificate', async () => {
      await listen('any', {}, { tls: parties().client });
      const ended = nextClosed();
      const secure = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false });
      open.push(secure);
      secure.on('error', () => {});
      expect(await ended).to.include({ error: 'TLS_REFUSED' });
    });

    it('speaks only HTTP within TLS', async () => {
      await listen('any');
      const ended = nextClosed();
      const secure = connectTls({ port, host: '127.0.0.1', servername: 'example.com', rejectUnauthorized: false });
      open.push(secure);
      secure.on('error', () => {});
      secure.resume();
      secure.write(GREETING);
      expect(await ended).to.include({ error: 'WEBSOCKET_INVALID' });
    });
  });

  describe('a listener for WebSockets alone', () => {
    it('does not take BEEP over TCP, nor plain ws where wss is wanted', async () => {
      for (const transport of ['ws', 'wss'] as const) {
        await listen(transport);
        const ended = nextClosed();
        const peer = await socket();
        peer.write(transport === 'ws' ? GREETING : upgradeRequest());
        await closed(peer);
        expect(['WEBSOCKET_INVALID', 'TLS_INJECTED']).to.include((await ended).error);
        listener.stop();
      }
    });

    it('sends nothing before it is asked', async () => {
      await listen('ws', { websocket: { upgradeTimeoutMs: 150 } });
      const peer = await socket();
      let said = 0;
      peer.on('data', (octets: Buffer) => {
        said += octets.length;
      });
      const { error } = await nextClosed();
      expect([error, said]).to.deep.equal(['TIMED_OUT', 0]);
    });
  });

  describe('plain HTTP', () => {
    const get = async (request: string): Promise<RawAnswer & { readonly body: string; readonly peer: Duplex }> => {
      const peer = await socket();
      const answer = await exchangeHttp(peer, request);
      const chunks = [answer.rest];
      peer.on('data', (octets: Buffer) => chunks.push(octets));
      await closed(peer);
      return { ...answer, body: Buffer.concat(chunks).toString(), peer };
    };
    const plain = (path: string, method = 'GET'): string =>
      `${method} ${path} HTTP/1.1\r\nHost: example.com\r\nUser-Agent: a browser\r\n\r\n`;

    beforeEach(() =>
      listen(
        'any',
        { websocket: { upgradeOctets: 2048 } },
        { rules: { path: '/imxp', origins: [], knows: () => false } },
      ),
    );

    it('is told in short what is here', async () => {
      const { status, headers, body } = await get(plain('/imxp'));
      expect(status).to.equal(426);
      expect(headers.get('upgrade')).to.equal('websocket');
      expect(headers.get('content-type')).to.equal('text/plain; charset=utf-8');
      expect(Number(headers.get('content-length'))).to.equal(body.length);
      expect(body).to.contain('BEEP over WebSocket');
    });

    it('finds nothing elsewhere, by whatever method', async () => {
      expect((await get(plain('/'))).status).to.equal(404);
      expect((await get(plain('/', 'OPTIONS'))).status).to.equal(404);
      expect((await get(upgradeRequest({ path: '/' }))).status).to.equal(404);
      expect((await get(plain('/imxp', 'POST').replace(/\r\n$/, 'Content-Length: 3\r\n\r\nabc'))).status).to.equal(426);
    });

    for (const [what, request, status] of [
      ['a page of another host', upgradeRequest({ path: '/imxp', headers: { Origin: 'https://rubble.com' } }), 403],
      ['a head that is too large', upgradeRequest({ path: '/imxp', headers: { Cookie: 'x'.repeat(3000) } }), 431],
      ['an old version', upgradeRequest({ path: '/imxp', headers: { 'Sec-WebSocket-Version': '8' } }), 426],
      ['a bad key', upgradeRequest({ path: '/imxp', headers: { 'Sec-WebSocket-Key': 'short' } }), 400],
      ['another upgrade', upgradeRequest({ path: '/imxp', headers: { Upgrade: 'h2c' } }), 426],
      ['no Host', upgradeRequest({ path: '/imxp' }).replace('Host: example.com\r\n', ''), 400],
      ['no HTTP', 'GET lost\r\n\r\n', 400],
    ] as const) {
      it(`answers ${status} to ${what}`, async () => {
        const ended = nextClosed();
        expect((await get(request)).status).to.equal(status);
        expect((await ended).error).to.be.oneOf(['WEBSOCKET_INVALID', 'CONNECTION_LOST']);
      });
    }

    it('lets a request without Origin in, as programs send it', async () => {
      expect((await exchangeHttp(await socket(), upgradeRequest({ path: '/imxp' }))).status).to.equal(101);
    });
  });

  describe('strangers', () => {
    it('are limited in time from the connection on', async () => {
      await listen('any', { websocket: { upgradeTimeoutMs: 150 } });
      const ended = nextClosed();
      const peer = await socket();
      peer.write('GET / HTTP/1.1\r\n');
      const drip = setInterval(() => peer.write('X: y\r\n'), 20);
      await closed(peer);
      clearInterval(drip);
      expect(await ended).to.include({ error: 'TIMED_OUT' });
    });

    it('are limited in time in a ClientHello, too', async () => {
      await listen('wss', { websocket: { upgradeTimeoutMs: 150 } });
      const ended = nextClosed();
      const peer = await socket();
      peer.write(Buffer.from([22, 3, 1, 1, 0, 1]));
      await closed(peer);
      expect(await ended).to.include({ error: 'TIMED_OUT' });
    });

    it('are limited in number from the connection on: the oldest makes room', async () => {
      await listen('any', { unauthenticated: { sessions: 3 } });
      const peers = [];
      for (let count = 0; count < 4; count += 1) {
        const peer = await socket();
        peer.write('GET / HTTP/1.1\r\n');
        peers.push(peer);
      }
      const [oldest, ...others] = peers;
      if (oldest === undefined) throw new Error('nobody came');
      await closed(oldest);
      expect(others.map((peer) => peer.destroyed)).to.deep.equal([false, false, false]);
      expect(listener.connections.size).to.equal(3);
    });

    it('must have authenticated within the same time as over TCP', async () => {
      await listen('ws', { unauthenticated: { lifetimeMs: 200 } });
      const { connection, ended } = await initiator(port, { transport: 'ws' });
      await connection.greeted();
      expect((await within(5000, ended, 'the end'))?.code).to.equal('CONNECTION_LOST');
    });

    for (const transport of TRANSPORTS) {
      it(`are refused over ${transport} when they failed too often, and told so`, async () => {
        const throttle = new LoginThrottle({
          delayMs: 0,
          maximumDelayMs: 0,
          failuresPerAddress: 1,
          failuresPerAccount: 1,
          banMs: 60_000,
        });
        throttle.failed('127.0.0.1', 'fred@example.com');
        await listen('any', {}, {}, { throttle });
        const { connection } = await initiator(port, { transport });
        const error = await within(
          5000,
          connection.greeted().catch((cause: ImxpError) => cause),
          'the refusal',
        );
        expect(error).to.have.nested.property('reply.code', 421);
      });
    }

    it('that are refused do not stay longer than a close may take', async () => {
      await listen('any', {
        node: { sessionsPerAddress: 1 },
        session: { closeTimeoutMs: 150 },
        websocket: { greetingDelayMs: 10_000 },
      });
      const first = await foreign(port, 'ws');
      open.push(first);
      const second = await socket();
      const begun = performance.now();
      await closed(second);
      // Or it would have been the hold, at the earliest.
      expect(performance.now() - begun).to.be.lessThan(10_000);
      expect(listener.connections.size).to.equal(1);
    });

    it('that leave leave nothing behind', async () => {
      await listen('any');
      for (const words of ['', 'G', 'GET / HTTP/1.1\r\n', Buffer.from([22]), Buffer.from([22, 3, 1, 2, 0, 1, 0])]) {
        const ended = nextClosed();
        const peer = await socket();
        if (words.length > 0) peer.write(words);
        peer.end();
        await ended;
      }
      expect(listener.connections.size).to.equal(0);
    });
  });
});
