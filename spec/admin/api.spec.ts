import { chmod } from 'node:fs/promises';
import { expect } from 'chai';
import { readTokens, tokenIn } from '../../lib/admin/tokens.js';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { fileNameIn } from '../../lib/mime/file-name.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { events } from '../../lib/ops/events.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { type Answer, answerSchema, FRED, secretOf, TOKENS, tokenFile, WILMA } from '../support/api-fixture.js';
import { failureOf } from '../support/failure.js';
import { within } from '../support/within.js';

/** What an operation of the OpenAPI document answers with 200, by media type. */
function contentOf(operation: Record<string, unknown>): Record<string, object> {
  const { responses } = operation as {
    readonly responses: Record<string, { readonly content: Record<string, object> }>;
  };
  return responses['200']?.content ?? {};
}

describe('admin/api', function () {
  this.slow(2000);
  let node: Node;
  let wilma: Endpoint;

  before(async () => {
    const config = {
      domains: ['example.com'],
      listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }],
      sasl: { mechanisms: ['DIGEST-MD5'] },
      store: { type: 'memory' },
      mesh: { dns: { enabled: false } },
      admin: { port: 0, api: { tokens: await tokenFile(TOKENS) } },
      limits: { api: { wrongPerMinute: 8, bodyOctets: 4096, requestsPerSecond: 50, requestsBurst: 60 } },
    };
    node = await startNode(parseConfig(config, '/'));
    for (const address of [FRED, WILMA]) {
      await node.accounts.add(await makeVerifier(address, 'rock', { realms: ['example.com'] }));
    }
    wilma = await Endpoint.connect({
      address: WILMA,
      password: 'rock',
      relay: `tcp://127.0.0.1:${node.listening[0]?.port}`,
    });
  });

  after(async () => {
    await wilma.close();
    await node.stop();
  });

  const url = (path: string): string => `${node.admin}/api/v1${path}`;
  const headersFor = (name: string | undefined) =>
    name === undefined ? {} : { Authorization: `Bearer ${secretOf(name)}` };

  async function ask(name: string | undefined, method: string, path: string, body?: unknown): Promise<Answer> {
    const given = body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) };
    const headers = { ...headersFor(name), 'Content-Type': 'application/json' };
    const response = await fetch(url(path), { method, headers, ...given });
    const answer = (await response.json()) as Answer['body'];
    // Every answer of this file is as the OpenAPI document has it.
    if (response.status === 200 && path !== '/openapi.json') answerSchema(method, path).parse(answer);
    return { status: response.status, body: answer };
  }

  it('answers 200 to a message only when the recipient has answered ok, and otherwise with the code and text', async () => {
    const heard: string[] = [];
    wilma.receive((delivery) => {
      heard.push(
        `${delivery.originator} ${delivery.content.kind === 'part' && delivery.content.type} ${delivery.text()}`,
      );
      if (delivery.text() === 'bad') delivery.refuse({ code: 504, text: 'not wanted' });
    });
    expect(await ask('shop', 'POST', '/send', { to: WILMA, text: 'Grüße' })).to.deep.equal({
      status: 200,
      body: { code: 250, text: 'accepted' },
    });
    await ask('shop', 'POST', '/send', { to: [WILMA], json: { lanes: 12 } });
    expect(await ask('shop', 'POST', '/send', { to: WILMA, base64: 'YmFk', type: 'text/plain' })).to.deep.equal({
      status: 422,
      body: { error: 'not wanted', code: 504 },
    });
    expect(heard).to.deep.equal([
      `${FRED} text/plain Grüße`,
      `${FRED} application/json {"lanes":12}`,
      `${FRED} text/plain bad`,
    ]);
    const absent = await ask('shop', 'POST', '/send', { to: FRED, text: 'nobody is here' });
    expect(absent).to.deep.include({ status: 503 }).and.to.have.nested.property('body.code', 450);
    expect((await ask('shop', 'POST', '/send', { to: FRED, text: 'for later', hold: true })).status).to.equal(200);
    expect((await ask('auditor', 'GET', '/held')).body).to.include({ data: 1, endpoints: 1 });
    expect((await ask('shop', 'POST', '/send', { to: 'ghost@example.com', text: '?' })).status).to.equal(404);
  });

  it('keeps the letters of a file name, whatever they are', async () => {
    const names: (string | undefined)[] = [];
    wilma.receive(({ content }) => {
      names.push(content.kind === 'part' ? fileNameIn(content.headers.get('Content-Disposition')) : undefined);
    });
    const name = 'Größe "é" ☃.txt';
    expect(await ask('shop', 'POST', '/send', { to: WILMA, text: 'x', name })).to.include({ status: 200 });
    expect(names).to.deep.equal([name]);
  });

  /** Reads server-sent events until the signal is aborted. */
  async function* messages(signal: AbortSignal): AsyncGenerator<Readonly<Record<string, unknown>>> {
    const response = await fetch(url('/messages'), { headers: headersFor('shop'), signal });
    expect(response.headers.get('content-type')).to.equal('text/event-stream');
    let text = '';
    for await (const part of response.body ?? []) {
      text += Buffer.from(part).toString();
      for (let end = text.indexOf('\n\n'); end >= 0; end = text.indexOf('\n\n')) {
        const data = /^data: (.*)$/m.exec(text.slice(0, end))?.[1];
        text = text.slice(end + 2);
        if (data !== undefined) yield JSON.parse(data);
      }
    }
  }

  it('streams messages, each of which waits for its answer', async () => {
    const stop = new AbortController();
    const stream = messages(stop.signal);
    const next = async () => (await within(10_000, stream.next(), 'a message')).value ?? {};
    // What was held in the spec before comes first.
    const held = await next();
    expect(held).to.include({ from: FRED, type: 'text/plain', text: 'for later' });
    await ask('shop', 'POST', `/messages/${held['id']}`, {});

    const sent = wilma.send({ to: FRED, content: 'accept me' });
    const first = await next();
    expect(first).to.include({ from: WILMA, text: 'accept me' });
    expect((await ask('shop', 'POST', `/messages/${first['id']}`, {})).status).to.equal(200);
    await sent;
    expect((await ask('shop', 'POST', `/messages/${first['id']}`, {})).status, 'once').to.equal(404);

    const refused = failureOf(wilma.send({ to: FRED, content: Buffer.from([1, 2, 3]), type: 'image/png' }));
    const second = await next();
    expect(second).to.include({ type: 'image/png', base64: 'AQID' });
    await ask('shop', 'POST', `/messages/${second['id']}`, { code: 550, text: 'no pictures' });
    expect((await refused).reply).to.deep.equal({ code: 550, text: 'no pictures' });

    expect((await ask('shop', 'GET', '/messages')).status, 'a second stream').to.equal(409);
    const lost = failureOf(wilma.send({ to: FRED, content: 'unanswered' }));
    await next();
    stop.abort();
    await stream.next().catch(() => {});
    expect((await lost).reply?.code).to.equal(450);
  });

  it('adds, lists and disables accounts, and changes access lists', async () => {
    expect(
      (await ask('operator', 'POST', '/accounts', { address: 'betty@example.com', password: 'dabba' })).status,
    ).to.equal(200);
    expect(
      (await ask('operator', 'POST', '/accounts', { address: 'betty@example.com', password: 'x' })).status,
    ).to.equal(409);
    expect((await ask('operator', 'POST', '/accounts', { address: 'no address', password: 'x' })).status).to.equal(400);
    const disabled = await ask('operator', 'POST', '/accounts/betty@example.com/disable', { reason: 'away' });
    expect(disabled.status).to.equal(200);
    const list = (await ask('auditor', 'GET', '/accounts')).body['accounts'] as readonly Record<string, unknown>[];
    expect(list.map(({ address }) => address)).to.deep.equal(['betty@example.com', FRED, WILMA]);
    expect(list[0]?.['disabled']).to.include({ reason: 'away' });
    expect(JSON.stringify(list)).to.not.match(/verifier|salt|key/i);
    expect((await ask('operator', 'POST', '/accounts/betty@example.com/enable')).status).to.equal(200);
    const confusing = await ask('operator', 'POST', '/accounts', { address: 'BETTY@example.com', password: 'dabba' });
    expect(confusing.body['warning']).to.match(/^there is an account betty@example\.com, too/);
    await node.accounts.remove('BETTY@example.com');
    expect((await ask('operator', 'POST', '/accounts/x@example.com/enable')).status).to.equal(404);

    const entries = [{ actor: FRED, actions: ['core:data'] }];
    expect((await ask('operator', 'PUT', '/accounts/betty@example.com/access', { entries })).status).to.equal(200);
    const { body } = await ask('auditor', 'GET', '/accounts/betty%40example.com/access');
    expect(body['entries']).to.deep.equal(entries);
    expect((await failureOf(wilma.send({ to: 'betty@example.com', content: '?' }))).reply?.code).to.equal(537);
  });

  it('gives each role what is its own, and a token no more than its account', async () => {
    const cases: readonly (readonly [string, string, string, unknown])[] = [
      ['shop', 'GET', '/accounts', undefined],
      ['auditor', 'POST', '/send', { to: WILMA, text: 'x' }],
      ['auditor', 'POST', `/accounts/${FRED}/disable`, {}],
      ['operator', 'GET', '/messages', undefined],
      ['ghost', 'POST', '/send', { to: WILMA, text: 'x' }],
    ];
    for (const [name, method, path, body] of cases) {
      expect((await ask(name, method, path, body)).status, `${name} ${path}`).to.equal(403);
    }
    await node.accounts.disable(FRED);
    expect((await ask('shop', 'POST', '/send', { to: WILMA, text: 'x' })).status).to.equal(403);
    await node.accounts.enable(FRED);
  });

  it('refuses what is wrong with 4xx and says why', async () => {
    const wrong: readonly (readonly [string, string, unknown, number])[] = [
      ['POST', '/send', '{', 400],
      ['POST', '/send', [], 400],
      ['POST', '/send', { to: WILMA }, 400],
      ['POST', '/send', { to: WILMA, text: 'a', json: 1 }, 400],
      ['POST', '/send', { to: WILMA, text: 'a', colour: 'red' }, 400],
      ['POST', '/send', { to: 'nowhere', text: 'a' }, 400],
      ['POST', '/send', { to: WILMA, text: 'a', type: 'text/plain\r\nX: y' }, 400],
      ['POST', '/send', { to: WILMA, text: 'a'.repeat(5000) }, 413],
      ['POST', '/messages/none', {}, 404],
      ['GET', '/send', undefined, 405],
      ['GET', '/other', undefined, 404],
      ['POST', '/messages/%ff', {}, 400],
    ];
    const { body: missing } = await ask('shop', 'POST', '/send', { text: 'a' });
    expect(missing['error']).to.equal('to: give an address, or a list of 1 to 1000 addresses');
    for (const [method, path, body, status] of wrong) {
      const answer = await ask('shop', method, path, body);
      expect(answer.status, `${method} ${path} ${JSON.stringify(body)}`).to.equal(status);
      expect(answer.body['error']).to.be.a('string').and.not.equal('');
    }
    const plain = await fetch(url('/send'), { method: 'POST', headers: headersFor('shop'), body: 'x' });
    expect(plain.status).to.equal(415);
  });

  it('describes itself', async () => {
    const { status, body } = await ask(undefined, 'GET', '/openapi.json');
    expect(status).to.equal(200);
    expect(body['openapi']).to.equal('3.1.0');
    const paths = body['paths'] as Record<string, Record<string, Record<string, unknown>>>;
    expect(Object.keys(paths)).to.include.members([
      '/send',
      '/messages',
      '/messages/{id}',
      '/accounts/{address}/access',
    ]);
    const schema = JSON.stringify(paths['/send']?.['post']?.['requestBody']);
    expect(schema).to.include('"additionalProperties":false').and.include('base64');
    expect(paths['/messages/{id}']?.['post']?.['parameters']).to.have.length(1);
    // Streams have their media type, and every other answer its schema.
    const contents = Object.values(paths).flatMap((methods) => Object.values(methods).map(contentOf));
    const ndjson = contents.filter((content) => 'application/x-ndjson' in content);
    expect([ndjson.length, contents.filter((content) => 'text/event-stream' in content).length]).to.deep.equal([1, 2]);
    for (const { 'application/json': json } of contents)
      if (json !== undefined) expect(json).to.have.property('schema');
  });

  it('keeps an audit log of changes and of wrong tokens, without secrets', async () => {
    const seen: object[] = [];
    const stop = events.api.subscribe((it) => seen.push(it));
    await ask('operator', 'POST', '/accounts/x@example.com/enable');
    await ask('auditor', 'GET', '/held');
    await ask(undefined, 'POST', '/send', { to: WILMA, text: 'x' });
    await ask('operator', 'POST', '/accounts', { address: WILMA, password: 'not-for-the-log' });
    stop();
    expect(JSON.stringify(seen)).not.to.contain('not-for-the-log');
    const remote = '127.0.0.1';
    expect(seen).to.deep.equal([
      { remote, token: 'operator', request: 'POST /api/v1/accounts/x@example.com/enable', status: 404 },
      { remote, request: 'POST /api/v1/send', status: 401 },
      { remote, token: 'operator', request: 'POST /api/v1/accounts', about: WILMA, status: 409 },
    ]);
  });

  it('bears floods: of wrong tokens without harm to right ones, and of right ones to their rate', async () => {
    const wrong = await Promise.all(
      Array.from({ length: 40 }, (_, index) =>
        fetch(url('/held'), { headers: { Authorization: `Bearer guess-${index}` } }).then(({ status }) => status),
      ),
    );
    expect(wrong.filter((status) => status === 401).length).to.be.within(1, 8);
    expect(wrong.filter((status) => status === 429).length).to.be.at.least(32);
    expect((await ask('auditor', 'GET', '/held')).status).to.equal(200);
    const statuses = await Promise.all(
      Array.from({ length: 200 }, async () => (await ask('auditor', 'GET', '/held')).status),
    );
    expect(statuses).to.include(429).and.include(200);
    expect((await ask('operator', 'GET', '/held')).status, 'another token').to.equal(200);
  });

  it('is not there unless it is configured', async () => {
    const bare = await startNode(
      parseConfig(
        {
          domains: ['example.com'],
          listen: [{ port: 0 }],
          store: { type: 'memory' },
          mesh: { dns: { enabled: false } },
          admin: { port: 0 },
        },
        '/',
      ),
    );
    try {
      expect((await fetch(`${bare.admin}/api/v1/openapi.json`)).status).to.equal(404);
    } finally {
      await bare.stop();
    }
  });
});

