import { expect } from 'chai';
import fc from 'fast-check';
import sax from 'sax';
import { RemoteProtocolError } from '../../lib/errors.js';
import { elementsOf, parseXml, textOf, type XmlElement, type XmlLimits } from '../../lib/xml/parse.js';
import { escapeAttribute, escapeText } from '../../lib/xml/write.js';

const parse = (text: string, limits?: Partial<XmlLimits>) => parseXml(Buffer.from(text), limits);

function fault(text: string | Buffer, limits?: Partial<XmlLimits>): RemoteProtocolError {
  try {
    parseXml(Buffer.from(text as string), limits);
  } catch (error) {
    if (error instanceof RemoteProtocolError) {
      return error;
    }
    throw error;
  }
  throw new Error(`accepted: ${text}`);
}

describe('xml/parse', () => {
  it('gives elements, attributes and text', () => {
    const root = parse("<a x='1' y=\"two\">one<b/>two<c z='&lt;&#65;&#x42;'> three </c></a>");
    expect(root.name).to.equal('a');
    expect([...root.attributes]).to.deep.equal([
      ['x', '1'],
      ['y', 'two'],
    ]);
    expect(root.children.map((child) => (typeof child === 'string' ? child : child.name))).to.deep.equal([
      'one',
      'b',
      'two',
      'c',
    ]);
    expect(elementsOf(root)[1]?.attributes.get('z')).to.equal('<AB');
    expect(textOf(root)).to.equal('onetwo three ');
  });

  it('gives octet offsets, also after characters of several octets', () => {
    const text = "\uFEFF<?xml version='1.0'?>\n<!-- é --><a t='é'>€<b>𝄞</b >x<c / ></a>".replace('/ >', '/>');
    const octets = Buffer.from(text);
    const root = parseXml(octets);
    const slice = (start: number, end: number) => octets.subarray(start, end).toString();
    expect(slice(root.start, root.end)).to.equal("<a t='é'>€<b>𝄞</b >x<c /></a>");
    expect(slice(root.innerStart, root.innerEnd)).to.equal('€<b>𝄞</b >x<c />');
    const [b, c] = elementsOf(root);
    expect(b && slice(b.start, b.end)).to.equal('<b>𝄞</b >');
    expect(b && slice(b.innerStart, b.innerEnd)).to.equal('𝄞');
    expect(c && slice(c.start, c.end)).to.equal('<c />');
    expect(c && [c.innerStart, c.innerEnd]).to.deep.equal([c?.end, c?.end]);
  });

  it('treats CDATA as text and leaves out comments and processing instructions', () => {
    const root = parse('<?p before?><a>x<![CDATA[<&]]]]>y<!-- no -->z<!----><?p i?><!-- a --></a><!-- after -->\n');
    expect(root.children).to.deep.equal(['x<&]]yz']);
  });

  it('normalizes line ends in text and white space in attributes', () => {
    const root = parse("<a x='1\r\n2\t3\n4\r5&#10;6'>a\r\nb\rc&#13;d</a>");
    expect(root.attributes.get('x')).to.equal('1 2 3 4 5\n6');
    expect(textOf(root)).to.equal('a\nb\nc\rd');
  });

  it('accepts attributes with the names of object properties', () => {
    const root = parse("<a hasOwnProperty='1' __proto__='2' constructor='3' toString='4'/>");
    expect([...root.attributes.values()]).to.deep.equal(['1', '2', '3', '4']);
  });

  it('treats an element named script like any other', () => {
    expect(elementsOf(parse('<a><script>1<b/></script></a>'))[0]?.children).to.have.length(2);
  });

  it('accepts long text, attributes and comments', () => {
    const long = 'x'.repeat(200_000);
    expect(textOf(parse(`<a b='${long}'><!--${long}-->${long}</a>`))).to.equal(long);
  });

  for (const [what, text] of [
    ['nothing', ''],
    ['white space only', ' \n'],
    ['a comment only', '<!-- a -->'],
    ['text only', 'hello'],
    ['an unclosed element', '<a>'],
    ['an unclosed tag', '<a'],
    ['an unmatched end tag', '<a></b>'],
    ['crossed elements', '<a><b></a></b>'],
    ['an end tag alone', '</a>'],
    ['two roots', '<a/><b/>'],
    ['text before the root', 'x<a/>'],
    ['text after the root', '<a/>x'],
    ['a reference after the root', '<a/>&#32;'],
    ['CDATA after the root', '<a/><![CDATA[x]]>'],
    ['a second byte order mark', '\uFEFF\uFEFF<a/>'],
    ['a byte order mark after the root', '<a/>\uFEFF'],
    ['< in an attribute', "<a b='<'/>"],
    ['duplicate attributes', "<a b='1' b='1'/>"],
    ['an attribute without quotes', '<a b=1/>'],
    ['an attribute without value', '<a b/>'],
    ['attributes without white space between', "<a b='1'c='2'/>"],
    ['a name that begins with a digit', '<1a/>'],
    ['an attribute name that begins with a hyphen', "<a -b='1'/>"],
    ['white space before a name', '< a/>'],
    ['an undefined entity', '<a>&nbsp;</a>'],
    ['an entity in capitals', '<a>&LT;</a>'],
    ['an entity named as an object property', '<a>&constructor;</a>'],
    ['an undefined entity in an attribute', "<a b='&nbsp;'/>"],
    ['a bare ampersand', '<a>a & b</a>'],
    ['a bare ampersand in an attribute', "<a b='a & b'/>"],
    ['a numeric reference to NUL', '<a>&#0;</a>'],
    ['a numeric reference to a control character', '<a>&#x1F;</a>'],
    ['a numeric reference to a surrogate', '<a>&#xD800;</a>'],
    ['a numeric reference beyond Unicode', '<a>&#x110000;</a>'],
    ['a numeric reference with capital X', '<a>&#X41;</a>'],
    ['a control character', '<a>\u0001</a>'],
    ['U+FFFE', '<a>\uFFFE</a>'],
    [']]> in text', '<a>]]></a>'],
    ['-- in a comment', '<a><!-- a -- b --></a>'],
    ['a comment ending in three hyphens', '<a><!-- a ---></a>'],
    ['an unclosed comment', '<a><!-- a</a>'],
    ['an unclosed comment after the root', '<a/><!-- a'],
    ['a CDATA section in small letters', '<a><![cdata[x]]></a>'],
    ['a CDATA section in mixed letters', '<a><![CDATa[x]]></a>'],
    ['an empty CDATA section in small letters', '<a><![cdata[]]></a>'],
    ['an unclosed CDATA section', '<a><![CDATA[ a</a>'],
    ['a processing instruction without a name', '<a><? b?></a>'],
    ['an XML declaration after white space', ' <?xml version="1.0"?><a/>'],
    ['an XML declaration inside', '<a><?xml version="1.0"?></a>'],
    ['an XML declaration without version', '<?xml encoding="UTF-8"?><a/>'],
    ['a processing instruction named XML', '<?XML version="1.0"?><a/>'],
    ['a declaration', '<a><!ELEMENT a ANY></a>'],
  ] as const) {
    it(`refuses ${what} with 500`, () => {
      const error = fault(text);
      expect(error.code).to.equal('XML_NOT_WELL_FORMED');
      expect(error.reply?.code).to.equal(500);
    });
  }

  it('refuses octets that are not UTF-8 with 500', () => {
    for (const octets of [[0xff], [0xc3], [0xc0, 0x80], [0xed, 0xa0, 0x80]]) {
      const error = fault(Buffer.concat([Buffer.from('<a>'), Buffer.from(octets), Buffer.from('</a>')]));
      expect(error.code).to.equal('XML_NOT_WELL_FORMED');
    }
  });

  it('refuses a DOCTYPE and another encoding with 501', () => {
    for (const text of [
      '<!DOCTYPE a><a/>',
      '<!DOCTYPE a [<!ENTITY e "x">]><a>&e;</a>',
      '<?xml version="1.0" encoding="ISO-8859-1"?><a>\u00e9</a>',
      '<?xml version="1.0" encoding="UTF-16"?><a/>',
    ]) {
      const error = fault(text);
      expect(error.code).to.equal('XML_INVALID');
      expect(error.reply?.code).to.equal(501);
    }
    expect(parse('<?xml version="1.0" encoding="utf-8" standalone=\'yes\' ?><a/>').name).to.equal('a');
  });

  it('accepts another encoding in the declaration of a document that is ASCII alone, and other names of UTF-8', () => {
    for (const encoding of ['ISO-8859-1', 'iso-8859-15', 'windows-1252', 'ASCII', 'UTF8', 'utf-8']) {
      expect(parse(`<?xml version="1.0" encoding="${encoding}"?><a/>`).name, encoding).to.equal('a');
    }
    expect(parse('<?xml version="1.0" encoding="UTF8"?><a>\u00e9</a>').children).to.deep.equal(['\u00e9']);
  });

  it('keeps its limits and answers 501 past them', () => {
    for (const [limits, fits, over] of [
      [{ depth: 2 }, '<a><b/></a>', '<a><b><c/></b></a>'],
      [{ elements: 2 }, '<a><b/></a>', '<a><b/><c/></a>'],
      [{ attributes: 1 }, "<a b=''/>", "<a b='' c=''/>"],
      [{ octets: 4 }, '<a/>', '<ab/>'],
    ] as const) {
      expect(parse(fits, limits).name).to.equal('a');
      const error = fault(over, limits);
      expect(error.code).to.equal('XML_LIMIT');
      expect(error.reply?.code).to.equal(501);
    }
  });

  it('explains the fault in its reply, without repeating the document', () => {
    expect(fault("<secret b='1' b='2'/>").reply?.text).to.match(/attribute b of element secret is given twice/);
    expect(fault('<a>hidden</b>').reply?.text).not.to.contain('hidden');
  });

  it('gives an element or a RemoteProtocolError with a reply for any octets', () => {
    const piece = fc.constantFrom(
      '<a>',
      '</a>',
      '<a b="',
      '"',
      "'",
      '/>',
      '<!--',
      '-->',
      '<?',
      '?>',
      '&',
      ';',
      '<![CDATA[',
      ']]>',
      'é',
      ' ',
      '\0',
      '<!DOCTYPE a',
      '>',
      'x',
      '=',
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.uint8Array({ maxLength: 3 }), (pieces, noise) => {
        const octets = Buffer.concat([Buffer.from(pieces.join('')), noise]);
        try {
          parseXml(octets);
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
          expect((error as RemoteProtocolError).reply?.code).to.be.oneOf([500, 501]);
        }
      }),
      { numRuns: 2000 },
    );
  });
});

