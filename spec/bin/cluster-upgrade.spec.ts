import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { certainlyNotDelivered } from '../../lib/endpoint/outcome.js';
import { ImxpError } from '../../lib/errors.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { Accounts } from '../../lib/store/accounts.js';
import { openStore } from '../../lib/store/open.js';
import { ClusterFixture, PASSWORD } from '../support/cluster.js';
import { NodeProcess } from '../support/node-process.js';
import { postgresServer } from '../support/postgres.js';

const NODES = ['a', 'b', 'c'] as const;
const SENDERS = ['fred@example.com', 'barney@example.com', 'dino@example.com'] as const;
const RECEIVERS = ['wilma@example.com', 'betty@example.com', 'pebbles@example.com'] as const;
const ABSENT = 'bambam@example.com';
const HELD_EACH = 10;
const PAUSE_MS = 20;
/** Of an idle machine one second is enough: the node says goodbye, and the endpoint logs in elsewhere. */
const RECONNECT_MS = 20_000;

type Outcome = 'ok' | 'not delivered' | 'unknown';

interface Sent {
  readonly text: string;
  readonly at: number;
  readonly answeredAt: number;
  readonly outcome: Outcome;
  readonly why: string;
}

describe('imxp relay: a cluster of which one node after the other is stopped and started again', function () {
  this.timeout(400_000);
  this.slow(120_000);
  const server = postgresServer();
  let cluster: ClusterFixture;
  const nodes: NodeProcess[] = [];
  const endpoints: Endpoint[] = [];

  before(async () => {
    cluster = await ClusterFixture.open(server().url);
    const { store } = parseConfig(await cluster.config('setup'), cluster.directory);
    const opened = await openStore(store);
    for (const account of [...SENDERS, ...RECEIVERS, ABSENT]) {
      await new Accounts(opened).add(await makeVerifier(account, PASSWORD, { realms: ['example.com'] }));
    }
    await opened.close();
    for (const name of NODES) {
      const config = await cluster.config(name);
      const path = join(cluster.directory, `${name}.json`);
      await writeFile(path, JSON.stringify(config));
      const port = parseConfig(config, cluster.directory).listen[0]?.port ?? 0;
      nodes.push(await new NodeProcess(cluster.directory, path, port).start());
    }
  });
  after(async () => {
    await Promise.all(endpoints.splice(0).map((endpoint) => endpoint.close()));
    for (const node of nodes) await node.stop();
    await cluster?.close();
  });

  /** Attaches at a node, and at the others when that is away. */
  async function attach(address: string, first: number): Promise<Endpoint> {
    const relay = nodes.map((_, at) => `tcp://127.0.0.1:${nodes[(first + at) % nodes.length]?.port}`);
    const endpoint = await Endpoint.connect({
      address,
      relay,
      password: PASSWORD,
      reconnect: { firstMs: 20, longestMs: 200 },
    });
    endpoints.push(endpoint);
    return endpoint;
  }

  /** Sends one message after the other until it is told to end. */
  async function traffic(from: Endpoint, to: string, ended: () => boolean): Promise<readonly Sent[]> {
    const sent: Sent[] = [];
    for (let number = 0; !ended(); number += 1) {
      const text = `${from.address} to ${to} #${number}`;
      const at = performance.now();
      let [outcome, why]: [Outcome, string] = ['ok', ''];
      try {
        await from.send({ to, content: text });
      } catch (error) {
        if (!(error instanceof ImxpError)) throw error;
        [outcome, why] = [certainlyNotDelivered(error) ? 'not delivered' : 'unknown', error.message];
      }
      sent.push({ text, at, answeredAt: performance.now(), outcome, why });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
    return sent;
  }

  it('loses no message that was answered ok, held ones included, and refuses none for longer than a reconnect', async () => {
    const arrived = new Map<string, number>();
    const receive = (endpoint: Endpoint): void =>
      endpoint.receive((delivery) => {
        arrived.set(delivery.text(), (arrived.get(delivery.text()) ?? 0) + 1);
      });
    const senders = await Promise.all(SENDERS.map((address, at) => attach(address, at)));
    for (const [at, address] of RECEIVERS.entries()) receive(await attach(address, at + 1));
    const held: string[] = [];
    for (const sender of senders) {
      for (let number = 0; number < HELD_EACH; number += 1) {
        const text = `${sender.address} held #${number}`;
        await sender.send({ to: ABSENT, content: text, hold: true });
        held.push(text);
      }
    }
    let over = false;
    const pairs = senders.flatMap((from) => RECEIVERS.map((to) => traffic(from, to, () => over)));
    for (const node of nodes) {
      const { code } = await node.stop();
      expect(code, node.output.slice(-2000)).to.equal(0);
      await node.start();
    }
    await new Promise((resolve) => setTimeout(resolve, 1000));
    over = true;
    const all = await Promise.all(pairs);
    receive(await attach(ABSENT, 0));
    const end = performance.now() + 60_000;
    while (!held.every((text) => arrived.has(text)) && performance.now() < end) {
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
    for (const { text, outcome, why } of all.flat()) {
      const times = arrived.get(text) ?? 0;
      if (outcome === 'ok') expect(times, `${text}: answered ok`).to.equal(1);
      else if (outcome === 'not delivered') expect(times, `${text}: ${why}`).to.equal(0);
      else expect(times, `${text}: ${why}`).to.be.at.most(1);
    }
    for (const text of held) expect(arrived.get(text), text).to.equal(1);
    for (const sent of all) {
      expect(sent.at(-1)?.outcome, 'the last one').to.equal('ok');
      let since = sent[0]?.at ?? 0;
      for (const { text, answeredAt, outcome, why } of sent) {
        if (outcome === 'ok') since = answeredAt;
        expect(answeredAt - since, `${text}: ${why}`).to.be.below(RECONNECT_MS);
      }
    }
  });
});
