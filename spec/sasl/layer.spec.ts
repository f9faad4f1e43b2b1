import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../lib/errors.js';
import { desKey } from '../../lib/sasl/digest-md5/cipher.js';
import { DigestLayer, type LayerOptions } from '../../lib/sasl/digest-md5/layer.js';
import { CIPHERS, type Cipher } from '../../lib/sasl/settings.js';

const KEY = Buffer.from('1fedc101c39019bc5f0d1f670a54598a', 'hex');
const kinds: readonly (Cipher | undefined)[] = [undefined, ...CIPHERS];

function pair(cipher: Cipher | undefined, more: Partial<LayerOptions> = {}) {
  const qop = cipher === undefined ? ('auth-int' as const) : ('auth-conf' as const);
  const both = { sessionKey: KEY, qop, cipher, peerMaxbuf: 65_536, maxbuf: 65_536, ...more };
  return { client: new DigestLayer({ ...both, role: 'client' }), server: new DigestLayer({ ...both, role: 'server' }) };
}

/** Lengths of the packets in a wrapped buffer. */
function packetLengths(octets: Buffer): number[] {
  const lengths: number[] = [];
  for (let at = 0; at < octets.length; at += 4 + octets.readUInt32BE(at)) lengths.push(octets.readUInt32BE(at));
  return lengths;
}

describe('security layers', () => {
  it('expands DES keys with odd parity', () => {
    expect(desKey(Buffer.from('285312d7387b42', 'hex')).toString('hex')).to.equal('2929c45b73c2ec85');
    expect(desKey(Buffer.from('f1229bb4614751', 'hex')).toString('hex')).to.equal('f191a776460b1ca2');
  });

  const known: readonly [Cipher | undefined, string][] = [
    [undefined, '0000001a68656c6c6f206d6573686171ae43d735d98e4b8b000100000000'],
    ['rc4', '0000001a3db439e44fe255f69cf1a50db6b2a1bd467ca462000100000000'],
    ['3des', '0000001e9c23aac60842ba9d3d521ccf378297bb2fc11013bc141871000100000000'],
    ['des', '0000001e3dbad50ec7e8a03631e8b89b4c6fe7a0af1840ae7737532d000100000000'],
  ];
  for (const [cipher, packet] of known) {
    it(`REQ-SASL-030 REQ-SASL-031 makes the known packet of ${cipher ?? 'auth-int'}`, () => {
      const { client, server } = pair(cipher);
      expect(client.wrap(Buffer.from('hello mesh')).toString('hex')).to.equal(packet);
      expect(server.unwrap(Buffer.from(packet, 'hex')).toString()).to.equal('hello mesh');
    });
  }

  for (const cipher of kinds) {
    const name = cipher ?? 'auth-int';

    it(`carries any octets in pieces of any size: ${name}`, () => {
      const messages = fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 6 });
      fc.assert(
        fc.property(
          messages,
          fc.integer({ min: 1, max: 50 }),
          fc.integer({ min: 32, max: 100 }),
          (plain, piece, peerMaxbuf) => {
            const { client, server } = pair(cipher, { peerMaxbuf });
            const wire = Buffer.concat(plain.map((each) => client.wrap(Buffer.from(each))));
            const received: Buffer[] = [];
            for (let at = 0; at < wire.length; at += piece) received.push(server.unwrap(wire.subarray(at, at + piece)));
            expect(Buffer.concat(received)).to.deep.equal(Buffer.concat(plain));
          },
        ),
        { numRuns: 60 },
      );
    });

    it(`reads packets at once, octet by octet and with the beginning of another: ${name}`, () => {
      const packet = pair(cipher).client.wrap(Buffer.from('hello mesh'));
      expect(pair(cipher).server.unwrap(packet).toString()).to.equal('hello mesh');
      const { server } = pair(cipher);
      const pieces = [...packet].map((octet) => server.unwrap(Buffer.of(octet)).toString());
      expect(pieces.slice(0, -1).join('')).to.equal('');
      expect(pieces.at(-1)).to.equal('hello mesh');
      expect(
        pair(cipher)
          .server.unwrap(Buffer.concat([packet, Buffer.of(0, 0)]))
          .toString(),
      ).to.equal('hello mesh');
    });

    it(`D-SASL-06 REQ-SASL-030 accepts no changed, repeated or swapped packet: ${name}`, () => {
      const { client, server } = pair(cipher);
      const [first, second] = [client.wrap(Buffer.from('one')), client.wrap(Buffer.from('two'))];
      for (let at = 4; at < first.length; at += 1) {
        const changed = Buffer.from(first);
        changed[at] = (changed[at] ?? 0) ^ 1;
        expect(() => pair(cipher).server.unwrap(changed), `octet ${at}`)
          .to.throw(RemoteProtocolError)
          .with.property('reply', undefined);
      }
      expect(() => pair(cipher).server.unwrap(second)).to.throw(RemoteProtocolError);
      expect(() => pair(cipher).client.unwrap(first), 'reflected').to.throw(RemoteProtocolError);
      server.unwrap(first);
      expect(() => server.unwrap(first)).to.throw(RemoteProtocolError);
    });

    it(`REQ-SASL-032 respects the peer's maxbuf: ${name}`, () => {
      for (const peerMaxbuf of [32, 33, 40, 255, 2048, 65_536]) {
        const { client, server } = pair(cipher, { peerMaxbuf, maxbuf: peerMaxbuf });
        const plain = Buffer.alloc(70_000, 'x');
        const wire = client.wrap(plain);
        expect(Math.max(...packetLengths(wire)))
          .to.be.at.most(peerMaxbuf)
          .and.above(peerMaxbuf - 9);
        expect(server.unwrap(wire)).to.deep.equal(plain);
      }
    });
  }

  it('REQ-SASL-032 refuses a packet above our maxbuf before it has arrived', () => {
    const { server } = pair(undefined, { maxbuf: 100 });
    expect(() => server.unwrap(Buffer.from('00000065', 'hex'))).to.throw(RemoteProtocolError, /length/);
    expect(() => pair(undefined).server.unwrap(Buffer.from('0000000f', 'hex'))).to.throw(RemoteProtocolError, /length/);
  });

  it('sends nothing for empty input', () => {
    expect(pair('3des').client.wrap(Buffer.alloc(0))).to.have.length(0);
  });
});
