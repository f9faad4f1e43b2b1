import { expect } from 'chai';
import fc from 'fast-check';
import { type ErrorCode, RemoteProtocolError } from '../../lib/errors.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import { ALONE, decode, dialect, fault, INLINE, RELATED, xml } from './samples.js';

describe('imxp/dialect/imxp: what is refused', () => {
  const recipient = "<recipient identity='c@d'/>";
  const option = "<option internal='x' transID='1'/>";
  const content = "<data-content Name='P'/>";
  const of = (inside: string, attributes = "originator='a@b' content='#P'") => `<data ${attributes}>${inside}</data>`;
  const withOption = (attributes: string) => of(`${recipient}<option ${attributes}/>${content}`);

  const rows: readonly (readonly [string, string, number, RegExp, ErrorCode?])[] = [
    ['what is not well-formed', '<data', 500, /well-formed/, 'XML_NOT_WELL_FORMED'],
    ['text', 'hello', 500, /well-formed/, 'XML_NOT_WELL_FORMED'],
    ['an unknown root', "<detach transID='1'/>", 501, /detach is not an operation/],
    ['a reply', '<ok />', 501, /ok is not an operation/],
    ['another case', "<Data originator='a@b' content='#P'/>", 501, /Data is not an operation/],
    ['no originator', of(recipient + content, "content='#P'"), 501, /data: attribute originator is missing/],
    ['no content', of(recipient, "originator='a@b'"), 501, /data: attribute content is missing/],
    [
      'an unknown attribute',
      of(recipient + content, "originator='a@b' content='#P' x='1'"),
      501,
      /data: attribute x is not allowed/,
    ],
    [
      'a namespace',
      of(recipient + content, "originator='a@b' content='#P' xmlns='urn:x'"),
      501,
      /data: attribute xmlns is not allowed/,
    ],
    ['no recipient', of(content), 501, /data-content is not allowed here/],
    ['no child', of(''), 501, /recipient is missing/],
    ['an option before the recipient', of(option + recipient + content), 501, /option is not allowed here/],
    ['a recipient after an option', of(recipient + option + recipient + content), 501, /recipient is not allowed here/],
    ['two data-contents', of(recipient + content + content), 501, /data-content after data-content/],
    ['an option after data-content', of(recipient + content + option), 501, /option after data-content/],
    ['an unknown child', of(`${recipient}<x/>${content}`), 501, /element x is not allowed/],
    ['text in data', of(`${recipient}hello${content}`), 501, /data: text is not allowed/],
    ['a recipient without identity', of(`<recipient/>${content}`), 501, /recipient: attribute identity is missing/],
    ['text in a recipient', of(`<recipient identity='c@d'>x</recipient>${content}`), 501, /recipient: text/],
    [
      'another element in a recipient',
      of(`<recipient identity='c@d'>${recipient}</recipient>${content}`),
      501,
      /recipient: element recipient/,
    ],
    ['data-content without Name', of(`${recipient}<data-content/>`), 501, /data-content: attribute Name is missing/],
    [
      'data-content with a name in lower case',
      of(`${recipient}<data-content name='P'/>`),
      501,
      /attribute name is not allowed/,
    ],
    [
      'data-content whose Name is no name',
      of(`${recipient}<data-content Name='1'/>`, "originator='a@b' content='#1'"),
      501,
      /Name must be an XML name/,
    ],
    ['a fragment without data-content', of(recipient), 501, /content names no data-content/, 'CONTENT_UNRESOLVED'],
    [
      'a fragment with another Name',
      of(`${recipient}<data-content Name='Q'/>`),
      501,
      /content names no data-content/,
      'CONTENT_UNRESOLVED',
    ],
    [
      'a cid without parts',
      of(recipient, "originator='a@b' content='cid:x@y'"),
      501,
      /names no part/,
      'CONTENT_UNRESOLVED',
    ],
    ['a relative reference', of(recipient, "originator='a@b' content='x.html'"), 501, /absolute URI/],
    ['an empty reference', of(recipient, "originator='a@b' content=''"), 501, /absolute URI/],
    ['an option without transID', withOption("internal='x'"), 501, /option: attribute transID is missing/],
    ['neither internal nor external', withOption("transID='1'"), 501, /exactly one of/],
    ['both internal and external empty', withOption("transID='1' internal='' external=''"), 501, /exactly one of/],
    ['both internal and external', withOption("transID='1' internal='x' external='urn:x'"), 501, /exactly one of/],
    ['an internal that is no token', withOption("transID='1' internal='a b'"), 501, /internal must be a name token/],
    ['an external that is relative', withOption("transID='1' external='x'"), 501, /external must be an absolute URI/],
    ['an unknown targetHop', withOption("transID='1' internal='x' targetHop='next'"), 501, /targetHop must be one of/],
    ['an unknown seeNoEvil', withOption("transID='1' internal='x' seeNoEvil='maybe'"), 501, /seeNoEvil must be one of/],
    [
      'the option attribute of APEX',
      withOption("transID='1' internal='x' mustUnderstand='true'"),
      501,
      /mustUnderstand is not allowed/,
    ],
    ['a localize that is no token', withOption("transID='1' internal='x' localize='a/b'"), 501, /localize must be/],
    ['an attach without endpoint', "<attach transID='1'/>", 501, /attach: attribute endpoint is missing/],
    ['a bind without relay', "<bind transID='1'/>", 501, /bind: attribute relay is missing/],
    ['a bind whose relay is no token', "<bind relay='a b' transID='1'/>", 501, /relay must be a name token/],
    ['a terminate with content', "<terminate transID='1'>x</terminate>", 501, /terminate: it must be empty/],
    ['a terminate with the code of APEX', "<terminate transID='1' code='250'/>", 501, /code is not allowed/],
  ];
  for (const [what, document, code, text, error = 'XML_INVALID'] of rows) {
    const requirement = /internal|external/.test(what) ? 'REQ-IMXP-037' : 'REQ-IMXP-010';
    it(`${requirement} refuses ${what} with ${code}`, () => {
      const found = fault(() => xml(document));
      expect(found.code).to.equal(error);
      expect(found.reply?.code).to.equal(code);
      expect(found.reply?.text).to.match(text);
    });
  }

  for (const transID of ['0', '2147483648', '-1', '+1', '', ' 1', '1.0', '0x1', '99999999999', 'one']) {
    it(`REQ-IMXP-010 refuses the transID "${transID}" with 501`, () => {
      for (const element of [
        `<terminate transID='${transID}'/>`,
        `<attach endpoint='a@b' transID='${transID}'/>`,
        withOption(`internal='x' transID='${transID}'`),
      ]) {
        expect(fault(() => xml(element)).reply?.text).to.match(/transID must be a number from 1 to 2147483647/);
      }
    });
  }

  for (const [what, payload, code] of [
    ['nothing', '', 501],
    ['no headers and no element', '\r\nhello', 501],
    ['another type', 'Content-Type: text/plain\r\n\r\n<ok/>', 501],
    ['another charset', 'Content-Type: text/xml; charset=iso-8859-1\r\n\r\n<ok/>', 501],
    ['a malformed header', 'Content-Type\r\n\r\n<ok/>', 500],
    ['two types', `Content-Type: text/xml\r\n${ALONE}<ok/>`, 500],
    ['multipart/mixed', RELATED.replace('related', 'mixed'), 501],
    ['a multipart of another type', RELATED.replace('type="text/xml"', 'type="text/html"'), 501],
    ['a root of another type', RELATED.replace('Content-Type: text/xml', 'Content-Type: text/html'), 501],
    ['a start that names no part', RELATED.replace('start="<c1', 'start="<c9'), 501],
    ['a cid that names no part', RELATED.replace('cid:c2', 'cid:c9'), 501],
    ['a cid that names the control document', RELATED.replace('cid:c2', 'cid:c1'), 501],
    ['a malformed cid', RELATED.replace('cid:c2', 'cid:%zz'), 501],
    ['a multipart cut short', RELATED.slice(0, -12), 500],
    [
      'a multipart in base64',
      RELATED.replace('Content-Type', 'Content-Transfer-Encoding: base64\r\nContent-Type'),
      500,
    ],
  ] as const) {
    it(`REQ-IMXP-006 refuses ${what} with ${code}`, () => {
      expect(fault(() => decode(payload)).reply?.code).to.equal(code);
    });
  }

  it('enforces its limits, and answers 501 beyond them', () => {
    const small = imxpDialect({ recipients: 2, octets: 300, depth: 3, elements: 6, attributes: 4 });
    const decodes = (document: string) => small.decode(Buffer.from(ALONE + document));
    expect(decodes(of(recipient + recipient + content)).type).to.equal('data');
    for (const over of [
      of(recipient.repeat(3) + content),
      of(`${recipient}<data-content Name='P'>${'x'.repeat(300)}</data-content>`),
      of(`${recipient}<data-content Name='P'><a><b/></a></data-content>`),
      of(`${recipient}<data-content Name='P'><a/><a/><a/><a/></data-content>`),
      of(`${recipient}<data-content Name='P'><a b='' c='' d='' e='' f=''/></data-content>`),
    ]) {
      const error = fault(() => decodes(over));
      expect(error.code, over).to.equal('XML_LIMIT');
      expect(error.reply?.code).to.equal(501);
    }
  });

  it('returns an operation or throws a RemoteProtocolError with 500 or 501 for any octets', () => {
    const piece = fc.constantFrom(
      ALONE,
      RELATED,
      INLINE,
      '\r\n',
      "<data originator='a@b' content='#P'>",
      recipient,
      option,
      content,
      '</data>',
      '--=_m1',
      '<',
      '>',
      "'",
      '\0',
      'é',
      '<terminate',
      " transID='1'",
      '/>',
    );
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }),
        fc.uint8Array({ maxLength: 4 }),
        fc.nat(600),
        (pieces, noise, place) => {
          const text = Buffer.from(pieces.join(''));
          const payload = Buffer.concat([text.subarray(0, place), noise, text.subarray(place)]);
          for (const read of [
            (it: Buffer) => dialect.decode(it),
            (it: Buffer) => dialect.decodeReply(it),
            (it: Buffer) => dialect.decodeInitial(it),
          ]) {
            try {
              read(payload);
            } catch (error) {
              expect(error).to.be.instanceOf(RemoteProtocolError);
              expect((error as RemoteProtocolError).reply?.code).to.be.oneOf([500, 501]);
            }
          }
        },
      ),
      { numRuns: 2000 },
    );
  });

  it('refuses every truncated payload, and trailing octets', () => {
    for (const whole of [INLINE.trimEnd(), RELATED.trimEnd(), `${ALONE}<terminate transID='7'/>`]) {
      for (let length = 0; length < whole.length; length += 1) {
        expect(fault(() => decode(whole.slice(0, length))).reply?.code).to.be.oneOf([500, 501]);
      }
    }
    for (const trailing of ['x', '<a/>', '\0']) {
      expect(fault(() => decode(INLINE + trailing)).reply?.code).to.equal(500);
    }
  });
});
