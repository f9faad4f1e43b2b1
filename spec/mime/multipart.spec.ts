import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../lib/errors.js';
import { parseEntity } from '../../lib/mime/entity.js';
import type { MimeLimits } from '../../lib/mime/fault.js';
import { buildMultipart, type Multipart, parseMultipart } from '../../lib/mime/multipart.js';

function parse(octets: Buffer | string, limits?: MimeLimits): Multipart {
  const whole = Buffer.isBuffer(octets) ? octets : Buffer.from(octets, 'latin1');
  const { headers, bodyStart } = parseEntity(whole);
  const type = headers.mediaType();
  if (type === undefined) {
    throw new Error('no media type');
  }
  return parseMultipart(whole, bodyStart, type, limits);
}

const head = 'Content-Type: multipart/related; boundary=B; start="<one@example.com>"; type="text/xml"\r\n\r\n';
const one = 'Content-Type: text/xml\r\nContent-ID: <one@example.com>\r\n\r\n<data/>';
const two = 'Content-ID: <two@example.com>\r\n\r\nhello';
const bodiesIn = (found: Multipart) => found.parts.map((part) => part.body.toString('latin1'));

function refusal(text: string, limits?: MimeLimits): number | undefined {
  try {
    parse(text, limits);
  } catch (error) {
    expect(error).to.be.instanceOf(RemoteProtocolError);
    return (error as RemoteProtocolError).reply?.code;
  }
  throw new Error('accepted');
}

