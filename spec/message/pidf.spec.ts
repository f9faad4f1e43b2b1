import { expect } from 'chai';
import fc from 'fast-check';
import { ImxpError } from '../../lib/errors.js';
import { fromCpimPresence } from '../../lib/gateway/presence-conversion.js';
import type { CpimPresence } from '../../lib/message/pidf.js';
import { PIDF_TYPE, readPidf, writePidf } from '../../lib/message/pidf.js';
import { arrived, authority, BARNEY, barney, FRED, fred, secureOf } from '../message/smime/people.js';

const ENTITY = `pres:${FRED}`;
const presence: CpimPresence = {
  entityInfo: 'http://example.com/~fred?a=1&b=2',
  tuples: [
    { destination: `im:${FRED}`, status: 'open', info: 'http://example.com/quarry' },
    { destination: 'tel:+1-555', status: 'closed', info: '' },
  ],
};

const pidf = (inner: string, attributes = `entity='${ENTITY}'`): Buffer =>
  Buffer.from(`<presence xmlns='urn:ietf:params:xml:ns:pidf' xmlns:x='urn:x' ${attributes}>${inner}</presence>`);
const TUPLE = `<tuple id='a'><status><basic>open</basic></status><contact priority='0.8'>im:${FRED}</contact></tuple>`;

describe('PIDF', () => {
  it('is written and read again', () => {
    const { type, body } = writePidf(ENTITY, presence);
    expect(type).to.equal(`${PIDF_TYPE}; charset=UTF-8`);
    expect(readPidf(body)).to.deep.equal({ entity: ENTITY, presence });
    expect(body.toString()).to.include(
      "<tuple id='t2'><status><basic>closed</basic></status><contact>tel:+1-555</contact>",
    );
    expect(readPidf(writePidf(ENTITY, { entityInfo: '', tuples: [] }).body).presence.tuples).to.deep.equal([]);
  });

  it('reads what others write: prefixes, notes, times, priorities, extensions', () => {
    const text = `<?xml version="1.0" encoding="UTF-8"?>
<impp:presence xmlns:impp="urn:ietf:params:xml:ns:pidf" xmlns:im="urn:ietf:params:xml:ns:pidf:im" entity="${ENTITY}">
  <impp:tuple id="bs35r9">
    <impp:status><impp:basic> open </impp:basic><im:im>busy</im:im></impp:status>
    <impp:contact priority="0.8">im:fred@mobile.example</impp:contact>
    <impp:note xml:lang="en">Do not disturb</impp:note>
    <impp:timestamp>2001-10-27T16:49:29Z</impp:timestamp>
  </impp:tuple>
  <impp:note>I am in the quarry</impp:note>
</impp:presence>`;
    expect(readPidf(Buffer.from(text)).presence).to.deep.equal({
      entityInfo: '',
      tuples: [
        { destination: 'im:fred@mobile.example', status: 'open', info: '', note: 'Do not disturb', priority: 76 },
      ],
    });
  });

  it('has the availability, text and priority of a tuple', () => {
    const tuples = [-128, -1, 0, 1, 127].map((priority) => ({
      destination: `im:${FRED}`,
      status: 'open' as const,
      info: '',
      show: 'dnd' as const,
      note: 'at <work> & busy',
      priority,
    }));
    const { body } = writePidf(ENTITY, { entityInfo: '', tuples });
    expect(readPidf(body).presence.tuples).to.deep.equal(tuples);
    expect(body.toString()).to.include("<x:show xmlns:x='jabber:client'>dnd</x:show></status>");
    const odd =
      "<status><basic>open</basic><show xmlns='jabber:client'>gone</show></status><contact priority='7'>im:a@b.c</contact>";
    expect(readPidf(pidf(`<tuple id='a'>${odd}</tuple>`)).presence.tuples).to.deep.equal([
      { destination: 'im:a@b.c', status: 'open', info: '' },
    ]);
  });

  it('skips tuples that are neither open nor closed, and applies one without contact to the whole presentity', () => {
    const tuples = (inner: string) => readPidf(pidf(inner)).presence.tuples;
    expect(tuples("<tuple id='a'><status/></tuple>")).to.deep.equal([]);
    expect(tuples("<tuple id='a'><status><basic>away</basic></status></tuple>")).to.deep.equal([]);
    const whole = tuples("<tuple id='a'><status><basic>closed</basic></status></tuple>");
    expect(whole).to.deep.equal([{ destination: ENTITY, status: 'closed', info: '' }]);
    expect(fromCpimPresence({ entityInfo: '', tuples: whole }, ENTITY, 0).tuples[0]?.destination).to.equal(ENTITY);
  });

  it('honours mustUnderstand: skips the tuple, or refuses the document', () => {
    const must = "xmlns:p='urn:ietf:params:xml:ns:pidf' p:mustUnderstand='1'";
    const within = TUPLE.replace('</tuple>', `<x:lodge ${must}/></tuple>`);
    expect(readPidf(pidf(within + TUPLE)).presence.tuples).to.have.length(1);
    expect(() => readPidf(pidf(`${TUPLE}<x:lodge ${must}/>`)))
      .to.throw('must be understood')
      .with.property('reply')
      .that.deep.includes({ code: 504 });
    expect(readPidf(pidf(`${TUPLE}<x:lodge ${must.replace("'1'", "'0'")}/>`)).presence.tuples).to.have.length(1);
  });

  it('refuses documents that are not PIDF', () => {
    for (const octets of [
      Buffer.from('hello'),
      Buffer.from(`<presence entity='${ENTITY}'/>`),
      pidf('', ''),
      pidf('', `entity='im:${FRED}'`),
      pidf('', "entity='nobody'"),
      pidf('<y:z/>'),
    ]) {
      expect(() => readPidf(octets), octets.toString())
        .to.throw(ImxpError)
        .with.property('reply');
    }
    expect(() => writePidf(`im:${FRED}`, presence)).to.throw(ImxpError);
  });

  it('reads back any presence that it writes', () => {
    const uri = fc.webUrl().filter((one) => !/[\s]/.test(one));
    const tuple = fc.record({
      destination: uri,
      status: fc.constantFrom('open' as const, 'closed' as const),
      info: uri,
    });
    fc.assert(
      fc.property(uri, fc.array(tuple), (entityInfo, tuples) => {
        expect(readPidf(writePidf(ENTITY, { entityInfo, tuples }).body).presence).to.deep.equal({ entityInfo, tuples });
      }),
    );
  });

  it('REQ-CPIM-014 is signed and encrypted like a message', () => {
    const document = writePidf(ENTITY, presence);
    const sealed = secureOf(fred).seal(document, { sign: true, encrypt: true, from: FRED, to: [BARNEY] });
    const side = secureOf(barney, { authorities: authority.certificate });
    const { entity, signed, encrypted } = side.open(arrived(sealed), FRED);
    expect([signed?.by, signed?.valid, encrypted]).to.deep.equal([FRED, true, true]);
    expect(readPidf(entity.body)).to.deep.equal({ entity: ENTITY, presence });
  });
});
