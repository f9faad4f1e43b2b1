/**
 * Octets that no peer may send, from a real socket: the connection ends without a response, the log says why, and
 * nobody else notices. And peers that say nothing: they are not kept for ever.
 */
import { expect } from 'chai';
import { visible } from '../support/octet-log.js';
import { attach, beepXml, DIGEST_MD5, GREETING, IMXP, OK, start, TLS, textXml } from '../support/raw-documents.js';
import { frame, seq } from '../support/raw-frame.js';
import type { RawPeer } from '../support/raw-peer.js';
import { TRANSPORTS } from '../support/raw-websocket.js';
import { type AttachedPeer, deliver, ENDPOINTS, note, RelayFixture } from '../support/relay-fixture.js';

const GREETING_TIMEOUT_MS = 700;
const STRANGER_LIFETIME_MS = 1500;
const DRAIN_TIMEOUT_MS = 2000;
const CLOSE_TIMEOUT_MS = 1000;
const [FRED, BARNEY, WILMA, BETTY] = ENDPOINTS as [string, string, string, string];

const greeting = frame('RPY', 0, 0, '.', 0, GREETING);
const refused = start({ channel: 1, uri: 'http://example.com/none' });

/** Octets after the greetings, and the code the log must name. */
const AFTER_GREETING: readonly (readonly [title: string, octets: Buffer | string, code: string])[] = [
  ['REQ-BEEP-008 an unknown keyword', 'REQ 0 1 . 52 0\r\nEND\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-008 a lower-case keyword', 'msg 0 1 . 52 0\r\nEND\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-009 a parameter missing', 'MSG 0 1 . 52\r\nEND\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-009 a parameter too many', 'MSG 0 1 . 52 0 0\r\nEND\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-009 two spaces', 'MSG 0  1 . 52 0\r\nEND\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-009 a space before CRLF', 'MSG 0 1 . 52 0 \r\nEND\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-009 a bare LF', 'MSG 0 1 . 52 0\nEND\r\n', 'BEEP_HEADER'],
  ['REQ-BEEP-009 a sign', 'MSG 0 +1 . 52 0\r\nEND\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-009 neither . nor *', 'MSG 0 1 , 52 0\r\nEND\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-002 a size out of range', 'MSG 0 1 . 52 2147483648\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-002 a sequence number out of range', 'MSG 0 1 . 4294967296 0\r\nEND\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-009 a header without end', 'MSG 0 1 . 52 '.padEnd(80, '0'), 'BEEP_HEADER'],
  ['REQ-BEEP-010 a channel that is not open', 'MSG 9 1 . 0 0\r\nEND\r\n', 'BEEP_CHANNEL_UNKNOWN'],
  ['REQ-BEEP-012 a second greeting', frame('RPY', 0, 0, '.', 52, GREETING), 'BEEP_REPLY_UNEXPECTED'],
  ['REQ-BEEP-013 a reply to nothing', frame('RPY', 0, 5, '.', 52, beepXml('<ok />')), 'BEEP_REPLY_UNEXPECTED'],
  [
    'REQ-BEEP-014 a keyword that changes',
    Buffer.concat([frame('MSG', 0, 1, '*', 52, '1'), frame('RPY', 0, 1, '.', 53, '2')]),
    'BEEP_',
  ],
  [
    'REQ-BEEP-016 another message in between',
    Buffer.concat([frame('MSG', 0, 1, '*', 52, '1'), frame('MSG', 0, 2, '.', 53, '2')]),
    'BEEP_MESSAGE_INTERRUPTED',
  ],
  ['REQ-BEEP-017 a sequence number too high', frame('MSG', 0, 1, '.', 53, refused), 'BEEP_SEQNO_UNEXPECTED'],
  ['REQ-BEEP-017 a sequence number too low', frame('MSG', 0, 1, '.', 0, refused), 'BEEP_SEQNO_UNEXPECTED'],
  ['REQ-BEEP-018 a NUL that is not the last', 'NUL 0 1 * 52 0\r\nEND\r\n', 'BEEP_'],
  ['REQ-BEEP-019 no trailer', 'MSG 0 1 . 52 2\r\nxxENDE\r\n', 'BEEP_TRAILER_INVALID'],
  ['REQ-BEEP-019 a size too small', 'MSG 0 1 . 52 2\r\nxxxEND\r\n', 'BEEP_TRAILER_INVALID'],
  ['REQ-BEEP-019 a trailer without CR', 'MSG 0 1 . 52 2\r\nxxEND\n\r', 'BEEP_TRAILER_INVALID'],
  ['REQ-BEEP-065 a SEQ for octets never sent', seq(0, 100_000, 4096), 'BEEP_SEQ_INVALID'],
  ['REQ-BEEP-065 a SEQ that is not one', 'SEQ 0 0\r\n', 'BEEP_HEADER_INVALID'],
  ['REQ-BEEP-065 a SEQ for a channel never open', seq(9, 0, 4096), 'BEEP_'],
  ['a payload beyond any window', 'MSG 0 1 . 52 2147483647\r\n', 'BEEP_WINDOW_EXCEEDED'],
];

