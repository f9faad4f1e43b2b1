import { expect } from 'chai';
import fc from 'fast-check';
import { JsonTextError, parseJsonText } from '../../lib/config/json-text.js';

describe('config/json-text', () => {
  it('reads what JSON.stringify writes, indented or not', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 6 }), fc.constantFrom(0, 2), (value, indent) => {
        const text = JSON.stringify(value, null, indent);
        expect(parseJsonText(text).value).to.deep.equal(JSON.parse(text));
      }),
    );
  });

  it('accepts only what JSON.parse accepts', () => {
    const fragment = fc.constantFrom(
      ...['{', '}', '[', ']', ',', ':', '"a"', '"\\u00e9"', '1', '-0.5e3', '01', 'true', 'null', ' ', '\n', "'"],
    );
    fc.assert(
      fc.property(fc.array(fragment, { maxLength: 8 }), (fragments) => {
        const text = fragments.join('');
        const ours = attempt(() => parseJsonText(text).value);
        const theirs = attempt(() => JSON.parse(text));
        if (theirs === undefined) expect(ours, text).to.equal(undefined);
        else if (ours !== undefined) expect(ours, text).to.deep.equal(theirs);
      }),
      { numRuns: 2000 },
    );
  });

  it('finds the place of values and keys', () => {
    const json = parseJsonText('{\n  "a": [1,\n    {"b": true}]\n}');
    expect(json.placeOf(['a', 1, 'b'])).to.deep.equal({ line: 3, column: 11 });
    expect(json.placeOfKey(['a', 1], 'b')).to.deep.equal({ line: 3, column: 6 });
    expect(json.placeOf(['a', 1, 'missing'])).to.deep.equal({ line: 3, column: 5 });
    expect(json.placeOf([])).to.deep.equal({ line: 1, column: 1 });
  });

  for (const [text, message, line, column] of [
    ['', 'the text ends where a value is expected', 1, 1],
    ['{"a": 1,\n}', 'no comma may precede "}"', 2, 1],
    ['[1, ]', 'no comma may precede "]"', 1, 5],
    ['{"a": 1 // one\n}', 'JSON has no comments', 1, 9],
    ['{"a": 1, "a": 2}', 'the key "a" is written twice', 1, 10],
    ["{'a': 1}", 'a key in "double quotes" expected', 1, 2],
    ['{} {}', 'nothing may follow the value', 1, 4],
    ['["a\nb"]', 'this string does not end on its line', 1, 2],
    ['[1 2]', '"," or "]" expected', 1, 4],
    // Shapes of files that word processors, other systems and other formats leave behind.
    ['{"path": "C:\\certs"}', 'a backslash is written as two', 1, 10],
    ['{"a": \u201cb\u201d}', 'strings are written in "double quotes"', 1, 7],
    ['{"a":\u00a01}', 'unexpected character U+00A0', 1, 6],
    ['{"a": 1}\0', 'nothing may follow the value', 1, 9],
    ['# a\n{}', 'JSON has no comments', 1, 1],
    ['{"a": NaN}', 'unexpected "N"', 1, 7],
    ['{"a": 010}', '"," or "}" expected', 1, 8],
    ['{"a": .5}', 'unexpected "."', 1, 7],
    ['{"a": 1\r "b": 2}', '"," or "}" expected', 2, 2],
    ['{\r\n"a": 1,,\r\n}', 'a key in "double quotes" expected', 2, 8],
  ] as const) {
    it(`says of ${JSON.stringify(text)} that ${message}`, () => {
      expect(() => parseJsonText(text))
        .to.throw(JsonTextError, message)
        .with.property('place')
        .that.deep.equals({ line, column });
    });
  }

  it('refuses text that is nested too deep instead of exhausting the stack', () => {
    expect(() => parseJsonText('['.repeat(100_000))).to.throw(JsonTextError, 'nested more than 64 deep');
  });

  it('treats a key named __proto__ as any other', () => {
    const { value } = parseJsonText('{"__proto__": {"x": 1}}');
    expect(Object.keys(value as object)).to.deep.equal(['__proto__']);
  });
});

function attempt(run: () => unknown): unknown {
  try {
    return run();
  } catch {
    return undefined;
  }
}
