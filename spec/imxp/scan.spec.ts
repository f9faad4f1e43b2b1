import { isDeepStrictEqual } from 'node:util';
import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../lib/errors.js';
import { APEX, ApexDialect } from '../../lib/imxp/dialect/apex.js';
import { DIALECT_LIMITS, type DialectLimits } from '../../lib/imxp/dialect/dialect.js';
import { IMXP, ImxpDialect } from '../../lib/imxp/dialect/imxp.js';
import { DataScanner } from '../../lib/imxp/dialect/scan.js';
import type { Data } from '../../lib/imxp/operation.js';
import { contiguous } from '../../lib/mime/payload.js';

/** Small, so that documents of ordinary size meet the limits too. */
const LIMITS: DialectLimits = { ...DIALECT_LIMITS, depth: 6, attributes: 5, elements: 24, recipients: 2 };

/** More for a long run: `IMXP_FUZZ_RUNS=1000000`. */
const RUNS = Number(process.env['IMXP_FUZZ_RUNS'] ?? 8000);

/** One dialect's scanner and parsers, and how it writes what the dialects write differently. */
class Kind {
  readonly name: string;
  readonly type: string;
  readonly flag: string;
  readonly scanner: DataScanner;
  readonly #dialect: ImxpDialect | ApexDialect;

  constructor(vocabulary: typeof IMXP, dialect: ImxpDialect | ApexDialect) {
    this.name = vocabulary.name;
    this.type = vocabulary.controlType;
    this.flag = vocabulary.plain.option.attribute;
    this.scanner = new DataScanner(vocabulary.plain, LIMITS);
    this.#dialect = dialect;
  }