describe('mime/multipart', () => {
  it('returns parts as views with their offsets', () => {
    const octets = Buffer.from(`${head}--B\r\n${one}\r\n--B\r\n${two}\r\n--B--\r\n`);
    const found = parse(octets);
    expect(bodiesIn(found)).to.deep.equal(['<data/>', 'hello']);
    expect(found.root.id).to.equal('one@example.com');
    const part = found.part('two@example.com');
    expect(part?.body.buffer).to.equal(octets.buffer);
    expect(part && octets.subarray(part.start, part.end).toString()).to.equal(two);
    expect(part && octets.subarray(part.bodyStart, part.end).toString()).to.equal('hello');
    expect(found.part('three@example.com')).to.equal(undefined);
  });

  it('ignores preamble and epilogue, with and without line ends, and padding of delimiters', () => {
    for (const text of [
      `${head}--B\r\n${one}\r\n--B\r\n${two}\r\n--B--`,
      `${head}\r\n--B \t\r\n${one}\r\n--B\r\n${two}\r\n--B-- `,
      `${head}preamble --B\r\n--B\r\n${one}\r\n--B\r\n${two}\r\n--B--\r\nepilogue`,
      `${head}a\r\nb\r\n--B\r\n${one}\r\n--B\r\n${two}\r\n--B--\t\r\n--B\r\nx\r\n--B--`,
    ]) {
      expect(bodiesIn(parse(text))).to.deep.equal(['<data/>', 'hello']);
    }
  });

  it('keeps lines that only begin like a delimiter in the part', () => {
    const body = '--B\n--Bx\r\n--Bx\r\n--B--x\r\n --B\r\n-B\r\n';
    expect(bodiesIn(parse(`${head}--B\r\n${one}\r\n--B\r\n\r\n${body}\r\n--B--`))).to.deep.equal(['<data/>', body]);
  });

  it('reads empty parts', () => {
    expect(bodiesIn(parse(`${head}--B\r\n--B\r\n\r\n--B\r\n\r\n\r\n--B\r\n${one}\r\n--B--`))).to.deep.equal([
      '',
      '',
      '',
      '<data/>',
    ]);
  });

  it('uses the first part as root if there is no start parameter', () => {
    const text = `Content-Type: multipart/related; boundary="B"\r\n\r\n--B\r\n${two}\r\n--B\r\n${one}\r\n--B--`;
    expect(parse(text).root.id).to.equal('two@example.com');
  });

  it('REQ-IMXP-006 uses the part that the start parameter names as root, at any position', () => {
    expect(parse(`${head}--B\r\n${two}\r\n--B\r\n${one}\r\n--B--`).root.id).to.equal('one@example.com');
  });

  it('refuses malformed multiparts with 500', () => {
    expect(refusal(`${head}`)).to.equal(500);
    expect(refusal(`${head}--B\r\n${one}`)).to.equal(500);
    expect(refusal(`${head}--B\r\n${one}\r\n--B\r\n`)).to.equal(500);
    expect(refusal(`${head}--B\r\nno header\r\n\r\n\r\n--B--`)).to.equal(500);
  });

  it('refuses inconsistent multiparts with 501', () => {
    expect(refusal(`Content-Type: multipart/related\r\n\r\n--B\r\n${one}\r\n--B--`)).to.equal(501);
    expect(refusal('Content-Type: multipart/related; boundary=""\r\n\r\n--\r\n\r\n----')).to.equal(501);
    expect(refusal(`Content-Type: multipart/related; boundary="${'x'.repeat(71)}"\r\n\r\n`)).to.equal(501);
    expect(refusal(`${head}--B--`)).to.equal(501);
    expect(refusal(`${head}--B\r\n${two}\r\n--B--`)).to.equal(501);
    expect(refusal(`${head}--B\r\n${one}\r\n--B\r\n${one}\r\n--B--`)).to.equal(501);
  });

  it('limits parts and the headers of each', () => {
    const text = `${head}--B\r\n${one}\r\n--B\r\n${two}\r\n--B--`;
    expect(bodiesIn(parse(text, { parts: 2, headerOctets: 200 }))).to.have.length(2);
    expect(refusal(text, { parts: 1, headerOctets: 200 })).to.equal(501);
    expect(
      refusal(`${head}--B\r\n${one}\r\n--B\r\nX: ${'x'.repeat(200)}\r\n\r\n\r\n--B--`, { parts: 2, headerOctets: 200 }),
    ).to.equal(501);
  });

  it('REQ-IMXP-008 builds binary parts that are read back octet for octet', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 3 }), (root, others) => {
        const sources = others.map((body, index) => ({
          id: `p${index}@b`,
          type: 'a/b',
          body: Buffer.from(body),
        }));
        const built = buildMultipart('text/xml', { id: 'root@b', type: 'text/xml', body: Buffer.from(root) }, sources);
        const found = parse(Buffer.concat(built));
        expect(found.root.body).to.deep.equal(Buffer.from(root));
        expect(found.root.headers.mediaType()?.type).to.equal('text/xml');
        for (const source of sources) {
          expect(found.part(source.id)?.body).to.deep.equal(source.body);
          expect(found.part(source.id)?.headers.get('Content-Transfer-Encoding')).to.equal('binary');
        }
      }),
    );
  });

  it('takes a boundary of one octet that does not occur in small bodies and headers, and a random one for large bodies', () => {
    const boundaryOf = (...bodies: readonly (string | Buffer)[]): string => {
      const parts = bodies.map((body, index) => {
        return { id: `p${index}@b`, type: 'a/b', headers: [{ name: 'X', value: 'a--0' }], body: Buffer.from(body) };
      });
      const [root = { id: 'r@b', type: 'a/b', body: Buffer.alloc(0) }, ...others] = parts;
      const built = Buffer.concat(buildMultipart('a/b', root, others));
      expect(bodiesIn(parse(built))).to.deep.equal(bodies.map(String));
      return parseEntity(built).headers.mediaType()?.parameters.get('boundary') ?? '';
    };
    expect(boundaryOf('<data/>', 'hello')).to.equal('1');
    expect(boundaryOf('<data/>', '\r\n--1\r\n')).to.equal('2');
    expect(boundaryOf('--1 --2', 'x\r\n--3--')).to.equal('4');
    expect(boundaryOf('<data/>', '--0--1--2--3--4--5--6--7--8--9')).to.match(/^[\w-]{16}$/);
    expect(boundaryOf('<data/>', 'x'.repeat(5000))).to.match(/^[\w-]{16}$/);
  });

  it('builds without copying bodies', () => {
    const body = Buffer.from('x');
    expect(
      buildMultipart('text/xml', { id: 'r@b', type: 'text/xml', body: Buffer.from('') }, [
        { id: 'p@b', type: 'a/b', body },
      ]),
    ).to.include(body);
  });
});
