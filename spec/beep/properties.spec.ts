/**
 * What holds for any input: sessions under arbitrary octets, arbitrary cuts, and every call in every state.
 */

import { expect } from 'chai';
import fc from 'fast-check';
import type { SessionEvent } from '../../lib/beep/event.js';
import { Session } from '../../lib/beep/session.js';
import { LocalError, RemoteProtocolError } from '../../lib/errors.js';
import { payloadOctets } from '../../lib/mime/payload.js';
import { ECHO, Pair } from '../support/pair.js';
import { SessionHarness, XML } from './session-harness.js';

/** A conversation that touches most of the protocol, as the octets of the initiator. */
function transcript(): Buffer {
  const harness = new SessionHarness();
  return Buffer.concat([
    harness.frame('RPY', 0, 0, XML, { more: true }),
    harness.frame('RPY', 0, 0, "<greeting features='x-a' />"),
    harness.frame('MSG', 0, 1, `${XML}<start number='1'><profile uri='${ECHO}'>hello</profile></start>`),
    harness.frame('MSG', 1, 0, 'one', { more: true }),
    Buffer.from('SEQ 0 0 5000\r\n'),
    harness.frame('MSG', 1, 0, ' message'),
    harness.frame('MSG', 1, 1, 'another'),
    harness.frame('MSG', 0, 2, `${XML}<nothing />`),
    harness.frame('RPY', 1, 0, 'a reply'),
    harness.frame('ANS', 1, 1, 'slow', { more: true, ansno: 0 }),
    harness.frame('ANS', 1, 1, 'quick', { ansno: 1 }),
    harness.frame('ANS', 1, 1, 'er', { ansno: 0 }),
    harness.frame('NUL', 1, 1),
    harness.frame('MSG', 0, 3, `${XML}<close number='1' code='200' />`),
    harness.frame('MSG', 0, 4, `${XML}<close code='200' />`),
  ]);
}

/** A listener that answers everything, given octets in these cuts. */
function conversation(octets: Buffer, sizes: readonly number[]): { events: string[]; said: string } {
  const session = new Session({ role: 'listener', profiles: [ECHO] });
  const events: string[] = [];
  const said: Buffer[] = [];
  const react = (event: SessionEvent): void => {
    events.push(JSON.stringify(event));
    if (event.type === 'start') {
      session.acceptStart(event, ECHO, 'welcome');
      session.send(1, { kind: 'MSG', payload: Buffer.from('0') });
      session.send(1, { kind: 'MSG', payload: Buffer.from('1') });
      said.push(...session.transmit(65_536));
    } else if (event.type === 'message') {
      session.send(event.channel, { kind: 'RPY', msgno: event.msgno, payload: event.payload });
      session.consume(event.channel, payloadOctets(event.payload));
    } else if (event.type === 'close') {
      session.acceptClose(event.channel);
    }
  };
  for (let at = 0, index = 0; at < octets.length; index++) {
    const size = sizes[index % sizes.length] ?? octets.length;
    session.receive(Buffer.from(octets.subarray(at, at + size)));
    at += size;
    for (let event = session.nextEvent(); event !== undefined; event = session.nextEvent()) {
      react(event);
    }
  }
  for (let batch = session.transmit(65_536); batch.length > 0; batch = session.transmit(65_536)) {
    said.push(...batch);
  }
  for (let event = session.nextEvent(); event !== undefined; event = session.nextEvent()) {
    react(event);
  }
  return { events, said: Buffer.concat(said).toString() };
}

