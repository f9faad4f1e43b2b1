import { expect } from 'chai';
import fc from 'fast-check';
import { LocalError, RemoteProtocolError } from '../../lib/errors.js';
import { addressOf } from '../../lib/imxp/address.js';
import {
  addressOfUri,
  foreignAddress,
  parseForeignAddress,
  parseInstantUri,
  presenceServiceOf,
  uriOfAddress,
} from '../../lib/message/uri.js';
import { fault } from './support.js';

describe('im: and pres: URIs', () => {
  const pairs: readonly [string, string][] = [
    ['fred@example.com', 'im:fred@example.com'],
    ['fred/appl=wb@example.com', 'im:fred%2Fappl=wb@example.com'],
    ['"fred flint"@Example.com', 'im:%22fred%20flint%22@Example.com'],
    ['100%&more?#@example.com', 'im:100%25%26more%3F%23@example.com'],
    ["o'brien+x$y~*!@example.com", "im:o'brien+x$y~*!@example.com"],
    ['`{|}^@example.com', 'im:%60%7B%7C%7D%5E@example.com'],
    ['imxp=presence@example.com', 'im:imxp=presence@example.com'],
  ];

  for (const [address, uri] of pairs) {
    it(`REQ-MSG-018 maps ${address} to ${uri} and back`, () => {
      expect(uriOfAddress('im', address)).to.equal(uri);
      expect(addressOfUri(uri)).to.equal(address);
      expect(addressOfUri(uriOfAddress('pres', address))).to.equal(address);
    });
  }

  it('REQ-MSG-018 loses nothing of any address', () => {
    const word = fc.stringMatching(/^[!#$%&'*+\-/0-9=?A-Z^_`a-z{|}~]{1,8}$/);
    const quoted = fc.stringMatching(/^[ -~]{0,8}$/).map((text) => `"${text.replace(/["\\]/g, '\\$&')}"`);
    const address = fc
      .tuple(fc.oneof(word, quoted), fc.oneof(word, quoted))
      .map(([a, b]) => `${a}.${b}@example.com`)
      .filter((text) => addressOf(text) !== undefined);
    fc.assert(
      fc.property(address, fc.constantFrom('im' as const, 'pres' as const), (text, scheme) => {
        const uri = uriOfAddress(scheme, text);
        expect(parseInstantUri(uri)).to.deep.equal({ scheme, to: [{ address: text, phrase: undefined }], headers: [] });
      }),
      { numRuns: 500 },
    );
  });

  it('D-CPIM-02 reads headers, escapes of any character, and schemes without regard to case', () => {
    expect(parseInstantUri('IM:%66red@example.com?Subject=Yabba%20dabba&body=')).to.deep.equal({
      scheme: 'im',
      to: [{ address: 'fred@example.com', phrase: undefined }],
      headers: [
        { name: 'Subject', value: 'Yabba dabba' },
        { name: 'body', value: '' },
      ],
    });
    expect(presenceServiceOf('pres:fred@example.com')).to.equal('imxp=presence@example.com');
  });

  it('D-CPIM-02 reads no mailbox, several, and those with a display name', () => {
    const to = (uri: string) => parseInstantUri(uri).to.map(({ address, phrase }) => [address, phrase]);
    expect(to('im:')).to.deep.equal([]);
    expect(to('im:?subject=Bowling')).to.deep.equal([]);
    expect(to('im:fred@example.com,barney@rubble.com')).to.deep.equal([
      ['fred@example.com', undefined],
      ['barney@rubble.com', undefined],
    ]);
    // RFC 2368 §2: a comma inside of a mailbox is percent-encoded, or quoted.
    expect(to('im:%22Slate,%20Mr.%22%20%3Cslate@example.com%3E,,%20fred@example.com')).to.deep.equal([
      ['slate@example.com', 'Slate, Mr.'],
      ['fred@example.com', undefined],
    ]);
    expect(to('im:%22a%5C%22,b%22%3Cfred@example.com%3E')).to.deep.equal([['fred@example.com', 'a",b']]);
    // A quote that is not closed is an ordinary character.
    expect(to('im:%22Fred%20%3Cfred@example.com%3E,barney@rubble.com')).to.deep.equal([
      ['fred@example.com', '"Fred'],
      ['barney@rubble.com', undefined],
    ]);
    expect(to('pres:Fred%20Flintstone%20%3Cfred%2Fx@example.com%3E')).to.deep.equal([
      ['fred/x@example.com', 'Fred Flintstone'],
    ]);
    expect(addressOfUri('im:Fred%20%3Cfred@example.com%3E?subject=x')).to.equal('fred@example.com');
  });

  it('REQ-CPIM-002 accepts only complete domain names and valid mailboxes', () => {
    const wrong = [
      'fred@example.com',
      'mailto:f@x.example',
      'im:fred',
      'im:@x.example',
      'im:fred@',
      'im:fred@[127.0.0.1]',
      'im:fred@x%40y.example',
      'im:a%40b@x.example',
      'im:a b@x.example',
      'im:f%zz@x.example',
      'im:f%C3%BC@x.example',
      'im:f%ff@x.example',
      'im:f@x.example?a',
      'im:f@x.example#y',
      'im:.f@x.example',
      'im:f@x..example',
    ];
    for (const text of wrong) expect(fault(() => parseInstantUri(text)).reply?.code, text).to.equal(553);
    for (const text of ['im:', 'im:?subject=x', 'im:,', 'im:a@x.example,b@x.example']) {
      expect(fault(() => addressOfUri(text)).reply?.code, text).to.equal(553);
    }
    expect(fault(() => uriOfAddress('im', 'fred')).code).to.equal('ADDRESS_INVALID');
  });

  it('REQ-CPIM-016 names people of other systems with the meta-syntax, in the local part', () => {
    const foreign = { protocol: 'sip', host: 'slate.example', user: 'mr.slate', gateway: 'gw.example.com' };
    expect(foreignAddress(foreign)).to.equal('sip=slate.example/mr.slate@gw.example.com');
    expect(uriOfAddress('im', foreignAddress(foreign))).to.equal('im:sip=slate.example%2Fmr.slate@gw.example.com');
    expect(parseForeignAddress('SIP=slate.example/mr.slate@gw.example.com')).to.deep.equal(foreign);
    for (const address of ['fred@example.com', 'imxp=a/b@example.com', 'sip=a@example.com', 'sip=a/%zz@example.com']) {
      expect(parseForeignAddress(address), address).to.equal(undefined);
    }
    for (const wrong of [
      { protocol: 'imxp' },
      { protocol: 'a=b' },
      { host: '' },
      { user: '' },
      { gateway: 'x y' },
      { user: '\ud800' },
    ]) {
      expect(() => foreignAddress({ ...foreign, ...wrong }), JSON.stringify(wrong)).to.throw(LocalError);
    }
  });

  it('REQ-CPIM-016 names any user of another system in a valid address', () => {
    const text = fc.string({ unit: 'grapheme', minLength: 1, maxLength: 20 });
    fc.assert(
      fc.property(text, text, (host, user) => {
        const foreign = { protocol: 'xmpp', host, user, gateway: 'gw.example.com' };
        const address = foreignAddress(foreign);
        expect(addressOf(address), address).not.to.equal(undefined);
        expect(parseForeignAddress(addressOfUri(uriOfAddress('im', address)))).to.deep.equal(foreign);
      }),
      { numRuns: 500 },
    );
  });

  it('reads any text or refuses it with an error', () => {
    const any = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('im:', 'pres:', 'a', '@', '%', '40', '?', '=', '&', '.', '"') }),
    );
    fc.assert(
      fc.property(any, (text) => {
        try {
          parseInstantUri(text);
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
