import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { ApiClient, FRED, tokenFile, WILMA } from '../support/api-fixture.js';
import { failureOf } from '../support/failure.js';
import { within } from '../support/within.js';

describe('admin/api with workers', function () {
  this.timeout(120_000);
  this.slow(30_000);
  let node: Node;
  let directory: string;
  const api = new ApiClient(() => node.admin);

  before(async () => {
    directory = await mkdtemp(join(tmpdir(), 'imxp-api-workers-'));
    node = await startNode(
      parseConfig(
        {
          domains: ['example.com'],
          listen: [{ port: 0 }],
          sasl: { mechanisms: ['DIGEST-MD5'] },
          store: { type: 'lmdb', path: join(directory, 'store') },
          mesh: { dns: { enabled: false } },
          admin: { port: 0, api: { tokens: await tokenFile() } },
          workers: 2,
        },
        '/',
      ),
    );
    for (const address of [FRED, WILMA]) await node.addAccount(address, 'rock');
  });

  after(async () => {
    await node.stop();
    await rm(directory, { recursive: true });
  });

  const attach = (override = false): Promise<Endpoint> =>
    Endpoint.connect({
      address: WILMA,
      password: 'rock',
      relay: `tcp://127.0.0.1:${node.listening[0]?.port}`,
      override,
    });

  it('sends to endpoints at any worker, and receives from them', async () => {
    const wilma = await attach();
    const stop = new AbortController();
    try {
      const heard = new Promise<string>((resolve) => wilma.receive((delivery) => resolve(delivery.text())));
      expect((await api.ask('shop', 'POST', '/send', { to: WILMA, text: 'Yabba' })).status).to.equal(200);
      expect(await heard).to.equal('Yabba');

      const events = api.events('shop', '/messages', stop.signal);
      const first = events.next();
      const until = performance.now() + 20_000;
      let answered: unknown;
      // The stream is attached when the first message arrives.
      const send = async (): Promise<void> => {
        for (;;) {
          const failure = await wilma.send({ to: FRED, content: 'dabba' }).then(
            () => undefined,
            (error: unknown) => error,
          );
          if (failure === undefined || performance.now() > until) {
            answered = failure;
            return;
          }
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      };
      const sending = send();
      const { value } = await within(20_000, first, 'a message');
      expect(value?.data).to.include({ from: WILMA, text: 'dabba' });
      expect((await api.ask('shop', 'POST', `/messages/${value?.data['id']}`, {})).status).to.equal(200);
      await sending;
      expect(answered).to.equal(undefined);
    } finally {
      stop.abort();
      await wilma.close();
    }
  });

  it('has an account once, at a worker or in the API', async () => {
    const wilma = await attach();
    try {
      expect((await api.ask('bot', 'GET', '/messages')).status).to.equal(409);
    } finally {
      await wilma.close();
    }
    const stop = new AbortController();
    let status = 409;
    for (let tries = 0; tries < 50 && status === 409; tries += 1) {
      const response = await fetch(api.url('/messages'), { headers: api.headers('bot'), signal: stop.signal });
      status = response.status;
      if (status === 409) await new Promise((resolve) => setTimeout(resolve, 50));
    }
    expect(status).to.equal(200);
    expect((await failureOf(attach())).reply?.code).to.equal(554);
    const taker = await attach(true);
    stop.abort();
    await taker.close();
  });

  it('ends what a disabled account has at all workers, and shows presence', async () => {
    expect((await api.ask('shop', 'PUT', '/presence', { open: true })).status).to.equal(200);
    expect((await api.ask('shop', 'GET', `/presence/${FRED}`)).body).to.include({ open: true });
    const wilma = await attach();
    const ended = new Promise((resolve) => wilma.once('close', resolve));
    expect((await api.ask('operator', 'POST', `/accounts/${WILMA}/disable`, {})).status).to.equal(200);
    await within(20_000, ended, 'the end of the session');
    expect((await api.ask('bot', 'POST', '/send', { to: FRED, text: 'x' })).status).to.equal(403);
  });
});
