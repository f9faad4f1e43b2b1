import { connect, type Socket } from 'node:net';
import { expect } from 'chai';
import { examineConfig, parseConfig } from '../../lib/config/parse.js';
import type { NodeConfigInput } from '../../lib/config/schema.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { EndpointOptions } from '../../lib/endpoint/options.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { events } from '../../lib/ops/events.js';
import type { NodeStatus } from '../../lib/ops/status.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { failureOf } from '../support/failure.js';
import { importsOf, sources } from '../support/import-graph.js';
import { temporaryFile } from '../support/temporary-file.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const SMITH = '"fred smith"@example.com';
const RELAY = 'imxp=mesh@example.com';
const BARNEY = 'barney@rubble.com';
const MESH = 'imxp=mesh@rubble.com';
const PASSWORD = 'yabba';

const ACCESS = {
  initial: [
    { actor: 'owner', actions: ['all:all'] },
    { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
  ],
};

/** The worker at which an endpoint attached, from the log of the node. */
class Places {
  readonly #at = new Map<string, string>();
  #changed: () => void = () => {};
  readonly #end = events.attached.subscribe((event) => {
    if ('worker' in event) this.#at.set(event.subject, String(event.worker));
    this.#changed();
  });

  forget(address: string): void {
    this.#at.delete(address);
  }

  async of(address: string): Promise<string> {
    for (;;) {
      const worker = this.#at.get(address);
      if (worker !== undefined) return worker;
      const changed = new Promise<void>((resolve) => {
        this.#changed = resolve;
      });
      await within(10_000, changed, `${address} attaches`);
    }
  }

  close(): void {
    this.#end();
  }
}

async function start(config: Partial<NodeConfigInput>, addresses: readonly string[]): Promise<Node> {
  const complete = {
    domains: ['example.com'],
    listen: [{ port: 0 }],
    sasl: { mechanisms: ['DIGEST-MD5' as const] },
    store: { type: 'lmdb' as const, path: `${await temporaryFile('')}.store` },
    access: ACCESS,
    admin: { port: 0 },
    ...config,
    mesh: { dns: { enabled: false }, ...config.mesh },
  };
  const node = await startNode(parseConfig(complete, '/'));
  const realms = [...complete.domains];
  for (const address of addresses) await node.accounts.add(await makeVerifier(address, PASSWORD, { realms }));
  return node;
}

const urlOf = (node: Node): string => `tcp://127.0.0.1:${node.listening[0]?.port ?? 0}`;

/** Texts as they arrive. */
class Inbox {
  readonly texts: string[] = [];
  #arrived: () => void = () => {};

  constructor(endpoint: Endpoint) {
    endpoint.receive((delivery) => {
      this.texts.push(delivery.text());
      this.#arrived();
    });
  }

  async has(count: number): Promise<readonly string[]> {
    while (this.texts.length < count) {
      const arrived = new Promise<void>((resolve) => {
        this.#arrived = resolve;
      });
      await within(10_000, arrived, `${count} messages arrive, of which there are ${this.texts.length}`);
    }
    return this.texts;
  }
}

