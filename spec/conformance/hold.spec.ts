import { once } from 'node:events';
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { ImxpError } from '../../lib/errors.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@example.com';
const PASSWORD = 'yabba dabba';
/** Acknowledged messages in all. */
const MESSAGES = 10_000;
const UNDER_WAY = 512;

/** Sends numbered messages that may be held, until so many are acknowledged; what got no answer is not sent again. */
class Sender {
  readonly acknowledged: number[] = [];
  readonly tried = new Set<number>();
  readonly done: Promise<void>;
  readonly #endpoint: Endpoint;
  readonly #wanted: number;
  #number = 0;
  #underWay = 0;
  #finish = (): void => {};
  #fail: (reason: unknown) => void = () => {};

  /** @param step told of each acknowledgement */
  constructor(endpoint: Endpoint, wanted: number, step: () => void) {
    this.#endpoint = endpoint;
    this.#wanted = wanted;
    this.done = new Promise((resolve, reject) => {
      this.#finish = resolve;
      this.#fail = reject;
    });
    endpoint.on('connect', () => this.#go(step));
    this.#go(step);
  }

  #go(step: () => void): void {
    while (this.#endpoint.connected && this.#underWay < UNDER_WAY && this.#wants) {
      this.#number += 1;
      const number = this.#number;
      this.tried.add(number);
      this.#underWay += 1;
      this.#endpoint.submit(this.#endpoint.encode({ to: BARNEY, content: String(number), hold: true }), {
        accepted: () => {
          this.#underWay -= 1;
          this.acknowledged.push(number);
          step();
          if (this.acknowledged.length >= this.#wanted) this.#finish();
          else this.#go(step);
        },
        failed: (error) => {
          this.#underWay -= 1;
          if (error.code !== 'CONNECTION_LOST') this.#fail(error);
        },
      });
    }
  }

  get #wants(): boolean {
    return this.acknowledged.length + this.#underWay < this.#wanted;
  }
}

/** What arrived, by originator. */
class Arrivals {
  readonly #numbers = new Map<string, number[]>([
    [FRED, []],
    [WILMA, []],
  ]);
  count = 0;

  add(originator: string, text: string): void {
    this.count += 1;
    this.of(originator).push(Number(text));
  }

  of(originator: string): number[] {
    return this.#numbers.get(originator) ?? expect.fail(`nobody is ${originator}`);
  }

  /** Everything acknowledged once, nothing twice, all in order; what was not acknowledged may be there or not. */
  check(originator: string, { acknowledged, tried }: Sender): void {
    const arrived = this.of(originator);
    const unordered = arrived.find((number, at) => at > 0 && number <= (arrived[at - 1] ?? 0));
    expect(unordered, `${originator}: comes twice or too late`).to.equal(undefined);
    const there = new Set(arrived);
    expect(acknowledged.filter((number) => !there.has(number))).to.deep.equal([]);
    expect(arrived.filter((number) => !tried.has(number))).to.deep.equal([]);
  }
}

describe('held messages and SIGKILL', function () {
  this.timeout(300_000);
  this.slow(60_000);
  let workshop: Workshop;
  let node: NodeProcess;
  let endpoints: Endpoint[] = [];

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.relay([FRED, WILMA, BARNEY], PASSWORD, { admin: { port: 0 } });
  });
  after(() => workshop.close());
  afterEach(async () => {
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    endpoints = [];
  });

  async function attach(address: string): Promise<Endpoint> {
    const endpoint = await Endpoint.connect({
      address,
      relay: `tcp://127.0.0.1:${node.port}`,
      password: PASSWORD,
      reconnect: { firstMs: 20, longestMs: 100 },
      limits: { answerTimeoutMs: 120_000 },
    });
    endpoints.push(endpoint);
    return endpoint;
  }

  /** Two originators send `wanted` messages in all; `when` is told of each that is acknowledged. */
  async function filled(wanted: number, when: (count: number) => void): Promise<readonly [Sender, Sender]> {
    let count = 0;
    const step = (): void => when(++count);
    const [fred, wilma] = [await attach(FRED), await attach(WILMA)];
    const senders = [new Sender(fred, wanted / 2, step), new Sender(wilma, wanted / 2, step)] as const;
    await within(200_000, Promise.all(senders.map(({ done }) => done)), `${wanted} messages are acknowledged`);
    return senders;
  }

  /** Collects until a message that is not held has come: it does not overtake what is held. */
  async function collected(each: (count: number) => void = () => {}): Promise<Arrivals> {
    const arrivals = new Arrivals();
    const [fred = expect.fail('nobody sends')] = endpoints;
    const barney = await attach(BARNEY);
    const over = new Promise<void>((resolve) => {
      barney.receive((delivery) => {
        const text = delivery.text();
        if (text === 'the last') return resolve();
        arrivals.add(delivery.originator, text);
        each(arrivals.count);
      });
    });
    const last = async (): Promise<void> => {
      for (;;) {
        try {
          await fred.send({ to: BARNEY, content: 'the last' });
          return;
        } catch (error) {
          // The relay is being started again, or Barney is not back yet.
          if (!fred.connected) await once(fred, 'connect');
          else if (!barney.connected) await once(barney, 'connect');
          else if (!(error instanceof ImxpError) || error.reply?.code === 550) throw error;
        }
      }
    };
    await within(200_000, Promise.all([last(), over]), 'everything arrives');
    return arrivals;
  }

  const heldNow = async (): Promise<unknown> => {
    const ready = await node.log(({ msg }) => msg === 'ready', 'ready');
    const response = await fetch(`${ready['admin']}/status`);
    const status = (await response.json()) as { held: unknown };
    return status.held;
  };

  it(`REQ-IMXP-060 loses none of ${MESSAGES} and delivers each once and in order, with two kills in between`, async () => {
    const killAt = [MESSAGES * 0.3, MESSAGES * 0.7];
    const killings: Promise<unknown>[] = [];
    const [fred, wilma] = await filled(MESSAGES, (count) => {
      if (count < (killAt[0] ?? Number.POSITIVE_INFINITY)) return;
      killAt.shift();
      killings.push(node.kill().then(() => node.start()));
    });
    await Promise.all(killings);
    expect(killings).to.have.length(2);
    expect(await heldNow())
      .to.have.property('data')
      .that.is.at.least(MESSAGES);
    const arrivals = await collected();
    arrivals.check(FRED, fred);
    arrivals.check(WILMA, wilma);
    expect(arrivals.count).to.be.at.least(MESSAGES);
    expect(await heldNow()).to.include({ data: 0, octets: 0, endpoints: 0 });
  });

  it('delivers each once when the relay is killed during delivery, to an endpoint that reconnects', async () => {
    const [fred, wilma] = await filled(2000, () => {});
    let killing: Promise<unknown> | undefined;
    const arrivals = await collected((count) => {
      if (count === 700) killing = node.kill().then(() => node.start());
    });
    await killing;
    arrivals.check(FRED, fred);
    arrivals.check(WILMA, wilma);
    expect(arrivals.count).to.equal(2000);
  });
});
