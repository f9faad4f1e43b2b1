/**
 * What a peer that shares no code with this program sees on the wire, octet for octet: greeting, TLS, DIGEST-MD5,
 * attach, Data, close, release; however its segments are cut, however small its windows.
 */
import { expect } from 'chai';
import { visible } from '../support/octet-log.js';
import type { RawMessage } from '../support/raw-channel.js';
import {
  attach,
  beepXml,
  close,
  DIGEST_MD5,
  errorIn,
  GREETING,
  IMXP,
  inlineData,
  multipartData,
  OK,
  profileIn,
  profilesIn,
  start,
  TLS,
  terminate,
  textXml,
} from '../support/raw-documents.js';
import { frame, type RawFrame } from '../support/raw-frame.js';
import type { RawPeerOptions } from '../support/raw-peer.js';
import { TRANSPORTS } from '../support/raw-websocket.js';
import { type AttachedPeer, answerAll, deliver, note, passwordOf, RelayFixture } from '../support/relay-fixture.js';

/** Octets without the SEQ frames, whose number depends on how the octets before them arrived. */
function dataFrames(octets: Buffer): string {
  return octets.toString('latin1').replace(/SEQ \d+ \d+ \d+\r\n/g, '');
}

/** Every value an octet can have, with the sequences in between that a careless reader trips over. */
const AWKWARD = Buffer.concat([
  Buffer.from('END\r\nRPY 1 0 . 0 34\r\n\r\n--=_m1x\r\n'),
  Buffer.from(Array.from({ length: 256 }, (_, octet) => octet)),
  Buffer.from('\r\n.\r\n--\r\nSEQ 1 0 0\r\nEND\r\n'),
]);

