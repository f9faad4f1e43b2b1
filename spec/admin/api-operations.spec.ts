import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { ApiClient, FRED, tokenFile, WILMA } from '../support/api-fixture.js';
import { failureOf } from '../support/failure.js';
import { within } from '../support/within.js';

const FRIEND = 'http://127.0.0.1:1';

describe('admin/api: the log, failed logins and traces', function () {
  this.slow(3000);
  let node: Node;
  const api = new ApiClient(() => node.admin);

  before(async () => {
    node = await startNode(
      parseConfig(
        {
          domains: ['example.com'],
          listen: [{ port: 0 }],
          sasl: { mechanisms: ['DIGEST-MD5'] },
          store: { type: 'memory' },
          mesh: { dns: { enabled: false } },
          admin: { port: 0, api: { tokens: await tokenFile() }, nodes: [FRIEND], origins: [FRIEND] },
          limits: { authentication: { delayMs: 1, failuresPerAddress: 3 } },
        },
        '/',
      ),
    );
    for (const address of [FRED, WILMA]) {
      await node.accounts.add(await makeVerifier(address, 'rock', { realms: ['example.com'] }));
    }
  });

  after(() => node.stop());

  it('traces the way to an address, from an account that need not be named', async () => {
    const wilma = await Endpoint.connect({
      address: WILMA,
      password: 'rock',
      relay: `tcp://127.0.0.1:${node.listening[0]?.port}`,
    });
    try {
      const { status, body } = await api.ask('operator', 'POST', '/trace', { to: WILMA });
      expect(status).to.equal(200);
      expect(body).to.deep.include({ from: FRED, to: WILMA, code: 250 });
      expect(body['reports']).to.have.length(1);
      const absent = await api.ask('operator', 'POST', '/trace', { to: FRED, from: WILMA });
      expect(absent.body).to.include({ from: WILMA, code: 450 });
      expect((await api.ask('operator', 'POST', '/trace', { to: 'nowhere' })).status).to.equal(400);
      expect((await api.ask('auditor', 'POST', '/trace', { to: FRED })).status).to.equal(403);
    } finally {
      await wilma.close();
    }
  });

  it('shows the log as it is written, chosen as imxp events chooses, without secrets', async () => {
    const stop = new AbortController();
    const response = await fetch(api.url('/log?level=info&kind=api'), {
      headers: api.headers('auditor'),
      signal: stop.signal,
    });
    expect(response.status).to.equal(200);
    const reader = response.body?.getReader();
    await api.ask('operator', 'POST', `/accounts/${WILMA}/enable`);
    const part = await within(10_000, reader?.read() ?? Promise.reject(new Error('no body')), 'a line');
    const line = JSON.parse(
      Buffer.from(part.value ?? [])
        .toString()
        .split('\n', 1)[0] ?? '',
    );
    expect(line).to.include({ level: 'info', msg: 'api request', token: 'operator' });
    expect(JSON.stringify(line)).to.not.include('0123456789abcdef');
    stop.abort();
    expect((await api.ask('auditor', 'GET', '/log?level=loud')).status).to.equal(400);
    expect((await api.ask('auditor', 'GET', '/log?kind=nonsense')).status).to.equal(400);
    expect((await api.ask('shop', 'GET', '/log')).status).to.equal(403);
  });

  it('bounds the readers of the log, and gives their places back', async () => {
    const stop = new AbortController();
    const open = (): Promise<Response> =>
      fetch(api.url('/log'), { headers: api.headers('auditor'), signal: stop.signal });
    const many = await Promise.all(Array.from({ length: 8 }, open));
    expect(many.map(({ status }) => status)).to.deep.equal(Array(8).fill(200));
    expect((await open()).status).to.equal(503);
    stop.abort();
    const again = new AbortController();
    let status = 503;
    for (let tries = 0; tries < 100 && status === 503; tries += 1) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      ({ status } = await fetch(api.url('/log'), { headers: api.headers('auditor'), signal: again.signal }));
    }
    again.abort();
    expect(status).to.equal(200);
  });

  it('lets pages of configured origins ask, and no others', async () => {
    const ask = async (origin: string, path: string, more: RequestInit = {}): Promise<Response> =>
      await fetch(`${node.admin}${path}`, { ...more, headers: { Origin: origin } });
    expect((await ask(FRIEND, '/status')).headers.get('access-control-allow-origin')).to.equal(FRIEND);
    expect((await ask('http://127.0.0.1:2', '/status')).headers.get('access-control-allow-origin')).to.equal(null);
    const asked = (origin: string): Promise<Response> =>
      fetch(api.url('/trace'), {
        method: 'OPTIONS',
        headers: { Origin: origin, 'Access-Control-Request-Method': 'POST' },
      });
    const allowed = await asked(FRIEND);
    expect(allowed.status).to.equal(204);
    expect(allowed.headers.get('access-control-allow-headers')).to.equal('Authorization, Content-Type');
    expect((await asked('http://evil.example')).status).to.not.equal(204);
    expect(await (await ask(FRIEND, '/nodes')).json()).to.deep.equal({ nodes: [FRIEND] });
  });

  it('counts failed logins by address, and says who is banned for them', async () => {
    expect((await api.ask('auditor', 'GET', '/logins')).body).to.deep.equal({ logins: [] });
    const relay = `tcp://127.0.0.1:${node.listening[0]?.port}`;
    const guess = () => failureOf(Endpoint.connect({ address: FRED, password: 'guess', relay }));
    await guess();
    const first = (await api.ask('auditor', 'GET', '/logins')).body['logins'] as readonly object[];
    expect(first).to.have.length(1);
    expect(first[0]).to.include({ remote: '127.0.0.1', failures: 1, banned: false });
    for (let failures = 0; failures < 4; failures += 1) await guess();
    const [last] = (await api.ask('auditor', 'GET', '/logins')).body['logins'] as readonly object[];
    expect(last).to.include({ failures: 3, banned: true });
    expect(last).to.have.property('reason').that.includes('too many failed authentications');
  });
});
