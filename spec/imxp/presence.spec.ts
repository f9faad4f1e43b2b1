import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../lib/errors.js';
import {
  isOpen,
  type PresenceOperation,
  readPresence,
  readPresenceOperation,
  type Tuple,
  writePresence,
  writePresenceOperation,
} from '../../lib/imxp/vocabulary/presence.js';
import { readServiceReply, writeServiceReply } from '../../lib/imxp/vocabulary/reply.js';
import { parseXml } from '../../lib/xml/parse.js';

const read = (text: string): PresenceOperation | undefined => readPresenceOperation(parseXml(Buffer.from(text)));
const presence = (text: string) => readPresence(parseXml(Buffer.from(text)));

const FRED = `<presence publisher='fred@example.com' lastUpdate='21 Oct 2000 09:58:12 +0200' publisherInfo='http://example.com/~fred/'>
  <tuple destination='im:fred@example.com' availableUntil='21 Oct 2000 18:00:00 +0200'>
    <capability baseline='rfc2533'>(&amp; (type="text/plain") (charset=ütf))</capability>
  </tuple>
  <tuple destination='mailto:fred@quarry.example.com' availableUntil='2030-01-01T00:00:00Z' tupleInfo='http://example.com/mail' />
</presence>`;

/** Reads an operation, or says with which code it is refused. */
function codeOf(text: string): number | undefined {
  try {
    read(text);
    return undefined;
  } catch (error) {
    if (error instanceof RemoteProtocolError) return error.reply?.code;
    throw error;
  }
}

