import { expect } from 'chai';
import { LiveDeliveries } from '../../../lib/relay/offline/live-deliveries.js';
import type { DeliveryTarget, OutboundDelivery } from '../../../lib/relay/target.js';
import { FakeTime } from '../../support/fake-time.js';
import { BARNEY, data, FRED, WILMA } from '../../support/option-stage.js';

const TIMEOUT_MS = 1000;

/** What became of each delivery, in the order in which it became of it. */
class Attempt {
  readonly time = new FakeTime();
  readonly said: string[] = [];
  readonly counts = new Map<string, number>();
  readonly #names = new Map<OutboundDelivery, string>();
  readonly target: DeliveryTarget = { deliver: (delivery) => this.said.push(`${this.#names.get(delivery)} sent`) };
  readonly live = new LiveDeliveries({
    time: this.time,
    outstanding: 3,
    deliveryTimeoutMs: TIMEOUT_MS,
    count: (sender, more) => this.counts.set(sender, (this.counts.get(sender) ?? 0) + more),
    refused: () => this.said.push('looked again'),
  });

  add(name: string, sender: string, after: number): void {
    const delivery: OutboundDelivery = { data: data(sender, [BARNEY]), payload: () => Buffer.alloc(0) };
    this.#names.set(delivery, name);
    const failed = ({ code }: { code: number }): void => void this.said.push(`${name} ${code}`);
    this.live.add({ delivery, sink: { delivered: () => {}, failed }, sender, after });
  }

  send(held?: number): boolean {
    return this.live.sendNext(held, this.target);
  }
}

describe('relay/offline/live-deliveries', () => {
  it('sends each behind the held messages that were there before it, in order', () => {
    const attempt = new Attempt();
    attempt.add('first', FRED, 3);
    attempt.add('second', WILMA, 5);
    expect([attempt.send(3), attempt.send(4), attempt.send(5), attempt.send(undefined)]).to.deep.equal([
      false,
      true,
      false,
      true,
    ]);
    expect(attempt.said).to.deep.equal(['first sent', 'second sent']);
    expect([...attempt.counts.values(), attempt.live.length]).to.deep.equal([0, 0, 0]);
    expect(attempt.send(), 'none is left').to.equal(false);
  });

  it('refuses what is too many, and keeps what waits', () => {
    const attempt = new Attempt();
    for (const name of ['a', 'b', 'c', 'd']) attempt.add(name, FRED, 1);
    expect(attempt.said).to.deep.equal(['d 450']);
    expect([attempt.counts.get(FRED), attempt.live.length]).to.deep.equal([3, 3]);
  });

  it('refuses each when it has waited for its time, and no other', () => {
    const attempt = new Attempt();
    attempt.add('early', FRED, 1);
    attempt.time.pass(TIMEOUT_MS / 2);
    attempt.add('late', WILMA, 1);
    attempt.time.pass(TIMEOUT_MS / 2);
    expect(attempt.said).to.deep.equal(['early 450', 'looked again']);
    attempt.time.pass(TIMEOUT_MS / 2);
    expect(attempt.said.slice(2)).to.deep.equal(['late 450', 'looked again']);
    expect([...attempt.counts.values()]).to.deep.equal([0, 0]);
  });

  it('refuses all when the recipient detaches, and nothing later', () => {
    const attempt = new Attempt();
    attempt.add('a', FRED, 1);
    attempt.add('b', WILMA, 1);
    attempt.live.refuseAll();
    attempt.time.pass(2 * TIMEOUT_MS);
    expect(attempt.said).to.deep.equal(['a 450', 'b 450']);
    expect([...attempt.counts.values(), attempt.live.length]).to.deep.equal([0, 0, 0]);
  });
});
