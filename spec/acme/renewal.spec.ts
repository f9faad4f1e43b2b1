import { randomBytes, X509Certificate } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { type CertificateRenewed, events, type SessionClosed } from '../../lib/ops/events.js';
import type { NodeStatus } from '../../lib/ops/status.js';
import { INSTALL_TIMEOUT_MS } from '../support/debian.js';
import { freePort } from '../support/free-port.js';

import { missingPebble, Pebble, type PebbleOptions } from '../support/pebble.js';
import { temporaryDirectory } from '../support/temporary.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const PASSWORD = 'yabba dabba doo';

describe('certificates by ACME, from Pebble', function () {
  this.timeout(90_000);
  const path = temporaryDirectory();
  let pebble: Pebble;
  let node: Node | undefined;
  const silences: (() => void)[] = [];

  before(function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const missing = missingPebble();
    if (missing === undefined) return;
    console.log(`      no ACME server: ${missing}`);
    this.skip();
  });

  afterEach(async () => {
    for (const silence of silences.splice(0)) silence();
    await node?.stop();
    node = undefined;
    pebble.stop();
  });

  type Acme = NonNullable<NonNullable<NodeConfigInput['tls']>['acme']>;

  const configOf = (acme: Partial<Acme>, more: Partial<NodeConfigInput> = {}) =>
    parseConfig(
      {
        domains: ['example.com'],
        listen: [{ port: 0 }],
        store: { type: 'lmdb', path: path('store') },
        mesh: { dns: { enabled: false } },
        admin: { port: 0 },
        tls: { acme: { agree: true, directory: pebble.directory, authority: pebble.authorityFile, ...acme } },
        ...more,
      },
      '/',
    );

  async function begin(
    acme: (pebble: Pebble) => Partial<Acme>,
    options: PebbleOptions = {},
    more: Partial<NodeConfigInput> = {},
  ): Promise<Node> {
    pebble = await Pebble.start(options);
    node = await startNode(configOf(acme(pebble), more));
    return node;
  }

  const overHttp = ({ httpPort }: Pebble): Partial<Acme> => ({ listen: { port: httpPort } });

  /** The next order that ended so. */
  function next(state: CertificateRenewed['state']): Promise<CertificateRenewed> {
    const ended = new Promise<CertificateRenewed>((resolve) => {
      const silence = events.renewal.subscribe((it) => (it.state === state ? resolve(it) : undefined));
      silences.push(silence);
    });
    return within(40_000, ended, `an order that ended: ${state}`);
  }

  const relayOf = (it: Node): string => `tcp://127.0.0.1:${it.listening[0]?.port}`;
  const attached = async (it: Node, address = FRED): Promise<Endpoint> =>
    await Endpoint.connect({
      address,
      password: PASSWORD,
      relay: relayOf(it),
      tls: 'require',
      ca: await pebble.root(),
    });
  const statusOf = async (it: Node): Promise<NodeStatus> =>
    (await (await fetch(`${it.admin}/status`)).json()) as NodeStatus;
  const leaf = async (domain = 'example.com'): Promise<X509Certificate> =>
    new X509Certificate(await readFile(path('store', 'acme', `${domain}.pem`)));

  async function listens(port: number): Promise<boolean> {
    const socket = connect(port, '127.0.0.1');
    return await new Promise((resolve) => {
      socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    }).then((found) => {
      socket.destroy();
      return found === true;
    });
  }

  it('obtains one by http-01, and renews it under an endpoint that stays attached', async () => {
    const closed: SessionClosed[] = [];
    silences.push(events.closed.subscribe((it) => closed.push(it)));
    const issued = next('issued');
    const here = await begin(overHttp, { validitySeconds: 30 });
    await here.addAccount(FRED, PASSWORD);
    const waiting = await fetch(`${here.admin}/readyz`);
    expect(waiting.status).to.equal(503);
    expect(await waiting.text()).to.include('no certificate has been issued for example.com yet: it is being ordered');
    await issued;
    expect((await fetch(`${here.admin}/readyz`)).status).to.equal(200);
    const first = await leaf();
    expect(first.subjectAltName).to.equal('DNS:example.com');
    expect(await listens(pebble.httpPort), 'the challenge listener').to.equal(false);

    const renewed = next('issued');
    const fred = await attached(here);
    const received: string[] = [];
    fred.receive((delivery) => void received.push(delivery.text()));
    let lost = 0;
    fred.on('disconnect', () => {
      lost += 1;
    });
    let sent = 0;
    let done = false;
    void renewed.finally(() => {
      done = true;
    });
    while (!done) {
      await fred.send({ to: FRED, content: `number ${sent}` });
      sent += 1;
    }
    await fred.send({ to: FRED, content: 'after it' });
    const second = await leaf();
    expect(second.serialNumber).to.not.equal(first.serialNumber);
    expect(Date.parse(second.validTo)).to.be.above(Date.parse(first.validTo));
    expect([lost, closed.length, received.length]).to.deep.equal([0, 0, sent + 1]);
    expect(received.at(-1)).to.equal('after it');

    await fred.close();
    const again = await attached(here);
    const { certificates } = await statusOf(here);
    const now = await leaf();
    expect(Date.parse(certificates[0]?.notAfter ?? '')).to.equal(Date.parse(now.validTo));
    await again.close();
  });

  it('keeps key and certificates where only the user of the node can read them, and uses them after a restart', async () => {
    const issued = next('issued');
    const here = await begin(overHttp);
    await issued;
    const directory = path('store', 'acme');
    expect((await stat(directory)).mode & 0o777).to.equal(0o700);
    const files = await readdir(directory);
    expect(files.sort()).to.deep.equal(['account.key', 'example.com.pem']);
    for (const file of files) expect((await stat(path('store', 'acme', file))).mode & 0o777, file).to.equal(0o600);
    const { serialNumber } = await leaf();
    await here.stop();
    node = await startNode(configOf(overHttp(pebble)));
    expect((await fetch(`${node.admin}/readyz`)).status).to.equal(200);
    await node.stop();
    node = undefined;
    expect((await leaf()).serialNumber).to.equal(serialNumber);
  });

  it('obtains one by tls-alpn-01, with further host names', async () => {
    const issued = next('issued');
    await begin(({ tlsPort }) => ({
      challenge: 'tls-alpn-01',
      listen: { port: tlsPort },
      hosts: ['relay.example.com'],
    }));
    await issued;
    expect((await leaf()).subjectAltName?.split(', ').sort()).to.deep.equal([
      'DNS:example.com',
      'DNS:relay.example.com',
    ]);
  });

  it('obtains one by dns-01 with the program of the operator, which removes the record again', async () => {
    const issued = next('issued');
    await begin(({ dns }) => ({ challenge: 'dns-01', hook: hookFor(dns) }));
    await issued;
    const called = (await readFile(path('hook.log'), 'utf8')).trim().split('\n');
    expect(called.map((line) => line.split(' ').slice(0, 2))).to.deep.equal([
      ['add', '_acme-challenge.example.com'],
      ['remove', '_acme-challenge.example.com'],
    ]);
  });

  /** A program that changes the DNS that Pebble asks. */
  function hookFor(dns: string): string {
    const file = path('hook');
    const text = `#!/usr/bin/env node
const fs = require('node:fs');
const [action, name, value] = process.argv.slice(2);
fs.appendFileSync(${JSON.stringify(path('hook.log'))}, [action, name, value].join(' ') + '\\n');
const body = JSON.stringify({ host: name + '.', ...(action === 'add' ? { value } : {}) });
fetch('${dns}/' + (action === 'add' ? 'set-txt' : 'clear-txt'), { method: 'POST', body }).then((response) => {
  process.exitCode = response.ok ? 0 : 1;
});
`;
    hooks.push(writeFile(file, text, { mode: 0o755 }));
    return file;
  }
  const hooks: Promise<void>[] = [];

  it('says why none was issued, in log, status and readiness, and tries at once after a reload', async () => {
    const failed = next('failed');
    const elsewhere = await freePort();
    const here = await begin(() => ({ listen: { port: elsewhere } }));
    const { reason = '', again = '', domain } = await failed;
    expect(domain).to.equal('example.com');
    expect(reason).to.match(/connection refused/);
    const minutes = (Date.parse(again) - Date.now()) / 60_000;
    expect(minutes).to.be.within(4, 10);
    const [own] = (await statusOf(here)).certificates;
    expect(own?.failure).to.equal(reason);
    expect(await (await fetch(`${here.admin}/readyz`)).text()).to.include(reason);
    expect(await readFile(path('store', 'acme', 'example.com.failure'), 'utf8')).to.include(reason);

    const issued = next('issued');
    await here.reload(configOf(overHttp(pebble)));
    await issued;
    expect((await statusOf(here)).certificates[0]).to.not.have.property('failure');
    expect((await fetch(`${here.admin}/readyz`)).status).to.equal(200);
    expect(await readdir(path('store', 'acme'))).to.not.include('example.com.failure');
  });

  it('obtains one for a node with workers, which all show it, and renews it under their sessions', async () => {
    const issued = next('issued');
    const here = await begin(overHttp, { validitySeconds: 40 }, { workers: 2 });
    await here.addAccount(FRED, PASSWORD);
    await issued;
    const renewed = next('issued');
    // Connections go to the workers in turn; each has to show a certificate of the authority that is valid now.
    const everybody = async (): Promise<void> => {
      for (let count = 0; count < 4; count += 1) await (await attached(here, `fred/${count}@example.com`)).close();
    };
    await everybody();
    const staying = await attached(here);
    staying.receive(() => {});
    let lost = 0;
    staying.on('disconnect', () => {
      lost += 1;
    });
    const before = await leaf();
    await renewed;
    const now = await leaf();
    expect(now.serialNumber).to.not.equal(before.serialNumber);
    const { certificates, workers = [] } = await statusOf(here);
    expect(workers.length).to.equal(2);
    expect(Date.parse(certificates[0]?.notAfter ?? '')).to.equal(Date.parse(now.validTo));
    await setTimeout(Math.max(0, Date.parse(before.validTo) + 1000 - Date.now()));
    await everybody();
    await staying.send({ to: FRED, content: 'still here' });
    expect(lost).to.equal(0);
    await staying.close();
  });

  it('obtains one through a web server of the domain, and leaves nothing in its directory', async () => {
    const asked: string[] = [];
    const root = path('www');
    const server = createServer((request, response) => {
      asked.push(request.url ?? '');
      readFile(join(root, request.url ?? '')).then(
        (octets) => response.end(octets),
        () => response.writeHead(404).end(),
      );
    });
    silences.push(() => void server.close());
    const issued = next('issued');
    await begin(({ httpPort }) => {
      server.listen(httpPort, '127.0.0.1');
      return { webroot: root };
    });
    await issued;
    expect(asked[0]).to.match(/^\/\.well-known\/acme-challenge\/[\w-]+$/);
    expect(await readdir(join(root, '.well-known', 'acme-challenge'))).to.deep.equal([]);
    expect((await leaf()).subjectAltName).to.equal('DNS:example.com');
  });

  it('obtains one by an account that the authority requires, and says why not with another key', async () => {
    const key = randomBytes(32).toString('base64url');
    const files = { right: path('eab'), wrong: path('eab-wrong') };
    await writeFile(files.right, `${key}\n`, { mode: 0o600 });
    await writeFile(files.wrong, `${randomBytes(32).toString('base64url')}\n`, { mode: 0o600 });
    const account = (keyFile: string) => ({ externalAccount: { keyId: 'kid-1', keyFile } });
    const failed = next('failed');
    const here = await begin((it) => ({ ...overHttp(it), ...account(files.wrong) }), { accounts: { 'kid-1': key } });
    expect((await failed).reason).to.match(/external account binding|JWS|signature/i);
    const issued = next('issued');
    await here.reload(configOf({ ...overHttp(pebble), ...account(files.right) }));
    await issued;
    expect((await leaf()).subjectAltName).to.equal('DNS:example.com');
  });

  it('keeps the key at a renewal when asked to, so that a TLSA record of it stays right', async () => {
    const issued = next('issued');
    await begin((it) => ({ ...overHttp(it), keepKey: true }), { validitySeconds: 20 });
    await issued;
    const first = await leaf();
    await next('issued');
    const second = await leaf();
    expect(second.serialNumber).to.not.equal(first.serialNumber);
    expect(second.publicKey.equals(first.publicKey)).to.equal(true);
  });

  it('tells a failure that lasts once, counts it, and waits longer each time', async () => {
    const told: CertificateRenewed[] = [];
    silences.push(events.renewal.subscribe((it) => void told.push(it)));
    const failed = next('failed');
    const elsewhere = await freePort();
    const here = await begin(() => ({ listen: { port: elsewhere } }));
    await failed;
    for (let count = 0; count < 2; count += 1) {
      const again = next('failed again');
      await here.reload(configOf({ listen: { port: elsewhere } }));
      await again;
    }
    expect(told.map(({ state }) => state)).to.deep.equal(['failed', 'failed again', 'failed again']);
    const waits = told.map(({ again = '' }) => Date.parse(again) - Date.now());
    expect(waits[2]).to.be.above((waits[0] ?? 0) + 60_000);
    const [own] = (await statusOf(here)).certificates;
    expect(own?.failures).to.equal(3);
    expect(own?.failure).to.match(/connection refused/);
    const metrics = await (await fetch(`${here.admin}/metrics`)).text();
    expect(metrics).to.include('imxp_certificate_renewal_failures{name="example.com"} 3');
    expect((await fetch(`${here.admin}/readyz`)).status).to.equal(503);
  });

  it('gives an order up when the node stops', async () => {
    const here = await begin(overHttp);
    const begun = performance.now();
    await here.stop();
    node = undefined;
    expect(performance.now() - begun).to.be.below(10_000);
    expect(await listens(pebble.httpPort)).to.equal(false);
  });
});
