import { expect } from 'chai';
import fc from 'fast-check';
import { errorElement, profileDocument, profileMessage } from '../../lib/beep/profile-message.js';
import { RemoteProtocolError } from '../../lib/errors.js';
import { blobContent, parseAnswer, parseBlob } from '../../lib/sasl/blob.js';

const parse = (text: string) => {
  const { status, data } = parseBlob(Buffer.from(text));
  return [status, data.toString()];
};

describe('blobs', () => {
  const readings: readonly [string, string, string][] = [
    ['<blob>aGVsbG8=</blob>', 'continue', 'hello'],
    ["<blob status='continue'>aGVsbG8=</blob>", 'continue', 'hello'],
    ['<blob status="complete">aGVsbG8=</blob>', 'complete', 'hello'],
    ["<blob status='abort' />", 'abort', ''],
    ['<blob/>', 'continue', ''],
    ['<blob></blob>', 'continue', ''],
    ['<blob>\r\n  aGVs\r\n\tbG8=\r\n</blob>', 'continue', 'hello'],
    ["<blob xml:space='default'>aGVsbG8=</blob>", 'continue', 'hello'],
    ['<?xml version="1.0"?><blob>aGVsbG8=</blob>', 'continue', 'hello'],
  ];
  for (const [text, status, data] of readings) {
    it(`REQ-SASL-002 reads ${JSON.stringify(text)}`, () => expect(parse(text)).to.deep.equal([status, data]));
  }

  for (const text of [
    '<blob>a</blob>',
    '<blob>aGVsbG8</blob>',
    '<blob>aGV*bG8=</blob>',
    '<blob>aGVsbG8=aGVs</blob>',
    "<blob status='done' />",
    "<blob x='1' />",
    '<blob><blob /></blob>',
    '<ready />',
    `<blob>${'aGVs'.repeat(5000)}</blob>`,
  ]) {
    it(`REQ-SASL-002 refuses ${text.slice(0, 40)} with 501`, () => {
      expect(() => parse(text))
        .to.throw(RemoteProtocolError)
        .with.nested.property('reply.code', 501);
    });
  }

  it('refuses what is not XML with 500', () => {
    expect(() => parse('<blob>'))
      .to.throw(RemoteProtocolError)
      .with.nested.property('reply.code', 500);
  });

  it('REQ-SASL-002 writes base64 on one line and reads it back, piggybacked or as message', () => {
    const blobs = fc.record({
      status: fc.constantFrom('continue', 'complete', 'abort'),
      data: fc.uint8Array({ maxLength: 500 }),
    });
    fc.assert(
      fc.property(blobs, ({ status, data }) => {
        const blob = { status, data: Buffer.from(data) } as const;
        const content = blobContent(blob);
        expect(content).to.not.include('\n');
        expect(parseBlob(Buffer.from(content))).to.deep.equal(blob);
        expect(parseBlob(profileDocument(profileMessage(content)))).to.deep.equal(blob);
      }),
    );
  });

  it('is a message of type application/beep+xml, and accepts other headers or none', () => {
    expect(profileMessage('<blob />').toString()).to.equal('Content-Type: application/beep+xml\r\n\r\n<blob />');
    for (const head of ['\r\n', 'Content-Type: text/xml\r\n\r\n']) {
      expect(profileDocument(Buffer.from(`${head}<blob />`)).toString()).to.equal('<blob />');
    }
  });

  it('reads and writes errors', () => {
    expect(errorElement({ code: 535, text: 'a < b\0' })).to.equal("<error code='535'>a &lt; b\ufffd</error>");
    expect(parseAnswer(Buffer.from("<error code='535' xml:lang='en'>no</error>"))).to.deep.equal({
      type: 'error',
      reply: { code: 535, text: 'no' },
    });
    for (const text of ['<error>no</error>', "<error code='99'/>", "<error code='635'/>", '<ok/>']) {
      expect(() => parseAnswer(Buffer.from(text))).to.throw(RemoteProtocolError);
    }
  });

  it('throws only RemoteProtocolError, whatever the octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (octets) => {
        try {
          parseAnswer(profileDocument(Buffer.from(octets)));
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
        }
      }),
    );
  });
});
