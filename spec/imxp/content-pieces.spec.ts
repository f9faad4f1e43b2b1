import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../lib/errors.js';
import { contentOf, makeData } from '../../lib/imxp/content.js';
import { contentPieces } from '../../lib/imxp/content-pieces.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Data } from '../../lib/imxp/operation.js';
import { contiguous } from '../../lib/mime/payload.js';

const dialect = imxpDialect();
const ID = 'c@example.com';

/** A message with these parts beside its control document. */
function written(parts: string, content = `cid:${ID}`, end = '--\r\n'): Buffer {
  const control = `<data originator='fred@example.com' content='${content}'><recipient identity='barney@rubble.com' /></data>`;
  return Buffer.from(
    `Content-Type: multipart/related; boundary=b; start="<d@example.com>"; type="text/xml"\r\n\r\n--b\r\n` +
      `Content-Type: text/xml\r\nContent-ID: <d@example.com>\r\n\r\n${control}\r\n--b\r\n${parts}\r\n--b${end}`,
    'latin1',
  );
}

/** Cut at each of these places. */
function cut(payload: Buffer, places: readonly number[]): Buffer[] {
  const ordered = [0, ...places.map((place) => place % payload.length).sort((a, b) => a - b), payload.length];
  return ordered.slice(1).map((end, at) => payload.subarray(ordered[at], end));
}

function received(payload: Buffer | readonly Buffer[]): Data {
  const operation = dialect.decode(payload);
  if (operation.type !== 'data') throw new Error(operation.type);
  return operation;
}

const part = (body: string, header = 'Content-Transfer-Encoding: binary\r\n'): string =>
  `Content-Type: image/png\r\n${header}Content-ID: <${ID}>\r\n\r\n${body}`;

describe('imxp/content-pieces', () => {
  it('gives the content of a message in pieces, wherever it was cut', () => {
    const body = 'octets \xff\x00\r\n--b\r\r\n--'.repeat(50);
    fc.assert(
      fc.property(fc.array(fc.nat(), { maxLength: 12 }), (places) => {
        const pieces = contentPieces(received(cut(written(part(body)), places)));
        expect(Buffer.concat(pieces).toString('latin1')).to.equal(body);
      }),
    );
  });

  it('gives views of what was received, not copies', () => {
    const body = Buffer.alloc(200_000, 'yabba dabba doo \r\n--');
    const made = makeData({ originator: 'fred@example.com', recipients: [ID], content: { type: 'image/png', body } });
    const payload = contiguous(dialect.encodeData(made));
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 20_000, max: payload.length }), { minLength: 1, maxLength: 12 }),
        (places) => {
          const pieces = contentPieces(received(cut(payload, places)));
          expect(Buffer.concat(pieces).equals(body)).to.equal(true);
          for (const piece of pieces) expect(piece.buffer === payload.buffer).to.equal(true);
        },
      ),
    );
  });

  for (const [what, payload] of [
    ['in base64', written(part('eWFiYmE=', 'Content-Transfer-Encoding: base64\r\n'))],
    ['that is not encoded, and says nothing of it', written(part('yabba', ''))],
    ['that is empty', written(part(''))],
    ['that shares its line end with the last delimiter', written(part('').slice(0, -2))],
    ['before another part', written(`${part('yabba')}\r\n--b\r\nContent-ID: <e@example.com>\r\n\r\nother`)],
    ['after another part', written(`Content-ID: <e@example.com>\r\n\r\nother\r\n--b\r\n${part('yabba')}`)],
    ['before an epilogue', written(part('yabba'), undefined, '--\r\nepilogue')],
    ['with long headers', written(part('yabba', `X: ${'x'.repeat(900)}\r\n`.repeat(20)))],
    ['elsewhere', written(part('yabba'), 'http://example.com/')],
  ] as const) {
    it(`reads as the parser does what is ${what}`, () => {
      let wanted: string;
      try {
        const content = contentOf(received(payload));
        wanted = content.kind === 'part' ? content.body.toString('latin1') : 'http://example.com/';
      } catch (error) {
        wanted = String(error);
      }
      for (let at = 1; at < payload.length; at += 7) {
        let read: string;
        try {
          read = contiguous(contentPieces(received(cut(payload, [at])))).toString('latin1');
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
          read = String(error);
        }
        expect(read, `cut at ${at}`).to.equal(wanted);
      }
    });
  }

  it('gives what is not received, and inline XML', () => {
    const address = { originator: 'fred@example.com', recipients: ['barney@rubble.com'] };
    const large = Buffer.alloc(100_000, 'x');
    for (const body of [large, Buffer.from('x')]) {
      const pieces = contentPieces(makeData({ ...address, content: { type: 'text/plain', body } }));
      expect(contiguous(pieces).equals(body)).to.equal(true);
    }
    expect(contentPieces(makeData({ ...address, content: { xml: '<a/>' } })).join('')).to.equal('<a/>');
  });

  it('does not copy a large body to send it', () => {
    const body = Buffer.alloc(100_000, 'x');
    const { source } = makeData({ originator: 'fred@example.com', recipients: [ID], content: { type: 'a/b', body } });
    expect(Buffer.isBuffer(source?.payload) ? [] : source?.payload).to.include(body);
  });
});
