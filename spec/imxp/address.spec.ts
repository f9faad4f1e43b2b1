import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../lib/errors.js';
import { addressOf, isDomain, parseAddress } from '../../lib/imxp/address.js';

function refusal(text: string): RemoteProtocolError {
  try {
    parseAddress(text);
  } catch (error) {
    if (error instanceof RemoteProtocolError) {
      return error;
    }
    throw error;
  }
  throw new Error(`accepted ${text}`);
}

describe('imxp/address', () => {
  it('REQ-IMXP-001 splits an addr-spec into its parts', () => {
    expect(parseAddress('fred@Example.COM')).to.deep.equal({
      key: 'fred@example.com',
      local: 'fred',
      domain: 'example.com',
      base: 'fred@example.com',
      service: false,
      wellKnown: undefined,
      apexOnly: false,
    });
  });

  it('REQ-IMXP-001 compares domains without regard to case, and local parts exactly', () => {
    expect(parseAddress('fred@EXAMPLE.com').key).to.equal(parseAddress('fred@example.COM').key);
    expect(parseAddress('Fred@example.com').key).not.to.equal(parseAddress('fred@example.com').key);
  });

  it('REQ-IMXP-001 recognises local parts reserved for services, whatever the case of the prefix', () => {
    for (const local of ['imxp=report', 'IMXP=report', 'apex=access', '"imxp=report"']) {
      expect(parseAddress(`${local}@example.com`).service, local).to.equal(true);
    }
    expect(parseAddress('Imxp=Report@example.com').wellKnown).to.equal('imxp=report');
    for (const local of ['imxp', 'ximxp=report', 'fred/imxp=report', 'imx=p']) {
      expect(parseAddress(`${local}@example.com`).service, local).to.equal(false);
    }
  });

  it('REQ-IMXP-017 gives the base of a subaddress', () => {
    expect(parseAddress('fred/appl=wb@example.com').base).to.equal('fred@example.com');
    expect(parseAddress('fred/appl=wb/x=y@example.com').base).to.equal('fred@example.com');
    expect(parseAddress('fred/@example.com').base).to.equal('fred@example.com');
    expect(parseAddress('fred/appl=wb@example.com').key).to.equal('fred/appl=wb@example.com');
    expect(parseAddress('fred@example.com').base).to.equal('fred@example.com');
  });

  it('compares quoted local parts after unquoting', () => {
    const key = (text: string) => parseAddress(text).key;
    expect(key('"fred"@example.com')).to.equal('fred@example.com');
    expect(key('"fr\\ed"@example.com')).to.equal('fred@example.com');
    expect(key('"a.b"@example.com')).to.equal(key('"a"."b"@example.com'));
    expect(key('"a.b c"@example.com')).to.equal(key('a."b c"@example.com'));
    expect(key('"a@b"@example.com')).to.equal('"a@b"@example.com');
    expect(key('"a\\"b"@example.com')).to.equal('"a\\"b"@example.com');
  });

  it('does not take a quoted slash for the start of a subaddress', () => {
    const quoted = parseAddress('"fred/wb"@example.com');
    expect(quoted.base).to.equal(quoted.key);
    expect(quoted.key).not.to.equal(parseAddress('fred/wb@example.com').key);
    expect(parseAddress('"fred a"/wb@example.com').base).to.equal('"fred a"@example.com');
  });

  for (const text of [
    '',
    'fred',
    '@example.com',
    'fred@',
    'fred@@example.com',
    ' fred@example.com',
    'fred@example.com ',
    'fr ed@example.com',
    'fred (x)@example.com',
    '<fred@example.com>',
    '.fred@example.com',
    'fred.@example.com',
    'a..b@example.com',
    '"fred@example.com',
    'fr"ed@example.com',
    'fred@example..com',
    'fred@-example.com',
    'fred@example.com.',
    'fred@exa mple.com',
    'frèd@example.com',
    'fred@exämple.com',
    'fred\n@example.com',
    '"fr\u0001ed"@example.com',
    '/wb@example.com',
    '""@example.com',
    'fred@[192.0.2.256]',
    'fred@[192.0.2]',
    'fred@[192.0.2.1.]',
    'fred@[ipv6:1::2::3]',
    'fred@[]',
    '"fr\u0085d"@example.com',
    `${'x'.repeat(1012)}@example.com`,
    `fred@${'x'.repeat(64)}.com`,
  ]) {
    it(`refuses ${JSON.stringify(text.slice(0, 30))} with 553`, () => {
      const error = refusal(text);
      expect(error.code).to.equal('ADDRESS_INVALID');
      expect(error.reply?.code).to.equal(553);
      expect(addressOf(text)).to.equal(undefined);
    });
  }

  it('marks names that exist in APEX only', () => {
    const wide = (text: string) => parseAddress(text).apexOnly;
    expect(wide('fred@[192.0.2.1]')).to.equal(true);
    expect(wide('fred@[IPv6:2001:DB8::1]')).to.equal(true);
    expect(wide('"frédéric"/"wb 😀"@example.com')).to.equal(true);
    expect(wide('"fred smith"@example.com')).to.equal(false);
    expect(parseAddress('Fred@[IPv6:2001:DB8::1]').key).to.equal('Fred@[ipv6:2001:db8::1]');
  });

  it('accepts an address of 1023 octets', () => {
    expect(parseAddress(`${'x'.repeat(1011)}@example.com`).key).to.have.length(1023);
  });

  it('returns keys and bases that are addresses of the same name', () => {
    const piece = fc.constantFrom('a', 'B', '.', '/', '"', '\\', ' ', '=', '"x y"', '"/"', 'imxp=');
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
        const address = addressOf(`${pieces.join('')}@example.com`);
        if (address !== undefined) {
          expect(parseAddress(address.key)).to.deep.equal(address);
          expect(parseAddress(address.base).key).to.equal(address.base);
          expect(parseAddress(address.base).base).to.equal(address.base);
        }
      }),
      { numRuns: 2000 },
    );
  });

  it('returns the same results after its cache has overflowed', () => {
    const before = parseAddress('wilma/x@rubble.com');
    for (let index = 0; index < 20_000; index += 1) {
      parseAddress(`u${index}@rubble.com`);
    }
    expect(parseAddress('wilma/x@rubble.com')).to.deep.equal(before);
  });

  it('distinguishes domain names from other texts', () => {
    for (const text of ['example.com', 'localhost', 'a-b.c', '_x.example.com']) {
      expect(isDomain(text), text).to.equal(true);
    }
    for (const text of ['', '.', 'a.', '[::1]', '-a', 'a-', `${'a.'.repeat(127)}b`]) {
      expect(isDomain(text), text).to.equal(false);
    }
  });
});
