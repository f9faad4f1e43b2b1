import { expect } from 'chai';
import { BARNEY, FRED, type Honest, NodeFixture, WILMA } from '../support/node-fixture.js';
import { beepXml, blob, DIGEST_MD5, errorIn, GREETING, inlineData, start, textXml } from '../support/raw-documents.js';
import { frame } from '../support/raw-frame.js';
import type { AttachedPeer } from '../support/relay-fixture.js';

const DATA = (inner: string, attributes = ''): string =>
  textXml(
    `<data originator='${BARNEY}' content='#P'${attributes}><recipient identity='${WILMA}' />${inner}<data-content Name='P'>x</data-content></data>`,
  );

describe('security: oversized and malicious documents', () => {
  let fixture: NodeFixture;
  let honest: Honest;
  let barney: AttachedPeer;
  before(async () => {
    fixture = await NodeFixture.build({
      limits: { session: { messageOctets: 3_000_000 }, xml: { octets: 1_000_000 } },
    });
    honest = await fixture.honest();
  });
  beforeEach(async () => {
    barney = await fixture.attached(BARNEY);
  });
  afterEach('others are served all the while', async () => {
    barney.peer.destroy();
    await honest.served();
    expect(fixture.faults).to.deep.equal([]);
  });
  after(() => fixture.close());

  /** Sent by somebody with an account: refused before the peer loses patience, and the channel goes on. */
  async function refused(payload: string | Buffer, codes: readonly number[]): Promise<void> {
    barney.peer.window(barney.channel, 1_000_000);
    const reply = await barney.peer.ask(barney.channel, payload);
    expect(reply.keyword, `${reply.payload}`.slice(0, 200)).to.equal('ERR');
    expect(errorIn(reply.payload)?.code, `${reply.payload}`).to.be.oneOf([...codes]);
    expect(
      errorIn((await barney.peer.ask(barney.channel, textXml("<terminate transID='9' />"))).payload)?.code,
    ).to.equal(550);
  }

  describe('refuses in XML', () => {
    it('depth: elements in elements by the thousand', () =>
      refused(DATA(`${'<a>'.repeat(50_000)}${'</a>'.repeat(50_000)}`), [500, 501]));
    it('depth without an end', () => refused(textXml('<a>'.repeat(100_000)), [500, 501]));
    it('attributes by the thousand', () =>
      refused(DATA('', Array.from({ length: 20_000 }, (_, i) => ` a${i}='1'`).join('')), [500, 501]));
    it('the same attribute over and over', () => refused(DATA('', " a='1'".repeat(20_000)), [500, 501]));
    it('elements by the hundred thousand', () => refused(DATA('<option />'.repeat(90_000)), [500, 501]));
    it('one attribute of half a megabyte', () => refused(DATA('', ` a='${'x'.repeat(500_000)}'`), [500, 501]));
    it('entities that expand each other', () => {
      const levels = Array.from({ length: 20 }, (_, i) => `<!ENTITY e${i + 1} "&e${i};&e${i};">`).join('');
      return refused(
        textXml(`<!DOCTYPE data [<!ENTITY e0 "lol">${levels}]><data originator="&e20;" content="#P" />`),
        [501],
      );
    });
    it('an external entity', () =>
      refused(
        textXml(
          `<!DOCTYPE data [<!ENTITY x SYSTEM "file:///etc/passwd">]><data originator='${BARNEY}' content='&x;' />`,
        ),
        [501],
      ));
    it('a parameter entity of elsewhere', () =>
      refused(textXml('<!DOCTYPE data SYSTEM "http://127.0.0.1:1/x.dtd"><data />'), [501]));
    it('entities that nobody declared', () => refused(DATA('&unknown;'), [500, 501]));
    it('character references to what is no character', () =>
      refused(DATA('', " a='&#0;&#xD800;&#x110000;'"), [500, 501]));
    it('numeric references by the hundred thousand', () => refused(DATA('&#65;'.repeat(150_000)), [500, 501]));
    it('comments and instructions without end', () => refused(textXml(`<!--${'x'.repeat(400_000)}`), [500, 501]));
    it('CDATA without end', () => refused(textXml(`<data><![CDATA[${']'.repeat(400_000)}`), [500, 501]));
    it('octets that are no UTF-8', () =>
      refused(Buffer.concat([Buffer.from(DATA('')), Buffer.alloc(1000, 0xff)]), [500, 501]));
    it('another encoding, declared', () =>
      refused(textXml('<?xml version="1.0" encoding="UTF-16"?><terminate transID="1" />'), [500, 501]));
    it('a control document past its limit', () => refused(DATA(' '.repeat(1_200_000)), [500, 501, 554]));
  });

  describe('refuses in MIME', () => {
    const nested = (depth: number): string => {
      let text = 'Content-Type: text/xml\r\n\r\n<terminate transID="1" />';
      for (let i = 0; i < depth; i += 1) {
        text = `Content-Type: multipart/related; boundary="b${i}"; type="text/xml"\r\n\r\n--b${i}\r\n${text}\r\n--b${i}--\r\n`;
      }
      return text;
    };
    it('multiparts in multiparts', () => refused(nested(200), [500, 501]));
    it('parts by the ten thousand', () =>
      refused(
        `Content-Type: multipart/related; boundary="b"; type="text/xml"\r\n\r\n${'--b\r\nContent-Type: text/plain\r\n\r\nx\r\n'.repeat(30_000)}--b--\r\n`,
        [500, 501],
      ));
    it('headers by the ten thousand', () => refused(`${'X-Header: 1\r\n'.repeat(50_000)}\r\n<ok />`, [500, 501]));
    it('one header of a megabyte, folded', () =>
      refused(`X-Header: ${'1\r\n '.repeat(250_000)}\r\n\r\n<ok />`, [500, 501]));
    it('parameters by the ten thousand', () =>
      refused(`Content-Type: text/xml${'; a=1'.repeat(50_000)}\r\n\r\n<ok />`, [500, 501]));
    it('a boundary of nothing but the octets of the body', () =>
      refused(`Content-Type: multipart/related; boundary="-"\r\n\r\n${'-'.repeat(500_000)}`, [500, 501]));
    it('a quoted string without end', () =>
      refused(`Content-Type: multipart/related; boundary="${'\\"'.repeat(200_000)}`, [500, 501]));
  });

  describe('sizes', () => {
    it('refuses a message beyond the limit before its end, and keeps the channel', async () => {
      const large = inlineData(BARNEY, [WILMA], 'x'.repeat(3_100_000));
      await refused(large, [554]);
    });
    it('refuses recipients beyond the limit', () =>
      refused(
        inlineData(
          BARNEY,
          Array.from({ length: 1500 }, (_, i) => `r${i}@example.com`),
          'x',
        ),
        [501],
      ));
    it('refuses an address of ten thousand octets', () =>
      refused(inlineData(BARNEY, [`${'x'.repeat(10_000)}@example.com`], 'x'), [500, 501, 550, 553]));
    it('bounds the answer when a thousand recipients fail', async () => {
      const recipients = Array.from({ length: 900 }, (_, i) => `${'r'.repeat(900)}${i}@example.com`);
      barney.peer.window(barney.channel, 1_000_000);
      const reply = await barney.peer.ask(barney.channel, inlineData(BARNEY, recipients, 'x'));
      expect(reply.keyword).to.equal('ERR');
      expect(reply.payload.length).to.be.below(100_000);
    });

    for (const [what, octets] of [
      [
        'a greeting of 100,000 octets',
        frame('RPY', 0, 0, '.', 0, beepXml(`<greeting features='${'x'.repeat(100_000)}' />`)),
      ],
      ['a header line of 10,000 octets', Buffer.from(`RPY 0 0 . 0 ${'0'.repeat(10_000)}`)],
      ['ten thousand octets of anything', Buffer.alloc(10_000, 'A')],
      ['a request of another protocol', Buffer.from('GET / HTTP/1.1\r\nHost: example.com\r\n\r\n')],
      ['a TLS hello', Buffer.from('16030100', 'hex')],
    ] as const) {
      it(`ends the session on ${what} from a peer that has not authenticated`, async () => {
        const peer = await fixture.connect();
        peer.inject(octets);
        await peer.ended();
      });
    }

    it('refuses a blob of 60,000 octets, and one that is not base64', async () => {
      const peer = await fixture.greeted();
      const { number } = await peer.start(DIGEST_MD5, undefined, 'example.com');
      const reply = await peer.ask(number, beepXml(blob('x'.repeat(40_000))));
      expect(errorIn(reply.payload)?.code).to.be.oneOf([501, 535]);
      const again = await peer.ask(number, beepXml(`<blob>${'!'.repeat(3000)}</blob>`));
      expect(again.keyword).to.equal('ERR');
      peer.destroy();
    });

    it('refuses a piggybacked content of 40,000 octets', async () => {
      const peer = await fixture.greeted();
      const reply = await peer.ask(0, start({ channel: 1, uri: DIGEST_MD5, content: 'x'.repeat(40_000) }));
      expect(reply.keyword).to.equal('ERR');
      expect((await peer.start(DIGEST_MD5, undefined, 'example.com')).reply.keyword).to.equal('RPY');
      peer.destroy();
    });

    it('refuses or answers a start that proposes ten thousand profiles', async () => {
      const peer = await fixture.greeted();
      const profiles = "<profile uri='http://example.com/x' />".repeat(1500);
      const reply = await peer.ask(0, beepXml(`<start number='1'>${profiles}</start>`));
      expect(reply.keyword).to.equal('ERR');
      peer.destroy();
    });

    it('ends the session on a second greeting', async () => {
      const peer = await fixture.greeted();
      peer.inject(frame('RPY', 0, 0, '.', 52, GREETING));
      await peer.ended();
    });
  });

  it('repeats no more than a line of what was sent in any answer', async () => {
    const evil = '<script>'.repeat(2000).replaceAll('<', '&lt;');
    const reply = await barney.peer.ask(barney.channel, inlineData(FRED, [WILMA], evil));
    expect(reply.payload.length).to.be.below(1000);
  });
});