describe('node: workers', function () {
  this.timeout(180_000);
  this.slow(5000);
  let node: Node;
  let rubble: Node;
  let places: Places;
  const endpoints: Endpoint[] = [];
  const sockets: Socket[] = [];

  before(async () => {
    places = new Places();
    const limits = { attachment: { perAccount: 3 }, authentication: { failuresPerAddress: 6, delayMs: 1 } };
    node = await start({ workers: 2, limits, presence: { follow: [WILMA] } }, [FRED, WILMA, SMITH, MESH]);
    const passwordFile = await temporaryFile(`${PASSWORD}\n`);
    // Only rubble.com knows the way, so what goes there goes to the worker that it is bound at.
    const route = {
      domain: 'example.com',
      relays: [urlOf(node)],
      tls: 'off' as const,
      credentials: { username: MESH, passwordFile },
    };
    const store = { type: 'memory' as const };
    rubble = await start({ domains: ['rubble.com'], store, mesh: { routes: [route] } }, [BARNEY, RELAY]);
  });
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
  });
  after(async () => {
    places.close();
    await rubble.stop();
    await node.stop();
  });

  async function attach(address: string, more: Partial<EndpointOptions> = {}, at = node): Promise<Endpoint> {
    const endpoint = await Endpoint.connect({ address, relay: urlOf(at), password: PASSWORD, ...more });
    endpoints.push(endpoint);
    return endpoint;
  }

  /** Connections go to the workers in turn: one that does nothing lets the next go to the other. */
  async function pass(): Promise<void> {
    const socket = connect(node.listening[0]?.port ?? 0, '127.0.0.1');
    sockets.push(socket);
    await new Promise((resolve) => socket.once('data', resolve));
  }

  /** Attaches at another worker than that of somebody else. */
  async function attachElsewhere(
    address: string,
    than: string,
    more: Partial<EndpointOptions> = {},
  ): Promise<Endpoint> {
    for (let tries = 0; tries < 10; tries += 1) {
      places.forget(address);
      const endpoint = await attach(address, more);
      if ((await places.of(address)) !== than) return endpoint;
      await endpoint.close();
    }
    throw new Error('all connections went to one worker');
  }

  async function pair(more: Partial<EndpointOptions> = {}): Promise<readonly [Endpoint, Endpoint]> {
    places.forget(FRED);
    const fred = await attach(FRED, more);
    return [fred, await attachElsewhere(WILMA, await places.of(FRED), more)];
  }

  async function status(): Promise<NodeStatus> {
    return (await (await fetch(`${node.admin ?? ''}/status`)).json()) as NodeStatus;
  }

  for (const dialect of ['imxp', 'apex'] as const) {
    it(`hand each other what is for endpoints of the other, in order (${dialect})`, async () => {
      const [fred, wilma] = await pair({ dialect });
      const [freds, wilmas] = [new Inbox(fred), new Inbox(wilma)];
      const sent = Array.from({ length: 200 }, (_, index) => `${index}`);
      await Promise.all(sent.map((content) => fred.send({ to: WILMA, content })));
      await Promise.all(sent.map((content) => wilma.send({ to: FRED, content })));
      expect(await wilmas.has(200)).to.deep.equal(sent);
      expect(await freds.has(200)).to.deep.equal(sent);
    });
  }

  it('know names that only APEX has', async () => {
    places.forget(FRED);
    const fred = await attach(FRED, { dialect: 'apex' });
    const smith = new Inbox(await attachElsewhere(SMITH, await places.of(FRED), { dialect: 'apex' }));
    await fred.send({ to: SMITH, content: 'hello' });
    expect(await smith.has(1)).to.deep.equal(['hello']);
  });

  it('attach an endpoint once, and let another take it over only where it says so', async () => {
    const [fred] = await pair();
    const at = await places.of(FRED);
    const lost = new Promise<string>((resolve) => fred.once('terminate', resolve));
    for (const _ of [1, 2]) {
      const failure = await failureOf(attach(FRED));
      expect(failure.reply?.code).to.equal(554);
      await pass();
    }
    const second = new Inbox(await attachElsewhere(FRED, at, { override: true }));
    expect(await within(5000, lost, 'the first one is told')).to.equal(FRED);
    const wilma = endpoints.find(({ addresses }) => addresses.includes(WILMA));
    await wilma?.send({ to: FRED, content: 'to the second' });
    expect(await second.has(1)).to.deep.equal(['to the second']);
  });

  it('count the attachments of an account together', async () => {
    const [fred] = await pair();
    const other = await attachElsewhere('fred/a=1@example.com', await places.of(FRED));
    await other.attach('fred/a=2@example.com');
    expect((await failureOf(fred.attach('fred/a=3@example.com'))).reply?.code).to.equal(554);
    await other.close();
    await fred.attach('fred/a=3@example.com');
  });

  it('hold messages for whoever attaches at any of them, and let nothing overtake them', async () => {
    places.forget(FRED);
    const fred = await attach(FRED);
    const sent = Array.from({ length: 300 }, (_, index) => `${index}`);
    const answers: Promise<unknown>[] = sent
      .slice(0, 100)
      .map((content) => fred.send({ to: WILMA, content, hold: true }));
    await Promise.all(answers);
    expect((await status()).held.data).to.equal(100);
    const attaching = attachElsewhere(WILMA, await places.of(FRED));
    const later = sent.slice(100).map((content) => fred.send({ to: WILMA, content, hold: true }));
    const wilma = new Inbox(await attaching);
    await Promise.all(later);
    expect(await wilma.has(300)).to.deep.equal(sent);
    await fred.send({ to: WILMA, content: 'straight' });
    expect((await wilma.has(301)).at(-1)).to.equal('straight');
  });

  it('deliver to the latest subaddress, to all of them or to one in turn, wherever they are attached', async () => {
    const path = `${await temporaryFile('')}.store`;
    const configFor = (delivery: 'first' | 'latest' | 'all' | 'one') =>
      parseConfig(
        {
          domains: ['example.com'],
          listen: [{ port: 0 }],
          store: { type: 'lmdb', path },
          access: ACCESS,
          policy: { delivery },
          presence: { follow: [WILMA] },
        },
        '/',
      );
    places.forget(WILMA);
    const wilma = await attach(WILMA);
    const there = new Inbox(await attachElsewhere('fred/a=1@example.com', await places.of(WILMA)));
    const here = new Inbox(await attachElsewhere('fred/a=2@example.com', await places.of('fred/a=1@example.com')));
    await node.reload(configFor('latest'));
    await wilma.send({ to: FRED, content: 'latest' });
    expect(await here.has(1)).to.deep.equal(['latest']);
    await node.reload(configFor('all'));
    await wilma.send({ to: FRED, content: 'all' });
    expect(await here.has(2)).to.deep.equal(['latest', 'all']);
    expect(await there.has(1)).to.deep.equal(['all']);
    await node.reload(configFor('one'));
    for (const content of ['one', 'two', 'three', 'four']) await wilma.send({ to: FRED, content });
    const [those, these] = [await there.has(3), await here.has(4)];
    expect([...those.slice(1), ...these.slice(2)].sort()).to.deep.equal(['four', 'one', 'three', 'two']);
    await node.reload(configFor('first'));
    expect((await failureOf(wilma.send({ to: FRED, content: 'nobody' }))).reply?.code).to.equal(450);
  });

  it('let programs share what arrives for their account where they ask for it, wherever they are attached', async () => {
    const wilma = await attach(WILMA);
    const group = { queueGroup: true };
    const one = new Inbox(await attach('fred/g=1@example.com', group));
    const two = new Inbox(
      await attachElsewhere('fred/g=2@example.com', await places.of('fred/g=1@example.com'), group),
    );
    const other = new Inbox(await attach('fred/laptop@example.com'));
    const contents = ['one', 'two', 'three', 'four'];
    for (const content of contents) await wilma.send({ to: FRED, content });
    expect([...(await one.has(2)), ...(await two.has(2))].sort()).to.deep.equal([...contents].sort());
    expect(other.texts).to.deep.equal([]);
  });

  it('report once what became of a message, when it is known', async () => {
    const [fred, wilma] = await pair();
    new Inbox(wilma);
    const direct = await fred.status({ to: WILMA, content: 'now' });
    expect(direct.reports.flatMap(({ recipients }) => recipients.map(({ code }) => code))).to.deep.equal([250]);
    await wilma.close();
    const heard: number[] = [];
    const timing = {
      noLaterThanMs: 60_000,
      returnTripMs: 20_000,
      reported: (report: { readonly recipients: readonly { readonly code: number }[] }) => {
        heard.push(...report.recipients.map(({ code }) => code));
      },
    };
    await fred.send({ to: WILMA, content: 'later', hold: true, timing });
    expect(heard).to.deep.equal([]);
    const inbox = new Inbox(await attachElsewhere(WILMA, await places.of(FRED)));
    expect(await inbox.has(1)).to.deep.equal(['later']);
    await fred.send({ to: WILMA, content: 'a moment later' });
    expect(heard).to.deep.equal([250]);
  });

  it('show presence that was published at another, and that follows the attachment', async () => {
    places.forget(FRED);
    const fred = await attach(FRED);
    // Whoever was attached before has gone.
    while ((await fred.presence.poll(WILMA)).open);
    const feed = await fred.presence.subscribe(WILMA);
    const states: boolean[] = [];
    let wilma: Endpoint | undefined;
    const hearing = (async () => {
      for await (const { open } of feed) {
        states.push(open);
        if (states.length === 1) wilma = await attach(WILMA);
        if (states.length === 2) await wilma?.close();
        if (states.length === 3) break;
      }
    })();
    await within(20_000, hearing, 'three states');
    expect(states).to.deep.equal([false, true, false]);
  });

  it('send what is for a domain that is bound at one of them there, and count as one hop', async () => {
    const barney = await attach(BARNEY, {}, rubble);
    const inbox = new Inbox(barney);
    const [fred, wilma] = await pair();
    new Inbox(fred);
    // Makes the link, which binds at one of the workers.
    await barney.send({ to: FRED, content: 'hello' });
    for (const endpoint of [fred, wilma]) {
      await endpoint.send({ to: BARNEY, content: 'near', hops: { noMoreThan: 2 } });
      const far = await failureOf(endpoint.send({ to: BARNEY, content: 'far', hops: { noMoreThan: 1 } }));
      expect(far.reply?.code).to.equal(550);
    }
    expect(await inbox.has(2)).to.deep.equal(['near', 'near']);
    const { reports } = await fred.trace(BARNEY);
    expect(reports.map(({ relay }) => relay)).to.have.members(['example.com', 'rubble.com']);
  });

  it('end the sessions of an account that is disabled', async () => {
    const [fred, wilma] = await pair();
    const gone = Promise.all(
      [fred, wilma].map((endpoint) => new Promise<void>((resolve) => endpoint.once('disconnect', () => resolve()))),
    );
    await node.accounts.disable(FRED);
    await node.accounts.disable(WILMA);
    await within(20_000, gone, 'both sessions end');
    await node.accounts.enable(FRED);
    await node.accounts.enable(WILMA);
  });

  it('say what each of them does', async () => {
    await pair();
    const { attachments, sessions, workers = [], process } = await status();
    expect([attachments, sessions.endpoints]).to.deep.equal([2, 2]);
    expect(workers.map(({ name, attachments: own }) => [name, own])).to.deep.equal([
      ['w1', 1],
      ['w2', 1],
    ]);
    expect(new Set(workers.map(({ process: { pid } }) => pid).concat(process.pid)).size).to.equal(3);
    const metrics = await (await fetch(`${node.admin ?? ''}/metrics`)).text();
    expect(metrics).to.match(/^imxp_attachments 2$/m);
    expect(metrics).to.match(/^imxp_worker_sessions\{worker="w1"\} \d+$/m);
    expect(metrics).to.match(/^imxp_sessions_opened_total\{role="listener"\} \d\d/m);
  });

  it('apply a changed configuration', async () => {
    const [fred, wilma] = await pair();
    const ended = Promise.all(
      [fred, wilma].map((endpoint) => new Promise<void>((resolve) => endpoint.once('terminate', () => resolve()))),
    );
    const path = `${await temporaryFile('')}.store`;
    const config = (more: Partial<NodeConfigInput>) =>
      parseConfig({ domains: ['example.com'], listen: [{ port: 0 }], store: { type: 'lmdb', path }, ...more }, '/');
    // All names of the domain belong to somebody else now, so nobody may stay attached.
    const policy = { gateways: { 'example.com': 'gate@example.org' } };
    const reload = await node.reload(config({ policy, access: ACCESS }));
    expect(reload.applied).to.include('policy');
    await within(10_000, ended, 'both attachments end');
    await node.reload(config({ access: ACCESS, presence: { follow: [WILMA] } }));
    await pair();
  });

  it('are replaced when they are killed: the others go on, and their endpoints come back', async () => {
    places.forget(FRED);
    const fred = await attach(FRED, { reconnect: { firstMs: 20, longestMs: 200 } });
    const wilma = await attachElsewhere(WILMA, await places.of(FRED));
    const [freds, wilmas] = [new Inbox(fred), new Inbox(wilma)];
    await wilma.send({ to: FRED, content: 'before' });
    const { workers = [] } = await status();
    const pid = workers.find(({ name }) => name === 'w1')?.process.pid ?? 0;
    const other = workers.find(({ name }) => name === 'w2')?.process.pid ?? 0;
    const [victim, survivor] = (await places.of(FRED)) === 'w1' ? [pid, other] : [other, pid];
    places.forget(FRED);
    const back = new Promise<void>((resolve) => fred.once('connect', () => resolve()));
    process.kill(victim, 'SIGKILL');
    await within(60_000, back, 'fred comes back');
    await fred.send({ to: WILMA, content: 'again' });
    await wilma.send({ to: FRED, content: 'after' });
    expect(await freds.has(2)).to.deep.equal(['before', 'after']);
    expect(await wilmas.has(1)).to.deep.equal(['again']);
    for (;;) {
      const { workers: now = [], workersRestarted } = await status();
      if (now.length < 2) continue;
      expect(now.map(({ process: { pid: one } }) => one))
        .to.include(survivor)
        .and.not.include(victim);
      expect(workersRestarted).to.equal(1);
      break;
    }
  });

  it('ban an address for the failures at all of them', async () => {
    const codes: (string | undefined)[] = [];
    for (let tries = 0; tries < 8; tries += 1) {
      codes.push((await failureOf(attach(FRED, { password: 'wrong' }))).code);
    }
    expect(codes.slice(0, 6)).to.deep.equal(Array.from({ length: 6 }, () => 'SASL_REFUSED'));
    expect(codes.slice(6)).to.deep.equal(['BEEP_UNAVAILABLE', 'BEEP_UNAVAILABLE']);
  });
});

