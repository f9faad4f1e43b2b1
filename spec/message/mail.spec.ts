import { expect } from 'chai';
import fc from 'fast-check';
import { LocalError, RemoteProtocolError } from '../../lib/errors.js';
import { EXTENSION_NAMESPACE, fieldOf } from '../../lib/message/field.js';
import { entityContent, InstantMessage, instantMessage } from '../../lib/message/instant-message.js';
import { addrSpecOf, parseMailAddresses } from '../../lib/message/rfc822/address.js';
import { fromMail, toMail } from '../../lib/message/rfc822/convert.js';
import { decodeWords, encodeWords } from '../../lib/message/rfc822/encoded-word.js';
import { parseHeaders } from '../../lib/mime/headers.js';
import { CRLF, fault } from './support.js';

const FRED = 'im:fred@example.com';

const MAIL = CRLF(`Received: from a by b; Sat, 21 Oct 2000 10:12:00 +0200
From: =?ISO-8859-1?Q?Fred_Fl=EFntstone?= <fred@example.com>
To: barney@rubble.com (Barney (the) Rubble), Lodge: poobah@lodge.example,
 <@old.example,@older.example:"sam the man"@slate.example>;
Subject: =?UTF-8?B?QsO2d2w=?= =?UTF-8?B?aW5n?=
 tonight?
X-Mailer: Stone 1.0
X-1!_x0021_: odd
MIME-Version: 1.0
Content-Type: text/plain; charset=ISO-8859-1
Content-Transfer-Encoding: quoted-printable
Content-Language: de

Gr=FC=DFe=
 an alle
`);

