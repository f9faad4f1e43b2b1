import { expect } from 'chai';
import fc from 'fast-check';
import { parseFlowed, unflow, writeFlowed } from '../../lib/message/flowed.js';
import { instantMessage } from '../../lib/message/instant-message.js';
import { readText, writeText } from '../../lib/message/text.js';
import { mediaTypeOf } from '../../lib/mime/entity.js';
import { parseMediaType } from '../../lib/mime/media-type.js';
import { arrived } from './support.js';

const text = (type: string, octets: Buffer | string) => readText(Buffer.from(octets), parseMediaType(type));

describe('texts', () => {
  it('REQ-MSG-014 reads text/plain in US-ASCII and UTF-8', () => {
    expect(text('text/plain; charset=US-ASCII', 'plain\r\nlines')).to.equal('plain\nlines');
    expect(text('text/plain;charset=UTF-8', 'Ä 🎳')).to.equal('Ä 🎳');
    expect(text('text/plain', 'no charset: US-ASCII, of which Ä is none')).to.contain('Ä');
    expect(text('TEXT/PLAIN; charset="utf-8"', '\u0001')).to.equal('\u0001');
  });

  it('reads other charsets, and returns a text for any octets', () => {
    expect(text('text/plain; charset=ISO-8859-1', Buffer.from('Ä', 'latin1'))).to.equal('Ä');
    expect(text('text/plain; charset=klingon', 'Ä')).to.equal('Ä');
    expect(text('text/plain; charset=utf-8', Buffer.from([0xff, 0x41]))).to.equal('\ufffdA');
    expect(text('text/plain; charset=us-ascii', Buffer.from([0xe4]))).to.be.a('string');
    expect(text('image/png', 'x')).to.equal(undefined);
    expect(mediaTypeOf('no type')).to.deep.include({ type: 'text/plain' });
  });

  it('RFC 2781 §4.3 reads UTF-16 with either mark, and without one', () => {
    for (const octets of [
      [0xff, 0xfe, 0xc4, 0],
      [0xfe, 0xff, 0, 0xc4],
      [0, 0xc4],
    ]) {
      expect(text('text/plain; charset=UTF-16', Buffer.from(octets))).to.equal('Ä');
    }
  });

  it('returns no text for an unknown charset, instead of replacement characters', () => {
    expect(text('text/plain; charset=x-klingon', Buffer.from([0xe4, 0x41]))).to.equal(undefined);
  });

  it('writes UTF-8 with the line ends of text', () => {
    expect(writeText('a\nb\r\nc\rd').body.toString()).to.equal('a\r\nb\r\nc\r\nd');
    expect(instantMessage({ text: 'a\nb' }).text).to.equal('a\nb');
  });

  describe('format=flowed', () => {
    it('REQ-MSG-015 joins soft lines at equal depth, unstuffs, and leaves the signature alone', () => {
      const wire = [
        '> This is quoted and ',
        '> goes on.',
        'This does ',
        'not, ',
        '>> but this is deeper ',
        ' From here  ',
        ' stuffed',
        '-- ',
        'fred',
      ].join('\r\n');
      expect(parseFlowed(`${wire}\r\n`)).to.deep.equal([
        { depth: 1, text: 'This is quoted and goes on.' },
        { depth: 0, text: 'This does not,' },
        { depth: 2, text: 'but this is deeper' },
        { depth: 0, text: 'From here  stuffed' },
        { depth: 0, text: '-- ' },
        { depth: 0, text: 'fred' },
      ]);
      expect(unflow(wire)).to.contain('> This is quoted and goes on.\n').and.contain('\n-- \nfred');
      expect(text('text/plain; format=Flowed; DelSp=yes', 'yab \r\nba\r\n')).to.equal('yabba');
      expect(text('text/html; format=flowed', 'a \r\nb')).to.equal('a \nb');
    });

    it('breaks long lines after spaces and never within words', () => {
      const words = `${'bowling '.repeat(30)}${'x'.repeat(200)}`;
      const lines = writeFlowed([{ depth: 0, text: words }])
        .split('\r\n')
        .slice(0, -1);
      expect(lines.filter((line) => line.length > 66)).to.deep.equal(['x'.repeat(200)]);
      expect(lines.slice(0, -1).every((line) => line.endsWith(' '))).to.equal(true);
      expect(writeFlowed([{ depth: 0, text: '>not a quote' }])).to.equal(' >not a quote\r\n');
      expect(writeFlowed([{ depth: 1, text: 'From me' }])).to.equal('> From me\r\n');
    });

    it('restores the text that was typed, for any line width', () => {
      const typed = `${'a line that is much longer than what fits on one line of a flowed text '.repeat(3)}end\n\n> quoted\nFrom: me\n  indented`;
      for (const form of ['nested', 'part', 'inline'] as const) {
        expect(arrived({ text: typed, flowed: true }, form).text, form).to.equal(typed);
      }
    });

    it('restores the paragraphs that were written', () => {
      const word = fc.stringMatching(/^[a-zA-Z>ä\-.]{0,12}$/);
      const line = fc
        .array(word, { maxLength: 30 })
        .map((words) => words.join(' ').trimEnd())
        .filter((one) => one !== '--');
      const paragraphs = fc.array(fc.record({ depth: fc.nat(4), text: fc.oneof(line, fc.constant('-- ')) }), {
        maxLength: 8,
      });
      // Depth is read from the marks: text that begins with one more would be deeper, but it is stuffed.
      fc.assert(
        fc.property(paragraphs, fc.integer({ min: 10, max: 78 }), (typed, width) => {
          expect(parseFlowed(writeFlowed(typed, width))).to.deep.equal(typed);
        }),
      );
    });

    it('reads any text', () => {
      fc.assert(
        fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (any, deleteSpace) => void unflow(any, deleteSpace)),
      );
    });
  });
});
