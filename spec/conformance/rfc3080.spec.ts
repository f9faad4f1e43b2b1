/**
 * The transcripts that RFC 3080 prints, replayed octet for octet: the lines of one side are given to a session, the
 * lines of the other are what it must say.
 */
import { expect } from 'chai';
import type { SessionEvent } from '../../lib/beep/event.js';
import { Session, type SessionOptions } from '../../lib/beep/session.js';

const XML = 'Content-Type: application/beep+xml';
const OTP = 'http://iana.org/beep/SASL/OTP';
const ANONYMOUS = 'http://iana.org/beep/SASL/ANONYMOUS';
const TLS = 'http://iana.org/beep/TLS';

/** One frame as RFC 3080 prints it: its lines, and `END`. */
const frame = (header: string, ...lines: readonly string[]): string => `${[header, ...lines, 'END'].join('\r\n')}\r\n`;
const xml = (header: string, ...lines: readonly string[]): string => frame(header, XML, '', ...lines);

const EMPTY_GREETING = xml('RPY 0 0 . 0 52', '<greeting />');
const TLS_GREETING = xml('RPY 0 0 . 0 110', '<greeting>', `   <profile uri='${TLS}' />`, '</greeting>');
const SASL_GREETING = xml(
  'RPY 0 0 . 0 173',
  '<greeting>',
  `   <profile uri='${OTP}' />`,
  `   <profile uri='${ANONYMOUS}' />`,
  '</greeting>',
);

class Replay {
  readonly session: Session;

  constructor(role: 'initiator' | 'listener', options: Partial<SessionOptions> = {}) {
    this.session = new Session({ role, profiles: [], ...options });
  }

  /** Gives the session the lines of its peer. */
  hears(octets: string): SessionEvent[] {
    this.session.receive(Buffer.from(octets));
    const events: SessionEvent[] = [];
    for (let event = this.session.nextEvent(); event !== undefined; event = this.session.nextEvent()) {
      events.push(event);
    }
    return events;
  }

  /** What the session says, SEQs left out: the RFC does not print them. */
  says(expected: string): this {
    const said = Buffer.concat(this.session.transmit(65_536)).toString();
    expect(said.replace(/^SEQ [^\r]*\r\n/gm, '')).to.equal(expected);
    return this;
  }
}

