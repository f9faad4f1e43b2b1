import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Node } from '../../lib/node/node.js';
import { events, type NodeChanged } from '../../lib/ops/events.js';
import { ClusterFixture, LEASE_MS } from '../support/cluster.js';
import { failureOf } from '../support/failure.js';
import { freePort } from '../support/free-port.js';
import { Command } from '../support/node-process.js';
import { type PostgresServer, postgresServer } from '../support/postgres.js';
import { StallingProxy } from '../support/stalling-proxy.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BETTY = 'betty@example.com';
const BARNEY = 'barney@example.com';

/** What a loaded machine may take for what takes two leases. */
const MOVED_MS = 90_000;

/** Texts as they arrive. */
function inbox(endpoint: Endpoint): string[] {
  const texts: string[] = [];
  endpoint.receive((delivery) => void texts.push(delivery.text()));
  return texts;
}

async function eventually(what: string, is: () => boolean | Promise<boolean>, ms = MOVED_MS): Promise<void> {
  const end = performance.now() + ms;
  while (!(await is())) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A node in this process whose ways to the database and from the other nodes can be stalled. */
class CutNode {
  readonly node: Node;
  readonly #proxies: readonly StallingProxy[];

  private constructor(node: Node, proxies: readonly StallingProxy[]) {
    this.node = node;
    this.#proxies = proxies;
  }

  static async start(cluster: ClusterFixture, server: PostgresServer, name: string): Promise<CutNode> {
    const socket = join(server.directory, `.s.PGSQL.${server.port}`);
    const port = await freePort();
    const [database, mesh] = [
      await StallingProxy.open('127.0.0.1', 0, { path: socket }),
      await StallingProxy.open('127.0.0.2', port, { host: '127.0.0.1', port }),
    ];
    const url = await cluster.databaseUrl(name, database.port);
    const node = await cluster.start(name, { cluster: { port, address: '127.0.0.2' } }, url);
    return new CutNode(node, [database, mesh]);
  }

  /** From the other nodes only. */
  cutMesh(): void {
    this.#proxies[1]?.stall();
  }

  cutOff(): void {
    for (const proxy of this.#proxies) proxy.stall();
  }

  mend(): void {
    for (const proxy of this.#proxies) proxy.resume();
  }

  close(): void {
    for (const proxy of this.#proxies) proxy.close();
  }
}

describe('node: a cluster when something fails', function () {
  this.timeout(400_000);
  this.slow(60_000);
  const server = postgresServer();

  describe('of two nodes and more', () => {
    let cluster: ClusterFixture;
    const heard: { readonly at: number; readonly event: NodeChanged }[] = [];
    let deafen: () => void;
    const ends: (() => void)[] = [];

    beforeEach(async () => {
      cluster = await ClusterFixture.open(server().url);
      deafen = events.node.subscribe((event) => void heard.push({ at: performance.now(), event }));
    });
    afterEach(async () => {
      deafen();
      heard.splice(0);
      for (const end of ends.splice(0)) end();
      await cluster.close();
      await server().query('drop schema if exists mesh cascade');
    });

    const said = (state: string): number => heard.filter(({ event }) => event.state === state).length;

    it('moves the center to another node when it stops, while sessions elsewhere stay', async () => {
      const a = await cluster.start('a');
      await cluster.accounts(a, [FRED, WILMA, BETTY]);
      const b = await cluster.start('b');
      const [fred, wilma] = [await cluster.attach(FRED, b), await cluster.attach(WILMA, b)];
      await fred.send({ to: BETTY, content: 'held', hold: true });
      const ended: string[] = [];
      for (const one of [fred, wilma]) one.once('terminate', () => void ended.push('terminated'));
      expect(said('center of the cluster')).to.equal(1);
      await cluster.stop(a);
      await eventually('b is the center', () => said('center of the cluster') === 2);
      const wilmas = inbox(wilma);
      await fred.send({ to: WILMA, content: 'straight' });
      expect(wilmas).to.deep.equal(['straight']);
      const betty = await attachInTime(() => cluster.attach(BETTY, b));
      const bettys = inbox(betty);
      await eventually('the held message arrives', () => bettys.length === 1);
      expect(bettys).to.deep.equal(['held']);
      expect(ended).to.deep.equal([]);
    });

    it('goes on with another center when that is killed: nothing held is lost, and its endpoints can attach elsewhere', async () => {
      const config = join(cluster.directory, 'a.json');
      await writeFile(config, JSON.stringify(await cluster.config('a')));
      const killed = new Command(['relay', '--config', config], cluster.directory);
      ends.push(() => killed.signal('SIGKILL'));
      await killed.seen((output) => (output.includes('"ready"') ? true : undefined), 'is ready', 120_000);
      const b = await cluster.start('b');
      await cluster.accounts(b, [FRED, WILMA, BETTY]);
      expect(said('center of the cluster')).to.equal(0);
      const fred = await cluster.attach(FRED, b);
      const there = /"listening":\["tcp:\/\/127\.0\.0\.1:(\d+)"/.exec(killed.output)?.[1];
      await cluster.attachAt(WILMA, `tcp://127.0.0.1:${there}`, { reconnect: false });
      await fred.send({ to: BETTY, content: 'held', hold: true });
      await killed.kill();
      // What is attached at a dead node is unavailable, not absent, until its lease is over.
      expect((await failureOf(fred.send({ to: WILMA, content: 'too late' }))).reply?.code).to.be.oneOf([450, 451]);
      const wilma = await attachInTime(() => cluster.attach(WILMA, b));
      const bettys = inbox(await cluster.attach(BETTY, b));
      await eventually('the held message arrives', () => bettys.length === 1);
      const wilmas = inbox(wilma);
      await fred.send({ to: WILMA, content: 'again' });
      expect(wilmas).to.deep.equal(['again']);
      expect(said('center of the cluster')).to.equal(1);
    });

    it('lets a node that is cut off fence itself before its endpoints are given to another one', async () => {
      // Nothing passes between the two either way.
      const a = await CutNode.start(cluster, server(), 'a');
      await cluster.accounts(a.node, [FRED, WILMA]);
      const b = await CutNode.start(cluster, server(), 'b');
      ends.push(
        () => a.close(),
        () => b.close(),
      );
      const fred = await cluster.attach(FRED, b.node, { reconnect: false });
      const fenced = new Promise<number>((resolve) => fred.once('terminate', () => resolve(performance.now())));
      b.cutOff();
      a.cutMesh();
      const other = await attachInTime(() => cluster.attach(FRED, a.node));
      const moved = performance.now();
      expect(await fenced).to.be.lessThan(moved);
      const wilma = await cluster.attach(WILMA, a.node);
      const freds = inbox(other);
      await wilma.send({ to: FRED, content: 'hello' });
      expect(freds).to.deep.equal(['hello']);
      // It comes back by itself.
      a.mend();
      b.mend();
      await other.close();
      await attachInTime(() => cluster.attach(FRED, b.node));
    });

    it('takes the lease from a center that is cut off, which has ended its attachments by then', async () => {
      const a = await CutNode.start(cluster, server(), 'a');
      ends.push(() => a.close());
      await cluster.accounts(a.node, [FRED, WILMA, BETTY]);
      const b = await cluster.start('b');
      const fred = await cluster.attach(FRED, a.node, { reconnect: false });
      const wilma = await cluster.attach(WILMA, b);
      await wilma.send({ to: BETTY, content: 'held', hold: true });
      const fenced = new Promise<number>((resolve) => fred.once('terminate', () => resolve(performance.now())));
      a.cutOff();
      await attachInTime(() => cluster.attach(FRED, b));
      expect(await fenced).to.be.lessThan(performance.now());
      const bettys = inbox(await cluster.attach(BETTY, b));
      await eventually('the held message arrives', () => bettys.length === 1);
      expect(said('center of the cluster')).to.equal(2);
      a.mend();
      await attachInTime(() => cluster.attach(`${FRED.replace('@', '/second@')}`, a.node));
    });

    it('goes on without the database: what is attached stays, what must be written is refused', async () => {
      const socket = join(server().directory, `.s.PGSQL.${server().port}`);
      const proxy = await StallingProxy.open('127.0.0.1', 0, { path: socket });
      ends.push(() => proxy.close());
      const a = await cluster.start('a', {}, await cluster.databaseUrl('a', proxy.port));
      await cluster.accounts(a, [FRED, WILMA, BETTY, BARNEY]);
      const b = await cluster.start('b', {}, await cluster.databaseUrl('b', proxy.port));
      const [fred, wilma] = [await cluster.attach(FRED, a), await cluster.attach(WILMA, b)];
      const wilmas = inbox(wilma);
      const ended: string[] = [];
      for (const one of [fred, wilma]) one.once('terminate', () => void ended.push('terminated'));
      // The nodes have pledged for the first time.
      await new Promise((resolve) => setTimeout(resolve, LEASE_MS));
      proxy.stall();
      await new Promise((resolve) => setTimeout(resolve, 4 * LEASE_MS));
      await fred.send({ to: WILMA, content: 'hello' });
      expect(wilmas).to.deep.equal(['hello']);
      const failure = await failureOf(fred.send({ to: BETTY, content: 'to be held', hold: true }));
      expect(failure.reply?.code).to.be.oneOf([450, 451]);
      // Passwords are read in the database, so that one that was changed is valid nowhere.
      expect((await failureOf(cluster.attach(BETTY, b))).reply?.code).to.equal(454);
      proxy.resume();
      const held = (): Promise<unknown> => fred.send({ to: BARNEY, content: 'held', hold: true });
      await attachInTime(held);
      expect(ended).to.deep.equal([]);
      expect(said('center of the cluster')).to.equal(1);
    });
  });
});

/** Tries until it succeeds: a moment after a failure it is refused, with 450 or 554. */
async function attachInTime<T>(attempt: () => Promise<T>): Promise<T> {
  const end = performance.now() + MOVED_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > end) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}
