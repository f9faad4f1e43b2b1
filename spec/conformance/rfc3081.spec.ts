/**
 * RFC 3081 between two sessions: what holds on the wire at every moment, whatever the sessions do.
 */
import { expect } from 'chai';
import type { SessionEvent } from '../../lib/beep/event.js';
import { payloadOctets } from '../../lib/mime/payload.js';
import { Pair, type Side } from '../support/pair.js';
import { FrameReader } from '../support/raw-frame.js';

interface Direction {
  sent: number;
  acknowledged: number;
  edge: number;
}

/** An observer in the middle that knows the rules of RFC 3081 §3.1 and nothing of the sessions. */
class Observer {
  readonly largest: Record<Side, number> = { initiator: 0, listener: 0 };
  frames = 0;
  seqs = 0;
  readonly #readers = { initiator: new FrameReader(), listener: new FrameReader() };
  readonly #directions = new Map<string, Direction>();

  watch(from: Side, octets: Buffer): void {
    const to = from === 'initiator' ? 'listener' : 'initiator';
    this.#readers[from].push(octets);
    for (let next = this.#readers[from].next(); next !== undefined; next = this.#readers[from].next()) {
      if (next.keyword === 'SEQ') {
        this.seqs += 1;
        const state = this.#direction(to, next.channel);
        // RFC 3081 §3.1.3: ackno is what is expected next, so it cannot be more than was sent
        expect(next.ackno, 'ackno').to.be.within(state.acknowledged, state.sent);
        // RFC 3081 §3.1.4, RFC 1122: the right edge moves to the right, or there is nothing to say
        expect(next.ackno + next.window, 'right edge').to.be.greaterThan(state.edge);
        state.acknowledged = next.ackno;
        state.edge = next.ackno + next.window;
      } else {
        this.frames += 1;
        const state = this.#direction(from, next.channel);
        expect(next.seqno, 'seqno').to.equal(state.sent);
        state.sent += next.payload.length;
        // RFC 3081 §3.1.2: no payload beyond the advertised window
        expect(state.sent, 'window').to.be.at.most(state.edge);
        this.largest[from] = Math.max(this.largest[from], next.payload.length);
      }
    }
  }

  #direction(from: Side, channel: number): Direction {
    const key = `${from} ${channel}`;
    let direction = this.#directions.get(key);
    if (direction === undefined) {
      // RFC 3081 §3.1.1: every channel begins with seqno 0 and a window of 4,096
      direction = { sent: 0, acknowledged: 0, edge: 4096 };
      this.#directions.set(key, direction);
    }
    return direction;
  }
}

/** Answers every MSG and consumes everything, in steps chosen by `portion`, until nothing moves. */
function converse(pair: Pair, portion: number): void {
  const done = { initiator: 0, listener: 0 };
  for (let moved = true; moved; ) {
    moved = false;
    pair.pump();
    for (const side of ['initiator', 'listener'] as const) {
      for (const event of pair.events[side].slice(done[side])) {
        done[side] += 1;
        moved = true;
        answer(pair, side, event, portion);
      }
    }
  }
}

function answer(pair: Pair, side: Side, event: SessionEvent, portion: number): void {
  if (event.type !== 'message' && event.type !== 'reply') {
    return;
  }
  for (let left = payloadOctets(event.payload); left > 0; left -= portion) {
    pair[side].consume(event.channel, Math.min(left, portion));
    pair.pump();
  }
  if (event.type === 'message') {
    pair[side].send(event.channel, { kind: 'RPY', msgno: event.msgno, payload: event.payload });
  }
}

describe('RFC 3081 on the wire', () => {
  for (const { title, space, portion, octets } of [
    { title: 'with the first window', space: 4096, portion: 10_000_000, octets: [1, 4096, 4097, 50_000] },
    { title: 'with a wide window', space: 1_048_576, portion: 10_000_000, octets: [200, 50_000, 2_000_000] },
    {
      title: 'with an application that takes a little at a time',
      space: 8192,
      portion: 700,
      octets: [10_000, 3000, 0],
    },
  ]) {
    it(`REQ-BEEP-060 REQ-BEEP-062 REQ-BEEP-065 REQ-BEEP-074 RFC 3081 §3.1: windows are kept, ${title}`, () => {
      const observer = new Observer();
      const pair = new Pair({ tap: (from, sent) => observer.watch(from, sent) });
      const channels = [pair.open(), pair.open()];
      for (const side of ['initiator', 'listener'] as const) {
        for (const channel of channels) {
          pair[side].window(channel, space);
          for (const size of octets) {
            pair[side].send(channel, { kind: 'MSG', payload: Buffer.alloc(size, 'x') });
          }
        }
      }
      converse(pair, portion);
      for (const side of ['initiator', 'listener'] as const) {
        const replies = pair.events[side].flatMap((event) =>
          event.type === 'reply' ? [payloadOctets(event.payload)] : [],
        );
        expect(replies.length).to.equal(octets.length * channels.length);
        expect(replies.reduce((sum, size) => sum + size, 0)).to.equal(
          octets.reduce((sum, size) => sum + size, 0) * channels.length,
        );
      }
      expect(observer.seqs).to.be.greaterThan(0);
      // REQ-BEEP-066 RFC 3081 §3.1.4
      expect(observer.largest).to.deep.equal({ initiator: 973, listener: 973 });
    });
  }

  it('REQ-BEEP-072 RFC 3081 §3.1.4: a slow reader occupies at most its window, and others continue', () => {
    const pair = new Pair();
    const [slow, fast] = [pair.open(), pair.open()];
    for (let count = 0; count < 100; count++) {
      pair.initiator.send(slow, { kind: 'MSG', payload: Buffer.alloc(1000) });
      pair.initiator.send(fast, { kind: 'MSG', payload: Buffer.alloc(1000) });
    }
    let taken = 0;
    for (let events = pair.pump().listener; events.length > 0; events = pair.pump().listener) {
      for (const event of events) {
        if (event.type === 'message' && event.channel === fast) {
          taken += 1;
          pair.listener.consume(fast, payloadOctets(event.payload));
        }
      }
    }
    const held = pair.events.listener.filter((event) => event.type === 'message' && event.channel === slow);
    expect(taken).to.equal(100);
    expect(held.length).to.equal(4);
    expect(pair.initiator.channelInfo(slow)?.unsentOctets).to.equal(100_000 - 4096);
  });

  it('REQ-BEEP-061 RFC 3081 §3.1.1: a channel that cannot have 4,096 octets is declined', () => {
    const pair = new Pair({ listener: { limits: { channels: 1 } } });
    pair.open();
    pair.initiator.start({ profiles: [{ uri: 'http://example.com/profiles/echo' }] });
    const [event] = pair.pump().initiator;
    expect(event).to.deep.include({ type: 'start-refused', channel: 3 });
  });

  it('REQ-BEEP-058 REQ-BEEP-059 RFC 3081 §2: roles are fixed, and the end of a session says which side closes first', () => {
    const pair = new Pair();
    pair.pump();
    expect([pair.initiator.role, pair.listener.role]).to.deep.equal(['initiator', 'listener']);
    pair.initiator.close(0, 200);
    pair.pump();
    pair.listener.acceptClose(0);
    pair.carry('listener');
    // the sender of ok is done as soon as it has left
    expect(pair.listener.state).to.equal('closed');
    expect(pair.events.listener.at(-1)?.type).to.equal('released');
    expect(pair.events.initiator.at(-1)?.type).to.equal('released');
  });
});
