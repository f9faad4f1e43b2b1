/**
 * Falling silent and giving the transport away, for tuning resets (RFC 3080 §3, §3.1.3).
 */
import { expect } from 'chai';
import { Pair } from '../support/pair.js';
import { Hand, only, TUNING } from './hand.js';

describe('beep: quiet', () => {
  it('REQ-TLS-002 sends what was queued and then nothing, no SEQ either, until it may again', () => {
    const hand = new Hand({ role: 'initiator' }).ready(1);
    hand.session.start({ profiles: [{ uri: TUNING, content: '<ready />' }] });
    hand.session.quiesce();
    expect(hand.session.state).to.equal('quiet');
    expect(hand.heard().at(-1)).to.include({ keyword: 'MSG', channel: 0 });
    only(hand.say('MSG', 1, 0, 'late'), 'message');
    hand.session.consume(1, 4);
    hand.reply('RPY', 1, 0, 'held');
    hand.session.send(1, { kind: 'MSG', payload: Buffer.from('held too') });
    expect(hand.session.pending).to.equal(false);
    expect(hand.heard()).to.deep.equal([]);
    hand.session.resume();
    expect(hand.session.state).to.equal('ready');
    expect(hand.session.pending).to.equal(true);
    expect(hand.heard().map(({ keyword, channel }) => `${keyword} ${channel}`)).to.deep.equal([
      'SEQ 1',
      'RPY 1',
      'MSG 1',
    ]);
  });

  it('REQ-TLS-003 sends replies that were given before, though they had to wait for their turn or for a window', () => {
    const hand = new Hand().ready(1);
    hand.say('MSG', 1, 0);
    hand.say('MSG', 1, 1);
    hand.reply('RPY', 1, 1, 'second');
    hand.reply('RPY', 1, 0, 'x'.repeat(5000));
    hand.session.quiesce();
    hand.heard();
    hand.octets('SEQ 1 4096 4096\r\n');
    expect(hand.messages().map(({ msgno, more }) => `${msgno}${more}`)).to.deep.equal(['0.', '1.']);
  });

  it('REQ-TLS-004 REQ-TLS-003 ends after the last octet of the answer, and gives what came behind the request', () => {
    const hand = new Hand().greet();
    const request = hand.frame(
      'MSG',
      0,
      1,
      `\r\n<start number='1'><profile uri='${TUNING}'>&lt;ready /></profile></start>`,
    );
    hand.session.receive(Buffer.concat([request, Buffer.from('\u0016\u0003\u0001')]));
    const event = hand.session.nextEvent();
    expect(event?.type).to.equal('start');
    if (event?.type === 'start') {
      hand.session.acceptStart(event, TUNING, '<proceed />');
    }
    hand.session.quiesce();
    expect(hand.text().endsWith('</profile>\r\nEND\r\n')).to.equal(true);
    expect(hand.session.pending).to.equal(false);
    expect(hand.session.detach()).to.deep.equal(Buffer.from('\u0016\u0003\u0001'));
    expect(hand.session.state).to.equal('closed');
    expect(hand.session.transmit(65_536)).to.deep.equal([]);
    expect(hand.session.nextEvent()).to.equal(undefined);
  });

  it('stops between two frames: what follows the answer is not parsed before it is asked for', () => {
    const pair = new Pair();
    pair.pump();
    pair.initiator.start({ profiles: [{ uri: TUNING, content: '<ready />' }] });
    pair.initiator.quiesce();
    pair.carry('initiator');
    const start = pair.events.listener.at(-1);
    if (start?.type !== 'start') {
      throw new Error('no start');
    }
    pair.listener.acceptStart(start, TUNING, '<proceed />');
    const answer = Buffer.concat(pair.listener.transmit(65_536));
    pair.initiator.receive(Buffer.concat([answer, Buffer.from('these octets belong to TLS')]));
    expect(pair.initiator.nextEvent()).to.deep.include({ type: 'started', uri: TUNING });
    expect(pair.initiator.detach().toString()).to.equal('these octets belong to TLS');
  });

  it('gives back a header that had only begun', () => {
    const hand = new Hand().greet();
    hand.octets('MSG 0 1 .');
    hand.session.receive(Buffer.from(' 0 5'));
    expect(hand.session.detach().toString()).to.equal('MSG 0 1 . 0 5');
  });
});
