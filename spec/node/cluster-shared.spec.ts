import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { type Node, startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { ClusterFixture, PASSWORD } from '../support/cluster.js';
import { failureOf } from '../support/failure.js';
import { postgresServer } from '../support/postgres.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';
const MESH = 'imxp=mesh@rubble.com';
const EVENTUALLY_MS = 30_000;

const limits = { attachment: { perAccount: 2 }, authentication: { failuresPerAddress: 4, delayMs: 1 } };
const access = {
  initial: [
    { actor: 'owner', actions: ['all:all'] },
    { actor: '*@*', actions: ['core:data'] },
  ],
};

describe('node: what the nodes of a cluster share', function () {
  this.timeout(240_000);
  this.slow(20_000);
  const server = postgresServer();
  let cluster: ClusterFixture;
  let a: Node;
  let b: Node;
  let rubble: Node;
  let directory: string;

  before(async () => {
    cluster = await ClusterFixture.open(server().url);
    a = await cluster.start('a', { limits, access });
    await cluster.accounts(a, [FRED, WILMA, MESH]);
    directory = await mkdtemp(join(tmpdir(), 'imxp-rubble-'));
    await writeFile(join(directory, 'password'), `${PASSWORD}\n`, { mode: 0o600 });
    const route = {
      domain: 'example.com',
      relays: [`tcp://127.0.0.1:${a.listening[0]?.port ?? 0}`],
      tls: 'off',
      credentials: { username: MESH, passwordFile: 'password' },
    };
    const config = {
      domains: ['rubble.com'],
      listen: [{ port: 0 }],
      sasl: { mechanisms: ['DIGEST-MD5'] },
      store: { type: 'memory' },
      mesh: { dns: { enabled: false }, routes: [route] },
    };
    rubble = await startNode(parseConfig(config, directory));
    await rubble.accounts.add(await makeVerifier(BARNEY, PASSWORD, { realms: ['rubble.com'] }));
  });
  afterEach(() => cluster.detachAll());
  after(async () => {
    await rubble?.stop();
    await cluster?.close();
    if (directory !== undefined) await rm(directory, { recursive: true, force: true });
  });

  /** Sends until the way is known. */
  async function reaches(from: Endpoint, content: string): Promise<void> {
    const end = performance.now() + EVENTUALLY_MS;
    for (;;) {
      try {
        await from.send({ to: BARNEY, content, hops: { noMoreThan: 2 } });
        return;
      } catch (error) {
        if (performance.now() > end) throw error;
        await new Promise((resolve) => setTimeout(resolve, 50));
      }
    }
  }

  it('is a foreign domain that is bound at one of them, also for one that joins later, and it counts as one hop', async () => {
    const barney = await cluster.attach(BARNEY, rubble);
    const texts: string[] = [];
    barney.receive((delivery) => void texts.push(delivery.text()));
    const fred = await cluster.attach(FRED, a);
    fred.receive(() => {});
    // Makes the link, which binds rubble.com at a; nobody else knows a way there.
    await barney.send({ to: FRED, content: 'hello' });
    await fred.send({ to: BARNEY, content: 'from a' });
    b = await cluster.start('b', { limits, access });
    const wilma = await cluster.attach(WILMA, b);
    await wilma.send({ to: BARNEY, content: 'from b', hops: { noMoreThan: 2 } });
    const far = await failureOf(wilma.send({ to: BARNEY, content: 'too far', hops: { noMoreThan: 1 } }));
    expect(far.reply?.code).to.equal(550);
    expect(texts).to.deep.equal(['from a', 'from b']);
  });

  it('is that a domain is no longer bound there, and is again', async () => {
    const barney = await cluster.attach(BARNEY, rubble);
    const texts: string[] = [];
    barney.receive((delivery) => void texts.push(delivery.text()));
    const [fred, wilma] = [await cluster.attach(FRED, a), await cluster.attach(WILMA, b)];
    fred.receive(() => {});
    await barney.send({ to: FRED, content: 'hello' });
    await reaches(wilma, '1');
    // Ends the session on which it is bound.
    await a.accounts.disable(MESH);
    await a.accounts.enable(MESH);
    await barney.send({ to: FRED, content: 'hello again' }).catch(() => {});
    await reaches(wilma, '2');
    expect(texts).to.deep.equal(['1', '2']);
  });

  it('is the number of attachments of an account', async () => {
    const first = await cluster.attach('fred/a=1@example.com', a);
    await cluster.attach('fred/a=2@example.com', b);
    for (const node of [a, b]) {
      expect((await failureOf(cluster.attach('fred/a=3@example.com', node))).reply?.code).to.equal(554);
    }
    await first.close();
    await cluster.attach('fred/a=3@example.com', b);
  });

  it('is that an account is disabled: its sessions end at all of them', async () => {
    const endpoints = [await cluster.attach(FRED, a), await cluster.attach(WILMA, b)];
    const gone = endpoints.map(
      (endpoint) => new Promise<void>((resolve) => endpoint.once('disconnect', () => resolve())),
    );
    // Each at the node at which it is not attached.
    await b.accounts.disable(FRED);
    await a.accounts.disable(WILMA);
    await within(EVENTUALLY_MS, Promise.all(gone), 'both sessions end');
    await a.accounts.enable(FRED);
    await a.accounts.enable(WILMA);
  });

  it('are failed logins: an address is banned for those at all of them', async () => {
    const codes: (string | undefined)[] = [];
    for (let tries = 0; tries < 6; tries += 1) {
      codes.push((await failureOf(cluster.attach(FRED, tries % 2 === 0 ? a : b, { password: 'wrong' }))).code);
      // The others have heard of it.
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(codes.slice(0, 4)).to.deep.equal(['SASL_REFUSED', 'SASL_REFUSED', 'SASL_REFUSED', 'SASL_REFUSED']);
    expect(codes.slice(4)).to.deep.equal(['BEEP_UNAVAILABLE', 'BEEP_UNAVAILABLE']);
  });
});
