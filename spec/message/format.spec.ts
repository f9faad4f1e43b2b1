import { expect } from 'chai';
import { LocalError } from '../../lib/errors.js';
import { EXTENSION_NAMESPACE, fieldOf, MESSAGE_NAMESPACE } from '../../lib/message/field.js';
import { entityContent, InstantMessage, instantMessage } from '../../lib/message/instant-message.js';
import { openMessage } from '../../lib/message/open.js';
import { readMessage } from '../../lib/message/read.js';
import { type MessageForm, writeMessage } from '../../lib/message/write.js';
import { Headers } from '../../lib/mime/headers.js';
import { arrived, document, fault, messageIn, NAMESPACE, read, received, related, sent } from './support.js';

const FORMS: readonly MessageForm[] = ['nested', 'part', 'inline'];
const FRED = 'im:fred@example.com';
const BARNEY = 'im:barney@rubble.com';

// rfc822-xml-00 §2.2 and §2.3: the two structures
const NESTED = `Content-Type: multipart/related; boundary="=_h1";
 start="<h.9c@harbour.example>"; type="message/RFC822+XML"
Content-ID: <im@harbour.example>

--=_h1
Content-Type: message/RFC822+XML
Content-ID: <h.9c@harbour.example>

<m:message xmlns:m='URN:IANA:message:rfc822:' content='cid:b.9c@harbour.example'>
  <m:from>im:ines@harbour.example</m:from>
  <m:to>im:otto@quay.example</m:to>
  <m:subject xml:lang='en'>Berth 4</m:subject>
  <m:date>Sat, 21 Oct 2000 10:12:00 +0200</m:date>
</m:message>
--=_h1
Content-Type: text/plain; charset=UTF-8
Content-ID: <b.9c@harbour.example>

Berth 4 is free from noon.
--=_h1--`;
const INLINE = `<message xmlns='URN:IANA:message:rfc822:' content='#body'>
  <from>im:ines@harbour.example</from>
  <to>im:otto@quay.example</to>
  <subject>Re: Berth 4</subject>
  <message-content name='body' type='text/plain' xml:lang='en'>Is 11:30 &lt; noon &amp; fine?</message-content>
</message>`;

