import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../lib/errors.js';
import { cidUrl, idOfCid, newContentId } from '../../lib/mime/content-id.js';
import { decodedBody, parseEntity } from '../../lib/mime/entity.js';
import { MIME_LIMITS } from '../../lib/mime/fault.js';
import { formatHeaders, isWritable } from '../../lib/mime/headers.js';
import { parseMediaType, quotedString } from '../../lib/mime/media-type.js';

const entity = (text: string) => parseEntity(Buffer.from(text, 'latin1'));

function fault(act: () => unknown): RemoteProtocolError {
  try {
    act();
  } catch (error) {
    if (error instanceof RemoteProtocolError) {
      return error;
    }
    throw error;
  }
  throw new Error('accepted');
}

describe('mime/entity', () => {
  it('splits headers and body, the body as a view', () => {
    const octets = Buffer.from('Content-Type: text/xml\r\nX-A:  one \r\n\r\n<ok />');
    const found = parseEntity(octets);
    expect(found.headers.fields).to.deep.equal([
      { name: 'Content-Type', value: 'text/xml' },
      { name: 'X-A', value: 'one' },
    ]);
    expect(found.body.toString()).to.equal('<ok />');
    expect(found.body.buffer).to.equal(octets.buffer);
    expect(found.bodyStart).to.equal(octets.indexOf('<ok'));
  });

  it('accepts a comma instead of a semicolon only in the media type that a draft writes this way', () => {
    const { type, parameters } = parseMediaType('message/cpim,profile=pres; charset=utf-8');
    expect([type, ...parameters.values()]).to.deep.equal(['message/cpim', 'pres', 'utf-8']);
    expect(() => parseMediaType('text/plain,profile=im')).to.throw(RemoteProtocolError);
  });

  it('finds headers by name regardless of case', () => {
    const { headers } = entity('content-TYPE: Text/XML\r\nReceived: a\r\nRECEIVED: b\r\n\r\n');
    expect(headers.get('Content-Type')).to.equal('Text/XML');
    expect(headers.mediaType()?.type).to.equal('text/xml');
    expect(headers.all('received')).to.deep.equal(['a', 'b']);
    expect(headers.get('Content-ID')).to.equal(undefined);
  });

  it('unfolds headers', () => {
    const { headers } = entity(
      'Content-Type: multipart/related; boundary="=_m1";\r\n start="<a@b>";\r\n\ttype="text/xml"\r\n\r\n',
    );
    expect(headers.mediaType()?.parameters.get('start')).to.equal('<a@b>');
    expect(headers.mediaType()?.parameters.get('type')).to.equal('text/xml');
  });

  it('reads a body without headers, headers without a body, and an empty entity', () => {
    expect(entity('\r\n<ok />').body.toString()).to.equal('<ok />');
    expect(entity('\r\n').body).to.have.length(0);
    expect(entity('').headers.fields).to.have.length(0);
    expect(entity('').headers.mediaType()).to.equal(undefined);
    expect(entity('A: b\r\n').headers.get('a')).to.equal('b');
    expect(entity('A: b\r\n\r\n').body).to.have.length(0);
    expect(entity('A: b\r\n\r\n\r\nx').body.toString()).to.equal('\r\nx');
  });

  it('decodes non-ASCII headers as UTF-8, or else as ISO 8859-1', () => {
    expect(parseEntity(Buffer.from('Subject: é\r\n\r\n')).headers.get('subject')).to.equal('é');
    expect(entity('Subject: \xe9\r\n\r\n').headers.get('subject')).to.equal('é');
  });

  for (const [what, text] of [
    ['no end of the headers', 'Content-Type: text/xml'],
    ['an element where headers are expected', '<ok />\r\n\r\n'],
    ['a line without colon', 'Content-Type\r\n\r\n'],
    ['an empty name', ': x\r\n\r\n'],
    ['white space before the colon', 'A : x\r\n\r\n'],
    ['a continuation of nothing', ' A: x\r\n\r\n'],
    ['a bare line feed', 'A: x\nB: y\r\n\r\n'],
    ['a bare carriage return', 'A: x\rB: y\r\n\r\n'],
    ['a NUL', 'A: \0\r\n\r\n'],
  ] as const) {
    it(`refuses ${what} with 500`, () => {
      const error = fault(() => entity(text));
      expect(error.code).to.equal('MIME_INVALID');
      expect(error.reply?.code).to.equal(500);
    });
  }

  it('refuses a duplicate Content-Type or Content-ID when the field is read', () => {
    const { headers } = entity('Content-Type: a/b\r\nContent-type: a/c\r\nContent-ID: <a>\r\nContent-ID: <b>\r\n\r\n');
    expect(fault(() => headers.mediaType()).reply?.code).to.equal(500);
    expect(fault(() => headers.contentId()).reply?.code).to.equal(500);
  });

  it('limits the octets of headers', () => {
    const limits = { headerOctets: 10, parts: 1 };
    expect(parseEntity(Buffer.from('A: 3456789\r\n\r\nbody'), limits).body.toString()).to.equal('body');
    expect(fault(() => parseEntity(Buffer.from('A: 34567890\r\n\r\nbody'), limits)).reply?.code).to.equal(501);
  });

  it('decodes transfer encodings', () => {
    const body = (encoding: string, text: string) =>
      decodedBody(entity(`Content-Transfer-Encoding: ${encoding}\r\n\r\n${text}`)).toString();
    expect(body('BASE64', 'aGVs\r\nbG8=\r\n')).to.equal('hello');
    expect(body('quoted-printable', 'h=65llo =\r\nyou=3D  \r\nx')).to.equal('hello you=\r\nx');
    expect(body('binary', 'a=b')).to.equal('a=b');
    expect(fault(() => body('base64', 'a*b=')).reply?.code).to.equal(500);
    expect(fault(() => body('quoted-printable', 'a=b')).reply?.code).to.equal(500);
    expect(fault(() => body('uuencode', 'a')).reply?.code).to.equal(501);
  });

  it('returns the same body buffer when there is nothing to decode', () => {
    const found = entity('Content-Transfer-Encoding: 8bit\r\n\r\nx');
    expect(decodedBody(found)).to.equal(found.body);
  });

  it('returns an entity or throws a RemoteProtocolError for any octets', () => {
    const piece = fc.constantFrom(
      '\r\n',
      ':',
      ' ',
      'A',
      'Content-Type',
      ': text/xml; a="b"',
      '\n',
      '(',
      '"',
      '\\',
      'é',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        try {
          const found = parseEntity(Buffer.from(pieces.join('')));
          found.headers.mediaType();
          decodedBody(found);
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
          expect((error as RemoteProtocolError).reply?.code).to.be.oneOf([500, 501]);
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe('mime/headers', () => {
  it('writes fields, and refuses values that would end a field', () => {
    expect(formatHeaders([{ name: 'A', value: 'b' }])).to.equal('A: b\r\n');
    expect(() => formatHeaders([{ name: 'A', value: 'b\r\nC: d' }])).to.throw('cannot be written');
    expect(() => formatHeaders([{ name: 'A:', value: 'b' }])).to.throw('cannot be written');
    expect(() => formatHeaders([{ name: '', value: 'b' }])).to.throw('cannot be written');
  });
});

describe('mime/media-type', () => {
  it('reads parameters, quoted strings and comments', () => {
    const found = parseMediaType(' Text/Plain (a (nested\\) ) one) ; Charset = "UT\\F-8" (c); x=y ;; ');
    expect(found.type).to.equal('text/plain');
    expect([...found.parameters]).to.deep.equal([
      ['charset', 'UTF-8'],
      ['x', 'y'],
    ]);
  });

  for (const value of [
    '',
    'text',
    'text/',
    '/xml',
    'text/xml charset',
    'text/xml; =x',
    'text/xml; a',
    'text/xml; a=',
    'text/xml; a="b',
    'text/xml (a',
    'text/xml; a=b c=d',
    'text/xml; a=b; A=c',
  ]) {
    it(`refuses ${JSON.stringify(value)} with 500`, () => {
      expect(fault(() => parseMediaType(value)).reply?.code).to.equal(500);
    });
  }

  it('quotes parameters so that they are read back unchanged', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme-ascii' }), (value) => {
        expect(parseMediaType(`a/b; c=${quotedString(value)}`).parameters.get('c')).to.equal(value);
      }),
    );
    expect(() => quotedString('\r\n')).to.throw('printable');
  });
});

describe('mime/content-id', () => {
  it('turns a Content-ID into a cid URL and back', () => {
    for (const id of ['a@b', 'a%b@c', 'a/b?c#d@e', newContentId('example.com')]) {
      expect(cidUrl(id)).to.match(/^cid:[\w.~!*'()@%-]+$/);
      expect(idOfCid(cidUrl(id))).to.equal(id);
    }
    expect(idOfCid('CID:foo4%25foo1@bar.net')).to.equal('foo4%foo1@bar.net');
    expect(idOfCid('cid:a@b#part')).to.equal('a@b');
  });

  it('returns undefined for other URLs and malformed ones', () => {
    for (const url of ['mid:a@b', 'cid:', 'cid:%zz', 'cid:%ff', '#a', '']) {
      expect(idOfCid(url)).to.equal(undefined);
    }
  });

  it('REQ-IMXP-007 never generates the same Content-ID twice', () => {
    expect(new Set(Array.from({ length: 1000 }, () => newContentId('example.com'))).size).to.equal(1000);
    expect(newContentId('example.com')).to.match(/@example\.com$/);
  });

  describe('headers of forwarded entities', () => {
    it('keep control characters, and white space before the colon', () => {
      const { headers } = parseEntity(Buffer.from('A : 1\u0007\r\nB:\tx\ny\u0000\r\n\r\n'), MIME_LIMITS, true);
      expect(headers.fields).to.deep.equal([
        { name: 'A', value: '1\u0007' },
        { name: 'B', value: 'x\ny\u0000' },
      ]);
      expect(headers.fields.map(isWritable)).to.deep.equal([false, false]);
    });
  });
});
