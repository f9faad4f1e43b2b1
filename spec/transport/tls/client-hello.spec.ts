import { expect } from 'chai';
import fc from 'fast-check';
import { RemoteProtocolError } from '../../../lib/errors.js';
import { type ClientHello, ClientHelloReader } from '../../../lib/transport/tls/client-hello.js';
import { strictContext } from '../../../lib/transport/tls/native.js';
import { helloMessage, nodeHello, records } from '../../support/hello.js';

/** Reads it whole, octet by octet and with trailing octets; all must say the same. */
function reads(octets: Buffer): ClientHello {
  const whole = new ClientHelloReader().push(octets);
  const slow = new ClientHelloReader();
  let last: ClientHello | undefined;
  for (const [at, octet] of octets.entries()) {
    expect(last, `complete before octet ${at}`).to.equal(undefined);
    last = slow.push(Buffer.from([octet]));
  }
  expect(last).to.deep.equal(whole);
  const trailing = new ClientHelloReader().push(Buffer.concat([octets, Buffer.from('more')]));
  expect(trailing?.cipherSuites).to.deep.equal(whole?.cipherSuites);
  expect(trailing?.received.toString('latin1')).to.equal(`${octets.toString('latin1')}more`);
  expect(trailing?.joined.subarray(-4).toString()).to.equal('more');
  if (whole === undefined) throw new Error('not complete');
  return whole;
}

function fault(octets: Buffer): string {
  const codes = [[octets], [...octets].map((octet) => Buffer.from([octet]))].map((chunks) => {
    const reader = new ClientHelloReader();
    try {
      for (const chunk of chunks) reader.push(chunk);
    } catch (error) {
      expect(error).to.be.instanceOf(RemoteProtocolError).with.property('reply', undefined);
      return (error as RemoteProtocolError).code;
    }
    return 'no fault';
  });
  expect(codes[0]).to.equal(codes[1]);
  return codes[0] ?? '';
}

