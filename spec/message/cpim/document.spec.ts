import { expect } from 'chai';
import fc from 'fast-check';
import { LocalError, RemoteProtocolError } from '../../../lib/errors.js';
import { CPIM_NAMESPACE, type CpimInit, parseCpim, writeCpim } from '../../../lib/message/cpim/document.js';
import { escapeHeader, formatHeaderLine, parseHeaderLine, unescapeHeader } from '../../../lib/message/cpim/header.js';
import { openMessage } from '../../../lib/message/open.js';
import { CRLF, carried, fault } from '../support.js';

// RFC 3862 §3, after the headers of the object itself
const EXAMPLE = CRLF(`From: Ines Harbour <im:ines@harbour.example>
To: <im:otto@quay.example>
DateTime: 2000-10-21T10:12:00+02:00
Subject:;lang=en Berth 4

Content-Type: text/plain; charset=utf-8
Content-ID: <b.9c@harbour.example>

Berth 4 is free from noon.`);

const BODY = 'Content-Type: text/plain\n\nx';
const cpim = (headers: string) => parseCpim(CRLF(`${headers}\n\n${BODY}`));
const init: CpimInit = {
  from: { phrase: 'Fred Flintstone', uri: 'im:fred@example.com' },
  to: [{ phrase: undefined, uri: 'im:barney@rubble.com' }],
  dateTime: new Date('2000-10-21T08:12:00Z'),
  content: { type: 'text/plain; charset=utf-8', body: Buffer.from('Yabba') },
};