describe('admin/tokens', () => {
  it('reads tokens, and says what is wrong with their file', async () => {
    const tokens = await readTokens(await tokenFile(TOKENS));
    expect(tokenIn(`Bearer ${secretOf('shop')}`, tokens)?.name).to.equal('shop');
    expect(tokenIn(`bearer ${secretOf('auditor')}`, tokens)?.role).to.equal('read');
    for (const header of [
      undefined,
      '',
      'Bearer',
      `Basic ${secretOf('shop')}`,
      `Bearer ${secretOf('shop')} x`,
      'Bearer shop',
    ]) {
      expect(tokenIn(header, tokens), header).to.equal(undefined);
    }
    const [shop] = TOKENS;
    const faults: readonly (readonly [unknown, RegExp])[] = [
      [[], /tokens/],
      [[{ ...shop, account: undefined }], /needs "account"/],
      [[{ ...shop, role: 'read' }], /needs "account"/],
      [[{ ...shop, sha256: 'abc' }], /SHA-256/],
      [[{ ...shop, role: 'root' }], /role/],
      [[shop, shop], /name/],
    ];
    for (const [given, what] of faults) {
      expect((await failureOf(readTokens(await tokenFile(given)))).message).to.match(what);
    }
    const open = await tokenFile(TOKENS);
    await chmod(open, 0o644);
    expect((await failureOf(readTokens(open))).message).to.include('chmod 600');
    expect((await failureOf(readTokens(`${open}.none`))).message).to.include('no such file');
  });
});
