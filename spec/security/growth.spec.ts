/**
 * Everything that a peer can make grow, one by one, fed until its limit: octets, entries and bookkeeping. Each is counted
 * against a limit of that peer, what is over is refused, and the work for an octet does not depend on what came before.
 */
import { setImmediate as turn } from 'node:timers/promises';
import { expect } from 'chai';
import { BEEP_LIMITS } from '../../lib/beep/limits.js';
import { INITIALIZATION_OCTETS } from '../../lib/beep/management.js';
import { type ErrorCode, RemoteProtocolError } from '../../lib/errors.js';
import { DnsCache } from '../../lib/mesh/dns/cache.js';
import { DigestLayer } from '../../lib/sasl/digest-md5/layer.js';
import { LATE_SEQ_OCTETS, LateSequences } from '../../lib/tls/tuning.js';
import { LoginThrottle } from '../../lib/transport/login-throttle.js';
import { ReassemblyBudget } from '../../lib/transport/reassembly-budget.js';
import { RecentFailures } from '../../lib/transport/recent-failures.js';
import { ClientHelloReader } from '../../lib/transport/tls/client-hello.js';
import { Handshakes } from '../../lib/transport/tls/handshakes.js';
import { peekHello } from '../../lib/transport/tls/hello-peek.js';
import { FRAGMENT_OCTETS, MessageJoiner, RecordReader } from '../../lib/transport/tls/record.js';
import { UpgradeServer } from '../../lib/transport/web/upgrade-server.js';
import type { WebSocketStream } from '../../lib/transport/web/websocket.js';
import { parseXml } from '../../lib/xml/parse.js';
import { faults, only, SessionHarness } from '../beep/session-harness.js';
import { failureOf } from '../support/failure.js';
import { heapAfterCollection } from '../support/heap.js';
import { limitsWith } from '../support/limits.js';
import { ECHO } from '../support/pair.js';
import { OPCODE, RawWebSocket, upgradeRequest } from '../support/raw-websocket.js';
import { readOctets, socketPair } from '../support/streams.js';
import { within } from '../support/within.js';

const MEBI = 1_048_576;

/** The error that feeding ends with; anything but an error of the peer's fails. */
function ends(feed: () => void): RemoteProtocolError {
  try {
    feed();
  } catch (error) {
    if (error instanceof RemoteProtocolError) return error;
    throw error;
  }
  throw new Error('never refused');
}

/**
 * How much more CPU time the work takes for four times the input: about four where the work for each octet is constant,
 * sixteen where it grows with what is there.
 */
function growthOfWork(work: (size: number) => void, size: number): number {
  const best = (amount: number): number =>
    Math.min(
      ...Array.from({ length: 5 }, () => {
        const before = process.cpuUsage();
        work(amount);
        const { user, system } = process.cpuUsage(before);
        return user + system;
      }),
    );
  best(size / 4);
  const small = best(size);
  return best(size * 4) / small;
}

/** Between the two. */
const LINEAR = 10;

/** A session that tells how much it holds of incomplete messages. */
class Counted extends SessionHarness {
  readonly #told: { octets: number };

  constructor(limits: object = {}) {
    const told = { octets: 0 };
    const holds = (octets: number): void => {
      told.octets = octets;
    };
    super({ reassemblyObserver: { reassembling: holds }, limits: { ...BEEP_LIMITS, ...limits } });
    this.#told = told;
  }

  get held(): number {
    return this.#told.octets;
  }
}

