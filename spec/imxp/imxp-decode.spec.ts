import { expect } from 'chai';
import { contentOf } from '../../lib/imxp/content.js';
import { IMXP_PROFILE } from '../../lib/imxp/dialect/imxp.js';
import { contiguous } from '../../lib/mime/payload.js';
import { data, decode, dialect, INLINE, octets, RELATED, STATUS_REQUEST, said, xml } from './samples.js';

describe('imxp/dialect/imxp: decode', () => {
  it('REQ-IMXP-004 has the profile of IMXP', () => {
    expect(dialect.profile).to.equal('http://xml.resource.org/profiles/IMXP');
  });

  it('REQ-IMXP-009 reads inline content with an option', () => {
    const operation = data(decode(INLINE));
    expect(said(operation)).to.deep.equal({
      type: 'data',
      originator: 'ines@harbour.example',
      content: '#Payload',
      recipients: [{ identity: 'otto@quay.example', options: [] }],
      options: [STATUS_REQUEST],
      dataContent: { name: 'Payload', inner: Buffer.from('\r\n      <note>tide is in</note>\r\n   ') },
      source: undefined,
    });
    expect(operation.source?.profile).to.equal(IMXP_PROFILE);
    expect(operation.source?.payload.toString()).to.equal(INLINE);
  });

  it('REQ-IMXP-006 reads a control document that is the root of a multipart/related', () => {
    const operation = data(decode(RELATED));
    expect(said(operation)).to.deep.equal({
      type: 'data',
      originator: 'ines@harbour.example',
      content: 'cid:c2.5f@harbour.example',
      recipients: [{ identity: 'otto@quay.example', options: [] }],
      options: [],
      dataContent: undefined,
      source: undefined,
    });
    const content = contentOf(operation);
    expect(content.kind === 'part' && [content.type, content.body.toString()]).to.deep.equal([
      'text/plain',
      'tide is in',
    ]);
  });

  it('reads the report of core-01 §6.2', () => {
    const report = `<data originator='imxp=report@quay.example' content='#R'>
  <recipient identity='ines@harbour.example' />
  <data-content Name='R'>
    <statusResponse transID='3301'>
      <destination identity='otto@quay.example'>
        <reply code='250' transID='3301' />
      </destination>
    </statusResponse>
  </data-content>
</data>`;
    expect(data(xml(report)).dataContent?.inner.toString()).to.match(
      /^\s+<statusResponse[\s\S]*<\/statusResponse>\s+$/,
    );
  });

  it('reads attach, bind and terminate', () => {
    expect(xml("<attach endpoint='ines@harbour.example' transID='71'/>")).to.deep.equal({
      type: 'attach',
      endpoint: 'ines@harbour.example',
      transID: 71,
      options: [],
    });
    expect(xml("<bind relay='harbour.example' transID='9'/>")).to.deep.equal({
      type: 'bind',
      relay: 'harbour.example',
      transID: 9,
      options: [],
    });
    expect(xml("<terminate transID='71' />\r\n")).to.deep.equal({ type: 'terminate', transID: 71 });
    expect(
      xml("<attach endpoint='a@b' transID='802'>\n<option internal='attachOverride' transID='803' /></attach>"),
    ).to.deep.equal({
      type: 'attach',
      endpoint: 'a@b',
      transID: 802,
      options: [{ ...STATUS_REQUEST, internal: 'attachOverride', transID: 803 }],
    });
  });

  it('reads every attribute of an option, and its content verbatim', () => {
    const option =
      "<option external='http://example.com/o#x' targetHop='all' seeNoEvil='false' transID='2147483647' localize='de en'> <a/>é </option>";
    const expected = {
      internal: undefined,
      external: 'http://example.com/o#x',
      targetHop: 'all',
      seeNoEvil: false,
      transID: 2147483647,
      localize: 'de en',
      inner: Buffer.from(' <a/>é '),
    };
    const inline = "<data-content Name='P'/>";
    const operation = data(
      xml(
        `<data originator='a@b' content='#P'><recipient identity='c@d'>${option}</recipient>${option}${inline}</data>`,
      ),
    );
    expect(operation.options).to.deep.equal([expected]);
    expect(operation.recipients).to.deep.equal([{ identity: 'c@d', options: [expected] }]);
  });

  it('REQ-IMXP-037 takes an empty internal or external as absent', () => {
    const attach = (attributes: string) =>
      xml(`<attach endpoint='a@b' transID='1'><option ${attributes} transID='1'/></attach>`);
    expect(attach("internal='x' external=''")).to.have.nested.property('options[0].internal', 'x');
    expect(attach("internal='' external='urn:x'")).to.have.nested.property('options[0].external', 'urn:x');
    expect(attach("internal='' external='urn:x'")).to.have.nested.property('options[0].internal', undefined);
  });

  it('REQ-IMXP-006 accepts text/xml in any spelling, and application/beep+xml', () => {
    const document = "<terminate transID='71' />";
    for (const header of [
      'content-type: TEXT/XML\r\n\r\n',
      'Content-Type: text/xml; charset="utf-8"\r\n\r\n',
      'Content-Type: text/xml; charset=US-ASCII (why not)\r\nX-Other: y\r\n\r\n',
      'Content-Type:\r\n text/xml\r\n\r\n',
      'Content-Type: application/beep+xml\r\n\r\n',
      '\r\n',
      'X-Other: y\r\n\r\n',
      'Content-Type: text/xml\r\n\r\n<?xml version="1.0" encoding="UTF-8"?>\r\n<!-- a -->',
    ]) {
      expect(decode(header + document), header).to.deep.equal({ type: 'terminate', transID: 71 });
    }
    const encoded = Buffer.from(document).toString('base64');
    expect(decode(`Content-Type: text/xml\r\nContent-Transfer-Encoding: base64\r\n\r\n${encoded}`)).to.deep.equal({
      type: 'terminate',
      transID: 71,
    });
  });

  it('REQ-IMXP-006 finds the root by the start parameter wherever it is, and takes the first part without one', () => {
    const [head = '', control = '', content = ''] = RELATED.split('--=_m1\r\n');
    const body = content.replace('\r\n--=_m1--\r\n', '');
    const swapped = `${head}--=_m1\r\n${body}\r\n--=_m1\r\n${control}--=_m1--`;
    expect(said(decode(swapped))).to.deep.equal(said(decode(RELATED)));
    expect(said(decode(RELATED.replace(' start="<c1.5f@harbour.example>";', '')))).to.deep.equal(said(decode(RELATED)));
  });

  it('decodes cid URLs (RFC 2392)', () => {
    const text = RELATED.replaceAll('<c2.5f@harbour.example>', '<c%2@harbour.example>').replace(
      'cid:c2.5f@',
      'cid:c%252%40',
    );
    const operation = data(decode(text));
    expect(contentOf(operation)).to.have.property('kind', 'part');
    expect(data(decode(RELATED.replace('cid:c2', 'CID:c2')))).to.have.property('content', 'CID:c2.5f@harbour.example');
  });

  it('REQ-IMXP-063 accepts any absolute URI as a reference, with or without a fragment', () => {
    for (const uri of ['http://example.com/a?b=c#d', 'mid:a@b', 'urn:x:y']) {
      expect(
        contentOf(data(xml(`<data originator='a@b' content='${uri}'><recipient identity='c@d'/></data>`))),
      ).to.deep.equal({ kind: 'uri', uri });
    }
  });

  it('REQ-IMXP-010 accepts xml:lang and xml:space on every element', () => {
    const text =
      "<data xml:lang='en' originator='a@b' content='#P'><recipient xml:space='default' identity='c@d'/><data-content Name='P' xml:space='preserve'>x</data-content></data>";
    expect(data(xml(text)).dataContent?.inner.toString()).to.equal('x');
  });

  it('accepts white space before the document, with or without headers, but not before an XML declaration', () => {
    const ok = (payload: string) => dialect.decodeReply(Buffer.from(payload)).type;
    const spaces = ['', '\r\n', ' ', '\t', '\n \r\n'];
    for (const header of ['\r\n', 'Content-Type: text/xml\r\n\r\n']) {
      for (const space of spaces) expect(ok(`${header}${space}<ok />${space}`), `${header}${space}`).to.equal('ok');
      expect(ok(`${header}<?xml version='1.0'?>\r\n<ok />`)).to.equal('ok');
      expect(() => ok(`${header} <?xml version='1.0'?><ok />`)).to.throw(/well-formed/);
    }
    for (const space of spaces) {
      const operation = data(
        decode(`\r\n${space}<data originator='a@b' content='http://c/'><recipient identity='d@e'/></data>`),
      );
      expect(operation.source?.controlStart, 'it is forwarded whole').to.be.at.least(2);
      expect(() => ok(`\r\n${space}hello`), 'no XML').to.throw(/no Content-Type/);
    }
  });

  it('D-CORE-04 adds the default Content-Type to a forwarded payload that has none', () => {
    const document = "<data originator='a@b' content='http://c/'><recipient identity='d@e'/></data>";
    for (const [came, forwarded] of [
      [`\r\n${document}`, `Content-Type: text/xml\r\n\r\n${document}`],
      [`X-Other: y\r\n\r\n${document}\r\n`, `Content-Type: text/xml\r\nX-Other: y\r\n\r\n${document}\r\n`],
    ] as const) {
      const operation = data(decode(came));
      expect(operation.source?.payload.toString()).to.equal(forwarded);
      const { payload, controlStart, controlEnd } = operation.source ?? { payload: Buffer.alloc(0) };
      expect(contiguous(payload).subarray(controlStart, controlEnd).toString().trim()).to.equal(document);
      const changed = { ...operation, recipients: [{ identity: 'f@g', options: [] }] };
      expect(octets(dialect.encodeData(changed)).toString()).to.match(
        /^Content-Type: text\/xml\r\n(?:.|\s)*<recipient identity='f@g'/,
      );
    }
  });

  it('D-CORE-04 adds it to the root of a multipart, too', () => {
    const untyped = RELATED.replace('--=_m1\r\nContent-Type: text/xml\r\n', '--=_m1\r\n');
    expect(untyped).not.to.equal(RELATED);
    expect(data(decode(untyped)).source?.payload.toString()).to.equal(RELATED);
  });
});
