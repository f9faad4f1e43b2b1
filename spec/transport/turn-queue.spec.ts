import { expect } from 'chai';
import { TurnQueue } from '../../lib/transport/turn-queue.js';

const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('transport/turn-queue', () => {
  it('runs at once what a turn has room for', () => {
    const queue = new TurnQueue(2);
    const ran: number[] = [];
    for (const one of [1, 2, 3]) queue.run('a', () => ran.push(one));
    expect(ran).to.deep.equal([1, 2]);
  });

  it('runs so many in each turn, and all in the end', async () => {
    const queue = new TurnQueue(2);
    let ran = 0;
    for (let at = 0; at < 11; at += 1)
      queue.run('a', () => {
        ran += 1;
      });
    const counts = [ran];
    while (ran < 11) {
      await nextTurn();
      counts.push(ran);
    }
    expect(Math.max(...counts.map((count, at) => count - (counts[at - 1] ?? 0)))).to.equal(2);
  });

  it('serves a host that comes late after one task of each other host', async () => {
    const queue = new TurnQueue(1);
    const ran: string[] = [];
    for (let at = 0; at < 50; at += 1) queue.run('flood', () => ran.push('flood'));
    queue.run('other', () => ran.push('other'));
    while (!ran.includes('other')) await nextTurn();
    expect(ran.length).to.be.at.most(4);
  });

  it('runs at once after a turn without work', async () => {
    const queue = new TurnQueue(1);
    queue.run('a', () => {});
    await nextTurn();
    await nextTurn();
    let ran = false;
    queue.run('a', () => {
      ran = true;
    });
    expect(ran).to.equal(true);
  });

  it('keeps nothing of a task that left, and gives it no turn', async () => {
    const queue = new TurnQueue(1);
    const ran: string[] = [];
    queue.run('a', () => ran.push('first'));
    const leaves = Array.from({ length: 50 }, () => queue.run('a', () => ran.push('left')));
    queue.run('b', () => ran.push('last'));
    for (const leave of leaves) leave?.();
    expect(queue.size).to.equal(1);
    while (queue.size > 0) await nextTurn();
    expect(ran).to.deep.equal(['first', 'last']);
  });
});
