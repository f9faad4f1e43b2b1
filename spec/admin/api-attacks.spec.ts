import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { ApiClient, FRED, secretOf, tokenFile, WILMA } from '../support/api-fixture.js';
import { within } from '../support/within.js';

describe('admin/api under attack', function () {
  this.timeout(60_000);
  this.slow(15_000);
  let node: Node;
  const api = new ApiClient(() => node.admin);
  const sockets: Socket[] = [];

  before(async () => {
    const config = {
      domains: ['example.com'],
      listen: [{ port: 0 }],
      sasl: { mechanisms: ['DIGEST-MD5'] },
      store: { type: 'memory' },
      mesh: { dns: { enabled: false } },
      admin: { port: 0, api: { tokens: await tokenFile() } },
      limits: {
        data: { deliveryTimeoutMs: 3000 },
        api: { requestTimeoutMs: 6000, outstanding: 8, streams: 4, bodyOctets: 65_536 },
      },
    };
    node = await startNode(parseConfig(config, '/'));
    for (const address of [FRED, WILMA]) {
      await node.accounts.add(await makeVerifier(address, 'rock', { realms: ['example.com'] }));
    }
  });

  afterEach(() => {
    for (const socket of sockets.splice(0)) socket.destroy();
  });

  after(() => node.stop());

  async function raw(octets: string): Promise<Socket> {
    const socket = connect({ port: Number(new URL(node.admin ?? '').port), host: '127.0.0.1' });
    socket.on('error', () => {});
    sockets.push(socket);
    await once(socket, 'connect');
    socket.write(octets);
    return socket;
  }

  const head = (method: string, path: string, more = ''): string =>
    `${method} /api/v1${path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${secretOf('shop')}\r\n${more}\r\n`;

  async function answerOf(socket: Socket): Promise<string> {
    let text = '';
    socket.setEncoding('latin1').on('data', (part: string) => {
      text += part;
    });
    await within(15_000, once(socket, 'close'), () => `the end of the connection, after ${text}`);
    return text;
  }

  const alive = async (): Promise<void> => {
    expect((await api.ask('auditor', 'GET', '/held')).status).to.equal(200);
  };

  it('leaves room for others when one token sends bodies that never end', async () => {
    const begun = head('POST', '/send', 'Content-Type: application/json\r\nContent-Length: 60000\r\n');
    const slow = await Promise.all(Array.from({ length: 12 }, () => raw(`${begun}{ "to": `)));
    await new Promise((resolve) => setTimeout(resolve, 300));
    await alive();
    const ends = await Promise.all(slow.map(answerOf));
    expect(ends.filter((text) => text.startsWith('HTTP/1.1 503'))).to.have.length(8);
    expect(ends.filter((text) => text.startsWith('HTTP/1.1 408'))).to.have.length(4);
    expect(
      (await api.ask('shop', 'POST', '/send', { to: WILMA, text: 'x' })).body['error'],
      'the places are free',
    ).to.equal('not attached');
  });

  it('reads no more of a body than it may have, announced or not', async () => {
    const chunked = await raw(
      head('POST', '/send', 'Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n'),
    );
    const ended = answerOf(chunked);
    const chunk = `8000\r\n${'x'.repeat(0x8000)}\r\n`;
    for (let count = 0; count < 8 && !chunked.destroyed; count += 1) chunked.write(chunk);
    expect(await ended).to.match(/^HTTP\/1\.1 413 /);
    await alive();
  });

  it('takes what is left of a refused request for no further one', async () => {
    const inner = head('POST', `/accounts/${FRED}/disable`, 'Content-Length: 2\r\n').replace(/shop-/, 'operator-');
    const smuggled = `${inner}{}`;
    const outer = head('POST', '/nowhere', `Content-Length: ${smuggled.length}\r\n`);
    const answer = await answerOf(await raw(outer + smuggled));
    expect(answer.match(/HTTP\/1\.1 /g)).to.have.length(1);
    expect(answer).to.match(/^HTTP\/1\.1 404 /);
    const both = 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n';
    expect(await answerOf(await raw(`${head('POST', '/send', both)}0\r\n\r\n`))).to.match(/^HTTP\/1\.1 400 /);
    expect(node.accounts.suspended(FRED)).to.equal(undefined);
  });

  it('holds no more for a slow reader of messages than its limits, and refuses the rest', async () => {
    const reader = await raw(head('GET', '/messages'));
    await once(reader, 'data');
    reader.pause();
    const wilma = await Endpoint.connect({
      address: WILMA,
      password: 'rock',
      relay: `tcp://127.0.0.1:${node.listening[0]?.port}`,
    });
    const before = process.memoryUsage().rss;
    try {
      const large = 'x'.repeat(1_000_000);
      const codes = await within(
        40_000,
        Promise.all(
          Array.from({ length: 24 }, () =>
            wilma.send({ to: FRED, content: large }).then(
              () => 200,
              (error: { readonly reply?: { readonly code: number } }) => error.reply?.code,
            ),
          ),
        ),
        'answers',
      );
      // Nothing is lost in silence, and nothing is taken for delivered.
      expect(codes.filter((code) => code !== 450 && code !== 451)).to.deep.equal([]);
      expect(process.memoryUsage().rss - before).to.be.lessThan(400_000_000);
      await alive();
    } finally {
      await wilma.close();
    }
  });

  it('gives nothing to a token in the wrong place, or with something behind it', async () => {
    const good = secretOf('auditor');
    const requests: readonly (readonly [string, RequestInit])[] = [
      [`/held?token=${good}`, {}],
      [`/held?access_token=${good}`, {}],
      ['/held', { headers: { Cookie: `token=${good}` } }],
      ['/held', { headers: { Authorization: `Basic ${Buffer.from(`auditor:${good}`).toString('base64')}` } }],
    ];
    for (const [path, init] of requests) {
      expect((await fetch(api.url(path), init)).status, path).to.equal(401);
    }
    expect(
      (await fetch(api.url('/accounts/..%2f..%2fheld/access'), { headers: api.headers('auditor') })).status,
    ).to.equal(400);
    await alive();
  });
});
