import { expect } from 'chai';
import fc from 'fast-check';
import { csvRecords } from '../../../bin/support/accounts/csv.js';

const fieldsOf = (text: string): (readonly string[])[] => [...csvRecords(text)].map(({ fields }) => fields);

describe('comma-separated values', () => {
  it('reads quoted fields with commas, quotes and line ends, and counts lines', () => {
    const text = '# people\r\na, b ,c\r\n\r\n"x,1","say ""hello""","two\nlines"\nlast,';
    expect([...csvRecords(text)]).to.deep.equal([
      { line: 2, fields: ['a', ' b ', 'c'], broken: false },
      { line: 4, fields: ['x,1', 'say "hello"', 'two\nlines'], broken: false },
      { line: 6, fields: ['last', ''], broken: false },
    ]);
  });

  it('says where a quote is missing or superfluous, and continues with the next line', () => {
    const broken = [...csvRecords('a,"b\nc,d"e"\ne,"f"g\nh,i')].map(({ line, broken: is }) => [line, is]);
    expect(broken).to.deep.equal([
      [1, true],
      [3, true],
      [4, false],
    ]);
  });

  it('keeps spaces and a quoted #, and accepts lines that end with CR, LF or CRLF (RFC 4180)', () => {
    expect(fieldsOf('# one, "\ra, b\r"#c",d\n"x\r\ny",z')).to.deep.equal([
      ['a', ' b'],
      ['#c', 'd'],
      ['x\r\ny', 'z'],
    ]);
    expect([...csvRecords('#\r\r\na\rb')].map(({ line }) => line)).to.deep.equal([3, 4]);
  });

  it('takes another separator, and then a comma for a character like others', () => {
    const rows = [...csvRecords('a;"b;c"\td;e,f\n', ';')].map(({ fields }) => fields);
    expect(rows).to.deep.equal([['a', 'b;c', 'e,f']]);
  });

  it('reads back what it has quoted', () => {
    const field = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(fc.array(fc.tuple(field, field), { minLength: 1 }), (rows) => {
        const quoted = (text: string): string => `"${text.replaceAll('"', '""')}"`;
        const text = rows.map(([a, b]) => `${quoted(`-${a}`)},${quoted(b)}`).join('\r\n');
        expect(fieldsOf(text)).to.deep.equal(rows.map(([a, b]) => [`-${a}`, b]));
      }),
    );
  });
});