describe('message/cpim', () => {
  it('reads the example of the specification', () => {
    const message = parseCpim(EXAMPLE);
    expect(message.from).to.deep.equal({ phrase: 'Ines Harbour', uri: 'im:ines@harbour.example' });
    expect(message.to).to.deep.equal([{ phrase: undefined, uri: 'im:otto@quay.example' }]);
    expect(message.dateTime?.toISOString()).to.equal('2000-10-21T08:12:00.000Z');
    expect(message.subjects).to.deep.equal([{ text: 'Berth 4', lang: 'en' }]);
    expect(message.text).to.equal('Berth 4 is free from noon.');
    expect(message.octets).to.equal(EXAMPLE);
  });

  it('writes what it reads', () => {
    const octets = writeCpim({
      ...init,
      cc: [{ phrase: 'a "quoted", one\t', uri: 'im:wilma@example.com' }],
      subject: [{ text: 'Hi \\ there', lang: 'en' }, { text: 'Grüße' }],
      headers: [{ namespace: 'urn:example:lodge', name: 'Rank', value: 'Poobah' }],
      require: ['x0.Rank'],
    });
    expect(octets.toString()).to.equal(
      CRLF(`NS: x0 <urn:example:lodge>
Require: x0.Rank
From: Fred Flintstone <im:fred@example.com>
To: <im:barney@rubble.com>
cc: "a \\"quoted\\", one\\t"<im:wilma@example.com>
DateTime: 2000-10-21T08:12:00Z
Subject:;lang=en Hi \\\\ there
Subject: Grüße
x0.Rank: Poobah

Content-Type: text/plain; charset=utf-8

Yabba`).toString(),
    );
    const message = parseCpim(octets);
    expect(message.cc[0]?.phrase).to.equal('a "quoted", one\t');
    expect(message.subjects).to.deep.equal([
      { text: 'Hi \\ there', lang: 'en' },
      { text: 'Grüße', lang: 'i-default' },
    ]);
    expect(message.all('Rank', 'urn:example:lodge')[0]?.raw).to.equal('Poobah');
  });

  it('REQ-CPIM-021 keeps the received octets unchanged', () => {
    const odd = CRLF(`X-b: 2\nFrom: <im:a@x.example>\nX-a: \\q \\u00e4\n\n${BODY}`);
    const message = parseCpim(odd);
    expect(message.octets.equals(odd)).to.equal(true);
    expect(message.headers.map(({ name, raw }) => `${name}: ${raw}`)).to.deep.equal([
      'X-b: 2',
      'From: <im:a@x.example>',
      'X-a: \\q \\u00e4',
    ]);
    const opened = openMessage(carried({ type: 'Message/CPIM', body: odd }));
    // cpim-02 names the type so.
    for (const type of ['message/cpim,profile=im', 'message/cpim, profile="im"', 'message/cpim;profile=im']) {
      expect(openMessage(carried({ type, body: odd })), type).to.deep.equal(opened);
    }
    expect(opened.kind === 'cpim' && opened.message.octets.equals(odd)).to.equal(true);
  });

  it('D-CPIM-04 REQ-CPIM-022 requires one space after the colon, none at the ends, UTF-8, and names in their exact case', () => {
    for (const line of [
      'From:<im:a@x>',
      'From:  <im:a@x>',
      ' From: x',
      'From: x ',
      'From : x',
      'From',
      ': x',
      'a: x\ty',
      'a: x\u007f',
      'From: x\n y',
      'a;b=c: x',
      'a:;b: x',
      'a:;b="c x',
    ]) {
      expect(fault(() => cpim(line)).reply?.code, JSON.stringify(line)).to.equal(501);
    }
    expect(
      fault(() => parseCpim(Buffer.from('a: \xe4\r\n\r\nContent-Type: text/plain\r\n\r\n', 'latin1'))).reply?.code,
    ).to.equal(501);
    expect(
      fault(() => parseCpim(Buffer.from('a: b\n\nContent-Type: text/plain\n\n'))).reply?.code,
      'LF alone',
    ).to.equal(501);
    expect(cpim('from: <im:a@x.example>').from).to.equal(undefined);
    expect(cpim('Cc: <im:a@x.example>').cc).to.deep.equal([]);
    expect(cpim('Subject: ').subject).to.equal('');
  });

  it('REQ-CPIM-023 accepts lines of any length', () => {
    const subject = 'x'.repeat(1_000_000);
    expect(cpim(`Subject: ${subject}`).subject).to.equal(subject);
  });

  it('REQ-CPIM-024 escapes only characters that must be escaped, and recognises every escape anywhere', () => {
    expect(escapeHeader('\\ \b\t\n\r \u0000\u001f\u007f "\' Ä 🎳 \u0085')).to.equal(
      '\\\\ \\b\\t\\n\\r \\u0000\\u001F\\u007F "\' Ä 🎳 \u0085',
    );
    expect(unescapeHeader('\\\\ \\" \\\' \\b\\t\\n\\r \\u00C4 \\uD83C\\uDFB3')).to.equal('\\ " \' \b\t\n\r Ä 🎳');
    expect(cpim('Subject:;lang="\\u0065n" a').subjects[0]?.lang).to.equal('en');
    expect(cpim('From: "a\\u0022\\"b" <im:a@x.example>').from?.phrase).to.equal('a""b');
    expect(() => escapeHeader('\ud83c')).to.throw(LocalError);
  });

  it('REQ-CPIM-025 reads an unknown escape as its character, and ignores a backslash at the end', () => {
    expect(unescapeHeader('\\x\\u12\\Ä\\🎳 \\')).to.equal('xu12Ä🎳 ');
    expect(cpim('Subject: a\\').subject).to.equal('a');
  });

  it('REQ-CPIM-026 requires a Content-Type on the content, and writes it', () => {
    expect(fault(() => parseCpim(CRLF('From: <im:a@x>\n\n\nx'))).code).to.equal('MESSAGE_INVALID');
    expect(fault(() => parseCpim(CRLF('From: <im:a@x>\n\nContent-ID: <a@x>\n\nx'))).code).to.equal('MESSAGE_INVALID');
    expect(parseCpim(writeCpim(init)).type).to.equal('text/plain; charset=utf-8');
  });

  it('REQ-CPIM-027 requires a namespace to be declared before use, as an absolute URI without fragment', () => {
    const message = cpim(
      'NS: l <urn:example:lodge>\nl.Rank: Poobah\nNS: <urn:example:lodge>\nRank: other\nFrom: nobody',
    );
    expect(message.all('Rank', 'urn:example:lodge').map(({ raw }) => raw)).to.deep.equal(['Poobah', 'other']);
    expect(message.from, 'a From of another namespace').to.equal(undefined);
    for (const headers of [
      'l.Rank: x\nNS: l <urn:example:lodge>',
      'NS: l <lodge>',
      'NS: l <urn:a#b>',
      'NS: l urn:a',
      'Require: l.Rank',
    ]) {
      expect(fault(() => cpim(headers).requireUnderstood()).reply?.code, headers).to.equal(501);
    }
    expect(() => writeCpim({ ...init, headers: [{ namespace: 'lodge', name: 'Rank', value: 'x' }] })).to.throw(
      LocalError,
    );
    expect(cpim('NS: c <urn:ietf:params:cpim-headers:>\nc.Subject: s').subject).to.equal('s');
  });

  it('D-CPIM-05 REQ-CPIM-028 honours Require where a message is processed', () => {
    const strict = 'NS: l <urn:example:lodge>\nRequire: Subject,l.Rank';
    expect(fault(() => cpim(strict).requireUnderstood()).reply?.code).to.equal(504);
    cpim(strict).requireUnderstood((namespace, name) => namespace === 'urn:example:lodge' && name === 'Rank');
    cpim('Require: From,To,cc,DateTime,Subject,NS,Require').requireUnderstood();
    expect(fault(() => cpim('Require: subject').requireUnderstood()).reply?.code, 'names differ by case').to.equal(504);
  });

  it('REQ-CPIM-029 writes UTF-8 of at most four octets', () => {
    const octets = writeCpim({ ...init, subject: '\u{10FFFF} \u{FFFF}' });
    expect(octets.includes(Buffer.from('\u{10FFFF}'))).to.equal(true);
    expect(parseCpim(octets).subject).to.equal('\u{10FFFF} \u{FFFF}');
  });

  it('refuses to write what the grammar does not allow', () => {
    expect(() => formatHeaderLine('a b', 'x')).to.throw(LocalError);
    expect(() => formatHeaderLine('a', ' x')).to.throw(LocalError);
    expect(() => formatHeaderLine('a', 'x\r\nb: c')).to.throw(LocalError);
    expect(() => formatHeaderLine('a', 'x', [{ name: 'b=', value: 'c' }])).to.throw(LocalError);
    expect(() => writeCpim({ ...init, from: { phrase: undefined, uri: 'fred' } })).to.throw(LocalError);
    expect(() => writeCpim({ ...init, from: { phrase: undefined, uri: 'im:a>b' } })).to.throw(LocalError);
  });

  it('reads back any header that it writes', () => {
    const name = fc.stringMatching(/^[A-Za-z!#$%&'*+^_`|~0-9-]{1,8}$/);
    const value = fc.string({ unit: 'grapheme' });
    const parameters = fc.array(fc.record({ name, value }), { maxLength: 3 });
    fc.assert(
      fc.property(name, value, parameters, (title, text, given) => {
        const trimmed = text.trim();
        const header = parseHeaderLine(formatHeaderLine(title, escapeHeader(trimmed), given));
        expect(unescapeHeader(header.raw)).to.equal(trimmed);
        expect(header).to.deep.include({ name: title, parameters: given });
      }),
      { numRuns: 500 },
    );
  });

  it('reads any octets or refuses them with an error', () => {
    const piece = fc.constantFrom(
      'From: ',
      '<im:a@x>',
      '"',
      '\\',
      '\\u',
      '00',
      ';',
      '=',
      'lang',
      ' ',
      '\r\n',
      '\r\n\r\n',
      'NS: ',
      'l ',
      '<a:b>',
      'l.x: ',
      'Require: ',
      ',',
      'Content-Type: text/plain',
      'ä',
    );
    const octets = fc.oneof(
      fc.array(piece).map((pieces) => Buffer.from(pieces.join(''))),
      fc.uint8Array().map((array) => Buffer.from(array)),
    );
    fc.assert(
      fc.property(octets, (any) => {
        try {
          const message = parseCpim(any);
          message.requireUnderstood();
          void [message.from, message.to, message.cc, message.dateTime, message.subject, message.text];
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
        }
      }),
      { numRuns: 2000 },
    );
    expect(CPIM_NAMESPACE).to.equal('urn:ietf:params:cpim-headers:');
  });
});
