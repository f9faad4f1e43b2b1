import { once } from 'node:events';
import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import fc from 'fast-check';
import { TransportError } from '../../../lib/errors.js';
import { openWebSocket } from '../../../lib/transport/web/client.js';
import { UpgradeServer } from '../../../lib/transport/web/upgrade-server.js';
import type { WebSocketStream } from '../../../lib/transport/web/websocket.js';
import { limitsWith, type SomeLimits } from '../../support/limits.js';
import { OPCODE, RawWebSocket, type RawWebSocketOptions } from '../../support/raw-websocket.js';
import { readOctets, socketPair } from '../../support/streams.js';
import { within } from '../../support/within.js';

const RULES = { path: '/', origins: [], knows: () => false };

describe('transport/web/websocket', () => {
  const open: Duplex[] = [];

  afterEach(() => {
    for (const stream of open.splice(0)) stream.destroy();
  });

  /** The server's end of a connection, by the code under test, and the other end. */
  async function served<Client extends Duplex>(
    limits: SomeLimits,
    client: (stream: Duplex) => Promise<Client>,
  ): Promise<{ readonly stream: WebSocketStream; readonly peer: Client; readonly under: Duplex }> {
    const [near, far] = await socketPair();
    const door = new UpgradeServer(RULES, limitsWith(limits));
    const [stream, peer] = await within(5000, Promise.all([door.receive(far), client(near)]), 'a WebSocket');
    open.push(near, far, stream, peer);
    stream.on('error', () => {});
    peer.on('error', () => {});
    return { stream, peer, under: near };
  }

  const pair = (options: RawWebSocketOptions = {}, limits: SomeLimits = {}) =>
    served(limits, (stream) => RawWebSocket.open(stream, options));

  const location = { transport: 'ws', host: '127.0.0.1', port: 80, url: 'ws://127.0.0.1' } as const;
  const ownPair = (limits: SomeLimits = {}) =>
    served(limits, (stream) => openWebSocket(location, stream, limitsWith(limits)));

  /** Reads to the end; an error is an end as well. */
  const closed = (stream: Duplex): Promise<void> => {
    stream.resume();
    const end = new Promise<void>((resolve) => (stream.closed ? resolve() : stream.once('close', () => resolve())));
    return within(5000, end, 'the end of the stream');
  };

  it('gives octets on as they came, however they were cut into messages and fragments', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.uint8Array({ maxLength: 300 }), { minLength: 1, maxLength: 8 }),
        fc.integer({ min: 1, max: 130 }),
        fc.constantFrom('text' as const, 'binary' as const),
        async (messages, fragment, type) => {
          const { stream, peer } = await pair({ fragment, type });
          const sent = Buffer.concat(messages);
          for (const message of messages) peer.write(message);
          const received = sent.length === 0 ? sent : await within(5000, readOctets(stream, sent.length), 'all octets');
          expect(received.equals(sent)).to.equal(true);
          peer.destroy();
        },
      ),
      { numRuns: 60 },
    );
  });

  it('is invisible between two ends of this program, both ways at once', async () => {
    const { stream, peer } = await ownPair();
    stream.trust();
    const [there, back] = [Buffer.alloc(3_000_000, 'Wilma! '), Buffer.alloc(2_500_001, Buffer.from([0xff, 0xfe, 65]))];
    peer.write(there);
    stream.write(back);
    const [first, second] = await within(
      8000,
      Promise.all([readOctets(stream, there.length), readOctets(peer, back.length)]),
      'all octets',
    );
    expect(first.equals(there)).to.equal(true);
    expect(second.equals(back)).to.equal(true);
  });

  it('accepts text messages whose octets are not UTF-8', async () => {
    const { stream, peer } = await pair({ type: 'text' });
    const octets = Buffer.from(Array.from({ length: 256 }, (_, octet) => octet));
    peer.write(octets);
    expect((await within(5000, readOctets(stream, 256), 'the octets')).equals(octets)).to.equal(true);
  });

  /** The opcodes of the messages that came at the peer, once that many octets have. */
  async function opcodes(peer: RawWebSocket, octets: number): Promise<number[]> {
    await within(5000, readOctets(peer, octets), 'the octets');
    return peer.frames.map(({ opcode }) => opcode);
  }

  it('begins with text, and answers in the type of the peer', async () => {
    const silent = await pair();
    silent.stream.write('yabba');
    expect(await opcodes(silent.peer, 5)).to.deep.equal([OPCODE.TEXT]);

    for (const [type, opcode] of [
      ['text', OPCODE.TEXT],
      ['binary', OPCODE.BINARY],
    ] as const) {
      const { stream, peer } = await pair({ type });
      peer.write('dabba');
      await within(5000, readOctets(stream, 5), 'the message');
      stream.write('doo');
      expect(await opcodes(peer, 3), type).to.deep.equal([opcode]);
    }
  });

  it('sends octets that are not UTF-8 as binary, and returns to text', async () => {
    const { stream, peer } = await pair({ type: 'text' });
    for (const octets of [Buffer.from('Böhm'), Buffer.from([0xe9]), Buffer.from('plain')]) {
      stream.write(octets);
      await once(peer, 'frame');
    }
    expect(peer.frames.map(({ opcode }) => opcode)).to.deep.equal([OPCODE.TEXT, OPCODE.BINARY, OPCODE.TEXT]);
  });

  it('sends what is written together as one message', async () => {
    const { stream, peer } = await pair();
    stream.cork();
    for (const text of ['SEQ 0 52 4096\r\n', 'MSG 0 1 . 52 0\r\n', 'END\r\n']) stream.write(text);
    stream.uncork();
    await within(5000, once(peer, 'frame'), 'a message');
    expect(peer.frames.map(({ payload }) => payload.toString())).to.deep.equal([
      'SEQ 0 52 4096\r\nMSG 0 1 . 52 0\r\nEND\r\n',
    ]);
  });

  it('does not join a large batch: each chunk is a message, and all arrive in order', async () => {
    const { stream, peer } = await pair();
    const chunks = ['MSG 1 1 . 0 20000\r\n', 'yabba dabba doo '.repeat(1250), 'END\r\n'];
    stream.cork();
    for (const chunk of chunks) stream.write(chunk);
    stream.uncork();
    while (peer.frames.length < chunks.length) await within(5000, once(peer, 'frame'), 'a message');
    expect(peer.frames.map(({ payload }) => payload.toString())).to.deep.equal(chunks);
  });

  it('offers no extension and no subprotocol, and accepts an offered subprotocol', async () => {
    const none = await pair({ headers: { 'Sec-WebSocket-Extensions': 'permessage-deflate' } });
    expect(none.peer.headers.has('sec-websocket-protocol')).to.equal(false);
    const some = await pair({ headers: { 'Sec-WebSocket-Protocol': 'beep, imxp' } });
    expect(some.peer.headers.get('sec-websocket-protocol')).to.be.oneOf(['beep', 'imxp']);
  });

  it('answers pings', async () => {
    const { peer } = await pair();
    peer.put(OPCODE.PING, 'are you there?');
    const [frame] = await within(5000, once(peer, 'frame'), 'a pong');
    expect(frame).to.deep.include({ opcode: OPCODE.PONG, payload: Buffer.from('are you there?') });
  });

  it('keeps a peer that answers pings and drops one that does not', async () => {
    const { stream, peer } = await pair({}, { websocket: { pingMs: 64 } });
    const pings = (): number => peer.frames.filter(({ opcode }) => opcode === OPCODE.PING).length;
    while (pings() < 3) await within(5000, once(peer, 'frame'), 'a ping');
    expect(stream.destroyed).to.equal(false);
    peer.responsive = false;
    const [error] = await within(5000, once(stream, 'error'), 'the loss');
    expect(error).to.be.instanceOf(TransportError).with.property('code', 'CONNECTION_LOST');
    expect(String(error)).to.contain('ping');
    await closed(peer);
  });

  it('stops a writer while the peer does not read, and continues when it does', async () => {
    const { stream, peer, under } = await pair();
    under.pause();
    const chunk = Buffer.alloc(1_000_000, 'x');
    let written = 0;
    while (stream.write(chunk) || written < 3) {
      written += 1;
      if (written > 200) throw new Error('nothing stops the writer');
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(stream.writableNeedDrain).to.equal(true);
    const drained = once(stream, 'drain');
    under.resume();
    peer.resume();
    await within(8000, drained, 'drain');
  });

  it('does not read from the connection while nobody reads from it', async () => {
    const { stream, peer } = await pair();
    const octets = 40_000_000;
    for (let sent = 0; sent < octets; sent += 200_000) peer.write(Buffer.alloc(200_000, 'y'));
    // Turns enough for much more to have come if it were read.
    for (let turn = 0; turn < 500; turn += 1) await new Promise((resolve) => setImmediate(resolve));
    expect(stream.readableLength).to.be.lessThan(2_000_000);
    expect(peer.writableLength).to.be.greaterThan(10_000_000);
    let received = 0;
    stream.on('data', (chunk: Buffer) => {
      received += chunk.length;
      if (received === octets) stream.emit('all');
    });
    await within(10_000, once(stream, 'all'), 'all octets');
  });

  it('ends with a message larger than the limit', async () => {
    const { stream, peer } = await pair({}, { websocket: { messageOctets: 70_000 } });
    peer.write(Buffer.alloc(70_001, 'z'));
    const [error] = await within(5000, once(stream, 'error'), 'the fault');
    expect(error).to.have.property('code', 'WEBSOCKET_INVALID');
    await closed(peer);
    // RFC 6455 §7.4.1
    expect(peer.frames.at(-1)?.payload.readUInt16BE(0)).to.equal(1009);
  });

  it('ends on a message that an unauthenticated peer does not complete, and keeps known peers', async () => {
    for (const known of [false, true]) {
      const { stream, peer } = await pair({}, { unauthenticated: { octets: 70_000 } });
      if (known) stream.trust();
      stream.resume();
      for (let sent = 0; sent <= 400_000; sent += 50_000) {
        peer.put(sent === 0 ? OPCODE.TEXT : OPCODE.CONTINUATION, Buffer.alloc(50_000, 'a'), false);
      }
      peer.put(OPCODE.PING, '');
      if (known) {
        await within(5000, once(peer, 'frame'), 'a pong');
        expect(stream.destroyed).to.equal(false);
      } else {
        const [error] = await within(5000, once(stream, 'error'), 'the limit');
        expect(error).to.have.property('code', 'TOO_LARGE');
      }
    }
  });

  it('lets an unauthenticated peer send much in complete messages', async () => {
    const { stream, peer } = await pair({}, { unauthenticated: { octets: 100_000 } });
    const octets = Buffer.alloc(1_000_000, 'b');
    for (let at = 0; at < octets.length; at += 10_000) peer.write(octets.subarray(at, at + 10_000));
    expect(await within(5000, readOctets(stream, octets.length), 'all octets')).to.have.length(octets.length);
  });

  it('ends with fragments without end', async () => {
    const { stream, peer } = await pair();
    stream.resume();
    for (let count = 0; count < 20_000; count += 1) {
      peer.put(count === 0 ? OPCODE.TEXT : OPCODE.CONTINUATION, '', false);
    }
    const [error] = await within(5000, once(stream, 'error'), 'the fault');
    expect(error).to.have.property('code', 'WEBSOCKET_INVALID');
  });

  it('ends with frames that break the rules', async () => {
    const unmasked = Buffer.from([0x81, 1, 65]);
    const reserved = Buffer.from([0xc1, 0x80, 0, 0, 0, 0]);
    const continuation = Buffer.from([0x80, 0x80, 0, 0, 0, 0]);
    for (const octets of [unmasked, reserved, continuation]) {
      const { stream, under } = await pair();
      stream.resume();
      under.write(octets);
      const [error] = await within(5000, once(stream, 'error'), 'the fault');
      expect(error).to.have.property('code', 'WEBSOCKET_INVALID');
    }
  });

  it('closes in order: what was written arrives, and both ends see the end', async () => {
    for (const { stream, peer } of [await pair(), await ownPair()]) {
      stream.end('the last words');
      stream.resume();
      expect((await within(5000, readOctets(peer, 14), 'the last words')).toString()).to.equal('the last words');
      peer.resume();
      await Promise.all([closed(stream), closed(peer)]);
      expect(stream.errored).to.equal(null);
    }
  });

  it('ends when the peer closes in order, and when it just goes away', async () => {
    const inOrder = await pair();
    inOrder.peer.end('bye');
    expect((await within(5000, readOctets(inOrder.stream, 3), 'the last words')).toString()).to.equal('bye');
    inOrder.stream.resume();
    await closed(inOrder.stream);
    expect(inOrder.stream.errored).to.equal(null);

    const away = await pair();
    away.stream.resume();
    away.under.destroy();
    await closed(away.stream);
  });

  it('gives the reason when the peer closes with one', async () => {
    const { stream, peer } = await pair();
    stream.resume();
    peer.put(OPCODE.CLOSE, Buffer.concat([Buffer.from([1011 >> 8, 1011 & 0xff]), Buffer.from('out of memory')]));
    const [error] = await within(5000, once(stream, 'error'), 'the loss');
    expect(String(error)).to.contain('1011 out of memory');
  });

  it('calls back after silence; pings are silence', async () => {
    const { stream, peer } = await pair();
    stream.resume();
    let sent = 0;
    const idle = new Promise<number>((resolve) => stream.setTimeout(150, () => resolve(sent)));
    const timer = setInterval(() => {
      peer.put(OPCODE.PING, '');
      if (sent < 5) {
        sent += 1;
        peer.write('still here');
      }
    }, 40);
    expect(await within(5000, idle, 'the call')).to.equal(5);
    clearInterval(timer);
  });
});
