import { expect } from 'chai';
import fc from 'fast-check';
import { LocalError, RemoteProtocolError } from '../../lib/errors.js';
import {
  type AddressEntry,
  formatAddressList,
  type Mailbox,
  mailboxesOf,
  parseAddressList,
} from '../../lib/message/address-list.js';
import { fault } from './support.js';

const bare = (uri: string): Mailbox => ({ phrase: undefined, uri });

describe('address fields', () => {
  const routed: readonly [string, Mailbox][] = [
    ['<@slate.example,@quarry.example:mailto:fred@x>', bare('mailto:fred@x')],
    ['Fred <@slate.example : im:fred@x>', { phrase: 'Fred', uri: 'im:fred@x' }],
    ['< @a , ,@b,\r\n @c:im:fred@x >', bare('im:fred@x')],
  ];
  for (const [text, mailbox] of routed) {
    it(`reads ${JSON.stringify(text)} without its route (D-MSG-08)`, () => {
      expect(parseAddressList(`${text}, im:a@x`)).to.deep.equal([mailbox, bare('im:a@x')]);
      const group = { phrase: 'Lodge', mailboxes: [mailbox] };
      expect(parseAddressList(`Lodge: ${text};`)).to.deep.equal([group]);
    });
  }

  it('refuses an invalid route', () => {
    for (const text of ['<@:im:a@x>', '<@a im:a@x>', '<@a,b:im:a@x>', '<a,@b:>', `<@a${', '.repeat(20_000)}im:a@x>`]) {
      expect(() => parseAddressList(text), text.slice(0, 20)).to.throw(RemoteProtocolError);
    }
  });

  const table: readonly [string, AddressEntry[]][] = [
    ['', []],
    ['im:ines@harbour.example', [bare('im:ines@harbour.example')]],
    ['Harbour Office <im:office@harbour.example>', [{ phrase: 'Harbour Office', uri: 'im:office@harbour.example' }]],
    ['"Flintstone, \\"F\\"" <im:f@x>', [{ phrase: 'Flintstone, "F"', uri: 'im:f@x' }]],
    ['<im:a@x>,mailto:b@y , pres:c@z', [bare('im:a@x'), bare('mailto:b@y'), bare('pres:c@z')]],
    ['Jürgen <im:j%C3%BC@x>', [{ phrase: 'Jürgen', uri: 'im:j%C3%BC@x' }]],
    [
      'Lodge: im:a@x, Bob <im:b@x>;',
      [{ phrase: 'Lodge', mailboxes: [bare('im:a@x'), { phrase: 'Bob', uri: 'im:b@x' }] }],
    ],
    ['friends:im:a@x;', [{ phrase: 'friends', mailboxes: [bare('im:a@x')] }]],
    ['friends:;, im:a@x', [{ phrase: 'friends', mailboxes: [] }, bare('im:a@x')]],
    ['foo:bar', [bare('foo:bar')]],
    ['im:a@x?subject=b', [bare('im:a@x?subject=b')]],
    ['<mailto:a,b;c@x>', [bare('mailto:a,b;c@x')]],
    ['\r\n  im:a@x\r\n', [bare('im:a@x')]],
  ];

  for (const [text, entries] of table) {
    it(`reads ${JSON.stringify(text)}`, () => {
      expect(parseAddressList(text)).to.deep.equal(entries);
      expect(parseAddressList(formatAddressList(entries))).to.deep.equal(entries);
    });
  }

  it('D-MSG-08 REQ-MSG-006 takes URIs only, and no comments', () => {
    for (const text of [
      'fred@example.com',
      'im:a@x (Fred)',
      '<fred@example.com>',
      'a <im:x',
      'Lodge: im:a@x',
      '"open <im:a@x>',
      '@',
      'a b',
    ]) {
      expect(fault(() => parseAddressList(text)).reply?.code, text).to.equal(501);
    }
    expect(fault(() => parseAddressList('im:a@x (Fred)')).message).to.contain('comments');
    expect(() => formatAddressList([bare('fred@example.com')])).to.throw(LocalError, 'URI');
    expect(() => formatAddressList([bare('im:fred flint@example.com')])).to.throw(LocalError);
  });

  it('reads back the address fields that it writes', () => {
    const uri = fc.stringMatching(/^(im|mailto|x-y):[a-z0-9,;@.%=]{1,12}[a-z]$/);
    const phrase = fc
      .string({ unit: 'grapheme', minLength: 1, maxLength: 12 })
      .filter((one) => one.trim() === one && !/\s\s|\p{Cc}/u.test(one));
    const mailbox = fc.record({ phrase: fc.option(phrase, { nil: undefined }), uri });
    const group = fc.record({ phrase, mailboxes: fc.array(mailbox, { maxLength: 3 }) });
    fc.assert(
      fc.property(fc.array(fc.oneof(mailbox, group), { maxLength: 4 }), (entries: AddressEntry[]) => {
        expect(parseAddressList(formatAddressList(entries))).to.deep.equal(entries);
      }),
    );
  });

  it('reads any text or refuses it with an error', () => {
    const any = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('im:', 'a', '@', '<', '>', '"', ',', ';', ':', ' ', '\\', '(') }),
    );
    fc.assert(
      fc.property(any, (text) => {
        try {
          mailboxesOf(parseAddressList(text));
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
        }
      }),
      { numRuns: 500 },
    );
  });
});
