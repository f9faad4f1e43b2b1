import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Feed } from '../../lib/endpoint/presence-feed.js';
import type { PresenceInfo } from '../../lib/endpoint/presence-info.js';
import { ImxpError } from '../../lib/errors.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const SUBJECTS = Array.from({ length: 8 }, (_, index) => `fred/${index}@example.com`);
/** Acknowledged publishes in all; `IMXP_KILLS` many kills spread over them at random. */
const PUBLISHES = 1000;
const KILLS = Number(process.env['IMXP_KILLS'] ?? 5);
const PASSWORD = 'yabba dabba';

describe('presence and SIGKILL', function () {
  this.timeout(240_000);
  this.slow(60_000);
  let workshop: Workshop;
  let node: NodeProcess;

  before(async () => {
    workshop = await Workshop.open();
    node = await workshop.relay([FRED, BARNEY], PASSWORD, {
      access: {
        initial: [
          { actor: 'owner', actions: ['all:all'] },
          { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
        ],
      },
    });
  });
  after(() => workshop.close());

  const attach = (address: string): Promise<Endpoint> =>
    Endpoint.connect({
      address,
      relay: `tcp://127.0.0.1:${node.port}`,
      password: PASSWORD,
      reconnect: { firstMs: 20, longestMs: 100 },
      limits: { answerTimeoutMs: 20_000 },
    });

  /** Runs something again until the relay is there for it. */
  async function persistently<T>(action: () => Promise<T>): Promise<T> {
    for (;;) {
      try {
        return await action();
      } catch (error) {
        const passing = error instanceof ImxpError && (error.code === 'CONNECTION_LOST' || error.code === 'TIMED_OUT');
        if (!passing) throw error;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    }
  }

  it('REQ-PRES-001 loses no acknowledged publish and no subscription when the relay is killed at any time', async () => {
    const [fred, barney] = [await attach(FRED), await attach(BARNEY)];
    /** What was acknowledged last, and the last that was tried, by subject. */
    const acknowledged = new Map<string, number>(SUBJECTS.map((subject) => [subject, 0]));
    const tried = new Map<string, number>(acknowledged);
    const seen = new Map<string, number[]>(SUBJECTS.map((subject) => [subject, []]));
    const feeds: Feed<PresenceInfo>[] = [];
    const following = SUBJECTS.map(async (subject) => {
      const feed = await barney.presence.subscribe(subject, { duration: 3600 });
      feeds.push(feed);
      for await (const { info } of feed) seen.get(subject)?.push(numberIn(info));
    });
    let total = 0;
    const killAt = Array.from({ length: KILLS }, () => 20 + Math.floor(Math.random() * (PUBLISHES - 40))).sort(
      (a, b) => a - b,
    );
    let killing: Promise<void> | undefined;
    const lost: string[] = [];

    /** One publish after the other; what is read before each must be what was acknowledged, or what was cut off. */
    async function publisher(subject: string): Promise<void> {
      while (total < PUBLISHES) {
        const number = (tried.get(subject) ?? 0) + 1;
        try {
          await fred.presence.publish(
            (present) => {
              const found = numberIn(present.info);
              const least = acknowledged.get(subject) ?? 0;
              if (found < least || found > (tried.get(subject) ?? 0))
                lost.push(`${subject}: ${found} instead of ${least}`);
              tried.set(subject, number);
              return {
                info: `urn:n:${number}`,
                tuples: [{ destination: 'im:fred@example.com', availableUntil: new Date(Date.now() + number * 1000) }],
              };
            },
            { publisher: subject },
          );
          acknowledged.set(subject, number);
          total += 1;
        } catch (error) {
          if (!(error instanceof ImxpError)) throw error;
          await killing;
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
        if (total >= (killAt[0] ?? Number.POSITIVE_INFINITY) && killing === undefined) {
          killAt.shift();
          killing = node.kill().then(() => node.start().then(() => undefined));
          await killing;
          killing = undefined;
        }
      }
    }
    await Promise.all(SUBJECTS.map(publisher));
    expect(lost).to.deep.equal([]);

    // Every subscription runs on: one more change of each arrives, and nothing was seen out of order.
    for (const subject of SUBJECTS) {
      const last = 1_000_000;
      await persistently(() =>
        fred.presence.publish((present) => ({ tuples: present.tuples, info: `urn:n:${last}` }), { publisher: subject }),
      );
      const arrived = async (): Promise<void> => {
        while (seen.get(subject)?.at(-1) !== last) await new Promise((resolve) => setTimeout(resolve, 10));
      };
      await within(20_000, arrived(), `the last change of ${subject} arrives`);
      const numbers = seen.get(subject) ?? [];
      expect(numbers, subject).to.deep.equal([...numbers].sort((a, b) => a - b));
    }
    expect(await persistently(() => fred.presence.poll(SUBJECTS[0] ?? ''))).to.include({ info: 'urn:n:1000000' });
    await Promise.all(feeds.map((feed) => feed.end()));
    await Promise.all(following);
    await Promise.all([fred.close(), barney.close()]);
  });

  it('continues a subscription whose subscriber only waits', async () => {
    const fred = await attach(FRED);
    const barney = await attach(BARNEY);
    const feed = await barney.presence.subscribe(FRED, { duration: 3600 });
    const iterator = feed[Symbol.asyncIterator]();
    await iterator.next();
    // barney goes away without ending it, and comes back under a relay that knows him only from the disk
    await barney.close();
    await node.kill();
    await node.start();
    const again = await attach(BARNEY);
    const arrived: string[] = [];
    const fresh = new Promise<void>((resolve) => {
      // This endpoint has not subscribed; the one before it has.
      again.receive(
        (delivery) => {
          arrived.push(delivery.text());
          resolve();
        },
        { notifications: true },
      );
    });
    await within(20_000, fresh, 'a fresh publish after the restart');
    expect(arrived[0]).to.include(`<publish publisher='${FRED}' transID='${feed.transID}'`);
    await Promise.all([fred.close(), again.close()]);
  });
});

function numberIn(info: string): number {
  return Number(/^urn:n:(\d+)$/.exec(info)?.[1] ?? 0);
}