  /** What the parsers say, or undefined when they refuse. */
  #parsed(payload: Buffer): unknown {
    try {
      return this.#dialect.parse(payload);
    } catch (error) {
      if (error instanceof RemoteProtocolError) {
        return undefined;
      }
      throw error;
    }
  }

  /** @returns whether the scanner took it; fails when the parsers differ. */
  agrees(payload: Buffer): boolean {
    const scanned = this.scanner.scan(payload);
    if (scanned !== undefined && !isDeepStrictEqual(scanned, this.#parsed(payload))) {
      expect(scanned, JSON.stringify(payload.toString('latin1'))).to.deep.equal(this.#parsed(payload));
    }
    this.#agreesInPieces(payload, scanned);
    return scanned !== undefined;
  }

  /** The same payload in pieces is read in the same way, or not at all; always if the beginning is large enough. */
  #agreesInPieces(payload: Buffer, whole: Data | undefined): void {
    const size = 1 + (payload.reduce((sum, octet) => (sum * 31 + octet) % 10_007, 7) % Math.max(1, payload.length));
    const pieces: Buffer[] = [];
    for (let at = 0; at < payload.length; at += size) pieces.push(payload.subarray(at, at + size));
    for (const head of [payload.length, size]) {
      const scanned = this.scanner.scan(payload.subarray(0, head), pieces);
      if (scanned === undefined) {
        // Inline content is the control document, which is read from one buffer.
        const missed = whole !== undefined && head === payload.length && whole.content.startsWith('cid:');
        expect(missed, JSON.stringify(payload.toString('latin1'))).to.equal(false);
        continue;
      }
      const { source, ...data } = scanned;
      expect(source?.payload).to.equal(pieces);
      const joined = source === undefined ? source : { ...source, payload: contiguous(pieces) };
      expect({ ...data, source: joined }, JSON.stringify(payload.toString('latin1'))).to.deep.equal(whole);
    }
  }

  /** A Data as IMXP has it, in the notation of this dialect. */
  written(payload: string): string {
    if (this.name === 'imxp') return payload;
    return payload
      .replaceAll('text/xml', this.type)
      .replaceAll('seeNoEvil', this.flag)
      .replace(/<data ([^>]*?)(\s*)originator=('[^']*'|"[^"]*")([^>]*)>/, '<data $1$4><originator identity=$3 />')
      .replace('<data  ', '<data ');
  }
}

const KINDS = [new Kind(IMXP, new ImxpDialect(LIMITS)), new Kind(APEX, new ApexDialect(LIMITS))];

// --- documents -----------------------------------------------------------------------------------------------------

/** Mostly one of the first, now and then one of the others, which the scanner or even the parsers do not take. */
const mostly = <T>(usual: readonly T[], others: readonly T[]) =>
  fc.oneof({ weight: 40, arbitrary: fc.constantFrom(...usual) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const space = fc.constantFrom(' ', '\r\n  ', '\t', '\n', '  ');
const gap = fc.constantFrom('', '', ' ', '\r\n', '\n\t');
const quotes = fc.constantFrom("'", '"');
const address = fc.constantFrom(
  'fred@example.com',
  'barney@rubble.com',
  'wilma/appl=wb@example.com',
  'imxp=report@example.com',
  'fred smith@example.com',
  'f%72ed@example.com',
  'fred/a/b@example.com',
  '',
);
const transID = mostly(
  ['1', '3301', '2147483647', '0007'],
  ['2147483648', '0', '99999999999', '00000000001', '', '1a'],
);

const attribute = (name: string, value: fc.Arbitrary<string>) =>
  fc.tuple(space, quotes, value).map(([before, quote, text]) => `${before}${name}=${quote}${text}${quote}`);

const word = fc.constantFrom(
  'tide',
  ' is in',
  '&amp;',
  '&lt;',
  '&gt;',
  '&quot;',
  '&apos;',
  'é',
  '€',
  '𝄞',
  ']',
  '>',
  "'",
  '"',
  '\r\n',
  '-- ',
  '\u0085',
);
const name = mostly(['note', 'a', 'b:c', '_x', 'd-e.f', 'script'], ['é', '1']);
const { inner } = fc.letrec<{ inner: string; element: string }>((tie) => ({
  inner: fc
    .array(fc.oneof({ maxDepth: 3 }, word, word, tie('element')), { maxLength: 3 })
    .map((pieces) => pieces.join('')),
  element: fc
    .tuple(
      name,
      fc.uniqueArray(fc.constantFrom('x', 'y', 'xml:lang', 'z', 'v', 'w'), { maxLength: 6 }),
      space,
      word,
      gap,
      tie('inner'),
      fc.boolean(),
    )
    .map(([tag, names, before, value, after, content, empty]) => {
      const attributes = names.map((one) => `${before}${one}='${value.replace(/['<]/g, '')}'`).join('');
      return empty ? `<${tag}${attributes}${after}/>` : `<${tag}${attributes}${after}>${content}</${tag}${after}>`;
    }),
}));

/** Stands for the attribute whose name the dialects differ in. */
const FLAG = 'FLAG';

const option = fc
  .tuple(
    fc.shuffledSubarray(['targetHop', FLAG]).chain((names) =>
      mostly(
        [
          ['internal', ...names, 'transID'],
          ['transID', 'internal', ...names],
        ],
        [names, ['internal', ...names]],
      ),
    ),
    mostly(['statusRequest', 'x', 'dataTiming'], ['', 'a b']),
    mostly(['final', 'this', 'all'], ['next', '']),
    mostly(['true', 'false'], ['TRUE', '']),
    transID,
    fc.oneof(fc.constant(undefined), inner),
    gap,
  )
  .map(([names, internal, targetHop, flag, id, content, after]) => {
    const values: Record<string, string> = { internal, targetHop, [FLAG]: flag, transID: id };
    const attributes = names.map((one) => ` ${one}='${values[one]}'`).join('');
    return content === undefined
      ? `<option${attributes}${after}/>`
      : `<option${attributes}${after}>${content}</option${after}>`;
  });

const recipient = fc
  .tuple(attribute('identity', address), gap, fc.array(option, { maxLength: 2 }), fc.boolean())
  .map(([identity, between, options, empty]) =>
    empty
      ? `<recipient${identity}${between}/>`
      : `<recipient${identity}>${options.join(between)}${between}</recipient>`,
  );

/** The start tag of a Data, and the element of its originator where it is one. */
const beginning = (kind: Kind, reference: fc.Arbitrary<string>) =>
  kind.name === 'imxp'
    ? fc
        .tuple(attribute('originator', address), attribute('content', reference), fc.boolean())
        .map(([originator, refers, swap]) => `<data${swap ? refers + originator : originator + refers}>`)
    : fc
        .tuple(
          attribute('content', reference),
          gap,
          attribute('identity', address),
          fc.array(option, { maxLength: 2 }),
          fc.boolean(),
        )
        .map(([refers, between, identity, options, empty]) =>
          empty
            ? `<data${refers}>${between}<originator${identity}${between}/>`
            : `<data${refers}>${between}<originator${identity}>${options.join(between)}</originator${between}>`,
        );

const control = (kind: Kind, reference: fc.Arbitrary<string>, content: fc.Arbitrary<string>) =>
  fc
    .tuple(
      beginning(kind, reference),
      gap,
      fc.array(recipient, { minLength: 1, maxLength: 3 }),
      fc.array(option, { maxLength: 2 }),
      content,
      gap,
    )
    .map(([begin, between, recipients, options, inline, after]) => {
      const children = [...recipients, ...options, inline].join(between);
      return `${begin}${between}${children}${between}</data${after}>${after}`.replaceAll(FLAG, kind.flag);
    });

const alone = (kind: Kind) =>
  control(
    kind,
    mostly(['#Payload'], ['#Other', 'cid:two@b', 'http://example.com/', '']),
    fc
      .tuple(inner, fc.boolean(), gap)
      .map(([content, empty, after]) =>
        empty
          ? `<data-content Name='Payload'${after}/>`
          : `<data-content Name='Payload'>${content}</data-content${after}>`,
      ),
  ).map((document) => `Content-Type: ${kind.type}\r\n\r\n${document}`);

const related = (kind: Kind) =>
  fc
    .tuple(
      control(
        kind,
        mostly(['cid:two@b'], ['cid:one@b', 'cid:two%40b', 'CID:two@b', 'cid:two@b#x', 'urn:x']),
        mostly([''], [`<data-content Name='P'>\r\n--B\r\n</data-content>`]),
      ),
      fc.shuffledSubarray(['boundary="B"', 'start="<one@b>"', `type="${kind.type}"`], { minLength: 3 }),
      fc.constantFrom('; ', ';\r\n ', ';'),
      mostly(
        ['Content-ID: <one@b>\r\n', 'content-id: <one@b>\r\nContent-Transfer-Encoding: binary\r\n'],
        ['', 'Content-ID: <two@b>\r\n', 'Content-ID: <one@b>\r\nContent-ID: <one@b>\r\n'],
      ),
      mostly(
        ['Content-ID: <two@b>\r\n', 'X-A: b\r\nContent-id: <two@b>\r\nSubject: "tide" <in>\r\n'],
        ['Content-ID: <one@b>\r\n', 'Content-ID: <two@b>\r\n x: y\r\n'],
      ),
      mostly(['tide is in', '\r\n', '<?&', '\r\n-B'], ['', '--B', '\r\n--Bx\r\n', '\r\n--B--x', '\r\n--B\r\n']),
      mostly(['', '\r\n'], [' \r\n', '\r\nepilogue']),
    )
    .map(([document, parameters, join, first, second, body, end]) =>
      [
        `Content-Type: multipart/related; ${parameters.join(join)}\r\n\r\n--B\r\n`,
        `Content-Type: ${kind.type}\r\n${first}\r\n${document}\r\n--B\r\n`,
        `Content-Type: text/plain\r\n${second}\r\n${body}\r\n--B--${end}`,
      ].join(''),
    );

const payload = (kind: Kind) => fc.oneof(alone(kind), related(kind));

// --- mutations -----------------------------------------------------------------------------------------------------

const TOKENS = [
  '<',
  '>',
  '/',
  '"',
  "'",
  '&',
  ';',
  '=',
  ' ',
  '\r\n',
  '\n',
  '\t',
  ']]>',
  ']]',
  '<!-- x -->',
  '<![CDATA[x]]>',
  '<?x y?>',
  '<!DOCTYPE data>',
  '&#65;',
  '&#0;',
  '&amp;',
  '&nbsp;',
  '\0',
  '\u0001',
  '\u007f',
  '\uFEFF',
  '\uFFFE',
  'é',
  '#',
  ':',
  '-',
  '--',
  '--B',
  '\r\n--B',
  '\r\n--B\r\n',
  '\r\n--B--',
  '<x/>',
  '</x>',
  '<x>',
  '</data>',
  "<recipient identity='a@b'/>",
  "<option internal='x' transID='1'/>",
  " x='1'",
  " identity='a@b'",
  " xml:lang='en'",
  " localize='en'",
  " external='a:b'",
  '<?xml version="1.0"?>',
  'Content-ID: <two@b>\r\n',
  'Content-Type: text/xml\r\n',
  'x',
  '0',
  '%',
  '@',
].map((token) => Buffer.from(token));
const INVALID = [
  [0xff],
  [0xc3],
  [0xc0, 0x80],
  [0xed, 0xa0, 0x80],
  [0xf4, 0x90, 0x80, 0x80],
  [0x80],
  [0xef, 0xbf, 0xbf],
].map((octets) => Buffer.from(octets));

const mutation = fc.record({
  at: fc.nat({ max: 9999 }).map((place) => place / 10_000),
  removed: fc.constantFrom(0, 0, 1, 2, 7),
  inserted: fc.constantFrom(Buffer.alloc(0), ...TOKENS, ...INVALID),
});

function mutate(octets: Buffer, { at, removed, inserted }: { at: number; removed: number; inserted: Buffer }): Buffer {
  const place = Math.floor(at * octets.length);
  return Buffer.concat([octets.subarray(0, place), inserted, octets.subarray(place + removed)]);
}

for (const kind of KINDS) {
  describe(`imxp/dialect/scan of ${kind.name}`, () => {
    const agrees = (octets: Buffer): boolean => kind.agrees(octets);
    const { scanner } = kind;
    it('reads every payload as the parsers do, or leaves it to them', function () {
      this.timeout(60_000 + RUNS);
      let taken = 0;
      fc.assert(
        fc.property(payload(kind), (text) => {
          taken += agrees(Buffer.from(text)) ? 1 : 0;
        }),
        { numRuns: RUNS / 2 },
      );
      // else the property says nothing
      expect(taken).to.be.above(RUNS / 8);
    });

    it('never accepts a mutated payload that the parsers refuse or read differently', function () {
      this.timeout(60_000 + RUNS);
      let taken = 0;
      fc.assert(
        fc.property(payload(kind), fc.array(mutation, { minLength: 1, maxLength: 2 }), (text, mutations) => {
          taken += agrees(mutations.reduce(mutate, Buffer.from(text))) ? 1 : 0;
        }),
        { numRuns: RUNS },
      );
      expect(taken).to.be.above(RUNS / 200);
    });

    const written = (inside: string): string => kind.written(inline(inside));
    const inline = (inside = 'x', attributes = '') =>
      `Content-Type: text/xml\r\n\r\n<data originator='a@b' content='#P'><recipient identity='c@d' /><data-content Name='P'${attributes}>${inside}</data-content></data>\r\n`;
    const multipart = (body: string, end = '\r\n') =>
      `Content-Type: multipart/related; boundary="=_m1";\r\n start="<c1@b>"; type="text/xml"\r\n\r\n--=_m1\r\nContent-Type: text/xml\r\nContent-ID: <c1@b>\r\n\r\n` +
      `<data originator='a@b'\r\n content='cid:c2@b'>\r\n <recipient identity='c@d' />\r\n</data>\r\n--=_m1\r\nContent-Type: text/plain; charset=UTF-8\r\nContent-Transfer-Encoding: binary\r\nContent-ID: <c2@b>\r\n\r\n${body}\r\n--=_m1--${end}`;

    for (const [what, text] of [
      ['inline content', inline("<note x='1' y=\"2'\">tide &amp; <b/>é [a] ]</note>")],
      ['empty inline content', inline('')],
      ['inline content of many elements', inline('<a/>'.repeat(20))],
      ['a content part', multipart('tide is in')],
      ['a content part without body', multipart('').replace('\r\n\r\n--=_m1--', '\r\n--=_m1--')],
      ['a content part with an empty body', multipart('')],
      ['a content part without a last line end', multipart('tide is in', '')],
      ['a content part with what looks like a delimiter', multipart('--=_m2\r\n -=_m1\n--=_m1--')],
    ] as const) {
      it(`accepts ${what}`, () => {
        expect(agrees(Buffer.from(kind.written(text)))).to.equal(true);
      });
    }

    for (const [what, text] of [
      ['a comment', inline('<!-- x -->')],
      ['a CDATA section', inline('<![CDATA[x]]>')],
      ['a numeric reference', inline('&#65;')],
      [']]> in text', inline(']]>')],
      ['duplicate attributes', inline("<a b='1' b='2'/>")],
      ['crossed elements', inline('<a><b></a></b>')],
      ['another attribute', inline('x', " xml:space='preserve'")],
      ['too deep elements', inline('<a><b><c><d><e/></d></c></b></a>')],
      ['too many elements', inline('<a/>'.repeat(30))],
      ['an overlong UTF-8 sequence', inline('\xc0\x80')],
      [
        'a number of too many digits',
        inline().replace('<data-content', "<option internal='x' transID='00000000001' /><data-content"),
      ],
      [
        'too many recipients',
        inline().replace('<data-content', "<recipient identity='e@f' /><recipient identity='g@h' /><data-content"),
      ],
      ['no recipient', inline().replace("<recipient identity='c@d' />", '')],
      [
        'an option before the recipient',
        inline().replace('<recipient', "<option internal='x' transID='1' /><recipient"),
      ],
      ['a parameter given twice', multipart('x').replace('; type', '; start="<c1@b>"; type')],
      ['a root that start does not name', multipart('x').replace('start="<c1', 'start="<c3')],
      ['two parts with one Content-ID', multipart('x').replaceAll('c2@b', 'c1@b')],
      [
        'a header of the control part given twice',
        multipart('x').replace(
          /(Content-ID: <c1)/,
          'Content-Transfer-Encoding: binary\r\nContent-Transfer-Encoding: binary\r\n$1',
        ),
      ],
      ['a header of the content part continued', multipart('x').replace('c2@b>\r\n\r', 'c2@b>\r\n x\r\n\r')],
      ['a third part', multipart('x\r\n--=_m1\r\n\r\ny')],
      ['an escaped cid URL', multipart('x').replace('cid:c2@b', 'cid:c2%40b')],
      ['an epilogue', multipart('x', '\r\n\r\n')],
      ['no content part', multipart('x').replace('c2@b>\r\n', 'c3@b>\r\n')],
      ['a part cut short', multipart('x').slice(0, -6)],
      ['another header', inline().replace('\r\n\r\n', '\r\nX: y\r\n\r\n')],
    ] as const) {
      it(`leaves ${what} to the parsers`, () => {
        expect(agrees(Buffer.from(kind.written(text), 'latin1'))).to.equal(false);
      });
    }

    it('keeps nothing of a payload that it has read', () => {
      const first = scanner.scan(Buffer.from(written('<a>1</a>')));
      const second = scanner.scan(Buffer.from(written('<a>2</a>')));
      expect([first, second].map((data) => data?.dataContent?.inner.toString())).to.deep.equal([
        '<a>1</a>',
        '<a>2</a>',
      ]);
    });

    it('returns views of the payload', () => {
      const octets = Buffer.from(written('<a>1</a>'));
      const data = scanner.scan(octets);
      expect(data?.source?.payload).to.equal(octets);
      expect(data?.dataContent?.inner.buffer).to.equal(octets.buffer);
    });
  });
}
