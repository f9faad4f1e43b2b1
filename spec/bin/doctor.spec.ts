import { chmod, mkdir, utimes } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { expect } from 'chai';
import type { Diagnosis } from '../../bin/support/diagnosis.js';
import { freePort } from '../support/free-port.js';
import { lonely, Workshop } from '../support/node-process.js';

describe('imxp doctor', function () {
  this.timeout(120_000);
  this.slow(10_000);
  let workshop: Workshop;
  let http: Server | undefined;

  before(async () => {
    workshop = await Workshop.open();
    await workshop.certs('example.com');
  });

  after(async () => {
    http?.close();
    await workshop.close();
  });

  const tls = { certificate: 'certs/example.com.crt', key: 'certs/example.com.key', authority: 'certs/ca.crt' };
  const config = (port: number, more: object = {}): object =>
    lonely({ tls, sasl: { mechanisms: ['DIGEST-MD5'] }, ...more })(port);

  async function examined(given: object): Promise<{ code: number | null; found: Diagnosis[] }> {
    await workshop.file('mesh.json', JSON.stringify(given));
    const { code, stdout, stderr } = await workshop.run(['doctor', '--json', '--ca', 'certs/ca.crt'], {
      deadlineMs: 60_000,
    });
    expect(stderr.toString()).to.equal('');
    return { code, found: JSON.parse(stdout.toString()) };
  }

  const of = (found: readonly Diagnosis[], area: Diagnosis['area']): string[] =>
    found.filter((one) => one.area === area).map(({ state, text }) => `${state}: ${text}`);

  it('finds nothing wrong with a node that is not running, and with one that is', async () => {
    const node = await workshop.node('mesh', (port) => config(port));
    const idle = await workshop.run(['doctor', '--config', node.config]);
    expect([idle.code, idle.stdout.toString()]).to.satisfy(([code, text]: [number, string]) => {
      return code === 0 && /ok +ports +.*is free/.test(text) && text.endsWith('\n0 errors, 0 warnings\n');
    });
    await node.start();
    const running = await workshop.run(['doctor', '--config', node.config]);
    expect(running.code, running.stdout.toString()).to.equal(0);
    expect(running.stdout.toString()).to.match(/ok +ports +a relay answers at/);
    await node.stop();
  });

  it('says what is wrong with ports, store, clock and neighbours, each with what to do', async () => {
    const port = await freePort();
    http = createServer((_, response) => response.end('hello'));
    await new Promise<void>((resolve) => http?.listen(port, '127.0.0.1', resolve));
    await mkdir(workshop.path('open'), { recursive: true });
    await chmod(workshop.path('open'), 0o755);
    const tomorrow = new Date(Date.now() + 86_400_000);
    await utimes(workshop.path('open'), tomorrow, tomorrow);
    const dead = `tcp://127.0.0.1:${await freePort()}`;
    const { code, found } = await examined(
      config(port, {
        listen: [
          { host: '127.0.0.1', port },
          { host: '192.0.2.1', port: 10_913 },
        ],
        store: { type: 'lmdb', path: 'open' },
        mesh: { dns: { enabled: false }, routes: [{ domain: 'rubble.com', relays: [dead], tls: 'off' }] },
      }),
    );
    expect(code, JSON.stringify(found)).to.equal(78);
    // What is wrong with a file does not keep the rest from being examined.
    expect(of(found, 'configuration')[0]).to.match(/^error: .*store\.path: .*open: is open to other users.*chmod 700/);
    expect(of(found, 'ports')[0]).to.match(/^error: tcp:.* is in use by something else/);
    expect(of(found, 'ports')[1]).to.equal(
      'error: cannot listen on 192.0.2.1 port 10913: this machine has no such address',
    );
    expect(of(found, 'clock').join()).to.match(/^error: .*open was changed at .*, and this clock says/);
    expect(of(found, 'neighbours').join()).to.match(/^error: rubble\.com at tcp:/);
    for (const { state, text, advice } of found) expect(advice !== undefined, text).to.equal(state !== 'ok');
  });

  it('distinguishes its own node from another one on its ports, and looks at the admin port', async () => {
    const admin = await freePort();
    const store = { type: 'lmdb', path: 'own' };
    const node = await workshop.node('other', (port) => config(port, { store, admin: { port: admin } }));
    await node.start();
    const own = await examined(config(node.port, { store, admin: { port: admin } }));
    expect(of(own.found, 'ports')).to.deep.equal([
      `ok: a relay answers at tcp://127.0.0.1:${node.port}`,
      `ok: the node of example.com answers at http://127.0.0.1:${admin} (admin)`,
    ]);
    const more = { store: { type: 'lmdb', path: 'second' }, admin: { port: node.port } };
    const { code, found } = await examined(config(node.port, more));
    expect(code).to.equal(1);
    expect(of(found, 'ports')[0]).to.match(/^warning: a relay answers at .*, and no node runs on .*second: it may be/);
    expect(of(found, 'ports')[1]).to.match(/^error: admin: no node answers at http:/);
    await node.stop();
  });

  it('names a file of the store that belongs to another user', async function () {
    if (process.getuid?.() !== 0) {
      console.log('      skipped: only root can give files away');
      this.skip();
    }
    const { chown } = await import('node:fs/promises');
    const lost = await workshop.file('owned/data.mdb', '');
    await chmod(workshop.path('owned'), 0o700);
    await chown(lost, 65_534, 65_534);
    const { found } = await examined(config(await freePort(), { store: { type: 'lmdb', path: 'owned' } }));
    expect(of(found, 'store').join()).to.match(/error: .*data\.mdb belongs to user 65534, and the store to user 0/);
  });

  it('exits 78 where the configuration is not valid', async () => {
    const { code, found } = await examined({ ...config(1), domains: [] });
    expect(code).to.equal(78);
    expect(of(found, 'configuration')[0]).to.match(/^error: .*domains/);
  });
});
