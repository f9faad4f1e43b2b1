import { X509Certificate } from 'node:crypto';
import { readdir, readFile, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
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

  async function begin(acme: (pebble: Pebble) => Partial<Acme>, options: PebbleOptions = {}): Promise<Node> {
    pebble = await Pebble.start(options);
    node = await startNode(configOf(acme(pebble)));
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
  const attached = async (it: Node): Promise<Endpoint> =>
    await Endpoint.connect({
      address: FRED,
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

  it('gives an order up when the node stops', async () => {
    const here = await begin(overHttp);
    const begun = performance.now();
    await here.stop();
    node = undefined;
    expect(performance.now() - begun).to.be.below(10_000);
    expect(await listens(pebble.httpPort)).to.equal(false);
  });
});
