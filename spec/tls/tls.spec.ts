import { expect } from 'chai';
import fc from 'fast-check';
import { errorElement, profileDocument, profileMessage } from '../../lib/beep/profile-message.js';
import { RefusedError, RemoteProtocolError } from '../../lib/errors.js';
import {
  isTlsUri,
  PROCEED,
  parseReady,
  parseTlsAnswer,
  READY,
  readyContent,
  TLS_DRAFT_URI,
  TLS_URI,
} from '../../lib/tls/message.js';
import {
  acceptProceed,
  answerReady,
  layerForbidden,
  octetsForTls,
  type TuningState,
  tlsRefusal,
} from '../../lib/tls/tuning.js';

const CLEAR: TuningState = { available: true, privacy: false, authenticated: false, layered: false };
const ready = (text: string, state = CLEAR) => answerReady(Buffer.from(text), state);
const codeOf = (text: string, state = CLEAR) => {
  const answer = ready(text, state);
  return answer.type === 'error' ? answer.reply.code : answer.type;
};

describe('the TLS profile', () => {
  it('D-BEEP-22 REQ-TLS-001 is named by RFC 3080 and by the alias of the drafts', () => {
    expect(TLS_URI).to.equal('http://iana.org/beep/TLS');
    for (const uri of [TLS_URI, TLS_DRAFT_URI]) expect(isTlsUri(uri)).to.equal(true);
    for (const uri of ['http://iana.org/beep/tls', `${TLS_URI}/`, '']) expect(isTlsUri(uri)).to.equal(false);
  });

  it('proceeds on ready', () => {
    expect(ready('<ready />')).to.deep.equal({ type: 'proceed', content: '<proceed />', earliest: 'TLSv1' });
    expect(ready("<ready version='1' />")).to.include({ earliest: 'TLSv1' });
    expect(ready('<ready version="1.2"></ready>')).to.include({ earliest: 'TLSv1.2' });
    expect(ready(' <ready\r\n/> ')).to.include({ type: 'proceed' });
  });

  it('D-BEEP-19 REQ-TLS-007 refuses a malformed version with 501, an unknown one with 504', () => {
    for (const version of ['', 'x', '1.', '.1', '1.0.0', '-1', '1 ', 'SSL3']) {
      expect(codeOf(`<ready version='${version}' />`), version).to.equal(501);
    }
    for (const version of ['0', '2', '1.4', '3.0'])
      expect(codeOf(`<ready version='${version}' />`), version).to.equal(504);
    const old = answerReady(Buffer.from("<ready version='1.3' />"), CLEAR, 'TLSv1.2');
    expect(old.type === 'error' && old.reply.code).to.equal(504);
  });

  it('refuses documents other than ready', () => {
    for (const text of ['<proceed />', "<ready x='1' />", '<ready>x</ready>', '<ready><a /></ready>'])
      expect(codeOf(text), text).to.equal(501);
    for (const text of ['', '<ready', 'ready']) expect(codeOf(text), text).to.equal(500);
  });

  it('D-BEEP-20 REQ-TLS-008 does not start after authentication, nor over TLS', () => {
    expect(tlsRefusal(CLEAR)).to.equal(undefined);
    for (const bad of ['authenticated', 'layered', 'privacy'] as const) {
      expect(codeOf('<ready />', { ...CLEAR, [bad]: true }), bad).to.equal(554);
    }
    expect(codeOf('<ready />', { ...CLEAR, available: false })).to.equal(550);
    expect(layerForbidden(CLEAR)).to.equal(false);
    expect(layerForbidden({ privacy: true, layered: false })).to.equal(true);
    expect(layerForbidden({ privacy: false, layered: true })).to.equal(true);
  });

  it('continues without TLS when refused', () => {
    expect(() => acceptProceed(Buffer.from("<error code='550'>no TLS</error>")))
      .to.throw(RefusedError)
      .with.property('code', 'TLS_REFUSED');
    expect(() => acceptProceed(Buffer.from('<proceed />'))).to.not.throw();
    for (const text of ['<ok />', '<proceed>x</proceed>', "<error code='x'/>", '']) {
      expect(() => acceptProceed(Buffer.from(text)), text).to.throw(RemoteProtocolError);
    }
  });

  it('writes what it reads', () => {
    expect([READY, PROCEED]).to.deep.equal(['<ready />', '<proceed />']);
    expect(readyContent()).to.equal(READY);
    expect(readyContent('TLSv1')).to.equal(READY);
    for (const version of ['TLSv1.1', 'TLSv1.2', 'TLSv1.3'] as const) {
      expect(parseReady(Buffer.from(readyContent(version)))).to.deep.equal({ earliest: version });
    }
    expect(parseTlsAnswer(profileDocument(profileMessage(PROCEED)))).to.deep.equal({ type: 'proceed' });
    const reply = { code: 554, text: 'a < b' };
    expect(parseTlsAnswer(Buffer.from(errorElement(reply)))).to.deep.equal({ type: 'error', reply });
  });

  it('throws nothing but RemoteProtocolError, whatever the octets', () => {
    fc.assert(
      fc.property(
        fc.oneof(
          fc.uint8Array({ maxLength: 100 }),
          fc.string().map((s) => Buffer.from(`<ready version='${s}'/>`)),
        ),
        (octets) => {
          expect(['proceed', 'error']).to.include(answerReady(Buffer.from(octets), CLEAR).type);
          try {
            acceptProceed(Buffer.from(octets));
          } catch (error) {
            expect(error).to.be.instanceOf(RemoteProtocolError);
          }
        },
      ),
    );
  });
});

describe('octets between ready and the handshake', () => {
  const hello = Buffer.from('1603010200', 'hex');
  const seq = Buffer.from('SEQ 0 192 4096\r\n');

  it('are never taken by the client', () => {
    expect(octetsForTls(Buffer.alloc(0), 'client')).to.have.length(0);
    for (const octets of [hello, seq, Buffer.from('RPY 0 0')]) {
      expect(() => octetsForTls(octets, 'client'))
        .to.throw(RemoteProtocolError)
        .with.property('code', 'TLS_INJECTED');
    }
  });

  it('are a handshake or late SEQ frames for the server', () => {
    expect(octetsForTls(Buffer.alloc(0), 'server')).to.have.length(0);
    expect(octetsForTls(hello, 'server')).to.deep.equal(hello);
    expect(octetsForTls(Buffer.concat([seq, seq, hello]), 'server')).to.deep.equal(hello);
    expect(octetsForTls(seq, 'server')).to.have.length(0);
    for (const octets of [
      'MSG 0 1 . 52 10\r\n',
      'SEQ x',
      'SEQ 0 192 4096\n',
      'S E',
      '\x17\x03',
      'SEQ 0 192 4096\r\nMSG',
    ]) {
      expect(() => octetsForTls(Buffer.from(octets), 'server'), octets)
        .to.throw(RemoteProtocolError)
        .with.property('code', 'TLS_INJECTED');
    }
  });

  it('ask for more while a SEQ is not complete', () => {
    for (let octets = 1; octets < seq.length; octets += 1) {
      expect(octetsForTls(seq.subarray(0, octets), 'server'), `${octets} octets`).to.equal(undefined);
    }
    const longest = Buffer.from('SEQ 2147483647 4294967295 2147483647\r\n');
    for (let octets = 1; octets < longest.length; octets += 1) {
      expect(octetsForTls(longest.subarray(0, octets), 'server')).to.equal(undefined);
    }
  });
});