describe('security: bounds of what a peer can make grow', function () {
  this.timeout(60_000);
  this.slow(10_000);

  describe('in a session', () => {
    it('bounds a header to 62 octets', () => {
      const harness = new SessionHarness().ready(1);
      let fed = 0;
      faults(harness, 'BEEP_HEADER_TOO_LONG', () => {
        for (const octet of `MSG 1 ${'0'.repeat(200)}`) {
          fed += 1;
          harness.octets(octet);
        }
      });
      expect(fed).to.be.at.most(64);
    });

    it('allocates nothing for a payload that the window does not allow', () => {
      const harness = new SessionHarness().ready(1);
      const before = heapAfterCollection();
      faults(harness, 'BEEP_WINDOW_EXCEEDED', () => harness.octets('MSG 1 0 . 0 2147483647\r\n'));
      expect(heapAfterCollection() - before).to.be.below(MEBI);
    });

    it('refuses a message in many frames beyond its limit, and discards it', () => {
      const harness = new Counted({ messageOctets: 10_000 }).ready(1);
      const part = 'x'.repeat(1000);
      const events = Array.from({ length: 12 }, () => {
        const found = harness.say('MSG', 1, 0, part, { more: true });
        harness.heard();
        return found;
      }).flat();
      expect(events.map(({ type }) => type)).to.deep.equal(['too-large']);
      expect(harness.held).to.equal(0);
    });

    it('keeps nothing of empty frames of a message', () => {
      const harness = new Counted().ready(1);
      harness.say('MSG', 1, 0, 'x', { more: true });
      const { held } = harness;
      for (let frame = 0; frame < 100_000; frame += 1) harness.say('MSG', 1, 0, '', { more: true });
      expect(harness.held).to.equal(held);
    });

    it('takes constant work for a message that arrives octet by octet', () => {
      const feed = (octets: number): void => {
        const harness = new SessionHarness({ limits: { ...BEEP_LIMITS, messageOctets: 10 * MEBI } }).ready(1);
        for (let at = 0; at < octets; at += 1) {
          harness.say('MSG', 1, 0, 'x', { more: true });
          if (at % 1000 === 0) harness.heard();
        }
      };
      expect(growthOfWork(feed, 4000)).to.be.below(LINEAR);
    });

    it('bounds the unanswered messages on all channels together', () => {
      const harness = new SessionHarness({ limits: { ...BEEP_LIMITS, pipelined: 100 } }).greet();
      for (const number of [1, 3, 5, 7]) harness.channel(number);
      let fed = 0;
      faults(harness, 'BUSY', () => {
        for (; ; fed += 1) harness.say('MSG', [1, 3, 5, 7][fed % 4] ?? 1, fed);
      });
      expect(fed).to.equal(100);
    });

    it('keeps nothing of answered messages', () => {
      const harness = new SessionHarness({ limits: { ...BEEP_LIMITS, pipelined: 10 } }).ready(1);
      for (let fed = 0; fed < 10_000; fed += 1) {
        only(harness.say('MSG', 1, fed), 'message');
        harness.reply('RPY', 1, fed);
        harness.heard();
      }
      expect(harness.session.state).to.equal('ready');
    });

    it('bounds the incomplete answers of one reply, and counts each entry', () => {
      const harness = new Counted().ready(1);
      const msgno = harness.sent(1);
      let fed = 0;
      faults(harness, 'BUSY', () => {
        for (; ; fed += 1) harness.say('ANS', 1, msgno, '', { more: true, ansno: fed });
      });
      expect(fed).to.equal(BEEP_LIMITS.answers);
      expect(harness.held).to.be.at.least(fed * 100);
    });

    it('bounds the incomplete answers of a reply that is being discarded, too', () => {
      const harness = new Counted({ messageOctets: 10 }).ready(1);
      const msgno = harness.sent(1);
      only(harness.say('ANS', 1, msgno, 'x'.repeat(11), { more: true, ansno: 0 }), 'reply-too-large');
      faults(harness, 'BUSY', () => {
        for (let ansno = 1; ; ansno += 1) harness.say('ANS', 1, msgno, '', { more: true, ansno });
      });
    });

    it('keeps nothing of complete answers, nor of the entries of those that were begun', () => {
      const harness = new Counted().ready(1);
      const msgno = harness.sent(1);
      for (let ansno = 0; ansno < 10_000; ansno += 1) {
        harness.say('ANS', 1, msgno, '', { more: true, ansno });
        only(harness.say('ANS', 1, msgno, '', { ansno }), 'answer');
      }
      expect(harness.held).to.equal(0);
    });

    it('bounds the channels, and refuses the rest', () => {
      const harness = new SessionHarness({ limits: { ...BEEP_LIMITS, channels: 20 } }).greet();
      for (let number = 1; number <= 39; number += 2) harness.channel(number);
      harness.ask(`<start number='41'><profile uri='${ECHO}' /></start>`);
      expect(harness.text()).to.include("code='550'");
    });

    it('remembers 1,024 numbers of closed channels', () => {
      const harness = new SessionHarness().greet();
      // A window that all replies fit into.
      harness.octets('SEQ 0 0 2147483647\r\n');
      for (let number = 1; number < 3000; number += 2) {
        harness.channel(number);
        only(harness.ask(`<close number='${number}' code='200' />`), 'close');
        harness.session.acceptClose(number);
        harness.heard();
        harness.events();
      }
      // One of the last is known, one of the first is not.
      expect(harness.octets('SEQ 2999 0 4096\r\n')).to.deep.equal([]);
      faults(harness, 'BEEP_CHANNEL_UNKNOWN', () => harness.octets('SEQ 1 0 4096\r\n'));
    });

    it('counts each unanswered start as a channel', () => {
      const harness = new SessionHarness({ limits: { ...BEEP_LIMITS, channels: 10 } }).greet();
      let offered = 0;
      for (let number = 1; number < 60; number += 2) {
        offered += harness.ask(`<start number='${number}'><profile uri='${ECHO}' /></start>`).length;
      }
      expect(offered).to.equal(10);
    });

    it('bounds documents on channel 0 to 64 KiB, before the greeting too', () => {
      const harness = new SessionHarness();
      const part = 'x'.repeat(4000);
      let fed = 0;
      faults(harness, 'BEEP_GREETING_INVALID', () => {
        for (; ; fed += part.length) {
          harness.say('RPY', 0, 0, part, { more: true });
          harness.heard();
        }
      });
      expect(fed).to.be.at.most(BEEP_LIMITS.managementOctets);
    });

    it('bounds the content of a start to 4,096 octets', () => {
      const harness = new SessionHarness().greet();
      const head = `Content-Type: application/beep+xml\r\n\r\n<start number='1'><profile uri='${ECHO}'>`;
      harness.say('MSG', 0, 1, `${head}${'x'.repeat(2000)}`, { more: true });
      harness.heard();
      harness.say('MSG', 0, 1, `${'x'.repeat(INITIALIZATION_OCTETS - 1999)}</profile></start>`);
      expect(harness.text()).to.include("code='501'");
    });

    it('keeps nothing of SEQ frames, and takes constant work for each', () => {
      const harness = new SessionHarness().ready(1);
      const seqs = 'SEQ 1 0 4096\r\n'.repeat(1000);
      const feed = (count: number): void => {
        for (let at = 0; at < count; at += 1) harness.octets(seqs);
      };
      feed(10);
      const before = heapAfterCollection();
      feed(200);
      expect(heapAfterCollection() - before).to.be.below(MEBI);
      expect(growthOfWork(feed, 40)).to.be.below(LINEAR);
    });

    it('bounds the incomplete messages of all sessions; the largest of the account that holds most is ended', () => {
      const budget = new ReassemblyBudget(1000);
      const gone: string[] = [];
      const share = (name: string) => ({
        identity: { name, mechanism: 'PLAIN', privacy: true },
        remote: { address: '127.0.0.1' },
        destroy: () => void gone.push(name),
      });
      budget.change(share('fred@example.com'), 300);
      for (let session = 0; session < 8; session += 1) budget.change(share('barney@rubble.com'), 100);
      expect(gone).to.deep.equal(['barney@rubble.com']);
      expect(budget.octets).to.be.at.most(1000);
    });
  });

  describe('before TLS', () => {
    const seqs = Buffer.from('SEQ 0 1234567 4096\r\n'.repeat(3000));

    it('counts SEQ frames behind ready, and keeps the beginning of one', () => {
      const late = new LateSequences();
      let fed = 0;
      const error = ends(() => {
        for (const octet of Buffer.concat([seqs, seqs])) {
          late.push(Buffer.from([octet]));
          expect(late.kept).to.be.below(38);
          fed += 1;
        }
      });
      expect(error.code).to.equal('TLS_INJECTED');
      expect(fed).to.be.within(LATE_SEQ_OCTETS, LATE_SEQ_OCTETS + 38);
    });

    it('takes constant work for SEQ frames behind ready, in chunks of any size', () => {
      const one = Buffer.from('SEQ 0 1234567 4096\r\nS');
      const feed = (count: number): void => {
        for (let run = 0; run < 20; run += 1) {
          const late = new LateSequences();
          late.push(one);
          for (let at = 0; at < count; at += 1) late.push(Buffer.from('EQ 0 1234567 4096\r\nS'));
        }
      };
      expect(growthOfWork(feed, 400)).to.be.below(LINEAR);
    });

    it('ends the connection after 40 KB of 24 MB of SEQ frames behind ready', async () => {
      const [near, far] = await socketPair();
      near.on('error', () => {});
      const refused = failureOf(peekHello(far, Buffer.alloc(0), AbortSignal.timeout(20_000)));
      for (let sent = 0; sent < 24_000_000 && !near.destroyed; sent += seqs.length) {
        if (!near.write(seqs)) await turn();
      }
      expect(await refused).to.have.property('code', 'TLS_INJECTED');
      expect(far.bytesRead).to.be.below(MEBI);
      near.destroy();
    });

    it('ends a ClientHello in records of one octet at 64 KiB, and keeps no list of records', () => {
      const reader = new ClientHelloReader();
      const octets = (value: number): Buffer => Buffer.from([22, 3, 1, 0, 1, value]);
      for (const value of [1, 0, 0x3f, 0xfc]) reader.push(octets(value));
      const before = heapAfterCollection();
      let fed = 24;
      const error = ends(() => {
        for (; ; fed += 6) {
          reader.push(octets(0));
          if (fed === 60_000) expect(heapAfterCollection() - before).to.be.below(MEBI / 2);
        }
      });
      expect(error.code).to.equal('TLS_FAILED');
      expect(fed).to.be.at.most(66_000);
    });

    it('bounds a record of the legacy stack to the length that a record may have', () => {
      const reader = new RecordReader();
      const header = Buffer.from([22, 3, 1, 0, 0]);
      header.writeUInt16BE(FRAGMENT_OCTETS + 1, 3);
      expect(ends(() => reader.read(header, () => true)).code).to.equal('TLS_FAILED');
    });

    it('bounds a handshake message of the legacy stack to 48 KiB before it is allocated', () => {
      const joiner = new MessageJoiner();
      expect(ends(() => joiner.join(Buffer.from([11, 0xff, 0xff, 0xff]), () => true)).code).to.equal('TLS_FAILED');
    });

    it('drops the oldest handshake of the address with the most when one too many is begun', async () => {
      const handshakes = new Handshakes(10);
      const gone: string[] = [];
      const admitted: Promise<void>[] = [];
      let finish = (): void => {};
      const over = new Promise<void>((resolve) => {
        finish = resolve;
      });
      const begin = (address: string): void => {
        const connection = { remote: { address, port: 1 }, destroy: () => void gone.push(address) };
        admitted.push(handshakes.admit(connection, () => over));
      };
      begin('198.51.100.7');
      for (let count = 0; count < 100; count += 1) begin('192.0.2.1');
      expect(new Set(gone)).to.deep.equal(new Set(['192.0.2.1']));
      expect(gone).to.have.length(95);
      finish();
      await Promise.all(admitted);
    });
  });

  describe('in a WebSocket', () => {
    const RULES = { path: '/', origins: [], knows: () => false };

    async function opened(
      limits: object,
    ): Promise<{ stream: WebSocketStream; peer: RawWebSocket; under: () => number }> {
      const [near, far] = await socketPair();
      const door = new UpgradeServer(RULES, limitsWith(limits));
      const [stream, peer] = await within(
        5000,
        Promise.all([door.receive(far), RawWebSocket.open(near)]),
        'a WebSocket',
      );
      peer.on('error', () => {});
      near.on('error', () => {});
      return { stream, peer, under: () => far.writableLength };
    }

    const lost = async (stream: WebSocketStream): Promise<unknown> => {
      const error = new Promise((resolve) => stream.once('error', resolve));
      stream.resume();
      return within(20_000, error, 'an end');
    };

    for (const [what, put, code] of [
      [
        'fragments of one message',
        (peer: RawWebSocket, first: boolean) => peer.put(first ? OPCODE.BINARY : OPCODE.CONTINUATION, '', false),
        'WEBSOCKET_INVALID',
      ],
      [
        'octets of one message before authentication',
        (peer: RawWebSocket, first: boolean) =>
          peer.put(first ? OPCODE.BINARY : OPCODE.CONTINUATION, 'x'.repeat(1000), false),
        'TOO_LARGE',
      ],
    ] as const) {
      it(`ends at the limit: ${what}`, async () => {
        const { stream, peer } = await opened({ unauthenticated: { octets: 100_000 } });
        const error = lost(stream);
        for (let fed = 0; fed < 20_000 && !stream.destroyed; fed += 1) {
          put(peer, fed === 0);
          if (fed % 500 === 0) await turn();
        }
        expect(await error).to.have.property('code', code satisfies ErrorCode);
        peer.destroy();
      });
    }

    it('ends a connection whose pings come faster than they are answered, trusted or not', async () => {
      const { stream, peer } = await opened({});
      stream.trust();
      const end = new Promise((resolve) => stream.once('close', resolve));
      stream.resume();
      for (let fed = 0; fed < 100_000 && !stream.destroyed; fed += 1) {
        peer.put(OPCODE.PING, 'x'.repeat(125));
        if (fed % 1000 === 0) await turn();
      }
      await within(20_000, end, 'an end');
      peer.destroy();
    });

    it('does not keep an answer for each ping when the answers are not read', async () => {
      const { stream, peer, under } = await opened({});
      stream.trust();
      stream.resume();
      stream.on('error', () => {});
      peer.pause();
      let most = 0;
      for (let fed = 0; fed < 100_000; fed += 1) {
        peer.put(OPCODE.PING, 'x'.repeat(125));
        if (fed % 1000 !== 0) continue;
        await turn();
        most = Math.max(most, under());
      }
      expect(most).to.be.below(MEBI / 4);
      stream.destroy();
      peer.destroy();
    });

    it('answers 431 when the head of a request reaches the limit', async () => {
      const [near, far] = await socketPair();
      const door = new UpgradeServer(RULES, limitsWith({ websocket: { upgradeOctets: 4096 } }));
      const refused = failureOf(door.receive(far));
      near.write(upgradeRequest({ headers: { 'X-More': 'x'.repeat(10_000) } }));
      expect(`${await within(5000, readOctets(near, 12), 'an answer')}`).to.equal('HTTP/1.1 431');
      near.destroy();
      expect(await refused).to.have.property('code', 'WEBSOCKET_INVALID');
    });
  });

  describe('in what is remembered of peers', () => {
    it('drops entries of failed logins with invented names and addresses', () => {
      const limits = { delayMs: 0, maximumDelayMs: 0, failuresPerAddress: 6, failuresPerAccount: 3, banMs: 60_000 };
      const throttle = new LoginThrottle(limits, () => 1000);
      for (let fed = 0; fed < 60_000; fed += 1) {
        throttle.failed(`192.${(fed >> 16) & 255}.${(fed >> 8) & 255}.${fed & 255}`, `u${fed}@example.com`);
      }
      expect(throttle.size).to.be.at.most(4 * 20_001);
    });

    it('remembers 10,000 hosts that failed', () => {
      const failures = new RecentFailures();
      const before = heapAfterCollection();
      for (let fed = 0; fed < 100_000; fed += 1) failures.failed(`host-${fed}.example`);
      expect(heapAfterCollection() - before).to.be.below(8 * MEBI);
    });

    it('bounds the remembered names, and the look-ups under way to 512', async () => {
      const cache = new DnsCache<object>({ entries: 100 });
      for (let fed = 0; fed < 1000; fed += 1) {
        await cache.lookup(`${fed}.example`, async () => ({ value: {}, ttlSeconds: 60 }));
      }
      expect(cache.size).to.equal(100);
      let settle = (): void => {};
      const answer = new Promise<{ value: object; ttlSeconds: number }>((resolve) => {
        settle = () => resolve({ value: {}, ttlSeconds: 60 });
      });
      const asked = Array.from({ length: 600 }, (_, at) => cache.lookup(`pending-${at}.example`, () => answer));
      settle();
      const outcomes = await Promise.allSettled(asked);
      expect(outcomes.filter(({ status }) => status === 'rejected')).to.have.length(88);
    });
  });

  describe('in documents', () => {
    it('bounds a packet of a SASL security layer to the agreed size before it is allocated', () => {
      const layer = new DigestLayer({
        ...{ sessionKey: Buffer.alloc(16), qop: 'auth-int', cipher: undefined, role: 'server' },
        ...{ peerMaxbuf: 65_536, maxbuf: 65_536 },
      });
      expect(ends(() => void layer.unwrap(Buffer.from('7fffffff', 'hex'))).code).to.equal('SASL_INVALID');
    });

    for (const [what, document] of [
      ['depth', '<a>'.repeat(100_000)],
      ['elements', `<a>${'<b/>'.repeat(200_000)}</a>`],
      ['attributes', `<a ${Array.from({ length: 10_000 }, (_, at) => `b${at}=''`).join(' ')}/>`],
    ] as const) {
      it(`refuses ${what} of XML at the limit, within a moment`, () => {
        const begun = performance.now();
        expect(ends(() => void parseXml(Buffer.from(document))).code).to.equal('XML_LIMIT');
        expect(performance.now() - begun).to.be.below(2000);
      });
    }
  });
});
