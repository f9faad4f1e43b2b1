import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../lib/errors.js';
import { compositionOf, uriOfTyped } from '../../lib/message/uri-composition.js';
import { fault } from './support.js';

describe('what im: and pres: URIs ask to compose', () => {
  it('D-CPIM-02 uses the headers that say what a message is about', () => {
    const uri =
      'im:barney@rubble.com?SUBJECT=Bowling%20%26%20more&In-Reply-To=%3C1@example.com%3E&body=At%0D%0Aeight&keywords=fun';
    const composed = compositionOf(uri);
    expect(composed).to.deep.include({
      scheme: 'im',
      to: [{ address: 'barney@rubble.com', phrase: undefined }],
      cc: [],
      subject: 'Bowling & more',
      inReplyTo: '<1@example.com>',
      body: 'At\neight',
      unused: [],
    });
    expect(composed.fields.map(({ name, value }) => [name, value])).to.deep.equal([['keywords', 'fun']]);
  });

  it('RFC 2368 §2 takes recipients from to headers, and from nowhere else', () => {
    const { to, cc } = compositionOf(
      'im:?to=fred@example.com,%22B,%20B%22%20%3Cbarney@rubble.com%3E&cc=betty@rubble.com',
    );
    expect(to).to.deep.equal([
      { address: 'fred@example.com', phrase: undefined },
      { address: 'barney@rubble.com', phrase: 'B, B' },
    ]);
    expect(cc.map(({ address }) => address)).to.deep.equal(['betty@rubble.com']);
    // Decoded once: what is encoded twice is part of the name.
    expect(compositionOf('im:?to=a%253Cb@example.com').to[0]?.address).to.equal('a%3Cb@example.com');
    expect(fault(() => compositionOf('im:?to=barney')).reply?.code).to.equal(553);
  });

  it('RFC 2368 §4 leaves out headers that could mislead, and names them', () => {
    const { unused, subject } = compositionOf('im:b@rubble.com?from=x@y.example&bcc=z@y.example&subject=a&subject=b');
    expect(unused).to.deep.equal(['from', 'bcc', 'subject']);
    expect(subject).to.equal('a');
  });

  it('keeps a field to one line', () => {
    expect(compositionOf('im:b@rubble.com?subject=a%0D%0ABcc:%20c&in-reply-to=x%0Dy')).to.deep.include({
      subject: 'a  Bcc: c',
      inReplyTo: 'x y',
    });
  });

  it('D-CORE-41 makes a valid URI from one that a person typed', () => {
    expect(uriOfTyped('im:"Slate, Mr." <slate@b\u00fccher.example>?subject=Gr\u00fc\u00dfe an alle')).to.equal(
      'im:%22Slate,%20Mr.%22%20%3Cslate@xn--bcher-kva.example%3E?subject=Gr%C3%BC%C3%9Fe%20an%20alle',
    );
    expect(uriOfTyped('im:a@B\u00dcCHER.example,b@example.com')).to.equal('im:a@xn--bcher-kva.example,b@example.com');
    // After the question mark nothing is a domain.
    expect(uriOfTyped('im:?subject=a@b\u00fccher.example')).to.equal('im:?subject=a@b%C3%BCcher.example');
    expect(uriOfTyped('im:a@b\u00fccher..example')).to.equal(undefined);
  });

  it('reads any text that was typed, or says what is wrong', () => {
    const piece = fc.constantFrom(
      'im:',
      'a',
      '@',
      'b\u00fc.example',
      '%2',
      '?',
      'to=',
      '&',
      ',',
      '<',
      '>',
      '"',
      '\ud800',
      ' ',
    );
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: piece })), (text) => {
        try {
          const uri = uriOfTyped(`im:${text}`);
          if (uri !== undefined) compositionOf(uri);
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
        }
      }),
      { numRuns: 1000 },
    );
  });
});
