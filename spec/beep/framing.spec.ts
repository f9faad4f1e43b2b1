/**
 * Which frames are accepted, and every way one is poorly formed (RFC 3080 §2.2.1.1): the session ends in silence.
 */
import { expect } from 'chai';
import { faults, only, SessionHarness } from './session-harness.js';

const END = 'END\r\n';

describe('beep: frames', () => {
  describe('what is accepted', () => {
    it('REQ-BEEP-001 reads MSG, RPY, ERR, ANS, NUL and SEQ', () => {
      const harness = new SessionHarness().ready(1);
      only(harness.say('MSG', 1, 0, 'm'), 'message');
      for (const [keyword, type] of [
        ['RPY', 'reply'],
        ['ERR', 'reply'],
      ] as const) {
        only(harness.say(keyword, 1, harness.sent(1), 'r'), type);
      }
      const msgno = harness.sent(1);
      only(harness.say('ANS', 1, msgno, 'a', { ansno: 0 }), 'answer');
      only(harness.say('NUL', 1, msgno), 'nul');
      expect(harness.octets('SEQ 1 0 4096\r\n')).to.deep.equal([]);
    });

    it('D-BEEP-01 REQ-BEEP-002 accepts channel, msgno, seqno and ansno up to their largest values', () => {
      const harness = new SessionHarness({ origin: { seqno: 4294967295, msgno: 2147483647 } }).ready(2147483647);
      only(harness.octets(`MSG 2147483647 2147483647 . 4294967295 1\r\nx${END}`), 'message');
      expect(harness.sent(2147483647)).to.equal(2147483647);
      const answer = only(harness.octets(`ANS 2147483647 2147483647 . 0 1 4294967295\r\ny${END}`), 'answer');
      expect(answer.ansno).to.equal(4294967295);
    });

    it('REQ-BEEP-004 takes frames without payload, also as the last of a message', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0, 'all of it', { more: true });
      const { payload } = only(harness.say('MSG', 1, 0, ''), 'message');
      expect(payload.toString()).to.equal('all of it');
      expect(only(harness.say('MSG', 1, 1, ''), 'message').payload.length).to.equal(0);
    });

    it('REQ-BEEP-021 counts payload octets per channel and direction across 2^32', () => {
      const harness = new SessionHarness({ origin: { seqno: 4294967290, msgno: 0 } }).ready(1);
      only(harness.octets(`MSG 1 0 . 4294967290 10\r\n0123456789${END}`), 'message');
      only(harness.octets(`MSG 1 1 . 4 1\r\nx${END}`), 'message');
      harness.reply('RPY', 1, 0, '0123456789');
      harness.reply('RPY', 1, 1, 'x');
      expect(harness.messages().map(({ seqno }) => seqno)).to.deep.equal([4294967290, 4]);
    });

    it('REQ-BEEP-007 accepts the frames of different channels in any order', () => {
      const harness = new SessionHarness().ready(1).channel(3);
      harness.say('MSG', 1, 0, 'one ', { more: true });
      harness.say('MSG', 3, 0, 'two ', { more: true });
      expect(only(harness.say('MSG', 1, 0, 'ends'), 'message').payload.toString()).to.equal('one ends');
      expect(only(harness.say('MSG', 3, 0, 'ends'), 'message').payload.toString()).to.equal('two ends');
    });

    it('D-BEEP-02 REQ-BEEP-032 distinguishes the MSG of a number from the reply to its own MSG of that number', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.sent(1);
      only(harness.say('MSG', 1, msgno, 'theirs'), 'message');
      only(harness.say('RPY', 1, msgno, 'for ours'), 'reply');
    });

    it('D-BEEP-17 takes a NUL whose payload is CRLF, as LibVortex sends it', () => {
      const harness = new SessionHarness().ready(1);
      only(harness.say('NUL', 1, harness.sent(1), '\r\n'), 'nul');
      // it held nothing back: the octets are credited at once
      expect(harness.seqs()).to.deep.equal([{ keyword: 'SEQ', channel: 1, ackno: 2, window: 4096 }]);
    });

    it('delivers what came before the fault', () => {
      const harness = new SessionHarness().ready(1);
      harness.session.receive(Buffer.concat([harness.frame('MSG', 1, 0, 'fine'), Buffer.from('BAD')]));
      expect(harness.session.nextEvent()?.type).to.equal('message');
      faults(harness, 'BEEP_HEADER_INVALID', () => harness.session.nextEvent());
    });
  });

  describe('PF-1 to PF-12', () => {
    const headers: readonly [string, string, string][] = [
      ['REQ-BEEP-008', 'an unknown keyword (PF-1)', 'XYZ 1 0 . 0 0\r\n'],
      ['REQ-BEEP-008', 'a keyword in lower case (PF-1)', 'msg 1 0 . 0 0\r\n'],
      ['REQ-BEEP-008', 'a leading space (PF-1)', ' MSG 1 0 . 0 0\r\n'],
      ['REQ-BEEP-008', 'the first wrong octet of a keyword (PF-1)', 'MX'],
      ['REQ-BEEP-009', 'a missing parameter (PF-2)', 'MSG 1 0 . 0\r\n'],
      ['REQ-BEEP-009', 'a surplus parameter (PF-2)', 'MSG 1 0 . 0 0 0\r\n'],
      ['REQ-BEEP-009', 'an ANS without ansno (PF-2)', 'ANS 1 0 . 0 0\r\n'],
      ['REQ-BEEP-009', 'two spaces (PF-2)', 'MSG  1 0 . 0 0\r\n'],
      ['REQ-BEEP-009', 'a tab (PF-2)', 'MSG\t1 0 . 0 0\r\n'],
      ['REQ-BEEP-009', 'a trailing space (PF-2)', 'MSG 1 0 . 0 0 \r\n'],
      ['REQ-BEEP-009', 'a sign (PF-2)', 'MSG +1 0 . 0 0\r\n'],
      ['REQ-BEEP-009', 'a negative number (PF-2)', 'MSG 1 -1 . 0 0\r\n'],
      ['REQ-BEEP-009', 'an octet that is no digit (PF-2)', 'MSG 1 0x0 . 0 0\r\n'],
      ['REQ-BEEP-009', 'another continuation indicator (PF-2)', 'MSG 1 0 + 0 0\r\n'],
      ['REQ-BEEP-009', 'a bare line feed (PF-2)', 'MSG 1 0 . 0 0\n'],
      ['REQ-BEEP-009', 'a bare carriage return (PF-2)', 'MSG 1 0 . 0 0\rE'],
      ['REQ-BEEP-009', 'a SEQ with a payload size (PF-2)', 'SEQ 1 0 4096 0\r\n'],
      ['REQ-BEEP-002', 'a channel above 2147483647', 'MSG 2147483648 0 . 0 0\r\n'],
      ['REQ-BEEP-002', 'a msgno above 2147483647', 'MSG 1 2147483648 . 0 0\r\n'],
      ['REQ-BEEP-002', 'a seqno above 4294967295', 'MSG 1 0 . 4294967296 0\r\n'],
      ['REQ-BEEP-002', 'a size above 2147483647', 'MSG 1 0 . 0 2147483648\r\n'],
      ['REQ-BEEP-002', 'an ansno above 4294967295', 'ANS 1 0 . 0 0 4294967296\r\n'],
    ];
    for (const [id, what, octets] of headers) {
      it(`${id} ends the session on ${what}`, () => {
        const harness = new SessionHarness().ready(1);
        faults(harness, 'BEEP_HEADER_INVALID', () => harness.octets(octets));
      });
      it(`${id} ends the session on ${what}, octet by octet`, () => {
        const harness = new SessionHarness().ready(1);
        faults(harness, 'BEEP_HEADER_INVALID', () => [...octets].map((octet) => harness.octets(octet)));
      });
    }

    it('REQ-BEEP-009 ends the session on a number of more than ten digits before its end comes', () => {
      const harness = new SessionHarness().ready(1);
      faults(harness, 'BEEP_HEADER_TOO_LONG', () => harness.octets(`MSG ${'0'.repeat(11)}`));
    });

    it('D-BEEP-16 accepts leading zeros within ten digits', () => {
      const harness = new SessionHarness().ready(1);
      only(harness.octets(`MSG 0000000001 0000000007 . 0000000000 0000000001\r\nx${END}`), 'message');
    });

    it('REQ-BEEP-010 ends the session on a channel that does not exist (PF-3)', () => {
      const harness = new SessionHarness().ready(1);
      faults(harness, 'BEEP_CHANNEL_UNKNOWN', () => harness.say('MSG', 3, 0));
    });

    it('REQ-BEEP-010 ends the session on a frame for a channel whose start is not answered yet (PF-3)', () => {
      const harness = new SessionHarness().greet();
      const start = only(
        harness.ask("<start number='1'><profile uri='http://example.com/profiles/echo' /></start>"),
        'start',
      );
      harness.session.acceptStart(start, 'http://example.com/profiles/echo');
      faults(harness, 'BEEP_CHANNEL_UNKNOWN', () => harness.say('MSG', 1, 0));
    });

    it('REQ-BEEP-010 ends the session on a message for a channel that was closed (PF-3)', () => {
      const harness = new SessionHarness().ready(1);
      harness.ask("<close number='1' code='200' />");
      harness.session.acceptClose(1);
      harness.heard();
      faults(harness, 'BEEP_CHANNEL_UNKNOWN', () => harness.say('MSG', 1, 0));
    });

    it('REQ-BEEP-011 ends the session on a MSG whose number is not completely answered (PF-4)', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 5, 'one');
      harness.reply('RPY', 1, 5, 'queued, not sent');
      faults(harness, 'BEEP_MSGNO_IN_USE', () => harness.say('MSG', 1, 5, 'two'));
    });

    it('REQ-BEEP-003 takes a message number again once its reply has left', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 5, 'one');
      harness.reply('RPY', 1, 5);
      harness.heard();
      only(harness.say('MSG', 1, 5, 'two'), 'message');
    });

    it('REQ-BEEP-012 ends the session on a reply to a message already answered (PF-5)', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.sent(1);
      harness.say('RPY', 1, msgno, 'one');
      faults(harness, 'BEEP_REPLY_UNEXPECTED', () => harness.say('RPY', 1, msgno, 'two'));
    });

    it('REQ-BEEP-012 ends the session on a second greeting (PF-5)', () => {
      const harness = new SessionHarness().greet();
      faults(harness, 'BEEP_REPLY_UNEXPECTED', () => harness.say('RPY', 0, 0, '\r\n<greeting />'));
    });

    for (const keyword of ['RPY', 'ERR', 'ANS', 'NUL'] as const) {
      it(`REQ-BEEP-013 ends the session on ${keyword} to a message never sent (PF-6)`, () => {
        const harness = new SessionHarness().ready(1);
        const options = keyword === 'ANS' ? { ansno: 0 } : {};
        faults(harness, 'BEEP_REPLY_UNEXPECTED', () => harness.say(keyword, 1, 9, '', options));
      });
    }

    it('REQ-BEEP-013 ends the session on a reply to a message that is only queued (PF-6)', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.session.send(1, { kind: 'MSG', payload: Buffer.from('waits') });
      faults(harness, 'BEEP_REPLY_UNEXPECTED', () => harness.say('RPY', 1, msgno));
    });

    it('ends the session on a positive reply before the MSG was complete', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.session.send(1, { kind: 'MSG', payload: Buffer.alloc(8192) });
      harness.heard();
      faults(harness, 'BEEP_REPLY_UNEXPECTED', () => harness.say('RPY', 1, msgno));
    });

    const changes: readonly [string, string][] = [
      ['RPY', 'ERR'],
      ['ERR', 'RPY'],
      ['RPY', 'ANS'],
      ['RPY', 'MSG'],
      ['ANS', 'RPY'],
      ['ANS', 'MSG'],
    ];
    for (const [first, second] of changes) {
      it(`REQ-BEEP-014 ends the session when ${first} goes on as ${second} (PF-7)`, () => {
        const harness = new SessionHarness().ready(1);
        const msgno = harness.sent(1);
        harness.octets(`${first} 1 ${msgno} * 0 1${first === 'ANS' ? ' 0' : ''}\r\nx${END}`);
        faults(harness, 'BEEP_KEYWORD_CHANGED', () =>
          harness.octets(`${second} 1 ${msgno} . 1 0${second === 'ANS' ? ' 0' : ''}\r\n${END}`),
        );
      });
    }

    for (const second of ['RPY', 'ERR'] as const) {
      it(`REQ-BEEP-014 ends the session on ${second} after a complete ANS of the same reply (PF-7)`, () => {
        const harness = new SessionHarness().ready(1);
        const msgno = harness.sent(1);
        harness.say('ANS', 1, msgno, 'one', { ansno: 0 });
        faults(harness, 'BEEP_KEYWORD_CHANGED', () => harness.say(second, 1, msgno));
      });
    }

    for (const first of ['RPY', 'ERR', 'ANS'] as const) {
      it(`REQ-BEEP-015 ends the session on NUL while ${first} is not complete (PF-8)`, () => {
        const harness = new SessionHarness().ready(1);
        const msgno = harness.sent(1);
        harness.say(first, 1, msgno, 'x', first === 'ANS' ? { more: true, ansno: 3 } : { more: true });
        faults(harness, 'BEEP_NUL_INVALID', () => harness.say('NUL', 1, msgno));
      });
    }

    it('REQ-BEEP-016 ends the session when another message comes between (PF-9)', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('MSG', 1, 0, 'half', { more: true });
      faults(harness, 'BEEP_MESSAGE_INTERRUPTED', () => harness.say('MSG', 1, 1, 'whole'));
    });

    it('REQ-BEEP-016 ends the session when a MSG comes between the frames of an answer (PF-9)', () => {
      const harness = new SessionHarness().ready(1);
      harness.say('ANS', 1, harness.sent(1), 'half', { more: true, ansno: 0 });
      faults(harness, 'BEEP_MESSAGE_INTERRUPTED', () => harness.say('MSG', 1, 7, 'whole'));
    });

    for (const seqno of [0, 4, 6, 4294967295]) {
      it(`REQ-BEEP-017 ends the session on seqno ${seqno} where 5 is expected (PF-10)`, () => {
        const harness = new SessionHarness().ready(1);
        harness.say('MSG', 1, 0, 'hello');
        faults(harness, 'BEEP_SEQNO_UNEXPECTED', () => harness.say('MSG', 1, 1, '', { seqno }));
      });
    }

    it('REQ-BEEP-018 ends the session on NUL with an intermediate indicator (PF-11)', () => {
      const harness = new SessionHarness().ready(1);
      const msgno = harness.sent(1);
      faults(harness, 'BEEP_NUL_INVALID', () => harness.say('NUL', 1, msgno, '', { more: true }));
    });

    for (const payload of ['x', 'xy', '\n\r', '\r\n\r\n']) {
      it(`REQ-BEEP-018 ends the session on NUL with the payload ${JSON.stringify(payload)} (PF-11)`, () => {
        const harness = new SessionHarness().ready(1);
        const msgno = harness.sent(1);
        faults(harness, 'BEEP_NUL_INVALID', () => harness.say('NUL', 1, msgno, payload));
      });
    }

    for (const trailer of ['end\r\n', 'END\n', 'ENDX\r\n', 'xEND\r\n', 'END\r\r', '\r\nEND\r\n']) {
      it(`REQ-BEEP-019 ends the session on the trailer ${JSON.stringify(trailer)} (PF-12)`, () => {
        const harness = new SessionHarness().ready(1);
        faults(harness, 'BEEP_TRAILER_INVALID', () => harness.octets(`MSG 1 0 . 0 2\r\nhi${trailer}`));
        const dripped = new SessionHarness().ready(1);
        faults(dripped, 'BEEP_TRAILER_INVALID', () =>
          [...`MSG 1 0 . 0 2\r\nhi${trailer}`].map((octet) => dripped.octets(octet)),
        );
      });
    }

    it('REQ-BEEP-020 describes the fault for the log', () => {
      const harness = new SessionHarness().ready(1);
      try {
        harness.say('MSG', 1, 4, 'hi', { seqno: 77 });
        expect.fail('no fault');
      } catch (error) {
        expect(error)
          .to.have.property('fields')
          .that.includes({ channel: 1, keyword: 'MSG', msgno: 4, seqno: 77, size: 2 });
      }
    });
  });
});
