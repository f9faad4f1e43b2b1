import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { digestAnswer } from './raw-digest.js';
import { attach, beepXml, errorIn, GREETING, OK, profileIn, profilesIn, textXml } from './raw-documents.js';
import { FrameReader, frame, type RawFrame, type RawSeq, seq } from './raw-frame.js';
import { RawPeer, type RawPeerOptions } from './raw-peer.js';
import { within } from './within.js';

/** All frames of some octets given to a reader in pieces. */
function framesOf(octets: Buffer, piece: number): (RawFrame | RawSeq)[] {
  const reader = new FrameReader();
  const frames: (RawFrame | RawSeq)[] = [];
  for (let at = 0; at < octets.length; at += piece) {
    reader.push(octets.subarray(at, at + piece));
    for (let next = reader.next(); next !== undefined; next = reader.next()) frames.push(next);
  }
  expect(reader.rest).to.have.length(0);
  return frames;
}

describe('the raw peer of the conformance specs', () => {
  let server: Server;
  let peer: RawPeer;

  /** A listener that plays a script to the first connection. */
  async function against(script: (socket: Socket) => void, options: Partial<RawPeerOptions> = {}): Promise<RawPeer> {
    server = createServer({ noDelay: true }, (socket) => {
      socket.on('error', () => {});
      script(socket);
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    peer = await RawPeer.connect({
      port: (server.address() as AddressInfo).port,
      deadlineMs: 1000,
      ...options,
    });
    return peer;
  }

  async function thrown(promise: Promise<unknown>): Promise<string> {
    return await promise.then(
      () => 'nothing was thrown',
      (cause: Error) => cause.message,
    );
  }

  afterEach(() => {
    peer?.destroy();
    server?.close();
  });

  it('reads frames at once, octet by octet, and with others behind', () => {
    const octets = Buffer.concat([
      frame('RPY', 0, 0, '.', 0, GREETING),
      seq(0, 52, 4096),
      frame('ANS', 5, 9, '*', 7, 'END\r\n', 2),
      frame('NUL', 5, 9, '.', 12, ''),
    ]);
    const whole = framesOf(octets, octets.length);
    expect(whole.map(({ keyword }) => keyword)).to.deep.equal(['RPY', 'SEQ', 'ANS', 'NUL']);
    expect(whole[2]).to.deep.include({
      channel: 5,
      msgno: 9,
      more: '*',
      seqno: 7,
      ansno: 2,
    });
    expect(framesOf(octets, 1)).to.deep.equal(whole);
    expect(framesOf(octets, 7)).to.deep.equal(whole);
  });

  for (const [fault, octets] of [
    ['two spaces', 'RPY 0  0 . 0 0\r\nEND\r\n'],
    ['a leading zero', 'RPY 0 00 . 0 0\r\nEND\r\n'],
    ['a bare LF', `RPY 0 0 . 0 0\nEND\r\n${' '.repeat(60)}`],
    ['a wrong size', 'RPY 0 0 . 0 3\r\nabcdEND\r\n'],
    ['a number out of range', 'RPY 2147483648 0 . 0 0\r\nEND\r\n'],
    ['an ANS without ansno', 'ANS 0 0 . 0 0\r\nEND\r\n'],
    ['a lower-case keyword', 'rpy 0 0 . 0 0\r\nEND\r\n'],
  ] as const) {
    it(`refuses ${fault} from a relay`, () => {
      expect(() => framesOf(Buffer.from(octets), octets.length)).to.throw();
    });
  }

  it('computes the DIGEST-MD5 answer of a known exchange', () => {
    const challenge = 'realm="harbour.example",nonce="k7Jq2vXo0Zp9hT4w",qop="auth",algorithm=md5-sess,charset=utf-8';
    const login = {
      username: 'ines',
      password: 'gangway-42',
      uri: 'beep/relay1.harbour.example/harbour.example',
      cnonce: 'c0Rr3Lm8Yd1uNs6e',
    };
    const { response, rspauth } = digestAnswer(challenge, login);
    expect(response).to.contain('response=59d097a6d4fd3ed2f9d639a4bcc22de8');
    expect(rspauth).to.equal('rspauth=e7d238a39d2749bdc1144c7ae0fb4f40');
    const asOther = digestAnswer(challenge, {
      ...login,
      authzid: 'ines@harbour.example',
    });
    expect(asOther.rspauth).to.equal('rspauth=703ed14f643bbe319a1e65acbe5f68b2');
  });

  it('writes the documents whose size the specifications print', () => {
    expect(GREETING).to.have.length(52);
    expect(OK).to.have.length(34);
    expect(textXml("<terminate transID='71' />")).to.have.length(54);
  });

  it('reads profiles and errors, in CDATA and escaped', () => {
    expect(profilesIn('<greeting><profile uri=\'a\' /><profile uri="b"/></greeting>')).to.deep.equal(['a', 'b']);
    const content = "<error code='537'>not you</error>";
    const escaped = content.replaceAll('<', '&lt;').replaceAll("'", '&#39;');
    for (const inner of [`<![CDATA[${content}]]>`, escaped]) {
      expect(profileIn(`<profile uri='x'>${inner}</profile>`)).to.deep.equal({
        uri: 'x',
        content,
      });
    }
    expect(errorIn(content)).to.deep.equal({ code: 537, text: 'not you' });
  });

  for (const segment of [0, 1]) {
    it(`greets and starts a channel${segment === 1 ? ' in segments of one octet' : ''}`, async () => {
      let received = '';
      await against(
        (socket) => {
          socket.write(frame('RPY', 0, 0, '.', 0, GREETING));
          socket.on('data', (octets) => {
            received += octets.toString();
            if (!received.endsWith('END\r\n') || !received.includes('MSG 0 1')) return;
            const answer = "<profile uri='http://xml.resource.org/profiles/IMXP'><![CDATA[<ok />]]></profile>";
            socket.write(frame('RPY', 0, 1, '.', 52, beepXml(answer)));
          });
        },
        { segment },
      );
      expect((await peer.greet()).payload.toString()).to.equal(GREETING);
      expect(await peer.imxp(attach('fred@example.com', 1))).to.equal(1);
      expect(received).to.match(
        /^RPY 0 0 \. 0 52\r\nContent-Type: application\/beep\+xml\r\n\r\n<greeting \/>\r\nEND\r\n/,
      );
      expect(received).to.match(/MSG 0 1 \. 52 \d+\r\n/);
    });
  }

  it('sends no more than the window, and continues when it grows', async () => {
    const reader = new FrameReader();
    const sizes: number[] = [];
    await against((socket) => {
      socket.write(frame('RPY', 0, 0, '.', 0, GREETING));
      socket.on('data', (octets: Buffer) => {
        reader.push(octets);
        for (let next = reader.next(); next !== undefined; next = reader.next()) {
          if (next.keyword === 'SEQ' || next.channel !== 1) continue;
          sizes.push(next.payload.length);
          socket.write(seq(1, next.seqno + next.payload.length, 1000));
          if (next.more === '.') socket.write(frame('RPY', 1, 0, '.', 0, OK));
        }
      });
    });
    await peer.greet();
    peer.open(1);
    expect((await peer.ask(1, Buffer.alloc(5500))).payload.toString()).to.equal(OK);
    expect(sizes).to.deep.equal([4096, 1000, 404]);
  });

  it('offers a window of one octet and renews it for each', async () => {
    const control: string[] = [];
    await against((socket) => {
      socket.write(frame('RPY', 0, 0, '.', 0, GREETING));
      const reader = new FrameReader();
      let sent = 0;
      socket.on('data', (octets: Buffer) => {
        reader.push(octets);
        for (let next = reader.next(); next !== undefined; next = reader.next()) {
          if (next.keyword !== 'SEQ') continue;
          control.push(`${next.channel} ${next.ackno} ${next.window}`);
          if (sent === 3) continue;
          socket.write(frame('MSG', 1, 0, sent === 2 ? '.' : '*', sent, 'x'));
          sent += 1;
        }
      });
    });
    await peer.greet();
    peer.open(1);
    peer.window(1, 1);
    expect((await peer.nextRequest(1)).payload.toString()).to.equal('xxx');
    expect(control.slice(0, 3)).to.deep.equal(['1 0 1', '1 1 1', '1 2 1']);
  });

  for (const [fault, octets, reason] of [
    ['a wrong sequence number', frame('RPY', 0, 0, '.', 1, GREETING), 'expected sequence number 0'],
    ['a payload beyond the window', frame('RPY', 0, 0, '.', 0, Buffer.alloc(4097)), 'beyond the window'],
    ['a channel that is not open', frame('MSG', 3, 0, '.', 0, ''), 'channel 3, which does not exist'],
    ['a reply to nothing', frame('RPY', 0, 4, '.', 0, GREETING), 'the reply due is that to 0'],
    ['a SEQ for octets never sent', seq(0, 9000, 4096), 'acknowledges 9000'],
    ['a shrunk window', seq(0, 0, 5), 'shrinks the window'],
  ] as const) {
    it(`fails on ${fault}, and shows the octets`, async () => {
      await against((socket) => socket.write(octets));
      const message = await thrown(peer.greet());
      expect(message).to.contain(reason).and.to.contain('L: ');
    });
  }

  it('distinguishes the end of a connection from silence', async () => {
    await against((socket) => socket.once('data', () => socket.resetAndDestroy()));
    peer.write('x');
    expect(await peer.ended()).to.equal('reset');
    peer.destroy();
    server.close();
    await against((socket) => socket.end());
    expect(await peer.ended()).to.equal('fin');
    peer.destroy();
    server.close();
    await against(() => {});
    expect(await thrown(peer.ended(20))).to.contain('not within 20 ms');
  });

  it('stops waiting at the deadline', async () => {
    expect(await within(1000, Promise.resolve(7), 'seven')).to.equal(7);
    expect(await thrown(within(5, new Promise(() => {}), () => 'late'))).to.equal('not within 5 ms: late');
  });
});
