/**
 * Users of the other system who are slow to answer, behind a real relay and a gateway: whoever writes to them waits, and nobody
 * else. The other system answers at once for most, and for users whose name begins with `slow` only when its patience ends.
 */
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { CpimResponse, CpimService, MessageOperation } from '../../lib/gateway/cpim-service.js';
import { responseTo } from '../../lib/gateway/cpim-service.js';
import { openGateway } from '../../lib/gateway/open.js';
import { Nodes, portOf } from '../support/nodes.js';

const PASSWORD = 'quarry';
const GATEWAY = 'imxp=gateway@slate.example';
const SLOW_MS = 3000;
/** What waits for a slow user takes seconds; this is for a busy machine. */
const PROMPT_MS = 1500;
const USERS = 12;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The other system. */
class SlowSystem implements CpimService {
  readonly security = { authenticated: true, confidential: true };
  /** Texts in the order of their arrival, by recipient. */
  readonly arrived = new Map<string, string[]>();

  async message(operation: MessageOperation): Promise<CpimResponse> {
    const { destination, content } = operation;
    const texts = this.arrived.get(destination) ?? [];
    this.arrived.set(destination, [...texts, content.body.toString()]);
    if (!destination.startsWith('im:slow')) return responseTo(operation, 'success');
    await pause(SLOW_MS);
    return { ...responseTo(operation, 'indeterminant', 'nobody acknowledged it'), code: 451 };
  }

  subscribe(operation: Parameters<CpimService['subscribe']>[0]): Promise<CpimResponse> {
    return Promise.resolve(responseTo(operation, 'failure'));
  }

  notify(): void {
    throw new Error('there is no presence here');
  }
}

describe('gateway: users who are slow to answer', function () {
  this.timeout(60_000);
  const nodes = new Nodes();
  let endpoints: Endpoint[] = [];
  let system: SlowSystem;
  let url: string;

  const connect = async (address: string, limits = {}): Promise<Endpoint> => {
    const endpoint = await Endpoint.connect({ address, relay: url, password: PASSWORD, limits });
    endpoints.push(endpoint);
    return endpoint;
  };

  async function start(limits: { readonly receivingLanes?: number } = {}): Promise<Endpoint> {
    const node = await nodes.start(
      { domains: ['example.com', 'slate.example'], policy: { gateways: { 'slate.example': GATEWAY } } },
      {
        [GATEWAY]: PASSWORD,
        'fred@example.com': PASSWORD,
        'wilma@example.com': PASSWORD,
        'barney@example.com': PASSWORD,
      },
    );
    url = `tcp://127.0.0.1:${portOf(node)}`;
    const endpoint = await connect(GATEWAY, limits);
    system = new SlowSystem();
    openGateway(endpoint, system, { security: system.security });
    await endpoint.attach('*@slate.example');
    return endpoint;
  }

  /** Milliseconds until each was answered, and the code. */
  async function sent(
    from: Endpoint,
    to: string,
    content = 'x',
  ): Promise<{ readonly ms: number; readonly code: number }> {
    const begun = performance.now();
    const [outcome] = await from.sendEach({ to, content });
    return { ms: performance.now() - begun, code: outcome?.code ?? 0 };
  }

  afterEach(async () => {
    await Promise.all(endpoints.map((endpoint) => endpoint.close()));
    endpoints = [];
    await nodes.stop();
  });

  it('answers for others at once while several users let their senders wait, and keeps the order for each', async () => {
    await start();
    const [fred, wilma] = [await connect('fred@example.com'), await connect('wilma@example.com')];
    const slow = ['slow1', 'slow2', 'slow3'].flatMap((name) =>
      [1, 2].map((number) => sent(fred, `${name}@slate.example`, `${name} ${number}`)),
    );
    await pause(300);
    const answers = [];
    for (let at = 0; at < USERS; at += 1) answers.push(await sent(wilma, `joe${at % 4}@slate.example`, `wilma ${at}`));
    const slowest = Math.max(...answers.map(({ ms }) => ms));
    console.log(
      `      ${USERS} messages to others took at most ${slowest.toFixed(0)} ms while users took ${SLOW_MS} ms`,
    );
    expect(answers.map(({ code }) => code)).to.deep.equal(answers.map(() => 250));
    expect(slowest).to.be.lessThan(PROMPT_MS);
    expect((await Promise.all(slow)).map(({ code }) => code)).to.deep.equal(slow.map(() => 451));
    for (const name of ['slow1', 'slow2', 'slow3'])
      expect(system.arrived.get(`im:${name}@slate.example`)).to.deep.equal([`${name} 1`, `${name} 2`]);
    expect(system.arrived.get('im:joe1@slate.example')).to.deep.equal(['wilma 1', 'wilma 5', 'wilma 9']);
  });

  it('opens further channels while half of them wait for slow users of several senders', async () => {
    await start();
    const [fred, wilma] = [await connect('fred@example.com'), await connect('wilma@example.com')];
    const slow = Array.from({ length: 8 }, (_, at) => sent(at % 2 === 0 ? fred : wilma, `slow${at}@slate.example`));
    await pause(1000);
    const barney = await connect('barney@example.com');
    const answers = await Promise.all([1, 2, 3, 4].map((at) => sent(barney, `joe${at}@slate.example`)));
    expect(answers.map(({ code, ms }) => [code, ms < PROMPT_MS])).to.deep.equal(answers.map(() => [250, true]));
    await Promise.all(slow);
  });

  it('ends on all channels together when the program goes, and works with one channel', async () => {
    const gateway = await start({ receivingLanes: 1 });
    const fred = await connect('fred@example.com');
    expect((await sent(fred, 'joe@slate.example')).code).to.equal(250);
    await gateway.terminate('*@slate.example');
    expect((await sent(fred, 'joe@slate.example')).code).to.equal(450);
    const other = await connect('imxp=gateway/2@slate.example');
    other.receive(() => {});
    await other.attach('*@slate.example');
    expect((await sent(fred, 'joe@slate.example')).code).to.equal(250);
    await other.terminate('*@slate.example');
    expect((await sent(fred, 'joe@slate.example')).code).to.equal(450);
    await gateway.attach('*@slate.example');
    expect((await sent(fred, 'joe@slate.example')).code).to.equal(250);
  });
});
