import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { PASSWORD as DATABASE_PASSWORD, postgresServer } from '../support/postgres.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const PASSWORD = 'yabba dabba';

describe('imxp relay: store in PostgreSQL', function () {
  // On a busy machine; half a minute otherwise.
  this.timeout(300_000);
  this.slow(20_000);
  const server = postgresServer();
  let workshop: Workshop;
  let node: NodeProcess;
  const endpoints: Endpoint[] = [];

  const store = (more: object = {}) => ({
    type: 'postgres',
    url: server().url,
    path: 'var',
    connectTimeoutMs: 1000,
    queryTimeoutMs: 5000,
    ...more,
  });
  const config = (port: number, more: object = {}) => ({
    domains: ['example.com'],
    listen: [{ port }],
    store: store(more),
    mesh: { dns: { enabled: false } },
    admin: { port: 0 },
  });

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.relay([FRED, BARNEY], PASSWORD, { store: store(), admin: { port: 0 } });
  });
  afterEach(() => Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close())));
  after(() => workshop?.close());

  async function attach(address: string): Promise<Endpoint> {
    const endpoint = await Endpoint.connect({ address, relay: `tcp://127.0.0.1:${node.port}`, password: PASSWORD });
    endpoints.push(endpoint);
    return endpoint;
  }

  /** A command of somebody with an account. */
  async function as(address: string, args: readonly string[], input = '') {
    const file = workshop.path(`secrets/${encodeURIComponent(address)}`);
    const relay = ['--relay', `tcp://127.0.0.1:${node.port}`, '--from', address, '--password-file', file];
    const { code, stdout, stderr } = await workshop.run([...args, ...relay], { input, deadlineMs: 90_000 });
    return { code, text: `${stdout}${stderr}` };
  }

  async function ready(): Promise<number> {
    const { admin = '' } = await node.log(({ msg }) => msg === 'ready', 'ready');
    return (await fetch(`${String(admin)}/readyz`)).status;
  }

  async function eventually(holds: () => Promise<boolean>, what: string): Promise<void> {
    const look = async (): Promise<void> => {
      while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 50));
    };
    await within(30_000, look(), what);
  }

  it('serves accounts of the command line: messages, presence, access', async () => {
    const fred = await attach(FRED);
    const arrived = new Promise<string>((resolve) => fred.receive((delivery) => resolve(delivery.text())));
    expect(await as(BARNEY, ['send', FRED, 'Hello there'])).to.include({ code: 0 });
    expect(await within(10_000, arrived, 'the message')).to.equal('Hello there');
    expect(await as(BARNEY, ['presence', 'poll', FRED])).to.include({ code: 77 });
    expect(await as(FRED, ['access', 'allow', BARNEY, 'presence:subscribe'])).to.include({ code: 0 });
    expect(await as(FRED, ['presence', 'publish'])).to.include({ code: 0 });
    const polled = await as(BARNEY, ['presence', 'poll', FRED]);
    expect(polled).to.include({ code: 0 }, polled.text);
    expect(polled.text).to.include('open');
    // Changed by another process, and obeyed by the relay.
    const { code } = await workshop.run(['account', 'disable', BARNEY, '--config', node.config]);
    expect(code).to.equal(0);
    await eventually(async () => (await as(BARNEY, ['send', FRED, 'again'])).code === 77, 'the account is disabled');
    expect((await workshop.run(['account', 'enable', BARNEY, '--config', node.config])).code).to.equal(0);
    await eventually(async () => (await as(BARNEY, ['send', FRED, 'again'])).code === 0, 'the account is enabled');
  });

  it('delivers a held message once after it was killed', async () => {
    expect(await as(FRED, ['send', '--hold', BARNEY, 'for later'])).to.include({ code: 0 });
    await node.kill();
    // Its lease has to run out.
    await node.start();
    const barney = await attach(BARNEY);
    const texts: string[] = [];
    const first = new Promise<void>((resolve) => {
      barney.receive((delivery) => {
        texts.push(delivery.text());
        resolve();
      });
    });
    await within(20_000, first, 'the held message');
    await node.stop();
    await node.start();
    const again = await attach(BARNEY);
    again.receive((delivery) => void texts.push(delivery.text()));
    expect(await as(FRED, ['send', '--hold', BARNEY, 'last'])).to.include({ code: 0 });
    await eventually(async () => texts.includes('last'), 'the next message');
    expect(texts).to.deep.equal(['for later', 'last']);
    expect(await server().query('select * from imxp.held')).to.deep.equal([]);
  });

  it('is alone on its schema: a second relay is refused', async () => {
    const second = await workshop.node('second', (port) => config(port, { path: 'other' }));
    const { code, stderr } = await workshop.run(['relay', '--config', second.config], { deadlineMs: 90_000 });
    expect(code, stderr.toString()).to.equal(69);
    expect(stderr.toString())
      .to.include(`in use by another relay: process ${node.command.pid} on `)
      .and.include('store.schema');
  });

  it('goes on while the database is down, refuses logins for the time being, and then loses nothing', async () => {
    const [fred, barney] = [await attach(FRED), await attach(BARNEY)];
    const texts: string[] = [];
    fred.receive((delivery) => void texts.push(delivery.text()));
    server().down();
    try {
      await eventually(async () => (await ready()) === 503, 'not ready');
      await barney.send({ to: FRED, content: 'without the database' });
      const login = await as(BARNEY, ['send', FRED, 'nobody sends this']);
      expect(login.code, login.text).to.equal(69);
      expect(login.text).to.include('454');
      const held = await barney.send({ to: `fred/away@example.com`, content: 'x', hold: true }).catch(String);
      expect(held).to.match(/45[01]/);
      const added = await workshop.run(['account', 'disable', BARNEY, '--config', node.config]);
      expect(added.code).to.equal(69);
      expect(added.stderr.toString()).to.include('the database cannot be reached');
    } finally {
      server().up();
    }
    await eventually(async () => (await ready()) === 200, 'ready again');
    expect(await as(BARNEY, ['send', FRED, 'with it again'])).to.include({ code: 0 });
    expect(await as(BARNEY, ['presence', 'poll', FRED])).to.include({ code: 0 });
    expect(texts).to.deep.equal(['without the database', 'with it again']);
  });

  it('says in one sentence why it cannot start, and never a password', async () => {
    const { port } = server();
    await server().query(`create role reader login password 'secret7'`);
    await server().query(`create database empty; `);
    await server().query(`create schema newer; create table newer.migrations (version int, at timestamptz)`);
    await server().query(`insert into newer.migrations values (99, now())`);
    writeFileSync(workshop.path('open'), `postgres://imxp:secret7@127.0.0.1:${port}/postgres\n`, { mode: 0o644 });
    const urlFile = async (name: string, url: string) => ({ url: undefined, urlFile: await workshop.file(name, url) });
    const at = `127.0.0.1:${port}`;
    const table: readonly (readonly [string, object, number, string])[] = [
      [
        'wrong password',
        await urlFile('wrong', `postgres://imxp:secret7@${at}/postgres`),
        69,
        `${at}: password authentication failed for user "imxp"`,
      ],
      ['no password', { url: `postgres://imxp@${at}/postgres` }, 69, 'the server asks for a password'],
      ['unreachable', { url: 'postgres://imxp@127.0.0.1:1/postgres' }, 69, 'ECONNREFUSED 127.0.0.1:1'],
      ['no such host', { url: 'postgres://imxp@db.invalid/postgres', tls: { mode: 'off' } }, 69, 'db.invalid'],
      [
        'no such database',
        { url: server().url.replace(/postgres$/, 'nowhere') },
        69,
        'database "nowhere" does not exist',
      ],
      ['newer tables', { schema: 'newer' }, 78, 'a newer version of imxp has made these tables'],
      ['no rights', { url: server().url.replace('imxp@', 'reader@'), schema: 'own' }, 78, 'grant create on database'],
      ['no rights on tables', { url: server().url.replace('imxp@', 'reader@') }, 78, 'the role reader'],
      ['file for all', { url: undefined, urlFile: workshop.path('open') }, 78, 'chmod 600'],
    ];
    for (const [name, more, wanted, text] of table) {
      const one = await workshop.node('flawed', (free) => config(free, { path: 'flawed', ...more }));
      const { code, stdout, stderr } = await workshop.run(['relay', '--config', one.config], { deadlineMs: 90_000 });
      const output = `${stdout}${stderr}`;
      expect(code, `${name}: ${output}`).to.equal(wanted);
      expect(output, name).to.include(text).and.not.include('secret7');
      expect(output, name).to.match(/^error: [^\n]+\n(?:hint: [^\n]+\n)?$/);
    }
    expect(readFileSync(join(workshop.directory, 'flawed.json'), 'utf8')).not.to.include(DATABASE_PASSWORD);
  });
});
