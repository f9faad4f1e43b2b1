import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, createServer as createSocketServer } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { ConfigurationError } from '../../lib/config/problem.js';
import type { NodeConfig } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { events, type WebhookChanged } from '../../lib/ops/events.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { ApiClient, FRED, tokenFile, WILMA } from '../support/api-fixture.js';
import { failureOf } from '../support/failure.js';
import { freePort } from '../support/free-port.js';

import { temporaryFile } from '../support/temporary-file.js';
import { within } from '../support/within.js';

const SECRET = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw';

interface Got {
  readonly headers: IncomingHttpHeaders;
  readonly body: string;
  readonly message: Readonly<Record<string, unknown>>;
}

type Answer = (response: ServerResponse, got: Got) => void;

/** The program of the recipient. */
class Target {
  readonly got: Got[] = [];
  answer: Answer = (response) => response.end();
  readonly #server: Server;

  private constructor(server: Server) {
    this.#server = server;
  }

  static async start(): Promise<Target> {
    const server = createServer();
    const target = new Target(server);
    server.on('request', async (request, response) => {
      const body = await text(request);
      const got = { headers: request.headers, body, message: JSON.parse(body) };
      target.got.push(got);
      target.answer(response, got);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return target;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/hook?key=hidden`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    this.#server.close();
    await once(this.#server, 'close');
  }
}

describe('admin/webhook', function () {
  this.slow(6000);
  let node: Node;
  let wilma: Endpoint;
  let target: Target;
  let secret: string;
  const told: WebhookChanged[] = [];
  let stop: () => void;
  const api = new ApiClient(() => node.admin);

  const parsed = async (webhooks: readonly object[], tokens: string): Promise<NodeConfig> =>
    parseConfig(
      {
        domains: ['example.com'],
        listen: [{ port: 0 }],
        sasl: { mechanisms: ['DIGEST-MD5'] },
        store: { type: 'memory' },
        mesh: { dns: { enabled: false } },
        admin: { port: 0, api: { tokens } },
        webhooks,
        limits: { webhook: { timeoutMs: 700, giveUpMs: 2500, concurrent: 2, waiting: 3 } },
      },
      '/',
    );
  let tokens: string;

  before(async () => {
    stop = events.webhook.subscribe((it) => told.push(it));
    secret = await temporaryFile(`${SECRET}\n`);
    tokens = await tokenFile();
    target = await Target.start();
    node = await startNode(await parsed([{ account: FRED, url: target.url, secret }], tokens));
    for (const address of [FRED, WILMA]) {
      await node.accounts.add(await makeVerifier(address, 'rock', { realms: ['example.com'] }));
    }
    wilma = await Endpoint.connect({
      address: WILMA,
      password: 'rock',
      relay: `tcp://127.0.0.1:${node.listening[0]?.port}`,
    });
    await state('attached');
  });

  after(async () => {
    stop();
    await wilma.close();
    await node.stop();
    await target.stop();
  });

  beforeEach(() => {
    target.got.length = 0;
    target.answer = (response) => response.end();
  });

  async function state(wanted: string): Promise<void> {
    const reached = async (): Promise<void> => {
      while (!told.some((it) => it.state === wanted)) await new Promise((resolve) => setTimeout(resolve, 20));
    };
    await within(15_000, reached(), () => `"${wanted}": ${JSON.stringify(told)}`);
    told.length = 0;
  }

  const replyTo = async (content: string) => (await failureOf(wilma.send({ to: FRED, content }))).reply;

  it('posts what arrives, signed, and accepts it by 2xx', async () => {
    target.answer = (response) => response.writeHead(204).end();
    await wilma.send({ to: FRED, content: 'Grüße' });
    await wilma.send({ to: FRED, content: Buffer.from([0, 255]), type: 'image/png' });
    const [first, second] = target.got;
    expect(first?.message).to.deep.include({ from: WILMA, to: [FRED], type: 'text/plain', text: 'Grüße' });
    expect(second?.message).to.deep.include({ type: 'image/png', base64: 'AP8=' });
    const { headers, body } = first as Got;
    expect(headers['webhook-id']).to.equal(first?.message['id']);
    expect(headers['content-type']).to.equal('application/json');
    const seconds = Number(headers['webhook-timestamp']);
    expect(Math.abs(Date.now() / 1000 - seconds)).to.be.lessThan(60);
    // As Standard Webhooks 1.0 has receivers compute it.
    const signed = `${headers['webhook-id']}.${seconds}.${body}`;
    const key = Buffer.from(SECRET.slice('whsec_'.length), 'base64');
    const expected = createHmac('sha256', key).update(signed).digest('base64');
    expect(headers['webhook-signature']).to.equal(`v1,${expected}`);
  });

  it('tries again what is not taken, with the same id, and says so once it is', async () => {
    const statuses = [503, 500, 200];
    target.answer = (response) => response.writeHead(statuses.shift() ?? 200).end();
    await wilma.send({ to: FRED, content: 'third time' });
    expect(target.got).to.have.length(3);
    expect(new Set(target.got.map(({ message }) => message['id'])).size).to.equal(1);
    await state('answers again');
  });

  it('refuses by 4xx, with the code and text of the target where it gives them', async () => {
    target.answer = (response) => response.writeHead(404, { 'Content-Type': 'text/html' }).end('<h1>Not here</h1>');
    expect(await replyTo('a')).to.deep.equal({ code: 550, text: "refused by the recipient's program (HTTP 404)" });
    target.answer = (response) => response.writeHead(422).end('{ "code": 504, "text": "no stones" }');
    expect(await replyTo('b')).to.deep.equal({ code: 504, text: 'no stones' });
    target.answer = (response) => response.writeHead(400).end('{ "code": 99999, "text": 1 }');
    expect((await replyTo('c'))?.code).to.equal(550);
    expect(target.got).to.have.length(3);
  });

  it('follows no redirect, and tells the sender that nobody has it', async () => {
    const other = await Target.start();
    try {
      target.answer = (response) => response.writeHead(307, { Location: other.url }).end();
      expect((await replyTo('elsewhere'))?.code).to.equal(450);
      expect(other.got).to.deep.equal([]);
      expect(told.some(({ reason }) => reason?.includes('redirects are not followed'))).to.equal(true);
    } finally {
      await other.stop();
    }
  });

  it('answers 451 when the target may have taken it: no response, a broken one, an error of a proxy', async () => {
    target.answer = () => {};
    expect((await replyTo('silence'))?.code).to.equal(451);
    target.answer = (response) => response.destroy();
    expect((await replyTo('cut'))?.code).to.equal(451);
    target.answer = (response) => response.writeHead(502).end();
    expect((await replyTo('proxy'))?.code).to.equal(451);
  });

  it('bears an endless response, one that drips, and headers without end', async () => {
    target.answer = (response) => {
      response.writeHead(200);
      const more = (): void => {
        if (!response.destroyed) response.write('x'.repeat(65_536), () => setImmediate(more));
      };
      more();
    };
    await wilma.send({ to: FRED, content: 'endless, and taken' });
    target.answer = (response) => {
      response.writeHead(200);
      const timer = setInterval(() => response.write('x'), 50);
      response.once('close', () => clearInterval(timer));
    };
    expect((await replyTo('drip'))?.code).to.equal(451);
    target.answer = (response) => response.socket?.write(`HTTP/1.1 200 OK\r\nX: ${'x'.repeat(200_000)}`);
    expect((await replyTo('headers'))?.code).to.equal(451);
  });

  it('lets a bounded number wait, and refuses others at once', async () => {
    const open: ServerResponse[] = [];
    target.answer = (response) => open.push(response);
    const sent = Array.from({ length: 12 }, (_, index) =>
      wilma.send({ to: FRED, content: `${index}` }).then(
        () => 200,
        (error: { readonly reply?: { readonly code: number } }) => error.reply?.code,
      ),
    );
    while (open.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
    await new Promise((resolve) => setTimeout(resolve, 200));
    target.answer = (response) => response.end();
    for (const response of open) response.end();
    const codes = await Promise.all(sent);
    // Two in progress, three waiting.
    expect(codes.filter((code) => code === 200)).to.have.length(5);
    expect(codes.filter((code) => code === 450)).to.have.length(7);
  });

  it('does not stand in the way of presence, and has the account alone', async () => {
    expect((await api.ask('shop', 'GET', `/presence/${FRED}`)).status).to.equal(200);
    expect((await api.ask('shop', 'GET', '/messages')).body['error']).to.include('another stream or a webhook');
  });

  it('says of a closed port that it is certainly not delivered, and never shows the path of its URL', async () => {
    const port = await freePort();
    const url = `http://127.0.0.1:${port}/hook?key=hidden`;
    await node.reload(await parsed([{ account: FRED, url, secret }], tokens));
    await state('attached');
    expect(await replyTo('nobody there')).to.deep.include({ code: 450 });
    expect(told.some((it) => it.state === 'failed' && it.reason?.includes('ECONNREFUSED') === true)).to.equal(true);
    expect(JSON.stringify(told)).to.not.include('hidden').and.not.include('hook');
  });

  it('bears a target that accepts connections and says nothing, or no HTTP', async () => {
    const server = createSocketServer((socket) => {
      socket.on('error', () => {});
      socket.write('220 smtp.example.com\r\n');
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    try {
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
      await node.reload(await parsed([{ account: FRED, url, secret }], tokens));
      await state('attached');
      expect((await replyTo('to a mail server'))?.code).to.equal(451);
    } finally {
      server.close();
    }
  });

  it('waits for an account that is disabled, and lets go of one at a reload', async () => {
    await node.reload(await parsed([{ account: FRED, url: target.url, secret }], tokens));
    await state('attached');
    await node.accounts.disable(FRED);
    await state('detached');
    await state('not attached');
    await node.accounts.enable(FRED);
    await state('attached');
    await wilma.send({ to: FRED, content: 'again' });
    await node.reload(await parsed([], tokens));
    expect((await replyTo('gone'))?.code).to.equal(450);
    expect(target.got).to.have.length(1);
  });

  it('needs a secret, a domain that is served here, and a URL without a password', async () => {
    const short = await temporaryFile('short\n');
    const failure = await failureOf(
      node.reload(await parsed([{ account: FRED, url: target.url, secret: short }], tokens)),
    );
    expect(failure.message).to.include('shorter than 24 octets');
    const problems = (webhook: object): Promise<string> =>
      parsed([{ account: FRED, url: target.url, secret, ...webhook }], tokens).then(
        () => '',
        (error: unknown) => (error instanceof ConfigurationError ? error.message : String(error)),
      );
    expect(await problems({ url: 'ftp://example.com/' })).to.include('webhooks');
    expect(await problems({ url: 'http://fred:rock@127.0.0.1/' })).to.include('password');
    expect(await problems({ account: 'fred@elsewhere.com' })).to.include('domains');
  });
});
