import { createPrivateKey, generatePrimeSync, getDiffieHellman, sign } from 'node:crypto';
import { expect } from 'chai';
import { agreeWith, type DhParams } from '../../../lib/transport/tls/diffie-hellman.js';
import { vector } from '../../../lib/transport/tls/handshake-fields.js';
import { MESSAGE } from '../../../lib/transport/tls/legacy-handshake.js';
import { ALERT, RECORD, recordOf, TlsFault } from '../../../lib/transport/tls/record.js';
import {
  dssOptions,
  HandshakeSide,
  handshakeBetween,
  type LegacyIdentities,
  legacyIdentities,
  type Side,
} from '../../support/legacy-handshakes.js';

/** A record of a handshake message: header of the record, header of the message, body. */
const [TYPE_AT, BODY_AT] = [5, 9];

const messageOf = (record: Buffer): number | undefined =>
  record[0] === RECORD.HANDSHAKE ? record[TYPE_AT] : undefined;
const recordFor = (type: number, body: Buffer): Buffer =>
  recordOf(RECORD.HANDSHAKE, 2, Buffer.concat([Buffer.from([type]), vector(3, body)]));

describe('transport/tls/dss-handshake (REQ-MSG-021)', () => {
  let identities: LegacyIdentities;

  before(async function () {
    this.timeout(60_000);
    identities = await legacyIdentities();
  });

  const alertsOf = ({ sent }: Side): (number | undefined)[] =>
    sent.filter((record) => record[0] === RECORD.ALERT).map((record) => (record.length === 7 ? record[6] : -1));
  const alertOf = ({ error }: Side): number | undefined => (error instanceof TlsFault ? error.alert : undefined);

  for (const [version, minor] of [
    ['TLSv1', 1],
    ['TLSv1.1', 2],
  ] as const) {
    it(`agrees on the keys of ${version}, each side with the certificate of the other`, () => {
      const { client, server } = handshakeBetween(identities, undefined, { maxVersion: version });
      expect([client.error, server.error, client.result?.minor, server.result?.minor]).to.deep.equal([
        undefined,
        undefined,
        minor,
        minor,
      ]);
      expect([client.result?.chain.length, server.result?.chain.length]).to.deep.equal([1, 1]);
      const sealed = client.result?.sealer.seal(RECORD.APPLICATION_DATA, Buffer.from('Yabba'));
      expect(sealed && server.result?.opener.open(RECORD.APPLICATION_DATA, sealed)?.toString()).to.equal('Yabba');
    });
  }

  it('tells the peer about a fault once, and fails with one TlsFault', () => {
    const { client, server } = handshakeBetween(identities, (record, from) =>
      from === 'client' && messageOf(record) === MESSAGE.CERTIFICATE_VERIFY
        ? recordFor(MESSAGE.CERTIFICATE_VERIFY, vector(2, Buffer.alloc(256, 1)))
        : record,
    );
    expect([alertOf(server), server.ends, alertsOf(server)]).to.deep.equal([
      ALERT.DECRYPT_ERROR,
      1,
      [ALERT.DECRYPT_ERROR],
    ]);
    expect(client.error?.message).to.include('alert 51');
  });

  it('tells it in plain text as a server whose own ChangeCipherSpec has not been sent', () => {
    const { client, server } = handshakeBetween(identities, (record, from) => {
      const finished = from === 'client' && messageOf(record) !== undefined && record.length > 40 + TYPE_AT;
      const sealed = finished && ![1, 11, 15, 16].includes(messageOf(record) ?? 0);
      return sealed ? recordOf(RECORD.HANDSHAKE, 2, Buffer.alloc(record.length - TYPE_AT, 7)) : record;
    });
    expect([alertOf(server), alertsOf(server)]).to.deep.equal([ALERT.BAD_RECORD_MAC, [ALERT.BAD_RECORD_MAC]]);
    // The client, to which only protected records may come, cannot read it.
    expect(client.ends).to.equal(1);
  });

  it('tells it in a protected record as a client that has sent its Finished message', () => {
    const { client } = handshakeBetween(identities, (record, from) =>
      from === 'server' && record[0] === RECORD.CHANGE_CIPHER_SPEC
        ? recordOf(RECORD.ALERT, 2, Buffer.alloc(3))
        : record,
    );
    expect([alertOf(client), alertsOf(client)]).to.deep.equal([ALERT.DECODE_ERROR, [-1]]);
  });

  const replaced: readonly [string, 'client' | 'server', number, Buffer, number][] = [
    [
      'a public value of 1',
      'client',
      MESSAGE.CLIENT_KEY_EXCHANGE,
      vector(2, Buffer.from([1])),
      ALERT.ILLEGAL_PARAMETER,
    ],
    ['no public value', 'client', MESSAGE.CLIENT_KEY_EXCHANGE, vector(2, Buffer.alloc(0)), ALERT.ILLEGAL_PARAMETER],
    ['a value cut short', 'client', MESSAGE.CLIENT_KEY_EXCHANGE, Buffer.from([1, 0, 0]), ALERT.DECODE_ERROR],
    [
      'a certificate that is none',
      'server',
      MESSAGE.CERTIFICATE,
      vector(3, vector(3, Buffer.from('none'))),
      ALERT.BAD_CERTIFICATE,
    ],
    ['an empty list of certificates', 'server', MESSAGE.CERTIFICATE, vector(3, Buffer.alloc(0)), ALERT.BAD_CERTIFICATE],
    ['a signature that is none', 'client', MESSAGE.CERTIFICATE_VERIFY, vector(2, Buffer.alloc(3)), ALERT.DECRYPT_ERROR],
  ];
  for (const [title, from, type, body, alert] of replaced) {
    it(`${title} is a TlsFault with alert ${alert}, not an error of node:crypto`, () => {
      const sides = handshakeBetween(identities, (record, sender) =>
        sender === from && messageOf(record) === type ? recordFor(type, body) : record,
      );
      expect(alertOf(sides[from === 'client' ? 'server' : 'client'])).to.equal(alert);
    });
  }

  it('takes the proof of a client with a DSA key as well', () => {
    const { client, server } = handshakeBetween({ ...identities, client: identities.server });
    expect([client.error, server.error, server.result?.chain.length]).to.deep.equal([undefined, undefined, 1]);
  });

  describe('a group that the server chose', () => {
    const known = getDiffieHellman('modp14');
    known.generateKeys();
    const good = { prime: known.getPrime(), generator: known.getGenerator(), value: known.getPublicKey() };

    /** A server with a good key that signs whatever group it likes. */
    function answerTo(params: DhParams): Side {
      const one = new HandshakeSide(dssOptions('client', identities.client));
      one.handshake.begin();
      const clientRandom = one.side.sent[0]?.subarray(BODY_AT + 2, BODY_AT + 34) ?? Buffer.alloc(0);
      const random = Buffer.alloc(32, 5);
      const hello = Buffer.concat([Buffer.from([3, 2]), random, Buffer.from([0, 0, 0x13, 0])]);
      one.take(recordFor(MESSAGE.SERVER_HELLO, hello));
      const { sent } = handshakeBetween(identities).server;
      one.take(sent.find((record) => messageOf(record) === MESSAGE.CERTIFICATE) ?? Buffer.alloc(0));
      const group = Buffer.concat([params.prime, params.generator, params.value].map((value) => vector(2, value)));
      const key = createPrivateKey(identities.server.key);
      const signature = sign('sha1', Buffer.concat([clientRandom, random, group]), key);
      one.take(recordFor(MESSAGE.SERVER_KEY_EXCHANGE, Buffer.concat([group, vector(2, signature)])));
      one.take(recordFor(MESSAGE.SERVER_HELLO_DONE, Buffer.alloc(0)));
      return one.side;
    }

    it('is taken with 1,024 to 2,048 bits, by what counts of the prime', () => {
      expect(answerTo(good).error).to.equal(undefined);
      expect(answerTo({ ...good, prime: Buffer.concat([Buffer.alloc(3), good.prime]) }).error).to.equal(undefined);
      const small = getDiffieHellman('modp1');
      small.generateKeys();
      const hidden = { ...good, prime: Buffer.concat([Buffer.alloc(200), small.getPrime()]) };
      for (const prime of [small.getPrime(), hidden.prime, getDiffieHellman('modp15').getPrime(), Buffer.alloc(256)]) {
        const side = answerTo({ ...good, prime });
        expect([alertOf(side), alertsOf(side)]).to.deep.equal([ALERT.ILLEGAL_PARAMETER, [ALERT.ILLEGAL_PARAMETER]]);
      }
    });

    it('is refused with a generator or a value that everybody knows', () => {
      const last = Buffer.from(good.prime);
      last.writeUInt8(last.readUInt8(last.length - 1) - 1, last.length - 1);
      for (const number of [Buffer.alloc(0), Buffer.alloc(1), Buffer.from([1]), last, good.prime]) {
        expect(alertOf(answerTo({ ...good, generator: number }))).to.equal(ALERT.ILLEGAL_PARAMETER);
        expect(alertOf(answerTo({ ...good, value: number }))).to.equal(ALERT.ILLEGAL_PARAMETER);
      }
    });

    it('agrees on the same secret as node:crypto does', () => {
      const { point, secret } = agreeWith(good);
      const own = known.computeSecret(point);
      expect(secret.equals(own.subarray(own.findIndex((octet) => octet !== 0)))).to.equal(true);
    });

    it('takes a fraction of a second of the processor with a prime that nobody has seen before', () => {
      const prime = Buffer.from(generatePrimeSync(2048));
      const begin = process.cpuUsage();
      agreeWith({ prime, generator: Buffer.from([2]), value: Buffer.from([5]) });
      const { user, system } = process.cpuUsage(begin);
      expect((user + system) / 1000).to.be.below(500);
    }).timeout(60_000);
  });
});
