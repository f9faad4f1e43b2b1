/**
 * Everything a relay must not do for a peer: each is refused with the code the specification names and a text that says
 * what is wrong, and other sessions go on being served.
 */
import { expect } from 'chai';

import { freePort } from '../support/free-port.js';
import {
  attach,
  beepXml,
  bind,
  blob,
  DIGEST_MD5,
  errorIn,
  IMXP,
  inlineData,
  OK,
  start,
  TLS,
  terminate,
  textXml,
} from '../support/raw-documents.js';
import type { RawPeer } from '../support/raw-peer.js';
import { TRANSPORTS } from '../support/raw-websocket.js';
import { type AttachedPeer, deliver, ENDPOINTS, note, passwordOf, RelayFixture } from '../support/relay-fixture.js';

const LIMIT = 100_000;
const [FRED, BARNEY, WILMA, BETTY] = ENDPOINTS as [string, string, string, string];
const RUBBLE = 'imxp=mesh@rubble.com';

interface Refusal {
  readonly code: number;
  readonly text: string;
}

for (const transport of TRANSPORTS) {
  describe(`refusals over ${transport}`, function () {
    this.timeout(20_000);
    this.slow(3000);
    let fixture: RelayFixture;
    let bystanders: { readonly from: AttachedPeer; readonly to: AttachedPeer };
    let served = 0;

    before(async function () {
      this.timeout(90_000);
      fixture = await RelayFixture.start({
        transport,
        limits: { session: { messageOctets: LIMIT } },
        accounts: [...ENDPOINTS, RUBBLE],
        routes: async () => [{ domain: 'quarry.com', relays: [`tcp://127.0.0.1:${await freePort()}`], tls: 'off' }],
      });
      bystanders = {
        from: await fixture.attached(WILMA),
        to: await fixture.attached(BETTY),
      };
    });

    // Whatever was refused, somebody else is served at once afterwards, on the session that was there all the time.
    afterEach(async function () {
      fixture.explain(this.currentTest);
      served += 1;
      const { from, to } = bystanders;
      const { reply } = await deliver(from, to, note(from, [to], `number ${served}`));
      expect(reply.payload.toString()).to.equal(OK);
      fixture.leave(from.peer, to.peer);
    });
    after(async () => await fixture?.close());

    /** The error in a payload; fails unless it has a code and words. */
    function refusal(payload: Buffer | string | undefined): Refusal {
      const error = errorIn(payload ?? '');
      if (error === undefined) throw new Error(`no error in ${payload}`);
      expect(error.text, `text of ${error.code}`).to.match(/[a-z]+ [a-z]+/i);
      return error;
    }

    function expectRefusal(payload: Buffer | string | undefined, code: number, words: RegExp): void {
      const error = refusal(payload);
      expect(error.code, error.text).to.equal(code);
      expect(error.text).to.match(words);
    }

    /** Starts an IMXP channel with an operation; returns what was answered to the operation, or to the start. */
    async function piggyback(peer: RawPeer, operation: string): Promise<string> {
      const { reply, profile } = await peer.start(IMXP, operation);
      return profile === undefined ? `${reply.payload}` : profile.content;
    }

    /** What a Data of fred's is refused with. */
    async function refusedData(payload: Buffer | string): Promise<string> {
      const fred = await fixture.attached(FRED);
      const reply = await fred.peer.ask(fred.channel, payload);
      expect(reply.keyword, `${reply.payload}`).to.equal('ERR');
      expect(reply.payload.toString()).to.match(/^Content-Type: text\/xml\r\n\r\n<error /);
      // The channel goes on: its next operation is answered properly.
      expect((await fred.peer.ask(fred.channel, textXml(terminate(71)))).payload.toString()).to.equal(OK);
      return reply.payload.toString();
    }

    describe('of authentication', () => {
      it('REQ-SASL-003 refuses a wrong password and an unknown user with 535 in the same words', async () => {
        const said: string[] = [];
        for (const [username, password] of [
          ['fred', 'rubble'],
          ['nobody-here', passwordOf(FRED)],
        ] as const) {
          const peer = await fixture.greeted();
          const reply = await peer.authenticate({ username, password });
          expect(reply.keyword).to.equal('ERR');
          expectRefusal(reply.payload, 535, /password|credential|authenticat|user/i);
          said.push(reply.payload.toString());
          // Nothing was won by it.
          expect(refusal(await piggyback(peer, attach(FRED, 1))).code).to.equal(530);
        }
        expect(said[0]).to.equal(said[1]);
      });

      it('lets the same session try again with the right password', async () => {
        const peer = await fixture.greeted();
        expect((await peer.authenticate({ username: 'fred', password: 'wrong' })).keyword).to.equal('ERR');
        expect((await peer.authenticate({ username: 'fred', password: passwordOf(FRED) })).keyword).to.equal('RPY');
      });

      it('lets the same channel try again with a fresh challenge', async () => {
        const peer = await fixture.greeted();
        const { number, profile } = await peer.start(DIGEST_MD5, undefined, 'example.com');
        const wrong = await peer.answerChallenge(number, profile?.content ?? '', {
          username: 'fred',
          password: 'wrong',
        });
        expect(wrong.keyword).to.equal('ERR');
        const again = await peer.ask(number, beepXml('<blob />'));
        const right = { username: 'fred', password: passwordOf(FRED) };
        expect((await peer.answerChallenge(number, again.payload, right)).keyword).to.equal('RPY');
      });

      it('REQ-BEEP-056 refuses a second tuning channel while there is one', async () => {
        const peer = await fixture.greeted();
        await peer.start(DIGEST_MD5, undefined, 'example.com');
        const { reply } = await peer.start(TLS, '<ready />');
        expect(reply.keyword).to.equal('ERR');
        expectRefusal(reply.payload, 550, /tuning|one/i);
      });

      it('REQ-SASL-002 refuses with 501 a blob that is not base64', async () => {
        const peer = await fixture.greeted();
        const { number } = await peer.start(DIGEST_MD5, undefined, 'example.com');
        const reply = await peer.ask(number, beepXml('<blob>*** not base64 ***</blob>'));
        expect(reply.keyword).to.equal('ERR');
        expectRefusal(reply.payload, 501, /base64/i);
      });

      it('answers 451 to an aborted exchange', async () => {
        const peer = await fixture.greeted();
        const { number } = await peer.start(DIGEST_MD5, undefined, 'example.com');
        const reply = await peer.ask(number, beepXml("<blob status='abort' />"));
        expect(reply.keyword).to.equal('ERR');
        expectRefusal(reply.payload, 451, /abort/i);
      });

      it('REQ-SASL-005 refuses a second authentication with 550', async () => {
        const peer = await fixture.authenticated(FRED);
        const { reply, profile } = await peer.start(DIGEST_MD5, blob('anything'));
        expectRefusal(profile?.content || reply.payload, 550, /authenticat|profile/i);
      });

      it('REQ-TLS-008 refuses TLS after authentication with 554', async () => {
        const peer = await fixture.authenticated(FRED);
        const { reply, profile } = await peer.start(TLS, '<ready />');
        expectRefusal(profile?.content || reply.payload, 554, /TLS|authenticat/i);
      });

      it('refuses another authzid with 537, whatever the password', async () => {
        const peer = await fixture.greeted();
        const reply = await peer.authenticate({ username: 'fred', password: passwordOf(FRED), authzid: WILMA });
        expect(reply.keyword).to.equal('ERR');
        expectRefusal(reply.payload, 537, /act as|identity|authori|not allowed|may not/i);
      });
    });

    describe('of attach, bind and terminate', () => {
      it('REQ-SASL-008 refuses attach without authentication with 530', async () => {
        const peer = await fixture.greeted();
        expectRefusal(await piggyback(peer, attach(FRED, 1)), 530, /authenticat/i);
      });

      it('REQ-IMXP-013 refuses attach as somebody else with 537', async () => {
        const peer = await fixture.authenticated(FRED);
        expectRefusal(await piggyback(peer, attach(BARNEY, 1)), 537, /barney|attach|endpoint/i);
      });

      it('REQ-BEEP-044 creates the channel of a refused attach, which can be used', async () => {
        const peer = await fixture.authenticated(FRED);
        const { number } = await peer.start(IMXP, attach(BARNEY, 1));
        expect((await peer.ask(number, textXml(attach(FRED, 2)))).payload.toString()).to.equal(OK);
      });

      it('REQ-IMXP-012 refuses attach as an endpoint of another domain with 553', async () => {
        const peer = await fixture.authenticated(FRED);
        expectRefusal(await piggyback(peer, attach('fred@rubble.com', 1)), 553, /rubble\.com|domain/i);
      });

      it('REQ-IMXP-015 refuses attach as an endpoint that is already attached with 554', async () => {
        const { from } = bystanders;
        const peer = await fixture.authenticated(from.address);
        expectRefusal(await piggyback(peer, attach(from.address, 1)), 554, /attached/i);
      });

      it('REQ-IMXP-011 refuses a transID in use with 555', async () => {
        const peer = await fixture.authenticated(BARNEY);
        const channel = await peer.imxp(attach(BARNEY, 7));
        const reply = await peer.ask(channel, textXml(attach('barney/appl=x@example.com', 7)));
        expect(reply.keyword).to.equal('ERR');
        expectRefusal(reply.payload, 555, /transID|7|in use|transaction/i);
      });

      it('REQ-IMXP-022 refuses to terminate an unknown transID with 550', async () => {
        const peer = await fixture.authenticated(FRED);
        const { number } = await peer.start(IMXP);
        const reply = await peer.ask(number, textXml(terminate(99)));
        expect(reply.keyword).to.equal('ERR');
        expectRefusal(reply.payload, 550, /99|transID|transaction/i);
      });

      it('REQ-IMXP-020 refuses bind for another domain with 537, to a relay and to an endpoint', async () => {
        const relay = await fixture.greeted({ tls: true, name: RUBBLE });
        expect((await relay.authenticate({ username: RUBBLE, password: passwordOf(RUBBLE) })).keyword).to.equal('RPY');
        expectRefusal(await piggyback(relay, bind('quarry.com', 1)), 537, /quarry\.com|domain|bind/i);
        expect(await piggyback(relay, bind('rubble.com', 2))).to.equal('<ok />');
        const fred = await fixture.authenticated(FRED, { tls: true });
        expectRefusal(await piggyback(fred, bind('rubble.com', 1)), 537, /rubble\.com|domain|bind/i);
      });

      // Over wss nothing is in the clear.
      if (transport !== 'wss') {
        it('REQ-TLS-012 refuses bind without TLS where relays must use it', async () => {
          const relay = await fixture.greeted({ name: RUBBLE });
          const reply = await relay.authenticate({ username: RUBBLE, password: passwordOf(RUBBLE) });
          const said = reply.keyword === 'ERR' ? `${reply.payload}` : await piggyback(relay, bind('rubble.com', 1));
          const { code, text } = refusal(said);
          expect(code, text).to.be.oneOf([530, 537, 538, 550]);
          expect(text).to.match(/TLS|encrypt|privacy|private/i);
        });
      }
    });

    describe('of Data', () => {
      for (const [title, code, words, payload] of [
        ['REQ-IMXP-025 REQ-IMXP-036 a foreign originator', 537, /wilma|originator/i, inlineData(WILMA, [BARNEY], 'x')],
        ['an originator of a foreign domain', 537, /originator|rubble/i, inlineData('a@rubble.com', [BARNEY], 'x')],
        ['REQ-IMXP-029 a recipient that is not attached', 450, /not attached/i, inlineData(FRED, [BARNEY], 'x')],
        ['an unknown recipient', 550, /unknown|no such|dino/i, inlineData(FRED, ['dino@example.com'], 'x')],
        [
          'REQ-IMXP-028 an unreachable domain',
          450,
          /unavailable|reach|quarry/i,
          inlineData(FRED, ['a@quarry.com'], 'x'),
        ],
        ['a domain without a route', 550, /no relay|no route|bedrock/i, inlineData(FRED, ['a@bedrock.org'], 'x')],
        ['REQ-IMXP-010 broken XML', 500, /well-formed|XML/i, textXml("<data originator='fred@example.com'")],
        ['REQ-IMXP-010 XML of another vocabulary', 501, /letter|element/i, textXml("<letter to='barney' />")],
        [
          'REQ-IMXP-010 a Data without recipient',
          501,
          /recipient/i,
          textXml(`<data originator='${FRED}' content='#A'><data-content Name='A' /></data>`),
        ],
        ['REQ-IMXP-010 an attribute missing', 501, /transID/i, textXml(`<attach endpoint='${FRED}' />`)],
        ['REQ-IMXP-010 a transID out of range', 501, /transID/i, textXml(`<terminate transID='0' />`)],
        ['a DOCTYPE', 501, /DOCTYPE|document type/i, textXml(`<!DOCTYPE ok []><terminate transID='71' />`)],
        [
          'REQ-IMXP-009 content that is not there',
          501,
          /content|Other/i,
          inlineData(FRED, [BARNEY], 'x').replace("'#Payload'", "'#Other'"),
        ],
        [
          'REQ-IMXP-007 a part that is not there',
          501,
          /cid|part|content/i,
          textXml(
            `<data originator='${FRED}' content='cid:none@example.com'><recipient identity='${BARNEY}' /></data>`,
          ),
        ],
        [
          'REQ-IMXP-040 an option that must be understood and is not',
          504,
          /option|polka/i,
          inlineData(FRED, [BARNEY], 'x', "<option internal='polka' seeNoEvil='false' transID='5' />"),
        ],
        [
          'REQ-IMXP-037 an option with two names',
          501,
          /option|internal|external/i,
          inlineData(FRED, [BARNEY], 'x', "<option internal='a' external='http://example.com/' transID='5' />"),
        ],
      ] as const) {
        it(`${title} is refused with ${code}`, async () => {
          expectRefusal(await refusedData(payload), code, words);
        });
      }

      it('REQ-IMXP-030 answers ok when one of several recipients was reached, and lists several causes when none was', async () => {
        const { from } = bystanders;
        const fred = await fixture.attached(FRED);
        const reply = fred.peer.ask(fred.channel, inlineData(FRED, [WILMA, 'dino@example.com'], 'x'));
        const arrived = await from.peer.nextRequest(from.channel);
        from.peer.reply(from.channel, 'RPY', arrived.msgno, OK);
        expect((await reply).payload.toString()).to.equal(OK);
        const none = await fred.peer.ask(fred.channel, inlineData(FRED, [BARNEY, 'dino@example.com'], 'x'));
        const error = errorIn(none.payload);
        expect(error?.code).to.equal(450);
        // One line for each recipient with its code (D-CORE-19).
        expect(error?.text).to.match(/^barney@example\.com\b.*\b450\b.*\r?\n.*dino@example\.com\b.*\b550\b/);
      });

      it('refuses Data without attachment with 537, and without authentication with 530', async () => {
        const peer = await fixture.authenticated(FRED);
        const { number } = await peer.start(IMXP);
        expectRefusal((await peer.ask(number, inlineData(FRED, [WILMA], 'x'))).payload, 537, /originator|attach/i);
        const stranger = await fixture.greeted();
        const { number: other, reply } = await stranger.start(IMXP);
        const said = reply.keyword === 'ERR' ? reply : await stranger.ask(other, inlineData(FRED, [WILMA], 'x'));
        expectRefusal(said.payload, 530, /authenticat/i);
      });

      it('REQ-BEEP-029 REQ-BEEP-030 refuses a message over the limit before it is complete, and names the limit', async () => {
        const fred = await fixture.attached(FRED);
        const channel = fred.peer.channel(fred.channel);
        const msgno = channel.allocate();
        for (let sent = 0; sent <= LIMIT; sent += 4000) {
          fred.peer.write(channel.build('MSG', msgno, Buffer.alloc(4000, 'x'), '*'));
          await fred.peer.allowed(fred.channel, 4000);
        }
        const reply = await fred.peer.nextReply(fred.channel);
        expect([reply.keyword, reply.msgno]).to.deep.equal(['ERR', msgno]);
        const { code, text } = refusal(reply.payload);
        expect(code).to.be.at.least(450);
        expect(text).to.match(/100[,_ ]?000|messageOctets/);
        fred.peer.write(channel.build('MSG', msgno, '', '.'));
        const { from } = bystanders;
        const next = fred.peer.ask(fred.channel, note(fred, [from], 'smaller'));
        const arrived = await from.peer.nextRequest(from.channel);
        from.peer.reply(from.channel, 'RPY', arrived.msgno, OK);
        expect((await next).payload.toString()).to.equal(OK);
      });
    });

    describe('of channels', () => {
      for (const [title, code, words, document] of [
        ['REQ-BEEP-024 a start that is not well-formed', 500, /well-formed|XML/i, beepXml("<start number='1'")],
        ['REQ-BEEP-053 an element of another vocabulary', 501, /letter|element/i, beepXml('<letter />')],
        ['REQ-BEEP-039 an even number of an initiator', 501, /odd|even|number/i, start({ channel: 2, uri: IMXP })],
        ['REQ-BEEP-043 a profile nobody has', 550, /profile/i, start({ channel: 1, uri: 'http://example.com/none' })],
        [
          'REQ-BEEP-040 initialization content over 4096 octets',
          501,
          /4096|content/i,
          start({ channel: 1, uri: IMXP, content: `<attach endpoint='${'x'.repeat(4096)}' transID='1' />` }),
        ],
        [
          'REQ-BEEP-041 base64 that is none',
          501,
          /base64/i,
          beepXml(`<start number='1'><profile uri='${IMXP}' encoding='base64'>*?*</profile></start>`),
        ],
        [
          'REQ-BEEP-042 a serverName that is not served',
          550,
          /bedrock|server/i,
          start({ channel: 1, uri: DIGEST_MD5, serverName: 'bedrock.org' }),
        ],
        ['a close of a channel that is not open', 550, /channel|77/i, beepXml("<close number='77' code='200' />")],
      ] as const) {
        it(`${title} is refused with ${code}`, async () => {
          const peer = await fixture.greeted();
          const reply = await peer.ask(0, document);
          expect(reply.keyword, `${reply.payload}`).to.equal('ERR');
          expect(reply.payload.toString()).to.match(/^Content-Type: application\/beep\+xml\r\n\r\n<error /);
          expectRefusal(reply.payload, code, words);
        });
      }

      it('REQ-BEEP-039 refuses a channel number in use with 550', async () => {
        const fred = await fixture.attached(FRED);
        const reply = await fred.peer.ask(0, start({ channel: fred.channel, uri: IMXP }));
        expectRefusal(reply.payload, 550, /channel|number|use/i);
      });
    });
  });
}
