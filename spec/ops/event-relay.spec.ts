import { expect } from 'chai';
import { type CarriedEvent, hearEvents, publishCarried } from '../../lib/ops/event-relay.js';
import { events } from '../../lib/ops/events.js';
import { systemClock } from '../../lib/transport/clock.js';

const lost = (worker: string) => ({ state: 'worker lost', worker, how: 'SIGKILL' }) as const;

describe('ops/event-relay', () => {
  it('carries what happens within some milliseconds in one message', async () => {
    const carried: (readonly CarriedEvent[])[] = [];
    const came = new Promise<void>((resolve) => {
      const end = hearEvents(
        { perData: false, clock: { after: (_ms, action) => systemClock.after(500, action) } },
        (heard) => {
          carried.push(heard);
          end();
          resolve();
        },
      );
    });
    events.node.publish(lost('w1'));
    await new Promise((resolve) => setImmediate(resolve));
    events.node.publish(lost('w2'));
    await came;
    expect(carried.map((heard) => heard.map(({ message }) => 'worker' in message && message.worker))).to.deep.equal([
      ['w1', 'w2'],
    ]);
  });

  it('carries at its end what it has heard, and nothing after that', async () => {
    const carried: CarriedEvent[] = [];
    const end = hearEvents({ perData: false, clock: systemClock }, (heard) => carried.push(...heard));
    events.node.publish(lost('w1'));
    end();
    expect(carried).to.have.length(1);
    events.node.publish(lost('w2'));
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(carried).to.have.length(1);
  });

  it('does not wait when there is much', () => {
    const carried: number[] = [];
    const end = hearEvents({ perData: false, clock: systemClock }, (heard) => carried.push(heard.length));
    for (let count = 0; count < 600; count += 1) events.node.publish(lost('w1'));
    end();
    expect(carried).to.deep.equal([256, 256, 88]);
  });

  it('keeps the text, the place and the code of an error, and says whose event it is', () => {
    const carried: CarriedEvent[] = [];
    const end = hearEvents({ perData: false, clock: systemClock }, (heard) => carried.push(...heard));
    const error = Object.assign(new Error('broken'), { code: 'STORE_FAILED' });
    events.fault.publish({ session: 's', error });
    end();
    const told: unknown[] = [];
    const stop = hearEvents({ perData: false, clock: systemClock }, (heard) => told.push(...heard));
    publishCarried(structuredClone(carried), 'w1');
    stop();
    expect(told).to.have.length(1);
    const [{ message }] = told as [CarriedEvent];
    expect(message).to.deep.include({ worker: 'w1', session: 's' });
    expect('error' in message && message.error).to.deep.include({ message: 'broken', code: 'STORE_FAILED' });
  });
});
