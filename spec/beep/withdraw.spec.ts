import { expect } from 'chai';
import fc from 'fast-check';
import { Session } from '../../lib/beep/session.js';
import { payloadOctets } from '../../lib/mime/payload.js';

const PROFILE = 'urn:test';

/** Two sessions with a channel between them; what leaves is moved by hand. */
function pair(): {
  readonly initiator: Session;
  readonly listener: Session;
  readonly channel: number;
  move(): string[];
} {
  const initiator = new Session({ role: 'initiator', profiles: [], frameOctets: 100 });
  const listener = new Session({ role: 'listener', profiles: [PROFILE] });
  const answered: string[] = [];
  const move = (): string[] => {
    const seen: string[] = [];
    while (initiator.pending || listener.pending) {
      for (const octets of initiator.transmit(1_000_000)) listener.receive(Buffer.from(octets));
      for (let event = listener.nextEvent(); event !== undefined; event = listener.nextEvent()) {
        if (event.type === 'start') listener.acceptStart(event, PROFILE);
        if (event.type !== 'message') continue;
        seen.push(event.payload.toString());
        listener.consume(event.channel, payloadOctets(event.payload));
        listener.send(event.channel, { kind: 'RPY', msgno: event.msgno, payload: event.payload });
      }
      for (const octets of listener.transmit(1_000_000)) initiator.receive(Buffer.from(octets));
      for (let event = initiator.nextEvent(); event !== undefined; event = initiator.nextEvent()) {
        if (event.type !== 'reply') continue;
        answered.push(event.payload.toString());
        initiator.consume(event.channel, payloadOctets(event.payload));
      }
    }
    return seen;
  };
  move();
  const channel = initiator.start({ profiles: [{ uri: PROFILE }] });
  move();
  return { initiator, listener, channel, move };
}

describe('beep: taking back what has not left', () => {
  it('sends all but what was taken back, in order, and closes in order afterwards', () => {
    fc.assert(
      fc.property(
        fc.array(fc.boolean(), { minLength: 1, maxLength: 30 }),
        fc.integer({ min: 0, max: 600 }),
        (taken, before) => {
          const { initiator, channel, listener, move } = pair();
          const sent = taken.map((take, at) => {
            const payload = Buffer.from(`${at} `.padEnd(50, '.'));
            return { at, take, msgno: initiator.send(channel, { kind: 'MSG', payload }) };
          });
          // Some of it leaves before.
          const left = Buffer.concat(initiator.transmit(before));
          listener.receive(left);
          const wanted = new Set(sent.filter(({ take }) => take).map(({ msgno }) => msgno));
          const withdrawn = new Set(initiator.withdraw(channel, wanted));
          for (const msgno of withdrawn) expect(wanted.has(msgno)).to.equal(true);
          const others = sent.filter(({ msgno }) => !withdrawn.has(msgno)).map(({ at }) => at);
          const seen: string[] = [];
          for (let event = listener.nextEvent(); event !== undefined; event = listener.nextEvent()) {
            if (event.type !== 'message') continue;
            seen.push(event.payload.toString());
            listener.consume(event.channel, payloadOctets(event.payload));
            listener.send(event.channel, { kind: 'RPY', msgno: event.msgno, payload: event.payload });
          }
          seen.push(...move());
          expect(seen.map((text) => Number.parseInt(text, 10))).to.deep.equal(others);
          const info = initiator.channelInfo(channel);
          expect(info).to.deep.equal({ unsentOctets: 0, incompleteOctets: 0, owed: 0, awaiting: 0 });
          // RFC 3080 §2.3.1.3: close waits for acknowledgements, and none is missing
          initiator.close(channel, 200);
          expect(initiator.pending).to.equal(true);
        },
      ),
      { numRuns: 100 },
    );
  });

  it('takes nothing back of a channel that is being closed, or is gone', () => {
    const { initiator, channel } = pair();
    const msgno = initiator.send(channel, { kind: 'MSG', payload: Buffer.from('x') });
    initiator.close(channel, 200);
    expect(initiator.withdraw(channel, new Set([msgno]))).to.deep.equal([]);
    expect(initiator.withdraw(99, new Set([msgno]))).to.deep.equal([]);
  });
});
