import { expect } from 'chai';
import fc from 'fast-check';
import { CsvReader, type CsvRecord, type Separator } from '../../../bin/support/accounts/csv.js';

const csvRecords = (text: string, separator?: Separator): CsvRecord[] => [...new CsvReader(separator).read(text, true)];
/** The same, given piece by piece. */
const inPieces = (text: string, characters: number): CsvRecord[] => {
  const reader = new CsvReader();
  const pieces = text.match(new RegExp(`[^]{1,${characters}}`, 'g')) ?? [];
  return [...pieces.flatMap((piece) => [...reader.read(piece, false)]), ...reader.read('', true)];
};
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

  it('reads the same whatever the pieces are in which the text comes', () => {
    const character = fc.constantFrom('"', '"', ',', '\n', '\r', '#', 'a', ' ');
    fc.assert(
      fc.property(fc.array(character, { maxLength: 40 }), fc.integer({ min: 1, max: 9 }), (characters, length) => {
        const text = characters.join('');
        expect(inPieces(text, length)).to.deep.equal(csvRecords(text));
      }),
      { numRuns: 2000 },
    );
  });

  it('does not wait for the end of a quote for ever', () => {
    const reader = new CsvReader();
    const line = `${'x'.repeat(999)}\n`;
    const read = [...reader.read(`a,"b\n${line.repeat(70)}`, false)];
    expect(read.slice(0, 2).map(({ line: at, broken }) => [at, broken])).to.deep.equal([
      [1, true],
      [2, false],
    ]);
    expect(reader.kept).to.be.at.most(1000);
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