describe('message/RFC822+XML', () => {
  describe('the examples of the specification', () => {
    it('REQ-IMPP-029 REQ-IMPP-034 reads a nested multipart', () => {
      const data = received(related('cid:im@harbour.example', NESTED));
      const message = messageIn(openMessage(data));
      expect(message.from).to.deep.equal({ phrase: undefined, uri: 'im:ines@harbour.example' });
      expect(message.to).to.deep.equal([{ phrase: undefined, uri: 'im:otto@quay.example' }]);
      expect(message.all('subject')[0]).to.deep.include({ value: 'Berth 4', lang: 'en' });
      expect(message.date?.toISOString()).to.equal('2000-10-21T08:12:00.000Z');
      expect(message.type).to.equal('text/plain; charset=UTF-8');
      expect(message.text).to.equal('Berth 4 is free from noon.');
    });

    it('reads inline content, in a part and in data-content', () => {
      const part = related(
        'cid:im@harbour.example',
        `Content-Type: message/rfc822+xml\nContent-ID: <im@harbour.example>\n\n${INLINE}`,
      );
      const control = `<data originator='a@x.example' content='#C'><recipient identity='b@x.example' /><data-content Name='C'>\n${INLINE}\n</data-content></data>`;
      for (const payload of [part, `Content-Type: text/xml\r\n\r\n${control}`]) {
        const message = messageIn(openMessage(received(payload)));
        expect(message.subject).to.equal('Re: Berth 4');
        expect(message.text).to.equal('Is 11:30 < noon & fine?');
        expect(message.content).to.deep.include({ kind: 'inline', name: 'body', lang: 'en' });
      }
    });

    it('D-MSG-03 D-MSG-05 accepts a flattened message, the type of the first draft, a declaration and a DOCTYPE', () => {
      const header = `<?xml version='1.0' encoding='UTF-8'?>\n<!-- x --><!DOCTYPE message SYSTEM 'URN:IANA:DOCTYPE:RFC822'>\n${document('<subject>flat</subject>', " content='cid:b@x'")}`;
      const data = received(
        related(
          'cid:h@x',
          `Content-Type: message/RFC822|XML; charset=utf-8\nContent-ID: <h@x>\n\n${header}`,
          'Content-Type: text/plain\nContent-ID: <b@x>\n\nyabba',
        ),
      );
      const message = messageIn(openMessage(data));
      expect([message.subject, message.text]).to.deep.equal(['flat', 'yabba']);
    });
  });

  for (const form of FORMS) {
    it(`carries text, subject, addresses and languages there (${form})`, () => {
      const message = arrived(
        {
          from: { phrase: 'Fred "Twinkletoes" Flintstone', uri: FRED },
          to: [BARNEY, { phrase: 'Wilma', uri: 'im:wilma@example.com' }],
          cc: [{ phrase: 'Lodge', mailboxes: [{ phrase: undefined, uri: 'mailto:poobah@lodge.example' }] }],
          subject: [
            { text: 'Bowling <tonight> & ]]> tomorrow', lang: 'en' },
            { text: 'Kegeln für alle 🎳', lang: 'de' },
          ],
          date: new Date('2000-10-21T08:12:00Z'),
          lang: 'en',
          text: 'Yabba dabba doo < & ]]>\n  zwei  Leerzeichen\n\nÄ\n',
        },
        form,
      );
      expect(message.from).to.deep.equal({ phrase: 'Fred "Twinkletoes" Flintstone', uri: FRED });
      expect(message.to.map(({ uri }) => uri)).to.deep.equal([BARNEY, 'im:wilma@example.com']);
      expect(message.addresses('cc')[0]).to.deep.include({ phrase: 'Lodge' });
      expect(message.subjectIn('de-AT')).to.equal('Kegeln für alle 🎳');
      expect(message.subjectIn('fr')).to.equal('Bowling <tonight> & ]]> tomorrow');
      expect(message.date?.toISOString()).to.equal('2000-10-21T08:12:00.000Z');
      expect(message.lang).to.equal('en');
      expect(message.text).to.equal('Yabba dabba doo < & ]]>\n  zwei  Leerzeichen\n\nÄ\n');
    });
  }

  it('REQ-MSG-020 states the language of the content where each form provides for it', () => {
    const headers = new Headers([{ name: 'Content-Language', value: 'de' }]);
    const entity = {
      kind: 'entity',
      type: 'text/plain; charset=UTF-8',
      headers,
      body: Buffer.from('Kegeln?'),
    } as const;
    for (const init of [{ lang: 'de', text: 'Kegeln?' }, { content: entity }]) {
      const message = instantMessage({ from: FRED, to: BARNEY, ...init });
      const [nested, part, inline] = FORMS.map((form) => String(sent(message, form).source?.payload));
      expect(nested).to.match(/^Content-Language: de\r?$/m);
      for (const written of [part, inline]) expect(written).to.match(/:message-content [^>]*xml:lang='de'/);
      expect(messageIn(openMessage(sent(message, 'inline'))).content).to.include({ kind: 'inline', lang: 'de' });
    }
  });

  it('REQ-MSG-001 requires message-content once, at the end, and writes it there', () => {
    const content = "<message-content name='b' type='text/plain'>x</message-content>";
    for (const inner of [`${content}<subject>late</subject>`, content + content]) {
      expect(fault(() => read(document(inner, " content='#b'"))).reply?.code).to.equal(501);
    }
    const written = writeMessage(instantMessage({ subject: 's', text: 'x' }));
    expect(written.endsWith('</m:message-content>\r\n</m:message>')).to.equal(true);
    expect(read(document(content)).text, 'without a reference').to.equal('x');
  });

  it('D-MSG-04 REQ-MSG-002 declares and uses the namespace, and takes any prefix for it', () => {
    const written = writeMessage(instantMessage({ from: FRED, subject: 's', text: 'x' }));
    expect(written).to.match(/^<m:message xmlns:m='URN:IANA:message:rfc822:'/);
    expect(written).to.contain('<m:subject>s</m:subject>').and.contain('<m:message-content ');
    expect(read(`<q:message xmlns:q='${NAMESPACE}'><q:subject>s</q:subject></q:message>`).subject).to.equal('s');
    expect(read(`<message xmlns='urn:IANA:message:rfc822:'><subject>s</subject></message>`).subject).to.equal('s');
    for (const wrong of [
      '<message><subject>s</subject></message>',
      `<message xmlns='URN:IANA:message:rfc822'/>`,
      `<q:message xmlns:p='${NAMESPACE}'/>`,
      `<Message xmlns='${NAMESPACE}'/>`,
      `<message xmlns='${NAMESPACE}'><p:x/></message>`,
      `<message xmlns='${NAMESPACE}'><p:x xmlns:p=''/></message>`,
      `<message xmlns='${NAMESPACE}' xmlns:xmlns='a:b'/>`,
    ]) {
      expect(fault(() => read(wrong)).reply?.code, wrong).to.equal(501);
    }
    expect(read(`<message xmlns='${NAMESPACE}'><x xmlns=''>a</x></message>`).fields[0]?.namespace).to.equal('');
  });

  it('keeps elements without a namespace out of it when XML goes inside', () => {
    const content = entityContent('text/xml', Buffer.from("<?xml version='1.0'?><note xmlns:a='x:y'><a:b/></note>"));
    for (const form of ['part', 'inline'] as const) {
      const { content: inline } = messageIn(openMessage(sent(new InstantMessage({ fields: [], content }), form)));
      if (inline?.kind !== 'inline') throw new Error(inline?.kind);
      expect(inline.inner.toString()).to.equal("<note xmlns:a='x:y'><a:b/></note>");
      expect(inline.namespaces.has('')).to.equal(false);
    }
  });

  it('keeps the meaning of prefixes declared outside of the content when it is written again', () => {
    const text = `<message xmlns='${NAMESPACE}' xmlns:m='x:y' content='#b'><message-content name='b'><m:a/><c/></message-content></message>`;
    const again = read(writeMessage(read(text)));
    if (again.content?.kind !== 'inline') throw new Error('no');
    expect(again.content.inner.toString()).to.equal('<m:a/><c/>');
    expect(again.content.namespaces.get('m')).to.equal('x:y');
    expect(again.content.namespaces.get('')).to.equal(NAMESPACE);
  });

  it('REQ-MSG-003 is UTF-8 and nothing else', () => {
    const message = arrived({ subject: 'Äpfel – 🍎', text: 'x' }, 'part');
    expect(message.subject).to.equal('Äpfel – 🍎');
    expect(fault(() => readMessage(Buffer.from(document('<subject>Ä</subject>'), 'latin1'))).reply?.code).to.equal(500);
    const typed = (charset: string) =>
      received(
        related(
          'cid:h@x',
          `Content-Type: message/rfc822+xml; charset=${charset}\nContent-ID: <h@x>\n\n${document('')}`,
        ),
      );
    expect(fault(() => openMessage(typed('iso-8859-1'))).reply?.code).to.equal(501);
    expect(openMessage(typed('US-ASCII')).kind).to.equal('message');
  });

  it('REQ-MSG-004 escapes markup in header values and content', () => {
    const written = writeMessage(instantMessage({ subject: 'a < b & c ]]> d', text: '<&]]>' }));
    expect(written).to.contain('a &lt; b &amp; c ]]&gt; d').and.contain('>&lt;&amp;]]&gt;<');
    expect(read(document('<subject><![CDATA[<&]]> and &lt;</subject>')).subject).to.equal('<& and <');
  });

  it('REQ-MSG-005 names header elements in lower case', () => {
    expect(writeMessage(new InstantMessage({ fields: [fieldOf('Reply-To', FRED)] }))).to.contain('<m:reply-to>');
    const { fields } = read(document('<Subject>x</Subject>'));
    expect(fields[0]?.name, 'another field, as names differ by case').to.equal('Subject');
    expect(read(document('<Subject>x</Subject>')).subject).to.equal(undefined);
    const upper = new InstantMessage({ fields: [{ ...fieldOf('subject', 'x'), name: 'Subject' }] });
    expect(() => writeMessage(upper)).to.throw(LocalError, 'namespace');
  });

  it('REQ-MSG-007 writes no encoded words and gives them no meaning', () => {
    expect(writeMessage(instantMessage({ subject: 'Grüße' }))).to.contain('<m:subject>Grüße</m:subject>');
    expect(read(document('<subject>=?UTF-8?Q?x?=</subject>')).subject).to.equal('=?UTF-8?Q?x?=');
  });

  it('REQ-MSG-008 leaves headers about the content with the content', () => {
    const headers = new Headers([{ name: 'Content-Disposition', value: 'attachment; filename=bowling.png' }]);
    const content = entityContent('image/png', Buffer.from([1, 2, 255]), headers);
    const message = arrived({ subject: 'Look', content }, 'nested');
    if (message.content?.kind !== 'entity') throw new Error('no');
    expect(message.content.headers?.get('content-disposition')).to.equal('attachment; filename=bowling.png');
    expect(message.content.body.equals(Buffer.from([1, 2, 255]))).to.equal(true);
    expect(message.fields.some(({ name }) => name.startsWith('content-'))).to.equal(false);
  });

  it('REQ-MSG-009 REQ-IMPP-033 keeps foreign fields in their own namespaces', () => {
    const foreign = {
      namespace: 'urn:example:lodge',
      name: 'rank',
      value: 'Grand <Poobah>',
      lang: 'en',
      seeNoEvil: true,
    };
    const message = new InstantMessage({ fields: [foreign, fieldOf('subject', 's')] });
    expect(read(writeMessage(message)).fields).to.deep.equal(message.fields);
    expect(() => writeMessage(new InstantMessage({ fields: [fieldOf('rank', 'x')] }))).to.throw(
      LocalError,
      'namespace',
    );
    const nowhere = new InstantMessage({ fields: [{ ...foreign, namespace: '' }] });
    expect(() => writeMessage(nowhere)).to.throw(LocalError);
  });

  it('D-MSG-07 REQ-MSG-010 abandons a message with a field that must be understood and is not, and ignores others', () => {
    const lodge = "<l:rank xmlns:l='urn:example:lodge'";
    const unknown = [
      `${lodge} seeNoEvil='false'>x</l:rank>`,
      "<unheard-of seeNoEvil='false'/>",
      "<encrypted seeNoEvil='false'/>",
    ];
    for (const field of unknown) {
      const { code, reply } = fault(() => read(document(field)));
      expect([code, reply?.code]).to.deep.equal(['MESSAGE_NOT_UNDERSTOOD', 504]);
    }
    for (const field of [`${lodge}>x</l:rank>`, `${lodge} seeNoEvil='true'><l:a/>x</l:rank>`, '<unheard-of/>']) {
      expect(read(document(field)).fields).to.have.length(1);
    }
    const text = document(`${lodge} seeNoEvil='false'>x</l:rank>`);
    const understands = (namespace: string, name: string) => namespace === 'urn:example:lodge' && name === 'rank';
    expect(readMessage(Buffer.from(text), { understands }).fields[0]?.value).to.equal('x');
  });

  it('REQ-MSG-011 allows seeNoEvil on every header element, and no other values than true and false', () => {
    expect(read(document("<subject seeNoEvil='false'>s</subject><from seeNoEvil='true'>a:b</from>")).subject).to.equal(
      's',
    );
    expect(fault(() => read(document("<subject seeNoEvil='no'>s</subject>"))).reply?.code).to.equal(501);
    const strict = { ...fieldOf('subject', 's'), seeNoEvil: false };
    expect(read(writeMessage(new InstantMessage({ fields: [strict] }))).fields).to.deep.equal([strict]);
  });

  it('REQ-MSG-012 REQ-IMPP-032 says languages of texts and content', () => {
    const message = read(document("<subject>a</subject><comments xml:lang='de'>b</comments>", " xml:lang='en'"));
    expect([message.lang, message.subjectIn('en'), message.all('comments')[0]?.lang]).to.deep.equal(['en', 'a', 'de']);
    const made = arrived({ lang: 'de', text: 'Hallo' }, 'nested');
    expect(made.content?.kind === 'entity' && made.content.headers?.get('content-language')).to.equal('de');
  });

  it('REQ-MSG-013 nests a multipart in a multipart and never flattens it', () => {
    const { source } = sent(instantMessage({ subject: 's', text: 'x' }), 'nested');
    const payload = source?.payload.toString() ?? '';
    expect(payload.match(/multipart\/related/g)).to.have.length(2);
    const [outer = '', inner = ''] = [...payload.matchAll(/boundary="([^"]+)"/g)].map(([, boundary]) => boundary ?? '');
    expect(outer).not.to.equal(inner);
    expect(payload.split(`--${outer}`), 'control document and message').to.have.length(4);
  });

  it('refuses content that is missing or repeated, and what is not a header', () => {
    const body = "<message-content name='b'>x</message-content>";
    const wrong: [string, string][] = [
      [document('', " content='#b'"), 'CONTENT_UNRESOLVED'],
      [document(body, " content='#c'"), 'CONTENT_UNRESOLVED'],
      [document('', " content='cid:none@x'"), 'CONTENT_UNRESOLVED'],
      [document(body, " content='cid:none@x'"), 'MESSAGE_INVALID'],
      [document('<message-content>x</message-content>'), 'MESSAGE_INVALID'],
      [document('loose text'), 'MESSAGE_INVALID'],
      [document('<subject><b>x</b></subject>'), 'MESSAGE_INVALID'],
      ["<!DOCTYPE message [<!ENTITY a 'b'>]><message/>", 'XML_INVALID'],
      [`${document('')}x`, 'XML_NOT_WELL_FORMED'],
    ];
    for (const [text, code] of wrong) expect(fault(() => read(text)).code, text).to.equal(code);
    expect(read(document('', " content='http://harbour.example/x'")).content).to.deep.equal({
      kind: 'elsewhere',
      uri: 'http://harbour.example/x',
    });
    expect(
      read(document("<message-content Name='b' type='text/plain'>x</message-content>", " content='#b'")).text,
    ).to.equal('x');
  });

  it('cannot refer to the header or the control document as content', () => {
    for (const id of ['h@x', 'c@harbour.example']) {
      const header = `Content-Type: message/rfc822+xml\nContent-ID: <h@x>\n\n${document('', ` content='cid:${id}'`)}`;
      expect(fault(() => openMessage(received(related('cid:h@x', header)))).code).to.equal('CONTENT_UNRESOLVED');
    }
  });

  it('passes on unchanged what is not an instant message', () => {
    const kinds = [
      'Content-Type: text/plain\nContent-ID: <h@x>\n\nhi',
      'Content-Type: multipart/related; boundary=q; type="text/html"\nContent-ID: <h@x>\n\nnonsense',
      'Content-Type: multipart/related; boundary=q\nContent-ID: <h@x>\n\n--q\n\nhi\n--q--',
      'Content-Type: multipart/related; boundary=q; type="???"\nContent-ID: <h@x>\n\n',
    ].map((part) => openMessage(received(related('cid:h@x', part))).kind);
    expect(kinds).to.deep.equal(['other', 'other', 'other', 'other']);
    const inline = (inner: string) =>
      received(
        `Content-Type: text/xml\r\n\r\n<data originator='a@x.example' content='#C'><recipient identity='b@x.example' /><data-content Name='C'>${inner}</data-content></data>`,
      );
    for (const inner of ['', 'text', '<note/>', '<message/>', '<p:message/>', document('') + document('')]) {
      expect(openMessage(inline(inner)).kind, inner).to.equal('other');
    }
    const elsewhere = "<data originator='a@x.example' content='http://x/'><recipient identity='b@x.example' /></data>";
    expect(openMessage(received(`Content-Type: text/xml\r\n\r\n${elsewhere}`)).kind).to.equal('other');
  });

  it('reports what a form cannot carry', () => {
    const png = instantMessage({ content: { type: 'image/png', body: Buffer.from([0]) } });
    expect(() => sent(png, 'inline')).to.throw(LocalError, 'nested');
    expect(() => sent(instantMessage({ text: 'bell \u0007' }), 'part')).to.throw(LocalError);
    expect(messageIn(openMessage(sent(instantMessage({ text: 'bell \u0007' }), 'nested'))).text).to.equal(
      'bell \u0007',
    );
    const broken = instantMessage({ content: { type: 'text/xml', body: Buffer.from('<a>') } });
    expect(() => sent(broken, 'part')).to.throw(LocalError, 'well-formed');
    expect(() => writeMessage(instantMessage({ from: 'fred' }))).to.throw(LocalError, 'URI');
  });

  it('exports the namespaces it uses', () => {
    expect([MESSAGE_NAMESPACE, EXTENSION_NAMESPACE]).to.deep.equal([NAMESPACE, 'urn:x-imxp:rfc822-extension']);
  });
});