describe('transport/tls/client-hello', () => {
  it('reads what a year-2000 client offers, without extensions', () => {
    const octets = records(helloMessage({ suites: [0x000a, 0x0005], bare: true }));
    const { received, joined, ...offer } = reads(octets);
    expect(offer).to.deep.equal({
      legacyVersion: 0x0301,
      supportedVersions: undefined,
      cipherSuites: [0x000a, 0x0005],
      serverName: undefined,
    });
    expect(received.equals(octets)).to.equal(true);
    expect(joined.equals(octets)).to.equal(true);
  });

  it('reads the server name and the supported versions', () => {
    const hello = reads(
      records(helloMessage({ version: 0x0303, serverName: 'Rubble.com', versions: [0x0304, 0x0303] })),
    );
    expect(hello).to.deep.include({ serverName: 'rubble.com', supportedVersions: [0x0304, 0x0303] });
  });

  it('reads the ClientHello of node:tls', async () => {
    const octets = await nodeHello({ ...strictContext({}), servername: 'rubble.com' });
    const hello = reads(octets);
    expect(hello.serverName).to.equal('rubble.com');
    expect(hello.supportedVersions).to.deep.equal([0x0304, 0x0303]);
    expect(hello.cipherSuites).to.include(0x1301);
  });

  for (const octets of [1, 3, 4, 7, 100]) {
    it(`joins a hello in records of ${octets} octets`, () => {
      const message = helloMessage({ serverName: 'rubble.com', extensions: [[0x1234, Buffer.alloc(300)]] });
      const hello = reads(records(message, octets));
      expect(hello.serverName).to.equal('rubble.com');
      expect(hello.joined.equals(records(message))).to.equal(true);
    });
  }

  it('accepts a ClientHello of the largest size, and refuses a larger one', () => {
    const sized = (extra: number): Buffer => helloMessage({ extensions: [[99, Buffer.alloc(extra)]] });
    const base = sized(0).length;
    expect(new ClientHelloReader().push(records(sized(16_384 - base)))?.joined).to.have.length(16_384 + 5);
    expect(fault(records(sized(16_385 - base)))).to.equal('TLS_FAILED');
  });

  describe('REQ-TLS-002 octets that are no TLS', () => {
    for (const text of [
      'MSG 0 1 . 52 193\r\n',
      'SEQ 0 0 4096\r\n',
      'GET / HTTP/1.1\r\n',
      '\0',
      '\x16\x02\x01\x00\x05',
    ]) {
      it(`${JSON.stringify(text)} were injected`, () => {
        expect(fault(Buffer.from(text, 'latin1'))).to.equal('TLS_INJECTED');
      });
    }
  });

  describe('is refused', () => {
    const message = helloMessage({ serverName: 'rubble.com' });
    const changed = (at: number, value: number): Buffer => {
      const copy = Buffer.from(message);
      copy[at] = value;
      return records(copy);
    };
    const twice: [number, Buffer] = [99, Buffer.alloc(0)];
    const rows: [string, Buffer][] = [
      ['an alert', Buffer.from([21, 3, 1, 0, 2, 2, 40])],
      ['SSL 2.0 framing', Buffer.from([0x80, 46, 1, 3, 1])],
      ['another handshake message', changed(0, 2)],
      ['another record inside', Buffer.concat([records(message.subarray(0, 20)), Buffer.from([23, 3, 1, 0, 1, 0])])],
      ['another version inside', Buffer.concat([records(message.subarray(0, 20)), Buffer.from([22, 2, 1, 0, 1, 0])])],
      ['an empty record', Buffer.from([22, 3, 1, 0, 0])],
      ['a record too long', Buffer.from([22, 3, 1, 0x40, 1])],
      ['a message too long', Buffer.from([22, 3, 1, 0, 4, 1, 1, 0, 0])],
      ['octets after it in its record', records(Buffer.concat([message, Buffer.from([0])]))],
      ['version 2', changed(4, 2)],
      ['a session id of 33', changed(38, 33)],
      ['suites of odd length', changed(40, 1)],
      ['no suite', records(helloMessage({ suites: [] }))],
      ['a repeated extension', records(helloMessage({ extensions: [twice, twice] }))],
      ['extensions past the end', changed(message.length - 17, 0xff)],
      [
        'more than 65,536 octets of records',
        records(Buffer.concat([Buffer.from([1, 0, 0x3f, 0]), Buffer.alloc(14_000)]), 1),
      ],
    ];
    for (const [title, octets] of rows) {
      it(`for ${title}`, () => {
        expect(fault(octets)).to.equal('TLS_FAILED');
      });
    }
  });

  it('yields a hello, nothing or a RemoteProtocolError for mutated hellos, however cut', async () => {
    const real = await nodeHello({ ...strictContext({}), servername: 'rubble.com' });
    const seeds = [real, records(helloMessage({ serverName: 'a.b', versions: [0x0303] }), 9)];
    const change = fc.tuple(fc.nat(real.length), fc.nat(255), fc.constantFrom('set', 'cut', 'insert'));
    fc.assert(
      fc.property(fc.constantFrom(...seeds), fc.array(change, { maxLength: 6 }), fc.nat(400), (seed, changes, cut) => {
        let octets = Buffer.from(seed);
        for (const [at, value, kind] of changes) {
          if (kind === 'set') octets[at % octets.length] = value;
          else if (kind === 'cut') octets = Buffer.concat([octets.subarray(0, at), octets.subarray(at + 1)]);
          else octets = Buffer.concat([octets.subarray(0, at), Buffer.from([value]), octets.subarray(at)]);
        }
        const outcomes = [[octets], [octets.subarray(0, cut), octets.subarray(cut)]].map((chunks) => {
          const reader = new ClientHelloReader();
          try {
            let hello: ClientHello | undefined;
            for (const chunk of chunks) hello ??= reader.push(chunk);
            return hello?.cipherSuites.join();
          } catch (error) {
            expect(error).to.be.instanceOf(RemoteProtocolError);
            return (error as RemoteProtocolError).code;
          }
        });
        expect(outcomes[0]).to.equal(outcomes[1]);
      }),
      { numRuns: 5000 },
    );
  });

  it('yields nothing but RemoteProtocolError for arbitrary octets', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), fc.boolean(), (random, framed) => {
        const octets = framed
          ? records(Buffer.concat([Buffer.from([1, 0, 0, random.length]), random]))
          : Buffer.from(random);
        try {
          new ClientHelloReader().push(octets);
        } catch (error) {
          expect(error).to.be.instanceOf(RemoteProtocolError);
        }
      }),
      { numRuns: 5000 },
    );
  });
});
