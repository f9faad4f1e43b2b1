/**
 * Falling silent and giving the transport away, for tuning resets (RFC 3080 §3, §3.1.3).
 */
import { expect } from 'chai';
import { Pair } from '../support/pair.js';
import { only, SessionHarness, TUNING } from './session-harness.js';

describe('beep: quiet', () => {
  it('REQ-TLS-002 sends what was queued and then nothing, not even SEQ, until resumed', () => {
    const harness = new SessionHarness({ role: 'initiator' }).ready(1);
    harness.session.start({ profiles: [{ uri: TUNING, content: '<ready />' }] });
    harness.session.quiesce();
    expect(harness.session.state).to.equal('quiet');
    expect(harness.heard().at(-1)).to.include({ keyword: 'MSG', channel: 0 });
    only(harness.say('MSG', 1, 0, 'late'), 'message');
    harness.session.consume(1, 4);
    harness.reply('RPY', 1, 0, 'held');
    harness.session.send(1, { kind: 'MSG', payload: Buffer.from('held too') });
    expect(harness.session.pending).to.equal(false);
    expect(harness.heard()).to.deep.equal([]);
    harness.session.resume();
    expect(harness.session.state).to.equal('ready');
    expect(harness.session.pending).to.equal(true);
    expect(harness.heard().map(({ keyword, channel }) => `${keyword} ${channel}`)).to.deep.equal([
      'SEQ 1',
      'RPY 1',
      'MSG 1',
    ]);
  });

  it('REQ-TLS-003 sends replies that were given before, though they had to wait for their turn or for a window', () => {
    const harness = new SessionHarness().ready(1);
    harness.say('MSG', 1, 0);
    harness.say('MSG', 1, 1);
    harness.reply('RPY', 1, 1, 'second');
    harness.reply('RPY', 1, 0, 'x'.repeat(5000));
    harness.session.quiesce();
    harness.heard();
    harness.octets('SEQ 1 4096 4096\r\n');
    expect(harness.messages().map(({ msgno, more }) => `${msgno}${more}`)).to.deep.equal(['0.', '1.']);
  });

  it('REQ-TLS-004 REQ-TLS-003 ends after the last octet of the answer, and gives what came behind the request', () => {
    const harness = new SessionHarness().greet();
    const request = harness.frame(
      'MSG',
      0,
      1,
      `\r\n<start number='1'><profile uri='${TUNING}'>&lt;ready /></profile></start>`,
    );
    harness.session.receive(Buffer.concat([request, Buffer.from('\u0016\u0003\u0001')]));
    const event = harness.session.nextEvent();
    expect(event?.type).to.equal('start');
    if (event?.type === 'start') {
      harness.session.acceptStart(event, TUNING, '<proceed />');
    }
    harness.session.quiesce();
    expect(harness.text().endsWith('</profile>\r\nEND\r\n')).to.equal(true);
    expect(harness.session.pending).to.equal(false);
    expect(harness.session.detach()).to.deep.equal(Buffer.from('\u0016\u0003\u0001'));
    expect(harness.session.state).to.equal('closed');
    expect(harness.session.transmit(65_536)).to.deep.equal([]);
    expect(harness.session.nextEvent()).to.equal(undefined);
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

  it('returns a header that had only begun', () => {
    const harness = new SessionHarness().greet();
    harness.octets('MSG 0 1 .');
    harness.session.receive(Buffer.from(' 0 5'));
    expect(harness.session.detach().toString()).to.equal('MSG 0 1 . 0 5');
  });
});
