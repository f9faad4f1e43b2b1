import { expect } from 'chai';
import fc from 'fast-check';
import { LocalError, RemoteProtocolError } from '../../lib/errors.js';
import { fieldOf, type MessageField } from '../../lib/message/field.js';
import { entityContent, InstantMessage, instantMessage } from '../../lib/message/instant-message.js';
import { openMessage } from '../../lib/message/open.js';
import { readMessage } from '../../lib/message/read.js';
import { type MessageForm, writeMessage } from '../../lib/message/write.js';
import { arrived, messageIn, NAMESPACE, received, related, sent } from './support.js';

/** What XML can carry; line ends are those of XML. */
const text = fc
  .string({ unit: 'grapheme', maxLength: 60 })
  .map((any) => any.replace(/[^\t\n -\uFFFD]|\p{Surrogate}/gu, (found) => (found.length > 1 ? found : '?')));
const FORMS: readonly MessageForm[] = ['nested', 'part', 'inline'];

/** Reads everything lazy as well. */
function look(message: InstantMessage): void {
  void [message.text, message.subject, message.date, message.type, message.subjectIn('de-AT')];
  void [message.from, message.to, message.addresses('cc')];
}

function harmless(act: () => void): void {
  try {
    act();
  } catch (error) {
    expect(error).to.be.instanceOf(RemoteProtocolError);
    expect(error).to.have.nested.property('reply.code').that.is.oneOf([500, 501, 504]);
  }
}

describe('instant messages of any kind', () => {
  it('are read back unchanged', () => {
    const field: fc.Arbitrary<MessageField> = fc.oneof(
      fc
        .record({ name: fc.constantFrom('subject', 'comments', 'keywords', 'date', 'references'), value: text })
        .map(({ name, value }) => fieldOf(name, value, 'en')),
      fc.record({
        namespace: fc.constantFrom('urn:example:a', 'http://b.example/?x=1&y=2'),
        name: fc.stringMatching(/^[a-z_][a-zA-Z0-9.-]{0,6}$/),
        value: text,
        lang: fc.constantFrom(undefined, 'de'),
        seeNoEvil: fc.constant(true),
      }),
    );
    fc.assert(
      fc.property(fc.array(field, { maxLength: 5 }), fc.constantFrom(undefined, 'de-AT'), (fields, lang) => {
        const made = new InstantMessage({ fields, lang });
        expect({ ...readMessage(Buffer.from(writeMessage(made))) }).to.deep.equal({ ...made, content: undefined });
      }),
    );
  });

  it('mean the same in every form', () => {
    fc.assert(
      fc.property(text, text, fc.constantFrom(...FORMS), fc.boolean(), (subject, body, form, flowed) => {
        const message = arrived({ subject, text: body, flowed }, form);
        expect(message.all('subject')[0]?.value).to.equal(subject);
        if (!flowed) expect(message.text).to.equal(body);
        else expect(message.text).to.equal(instantMessage({ text: body, flowed }).text);
      }),
    );
  });

  it('carry any octets in the nested form', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (octets) => {
        const content = entityContent('application/octet-stream', Buffer.from(octets));
        const opened = messageIn(openMessage(sent(new InstantMessage({ fields: [], content }), 'nested')));
        expect(opened.content?.kind === 'entity' && opened.content.body.equals(Buffer.from(octets))).to.equal(true);
      }),
    );
  });

  it('are refused by this side with an error of this side', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.string(), (subject, name) => {
        try {
          writeMessage(new InstantMessage({ fields: [fieldOf('subject', subject), { ...fieldOf('x', ''), name }] }));
        } catch (error) {
          expect(error).to.be.instanceOf(LocalError);
        }
      }),
    );
  });

  const PIECES = [
    `<message xmlns='${NAMESPACE}'`,
    `<m:message xmlns:m='${NAMESPACE}'`,
    " content='#b'",
    " content='cid:b@x'",
    " xml:lang='de'",
    '>',
    '/>',
    '<from>',
    '</from>',
    'im:a@x',
    ', ',
    "<subject seeNoEvil='false'>",
    '</subject>',
    "<message-content name='b'>",
    "<message-content name='b' type='text/plain'>",
    '</message-content>',
    '</message>',
    '</m:message>',
    "<?xml version='1.0'?>",
    "<!DOCTYPE message SYSTEM 'URN:IANA:DOCTYPE:RFC822'>",
    '<!DOCTYPE a [',
    '&lt;',
    '&',
    ' xmlns:p=""',
    'ä',
  ];

  it('give a message or an error for any document', () => {
    fc.assert(
      fc.property(fc.array(fc.constantFrom(...PIECES), { maxLength: 20 }), (pieces) =>
        harmless(() => look(readMessage(Buffer.from(pieces.join(''))))),
      ),
      { numRuns: 3000 },
    );
  });

  it('give a message or an error for any part', () => {
    const type = fc.constantFrom(
      'message/rfc822+xml',
      'message/rfc822|xml',
      'message/cpim',
      'multipart/related; boundary=q; type="message/RFC822+XML"',
      'multipart/related; boundary=q; start="<s@x>"; type="message/RFC822+XML"',
      'text/plain; format=flowed',
    );
    const piece = fc.constantFrom(
      '--q\n',
      '--q--',
      '\n',
      'Content-ID: <b@x>\n',
      'Content-Type: message/rfc822+xml\n',
      'From: <im:a@x>\n',
      ...PIECES,
    );
    fc.assert(
      fc.property(type, fc.array(piece, { maxLength: 15 }), (media, pieces) =>
        harmless(() => {
          const part = `Content-Type: ${media}\nContent-ID: <h@x>\n\n${pieces.join('')}`;
          const opened = openMessage(received(related('cid:h@x', part, 'Content-ID: <b@x>\n\nflat')));
          if (opened.kind === 'message') look(opened.message);
          if (opened.kind === 'cpim') look(opened.message.asInstantMessage());
        }),
      ),
      { numRuns: 3000 },
    );
  });
});