/** What sax reads by itself: elements in order, each with its attributes, and the text between. */
function readBySax(text: string): string {
  const read: string[] = [];
  const parser = sax.parser(true);
  let depth = 0;
  const take = (words: string): void => void (depth > 0 && read.push(escapeText(words)));
  parser.onerror = (error) => {
    throw error;
  };
  parser.onopentag = ({ name, attributes }) => {
    depth += 1;
    read.push(`<${name} ${JSON.stringify(attributes)}>`);
  };
  parser.onclosetag = (name) => {
    depth -= 1;
    read.push(`</${name}>`);
  };
  parser.ontext = take;
  parser.oncdata = take;
  parser.write(text).close();
  return read.join('');
}

/** The same of what was read here. */
function readHere({ name, attributes, children }: XmlElement): string {
  const inner = children.map((child) => (typeof child === 'string' ? escapeText(child) : readHere(child)));
  return `<${name} ${JSON.stringify(Object.fromEntries(attributes))}>${inner.join('')}</${name}>`;
}

describe('xml/parse beside a plain reading by sax', () => {
  const space = fc.constantFrom('', ' ', '\n', '\t ');
  const piece = fc.oneof(
    fc.constantFrom('text', 'é', '&amp;', '&#65;', ' ', ']', '"', "'"),
    fc.constantFrom('<!-- > < -->', '<!---->', '<?p <a> ?>', '<![CDATA[<b>&]]]]>', '<![CDATA[]]>'),
    fc.constantFrom('</a>', '<a>', '<a/>', '<', '>', '<!', '<?', '--', ']]>', '=', '<a b=', '/'),
  );
  const attribute = fc
    .tuple(fc.constantFrom('b', 'c:d', 'e.f'), fc.constantFrom('"a>\'/"', "'\"/>'", "''", '"&lt;"'), space, space)
    .map(([name, value, before, after]) => `${name}${before}=${after}${value}`);
  const element = fc.letrec<{ element: string; content: string }>((tie) => ({
    content: fc
      .array(fc.oneof({ depthSize: 'small' }, piece, tie('element')), { maxLength: 5 })
      .map((all) => all.join('')),
    element: fc
      .tuple(
        fc.constantFrom('a', 'b-c'),
        fc.uniqueArray(attribute, { maxLength: 2 }),
        space,
        tie('content'),
        fc.boolean(),
      )
      .map(([name, attributes, end, content, empty]) => {
        const tag = [name, ...attributes].join(' ');
        return empty ? `<${tag}${end}/>` : `<${tag}${end}>${content}</${name}${end}>`;
      }),
  })).element;

  it('reads each document that it accepts as sax does', () => {
    let accepted = 0;
    fc.assert(
      fc.property(space, element, piece, (before, root, after) => {
        const text = `${before}${root}${after}`;
        let read: XmlElement;
        try {
          read = parse(text);
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
          return;
        }
        accepted += 1;
        expect(readHere(read), text).to.equal(readBySax(text));
      }),
      { numRuns: 5000 },
    );
    expect(accepted).to.be.greaterThan(500);
  });
});

