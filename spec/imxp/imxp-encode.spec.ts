import { expect } from 'chai';
import fc from 'fast-check';
import { LocalError } from '../../lib/errors.js';
import { contentOf, makeData } from '../../lib/imxp/content.js';
import type { Data, OperationReply, Option } from '../../lib/imxp/operation.js';
import { contiguous } from '../../lib/mime/payload.js';
import {
  ALONE,
  data,
  decode,
  dialect,
  fault,
  INLINE,
  octets,
  parser,
  RELATED,
  STATUS_REQUEST,
  said,
  xml,
} from './samples.js';

describe('imxp/dialect/imxp: encode', () => {
  const text = (payload: Buffer | Buffer[]) => octets(payload).toString();

  it('writes operations as core-01 §4.1 shows them', () => {
    expect(text(dialect.encode({ type: 'terminate', transID: 71 }))).to.equal(`${ALONE}<terminate transID='71' />\r\n`);
    expect(text(dialect.encode({ type: 'terminate', transID: 71 }))).to.have.length(54);
    expect(text(dialect.encode({ type: 'attach', endpoint: 'a@b', transID: 1, options: [] }))).to.equal(
      `${ALONE}<attach endpoint='a@b' transID='1' />\r\n`,
    );
    expect(text(dialect.ok)).to.equal(`${ALONE}<ok />\r\n`);
    expect(dialect.ok).to.have.length(34);
    expect(dialect.encodeReply({ type: 'ok' })).to.equal(dialect.ok);
    expect(text(dialect.encodeReply({ type: 'error', code: 550, text: 'a < b', lang: undefined }))).to.equal(
      `${ALONE}<error code='550'>a &lt; b</error>\r\n`,
    );
  });

  it('REQ-IMXP-005 writes and reads initialization messages, without MIME headers', () => {
    const attach = { type: 'attach', endpoint: "o'hara@example.com", transID: 71, options: [STATUS_REQUEST] } as const;
    const bind = { type: 'bind', relay: 'example.com', transID: 9, options: [] } as const;
    expect(dialect.encodeInitial(bind)).to.equal("<bind relay='example.com' transID='9' />");
    for (const operation of [attach, bind]) {
      expect(dialect.decodeInitial(Buffer.from(dialect.encodeInitial(operation)))).to.deep.equal(operation);
    }
    expect(dialect.encodeInitialReply({ type: 'ok' })).to.equal('<ok />');
    expect(dialect.decodeInitialReply(Buffer.from("<error code='537' xml:lang='en'>no</error>"))).to.deep.equal({
      type: 'error',
      code: 537,
      text: 'no',
      lang: 'en',
    });
    expect(fault(() => dialect.decodeInitial(Buffer.from("<terminate transID='1'/>"))).reply?.code).to.equal(501);
    expect(fault(() => dialect.decodeInitial(Buffer.from('hello'))).reply?.code).to.equal(500);
  });

  it('reads ok in any spelling', () => {
    for (const spelling of [
      `${ALONE}<ok />\r\n`,
      `${ALONE}<ok />`,
      `${ALONE}<ok/>`,
      '\r\n<ok />',
      '\r\n<ok/>\r\n',
      'Content-Type: application/beep+xml\r\n\r\n<ok />\r\n',
      `${ALONE}<ok></ok>`,
      'X: y\r\n\r\n<ok  />',
      `${ALONE}<!-- fine --><ok/>\n`,
    ]) {
      expect(dialect.decodeReply(Buffer.from(spelling)), spelling).to.deep.equal({ type: 'ok' });
    }
  });

  it('D-CORE-07 REQ-IMXP-010 refuses replies that are neither ok nor error as the DTD has them', () => {
    for (const [reply, code] of [
      ['<ok>x</ok>', 501],
      ["<ok x='1'/>", 501],
      ['<error>x</error>', 501],
      ["<error code='55'>x</error>", 501],
      ["<error code='550'><x/></error>", 501],
      ["<data originator='a@b' content='#P'/>", 501],
      ['<ok', 500],
    ] as const) {
      expect(fault(() => dialect.decodeReply(Buffer.from(ALONE + reply))).reply?.code, reply).to.equal(code);
    }
  });

  it('accepts any three-digit code in an error', () => {
    expect(dialect.decodeReply(Buffer.from(`${ALONE}<error code='999'/>`))).to.deep.equal({
      type: 'error',
      code: 999,
      text: '',
      lang: undefined,
    });
  });

  it('writes an error with any text', () => {
    const reply = { type: 'error', code: 550, text: 'a\0b\ud800]]>\r\n', lang: undefined } as const;
    expect(dialect.decodeReply(dialect.encodeReply(reply))).to.deep.equal({ ...reply, text: 'a\uFFFDb\uFFFD]]>\r\n' });
  });

  const word = fc.string({ unit: 'grapheme', maxLength: 12 }).filter((value) => !/[^\t\n\r -\uFFFD]/.test(value));
  const token = fc.constantFrom('statusRequest', 'dataTiming', 'x.y-z_1');
  const uri = fc.constantFrom('http://example.com/o#x', 'urn:x');
  const inner = fc
    .constantFrom('', '<a/>', "é<b c='d'>&amp;</b>\r\n", '<![CDATA[<]]>')
    .map((value) => Buffer.from(value));
  const transID = fc.integer({ min: 1, max: 2147483647 });
  const option: fc.Arbitrary<Option> = fc
    .record({
      name: fc.oneof(token, uri),
      targetHop: fc.constantFrom('this', 'final', 'all'),
      seeNoEvil: fc.boolean(),
      transID,
      localize: fc.constantFrom('i-default', 'en', 'de en'),
      inner,
    })
    .map(({ name, ...rest }) => ({
      ...rest,
      internal: name.includes(':') ? undefined : name,
      external: name.includes(':') ? name : undefined,
    }));
  const options = fc.array(option, { maxLength: 2 });

  it('reads back every attach, bind and terminate that it writes', () => {
    const operation = fc.oneof(
      fc.record({ type: fc.constant('attach' as const), endpoint: word, transID, options }),
      fc.record({ type: fc.constant('bind' as const), relay: fc.domain(), transID, options }),
      fc.record({ type: fc.constant('terminate' as const), transID }),
    );
    fc.assert(
      fc.property(operation, (written) => {
        expect(dialect.decode(dialect.encode(written))).to.deep.equal(written);
      }),
    );
  });

  it('reads back every reply that it writes', () => {
    const reply: fc.Arbitrary<OperationReply> = fc.record({
      type: fc.constant('error' as const),
      code: fc.integer({ min: 100, max: 599 }),
      text: word,
      lang: fc.constantFrom(undefined, 'en', 'i-default'),
    });
    fc.assert(
      fc.property(reply, (written) => {
        expect(dialect.decodeReply(dialect.encodeReply(written))).to.deep.equal(written);
      }),
    );
  });

  const recipients = fc.array(fc.record({ identity: word, options }), { minLength: 1, maxLength: 3 });
  const made = fc.record({
    originator: word,
    recipients,
    options,
    content: fc.oneof(
      inner.map((value) => ({ xml: value })),
      fc.uint8Array({ maxLength: 60 }).map((body) => ({ type: 'application/octet-stream', body: Buffer.from(body) })),
      uri.map((value) => ({ uri: value })),
    ),
  });

  it('REQ-IMXP-034 reads back every Data that it writes, with the content octet for octet', () => {
    fc.assert(
      fc.property(made, (parts) => {
        const written = makeData(parts);
        const read = data(dialect.decode(octets(dialect.encodeData(written))));
        expect(said(read)).to.deep.equal(said(written));
        const content = contentOf(read);
        if (content.kind === 'part') {
          expect(content.body).to.deep.equal('body' in parts.content && parts.content.body);
        } else if (content.kind === 'inline') {
          expect(content.inner).to.deep.equal('xml' in parts.content && parts.content.xml);
        }
        expect(said(parser.parse(octets(dialect.encodeData(written))))).to.deep.equal(said(written));
      }),
    );
  });

  it('REQ-IMXP-034 writes only the control document again when recipients and options change', () => {
    const changes = fc.record({ recipients, options });
    const preamble = RELATED.replace('\r\n--=_m1', '\r\nignore me\r\n--=_m1').replace(
      'Content-ID: <c2',
      'X-Kept:  as it\r\n  is\r\nContent-ID: <c2',
    );
    for (const source of [INLINE, RELATED, preamble]) {
      const received = data(decode(source));
      fc.assert(
        fc.property(changes, (changed) => {
          const sent = octets(dialect.encodeData({ ...received, ...changed }));
          expect(said(dialect.decode(sent))).to.deep.equal({ ...said(received), ...changed });
          const text = sent.toString();
          const [before = ''] = source.split('<data', 1);
          const after = source.slice(source.lastIndexOf(source === INLINE ? '</data>' : '</data>\r\n') + 7);
          expect(text.startsWith(before)).to.equal(true);
          expect(text.endsWith(source === INLINE ? '' : after.slice(2))).to.equal(true);
        }),
        { numRuns: 50 },
      );
    }
  });

  it('reuses large content as views', () => {
    const body = Buffer.alloc(100_000, 'x');
    const received = data(
      dialect.decode(
        octets(
          dialect.encodeData(
            makeData({ originator: 'a@b', recipients: ['c@d'], content: { type: 'text/plain', body } }),
          ),
        ),
      ),
    );
    const pieces = dialect.encodeData({ ...received, recipients: [{ identity: 'e@f', options: [] }] });
    expect(Array.isArray(pieces) && pieces.at(-1)?.buffer).to.equal(contiguous(received.source?.payload ?? []).buffer);
    expect(octets(pieces).includes(body)).to.equal(true);

    const inline = data(
      xml(
        `<data originator='a@b' content='#P'><recipient identity='c@d'/><data-content Name='P'>${'x'.repeat(100_000)}</data-content></data>`,
      ),
    );
    const sent = dialect.encodeData({ ...inline, recipients: [{ identity: 'e@f', options: [] }] });
    expect(Array.isArray(sent) && sent).to.include(inline.dataContent?.inner);
  });

  it('writes a control document again that arrived in a transfer encoding', () => {
    const [, document = ''] = /(<data[\s\S]*<\/data>)/.exec(RELATED) ?? [];
    const encoded = RELATED.replace(document, `${Buffer.from(document).toString('base64')}`).replace(
      'Content-Type: text/xml',
      'Content-Type: text/xml\r\nContent-Transfer-Encoding: base64',
    );
    const received = data(decode(encoded));
    expect(said(received)).to.deep.equal(said(decode(RELATED)));
    const sent = octets(dialect.encodeData(received));
    expect(sent.includes('base64')).to.equal(false);
    expect(said(dialect.decode(sent))).to.deep.equal(said(received));
  });

  it('D-APEX-05 takes over what another dialect has received, with its own content type', () => {
    const received = data(
      decode(
        RELATED.replace('type="text/xml"', 'type="application/beep+xml"').replace(
          'Content-Type: text/xml',
          'Content-Type: application/beep+xml',
        ),
      ),
    );
    if (received.source === undefined) {
      throw new Error('no source');
    }
    const sent = octets(
      dialect.encodeData({
        ...received,
        source: { profile: 'http://iana.org/beep/APEX', payload: received.source.payload },
      }),
    );
    expect(sent.includes('beep+xml')).to.equal(false);
    expect(said(dialect.decode(sent))).to.deep.equal(said(received));
    const content = contentOf(data(dialect.decode(sent)));
    expect(content.kind === 'part' && content.body.toString()).to.equal('tide is in');
  });

  it('refuses to write a Data whose part does not exist', () => {
    const homeless: Data = { ...data(decode(RELATED)), source: undefined };
    expect(() => dialect.encodeData(homeless)).to.throw(LocalError, 'no message to take it from');
  });
});
