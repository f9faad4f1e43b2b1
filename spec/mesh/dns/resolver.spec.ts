import { expect } from 'chai';
import { encode } from 'dns-packet';
import * as fc from 'fast-check';
import { TransportError } from '../../../lib/errors.js';
import { Resolver, type ResolverOptions } from '../../../lib/mesh/dns/resolver.js';
import { DnsServer, RCODE } from '../../support/dns-server.js';
import { failureOf } from '../../support/failure.js';

const MESH = '_imxp-mesh._tcp.rubble.com';
const HOST = 'relay.rubble.com';

describe('the resolver', () => {
  let dns: DnsServer;
  let now: number;

  beforeEach(async () => {
    dns = await DnsServer.start();
    now = 0;
  });

  afterEach(() => dns.stop());

  const resolver = (options: ResolverOptions = {}): Resolver =>
    new Resolver({ servers: [dns.address], timeoutMs: 200, now: () => now, ...options });

  it('REQ-CPIM-006 returns every SRV record of an answer', async () => {
    dns.srv(
      MESH,
      { priority: 9, weight: 0, port: 6012, target: 'Spare.Rubble.com' },
      { priority: 5, weight: 3, port: 6011, target: HOST },
    );
    const { records, exists, ttlSeconds } = await resolver().srv('_IMXP-mesh._TCP.Rubble.com');
    expect(records).to.have.deep.members([
      { priority: 9, weight: 0, port: 6012, target: 'spare.rubble.com' },
      { priority: 5, weight: 3, port: 6011, target: HOST },
    ]);
    expect({ exists, ttlSeconds }).to.deep.equal({ exists: true, ttlSeconds: 60 });
  });

  describe('accepts answers of other servers', () => {
    const uint16 = (...values: number[]): Buffer => Buffer.from(values.flatMap((value) => [value >> 8, value & 0xff]));
    const label = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text, 'latin1')]);
    const name = (text: string): Buffer => Buffer.concat([...text.split('.').map(label), Buffer.from([0])]);
    /** The name of the question, which begins behind the header. */
    const ASKED = uint16(0xc00c);
    const record = (owner: Buffer, type: number, data: Buffer, { ttl = 60, inClass = 1 } = {}): Buffer =>
      Buffer.concat([owner, uint16(type, inClass, ttl >>> 16, ttl & 0xffff, data.length), data]);
    const srv = (target: Buffer): Buffer => Buffer.concat([uint16(5, 3, 6011), target]);
    const good = record(ASKED, 33, srv(name(HOST)));

    /** Has the server answer with these records. */
    async function answered(...records: Buffer[]) {
      dns.srv(MESH, { port: 1, target: 'unused.rubble.com' });
      dns.damage = (octets) => {
        const head = Buffer.from(octets.subarray(0, 12));
        head.writeUInt16BE(records.length, 6);
        head.writeUInt32BE(0, 8);
        return Buffer.concat([head, octets.subarray(12, 12 + MESH.length + 2 + 4), ...records]);
      };
      const { records: found, ttlSeconds } = await resolver().srv(MESH);
      return { targets: found.map(({ target }) => target), ttlSeconds };
    }

    it('with a compressed target, which RFC 2782 forbids servers to send, and names in another case', async () => {
      // "rubble.com" in the question.
      const rest = uint16(0xc000 + 12 + '_imxp-mesh'.length + 1 + '_tcp'.length + 1);
      expect((await answered(record(ASKED, 33, srv(Buffer.concat([label('relay'), rest]))))).targets).to.deep.equal([
        HOST,
      ]);
      const shouted = record(name(MESH.toUpperCase()), 33, srv(name(HOST.toUpperCase())));
      expect((await answered(shouted)).targets).to.deep.equal([HOST]);
    });

    it('with signatures, records of unknown types, repeated records, and octets behind the data or the answer', async () => {
      const signature = record(
        ASKED,
        46,
        Buffer.concat([uint16(33, 0x0803, 0, 60, 0, 1, 0, 1, 1), name('rubble.com'), Buffer.alloc(64, 7)]),
      );
      const unknown = record(ASKED, 65_280, Buffer.alloc(3));
      const padded = record(ASKED, 33, Buffer.concat([srv(name(HOST)), Buffer.alloc(3, 1)]));
      expect((await answered(unknown, good, signature, good)).targets).to.deep.equal([HOST]);
      expect((await answered(padded)).targets).to.deep.equal([HOST]);
    });

    it('with a DNAME and its synthesized alias, and with a TTL whose first bit is set, which counts as 0', async () => {
      const other = '_imxp-mesh._tcp.quarry.example';
      const moved = [
        record(name('rubble.com'), 39, name('quarry.example')),
        record(ASKED, 5, name(other)),
        record(name(other), 33, srv(name('relay.quarry.example'))),
      ];
      expect((await answered(...moved)).targets).to.deep.equal(['relay.quarry.example']);
      expect((await answered(record(ASKED, 33, srv(name(HOST)), { ttl: 0x80000005 }))).ttlSeconds).to.equal(0);
    });

    it('without records of another name or class, or with a target that is not a host name', async () => {
      const others = [
        record(name('other.example'), 33, srv(name('other.example'))),
        record(ASKED, 33, srv(name('chaos.example')), { inClass: 3 }),
        record(ASKED, 33, srv(Buffer.concat([label('a b\0c'), name('example')]))),
        record(ASKED, 33, srv(Buffer.concat([label('r\u00fcck'), name('example')]))),
      ];
      expect((await answered(...others, good)).targets).to.deep.equal([HOST]);
    });
  });

  it('returns the root as "."', async () => {
    dns.srv(MESH, { port: 0, target: '.' });
    expect((await resolver().srv(MESH)).records).to.deep.equal([{ priority: 0, weight: 0, port: 0, target: '.' }]);
  });

  it('returns addresses of both families alternately', async () => {
    dns.host(HOST, ['192.0.2.1', '192.0.2.2', '2001:db8::1']);
    expect(await resolver().addresses(HOST)).to.deep.equal(['2001:db8::1', '192.0.2.1', '192.0.2.2']);
    expect(await resolver().addresses('192.0.2.7')).to.deep.equal(['192.0.2.7']);
  });

  it('REQ-CPIM-001 follows aliases, in one answer and in several', async () => {
    dns.alias(MESH, '_imxp-mesh._tcp.quarry.example', 30);
    dns.srv('_imxp-mesh._tcp.quarry.example', { port: 6011, target: HOST });
    const { records, ttlSeconds } = await resolver().srv(MESH);
    expect(records.map(({ target }) => target)).to.deep.equal([HOST]);
    expect(ttlSeconds).to.equal(30);
  });

  it('repeats the query over TCP when an answer is truncated', async () => {
    dns.truncating = true;
    dns.srv(MESH, { port: 6011, target: HOST });
    expect((await resolver().srv(MESH)).records).to.have.length(1);
    expect(dns.overTcp).to.equal(1);
  });

  it('RFC 2181 §9 queries over TCP when an answer is cut in the middle of a record', async () => {
    dns.srv(MESH, { port: 6011, target: HOST }, { port: 6012, target: HOST }, { port: 6013, target: HOST });
    for (const lost of [1, 7, 30, 60, 90]) {
      dns.damage = (octets) => {
        const cut = Buffer.from(octets.subarray(0, octets.length - lost));
        cut.writeUInt16BE(cut.readUInt16BE(2) | 0x200, 2);
        return cut;
      };
      expect((await resolver().srv(MESH)).records, `${lost} octets lost`).to.have.length(3);
    }
    // On a busy machine an answer may come too late for the first attempt.
    expect(dns.overTcp).to.be.at.least(5);
  });

  it('queries over TCP when answer records are damaged', async () => {
    dns.srv(MESH, { port: 6011, target: HOST }, { port: 6012, target: HOST });
    dns.damage = (octets) => octets.subarray(0, octets.length - 3);
    expect((await resolver().srv(MESH)).records).to.have.length(2);
    expect(dns.overTcp).to.equal(1);
  });

  it('accepts an answer whose additional records are damaged', async () => {
    dns.srv(MESH, { port: 6011, target: HOST });
    dns.damage = (octets) => {
      const damaged = Buffer.concat([octets, Buffer.from([0, 0, 41, 4, 208, 0, 0, 0, 0, 0, 9, 0, 3])]);
      damaged.writeUInt16BE(1, 10);
      return damaged;
    };
    expect((await resolver().srv(MESH)).records).to.have.length(1);
    expect(dns.overTcp).to.equal(0);
  });

  it('uses one connection for several queries, and a new one after the server has closed it (RFC 7766 §6.2.1)', async () => {
    dns.truncating = true;
    dns.keeping = true;
    const names = Array.from({ length: 20 }, (_, index) => `_imxp-mesh._tcp.d${index}.example`);
    for (const name of names) dns.srv(name, { port: 6011, target: HOST });
    const asking = resolver();
    await Promise.all(names.slice(0, 10).map((name) => asking.srv(name)));
    expect(dns.connections).to.be.lessThan(11);
    const before = dns.connections;
    for (const name of names.slice(10, 15)) await asking.srv(name);
    expect(dns.connections).to.equal(before);
    dns.keeping = false;
    for (const name of names.slice(15)) expect((await asking.srv(name)).records).to.have.length(1);
  });

  for (const [text, code] of Object.entries({ FORMERR: 1, SERVFAIL: 2, NOTIMP: 4, BADVERS: 16 })) {
    it(`RFC 6891 §7 asks again without EDNS where it is refused with ${text}`, async () => {
      dns.ednsRefusal = code;
      dns.srv(MESH, { port: 6011, target: HOST });
      expect((await resolver().srv(MESH)).records).to.have.length(1);
    });
  }

  it('RFC 2308 §2.2 does not accept a referral as an answer, and does not cache it', async () => {
    dns.referring = true;
    const asking = resolver();
    const failure = await failureOf(asking.srv(MESH));
    expect(failure.code).to.equal('LOOKUP_FAILED');
    expect(failure.message).to.contain('a referral to other name servers');
    dns.referring = false;
    dns.srv(MESH, { port: 6011, target: HOST });
    now += 1100;
    expect((await asking.srv(MESH)).records).to.have.length(1);
  });

  it('randomizes the case of letters in names, and confirms over TCP an answer in another case', async () => {
    dns.srv(MESH, { port: 6011, target: HOST });
    expect((await resolver().srv(MESH)).records).to.have.length(1);
    expect(dns.overTcp).to.equal(0);
    expect(dns.spelt.some((name) => name !== name.toLowerCase())).to.equal(true);
    dns.lowering = true;
    expect((await resolver().srv(MESH)).records).to.have.length(1);
    expect(dns.overTcp).to.equal(1);
  });

  it('ignores answers with another ID or to another question', async () => {
    dns.srv(MESH, { port: 6011, target: HOST });
    for (const forge of [
      (_query: object, answer: { id?: number | undefined }) => ({
        ...answer,
        id: ((answer.id ?? 0) + 1) % 65_536,
        answers: [],
      }),
      (_query: object, answer: object) => ({
        ...answer,
        questions: [{ type: 'SRV' as const, name: 'x.example' }],
        answers: [],
      }),
    ]) {
      dns.forge = forge;
      expect((await resolver().srv(MESH)).records).to.have.length(1);
    }
  });

  it('ignores datagrams that are not valid answers', async () => {
    dns.srv(MESH, { port: 6011, target: HOST });
    const question = encode({ type: 'response', id: 0, questions: [{ type: 'SRV', name: MESH }] });
    const answer = encode({
      type: 'response',
      id: 0,
      questions: [{ type: 'SRV', name: MESH }],
      answers: [{ type: 'SRV', name: MESH, ttl: 1, data: { port: 1, target: HOST } }],
    });
    const mutated = fc.sample(
      fc.tuple(fc.constantFrom(question, answer), fc.nat(), fc.nat(255), fc.boolean()).map(([from, at, octet, cut]) => {
        const place = 2 + (at % (from.length - 2));
        const octets = Buffer.from(from);
        octets[place] = octet;
        return octets.subarray(2, cut ? place : undefined);
      }),
      100,
    );
    const random = fc.sample(fc.uint8Array({ maxLength: 64 }), 100).map((octets) => Buffer.from(octets));
    for (const garbage of [...mutated, ...random]) {
      dns.garbage = [garbage];
      try {
        await resolver().srv(MESH);
      } catch (error) {
        // Octets that say SERVFAIL are an answer like any other.
        expect(error).to.be.instanceOf(TransportError);
      }
    }
  });

  it('queries the next server when one refuses, does not answer or is unreachable', async () => {
    const [silent, refusing] = [await DnsServer.start(), await DnsServer.start()];
    silent.silent = true;
    refusing.fail(MESH, RCODE.SERVFAIL);
    const gone = await DnsServer.start();
    await gone.stop();
    dns.srv(MESH, { port: 6011, target: HOST });
    try {
      // To the whole network no socket may be connected.
      const servers = ['255.255.255.255', gone.address, silent.address, refusing.address, dns.address];
      expect((await resolver({ servers }).srv(MESH)).records).to.have.length(1);
    } finally {
      await silent.stop();
      await refusing.stop();
    }
  });

  it('reports that a name does not exist, or has no such records', async () => {
    dns.host('rubble.com', ['192.0.2.1']);
    expect((await resolver().srv(MESH)).exists).to.equal(false);
    expect(await resolver().srv('rubble.com')).to.include({ exists: true });
    expect(await resolver().addresses('nowhere.example')).to.deep.equal([]);
    expect((await resolver().srv(`_imxp-mesh._tcp.${'a'.repeat(64)}.example`)).exists).to.equal(false);
  });

  it('throws when no server answers', async () => {
    dns.fail(MESH, RCODE.SERVFAIL);
    const failure = await failureOf(resolver().srv(MESH));
    expect(failure.code).to.equal('LOOKUP_FAILED');
    expect(failure.message).to.equal(`name server 127.0.0.1 port ${dns.port} answers SERVFAIL to SRV ${MESH}`);
    dns.silent = true;
    expect((await failureOf(resolver({ timeoutMs: 20 }).srv(MESH))).message).to.include('no answer within');
  });

  describe('remembers', () => {
    it('answers for their TTL, and for at least a second', async () => {
      dns.srv(MESH, { port: 6011, target: HOST, ttl: 30 });
      dns.host(HOST, ['192.0.2.1'], 0);
      const own = resolver();
      for (const at of [0, 999]) {
        now = at;
        await own.srv(MESH);
        await own.addresses(HOST);
      }
      expect([dns.count('SRV', MESH), dns.count('A', HOST)]).to.deep.equal([1, 1]);
      now = 1001;
      await own.srv(MESH);
      await own.addresses(HOST);
      expect([dns.count('SRV', MESH), dns.count('A', HOST)]).to.deep.equal([1, 2]);
      now = 30_001;
      await own.srv(MESH);
      expect(dns.count('SRV', MESH)).to.equal(2);
    });

    it('no answer for longer than a day', async () => {
      dns.srv(MESH, { port: 6011, target: HOST, ttl: 1_000_000 });
      const own = resolver();
      await own.srv(MESH);
      now = 86_400_001;
      await own.srv(MESH);
      expect(dns.count('SRV', MESH)).to.equal(2);
    });

    it('negative answers for the time in the SOA record, or a minute', async () => {
      for (const [ttl, seconds] of [
        [undefined, 60],
        [5, 5],
      ] as const) {
        dns.negativeTtl = ttl;
        const own = resolver();
        now = 0;
        const before = dns.count('SRV', MESH);
        await own.srv(MESH);
        now = seconds * 1000 - 1;
        await own.srv(MESH);
        expect(dns.count('SRV', MESH) - before).to.equal(1);
        now = seconds * 1000 + 1;
        await own.srv(MESH);
        expect(dns.count('SRV', MESH) - before).to.equal(2);
      }
    });

    it('a failure for a second', async () => {
      dns.fail(MESH, RCODE.SERVFAIL);
      const own = resolver();
      await failureOf(own.srv(MESH));
      const asked = dns.count('SRV', MESH);
      await failureOf(own.srv(MESH));
      expect(dns.count('SRV', MESH)).to.equal(asked);
      dns.fail(MESH, 0);
      now = 1001;
      expect((await own.srv(MESH)).exists).to.equal(false);
    });

    it('expired answers while the DNS is down, and retries at intervals', async () => {
      dns.srv(MESH, { port: 6011, target: HOST });
      const own = resolver();
      await own.srv(MESH);
      dns.fail(MESH, RCODE.SERVFAIL);
      now = 61_000;
      expect((await own.srv(MESH)).records).to.have.length(1);
      const asked = dns.count('SRV', MESH);
      now = 65_000;
      expect((await own.srv(MESH)).records).to.have.length(1);
      expect(dns.count('SRV', MESH)).to.equal(asked);
      dns.fail(MESH, 0);
      dns.srv(MESH, { port: 6011, target: HOST }, { port: 6012, target: HOST });
      now = 67_000;
      expect((await own.srv(MESH)).records).to.have.length(2);
    });

    it('expired answers for a day and no longer', async () => {
      dns.srv(MESH, { port: 6011, target: HOST });
      const own = resolver();
      await own.srv(MESH);
      await dns.stop();
      now = 60_000 + 86_399_999;
      expect((await own.srv(MESH)).records).to.have.length(1);
      now = 60_000 + 86_400_001;
      expect((await failureOf(own.srv(MESH))).code).to.equal('LOOKUP_FAILED');
      await dns.listen();
    });

    it('no more answers than its limit', async () => {
      const own = resolver({ entries: 2 });
      for (const name of ['a.example', 'b.example', 'a.example', 'c.example', 'a.example', 'b.example']) {
        await own.srv(name);
      }
      expect(['a', 'b', 'c'].map((name) => dns.count('SRV', `${name}.example`))).to.deep.equal([1, 2, 1]);
    });
  });

  it('sends one query for simultaneous look-ups of the same name', async () => {
    dns.srv(MESH, { port: 6011, target: HOST });
    const own = resolver();
    await Promise.all(Array.from({ length: 50 }, () => own.srv(MESH)));
    expect(dns.count('SRV', MESH)).to.equal(1);
  });
});