/** Octets instead of a greeting. */
const FIRST: readonly (readonly [title: string, octets: Buffer | string, code: string])[] = [
  ['a MSG before the greeting', frame('MSG', 0, 1, '.', 0, refused), 'BEEP_'],
  ['an ERR of the initiator', frame('ERR', 0, 0, '.', 0, beepXml("<error code='421' />")), 'BEEP_'],
  ['REQ-BEEP-025 a greeting that is not well-formed', frame('RPY', 0, 0, '.', 0, beepXml('<greeting>')), 'BEEP_'],
  ['REQ-BEEP-025 something else than a greeting', frame('RPY', 0, 0, '.', 0, beepXml('<ok />')), 'BEEP_'],
  ['HTTP', 'GET / HTTP/1.1\r\nHost: example.com\r\n\r\n', 'BEEP_'],
  ['a ClientHello out of turn', Buffer.from('16030100c8010000c40303', 'hex'), ''],
  ['noise', Buffer.from(Array.from({ length: 300 }, (_, index) => (index * 73 + 11) % 256)), 'BEEP_'],
];

for (const transport of TRANSPORTS) {
  describe(`faults over ${transport}`, function () {
    this.timeout(20_000);
    this.slow(6000);
    let fixture: RelayFixture;
    let bystanders: { readonly from: AttachedPeer; readonly to: AttachedPeer };
    let served = 0;

    before(async function () {
      this.timeout(90_000);
      fixture = await RelayFixture.start({
        transport,
        limits: {
          session: { greetingTimeoutMs: GREETING_TIMEOUT_MS, closeTimeoutMs: CLOSE_TIMEOUT_MS },
          unauthenticated: { lifetimeMs: STRANGER_LIFETIME_MS },
          node: { drainTimeoutMs: DRAIN_TIMEOUT_MS },
        },
      });
      bystanders = { from: await fixture.attached(WILMA), to: await fixture.attached(BETTY) };
    });
    afterEach(async function () {
      fixture.explain(this.currentTest);
      served += 1;
      const { from, to } = bystanders;
      const { reply } = await deliver(from, to, note(from, [to], `number ${served}`));
      expect(reply.payload.toString()).to.equal(OK);
      fixture.leave(from.peer, to.peer);
    });
    after(async () => await fixture?.close());

    /** Sends octets to a peer's relay and expects the end: nothing said but SEQ, and the reason in the log. */
    async function expectSilentEnd(peer: RawPeer, octets: Buffer | string, code: string): Promise<void> {
      const mark = fixture.node.mark;
      peer.log.record();
      peer.inject(octets);
      await peer.ended(5000);
      const said = peer.log.take().toString('latin1');
      expect(visible(Buffer.from(said.replace(/SEQ \d+ \d+ \d+\r\n/g, ''), 'latin1'))).to.equal('');
      await fixture.node.log(
        (line) => JSON.stringify(line).includes(code) && /BEEP_|TLS_|greeting|frame/i.test(JSON.stringify(line)),
        `a diagnostic with ${code || 'the reason'} after ${visible(Buffer.from(octets), 80)}`,
        5000,
        mark,
      );
    }

    describe('REQ-BEEP-020 end the session without a response and with a diagnostic:', () => {
      for (const [title, octets, code] of AFTER_GREETING) {
        it(title, async () => await expectSilentEnd(await fixture.greeted(), octets, code));
      }

      for (const [title, octets, code] of FIRST) {
        it(title, async () => {
          const peer = await fixture.connect();
          // The relay greets without waiting; after that it says nothing more.
          await peer.nextReply(0);
          await expectSilentEnd(peer, octets, code);
        });
      }

      it('REQ-BEEP-011 a number whose MSG is not answered yet', async () => {
        const fred = await fixture.attached(FRED);
        const barney = await fixture.attached(BARNEY);
        const channel = fred.peer.channel(fred.channel);
        fred.peer.write(channel.build('MSG', 0, note(fred, [barney], 'first')));
        await barney.peer.nextRequest(barney.channel);
        await expectSilentEnd(fred.peer, channel.build('MSG', 0, note(fred, [barney], 'again')), 'BEEP_MSGNO_IN_USE');
      });

      it('REQ-BEEP-012 a second reply to one message', async () => {
        const { from } = bystanders;
        const barney = await fixture.attached(BARNEY);
        const channel = barney.peer.channel(barney.channel);
        const reply = from.peer.ask(from.channel, note(from, [barney], 'twice'));
        const arrived = await barney.peer.nextRequest(barney.channel);
        barney.peer.write(channel.build('RPY', arrived.msgno, OK));
        expect((await reply).payload.toString()).to.equal(OK);
        await expectSilentEnd(barney.peer, channel.build('RPY', arrived.msgno, OK), 'BEEP_REPLY_UNEXPECTED');
      });

      it('REQ-BEEP-015 a NUL inside a reply that is no ANS', async () => {
        const { from } = bystanders;
        const barney = await fixture.attached(BARNEY);
        const channel = barney.peer.channel(barney.channel);
        const reply = from.peer.ask(from.channel, note(from, [barney], 'halved'));
        const arrived = await barney.peer.nextRequest(barney.channel);
        const octets = [channel.build('RPY', arrived.msgno, 'Content', '*'), channel.build('NUL', arrived.msgno, '')];
        await expectSilentEnd(barney.peer, Buffer.concat(octets), 'BEEP_');
        // What was under way is answered: architecture's "nothing is ever dropped in silence".
        expect((await reply).payload.toString()).to.match(/<error code=['"]45[01]['"]/);
      });

      // Where TLS is underneath, there is none to tune to.
      if (transport !== 'wss') {
        it('a poorly formed frame under TLS', async () => {
          await expectSilentEnd(
            await fixture.greeted({ tls: true }),
            'REQ 0 1 . 52 0\r\nEND\r\n',
            'BEEP_HEADER_INVALID',
          );
        });

        it('octets behind ready that are no TLS', async () => {
          const peer = await fixture.greeted();
          const ready = start({ channel: 1, uri: TLS, content: '<ready />', serverName: 'example.com' });
          const { frames } = await peer.ask(0, ready);
          expect(frames[0]?.keyword).to.equal('RPY');
          const mark = fixture.node.mark;
          peer.log.record();
          peer.inject(frame('MSG', 0, 2, '.', 52 + ready.length, refused));
          await peer.ended(5000);
          // A TLS alert is the most that may be said to somebody who does not speak TLS.
          expect(peer.log.take().toString('latin1')).not.to.contain('END\r\n');
          await fixture.node.log((line) => /TLS_/.test(JSON.stringify(line)), 'what was wrong', 5000, mark);
        });

        it('octets behind ready in the same segment are not taken as protected', async () => {
          const peer = await fixture.greeted();
          const ready = start({ channel: 1, uri: TLS, content: '<ready />', serverName: 'example.com' });
          peer.log.record();
          const channel = peer.channel(0);
          const octets = [ready, refused].map((payload) => channel.build('MSG', channel.allocate(), payload));
          peer.write(Buffer.concat(octets));
          await peer.ended(5000);
          expect(peer.log.take().toString('latin1')).not.to.match(/(RPY|ERR) 0 2 /);
        });
      }
    });

    it('REQ-BEEP-026 a reply that is not of IMXP closes the channel, not the session, and the sender gets an answer', async () => {
      const { from } = bystanders;
      const barney = await fixture.attached(BARNEY);
      const reply = from.peer.ask(from.channel, note(from, [barney], 'what?'));
      const arrived = await barney.peer.nextRequest(barney.channel);
      barney.peer.reply(barney.channel, 'RPY', arrived.msgno, textXml('<maybe />'));
      expect((await reply).payload.toString()).to.match(/<error code=['"][45]\d\d['"]/);
      const asked = await barney.peer.nextRequest(0);
      expect(asked.payload.toString()).to.match(new RegExp(`<close\\b[^>]*number=['"]${barney.channel}['"]`));
      barney.peer.reply(0, 'RPY', asked.msgno, beepXml('<ok />'));
      expect((await barney.peer.start(IMXP, attach(BARNEY, 5))).profile?.content).to.equal('<ok />');
      await barney.peer.close(0);
    });

    it('a recipient that disappears does not leave the sender without an answer', async () => {
      const { from } = bystanders;
      const barney = await fixture.attached(BARNEY);
      const reply = from.peer.ask(from.channel, note(from, [barney], 'quick'));
      await barney.peer.nextRequest(barney.channel);
      barney.peer.destroy();
      expect((await reply).payload.toString()).to.match(/<error code=['"]45[01]['"]/);
    });

    it('peers that disappear at any moment of their session leave the relay running', async () => {
      const tuning = [TLS, DIGEST_MD5, IMXP].map((uri) =>
        start({ channel: 1, uri, ...(uri === TLS && { content: '<ready />' }), serverName: 'example.com' }),
      );
      for (const payload of tuning) {
        const octets = Buffer.concat([greeting, frame('MSG', 0, 1, '.', 52, payload)]);
        for (const length of [0, 20, greeting.length, octets.length - 1, octets.length]) {
          const peers = await Promise.all(Array.from({ length: 20 }, () => fixture.connect()));
          for (const peer of peers) {
            peer.inject(octets.subarray(0, length));
            peer.destroy();
          }
          const { from, to } = bystanders;
          const { reply } = await deliver(from, to, note(from, [to], `behind ${length} octets`));
          expect(reply.payload.toString()).to.equal(OK);
        }
      }
    });

    describe('time limits', () => {
      for (const [title, octets] of [
        ['nothing', ''],
        ['half a greeting', greeting.subarray(0, 40)],
        ['a greeting without its last octet', greeting.subarray(0, -1)],
      ] as const) {
        it(`ends a connection that says ${title}`, async () => {
          const begun = Date.now();
          const peer = await fixture.connect();
          await peer.nextReply(0);
          if (octets.length > 0) peer.write(octets);
          await peer.ended(GREETING_TIMEOUT_MS + 4000);
          expect(Date.now() - begun).to.be.at.least(GREETING_TIMEOUT_MS - 50);
        });
      }

      it('ends the session of an unauthenticated peer, idle or slow, and keeps authenticated ones', async () => {
        const friend = await fixture.attached(BARNEY);
        const begun = Date.now();
        const idle = await fixture.greeted();
        const busy = await fixture.greeted();
        // Frames of a message that never ends: activity is not authentication.
        const channel = busy.channel(0);
        const drip = setInterval(() => busy.alive && busy.write(channel.build('MSG', 1, ' ', '*')), 50);
        try {
          await Promise.all([idle.ended(STRANGER_LIFETIME_MS + 4000), busy.ended(STRANGER_LIFETIME_MS + 4000)]);
        } finally {
          clearInterval(drip);
        }
        expect(Date.now() - begun).to.be.at.least(STRANGER_LIFETIME_MS - 100);
        expect((await friend.peer.close(0)).keyword).to.equal('RPY');
      });
    });

    describe('stopping', () => {
      it('lets Data finish on SIGTERM, terminates attachments, releases sessions, and accepts nothing new', async () => {
        const { from, to } = bystanders;
        const under = from.peer.msg(from.channel, note(from, [to], 'under way'));
        const arrived = await to.peer.nextRequest(to.channel);
        const stopped = fixture.node.stop();
        await fixture.node.log((line) => line.msg === 'draining', 'draining');
        expect(await fixture.connect().then(closedSoon, () => 'refused')).to.equal('refused');
        to.peer.reply(to.channel, 'RPY', arrived.msgno, OK);
        expect(await from.peer.nextReply(from.channel)).to.deep.include({ keyword: 'RPY', msgno: under });
        await Promise.all([from, to].map(farewell));
        const { code } = await stopped;
        expect(code, fixture.node.output.slice(-2000)).to.equal(0);
        expect(fixture.node.output).not.to.match(/unhandled|TypeError|RangeError|ReferenceError/i);
        await fixture.node.start();
        bystanders = { from: await fixture.attached(WILMA), to: await fixture.attached(BETTY) };
      });

      /** A connection made while the relay drains is as good as refused if it is closed at once, or told 421. */
      async function closedSoon(peer: RawPeer): Promise<string> {
        peer.log.record();
        await peer.ended();
        return /RPY 0 0/.test(peer.log.take().toString()) ? 'greeted' : 'refused';
      }

      /** Answers the relay's terminate and release, in this order, and sees the connection end. */
      async function farewell({ peer, channel }: AttachedPeer): Promise<void> {
        const terminated = await peer.nextRequest(channel);
        expect(terminated.payload.toString()).to.match(/<terminate\b[^>]*transID=['"]71['"]/);
        peer.reply(channel, 'RPY', terminated.msgno, OK);
        const released = await peer.nextRequest(0);
        expect(released.payload.toString()).to.match(/<close\b[^>]*code=['"]\d{3}['"]/);
        expect(released.payload.toString()).not.to.match(/number=['"][1-9]/);
        peer.reply(0, 'RPY', released.msgno, beepXml('<ok />'));
        await peer.ended();
      }

      it('is not delayed for long by peers that do not answer', async () => {
        // It would be killed a second after drainTimeoutMs, with another code.
        expect((await fixture.node.stop()).code).to.equal(0);
        await fixture.node.start();
        bystanders = { from: await fixture.attached(WILMA), to: await fixture.attached(BETTY) };
      });
    });
  });
}
