/**
 * Recipients that never answer, behind a link between two relays: whoever writes to them waits, and nobody else. Honest senders
 * are measured before and during the attack, in the same run.
 */
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Node } from '../../lib/node/node.js';
import { Nodes, portOf } from '../support/nodes.js';
import { temporaryFile } from '../support/temporary-file.js';

const PASSWORD = 'quarry';
const MESH = 'imxp=mesh@example.com';
/** Answers are awaited so long: what is held up by the attack takes this long, not a little longer. */
const DELIVERY_MS = 6000;
const ATTACKED = 32;
const HONEST = 8;
const MESSAGES = 600;
/** How late a process may be by itself where others work on the machine. */
const NOISE_MS = 25;
/** How often it is measured at most during the attack. */
const ROUNDS = 4;

describe('security: recipients that never answer', function () {
  this.timeout(120_000);
  const nodes = new Nodes();
  let endpoints: Endpoint[] = [];
  let stop = new AbortController();

  beforeEach(() => {
    stop = new AbortController();
  });

  afterEach(async () => {
    stop.abort();
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    endpoints = [];
    await nodes.stop();
  });

  async function attach(node: Node, address: string): Promise<Endpoint> {
    const endpoint = await Endpoint.connect({ address, relay: `tcp://127.0.0.1:${portOf(node)}`, password: PASSWORD });
    endpoints.push(endpoint);
    return endpoint;
  }

  /** Relay A of example.com, which opens the link, and relay B of rubble.com, with accounts that are called alike at both. */
  async function twoNodes(): Promise<readonly [Node, Node]> {
    const limits = { data: { deliveryTimeoutMs: DELIVERY_MS } };
    const people = ['fred', 'barney', 'pebbles', 'wilma', 'dino'];
    const accounts = (domain: string, ...more: string[]): Readonly<Record<string, string>> =>
      Object.fromEntries([...people.map((name) => `${name}@${domain}`), ...more].map((address) => [address, PASSWORD]));
    const rubble = await nodes.start({ domains: ['rubble.com'], limits }, accounts('rubble.com', MESH));
    const credentials = { username: MESH, passwordFile: await temporaryFile(`${PASSWORD}\n`) };
    const relays = [`tcp://127.0.0.1:${portOf(rubble)}`];
    const routes = [{ domain: 'rubble.com', relays, tls: 'off' as const, credentials }];
    const example = await nodes.start({ domains: ['example.com'], limits, mesh: { routes } }, accounts('example.com'));
    return [example, rubble];
  }

  for (const direction of [
    'by the relay that opened the link',
    'back over the link that the other relay opened',
  ] as const) {
    it(`keeps the p99 of honest messages within twice its quiet value while two accounts write to 32 addresses that never answer, ${direction}`, async () => {
      const [example, rubble] = await twoNodes();
      const forward = direction === 'by the relay that opened the link';
      const [from, to] = forward ? [example, rubble] : [rubble, example];
      const [here, there] = forward ? ['example.com', 'rubble.com'] : ['rubble.com', 'example.com'];
      // The link is opened by example.com, whoever uses it then.
      await (await attach(example, 'wilma@example.com')).send({ to: 'fred@rubble.com', content: 'x' }).catch(() => {});
      const fred = await attach(from, `fred@${here}`);
      const recipients = async (name: string, count: number, first = 0): Promise<string[]> => {
        const addresses = Array.from({ length: count }, (_, at) => `${name}/${at + first}@${there}`);
        for (const address of addresses) (await attach(to, address)).receive(() => {});
        return addresses;
      };
      const honest = await recipients('wilma', HONEST);
      const strangers = await recipients('wilma', HONEST, 100);
      const mute = Array.from({ length: ATTACKED }, (_, at) => `dino/${at}@${there}`);
      for (const address of mute) (await attach(to, address)).receive(() => new Promise<void>(() => {}));
      expect((await measured(fred, honest)).lost).to.equal(0);
      const quiet = await measured(fred, honest);
      for (const account of ['barney', 'pebbles']) {
        const attacker = await attach(from, `${account}@${here}`);
        for (const address of mute) void keepSending(attacker, address);
      }
      await new Promise((resolve) => setTimeout(resolve, 1500));
      // A busy machine makes single rounds slow; what waits for the attacked addresses would be slow in each.
      let attacked = await measured(fred, honest);
      for (let round = 1; round < ROUNDS && attacked.p99 > 2 * quiet.p99; round += 1) {
        expect([attacked.lost, attacked.max < DELIVERY_MS / 2], 'nobody waited for the attacked').to.deep.equal([
          0,
          true,
        ]);
        attacked = await measured(fred, honest);
      }
      // Somebody who writes for the first time, to people nobody has written to yet.
      const newcomer = await attach(from, `wilma/new@${here}`);
      const first = await measured(newcomer, strangers, strangers.length);
      console.log(
        `      honest p50/p99/max, quiet ${quiet}, attacked ${attacked}; ratio ${(attacked.p99 / quiet.p99).toFixed(2)}; first messages ${first}`,
      );
      expect(attacked.lost, 'honest messages that were not accepted').to.equal(0);
      // What waits for the attacked addresses takes seconds; some ms are the noise of the machine.
      expect(attacked.p99).to.be.at.most(2 * quiet.p99 + NOISE_MS);
      expect([first.lost, first.max < 1500], 'first messages').to.deep.equal([0, true]);
    });
  }

  /** The attacker sends as soon as it has an answer, for as long as the spec lasts. */
  async function keepSending(attacker: Endpoint, to: string): Promise<void> {
    while (!stop.signal.aborted) {
      await attacker.send({ to, content: 'x' }).catch(() => new Promise((resolve) => setTimeout(resolve, 50)));
    }
  }
});

interface Measured {
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
  readonly lost: number;
}

/** Sends to one recipient after the other, four at a time. */
async function measured(sender: Endpoint, recipients: readonly string[], messages = MESSAGES): Promise<Measured> {
  const times: number[] = [];
  let sent = 0;
  let lost = 0;
  const work = async (): Promise<void> => {
    while (sent < messages) {
      const to = recipients[sent % recipients.length] ?? '';
      sent += 1;
      const begun = performance.now();
      await sender.send({ to, content: 'honest' }).catch(() => {
        lost += 1;
      });
      times.push(performance.now() - begun);
    }
  };
  await Promise.all([work(), work(), work(), work()]);
  times.sort((a, b) => a - b);
  const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
  const [p50, p99, max] = [at(0.5), at(0.99), at(1)];
  return {
    p50,
    p99,
    max,
    lost,
    toString: () => `${[p50, p99, max].map((ms) => ms.toFixed(1)).join('/')} ms`,
  } as Measured;
}
