import { expect } from 'chai';
import fc from 'fast-check';
import { RefusedError } from '../../lib/errors.js';
import { contentOf, makeData } from '../../lib/imxp/content.js';
import { APEX_PROFILE, ApexDialect } from '../../lib/imxp/dialect/apex.js';
import { DIALECT_LIMITS } from '../../lib/imxp/dialect/dialect.js';
import type { Data, Operation, Option } from '../../lib/imxp/operation.js';
import {
  data,
  decode as decodeImxp,
  fault,
  dialect as imxp,
  octets,
  RELATED,
  STATUS_REQUEST,
  said,
} from './samples.js';

const apex = new ApexDialect(DIALECT_LIMITS);
const ALONE = 'Content-Type: application/beep+xml\r\n\r\n';
const decode = (text: string): Operation => apex.decode(Buffer.from(text));
const xml = (document: string): Operation => decode(ALONE + document);
const text = (payload: Buffer | Buffer[]): string => octets(payload).toString();
const lines = (...all: readonly string[]): string => `${all.join('\r\n')}\r\n`;

const TO_BARNEY = "<originator identity='fred@example.com' /><recipient identity='barney@example.com' />";
const inline = (children: string): string =>
  `<data content='#P'>${children}<data-content Name='P'><note /></data-content></data>`;

