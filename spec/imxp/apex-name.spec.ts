import { expect } from 'chai';
import fc from 'fast-check';
import { addressOf, parseAddress } from '../../lib/imxp/address.js';
import { fromApex, isCommon, toApex } from '../../lib/imxp/dialect/apex-name.js';
import { withPrefix } from '../../lib/imxp/dialect/names.js';

const key = (name: string): string | undefined => addressOf(fromApex(name))?.key;

describe('imxp/dialect/apex-name', () => {
  it('leaves ordinary names unchanged', () => {
    for (const name of [
      'fred@example.com',
      'fred/appl=wb@Example.com',
      'apex=report@example.com',
      'a.b+c@x-y.example',
    ]) {
      expect(fromApex(name)).to.equal(name);
      expect(toApex(name)).to.equal(name);
    }
  });

  for (const [name, notation] of [
    ['fred smith@example.com', '"fred smith"@example.com'],
    ['frédéric@example.com', '"frédéric"@example.com'],
    ['fred.@example.com', '"fred."@example.com'],
    ['"fred"@example.com', '"\\"fred\\""@example.com'],
    ['a,b(c)/appl=x y@example.com', '"a,b(c)"/"appl=x y"@example.com'],
    ['100%@example.com', '100%@example.com'],
    ['fred@[192.0.2.9]', 'fred@[192.0.2.9]'],
  ] as const) {
    it(`converts ${name} to ${notation} and back`, () => {
      expect(fromApex(name)).to.equal(notation);
      expect(toApex(notation)).to.equal(name);
    });
  }

  it('REQ-IMXP-053 compares local parts exactly once transmission encodings are removed', () => {
    expect(key('f%72ed@example.com')).to.equal(key('fred@EXAMPLE.com'));
    expect(key('fr%C3%A9d%c3%a9ric@example.com')).to.equal(key('frédéric@example.com'));
    expect(key('fred%20smith@example.com')).to.equal(key('fred smith@example.com'));
    expect(key('Fred@example.com')).not.to.equal(key('fred@example.com'));
    expect(key('f%52ed@example.com')).not.to.equal(key('fred@example.com'));
    expect(key('100%25@example.com')).to.equal('100%@example.com');
  });

  for (const name of [
    '',
    'fred',
    '@example.com',
    'fred@',
    'fred/a/b@example.com',
    'fred/@example.com',
    '/appl=wb@example.com',
    'fred@barney@example.com',
    'fr\ted@example.com',
    'fred%2Fappl=wb@example.com',
    'fred%40x@example.com',
    'fr%00ed@example.com',
    'fr%FFed@example.com',
    'fred@exa mple.com',
    'fred@[300.1.1.1]',
  ]) {
    it(`finds no name in ${JSON.stringify(name)}`, () => expect(key(name)).to.equal(undefined));
  }

  it('refuses to write what APEX cannot express', () => {
    for (const name of [
      '"a/b"@example.com',
      '"a@b"@example.com',
      'a/b/c@example.com',
      'a/@example.com',
      'a%41@x.example',
      'x',
    ]) {
      expect(toApex(name), name).to.equal(undefined);
    }
  });

  it('knows which names are the same in both dialects', () => {
    const common = (name: string) => isCommon(parseAddress(name));
    expect(common('fred/appl=wb@example.com')).to.equal(true);
    expect(common('"fred"@example.com')).to.equal(true);
    expect(common('"fred smith"@example.com')).to.equal(false);
    expect(common('"frédéric"@example.com')).to.equal(false);
    expect(common('fred@[192.0.2.9]')).to.equal(false);
  });

  const token = fc
    .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
    .filter((text) => /^[ -.0-?A-~\u00a0-\uffff]+$/.test(text) && !/%[0-9A-Fa-f]{2}/.test(text));

  it('reads every name of RFC 3340 §2.2 and writes it back', () => {
    fc.assert(
      fc.property(token, fc.option(token, { nil: undefined }), (base, rest) => {
        const name = `${base}${rest === undefined ? '' : `/${rest}`}@example.com`;
        const read = fromApex(name);
        expect(toApex(read)).to.equal(name);
        expect(fromApex(toApex(parseAddress(read).key) ?? '')).to.equal(parseAddress(read).key);
        if (rest !== undefined)
          expect(parseAddress(read).base).to.equal(addressOf(fromApex(`${base}@example.com`))?.key);
      }),
    );
  });

  it('never takes two names for the same', () => {
    fc.assert(
      fc.property(token, token, (one, other) => {
        fc.pre(one !== other);
        expect(key(`${one}@example.com`)).not.to.equal(key(`${other}@example.com`));
      }),
    );
  });

  it('gives services the prefix of the dialect, and no other names', () => {
    expect(withPrefix('imxp=report@example.com', 'apex=')).to.equal('apex=report@example.com');
    expect(withPrefix('APEX=report@example.com', 'imxp=')).to.equal('imxp=report@example.com');
    expect(withPrefix('"imxp=report"@example.com', 'apex=')).to.equal('"apex=report"@example.com');
    for (const name of ['apex@example.com', 'fred/imxp=x@example.com', 'ximxp=y@example.com']) {
      expect(withPrefix(name, 'apex=')).to.equal(name);
    }
  });
});