describe('imxp/presence', () => {
  it('reads and writes the operations', () => {
    const documents = [
      `<subscribe publisher='fred@example.com' duration='3600' transID='51877' />`,
      `<watch publisher='fred@example.com' duration='0' transID='1' />`,
      `<notify subscriber='barney@rubble.com' transID='20661' />`,
      `<terminate transID='2147483647' />`,
    ];
    for (const document of documents) {
      const operation = read(document);
      expect(operation).to.not.equal(undefined);
      if (operation !== undefined) expect(writePresenceOperation(operation)).to.equal(document);
    }
  });

  it('REQ-IMPP-019 REQ-IMPP-020 REQ-IMPP-030 reads presence with everything it may contain', () => {
    expect(presence(FRED)).to.deep.equal({
      publisher: 'fred@example.com',
      lastUpdate: Date.UTC(2000, 9, 21, 7, 58, 12),
      publisherInfo: 'http://example.com/~fred/',
      tuples: [
        {
          destination: 'im:fred@example.com',
          availableUntil: '21 Oct 2000 18:00:00 +0200',
          tupleInfo: '',
          capabilities: [{ baseline: 'rfc2533', text: '(& (type="text/plain") (charset=ütf))' }],
        },
        {
          destination: 'mailto:fred@quarry.example.com',
          availableUntil: '2030-01-01T00:00:00Z',
          tupleInfo: 'http://example.com/mail',
          capabilities: [],
        },
      ],
    });
  });

  it('ignores elements of other vocabularies', () => {
    expect(read(`<get owner='fred@example.com' transID='1' />`)).to.equal(undefined);
  });

  const broken: readonly string[] = [
    `<subscribe publisher='fred@example.com' transID='1' />`,
    `<subscribe publisher='fred@example.com' duration='-1' transID='1' />`,
    `<subscribe publisher='fred@example.com' duration='2147483648' transID='1' />`,
    `<subscribe publisher='fred@example.com' duration='1' transID='0' />`,
    `<subscribe publisher='fred@example.com' duration='1' transID='1'>x</subscribe>`,
    `<watch publisher='fred@example.com' duration='1' transID='1' until='2' />`,
    `<watch duration='1' transID='1' />`,
    `<notify transID='1' />`,
    `<terminate />`,
    `<terminate transID='1' publisher='fred@example.com' />`,
    `<publish publisher='fred@example.com' transID='1' timeStamp='21 Oct 2000 09:58:12 +0200' />`,
    `<publish publisher='fred@example.com' transID='1' timeStamp='now'>${FRED}</publish>`,
    `<publish publisher='fred@example.com' transID='1' timeStamp='21 Oct 2000 09:58:12 +0200'>${FRED}${FRED}</publish>`,
    `<publish publisher='fred@example.com' transID='1' timeStamp='21 Oct 2000 09:58:12 +0200'>${FRED} hello</publish>`,
  ];
  for (const text of broken) {
    it(`refuses with 501: ${text.slice(0, 110).replace(/\s+/g, ' ')}`, () => expect(codeOf(text)).to.equal(501));
  }

  const insides: Readonly<Record<string, string>> = {
    'no tuple': '',
    'another element': '<entry />',
    'a destination that is no URI': `<tuple destination='fred' availableUntil='21 Oct 2000 09:58:12 +0200' />`,
    'an availableUntil that is no time': `<tuple destination='im:a@b' availableUntil='soon' />`,
    'a tupleInfo that is no URI': `<tuple destination='im:a@b' availableUntil='21 Oct 2000 09:58:12 +0200' tupleInfo='x y' />`,
    'a capability without baseline': `<tuple destination='im:a@b' availableUntil='21 Oct 2000 09:58:12 +0200'><capability>x</capability></tuple>`,
    'a capability with elements': `<tuple destination='im:a@b' availableUntil='21 Oct 2000 09:58:12 +0200'><capability baseline='x'><b /></capability></tuple>`,
    'another element in a tuple': `<tuple destination='im:a@b' availableUntil='21 Oct 2000 09:58:12 +0200'><note /></tuple>`,
  };
  for (const [what, inside] of Object.entries(insides)) {
    it(`refuses presence with ${what}`, () => {
      const wrong = `<presence publisher='fred@example.com' lastUpdate='21 Oct 2000 09:58:12 +0200'>${inside}</presence>`;
      expect(() => presence(wrong))
        .to.throw(RemoteProtocolError)
        .with.nested.property('reply.code', 501);
    });
  }

  it('REQ-PRES-016 keeps any text in any script', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 20 }).filter((some) => !/[^\t\n -\uFFFD]/.test(some));
    const tuple: fc.Arbitrary<Tuple> = fc.record({
      destination: fc.constantFrom('im:fred@example.com', 'mailto:a@b', 'http://example.com/?a=b&c=%27d#e'),
      availableUntil: fc.constantFrom('21 Oct 2000 18:00:00 +0200', '1 Jan 2030 00:00:00 +0000'),
      tupleInfo: fc.constantFrom('', 'urn:x:y'),
      capabilities: fc.array(fc.record({ baseline: fc.constantFrom('rfc2533', 'x.y'), text }), { maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(tuple, { minLength: 1, maxLength: 4 }), text, (tuples, publisher) => {
        const value = { publisher, lastUpdate: Date.UTC(2000, 9, 21), publisherInfo: '', tuples };
        expect(presence(writePresence(value))).to.deep.equal(value);
      }),
    );
  });

  describe('in the form of APEX', () => {
    it('REQ-PRES-014 reads and writes notify with duration and action', () => {
      const notify = `<notify subscriber='barney@rubble.com' transID='20661' duration='86400' action='terminate' />`;
      const operation = read(notify);
      expect(operation).to.deep.include({ duration: 86_400, action: 'terminate' });
      expect(operation && writePresenceOperation(operation, 'apex')).to.equal(notify);
      expect(operation && writePresenceOperation(operation, 'imxp')).to.equal(
        `<notify subscriber='barney@rubble.com' transID='20661' />`,
      );
      expect(read(`<notify subscriber='barney@rubble.com' transID='20661' />`)).to.deep.include({
        duration: 0,
        action: 'subscribe',
      });
      for (const wrong of [`action='end'`, `duration='-1'`, `duration='x'`]) {
        expect(codeOf(`<notify subscriber='barney@rubble.com' transID='20661' ${wrong} />`), wrong).to.equal(501);
      }
    });

    it('reads a terminate that gives a reason', () => {
      expect(read(`<terminate transID='7' code='421' xml:lang='en'>good bye</terminate>`)).to.deep.equal({
        type: 'terminate',
        transID: 7,
      });
      expect(codeOf(`<terminate transID='7'><b /></terminate>`)).to.equal(501);
    });

    it('REQ-IMPP-022 writes times and baselines in the form of the reader', () => {
      const value = presence(
        FRED.replace(`<capability baseline='rfc2533'>`, `<capability baseline='http://example.com/b'>x</capability>$&`),
      );
      expect(writePresence(value, 'apex')).to.equal(
        `<presence publisher='fred@example.com' lastUpdate='2000-10-21T07:58:12-00:00' publisherInfo='http://example.com/~fred/'>` +
          `<tuple destination='im:fred@example.com' availableUntil='2000-10-21T16:00:00-00:00'>` +
          `<capability baseline='http://example.com/b'>x</capability>` +
          `<capability baseline='urn:ietf:rfc:rfc2533'>(&amp; (type="text/plain") (charset=ütf))</capability></tuple>` +
          `<tuple destination='mailto:fred@quarry.example.com' availableUntil='2030-01-01T00:00:00Z' tupleInfo='http://example.com/mail' /></presence>`,
      );
      // IMXP names a baseline by a name token: one that is a URI and nothing else cannot be said there.
      const imxp = writePresence(presence(writePresence(value, 'apex')), 'imxp');
      expect(imxp).to.include(`availableUntil='21 Oct 2000 16:00:00 +0000'><capability baseline='rfc2533'>`);
      expect(imxp).to.include(`availableUntil='1 Jan 2030 00:00:00 +0000'`).and.not.include('http://example.com/b');
    });

    it('writes names without quotes, as APEX does', () => {
      const subscribe = `<subscribe publisher='fred flintstone@example.com' duration='1' transID='2' />`;
      const operation = readPresenceOperation(parseXml(Buffer.from(subscribe)), 'apex');
      expect(operation).to.deep.include({ publisher: '"fred flintstone"@example.com' });
      expect(operation && writePresenceOperation(operation, 'apex')).to.equal(subscribe);
    });
  });

  it('REQ-IMPP-026 REQ-IMPP-037 knows when a destination has closed', () => {
    const tuple = { availableUntil: '21 Oct 2000 18:00:00 +0200' };
    const end = Date.UTC(2000, 9, 21, 16);
    expect([isOpen(tuple, end - 1), isOpen(tuple, end)]).to.deep.equal([true, false]);
  });
});

describe('imxp/service reply', () => {
  const reply = (text: string) => readServiceReply(parseXml(Buffer.from(text)));

  it('writes a reply without text as the specifications print it', () => {
    expect(writeServiceReply({ code: 250, transID: 51877, text: '', lang: undefined })).to.equal(
      `<reply code='250' transID='51877' />`,
    );
  });

  it('reads a reply with its text and language', () => {
    const value = { type: 'reply', code: 537, transID: 7, text: 'not <you>', lang: 'en' } as const;
    expect(reply(writeServiceReply(value))).to.deep.equal(value);
  });

  for (const wrong of [
    `<reply code='25' transID='1' />`,
    `<reply code='250' />`,
    `<reply code='250' transID='1'><b /></reply>`,
  ]) {
    it(`refuses ${wrong}`, () => expect(() => reply(wrong)).to.throw(RemoteProtocolError));
  }
});
