import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { ComponentLink } from '../../../lib/gateway/xmpp/component.js';
import type { XmppElement } from '../../../lib/gateway/xmpp/element.js';
import { pause } from '../../../lib/transport/backoff.js';

/** As deep as a stanza of 256 KiB can be, which Prosody takes from clients. */
const LEVELS = 37_000;
/** Longer than the library waits by itself. */
const LATE_MS = 2500;

describe('the connection of a component', () => {
  let server: Server;
  let link: ComponentLink;

  afterEach(async () => {
    await link.close();
    server.close();
  });

  it('survives a stanza whose elements are nested until a stack would overflow', async () => {
    const nested = `${'<a>'.repeat(LEVELS)}${'</a>'.repeat(LEVELS)}`;
    const stanzas = [
      `<message id='1'>${nested}<body>one</body></message>`,
      "<message id='2'><body>two</body></message>",
    ];
    server = createServer((socket) => play(socket, stanzas)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const got: XmppElement[] = [];
    await new Promise<void>((resolve, reject) => {
      link = new ComponentLink(
        {
          domain: 'example.com',
          host: '127.0.0.1',
          port: address.port,
          secret: async () => 'secret',
          attemptTimeoutMs: 5000,
          backoff: { firstMs: 10, longestMs: 100 },
          wait: pause,
        },
        (one) => {
          got.push(one);
          if (got.length === stanzas.length) resolve();
        },
        () => {},
      );
      link.start().catch(reject);
    });
    expect(got.map(({ attributes: { id } }) => id)).to.deep.equal(['1', '2']);
    expect(depthOf(got[0]), 'what nobody reads').to.be.below(20);
  });

  it('waits for a busy server that answers the handshake late', async function () {
    this.timeout(20_000);
    server = createServer((socket) => play(socket, [], LATE_MS)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    link = new ComponentLink(
      {
        domain: 'example.com',
        host: '127.0.0.1',
        port: address.port,
        secret: async () => 'secret',
        attemptTimeoutMs: 15_000,
        backoff: { firstMs: 10, longestMs: 100 },
        wait: pause,
      },
      () => {},
      () => {},
    );
    await link.start();
    expect(link.online?.aborted).to.equal(false);
  });

  it('notices a server that stalls, and connects again', async () => {
    let connections = 0;
    server = createServer((socket) => {
      connections += 1;
      play(socket, []);
      // It is there, and does nothing more: what it reads is lost.
      if (connections === 1)
        socket.on('data', (text) => String(text).includes('</handshake>') && socket.removeAllListeners());
      else answerPings(socket);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const changes: boolean[] = [];
    let again = (): void => {};
    const back = new Promise<void>((resolve) => {
      again = resolve;
    });
    link = new ComponentLink(
      {
        domain: 'example.com',
        host: '127.0.0.1',
        port: address.port,
        secret: async () => 'secret',
        attemptTimeoutMs: 300,
        backoff: { firstMs: 10, longestMs: 100 },
        wait: pause,
      },
      () => {},
      (online) => {
        changes.push(online);
        if (changes.length === 3) again();
      },
    );
    await link.start();
    await back;
    expect(changes).to.deep.equal([true, false, true]);
    // One that answers pings is left alone.
    const online = link.online;
    await pause(1500, new AbortController().signal);
    expect([connections, online?.aborted]).to.deep.equal([2, false]);
  });
});

/** Returns to a component what it sends to itself, as XMPP servers do. */
function answerPings(socket: Socket): void {
  socket.on('data', (text) => {
    const ping = /<iq .*<\/iq>/s.exec(String(text))?.[0];
    if (ping !== undefined) socket.write(ping);
  });
}

/** Accepts a component after a time, and sends it something. */
function play(socket: Socket, stanzas: readonly string[], handshakeMs = 0): void {
  let heard = '';
  let opened = false;
  socket.on('error', () => {});
  socket.setEncoding('utf8').on('data', (text: string) => {
    heard += text;
    if (!opened && heard.includes('<stream:stream')) {
      opened = true;
      socket.write(
        "<stream:stream xmlns:stream='http://etherx.jabber.org/streams' xmlns='jabber:component:accept' id='1' from='example.com'>",
      );
    }
    if (heard.includes('</handshake>')) {
      heard = '';
      setTimeout(() => socket.write('<handshake/>'), handshakeMs);
      setTimeout(() => socket.write(stanzas.join('')), handshakeMs + 50);
    }
    if (heard.includes('</stream:stream>')) socket.end('</stream:stream>');
  });
}

function depthOf(element: XmppElement | undefined): number {
  let [depth, level] = [0, element === undefined ? [] : [element]];
  for (; level.length > 0; depth += 1)
    level = level.flatMap(({ children }) => children.filter((child) => typeof child !== 'string'));
  return depth;
}
