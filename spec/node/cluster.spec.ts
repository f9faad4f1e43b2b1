import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Node } from '../../lib/node/node.js';
import { ClusterFixture } from '../support/cluster.js';
import { failureOf } from '../support/failure.js';
import { postgresServer } from '../support/postgres.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BETTY = 'betty@example.com';

/** Texts as they arrive. */
function inbox(endpoint: Endpoint): string[] {
  const texts: string[] = [];
  endpoint.receive((delivery) => void texts.push(delivery.text()));
  return texts;
}

async function eventually(what: string, is: () => boolean, ms = 20_000): Promise<void> {
  const end = performance.now() + ms;
  while (!is()) {
    if (performance.now() > end) throw new Error(`not within ${ms} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

describe('node: a cluster', function () {
  this.timeout(240_000);
  this.slow(20_000);
  const server = postgresServer();
  describe('of two nodes', () => {
    let cluster: ClusterFixture;
    let a: Node;
    let b: Node;

    before(async () => {
      cluster = await ClusterFixture.open(server().url);
      a = await cluster.start('a');
      await cluster.accounts(a, [FRED, WILMA, BETTY]);
      b = await cluster.start('b');
    });
    afterEach(() => cluster.detachAll());
    after(() => cluster?.close());

    it('hands messages from one node to the other, in order', async () => {
      const [fred, wilma] = [await cluster.attach(FRED, a), await cluster.attach(WILMA, b)];
      const [freds, wilmas] = [inbox(fred), inbox(wilma)];
      const sent = Array.from({ length: 100 }, (_, index) => `${index}`);
      await Promise.all(sent.map((content) => fred.send({ to: WILMA, content })));
      await Promise.all(sent.map((content) => wilma.send({ to: FRED, content })));
      expect(wilmas).to.deep.equal(sent);
      expect(freds).to.deep.equal(sent);
    });

    it('attaches an endpoint once, at whichever node, and lets another take it over where it says so', async () => {
      const fred = await cluster.attach(FRED, a);
      const lost = new Promise<void>((resolve) => fred.once('terminate', () => resolve()));
      expect((await failureOf(cluster.attach(FRED, b))).reply?.code).to.equal(554);
      const wilma = await cluster.attach(WILMA, a);
      const other = await cluster.attach(FRED, b, { override: true });
      await within(5000, lost, 'fred learns that another took over');
      const freds = inbox(other);
      await wilma.send({ to: FRED, content: 'hello' });
      expect(freds).to.deep.equal(['hello']);
    });

    it('holds messages at one node and delivers them at another', async () => {
      const fred = await cluster.attach(FRED, a);
      for (const content of ['1', '2', '3']) await fred.send({ to: WILMA, content, hold: true });
      const wilmas = inbox(await cluster.attach(WILMA, b));
      await eventually('three messages arrive', () => wilmas.length === 3);
      expect(wilmas).to.deep.equal(['1', '2', '3']);
    });

    it('says that an endpoint is not attached at any node', async () => {
      const fred = await cluster.attach(FRED, b);
      const failure = await failureOf(fred.send({ to: BETTY, content: 'hello' }));
      expect(failure.reply).to.deep.include({ code: 450, text: 'not attached' });
    });
  });
});
