/**
 * One message from fred at relay A over relay B to barney, with a connection on the way cut after each possible number of octets:
 * delivered at most once, exactly once when it was accepted, and never when the sender is told that it certainly was not
 * (docs/internals/delivery.md). `IMXP_TORTURE=all` cuts at every octet; otherwise at some of them, others in each run.
 */
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { certainlyNotDelivered } from '../../lib/endpoint/outcome.js';
import { ImxpError } from '../../lib/errors.js';
import type { Node } from '../../lib/node/node.js';
import { Cutter, type Direction } from '../support/cutter.js';
import { Nodes, portOf } from '../support/nodes.js';
import { temporaryFile } from '../support/temporary-file.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';
const MESH = 'imxp=mesh@example.com';
const PASSWORD = 'quarry';
const RECONNECT = { firstMs: 5, longestMs: 20 };
const STEP = process.env['IMXP_TORTURE'] === 'all' ? 1 : 13;

type Verdict = 'accepted' | 'certainly not' | 'unknown';
type Hop = 'sender' | 'link' | 'recipient';

const PLACES: Readonly<Record<Hop, Readonly<Record<Direction, string>>>> = {
  sender: { up: 'the sender and its relay', down: 'the relay and the sender it answers' },
  link: { up: 'the two relays', down: 'the relay and the relay it answers' },
  recipient: { up: 'the recipient that answers and its relay', down: 'the last relay and the recipient' },
};

describe('security: connections cut at every octet', function () {
  this.timeout(STEP === 1 ? 1_200_000 : 240_000);
  const nodes = new Nodes();
  /** How often each message arrived. */
  const arrived = new Map<string, number>();
  const verdicts = new Map<string, Verdict>();
  let rubble: Node;
  let barney: Endpoint;
  let toBarney: Cutter;
  let passwordFile: string;
  let serial = 0;

  before(async () => {
    passwordFile = await temporaryFile(`${PASSWORD}\n`);
    const limits = { data: { deliveryTimeoutMs: 1500 } };
    rubble = await nodes.start({ domains: ['rubble.com'], limits }, { [BARNEY]: PASSWORD, [MESH]: PASSWORD });
    toBarney = await Cutter.before(portOf(rubble));
    barney = await Endpoint.connect({ address: BARNEY, relay: toBarney.url, password: PASSWORD, reconnect: RECONNECT });
    barney.receive((delivery) => {
      const text = delivery.text();
      arrived.set(text, (arrived.get(text) ?? 0) + 1);
    });
  });

  after(async () => {
    await barney.close();
    toBarney.close();
    await nodes.stop();
  });

  /** Relay A, its link to B and fred, each behind a cutter of its own. */
  async function sender() {
    const toRubble = await Cutter.before(portOf(rubble));
    const credentials = { username: MESH, passwordFile };
    const routes = [{ domain: 'rubble.com', relays: [toRubble.url], tls: 'off' as const, lanes: 1, credentials }];
    const limits = { data: { deliveryTimeoutMs: 2000 }, link: { maximumLanes: 1 } };
    const example = await nodes.start({ domains: ['example.com'], limits, mesh: { routes } }, { [FRED]: PASSWORD });
    const toExample = await Cutter.before(portOf(example));
    const fred = await Endpoint.connect({
      address: FRED,
      relay: toExample.url,
      password: PASSWORD,
      reconnect: RECONNECT,
      limits: { answerTimeoutMs: 3000 },
    });
    const cutters: Readonly<Record<Hop, Cutter>> = { sender: toExample, link: toRubble, recipient: toBarney };
    const end = async (): Promise<void> => {
      await fred.close();
      toRubble.close();
      toExample.close();
      await example.stop();
    };
    return { fred, cutters, end };
  }

  async function send(fred: Endpoint, content: string): Promise<Verdict> {
    try {
      await fred.send({ to: BARNEY, content });
      return 'accepted';
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
      return certainlyNotDelivered(error) ? 'certainly not' : 'unknown';
    }
  }

  /** Sends until one is accepted: everything is connected. */
  async function connected(fred: Endpoint): Promise<void> {
    for (let tries = 0; tries < 200; tries += 1) {
      if ((await send(fred, 'is everybody there?')) === 'accepted') return;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    throw new Error('they do not come together again');
  }

  /** How many octets pass a hop for one message. */
  async function lengthOf(hop: Hop, direction: Direction): Promise<number> {
    const { fred, cutters, end } = await sender();
    await connected(fred);
    const before = cutters[hop].passed[direction];
    await send(fred, 'as long as those');
    // SEQ frames may come behind the answer.
    await new Promise((resolve) => setTimeout(resolve, 20));
    const length = cutters[hop].passed[direction] - before;
    await end();
    return length;
  }

  for (const hop of ['sender', 'link', 'recipient'] as const) {
    for (const direction of ['up', 'down'] as const) {
      it(`delivers at most once between ${PLACES[hop][direction]}: once when accepted, never when refused`, async () => {
        const length = await lengthOf(hop, direction);
        expect(length).to.be.greaterThan(20);
        const points: number[] = [];
        for (let at = Math.floor(Math.random() * STEP); at < length; at += STEP) points.push(at);
        const counts: Record<Verdict, number> = { accepted: 0, 'certainly not': 0, unknown: 0 };
        let current: Awaited<ReturnType<typeof sender>> | undefined;
        for (const at of new Set([0, 1, ...points, length - 1, length])) {
          current ??= await sender();
          await connected(current.fred);
          serial += 1;
          const content = `message ${String(serial).padStart(8, '0')}`;
          void current.cutters[hop].arm(direction, at);
          const verdict = await send(current.fred, content);
          current.cutters[hop].disarm();
          verdicts.set(content, verdict);
          counts[verdict] += 1;
          // A link that is cut again and again is dialled less and less often: it gets a new one.
          if (hop !== 'link') continue;
          await current.end();
          current = undefined;
        }
        await current?.end();
        judge();
        console.log(`        ${length} octets, cut ${points.length + 4} times: ${JSON.stringify(counts)}`);
      });
    }
  }

  /** All so far, once more: one that arrives late counts as well. */
  function judge(): void {
    for (const [content, verdict] of verdicts) {
      const times = arrived.get(content) ?? 0;
      if (verdict === 'accepted') expect(times, `${content} was accepted`).to.equal(1);
      else if (verdict === 'certainly not') expect(times, `${content} certainly was not delivered`).to.equal(0);
      else expect(times, content).to.be.at.most(1);
    }
  }
});
