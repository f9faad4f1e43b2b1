import { request } from 'node:http';
import { connect } from 'node:net';
import { expect } from 'chai';
import { AdminServer, type Page, textPage } from '../../lib/admin/server.js';
import { within } from '../support/within.js';

interface Answer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: string;
}

describe('admin/server', () => {
  let server: AdminServer;
  let port: number;
  let asked = 0;

  before(async () => {
    const pages = new Map<string, () => Page | Promise<Page>>([
      ['/healthz', () => textPage(200, 'ok')],
      ['/readyz', () => textPage(503, 'draining')],
      [
        '/status',
        async () => {
          asked += 1;
          return { type: 'application/json', body: '{}' };
        },
      ],
      [
        '/broken',
        () => {
          throw new Error('oops');
        },
      ],
    ]);
    server = new AdminServer({ host: '127.0.0.1', port: 0, pages });
    port = await server.listen();
  });

  after(() => server.close());

  function ask(path: string, method = 'GET', headers: Record<string, string> = {}, body = ''): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const sent = request({ port, host: '127.0.0.1', path, method, headers, agent: false }, (response) => {
        const { statusCode: status = 0, headers: received } = response;
        let text = '';
        response.setEncoding('utf8').on('data', (part: string) => {
          text += part;
        });
        response.on('end', () => resolve({ status, headers: received, body: text }));
      });
      sent.on('error', reject);
      sent.end(body);
    });
  }

  /** Octets written, and what came until the other side closed. */
  function raw(octets: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: '127.0.0.1' }, () => socket.write(octets));
      let text = '';
      socket.setEncoding('latin1').on('data', (part: string) => {
        text += part;
      });
      socket.on('close', () => resolve(text));
      socket.on('error', reject);
    });
  }

  it('returns a page with its type, and forbids caching', async () => {
    const { status, headers, body } = await ask('/healthz?verbose');
    expect([status, body]).to.deep.equal([200, 'ok\n']);
    expect(headers).to.include({ 'content-type': 'text/plain; charset=utf-8', 'cache-control': 'no-store' });
    expect(await ask('/readyz')).to.include({ status: 503, body: 'draining\n' });
  });

  it('lists the pages where none is found', async () => {
    const { status, body } = await ask('/nothing');
    expect(status).to.equal(404);
    expect(body).to.include('/healthz').and.include('/status');
  });

  it('answers HEAD with headers only', async () => {
    const { status, headers, body } = await ask('/healthz', 'HEAD');
    expect([status, headers['content-length'], body]).to.deep.equal([200, '3', '']);
  });

  it('allows reading only', async () => {
    for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
      const { status, headers } = await ask('/status', method);
      expect(status, method).to.equal(405);
      expect(headers['allow']).to.equal('GET, HEAD');
    }
    expect(asked).to.equal(0);
  });

  it('accepts no content, and reads none', async () => {
    const { status, headers } = await ask('/status', 'GET', { 'Content-Length': '5' }, 'hello');
    expect(status).to.equal(413);
    expect(headers['connection']).to.equal('close');
    expect(asked).to.equal(0);
  });

  it('answers on loopback only requests that name a loopback host, so that no web page can ask under another name', async () => {
    for (const name of ['rebound.example', 'rebound.example:9913', '127.0.0.1.rebound.example']) {
      expect((await ask('/status', 'GET', { Host: name })).status, name).to.equal(421);
    }
    for (const name of ['localhost', `LOCALHOST:${port}`, '127.0.0.1', `[::1]:${port}`]) {
      expect((await ask('/healthz', 'GET', { Host: name })).status, name).to.equal(200);
    }
  });

  it('refuses endless headers', async () => {
    const answer = await raw(`GET /healthz HTTP/1.1\r\nHost: localhost\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`);
    expect(answer).to.match(/^HTTP\/1\.1 431 /);
  });

  it('waits a few seconds for the end of a request', async function () {
    this.timeout(20_000);
    this.slow(16_000);
    const answer = await within(12_000, raw('GET /healthz HTTP/1.1\r\nHost: local'), 'the server gives up');
    expect(answer).to.match(/^HTTP\/1\.1 408 /);
  });

  it('closes the connection when a page cannot be made, and continues', async () => {
    const failure = await ask('/broken').catch((error: unknown) => error);
    expect(failure).to.be.instanceOf(Error);
    expect((await ask('/healthz')).status).to.equal(200);
  });

  it('names the address that it cannot listen on', async () => {
    const second = new AdminServer({ host: '127.0.0.1', port, pages: new Map() });
    const error = await second.listen().catch((cause: unknown) => cause);
    expect(error).to.have.property('code', 'LISTEN_FAILED');
    expect(error).to.have.property('message').that.includes(`port ${port}`);
  });
});
