/**
 * Presence with many subscribers: one publish, half of the subscribers at the publisher's relay and half at another. Then as
 * many subscriptions as a large node has, for the memory and the restart.
 */
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { cpuSeconds, median, residentOctets } from './measure.js';
import { BARNEY, FRED, Mesh, PASSWORD, TCP, WILMA } from './mesh.js';
import { type Peer, subscribing } from './peer.js';

export interface PresenceResult {
  readonly subscribers: number;
  readonly subscriptions: number;
  readonly subscriptionsPerSecond: number;
  readonly acknowledgedMs: number;
  readonly firstMs: number;
  readonly lastMs: number;
  readonly notifiedPerSecond: number;
  readonly cpuSeconds: number;
  readonly kibPerSubscription: number;
  readonly restartMs: number;
}

/** Everybody may subscribe. */
export const ACCESS = {
  access: {
    initial: [
      { actor: 'owner', actions: ['all:all'] },
      { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
    ],
  },
};
/** Endpoints attached over one session. */
const TOGETHER = 1000;
/** Requests under way at a time. */
const OUTSTANDING = 512;

/** Subscribers, and how many messages they have had. */
class Subscribers {
  readonly members: { readonly peer: Peer; readonly address: string }[] = [];
  readonly #peers: Peer[] = [];
  #received = 0;
  #first = 0;
  #wanted = 0;
  #done: (() => void) | undefined;

  async gather(mesh: Mesh, count: number): Promise<void> {
    for (let at = 0; at < count; at += TOGETHER) {
      const [account, domain] = (at / TOGETHER) % 2 === 0 ? [FRED, 'example.com'] : [BARNEY, 'rubble.com'];
      const [local = ''] = account.split('@');
      const address = (index: number): string => `${local}/${index}@${domain}`;
      const peer = await mesh.attachAs(account, address(at));
      peer.heard = () => this.#heard();
      this.#peers.push(peer);
      const numbers = Array.from({ length: Math.min(TOGETHER, count - at) }, (_, index) => at + index);
      await Promise.all(numbers.slice(1).map((index) => peer.attachMore(address(index))));
      for (const index of numbers) this.members.push({ peer, address: address(index) });
    }
  }

  /** Everybody subscribes; resolves when everybody has the present state. */
  async subscribe(publisher: string, transID: number): Promise<void> {
    const arrived = this.expect(this.members.length);
    let next = 0;
    await new Promise<void>((resolve, reject) => {
      let answered = 0;
      const one = (): void => {
        const member = this.members[next];
        if (member === undefined) return;
        next += 1;
        member.peer.request(subscribing(member.address, publisher, transID), {
          replied: (kind, answer) => {
            if (kind === 'ERR') reject(new Error(String(answer)));
            answered += 1;
            if (answered === this.members.length) resolve();
            else one();
          },
          failed: (reason) => reject(new Error(reason)),
        });
      };
      for (let started = 0; started < OUTSTANDING; started += 1) one();
    });
    await arrived;
  }

  /** Resolves when so many more messages were received; with the time at which the first was. */
  expect(count: number): Promise<number> {
    this.#received = 0;
    this.#first = 0;
    this.#wanted = count;
    return new Promise((resolve) => {
      this.#done = () => resolve(this.#first);
    });
  }

  leave(): void {
    for (const peer of this.#peers) peer.drop();
  }

  #heard(): void {
    if (this.#received === 0) this.#first = performance.now();
    this.#received += 1;
    if (this.#received === this.#wanted) this.#done?.();
  }
}

export async function presence(count: number, subjects: number, say: (text: string) => void): Promise<PresenceResult> {
  say(`  presence: ${count} subscribers over two domains, ${count * subjects} subscriptions`);
  const mesh = await Mesh.start(TCP, ACCESS);
  try {
    const [pid] = mesh.pids;
    const wilma = await Endpoint.connect({
      address: WILMA,
      relay: `tcp://127.0.0.1:${mesh.first.port}`,
      password: PASSWORD,
      limits: { answerTimeoutMs: 120_000 },
    });
    const subscribers = new Subscribers();
    await subscribers.gather(mesh, count);
    let start = performance.now();
    await subscribers.subscribe(WILMA, 1);
    const subscribing = performance.now() - start;

    const rounds: { acknowledged: number; first: number; last: number; cpu: number }[] = [];
    const availableUntil = new Date('2030-01-01T00:00:00Z');
    for (let round = 0; round < 7; round += 1) {
      const arrived = subscribers.expect(count);
      const cpu = cpuSeconds(pid);
      start = performance.now();
      await wilma.presence.publish({ tuples: [{ destination: 'im:wilma@example.com', availableUntil }] });
      const acknowledged = performance.now() - start;
      const first = (await arrived) - start;
      rounds.push({ acknowledged, first, last: performance.now() - start, cpu: cpuSeconds(pid) - cpu });
    }
    rounds.splice(0, 2); // compilers need a warm-up

    const before = residentOctets(pid);
    for (let subject = 1; subject < subjects; subject += 1) {
      await subscribers.subscribe(`wilma/${subject}@example.com`, 1 + subject);
    }
    const grown = residentOctets(pid) - before;
    await wilma.close();
    subscribers.leave();
    await mesh.first.kill();
    start = performance.now();
    await mesh.first.start();
    const restartMs = performance.now() - start;
    const last = median(rounds.map((round) => round.last));
    return {
      subscribers: count,
      subscriptions: count * subjects,
      subscriptionsPerSecond: (count / subscribing) * 1000,
      acknowledgedMs: median(rounds.map((round) => round.acknowledged)),
      firstMs: median(rounds.map((round) => round.first)),
      lastMs: last,
      notifiedPerSecond: (count / last) * 1000,
      cpuSeconds: median(rounds.map((round) => round.cpu)),
      kibPerSubscription: grown / (count * (subjects - 1)) / 1024,
      restartMs,
    };
  } finally {
    await mesh.stop();
  }
}
