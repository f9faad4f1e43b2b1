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

describe('security: recipients that never answer', function () {
  this.timeout(120_000);
  const nodes = new Nodes();
  let endpoints: Endpoint[] = [];
  const stop = new AbortController();

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

  it('32 addresses that never answer, written to by two accounts: the p99 of honest messages stays within twice its quiet value', async () => {
    const limits = { data: { deliveryTimeoutMs: DELIVERY_MS } };
    const here = ['fred', 'barney', 'pebbles'].map((name) => [`${name}@example.com`, PASSWORD] as const);
    const there = ['wilma@rubble.com', 'dino@rubble.com', MESH].map((address) => [address, PASSWORD] as const);
    const rubble = await nodes.start({ domains: ['rubble.com'], limits }, Object.fromEntries(there));
    const credentials = { username: MESH, passwordFile: await temporaryFile(`${PASSWORD}\n`) };
    const relays = [`tcp://127.0.0.1:${portOf(rubble)}`];
    const routes = [{ domain: 'rubble.com', relays, tls: 'off' as const, credentials }];
    const example = await nodes.start({ domains: ['example.com'], limits, mesh: { routes } }, Object.fromEntries(here));
    const fred = await attach(example, 'fred@example.com');
    const honest = Array.from({ length: HONEST }, (_, at) => `wilma/${at}@rubble.com`);
    for (const address of honest) (await attach(rubble, address)).receive(() => {});
    const mute = Array.from({ length: ATTACKED }, (_, at) => `dino/${at}@rubble.com`);
    for (const address of mute) (await attach(rubble, address)).receive(() => new Promise<void>(() => {}));
    expect((await measured(fred, honest)).lost).to.equal(0);
    const quiet = await measured(fred, honest);
    for (const account of ['barney', 'pebbles']) {
      const attacker = await attach(example, `${account}@example.com`);
      for (const to of mute) void keepSending(attacker, to);
    }
    await new Promise((resolve) => setTimeout(resolve, 200));
    const attacked = await measured(fred, honest);
    console.log(
      `      honest p50/p99/max, quiet ${quiet}, attacked ${attacked}; ratio ${(attacked.p99 / quiet.p99).toFixed(2)}`,
    );
    expect(attacked.lost, 'honest messages that were not accepted').to.equal(0);
    expect(attacked.p99).to.be.at.most(Math.max(2 * quiet.p99, 10));
  });

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
async function measured(sender: Endpoint, recipients: readonly string[]): Promise<Measured> {
  const times: number[] = [];
  let sent = 0;
  let lost = 0;
  const work = async (): Promise<void> => {
    while (sent < MESSAGES) {
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