describe('conversion to and from RFC 822', () => {
  it('D-CORE-41 percent-encodes no host, and makes A-labels of U-labels', () => {
    const uris = (field: string) => parseMailAddresses(field, 'mailto').map((entry) => 'uri' in entry && entry.uri);
    expect(uris('fred@b\u00fccher.example, f@[192.0.2.1], x@some_host.example')).to.deep.equal([
      'mailto:fred@xn--bcher-kva.example',
      'mailto:f@[192.0.2.1]',
      'mailto:x@some_host.example',
    ]);
    const specs: readonly (readonly [string, string | undefined])[] = [
      ['mailto:fred@xn--bcher-kva.example', 'fred@xn--bcher-kva.example'],
      ['mailto:fred@b%C3%BCcher.example', 'fred@xn--bcher-kva.example'],
      ['mailto:f@%5B192.0.2.1%5D', 'f@[192.0.2.1]'],
      ['mailto:f@[192.0.2.1]', 'f@[192.0.2.1]'],
      // What is no host goes there and back, but no second "@" comes out of it.
      ['mailto:a@b%2541', 'a@b%41'],
      ['mailto:a@b%40evil.example', undefined],
      ['mailto:a@b%3Cevil.example', undefined],
    ];
    for (const [uri, spec] of specs) expect(addrSpecOf(uri, false), uri).to.equal(spec);
  });

  it('reads a mail', () => {
    const message = fromMail(MAIL);
    expect(message.from).to.deep.equal({ phrase: 'Fred Flïntstone', uri: 'mailto:fred@example.com' });
    expect(message.subject).to.equal('Böwling tonight?');
    expect(message.text).to.equal('Grüße an alle\n');
    expect(message.fields.map(({ name }) => name)).to.deep.equal([
      'received',
      'from',
      'to',
      'subject',
      'x-mailer',
      'x-1_x0021__x005f_x0021_',
    ]);
    expect(message.fields.at(-1)).to.deep.include({ namespace: EXTENSION_NAMESPACE, value: 'odd' });
    const { content } = message;
    expect(content?.kind === 'entity' && content.headers?.get('content-language')).to.equal('de');
  });

  it('REQ-MSG-006 makes URIs of addresses and phrases of comments', () => {
    const message = fromMail(MAIL);
    expect(message.addresses('to')).to.deep.equal([
      { phrase: 'Barney (the) Rubble', uri: 'mailto:barney@rubble.com' },
      {
        phrase: 'Lodge',
        mailboxes: [
          { phrase: undefined, uri: 'mailto:poobah@lodge.example' },
          { phrase: undefined, uri: 'mailto:%22sam%20the%20man%22@slate.example' },
        ],
      },
    ]);
    const im = fromMail(CRLF('From: (Fred) fred@example.com\n\nx'), { scheme: 'im' });
    expect(im.from).to.deep.equal({ phrase: 'Fred', uri: FRED });
  });

  it('writes the same mail again, within what the forms can say', () => {
    const message = fromMail(MAIL);
    const again = fromMail(toMail(message));
    expect(again.fields).to.deep.equal(message.fields);
    expect(again.text).to.equal(message.text);
    const mail = toMail(message).toString('latin1');
    expect(mail).to.contain('"sam the man"@slate.example').and.contain('X-1!_x0021_: odd');
    expect(mail, 'no octets beyond US-ASCII').to.match(/^[\t\r\n -~]*$/);
    expect(mail.split('\r\n').every((line) => line.length <= 78)).to.equal(true);
  });

  it('REQ-MSG-018 writes im: as a mailbox only where mail and messages share addresses', () => {
    const message = instantMessage({ from: FRED, to: ['im:barney@rubble.com', 'pres:wilma@example.com'], text: 'x' });
    const mail = toMail(message, { imIsMail: true }).toString();
    expect(mail).to.contain('From: fred@example.com\r\nTo: barney@rubble.com\r\n').and.not.contain('wilma');
    expect(() => toMail(message)).to.throw(LocalError, 'no address in');
  });

  it('fails when a field that must be understood would be lost, and leaves out other fields', () => {
    const from = fieldOf('from', 'mailto:fred@example.com');
    const foreign = { namespace: 'urn:example:lodge', name: 'rank', value: 'x', lang: undefined, seeNoEvil: true };
    const text = entityContent('text/plain', Buffer.from('x'));
    expect(toMail(new InstantMessage({ fields: [from, foreign], content: text })).toString()).not.to.contain('rank');
    const strict = new InstantMessage({ fields: [from, { ...foreign, seeNoEvil: false }], content: text });
    expect(() => toMail(strict)).to.throw(LocalError, 'mandatory');
    const elsewhere = new InstantMessage({ fields: [from], content: { kind: 'elsewhere', uri: 'http://x.example/' } });
    expect(() => toMail(elsewhere)).to.throw(LocalError, 'only referred to');
    expect(toMail(new InstantMessage({ fields: [from] })).toString()).to.match(/text\/plain\r\n\r\n$/);
  });

  it('encodes only what mail cannot carry unchanged', () => {
    const mail = (type: string, body: Buffer | string) =>
      toMail(
        new InstantMessage({
          fields: [fieldOf('from', 'mailto:f@x.example')],
          content: entityContent(type, Buffer.from(body)),
        }),
      );
    expect(mail('text/plain', 'plain\r\nlines').toString()).to.match(/\r\n\r\nplain\r\nlines$/);
    for (const body of ['Ä', 'bare\nLF', 'x'.repeat(999)]) {
      const octets = mail('text/plain; charset=utf-8', body);
      expect(octets.toString()).to.contain('base64');
      expect(fromMail(octets).content).to.deep.include({ body: Buffer.from(body) });
    }
    expect(mail('multipart/mixed; boundary=q', 'Ä').toString()).to.contain('Content-Transfer-Encoding: 8bit');
    expect(mail('multipart/mixed; boundary=q', 'Ä\nx').toString()).to.contain('Content-Transfer-Encoding: binary');
  });

  it('refuses input that is not a mail message', () => {
    for (const text of [
      'From: fred@\n\nx',
      'From: a b\n\nx',
      'From: fred@x (open\n\nx',
      'no colon\n\nx',
      'From: a@x; b\n\nx',
      'From: f]@x\n\n',
    ]) {
      expect(fault(() => fromMail(CRLF(text))).code, text).to.equal('MIME_INVALID');
    }
    expect(fault(() => fromMail(CRLF('From: föö@x.example\n\n'), { scheme: 'im' })).code).to.equal('ADDRESS_INVALID');
    expect(fromMail(CRLF('To: , a@x.example,,\n\n')).to).to.have.length(1);
  });

  describe('encoded words', () => {
    it('joins characters that were split, and leaves malformed words unchanged', () => {
      expect(decodeWords('=?UTF-8?Q?=C3?= =?utf-8?Q?=84?= x =?UTF-8*de?B?w4Q=?=')).to.equal('Ä x Ä');
      expect(decodeWords('=?klingon?Q?x?= =?UTF-8?X?x?= =?')).to.equal('=?klingon?Q?x?= =?UTF-8?X?x?= =?');
      expect(decodeWords('=?ISO-8859-1?Q?a=0D=0ABcc:_x?=')).to.equal('a  Bcc: x');
    });

    it('decode to the text that was encoded', () => {
      fc.assert(
        fc.property(fc.string({ unit: 'grapheme' }), (text) => {
          const line = text.replace(/\p{Cc}/gu, ' ');
          expect(decodeWords(encodeWords(line).join(' '))).to.equal(line);
        }),
      );
    });
  });

  it('restores any message within the limits of RFC 822', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 150 }).map((one) => one.replace(/[\p{Cc}\s]+/gu, ' ').trim());
    const mailbox = fc
      .record({ phrase: text, local: fc.stringMatching(/^[a-z]{1,8}(\.[a-z+]{1,8})?$/) })
      .map(({ phrase, local }) => ({
        phrase: phrase === '' ? undefined : phrase,
        uri: `mailto:${local}@example.com`,
      }));
    const message = fc.record({
      from: mailbox,
      to: fc.array(mailbox, { maxLength: 3 }),
      subject: text,
      body: fc.string(),
    });
    fc.assert(
      fc.property(message, ({ from, to, subject, body }) => {
        const made = instantMessage({ from, to, subject, date: new Date(972_115_920_000), text: body });
        const octets = toMail(made);
        const again = fromMail(octets);
        // RFC 5322 §3.6: one To: field with all of them
        const joined = made
          .all('to')
          .map(({ value }) => value)
          .join(', ');
        const others = made.fields.filter(({ name }) => name !== 'to');
        expect(again.fields.filter(({ name }) => name !== 'to')).to.deep.equal(others);
        expect(again.all('to').map(({ value }) => value)).to.deep.equal(joined === '' ? [] : [joined]);
        expect(again.text).to.equal(made.text);
        const headers = octets.subarray(0, octets.indexOf('\r\n\r\n'));
        expect(parseHeaders(headers).fields.length).to.be.at.least(4);
      }),
    );
  });

  describe('mail as programs write it in practice', () => {
    const mail = (head: string, body = 'text\r\n') => fromMail(Buffer.from(`${head}\r\n\r\n${body}`, 'latin1'));

    it('RFC 5321 §4.5.5 keeps the null return path of a notification, both ways', () => {
      const message = mail('Return-Path: <>\r\nFrom: a@example.com');
      expect(message.all('from')).to.have.length(1);
      expect(toMail(message).toString()).to.contain('Return-Path: <>\r\n');
    });

    it('RFC 5322 §4.5 reads white space before a colon, and passes control characters on', () => {
      const message = mail('From : a@example.com\r\nSubject\t: late\r\nX-Odd: a\u0007b\u0000c');
      expect(message.subject).to.equal('late');
      expect(message.all('from')).to.have.length(1);
    });

    it('RFC 2045 §6.4 treats content in an unknown transfer encoding as octets', () => {
      const { content } = mail('From: a@example.com\r\nContent-Transfer-Encoding: x-uuencode', 'begin 644 a');
      expect(content).to.include({ kind: 'entity', type: 'application/octet-stream' });
      expect(content?.kind === 'entity' && content.body.toString()).to.equal('begin 644 a');
    });

    it('RFC 2045 §5.2 treats content with an unreadable or repeated Content-Type as text', () => {
      for (const type of ['text', 'text/plain; charset', 'text/plain\r\nContent-Type: text/html']) {
        expect(mail(`From: a@example.com\r\nContent-Type: ${type}`).text, type).to.equal('text\n');
      }
    });

    it('RFC 2045 §6.7 §6.8 decodes damaged base64 and quoted-printable as far as possible', () => {
      const encoded = (encoding: string, body: string) =>
        mail(`From: a@example.com\r\nContent-Transfer-Encoding: ${encoding}`, body).text;
      expect(encoded('base64', 'aGVs\r\nbG8\u0000!')).to.equal('hello');
      expect(encoded('Quoted-Printable ', '1=3D1 = 100=zz=\nmore')).to.equal('1=1 = 100=zzmore');
    });

    it('RFC 5322 §3.6 §2.1.1 writes one To: and no line of more than 998 octets', () => {
      const to = Array.from({ length: 60 }, (_, index) => ({
        phrase: undefined,
        uri: `mailto:somebody.${index}@example.com`,
      }));
      const long = 'x'.repeat(3000);
      const octets = toMail(
        instantMessage({ from: { phrase: undefined, uri: 'mailto:a@example.com' }, to, subject: long, text: long }),
      );
      const head = octets.subarray(0, octets.indexOf('\r\n\r\n')).toString();
      expect(head.match(/^To:/gm)).to.have.length(1);
      expect(
        Math.max(
          ...octets
            .toString()
            .split('\r\n')
            .map((line) => line.length),
        ),
      ).to.be.at.most(998);
      const again = fromMail(octets);
      expect(again.subject).to.equal(long);
      expect(again.text).to.equal(long);
    });
  });

  it('reads any octets or refuses them with an error', () => {
    const piece = fc.constantFrom(
      'From: ',
      'To: ',
      'a@b',
      '\r\n',
      '\r\n\r\n',
      ' ',
      '<',
      '>',
      '"',
      '(',
      ')',
      '=?UTF-8?Q?x?=',
      'Content-Type: ',
      'text/plain',
      ';',
      ',',
      '\\',
      'Content-Transfer-Encoding: base64',
      '[x]',
      '\u00ff',
    );
    fc.assert(
      fc.property(fc.array(piece), (pieces) => {
        try {
          const message = fromMail(Buffer.from(pieces.join('')));
          void [message.text, message.subject];
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