/** Feeds a session and uses it as it is until it ends. @returns the fault, if any */
function feed(session: Session, octets: Buffer, size: number): unknown {
  try {
    for (let at = 0; at < octets.length; at += size) {
      session.receive(Buffer.from(octets.subarray(at, at + size)));
      for (let event = session.nextEvent(); event !== undefined; event = session.nextEvent()) {
        if (event.type === 'start') {
          session.acceptStart(event, event.proposals[0]?.uri ?? '');
          session.send(event.channel, { kind: 'MSG', payload: Buffer.from('hello') });
        } else if (event.type === 'close') {
          session.acceptClose(event.channel);
        } else if (event.type === 'message' || event.type === 'too-large') {
          session.send(event.channel, { kind: 'ERR', msgno: event.msgno, payload: Buffer.from('no') });
        }
        session.transmit(65_536);
      }
      session.transmit(65_536);
    }
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('beep: properties', () => {
  it('fragmentation is invisible', () => {
    const octets = transcript();
    const whole = conversation(octets, [octets.length]);
    expect(whole.events.length).to.equal(12);
    fc.assert(
      fc.property(fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 20 }), (sizes) => {
        expect(conversation(octets, sizes)).to.deep.equal(whole);
      }),
      { numRuns: 60 },
    );
    expect(conversation(octets, [1])).to.deep.equal(whole);
  });

  it('mutated octets yield events or a RemoteProtocolError without reply, and then silence', () => {
    const octets = transcript();
    const mutation = fc.record({
      at: fc.nat(octets.length - 1),
      octets: fc.oneof(
        fc.uint8Array({ minLength: 1, maxLength: 4 }).map((bytes) => Buffer.from(bytes)),
        fc
          .constantFrom('0', '9', ' ', '*', '.', '\r\n', 'END\r\n', 'NUL', 'ANS', 'MSG', 'SEQ', '<', "'")
          .map((text) => Buffer.from(text)),
      ),
      remove: fc.nat(6),
    });
    fc.assert(
      fc.property(
        fc.array(mutation, { minLength: 1, maxLength: 3 }),
        fc.integer({ min: 1, max: 2000 }),
        (mutations, size) => {
          let mutated = octets;
          for (const { at, octets: insertion, remove } of mutations) {
            mutated = Buffer.concat([mutated.subarray(0, at), insertion, mutated.subarray(at + remove)]);
          }
          const session = new Session({ role: 'listener', profiles: [ECHO], limits: { messageOctets: 50 } });
          const fault = feed(session, mutated, size);
          if (fault !== undefined) {
            expect(fault).to.be.instanceOf(RemoteProtocolError);
            expect(fault).to.have.property('reply', undefined);
            expect(session.state).to.equal('closed');
            expect(session.transmit(65_536)).to.deep.equal([]);
            expect(session.nextEvent()).to.equal(undefined);
          }
        },
      ),
      { numRuns: 1000 },
    );
  });

  it('arbitrary frames in arbitrary order yield events or a RemoteProtocolError', () => {
    const frame = fc.record({
      keyword: fc.constantFrom('MSG', 'RPY', 'ERR', 'ANS', 'NUL'),
      channel: fc.constantFrom(0, 1, 1, 1, 3),
      msgno: fc.nat(2),
      more: fc.constantFrom('.', '.', '*'),
      ansno: fc.nat(1),
      payload: fc.constantFrom(
        '',
        'x',
        '\r\n',
        `${XML}<ok />`,
        `${XML}<start number='3'><profile uri='${ECHO}' /></start>`,
      ),
    });
    fc.assert(
      fc.property(fc.array(frame, { maxLength: 20 }), (list) => {
        const harness = new SessionHarness({ limits: { messageOctets: 60 } }).ready(1);
        for (const _ of [0, 1, 2]) {
          harness.sent(1);
        }
        const seqnos = new Map([
          [0, 154],
          [1, 0],
          [3, 0],
        ]);
        seqnos.set(0, harness.frame('MSG', 0, 9, '').toString().split(' ').map(Number)[4] ?? 0);
        const octets = list.map(({ keyword, channel, msgno, more, ansno, payload }) => {
          const seqno = seqnos.get(channel) ?? 0;
          seqnos.set(channel, seqno + payload.length);
          const tail = keyword === 'ANS' ? ` ${ansno}` : '';
          return `${keyword} ${channel} ${msgno} ${more} ${seqno} ${payload.length}${tail}\r\n${payload}END\r\n`;
        });
        const fault = feed(harness.session, Buffer.from(octets.join('')), 10_000);
        if (fault !== undefined) {
          expect(fault).to.be.instanceOf(RemoteProtocolError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('two sessions exchange whatever they are asked to, in order and complete', () => {
    const command = fc.record({
      side: fc.constantFrom('initiator' as const, 'listener' as const),
      channel: fc.nat(1),
      octets: fc.oneof(fc.nat(50), fc.nat(9000)),
    });
    fc.assert(
      fc.property(
        fc.array(command, { maxLength: 25 }),
        fc.integer({ min: 1, max: 2000 }),
        fc.integer({ min: 1, max: 3000 }),
        (list, frameOctets, chunk) => {
          const pair = new Pair({ initiator: { frameOctets }, listener: { frameOctets }, chunk });
          const channels = [pair.open(), pair.open()];
          for (const { side, channel, octets } of list) {
            pair[side].send(channels[channel] ?? 0, { kind: 'MSG', payload: Buffer.alloc(octets, octets % 251) });
          }
          for (const side of ['initiator', 'listener'] as const) {
            pair.events[side].length = 0;
          }
          settle(pair);
          for (const [from, to] of [
            ['initiator', 'listener'],
            ['listener', 'initiator'],
          ] as const) {
            for (const number of channels) {
              const got = pair.events[to].flatMap((event) =>
                event.type === 'message' && event.channel === number ? [payloadOctets(event.payload)] : [],
              );
              expect(got).to.deep.equal(
                list.flatMap(({ side, channel, octets }) =>
                  side === from && channels[channel] === number ? [octets] : [],
                ),
              );
              expect(pair[from].channelInfo(number)).to.deep.equal({
                unsentOctets: 0,
                incompleteOctets: 0,
                owed: 0,
                awaiting: 0,
              });
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });

  it('every call in every state is done, or is a LocalError and changes nothing', () => {
    const calls: Record<string, (session: Session) => unknown> = {
      greet: (session) => session.greet(),
      receive: (session) => session.receive(Buffer.from('SEQ 0 0 4096\r\n')),
      start: (session) => session.start({ profiles: [{ uri: ECHO }] }),
      send: (session) => session.send(1, { kind: 'MSG', payload: Buffer.from('x') }),
      reply: (session) => session.send(1, { kind: 'RPY', msgno: 0, payload: Buffer.from('x') }),
      consume: (session) => session.consume(1, 1),
      close: (session) => session.close(1, 200),
      release: (session) => session.close(0, 200),
      acceptClose: (session) => session.acceptClose(1),
      acceptRelease: (session) => session.acceptClose(0),
      refuseClose: (session) => session.refuseClose(1, { code: 550, text: '' }),
      window: (session) => session.window(1, 8192),
      quiesce: (session) => session.quiesce(),
      resume: (session) => session.resume(),
      transmit: (session) => session.transmit(65_536),
      nextEvent: (session) => session.nextEvent(),
    };
    const states: Record<string, () => Session> = {
      fresh: () => new SessionHarness().session,
      held: () => new SessionHarness({ greet: false }).session,
      refusing: () => new SessionHarness({ refuse: { code: 421, text: '' } }).session,
      ready: () => new SessionHarness().ready(1).session,
      owing: () => {
        const harness = new SessionHarness().ready(1);
        harness.say('MSG', 1, 0, 'x');
        return harness.session;
      },
      asked: () => {
        const harness = new SessionHarness().ready(1);
        harness.ask("<close number='1' code='200' />");
        return harness.session;
      },
      quiet: () => {
        const { session } = new SessionHarness().ready(1);
        session.quiesce();
        return session;
      },
      releasing: () => {
        const { session } = new SessionHarness().ready(1);
        session.close(0, 200);
        return session;
      },
      released: () => {
        const harness = new SessionHarness().ready(1);
        harness.ask("<close code='200' />");
        harness.session.acceptClose(0);
        harness.heard();
        return harness.session;
      },
      detached: () => {
        const { session } = new SessionHarness().ready(1);
        session.detach();
        return session;
      },
    };
    for (const [state, make] of Object.entries(states)) {
      for (const [call, run] of Object.entries(calls)) {
        const session = make();
        const before = session.state;
        try {
          run(session);
        } catch (error) {
          expect(error, `${call} when ${state}`).to.be.instanceOf(LocalError);
          expect(session.state, `${call} when ${state}`).to.equal(before);
        }
        if (before === 'closed') {
          expect([session.state, session.pending], `${call} when ${state}`).to.deep.equal(['closed', false]);
        }
      }
    }
  });
});

/** Answers every message and consumes everything until nothing moves. */
function settle(pair: Pair): void {
  const seen = { initiator: 0, listener: 0 };
  for (let moved = true; moved; ) {
    const events = pair.pump();
    moved = events.initiator.length + events.listener.length > 0;
    for (const side of ['initiator', 'listener'] as const) {
      for (const event of pair.events[side].slice(seen[side])) {
        seen[side] += 1;
        if (event.type === 'message') {
          pair[side].send(event.channel, { kind: 'RPY', msgno: event.msgno, payload: Buffer.from('ok') });
        }
        if (event.type === 'message' || event.type === 'reply') {
          pair[side].consume(event.channel, payloadOctets(event.payload));
        }
      }
    }
  }
}
