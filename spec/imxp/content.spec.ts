import { expect } from 'chai';
import { LocalError, RemoteProtocolError } from '../../lib/errors.js';
import { contentOf, type MadeContent, makeData } from '../../lib/imxp/content.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Data } from '../../lib/imxp/operation.js';
import { parseEntity } from '../../lib/mime/entity.js';

const dialect = imxpDialect();
const make = (content: MadeContent) =>
  makeData({ originator: 'fred@example.com', recipients: ['barney@rubble.com'], content });

function sent(data: Data): Buffer {
  const payload = dialect.encodeData(data);
  return Buffer.isBuffer(payload) ? payload : Buffer.concat(payload);
}

describe('imxp/content', () => {
  it('REQ-IMXP-009 puts XML into the control document and refers to it by a fragment', () => {
    const data = make({ xml: '<note>tide is in</note>', name: 'Payload' });
    expect(data.content).to.equal('#Payload');
    expect(sent(data).toString()).to.equal(
      "Content-Type: text/xml\r\n\r\n<data originator='fred@example.com' content='#Payload'>" +
        "<recipient identity='barney@rubble.com' /><data-content Name='Payload'><note>tide is in</note></data-content></data>\r\n",
    );
    expect(contentOf(data)).to.deep.equal({ kind: 'inline', inner: Buffer.from('<note>tide is in</note>') });
  });

  it('REQ-IMXP-007 puts other content into a part with a globally unique Content-ID and refers to it by cid', () => {
    const [one, two] = [
      make({ type: 'text/plain', body: Buffer.from('x') }),
      make({ type: 'text/plain', body: Buffer.from('x') }),
    ];
    expect(one.content).to.match(/^cid:[\w-]{16}@example\.com$/);
    expect(one.content).not.to.equal(two.content);
    const payload = sent(one).toString();
    expect(payload).to.include(`Content-ID: <${one.content.slice(4)}>`);
    expect(parseEntity(sent(one)).headers.mediaType()?.parameters.get('type')).to.equal('text/xml');
  });

  it('REQ-IMXP-008 writes parts as binary, and accepts headers for them', () => {
    const data = make({
      type: 'text/plain; charset=UTF-8',
      body: Buffer.from([0, 255, 13, 10]),
      headers: [{ name: 'Subject', value: 'tide' }],
    });
    const content = contentOf(data);
    expect(content.kind).to.equal('part');
    if (content.kind === 'part') {
      expect(content.type).to.equal('text/plain');
      expect(content.headers.mediaType()?.parameters.get('charset')).to.equal('UTF-8');
      expect(content.headers.get('Subject')).to.equal('tide');
      expect(content.headers.get('Content-Transfer-Encoding')).to.equal('binary');
      expect([...content.body]).to.deep.equal([0, 255, 13, 10]);
    }
  });

  it('sends the content that it has made', () => {
    const data = make({ type: 'text/plain', body: Buffer.from('x') });
    expect(sent(data)).to.deep.equal(data.source?.payload);
  });

  it('refers to content elsewhere', () => {
    expect(contentOf(make({ uri: 'http://example.com/a' }))).to.deep.equal({
      kind: 'uri',
      uri: 'http://example.com/a',
    });
  });

  it('decodes the transfer encodings of others', () => {
    const text = sent(make({ type: 'text/plain', body: Buffer.from('aGVsbG8=') }))
      .toString()
      .replace('Encoding: binary', 'Encoding: base64');
    const data = dialect.decode(Buffer.from(text));
    const content = data.type === 'data' ? contentOf(data) : undefined;
    expect(content?.kind === 'part' && content.body.toString()).to.equal('hello');
  });

  it('refuses to make content that could not be read', () => {
    for (const content of [
      { xml: '<a>' },
      { xml: '</x><x>' },
      { xml: '&nbsp;' },
      { uri: 'a.html' },
      { uri: 'cid:a@b' },
      { type: 'text', body: Buffer.from('') },
      { type: 'text/plain\r\nX: y', body: Buffer.from('') },
      { type: 'text/plain', body: Buffer.from(''), headers: [{ name: 'X', value: 'a\r\nb' }] },
    ]) {
      expect(() => make(content), JSON.stringify(content)).to.throw(LocalError);
    }
    expect(() => makeData({ originator: 'a@b', recipients: [], content: { xml: '' } })).to.throw(
      LocalError,
      'recipient',
    );
    expect(
      () =>
        make({ xml: '', name: 'P' }) &&
        sent(makeData({ originator: 'a\0@b', recipients: ['c@d'], content: { xml: '' } })),
    ).to.throw(LocalError);
  });

  it('says what a reference does not find', () => {
    const data = make({ xml: 'x' });
    for (const broken of [
      { ...data, content: '#Other' },
      { ...data, content: 'cid:a@b' },
      { ...data, dataContent: undefined },
    ]) {
      expect(() => contentOf(broken))
        .to.throw(RemoteProtocolError)
        .with.property('code', 'CONTENT_UNRESOLVED');
    }
  });
});
