import { writeFile } from 'node:fs/promises';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { ApiClient, FRED, secretOf, TOKENS, tokenFile, WILMA } from '../support/api-fixture.js';
import { failureOf } from '../support/failure.js';
import { within } from '../support/within.js';

describe('admin/api: presence, what is held, and tokens that change', function () {
  this.slow(3000);
  let node: Node;
  let tokens: string;
  let config: ReturnType<typeof parseConfig>;
  const api = new ApiClient(() => node.admin);

  before(async () => {
    tokens = await tokenFile();
    config = parseConfig(
      {
        domains: ['example.com'],
        listen: [{ port: 0 }],
        sasl: { mechanisms: ['DIGEST-MD5'] },
        store: { type: 'memory' },
        mesh: { dns: { enabled: false } },
        access: {
          initial: [
            { actor: 'owner', actions: ['all:all'] },
            { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
          ],
        },
        admin: { port: 0, api: { tokens } },
        limits: { api: { streams: 4 } },
      },
      '/',
    );
    node = await startNode(config);
    for (const address of [FRED, WILMA]) {
      await node.accounts.add(await makeVerifier(address, 'rock', { realms: ['example.com'] }));
    }
  });

  after(() => node.stop());

  const attach = (address: string): Promise<Endpoint> =>
    Endpoint.connect({ address, password: 'rock', relay: `tcp://127.0.0.1:${node.listening[0]?.port}` });

  it('publishes presence, shows it once, and follows it', async () => {
    const until = '2031-01-01T00:00:00.000Z';
    expect(await api.ask('shop', 'PUT', '/presence', { open: true, until })).to.deep.equal({
      status: 200,
      body: { publisher: FRED, destination: `im:${FRED}`, open: true, availableUntil: until },
    });
    const seen = await api.ask('bot', 'GET', `/presence/${FRED}`);
    expect(seen).to.deep.include({ status: 200 });
    expect(seen.body).to.include({ publisher: FRED, open: true });

    const stop = new AbortController();
    const events = api.events('bot', `/presence/${FRED}/events`, stop.signal);
    const next = async () => (await within(10_000, events.next(), 'an event')).value;
    expect((await next())?.data).to.include({ open: true });
    expect((await api.ask('bot', 'GET', `/presence/${FRED}/events`)).status, 'a second stream').to.equal(409);
    expect((await api.ask('bot', 'GET', `/presence/${FRED}`)).body, 'beside the stream').to.include({ open: true });
    await next();
    await api.ask('shop', 'PUT', '/presence', { open: false });
    const closed = await next();
    expect(closed?.event).to.equal('presence');
    expect(closed?.data).to.include({ open: false, publisher: FRED });
    stop.abort();
  });

  it('asks beside a program that is attached as the account, which loses nothing', async () => {
    const wilma = await attach(WILMA);
    try {
      expect((await api.ask('bot', 'GET', `/presence/${WILMA}`)).body).to.include({ publisher: WILMA });
      expect((await api.ask('bot', 'PUT', '/presence', { open: true })).status).to.equal(200);
      const heard = new Promise<string>((resolve) => wilma.receive((delivery) => resolve(delivery.text())));
      expect((await api.ask('shop', 'POST', '/send', { to: WILMA, text: 'still there?' })).status).to.equal(200);
      expect(await heard).to.equal('still there?');
    } finally {
      await wilma.close();
    }
  });

  it('answers what is wrong about presence with 4xx', async () => {
    const wrong: readonly (readonly [string, string, unknown, number])[] = [
      ['PUT', '/presence', { open: 'yes' }, 400],
      ['PUT', '/presence', { open: true, until: 'tomorrow' }, 400],
      ['GET', '/presence/nobody@example.com', undefined, 404],
      ['GET', '/presence/no-address', undefined, 400],
      ['GET', '/presence/nobody@example.com/events', undefined, 404],
      ['GET', '/presence/no-address/events', undefined, 400],
    ];
    for (const [method, path, body, status] of wrong) {
      expect((await api.ask('shop', method, path, body)).status, `${method} ${path}`).to.equal(status);
    }
    expect((await api.ask('auditor', 'GET', `/presence/${FRED}`)).status).to.equal(403);
  });

  it('tells how much is held for one endpoint', async () => {
    const nothing = { address: WILMA, data: 0, octets: 0, oldestMs: 0 };
    expect((await api.ask('auditor', 'GET', `/held/${WILMA}`)).body).to.deep.equal(nothing);
    expect((await api.ask('shop', 'POST', '/send', { to: WILMA, text: 'for later', hold: true })).status).to.equal(200);
    const { body } = await api.ask('operator', 'GET', `/held/${WILMA}`);
    expect(body).to.include({ address: WILMA, data: 1 });
    expect(body['octets']).to.be.greaterThan(0);
    expect((await api.ask('auditor', 'GET', '/held/nobody@example.com')).status).to.equal(404);
    expect((await api.ask('auditor', 'GET', '/held/x')).status).to.equal(400);
    expect((await api.ask('shop', 'GET', `/held/${WILMA}`)).status).to.equal(403);
  });

  it('leaves room in the streams for other tokens', async () => {
    const stop = new AbortController();
    const first = api.events('shop', `/presence/${FRED}/events`, stop.signal);
    const second = api.events('shop', `/presence/${WILMA}/events`, stop.signal);
    await Promise.all([first.next(), second.next()]);
    expect((await api.ask('shop', 'GET', '/messages')).body).to.deep.equal({
      error: 'too many streams are open with this token',
    });
    const other = api.events('bot', '/messages', stop.signal);
    expect((await within(10_000, other.next(), 'what is held')).value?.data).to.include({ text: 'for later' });
    stop.abort();
  });

  it('reads its tokens again at a reload, and ends the streams of those that are gone', async () => {
    const events = api.events('shop', '/messages', new AbortController().signal);
    const ended = events.next();
    await new Promise((resolve) => setTimeout(resolve, 100));
    await writeFile(tokens, 'no JSON');
    expect((await failureOf(node.reload(config))).message).to.include('is not JSON');
    expect((await api.ask('shop', 'GET', `/presence/${FRED}`)).status, 'unchanged').to.equal(200);

    const others = TOKENS.filter(({ name }) => name !== 'shop').map((token) =>
      token.name === 'bot' ? { ...token, name: 'newcomer' } : token,
    );
    await writeFile(tokens, JSON.stringify({ tokens: others }));
    await node.reload(config);
    expect((await within(10_000, ended, 'the end of the stream')).done).to.equal(true);
    expect((await api.ask('shop', 'GET', `/presence/${FRED}`)).status).to.equal(401);
    expect((await api.ask('bot', 'GET', `/presence/${FRED}`)).status).to.equal(200);
    expect(secretOf('bot')).to.not.equal(secretOf('shop'));
  });
});