describe('imxp/dialect/apex', () => {
  it('REQ-IMXP-049 reads the examples of RFC 3340 §4.1', () => {
    expect(decode(lines('Content-Type: application/beep+xml', '', "<terminate transID='1' />"))).to.deep.equal({
      type: 'terminate',
      transID: 1,
    });
    const related = data(
      decode(
        lines(
          'Content-Type: multipart/related; boundary="boundary";',
          '              start="<1@example.com>";',
          '              type="application/beep+xml"',
          '',
          '--boundary',
          'Content-Type: application/beep+xml',
          'Content-ID: <1@example.com>',
          '',
          "<data content='cid:2@example.com'>",
          "    <originator identity='fred@example.com' />",
          "    <recipient identity='barney@example.com' />",
          '</data>',
          '--boundary',
          'Content-Type: image/gif',
          'Content-Transfer-Encoding: binary',
          'Content-ID: <2@example.com>',
          '',
          '...',
          '--boundary--',
        ),
      ),
    );
    expect(said(related)).to.deep.equal({
      type: 'data',
      originator: 'fred@example.com',
      content: 'cid:2@example.com',
      recipients: [{ identity: 'barney@example.com', options: [] }],
      options: [],
      dataContent: undefined,
      source: undefined,
    });
    expect(related.source?.profile).to.equal('http://iana.org/beep/APEX');
    const content = contentOf(related);
    expect(content.kind === 'part' && [content.type, content.body.toString()]).to.deep.equal(['image/gif', '...']);
    const report = data(
      decode(
        lines(
          'Content-Type: application/beep+xml',
          '',
          "<data content='#Content'>",
          "    <originator identity='fred@example.com' />",
          "    <recipient identity='barney@example.com' />",
          "    <data-content Name='Content'>",
          "        <statusResponse transID='86'>",
          "            <destination identity='barney@example.com'>",
          "                <reply code='250' />",
          '            </destination>',
          '        </statusResponse>',
          '    </data-content>',
          '</data>',
        ),
      ),
    );
    expect(report.dataContent?.inner.toString()).to.match(/^\s*<statusResponse transID='86'>/);
  });

  it('REQ-IMXP-049 writes operations with the elements and the content type of APEX', () => {
    expect(APEX_PROFILE).to.equal('http://iana.org/beep/APEX');
    expect(text(apex.ok)).to.equal(`${ALONE}<ok />\r\n`);
    expect(apex.encodeInitial({ type: 'attach', endpoint: 'fred@example.com', transID: 1, options: [] })).to.equal(
      "<attach endpoint='fred@example.com' transID='1' />",
    );
    expect(text(apex.encode({ type: 'bind', relay: '[10.0.0.1]', transID: 2, options: [] }))).to.equal(
      `${ALONE}<bind relay='[10.0.0.1]' transID='2' />\r\n`,
    );
    const sent: Data = {
      type: 'data',
      originator: 'fred@example.com',
      originatorOptions: [{ ...STATUS_REQUEST, internal: 'o', seeNoEvil: false }],
      content: '#P',
      recipients: [{ identity: 'barney@example.com', options: [{ ...STATUS_REQUEST, internal: 'r' }] }],
      options: [{ ...STATUS_REQUEST, internal: 'd', localize: 'de en' }],
      dataContent: { name: 'P', inner: Buffer.from('<note />') },
      source: undefined,
    };
    const option = (name: string, flag: boolean, more = ''): string =>
      `<option internal='${name}' targetHop='final' mustUnderstand='${flag}' transID='3301'${more} />`;
    expect(text(apex.encodeData(sent))).to.equal(
      `${ALONE}<data content='#P'>` +
        `<originator identity='fred@example.com'>${option('o', true)}</originator>` +
        `<recipient identity='barney@example.com'>${option('r', false)}</recipient>` +
        `${option('d', false, " localize='de en'")}` +
        "<data-content Name='P'><note /></data-content></data>\r\n",
    );
    expect(said(apex.decode(octets(apex.encodeData(sent))))).to.deep.equal(sent);
  });

  it('REQ-IMXP-055 reads per-originator options', () => {
    const option = "<option internal='x' mustUnderstand='true' transID='7' />";
    const read = data(xml(inline(TO_BARNEY.replace(' />', `>${option}</originator>`))));
    const { originatorOptions = [] } = read;
    expect(originatorOptions.map(({ internal, seeNoEvil }) => [internal, seeNoEvil])).to.deep.equal([['x', false]]);
    expect(read.options).to.deep.equal([]);
  });

  it('REQ-IMXP-052 reads the reason of a terminate, and transID 0 for everything', () => {
    expect(xml('<terminate />')).to.deep.equal({ type: 'terminate', transID: 0 });
    expect(xml("<terminate transID='0' code='250'/>")).to.deep.equal({ type: 'terminate', transID: 0 });
    const overridden = { type: 'terminate', transID: 5, code: 556, text: 'a < b', lang: 'en' } as const;
    expect(xml("<terminate transID='5' code='556' xml:lang='en'>a &lt; b</terminate>")).to.deep.equal(overridden);
    expect(text(apex.encode(overridden))).to.equal(
      `${ALONE}<terminate code='556' xml:lang='en' transID='5'>a &lt; b</terminate>\r\n`,
    );
    expect(apex.decode(apex.encode(overridden))).to.deep.equal(overridden);
    // D-APEX-04
    expect(text(imxp.encode(overridden))).to.match(/<terminate transID='5' \/>/);
    expect(fault(() => decodeImxp("Content-Type: text/xml\r\n\r\n<terminate transID='0' />")).reply?.code).to.equal(
      501,
    );
  });

  for (const [what, document] of [
    ['no originator', "<data content='#P'><recipient identity='a@b'/><data-content Name='P'/></data>"],
    ['the originator behind the recipient', inline(TO_BARNEY.replace(/(<o.*?>)(<r.*>)/, '$2$1'))],
    ['two originators', inline("<originator identity='a@b'/><originator identity='a@b'/><recipient identity='a@b'/>")],
    ['the originator as attribute', `<data originator='a@b' content='#P'>${TO_BARNEY}<data-content Name='P'/></data>`],
    [
      'a name in the originator besides options',
      inline("<originator identity='a@b'><x/></originator><recipient identity='a@b'/>"),
    ],
    ['no recipient', inline("<originator identity='a@b'/>")],
    ['seeNoEvil', inline(`${TO_BARNEY}<option internal='x' seeNoEvil='true' transID='1'/>`)],
    ['a transID too large', "<terminate transID='2147483648'/>"],
    ['a negative transID', "<terminate transID='-1'/>"],
    ['an element in terminate', "<terminate transID='1'><x/></terminate>"],
    ['a code that is none', "<terminate transID='1' code='25'/>"],
    ['transID 0 of attach', "<attach endpoint='a@b' transID='0'/>"],
    ['something else', '<publish/>'],
    ['a reference to nothing', `<data content='#Q'>${TO_BARNEY}<data-content Name='P'/></data>`],
  ] as const) {
    it(`REQ-IMXP-049 refuses ${what} with 501`, () => {
      expect(fault(() => xml(document)).reply?.code).to.equal(501);
    });
  }

  it('REQ-IMXP-053 reads the names of APEX in one notation, and writes them as received', () => {
    const read = data(
      xml(inline("<originator identity='fred smith@example.com'/><recipient identity='b%61rney@example.com'/>")),
    );
    expect(read.originator).to.equal('"fred smith"@example.com');
    expect(read.recipients).to.deep.equal([
      { identity: 'barney@example.com', options: [], written: 'b%61rney@example.com' },
    ]);
    expect(text(apex.encodeData({ ...read, options: [STATUS_REQUEST] })))
      .to.contain("<originator identity='fred smith@example.com' />")
      .and.to.contain("<recipient identity='b%61rney@example.com' />");
    expect(() => apex.encodeData({ ...read, originator: '"a/b"@example.com' }))
      .to.throw(RefusedError)
      .with.nested.property('reply.code', 553);
  });

  it('translates a Data of IMXP and back, with the other parts octet for octet', () => {
    const received = data(decodeImxp(RELATED));
    const changed: Data = {
      ...received,
      originator: 'imxp=report@harbour.example',
      recipients: [{ identity: 'imxp=access@quay.example', options: [{ ...STATUS_REQUEST, seeNoEvil: false }] }],
    };
    const crossed = octets(apex.encodeData(changed));
    const [header = '', control = '', part = '', ...end] = crossed.toString().split(/--=_m1(?:--)?\r\n/);
    expect(header).to.equal(
      'Content-Type: multipart/related; boundary="=_m1";\r\n start="<c1.5f@harbour.example>"; type="application/beep+xml"\r\n\r\n',
    );
    expect(control).to.equal(
      'Content-Type: application/beep+xml\r\nContent-ID: <c1.5f@harbour.example>\r\n\r\n' +
        "<data content='cid:c2.5f@harbour.example'><originator identity='apex=report@harbour.example' />" +
        "<recipient identity='apex=access@quay.example'>" +
        "<option internal='statusRequest' targetHop='final' mustUnderstand='true' transID='3301' />" +
        '</recipient></data>\r\n',
    );
    expect([part, ...end]).to.deep.equal(RELATED.split(/--=_m1(?:--)?\r\n/).slice(2));
    const back = data(imxp.decode(octets(imxp.encodeData(data(apex.decode(crossed))))));
    expect(said(back)).to.deep.equal(said(changed));
  });

  it('REQ-IMXP-055 makes per-originator options per-Data options in IMXP', () => {
    const option = (name: string) => `<option internal='${name}' mustUnderstand='true' transID='7' />`;
    const read = data(xml(inline(`${TO_BARNEY.replace(' />', `>${option('o')}</originator>`)}${option('d')}`)));
    const crossed = data(imxp.decode(octets(imxp.encodeData(read))));
    expect(crossed.options.map(({ internal, seeNoEvil }) => [internal, seeNoEvil])).to.deep.equal([
      ['d', false],
      ['o', false],
    ]);
    expect(crossed.originatorOptions).to.equal(undefined);
  });

  const word = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((one) => !/[^\t\n\r -\uFFFD]/.test(one));
  const name = fc.constantFrom(
    'fred@example.com',
    '"fred smith"/"a b"@example.com',
    '"é"@[192.0.2.9]',
    'apex=x@example.com',
  );
  const transID = fc.integer({ min: 1, max: 2147483647 });
  const option: fc.Arbitrary<Option> = fc.record({
    internal: fc.constantFrom('statusRequest', 'x.y-z_1'),
    external: fc.constant(undefined),
    targetHop: fc.constantFrom('this', 'final', 'all'),
    seeNoEvil: fc.boolean(),
    transID,
    localize: fc.constantFrom('i-default', 'en', 'de en'),
    inner: fc.constantFrom('', '<a/>', "é<b c='d'>&amp;</b>\r\n").map((value) => Buffer.from(value)),
  });
  const options = fc.array(option, { maxLength: 2 });

  it('reads back every operation that it writes', () => {
    const operation = fc.oneof(
      fc.record({ type: fc.constant('attach' as const), endpoint: name, transID, options }),
      fc.record({ type: fc.constant('bind' as const), relay: fc.domain(), transID, options }),
      fc.record({
        type: fc.constant('terminate' as const),
        transID: fc.nat({ max: 2147483647 }),
        code: fc.integer({ min: 300, max: 599 }),
        text: word,
      }),
    );
    fc.assert(
      fc.property(operation, (written) => {
        expect(apex.decode(apex.encode(written))).to.deep.equal(written);
      }),
    );
  });

  it('REQ-IMXP-034 reads back every Data that it writes, with the content octet for octet', () => {
    const made = fc.record({
      originator: name,
      recipients: fc.array(
        fc.record({ identity: fc.constantFrom('barney@rubble.com', 'apex=presence@example.com'), options }),
        { minLength: 1, maxLength: 3 },
      ),
      options,
      content: fc.oneof(
        fc.constantFrom('', '<a/>').map((value) => ({ xml: Buffer.from(value) })),
        fc.uint8Array({ maxLength: 60 }).map((body) => ({ type: 'application/octet-stream', body: Buffer.from(body) })),
      ),
    });
    fc.assert(
      fc.property(made, (parts) => {
        const payload = octets(apex.encodeData(makeData(parts)));
        for (const read of [apex.decode(payload), apex.parse(payload)].map(data)) {
          expect([read.originator, read.recipients, read.options]).to.deep.equal([
            parts.originator,
            parts.recipients,
            parts.options,
          ]);
          const content = contentOf(read);
          if (content.kind === 'part')
            expect(content.body).to.deep.equal('body' in parts.content && parts.content.body);
          else
            expect(content.kind === 'inline' && content.inner).to.deep.equal(
              'xml' in parts.content && parts.content.xml,
            );
        }
      }),
    );
  });
});