for (const transport of TRANSPORTS) {
  describe(`the wire, seen by a foreign peer over ${transport}`, function () {
    this.timeout(40_000);
    this.slow(5000);
    let fixture: RelayFixture;
    // Where TLS is underneath, there is none to tune to.
    const tunable = transport !== 'wss';

    before(async function () {
      this.timeout(90_000);
      fixture = await RelayFixture.start({ transport });
    });
    afterEach(function () {
      fixture.leave();
      fixture.explain(this.currentTest);
    });
    after(async () => await fixture?.close());

    describe('session', () => {
      it('REQ-BEEP-034 REQ-BEEP-035 REQ-BEEP-054 greets at once and lists what it serves', async () => {
        const peer = await fixture.connect();
        const { frames, payload } = await peer.nextReply(0);
        expect(frames.map(({ keyword, msgno, seqno, more }) => [keyword, msgno, seqno, more])).to.deep.equal([
          ['RPY', 0, 0, '.'],
        ]);
        const text = payload.toString();
        expect(text).to.match(/^Content-Type: application\/beep\+xml\r\n(\S+: .*\r\n)*\r\n<greeting[ >]/);
        expect(text).not.to.match(/<\?xml|<!DOCTYPE/);
        expect(profilesIn(text)).to.include.members([...(tunable ? [TLS] : []), DIGEST_MD5, IMXP]);
      });

      it('REQ-BEEP-053 REQ-BEEP-055 answers the same octets wherever the frames are split', async () => {
        const { said: whole, length } = await splitAt(Number.POSITIVE_INFINITY);
        expect(whole).to.match(/RPY 0 0 \. 0 (\d+)\r\n[\s\S]*END\r\nERR 0 1 \. \1 \d+\r\n[\s\S]*END\r\n$/);
        for (let first = 1; first < length; first += 32) {
          const places = Array.from({ length: Math.min(32, length - first) }, (_, index) => first + index);
          for (const [index, { said }] of (await Promise.all(places.map(splitAt))).entries()) {
            expect(said, `split at ${places[index]}`).to.equal(whole);
          }
          fixture.leave();
        }
      });

      /** What the relay says to a greeting and a start that come in two segments. */
      async function splitAt(at: number): Promise<{ readonly said: string; readonly length: number }> {
        const peer = await fixture.connect();
        peer.log.record();
        const channel = peer.channel(0);
        const octets = Buffer.concat([
          channel.build('RPY', 0, GREETING),
          channel.build('MSG', channel.allocate(), start({ channel: 1, uri: 'http://example.com/profiles/none' })),
        ]);
        await peer.writeSplit(octets, at, 10);
        await peer.nextReply(0);
        await peer.nextReply(0);
        return { said: dataFrames(peer.log.take()), length: octets.length };
      }

      it('REQ-BEEP-051 REQ-BEEP-059 answers a release and closes the connection', async () => {
        const peer = await fixture.greeted();
        peer.log.record();
        const { payload, frames } = await peer.ask(0, close(0));
        expect(frames).to.have.length(1);
        expect(payload.toString()).to.equal(beepXml('<ok />'));
        expect(await peer.ended()).to.equal('fin');
        const seqno = frames[0]?.seqno ?? -1;
        expect(dataFrames(peer.log.take())).to.equal(`RPY 0 1 . ${seqno} 46\r\n${beepXml('<ok />')}END\r\n`);
      });

      it('REQ-BEEP-049 answers a close, and the number can be used again', async () => {
        const { peer, channel } = await fixture.attached('fred@example.com');
        expect((await peer.close(channel)).payload.toString()).to.equal(beepXml('<ok />'));
        const again = await peer.ask(0, start({ channel, uri: IMXP }));
        expect(again.keyword).to.equal('RPY');
        expect(profileIn(again.payload)).to.deep.equal({ uri: IMXP, content: '' });
      });

      it('REQ-BEEP-052 answers an error to a close of an unknown channel, and keeps the session', async () => {
        const peer = await fixture.greeted();
        const refused = await peer.ask(0, close(77));
        expect([refused.keyword, errorIn(refused.payload)?.code]).to.deep.equal(['ERR', 550]);
        expect((await peer.ask(0, close(0))).keyword).to.equal('RPY');
      });
    });

    describe('tuning', () => {
      if (tunable) {
        it('REQ-TLS-001 REQ-TLS-004 REQ-TLS-005 REQ-TLS-006 proceeds to TLS, awaits the handshake and greets anew', async () => {
          const peer = await fixture.connect();
          await peer.greet();
          const greeting = await peer.startTls({ serverName: 'example.com', authority: fixture.authority });
          expect(greeting.frames[0]).to.include({ keyword: 'RPY', msgno: 0, seqno: 0 });
          expect(profilesIn(greeting.payload)).to.include.members([DIGEST_MD5, IMXP]).and.not.to.include(TLS);
          // Channel 0 is a new one: numbers begin again, and number 1 was never used.
          const { number, reply } = await peer.start('http://example.com/profiles/none');
          expect([number, reply.keyword, reply.msgno]).to.deep.equal([1, 'ERR', 1]);
        });

        it('REQ-TLS-003 sends nothing but its answer after ready, not even SEQ', async () => {
          const peer = await fixture.greeted();
          peer.log.record();
          const payload = start({ channel: 1, uri: TLS, content: '<ready />', serverName: 'example.com' });
          const { frames } = await peer.ask(0, payload);
          const [answer] = frames;
          if (answer === undefined) throw new Error('no frame');
          const exactly = frame('RPY', 0, 1, '.', answer.seqno, answer.payload);
          // A SEQ for the greeting may still have been on its way; it acknowledges nothing of ready.
          const said = peer.log.take().toString('latin1').replace(`SEQ 0 ${GREETING.length} 4096\r\n`, '');
          expect(visible(Buffer.from(said, 'latin1'))).to.equal(visible(exactly));
          expect(profileIn(answer.payload)).to.deep.equal({ uri: TLS, content: '<proceed />' });
        });

        it('REQ-TLS-007 answers 501 to an invalid version without TLS, and continues', async () => {
          const peer = await fixture.greeted();
          const { reply, profile } = await peer.start(TLS, "<ready version='oh' />", 'example.com');
          expect(reply.keyword).to.equal('RPY');
          expect(errorIn(profile?.content ?? '')?.code).to.equal(501);
          expect((await peer.ask(0, close(0))).keyword).to.equal('RPY');
        });
      }

      for (const tls of tunable ? [false, true] : [false]) {
        it(`REQ-SASL-001 REQ-SASL-003 REQ-SASL-027 proves that it knows the password${tls ? ', under TLS' : ''}`, async () => {
          const peer = await fixture.authenticated('fred@example.com', { tls });
          // REQ-SASL-004: it holds for channels opened from now on.
          expect(await peer.imxp(attach('fred@example.com', 1))).to.be.a('number');
        });
      }

      it('REQ-SASL-010 accepts the endpoint identifier as the user name, too', async () => {
        const peer = await fixture.greeted();
        const address = 'fred@example.com';
        const password = passwordOf(address);
        expect((await peer.authenticate({ username: address, password })).keyword).to.equal('RPY');
        expect(await peer.imxp(attach(address, 1))).to.be.a('number');
      });
    });

    describe('Data', () => {
      for (const tls of tunable ? [false, true] : [false]) {
        it(`REQ-IMXP-004 REQ-IMXP-005 REQ-IMXP-030 reaches its recipient as it was sent and is answered ok${tls ? ', under TLS' : ''}`, async () => {
          const [fred, barney] = await pair({ tls });
          const payload = inlineData('fred@example.com', ['barney@example.com'], '\n <note>tide &amp; time</note> ');
          fred.peer.log.record();
          barney.peer.log.record();
          await deliver(fred, barney, payload);
          expect(plain(fred)).to.equal(`RPY ${fred.channel} 0 . 0 34\r\n${OK}END\r\n`);
          expect(plain(barney)).to.equal(frame('MSG', barney.channel, 0, '.', 0, payload).toString('latin1'));
        });
      }

      /** The octets of data frames received since recording began; over TLS those that came out of it. */
      function plain({ peer }: AttachedPeer): string {
        return dataFrames(peer.log.take());
      }

      it('REQ-IMXP-034 leaves any content as it is', async () => {
        const [fred, barney] = await pair();
        const payload = multipartData(fred.address, [barney.address], AWKWARD);
        const { arrived, reply } = await deliver(fred, barney, payload);
        expect(visible(arrived.payload, 9999)).to.equal(visible(payload, 9999));
        expect(reply.payload.toString()).to.equal(OK);
      });

      it('REQ-IMXP-027 REQ-IMXP-034 gives each recipient only its own name, and the same content', async () => {
        const [fred, barney] = await pair();
        const wilma = await fixture.attached('wilma@example.com');
        const arrived: [string, Buffer][] = [];
        for (const one of [barney, wilma]) answerAll(one, ({ payload }) => arrived.push([one.address, payload]));
        const payload = multipartData(fred.address, [barney.address, wilma.address], AWKWARD);
        expect((await fred.peer.ask(fred.channel, payload)).payload.toString()).to.equal(OK);
        expect(arrived.map(([address]) => address).sort()).to.deep.equal([barney.address, wilma.address]);
        const content = payload.subarray(payload.indexOf('Content-Type: application/octet-stream'));
        for (const [address, octets] of arrived) {
          const named = [...octets.toString('latin1').matchAll(/identity=['"]([^'"]*)['"]/g)].map((match) => match[1]);
          expect(named).to.deep.equal([address]);
          const received = octets.subarray(octets.indexOf('Content-Type: application/octet-stream'));
          expect(visible(received.subarray(0, -9), 9999)).to.contain(visible(AWKWARD, 9999));
          expect(received.length).to.be.within(content.length - 4, content.length + 80);
        }
      });

      it('REQ-IMXP-030 answers the error of the recipient that was not reached', async () => {
        const [fred, barney] = await pair();
        const msgno = fred.peer.msg(fred.channel, note(fred, [barney], 'for you'));
        const arrived = await barney.peer.nextRequest(barney.channel);
        barney.peer.reply(barney.channel, 'ERR', arrived.msgno, textXml("<error code='550'>not now</error>"));
        const reply = await fred.peer.nextReply(fred.channel);
        expect([reply.keyword, reply.msgno, errorIn(reply.payload)?.code]).to.deep.equal(['ERR', msgno, 550]);
        expect(errorIn(reply.payload)?.text).to.contain('not now');
      });

      it('REQ-BEEP-027 REQ-BEEP-028 answers three pipelined Data in order', async () => {
        const [fred, barney] = await pair();
        const wilma = await fixture.attached('wilma@example.com');
        const channel = fred.peer.channel(fred.channel);
        const octets = [barney, wilma, barney].map((to, index) =>
          channel.build('MSG', channel.allocate(), note(fred, [to], `number ${index}`)),
        );
        fred.peer.log.record();
        fred.peer.write(Buffer.concat(octets));
        const first = await barney.peer.nextRequest(barney.channel);
        const third = await barney.peer.nextRequest(barney.channel);
        const second = await wilma.peer.nextRequest(wilma.channel);
        for (const [index, { payload }] of [first, second, third].entries()) {
          expect(payload.toString()).to.contain(`number ${index}`);
        }
        wilma.peer.reply(wilma.channel, 'RPY', second.msgno, OK);
        // A round trip on another channel: had an answer been sent, it would be here.
        expect((await fred.peer.start('http://example.com/none')).reply.keyword).to.equal('ERR');
        expect(fred.peer.channel(fred.channel).replies).to.deep.equal([]);
        barney.peer.reply(barney.channel, 'ERR', first.msgno, textXml("<error code='450'>later</error>"));
        barney.peer.reply(barney.channel, 'RPY', third.msgno, OK);
        const replies: RawMessage[] = [];
        while (replies.length < 3) replies.push(await fred.peer.nextReply(fred.channel));
        expect(replies.map(({ keyword, msgno }) => [keyword, msgno])).to.deep.equal([
          ['ERR', 0],
          ['RPY', 1],
          ['RPY', 2],
        ]);
      });

      it('REQ-BEEP-027 keeps the order of Data from one originator to one recipient', async () => {
        const [fred, barney] = await pair();
        const arrived: string[] = [];
        answerAll(barney, ({ payload }) => arrived.push(/<note>(\d+)</.exec(payload.toString())?.[1] ?? '?'));
        for (let index = 0; index < 300; index += 1) fred.peer.msg(fred.channel, note(fred, [barney], `${index}`));
        for (let index = 0; index < 300; index += 1) {
          expect((await fred.peer.nextReply(fred.channel)).payload.toString()).to.equal(OK);
        }
        expect(arrived).to.deep.equal(Array.from({ length: 300 }, (_, index) => `${index}`));
      });

      it('REQ-IMXP-016 REQ-IMXP-022 reaches every endpoint of a channel until its attachment is terminated', async () => {
        const [fred, barney] = await pair();
        const chalk: AttachedPeer = { ...barney, address: 'barney/appl=chalk@example.com' };
        // REQ-IMXP-017: who may attach as barney may attach as each subaddress.
        expect((await barney.peer.ask(barney.channel, textXml(attach(chalk.address, 72)))).payload.toString()).to.equal(
          OK,
        );
        for (const to of [barney, chalk]) {
          expect((await deliver(fred, to, note(fred, [to], 'hello'))).reply.keyword).to.equal('RPY');
        }
        expect((await barney.peer.ask(barney.channel, textXml(terminate(72)))).payload.toString()).to.equal(OK);
        expect(errorIn((await fred.peer.ask(fred.channel, note(fred, [chalk], 'gone?'))).payload)?.code).to.equal(450);
        expect((await deliver(fred, barney, note(fred, [barney], 'still there'))).reply.keyword).to.equal('RPY');
      });

      it('REQ-IMXP-024 does not deliver to an endpoint whose channel is closed until it attaches again', async () => {
        const [fred, barney] = await pair();
        await barney.peer.close(barney.channel);
        expect(errorIn((await fred.peer.ask(fred.channel, note(fred, [barney], 'gone?'))).payload)?.code).to.equal(450);
        const back = { ...barney, channel: await barney.peer.imxp(attach(barney.address, 5)) };
        expect((await deliver(fred, back, note(fred, [back], 'back'))).reply.keyword).to.equal('RPY');
      });
    });

    describe('segments of one octet', () => {
      for (const tls of tunable ? [false, true] : [false]) {
        it(`REQ-BEEP-021 make no difference${tls ? ' under TLS' : ''}`, async () => {
          const [whole, dripped] = [await conversation(0, tls), await conversation(1, tls)];
          expect(dripped).to.deep.equal(whole);
          expect(whole.at(-1)).to.match(/^fred RPY 1 3\b/);
        });
      }

      if (transport !== 'tcp') {
        it('make no difference as text or binary messages in fragments of any size', async () => {
          const whole = await conversation(0, false);
          for (const type of ['text', 'binary'] as const) {
            for (const fragment of [1, 13, 100_000]) {
              expect(await conversation(0, false, { type, fragment })).to.deep.equal(whole);
            }
          }
        });
      }

      /** A conversation of two peers with all kinds of messages, as both hear it; what is random left out. */
      async function conversation(segment: number, tls: boolean, cut: Partial<RawPeerOptions> = {}): Promise<string[]> {
        const heard: string[] = [];
        const hear = (name: string, { keyword, channel, msgno, payload }: RawMessage): void => {
          heard.push(`${name} ${keyword} ${channel === 0 ? 0 : 1} ${msgno} ${visible(payload, 9999)}`);
        };
        const peers: AttachedPeer[] = [];
        for (const address of ['fred@example.com', 'barney@example.com']) {
          const peer = await fixture.connect({ segment, name: address, ...cut });
          hear(address, await peer.greet());
          if (tls) hear(address, await peer.startTls({ serverName: 'example.com', authority: fixture.authority }));
          const [username = ''] = address.split('@');
          await peer.authenticate({ username, password: passwordOf(address) });
          peers.push({ address, peer, channel: await peer.imxp(attach(address, 9)) });
        }
        const [fred, barney] = peers;
        if (fred === undefined || barney === undefined) throw new Error('two peers were made');
        const payloads = [
          note(fred, [barney], 'drip'),
          multipartData(fred.address, [barney.address], AWKWARD),
          textXml('<data originator="fred@example.com"'),
        ];
        for (const [index, payload] of payloads.entries()) {
          const msgno = fred.peer.msg(fred.channel, payload);
          if (index < 2) {
            const arrived = await barney.peer.nextRequest(barney.channel);
            hear('barney', arrived);
            barney.peer.reply(barney.channel, 'RPY', arrived.msgno, OK);
          }
          const reply = await fred.peer.nextReply(fred.channel);
          expect(reply.msgno).to.equal(msgno);
          hear('fred', reply);
        }
        hear('fred', await fred.peer.ask(fred.channel, textXml(terminate(9))));
        fixture.leave();
        return heard;
      }
    });

    describe('frames split at every place', () => {
      it('REQ-BEEP-004 REQ-BEEP-019 a Data arrives as it was sent', async () => {
        const [fred, barney] = await pair();
        const arrived: Buffer[] = [];
        answerAll(barney, (message) => arrived.push(message.payload));
        const payload = note(fred, [barney], 'split');
        const channel = fred.peer.channel(fred.channel);
        let length = payload.length;
        for (let at = 1; at < length; at += 1) {
          const octets = channel.build('MSG', channel.allocate(), payload);
          length = octets.length;
          await fred.peer.writeSplit(octets, at);
          expect((await fred.peer.nextReply(fred.channel)).payload.toString(), `split at ${at}`).to.equal(OK);
          expect(arrived.splice(0).map(String), `split at ${at}`).to.deep.equal([payload]);
        }
      });

      it('REQ-BEEP-004 the reply to a Data is understood', async () => {
        const [fred, barney] = await pair();
        const channel = barney.peer.channel(barney.channel);
        const length = frame('RPY', 1, 0, '.', 0, OK).length;
        for (let at = 1; at < length; at += 1) {
          const msgno = fred.peer.msg(fred.channel, note(fred, [barney], 'split'));
          const arrived = await barney.peer.nextRequest(barney.channel);
          await barney.peer.writeSplit(channel.build('RPY', arrived.msgno, OK), at);
          const reply = await fred.peer.nextReply(fred.channel);
          expect([reply.keyword, reply.msgno], `split at ${at}`).to.deep.equal(['RPY', msgno]);
        }
      });

      it('REQ-BEEP-006 REQ-BEEP-023 takes a Data in many frames, of one octet and empty ones, as one Data', async () => {
        const [fred, barney] = await pair();
        const payload = note(fred, [barney], 'pieces');
        const channel = fred.peer.channel(fred.channel);
        const msgno = channel.allocate();
        const octets = [...payload].flatMap((one) => [
          channel.build('MSG', msgno, one, '*'),
          channel.build('MSG', msgno, '', '*'),
        ]);
        fred.peer.write(Buffer.concat([...octets, channel.build('MSG', msgno, '', '.')]));
        const arrived = await barney.peer.nextRequest(barney.channel);
        expect(arrived.payload.toString()).to.equal(payload);
        barney.peer.reply(barney.channel, 'RPY', arrived.msgno, OK);
        expect((await fred.peer.nextReply(fred.channel)).payload.toString()).to.equal(OK);
      });
    });

    describe('a window of one octet', () => {
      it('REQ-BEEP-060 REQ-BEEP-062 is filled and never exceeded, by MSG and by RPY', async () => {
        const [fred, barney] = await pair();
        barney.peer.window(barney.channel, 1);
        fred.peer.window(fred.channel, 1);
        const payload = note(fred, [barney], 'one by one');
        const { arrived, reply } = await deliver(fred, barney, payload);
        expect(arrived.payload.toString()).to.equal(payload);
        expect(shape(arrived.frames)).to.deep.equal(inOctets('MSG', payload.length));
        expect(reply.payload.toString()).to.equal(OK);
        expect(shape(reply.frames)).to.deep.equal(inOctets('RPY', OK.length));
      });

      const shape = (frames: readonly RawFrame[]): string[] =>
        frames.map(
          ({ keyword, msgno, more, seqno, payload }) => `${keyword} ${msgno} ${more} ${seqno} ${payload.length}`,
        );
      const inOctets = (keyword: string, length: number): string[] =>
        Array.from({ length }, (_, seqno) => `${keyword} 0 ${seqno === length - 1 ? '.' : '*'} ${seqno} 1`);

      it('REQ-BEEP-072 on one channel does not delay another of the same session', async () => {
        const fred = await fixture.attached('fred@example.com');
        const barney = await fixture.attached('barney@example.com');
        const other = { ...barney, channel: await barney.peer.imxp(attach('barney/appl=chalk@example.com', 4)) };
        barney.peer.window(barney.channel, 1);
        barney.peer.channel(barney.channel).buffer = 0;
        const held = fred.peer.msg(fred.channel, note(fred, [barney], 'held'));
        const chalk = { ...other, address: 'barney/appl=chalk@example.com' };
        const free = fred.peer.msg(fred.channel, note(fred, [chalk], 'free'));
        const passed = await barney.peer.nextRequest(other.channel);
        expect(passed.payload.toString()).to.contain('free');
        barney.peer.reply(other.channel, 'RPY', passed.msgno, OK);
        barney.peer.window(barney.channel, 4096);
        const late = await barney.peer.nextRequest(barney.channel);
        barney.peer.reply(barney.channel, 'RPY', late.msgno, OK);
        for (const msgno of [held, free]) expect((await fred.peer.nextReply(fred.channel)).msgno).to.equal(msgno);
      });

      it('REQ-BEEP-064 REQ-BEEP-068 is wider once the channel exists, and follows what was read', async () => {
        const [fred, barney] = await pair();
        answerAll(barney);
        const body = Buffer.alloc(300_000, 'x');
        const reply = await fred.peer.ask(fred.channel, multipartData(fred.address, [barney.address], body));
        expect(reply.payload.toString()).to.equal(OK);
      });
    });

    async function pair(options: { readonly tls?: boolean } = {}): Promise<[AttachedPeer, AttachedPeer]> {
      return [
        await fixture.attached('fred@example.com', options),
        await fixture.attached('barney@example.com', options),
      ];
    }
  });
}