describe('node: without workers', () => {
  it('loads nothing of them', () => {
    const files = sources().filter(({ path }) => path.startsWith('lib/') || path.startsWith('bin/'));
    const users = files
      .filter(({ path }) => !path.startsWith('lib/cluster/'))
      .flatMap(importsOf)
      .filter(({ to, typeOnly }) => !typeOnly && (to.startsWith('lib/cluster/') || to === 'node:cluster'))
      .map(({ from }) => from);
    const needed = /^lib\/node\/(cluster|supervisor|worker)[-\w]*\.ts$/;
    expect(users).to.include.members(['lib/node/supervisor.ts', 'lib/node/worker.ts']);
    expect(users.filter((path) => !needed.test(path))).to.deep.equal([]);
    const loading = files
      .filter(({ path }) => !needed.test(path))
      .flatMap((file) => importsOf(file).map((one) => ({ ...one, line: file.text.split('\n')[one.line - 1] ?? '' })))
      .filter(({ to, typeOnly }) => !typeOnly && needed.test(to));
    expect(loading.map(({ from }) => from)).to.deep.equal(['lib/node/node.ts', 'lib/node/node.ts']);
    for (const { line } of loading) expect(line).to.include('await import(');
  });

  it('refuses to share a store in memory', () => {
    const { findings } = examineConfig(
      { domains: ['example.com'], listen: [{ port: 0 }], store: { type: 'memory' }, workers: 2 },
      '/',
    );
    expect(findings.map(({ message }) => message)).to.include(
      'needs a store of type "lmdb", because the processes share it',
    );
  });
});