describe('xml/write', () => {
  const legal = fc.string({ unit: 'grapheme' }).filter((text) => !/[^\t\n\r -\uFFFD]/.test(text));

  it('writes text and attributes that are read back as they were', () => {
    fc.assert(
      fc.property(legal, legal, (text, value) => {
        const check = (root: XmlElement, quote: string) => {
          expect(textOf(root), quote).to.equal(text);
          expect(root.attributes.get('b'), quote).to.equal(value);
        };
        check(parse(`<a b='${escapeAttribute(value)}'>${escapeText(text)}</a>`), 'single');
        check(parse(`<a b="${escapeAttribute(value)}">${escapeText(text)}</a>`), 'double');
      }),
    );
  });

  it('keeps markup, quotes and white space', () => {
    const value = `<&>'"\t\r\n]]>`;
    const root = parse(`<a b='${escapeAttribute(value)}'>${escapeText(value)}</a>`);
    expect(root.attributes.get('b')).to.equal(value);
    expect(textOf(root)).to.equal(value);
  });

  it('refuses what XML cannot carry', () => {
    for (const text of ['\0', '\u001f', '\ud800', '\uffff']) {
      expect(() => escapeText(text)).to.throw('cannot carry');
      expect(() => escapeAttribute(text)).to.throw('cannot carry');
    }
  });
});