describe('RFC 3080 transcripts', () => {
  it('REQ-BEEP-034 REQ-BEEP-035 RFC 3080 §2.3.1.1: greetings', () => {
    const listener = new Replay('listener', { profiles: [TLS] }).says(TLS_GREETING);
    const initiator = new Replay('initiator').says(EMPTY_GREETING);
    expect(listener.hears(EMPTY_GREETING)[0]).to.deep.include({ type: 'greeting' });
    expect(initiator.hears(TLS_GREETING)[0]).to.deep.equal({
      type: 'greeting',
      greeting: { profiles: [TLS], features: [], localize: ['i-default'] },
    });
  });

  it('REQ-BEEP-036 RFC 3080 §2.4: an unavailable listener', () => {
    const refusal = xml('ERR 0 0 . 0 60', "<error code='421' />");
    new Replay('listener', { refuse: { code: 421, text: '' } }).says(refusal);
    const initiator = new Replay('initiator').says(EMPTY_GREETING);
    expect(initiator.hears(refusal)).to.deep.equal([{ type: 'unavailable', reply: { code: 421, text: '' } }]);
  });

  const start = xml(
    'MSG 0 1 . 52 178',
    "<start number='1'>",
    `   <profile uri='${OTP}' />`,
    `   <profile uri='${ANONYMOUS}' />`,
    '</start>',
  );

  it('REQ-BEEP-043 RFC 3080 §2.3.1.2: a start, as its client', () => {
    const initiator = new Replay('initiator').says(EMPTY_GREETING);
    initiator.hears(SASL_GREETING);
    initiator.session.start({ profiles: [{ uri: OTP }, { uri: ANONYMOUS }] });
    initiator.says(start);
    const next = lengthOf(SASL_GREETING);
    expect(initiator.hears(xml(`RPY 0 1 . ${next} 87`, `<profile uri='${OTP}' />`))).to.deep.equal([
      { type: 'started', channel: 1, uri: OTP },
    ]);
  });

  it('REQ-BEEP-043 RFC 3080 §2.3.1.2: a start, as its server', () => {
    const listener = new Replay('listener', { profiles: [TLS] }).says(TLS_GREETING);
    const [, event] = listener.hears(EMPTY_GREETING + start);
    expect(event).to.deep.include({ type: 'start', msgno: 1, channel: 1 });
    if (event?.type === 'start') {
      listener.session.acceptStart(event, OTP);
    }
    listener.says(xml('RPY 0 1 . 110 87', `<profile uri='${OTP}' />`));
  });

  it('REQ-BEEP-039 RFC 3080 §2.3.1.2: an even number from the initiator', () => {
    const listener = new Replay('listener', { profiles: [TLS] }).says(TLS_GREETING);
    const request = xml('MSG 0 1 . 52 120', "<start number='2'>", `   <profile uri='${OTP}' />`, '</start>');
    expect(listener.hears(EMPTY_GREETING + request).map(({ type }) => type)).to.deep.equal(['greeting']);
    listener.says(
      xml('ERR 0 1 . 110 118', "<error code='501'>number attribute in start element must be odd-valued</error>"),
    );
  });

  it('REQ-BEEP-044 RFC 3080 §2.3.1.2: an initialization message and its answer', () => {
    const request = xml(
      'MSG 0 1 . 52 158',
      "<start number='1'>",
      `   <profile uri='${TLS}'>`,
      '       <![CDATA[<ready />]]>',
      '   </profile>',
      '</start>',
    );
    const answer = xml('RPY 0 1 . 110 121', `<profile uri='${TLS}'>`, '    <![CDATA[<proceed />]]>', '</profile>');
    const listener = new Replay('listener', { profiles: [TLS] }).says(TLS_GREETING);
    const [, event] = listener.hears(EMPTY_GREETING + request);
    expect(event).to.deep.include({ proposals: [{ uri: TLS, base64: false, content: Buffer.from('<ready />') }] });
    const initiator = new Replay('initiator').says(EMPTY_GREETING);
    initiator.hears(TLS_GREETING);
    initiator.session.start({ profiles: [{ uri: TLS, content: '<ready />' }] });
    // The RFC's example pads the content, although its DTD makes the padding part of it: ours has none.
    initiator.says(request.replace('158', '144').replace(/>\s+(<!.*>)\s+<\/profile/, '>$1</profile'));
    expect(initiator.hears(answer)).to.deep.equal([
      { type: 'started', channel: 1, uri: TLS, content: Buffer.from('<proceed />') },
    ]);
  });

  it('REQ-BEEP-053 RFC 3080 §2.3.1.5: the text of an error may be of several lines', () => {
    const initiator = new Replay('initiator').says(EMPTY_GREETING);
    initiator.hears(SASL_GREETING);
    initiator.session.start({ profiles: [{ uri: OTP }] });
    initiator.session.transmit(65_536);
    const error = ["<error code='550'>all requested profiles are", 'unsupported</error>'];
    const [event] = initiator.hears(xml(`ERR 0 1 . ${lengthOf(SASL_GREETING)} 105`, ...error));
    expect(event).to.deep.equal({
      type: 'start-refused',
      channel: 1,
      reply: { code: 550, text: 'all requested profiles are\nunsupported' },
    });
  });

  it('REQ-BEEP-049 REQ-BEEP-050 RFC 3080 §2.3.1.3: closing a channel, refused and accepted', () => {
    const listener = new Replay('listener', { profiles: [TLS] }).says(TLS_GREETING);
    const [, event] = listener.hears(EMPTY_GREETING + start);
    if (event?.type === 'start') {
      listener.session.acceptStart(event, OTP);
    }
    listener.session.transmit(65_536);
    const close = (msgno: number, seqno: number): string =>
      xml(`MSG 0 ${msgno} . ${seqno} 71`, "<close number='1' code='200' />");
    expect(listener.hears(close(2, 230))[0]).to.include({ type: 'close', channel: 1, code: 200 });
    listener.session.refuseClose(1, { code: 550, text: 'still working' });
    listener.says(xml('ERR 0 2 . 197 79', "<error code='550'>still working</error>"));
    listener.hears(close(3, 301));
    listener.session.acceptClose(1);
    listener.says(xml('RPY 0 3 . 276 46', '<ok />'));
  });

  it('REQ-BEEP-051 REQ-BEEP-052 RFC 3080 §2.4: releasing a session, refused and accepted', () => {
    const listener = new Replay('listener', { profiles: [TLS] }).says(TLS_GREETING);
    listener.hears(EMPTY_GREETING + xml('MSG 0 1 . 52 60', "<close code='200' />"));
    listener.session.refuseClose(0, { code: 550, text: 'still working' });
    listener.says(xml('ERR 0 1 . 110 79', "<error code='550'>still working</error>"));
    listener.hears(xml('MSG 0 2 . 112 60', "<close code='200' />"));
    listener.session.acceptClose(0);
    listener.says(xml('RPY 0 2 . 189 46', '<ok />'));
    expect(listener.session.state).to.equal('closed');
  });

  it('REQ-BEEP-006 RFC 3080 §2.2.1.1: two answers that are interleaved', () => {
    const initiator = new Replay('initiator').says(EMPTY_GREETING);
    initiator.hears(SASL_GREETING);
    initiator.session.start({ profiles: [{ uri: OTP }] });
    initiator.session.transmit(65_536);
    initiator.hears(xml(`RPY 0 1 . ${lengthOf(SASL_GREETING)} 87`, `<profile uri='${OTP}' />`));
    initiator.session.send(1, { kind: 'MSG', payload: Buffer.from('?') });
    initiator.session.transmit(65_536);
    const twenty = '0123456789 and more.';
    const answers = initiator.hears(
      `ANS 1 0 * 0 20 0\r\n${twenty}END\r\nANS 1 0 * 20 20 1\r\n${twenty}END\r\nANS 1 0 . 40 10 0\r\n0123456789END\r\n`,
    );
    expect(answers).to.deep.equal([
      { type: 'answer', channel: 1, msgno: 0, ansno: 0, payload: Buffer.from(`${twenty}0123456789`) },
    ]);
  });

  it('REQ-BEEP-004 RFC 3080 §2.2.1.1: a reply that ends with a frame without payload', () => {
    const initiator = new Replay('initiator').says(EMPTY_GREETING);
    const greeting = `${XML}\r\n\r\n<greeting />`;
    const events = initiator.hears(
      `RPY 0 0 * 0 ${greeting.length}\r\n${greeting}END\r\nRPY 0 0 . ${greeting.length} 0\r\nEND\r\n`,
    );
    expect(events.map(({ type }) => type)).to.deep.equal(['greeting']);
  });
});

/** Payload octets of a single frame. */
function lengthOf(octets: string): number {
  return Number(octets.split('\r\n', 1)[0]?.split(' ')[5]);
}
