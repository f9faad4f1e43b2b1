import { createServer as createHttpServer } from 'node:http';
import { createServer as createHttp2Server } from 'node:http2';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { foreignService } from '../../lib/transport/foreign-service.js';
import { TestAuthority } from '../support/certificates.js';
import { failureOf } from '../support/failure.js';

const banner = (text: string): Server =>
  createServer((socket: Socket) => void socket.on('error', () => {}).write(text));

describe('a port where no BEEP listener is', () => {
  const servers: Server[] = [];
  const { certificate: cert, key } = new TestAuthority().issue({ domains: ['example.com'] });

  after(() => {
    for (const server of servers) server.close();
  });

  const cases: readonly (readonly [what: string, server: () => Server, text: string])[] = [
    ['HTTP', () => createHttpServer(), 'an HTTP server; for BEEP over WebSocket write ws:// or wss://'],
    ['HTTP/2', () => createHttp2Server(), 'an HTTP/2 server'],
    [
      'TLS',
      () => banner('\u0015\u0003\u0001\u0000\u0002\u0002\u0046'),
      'a TLS server; for BEEP over WebSocket over TLS write',
    ],
    ['SSH', () => banner('SSH-2.0-OpenSSH_9.6\r\n'), 'an SSH server'],
    ['SMTP', () => banner('220 mail.example.com ESMTP Postfix\r\n'), 'an SMTP server'],
    ['IMAP', () => banner('* OK ready\r\n'), 'an IMAP server'],
    ['POP3', () => banner('+OK ready\r\n'), 'a POP3 server'],
    ['silent TLS', () => createTlsServer({ cert, key }), 'closed the connection without sending anything'],
    ['silent end', () => createServer((socket) => void socket.end()), 'or it expects TLS first (wss://)'],
  ];
  for (const [what, make, text] of cases) {
    it(`is said to be that of another service: ${what}`, async () => {
      const server = make();
      servers.push(server);
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
      const { port } = server.address() as AddressInfo;
      const failure = await failureOf(
        Endpoint.connect({ address: 'fred@example.com', relay: `tcp://127.0.0.1:${port}`, password: 'yabba' }),
      );
      expect(failure.message).to.contain(text);
      expect(failure.code).to.equal(what.startsWith('silent') ? 'CONNECTION_LOST' : 'CONNECT_FAILED');
      if (!what.startsWith('silent')) expect(failure.message).to.contain(`at 127.0.0.1 port ${port}`);
    });
  }

  it('is not seen in the greeting of BEEP, nor in anything unknown', () => {
    for (const text of [
      'RPY 0 0 . 0 52\r\n',
      'ERR 0 0 . 0 52\r\n',
      'hello',
      '',
      '\u0016',
      '\u0000\u0000\u0000\u0004',
    ]) {
      expect(foreignService(Buffer.from(text, 'latin1')), text).to.equal(undefined);
    }
  });
});
