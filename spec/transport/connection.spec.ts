import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import { RefusedError, TransportError } from '../../lib/errors.js';
import { events, type SessionClosed } from '../../lib/ops/events.js';
import { ask } from '../../lib/transport/ask.js';
import type { Listener } from '../../lib/transport/listener.js';
import { ECHO, echoListener, echoProfile, foreign, initiator as initiatorOver, PLAIN_ERRORS } from '../support/echo.js';
import { RawPeer } from '../support/raw-peer.js';
import { TRANSPORTS } from '../support/transport.js';
import { within } from '../support/within.js';

const USE = { codec: PLAIN_ERRORS };
const GREETING = 'RPY 0 0 . 0 52\r\nContent-Type: application/beep+xml\r\n\r\n<greeting />\r\nEND\r\n';

/** Octets of a message that no socket on loopback takes at once. */
const LARGE = 24 * 1024 * 1024;

async function until(condition: () => boolean, what: string): Promise<void> {
  const deadline = performance.now() + 5000;
  while (!condition()) {
    if (performance.now() > deadline) throw new Error(`waited for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Everything that arrives until the connection ends. */
async function rest(socket: Duplex): Promise<string> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  await new Promise<void>((resolve) => {
    socket.on('error', () => resolve()); // a reset is an end as well
    socket.on('close', () => resolve());
  });
  return Buffer.concat(chunks).toString('latin1');
}

function nextClosed(): Promise<SessionClosed> {
  return new Promise((resolve) => {
    const stop = events.closed.subscribe((message) => {
      stop();
      resolve(message);
    });
  });
}

for (const transport of TRANSPORTS) {
  describe(`transport/connection over ${transport}`, () => {
    let listener: Listener;
    let port: number;

    const listen = async (options: Parameters<typeof echoListener>[0] = {}): Promise<void> => {
      ({ listener, port } = await echoListener({ ...options, transport }));
    };
    const connected = (to: number): Promise<Duplex> => foreign(to, transport);
    const initiator = (
      to: number,
      options: Parameters<typeof initiatorOver>[1] = {},
    ): ReturnType<typeof initiatorOver> => initiatorOver(to, { ...options, transport });

    afterEach(async () => {
      for (const connection of listener.connections)
        connection.destroy(new TransportError('CLOSED', 'the spec is over'));
      listener.stop();
    });

    it('REQ-BEEP-034 greets at once, without waiting for the initiator', async () => {
      await listen();
      const socket = await connected(port);
      const chunk = await within(2000, new Promise<Buffer>((resolve) => socket.once('data', resolve)), 'a greeting');
      expect(chunk.toString()).to.match(/^RPY 0 0 \. 0 \d+\r\nContent-Type: application\/beep\+xml\r\n\r\n<greeting>/);
      socket.destroy();
    });

    it('REQ-BEEP-058 maps the passive open to the listener and the active open to the initiator', async () => {
      await listen();
      const { connection } = await initiator(port);
      await connection.greeted();
      const [accepted] = listener.connections;
      expect([connection.role, accepted?.role]).to.deep.equal(['initiator', 'listener']);
      const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, USE);
      expect(channel.number % 2, 'the initiator uses odd numbers').to.equal(1);
      await connection.release();
    });

    it('carries requests and replies, pipelined and in order', async () => {
      await listen();
      const { connection } = await initiator(port);
      await connection.greeted();
      const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, USE);
      const texts = Array.from({ length: 500 }, (_, index) => `\r\nmessage ${index} ${'x'.repeat(index)}`);
      const order: string[] = [];
      await within(
        5000,
        Promise.all(
          texts.map(async (text) => {
            const { payload } = await ask(channel, Buffer.from(text));
            order.push(payload.toString());
          }),
        ),
        'all replies',
      );
      expect(order).to.deep.equal(texts);
      await connection.release();
    });

    it('carries a message many times larger than the window', async () => {
      await listen({ limits: { unauthenticated: { messageOctets: 8_000_000, octets: 8_000_000 } } });
      const { connection } = await initiator(port);
      await connection.greeted();
      const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, USE);
      const large = Buffer.alloc(5_000_000, 'imxp');
      const { payload } = await within(8000, ask(channel, large), 'the large reply');
      expect(payload.equals(large)).to.equal(true);
      await connection.release();
    });

    it('REQ-BEEP-059 the sender of ok closes TCP at once, the asker on receiving it', async () => {
      await listen();
      const { connection, ended } = await initiator(port);
      await connection.greeted();
      await within(2000, connection.release(), 'the release');
      expect(await within(2000, ended, 'the end')).to.equal(undefined);
      expect(listener.connections.size).to.equal(0);
    });

    it('REQ-BEEP-020 drops the connection without a reply on a poorly formed frame, and gives the reason to the operator', async () => {
      await listen();
      const socket = await connected(port);
      const closed = nextClosed();
      const all = rest(socket);
      socket.write(`${GREETING}MSG 0 1 . 52 x\r\n`);
      const text = await within(2000, all, 'the end of the connection');
      expect(text).to.not.contain('ERR');
      const { error, reason } = await closed;
      expect(error).to.equal('BEEP_HEADER_INVALID');
      expect(reason).to.be.a('string').and.not.equal('');
    });

    it('a fault of one peer does not harm the sessions of others', async () => {
      await listen();
      const { connection } = await initiator(port);
      await connection.greeted();
      const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, USE);
      const bad = await connected(port);
      const gone = rest(bad);
      bad.write('HELO example.com\r\n');
      await within(2000, gone, 'the end of the bad session');
      const { payload } = await within(2000, ask(channel, Buffer.from('\r\nstill here')), 'a reply');
      expect(payload.toString()).to.equal('\r\nstill here');
      await connection.release();
    });

    it('ends a session whose peer sends no greeting in time', async () => {
      await listen({ limits: { session: { greetingTimeoutMs: 60 } } });
      const socket = await connected(port);
      const closed = nextClosed();
      await within(2000, rest(socket), 'the end');
      expect((await closed).error).to.equal('TIMED_OUT');
    });

    it('ends a session that does not authenticate in time', async () => {
      await listen({ limits: { unauthenticated: { lifetimeMs: 80 } } });
      const { connection, ended } = await initiator(port);
      await connection.greeted();
      expect((await within(2000, ended, 'the end'))?.code).to.equal('CONNECTION_LOST');
    });

    it('REQ-BEEP-037 refuses sessions over the limit with ERR 0 0 and 421, and both sides log it', async () => {
      await listen({ limits: { node: { sessionsPerAddress: 1 } } });
      const first = await initiator(port);
      await first.connection.greeted();
      const codes: number[] = [];
      const stop = events.refused.subscribe(({ what, code }) => {
        if (what === 'session') codes.push(code);
      });
      const second = await initiator(port);
      const error: unknown = await within(2000, second.connection.greeted(), 'an answer').catch(
        (reason: unknown) => reason,
      );
      stop();
      expect(error).to.be.instanceOf(RefusedError).with.nested.property('reply.code', 421);
      expect(codes).to.deep.equal([421, 421]);
      await first.connection.release();
    });

    it('drops the oldest unauthenticated session for a newer one when there are too many', async () => {
      await listen({ limits: { unauthenticated: { sessions: 3 } } });
      const strangers = [];
      for (let count = 0; count < 4; count += 1) {
        const stranger = await initiator(port);
        await within(2000, stranger.connection.greeted(), 'a greeting');
        strangers.push(stranger);
      }
      expect((await within(2000, strangers[0]?.ended ?? Promise.reject(), 'the oldest to end'))?.code).to.equal(
        'CONNECTION_LOST',
      );
      expect(strangers.slice(1).map(({ connection }) => connection.ended)).to.deep.equal([false, false, false]);
      for (const { connection } of strangers) await connection.release();
    });

    it('fails a request that is not answered in time, and continues', async () => {
      await listen({ profiles: [echoProfile(true)] });
      const { connection } = await initiator(port, { limits: { data: { deliveryTimeoutMs: 50 } } });
      await connection.greeted();
      const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, USE);
      const error: unknown = await within(2000, ask(channel, Buffer.from('\r\n')), 'an answer').catch(
        (e: unknown) => e,
      );
      expect(error).to.be.instanceOf(TransportError).with.property('code', 'TIMED_OUT');
      expect(connection.ended).to.equal(false);
      connection.destroy(new TransportError('CLOSED', 'enough'));
    });

    it('distinguishes requests that may have left from those that certainly did not when the connection is lost', async () => {
      await listen({ profiles: [echoProfile(true)] });
      const { connection, ended } = await initiator(port);
      await connection.greeted();
      const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, USE);
      const fates: string[] = [];
      const sink = { replied: () => fates.push('replied'), failed: (reason: string) => fates.push(reason) };
      // The window of a stranger is 4,096 octets: the first message fits, the last cannot begin to leave.
      channel.request(Buffer.alloc(4000, 'a'), sink);
      channel.request(Buffer.alloc(4000, 'b'), sink);
      channel.request(Buffer.alloc(4000, 'c'), sink);
      await new Promise((resolve) => setImmediate(resolve));
      connection.destroy(new TransportError('CLOSED', 'cut'));
      await ended;
      expect(fates[0]).to.equal('lost');
      expect(fates.at(-1)).to.equal('unsent');
      expect(fates).to.have.length(3);
    });

    it('REQ-BEEP-073 gives a congested transport no more than it takes, and shares it among the channels', async () => {
      await listen();
      const stream = await connected(port);
      const peer = new RawPeer(stream, { port });
      await peer.greet();
      const [large, small] = [(await peer.start(ECHO)).number, (await peer.start(ECHO)).number];
      for (const number of [large, small]) peer.window(number, 4 * LARGE);
      const [connection] = listener.connections;
      if (connection === undefined) throw new Error('no session');
      const [toLarge, toSmall] = [...connection.channels];
      if (toLarge === undefined || toSmall === undefined) throw new Error('no channels');
      await until(() => connection.windowOf(large) > LARGE && connection.windowOf(small) > LARGE, 'the windows');

      // The windows are wide open: only the transport holds anything back, since the peer reads no more.
      stream.pause();
      const slow = ask(toLarge, Buffer.alloc(LARGE, 'x'));
      const unsent = (): number => connection.channelInfo(large)?.unsentOctets ?? 0;
      let last = 0;
      let since = 0;
      await until(() => {
        const [before, now] = [last, performance.now()];
        last = unsent();
        if (!connection.blocked || last !== before) since = now;
        return now - since > 100;
      }, 'a congested transport');
      expect(unsent(), 'octets that wait in the session').to.be.above(LARGE / 4);
      expect(connection.stream.writableLength, 'octets that the stream holds').to.be.below(1_000_000);

      const quick = ask(toSmall, Buffer.from('\r\nsmall'));
      stream.resume();
      const request = await peer.nextRequest(small);
      expect(peer.channel(large).requests, 'the small message overtakes what waits').to.deep.equal([]);
      expect(request.payload.toString()).to.equal('\r\nsmall');
      peer.reply(small, 'RPY', request.msgno, '\r\n');
      const { msgno, payload } = await peer.nextRequest(large);
      expect(payload.length).to.equal(LARGE);
      peer.reply(large, 'RPY', msgno, '\r\n');
      expect((await Promise.all([slow, quick])).map(({ kind }) => kind)).to.deep.equal(['RPY', 'RPY']);
      peer.destroy();
    });

    it('REQ-BEEP-042 refuses a start for a server name that is not served', async () => {
      await listen({ serves: (name) => (name === 'example.com' ? 'domain' : 'nothing') });
      const { connection } = await initiator(port);
      await connection.greeted();
      const refused: unknown = await connection
        .start({ profiles: [{ uri: ECHO }], serverName: 'rubble.com' }, USE)
        .catch((error: unknown) => error);
      expect(refused).to.be.instanceOf(RefusedError).with.nested.property('reply.code', 550);
      const { channel } = await connection.start({ profiles: [{ uri: ECHO }], serverName: 'example.com' }, USE);
      expect(channel.open).to.equal(true);
      await connection.release();
    });

    it('REQ-BEEP-031 answers a request nobody expects with an error', async () => {
      await listen();
      const { connection } = await initiator(port, { profiles: [echoProfile()] });
      await connection.greeted();
      const [accepted] = listener.connections;
      if (accepted === undefined) throw new Error('no session');
      const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, USE);
      const [peerChannel] = accepted.channels;
      if (peerChannel === undefined) throw new Error('no channel');
      const { kind, payload } = await within(2000, ask(peerChannel, Buffer.from('\r\nwho?')), 'an answer');
      expect(kind).to.equal('ERR');
      expect(payload.toString()).to.contain('550');
      expect(channel.open).to.equal(true);
      await connection.release();
    });

    it('REQ-BEEP-029 answers a message over the limit before its end, and keeps the session', async () => {
      await listen({ limits: { unauthenticated: { messageOctets: 10_000 } } });
      const { connection } = await initiator(port);
      await connection.greeted();
      const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, USE);
      const { kind, payload } = await within(2000, ask(channel, Buffer.alloc(100_000, 'x')), 'an answer');
      expect(kind).to.equal('ERR');
      expect(payload.toString()).to.contain('554').and.contain('10000 octets');
      const small = await within(2000, ask(channel, Buffer.from('\r\nsmall')), 'an answer');
      expect(small.kind).to.equal('RPY');
      await connection.release();
    });
  });
}
