import { expect } from 'chai';
import { RemoteProtocolError } from '../../lib/errors.js';
import { type Extension, extensionGiven } from '../../lib/imxp/vocabulary/extension.js';
import { readPresence, readPresenceOperation, writePresence } from '../../lib/imxp/vocabulary/presence.js';
import { parseXml } from '../../lib/xml/parse.js';

const read = (text: string) => readPresence(parseXml(Buffer.from(text)));

/** An entry with these attributes of `presence` and `tuple`, and with these elements in them. */
function entry({ attributes = '', inside = '', tupleAttributes = '', insideTuple = '' }): string {
  const until = "availableUntil='1 Jan 2030 00:00:00 +0000'";
  const tuple = `<tuple destination='im:fred@example.com' ${until}${tupleAttributes}>${insideTuple}</tuple>`;
  return `<presence publisher='fred@example.com' lastUpdate='21 Oct 2000 09:58:12 +0000'${attributes}>${tuple}${inside}</presence>`;
}

describe('imxp/extension', () => {
  it('REQ-IMPP-020 REQ-IMPP-021 keeps elements and attributes of other namespaces in an entry and its tuples', () => {
    const value = read(
      entry({
        attributes: " xmlns:m='urn:x:mood' m:mood='happy &amp; &quot;well&quot;'",
        inside: "<m:note>Yabba <b xmlns=''>dabba</b></m:note><card xmlns='urn:x:card'><tel>555</tel></card>",
        tupleAttributes: " xmlns:g='urn:x:geo' g:lane='7'",
        insideTuple: "<g:place m:by='gps'/><capability baseline='rfc2533'>(a=b)</capability>",
      }),
    );
    expect(value.extension).to.deep.equal({
      attributes: [{ name: 'm:mood', namespace: 'urn:x:mood', value: 'happy & "well"' }],
      elements: [
        "<m:note xmlns:m='urn:x:mood'>Yabba <b xmlns=''>dabba</b></m:note>",
        "<card xmlns='urn:x:card'><tel>555</tel></card>",
      ],
    });
    expect(value.tuples[0]?.extension).to.deep.equal({
      attributes: [{ name: 'g:lane', namespace: 'urn:x:geo', value: '7' }],
      elements: ["<g:place xmlns:g='urn:x:geo' xmlns:m='urn:x:mood' m:by='gps' />"],
    });
    for (const form of ['imxp', 'apex'] as const) {
      expect(readPresence(parseXml(Buffer.from(writePresence(value, form))), form).extension).to.deep.equal(
        value.extension,
      );
      expect(readPresence(parseXml(Buffer.from(writePresence(value, form))), form).tuples[0]?.extension).to.deep.equal(
        value.tuples[0]?.extension,
      );
    }
  });

  it('REQ-IMPP-021 knows the prefixes that are declared around the entry', () => {
    const inside = '<x:note>a &lt; b</x:note>';
    const publish = `<publish publisher='fred@example.com' transID='1' timeStamp='21 Oct 2000 09:58:12 +0000' xmlns:x='urn:x'>${entry({ inside })}</publish>`;
    const operation = readPresenceOperation(parseXml(Buffer.from(publish)));
    expect(operation?.type === 'publish' && operation.presence.extension?.elements).to.deep.equal([
      "<x:note xmlns:x='urn:x'>a &lt; b</x:note>",
    ]);
  });

  it('leaves entries without any as they were', () => {
    expect(read(entry({}))).to.not.have.property('extension');
    expect(read(entry({ attributes: " xmlns:x='urn:x' xml:lang='de'" }))).to.not.have.property('extension');
  });

  const wrong: Readonly<Record<string, Parameters<typeof entry>[0]>> = {
    'an element without a namespace': { inside: '<note />' },
    'one in a tuple': { insideTuple: '<note />' },
    'an attribute without a prefix': { attributes: " mood='x'" },
    'a prefix that is not declared': { inside: '<x:note />' },
    'an attribute whose prefix is not declared': { tupleAttributes: " x:a='1'" },
    'a prefix in the element that is not declared': { inside: "<x:note xmlns:x='urn:x'><y:a /></x:note>" },
    'a prefix that stands for nothing': { attributes: " xmlns:x=''" },
    'a reserved prefix': { attributes: " xmlns:xml='urn:x'" },
    'two colons': { inside: "<x:y:z xmlns:x='urn:x' />" },
    'nothing after the colon': { inside: "<x: xmlns:x='urn:x' />" },
    'one attribute by two prefixes': { attributes: " xmlns:x='urn:x' xmlns:y='urn:x' x:a='1' y:a='2'" },
    'a namespace of its own': { attributes: " xmlns='urn:x'" },
    text: { inside: "<x:note xmlns:x='urn:x' />text" },
  };
  for (const [what, parts] of Object.entries(wrong)) {
    it(`REQ-PRES-016 refuses an entry with ${what}`, () => {
      expect(() => read(entry(parts)))
        .to.throw(RemoteProtocolError)
        .with.nested.property('reply.code', 501);
    });
  }

  it('REQ-PRES-016 limits a namespace, of which each element is given a copy', () => {
    const many = '<a:b/>'.repeat(1000);
    const kept = read(entry({ attributes: ` xmlns:a='${'u'.repeat(512)}'`, inside: many }));
    expect(kept.extension?.elements).to.have.length(1000);
    expect(() => read(entry({ attributes: ` xmlns:a='${'u'.repeat(513)}'`, inside: many })))
      .to.throw(RemoteProtocolError, 'longer than 512 characters')
      .with.nested.property('reply.code', 501);
    expect(() => read(entry({ inside: `<b xmlns='${'u'.repeat(513)}' />` }))).to.throw(RemoteProtocolError);
  });

  it('checks what an application gives', () => {
    const given = (elements: readonly string[], attributes: Extension['attributes'] = []) =>
      extensionGiven({ attributes, elements });
    expect(given([])).to.equal(undefined);
    expect(given(["<x:a  xmlns:x='urn:x'  ><![CDATA[<]]></x:a>"])?.elements).to.deep.equal([
      "<x:a xmlns:x='urn:x'>&lt;</x:a>",
    ]);
    const mood = { name: 'x:mood', namespace: 'urn:x', value: '"' };
    expect(given([], [mood])).to.deep.equal({ attributes: [mood], elements: [] });
    for (const elements of [['<a />'], ['text'], ["</e><e xmlns='urn:x'>"], ['<x:a />'], ["<a xmlns='urn:x'>"]]) {
      expect(() => given(elements), elements.join()).to.throw(RemoteProtocolError);
    }
    for (const name of ['mood', 'x:', 'xmlns:x', 'xml:lang']) {
      expect(() => given([], [{ ...mood, name }]), name).to.throw(RemoteProtocolError);
    }
  });
});
