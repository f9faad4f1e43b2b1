/**
 * APEX (RFC 3340) beside IMXP: what RFC 3340 §4 prints, replayed; then an endpoint of each dialect, with two relays in
 * between that speak either to each other, to the octet on both sides.
 */
import { expect } from 'chai';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import type { RawMessage } from '../support/raw-channel.js';
import { beepXml, errorIn, IMXP, textXml } from '../support/raw-documents.js';
import { RawPeer } from '../support/raw-peer.js';

const APEX = 'http://iana.org/beep/APEX';
const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';

const lines = (...all: readonly string[]): string => `${all.join('\r\n')}\r\n`;

/** An endpoint that speaks one dialect, written by hand. */
class Person {
  readonly address: string;
  readonly peer: RawPeer;
  readonly channel: number;
  readonly ok: string;

  private constructor(address: string, peer: RawPeer, channel: number, ok: string) {
    this.address = address;
    this.peer = peer;
    this.channel = channel;
    this.ok = ok;
  }

  static async login(mesh: LocalMesh, address: string): Promise<RawPeer> {
    const [username = '', host = ''] = address.split('@');
    const peer = await RawPeer.connect({
      port: Number(new URL(mesh.url(host)).port),
      name: address,
      deadlineMs: 20_000,
    });
    await peer.greet();
    const verdict = await peer.authenticate({ username, password: passwordOf(address), host });
    if (verdict.keyword !== 'RPY') throw new Error(`${address} is not let in: ${verdict.payload}`);
    return peer;
  }

  /** Attached as RFC 3340 §4.2 and core-01 §4.2 show it. */
  static async attached(mesh: LocalMesh, address: string, profile: string): Promise<Person> {
    const peer = await Person.login(mesh, address);
    const started = await peer.start(profile, `<attach endpoint='${address}' transID='1' />`);
    expect(started.profile, `${started.reply.payload}`).to.deep.equal({ uri: profile, content: '<ok />' });
    return new Person(address, peer, started.number, (profile === APEX ? beepXml : textXml)('<ok />'));
  }

  /** Sends a payload; the answer must be `ok`. */
  async tell(payload: string | Buffer): Promise<void> {
    expect((await this.peer.ask(this.channel, payload)).payload.toString()).to.equal(this.ok);
  }

  /** The next MSG, answered `ok`. */
  async hear(): Promise<string> {
    const { msgno, payload } = await this.peer.nextRequest(this.channel);
    this.peer.reply(this.channel, 'RPY', msgno, this.ok);
    return payload.toString('latin1');
  }
}

describe('APEX on the wire', function () {
  this.timeout(60_000);
  this.slow(2000);
  let mesh: LocalMesh;
  const people: Person[] = [];

  async function attached(address: string, profile = APEX): Promise<Person> {
    const person = await Person.attached(mesh, address, profile);
    people.push(person);
    return person;
  }

  afterEach(function () {
    if (this.currentTest?.state === 'failed') for (const { peer } of people) console.log(peer.transcript());
    for (const { peer } of people.splice(0)) peer.destroy();
  });

  describe('as RFC 3340 §4 prints it', () => {
    before(async () => {
      mesh = await LocalMesh.start();
    });
    after(() => mesh.close());

    const code = ({ payload }: RawMessage): number => errorIn(payload)?.code ?? 0;

    it('REQ-IMXP-049 is offered beside IMXP, the latter first', async () => {
      const { peer } = await attached(FRED);
      const greeting = peer.greeting?.toString() ?? '';
      expect(greeting.indexOf(IMXP)).to.be.above(0);
      expect(greeting.indexOf(APEX)).to.be.above(greeting.indexOf(IMXP));
    });

    it('REQ-IMXP-049 REQ-IMXP-052 attaches and terminates (RFC 3340 §4.4.1, §4.4.3)', async () => {
      const { peer, channel, ok } = await attached(FRED);
      const ask = async (document: string): Promise<string> => {
        return (await peer.ask(channel, beepXml(document))).payload.toString();
      };
      expect(await ask("<attach endpoint='fred/appl=wb@example.com' transID='2' />")).to.equal(ok);
      expect(await ask("<attach endpoint='fred/appl=im@example.com' transID='3' />")).to.equal(ok);
      expect(await ask("<attach endpoint='wilma@example.com' transID='4' />")).to.match(
        /^Content-Type: application\/beep\+xml\r\n\r\n<error code='537'>.+<\/error>\r\n$/,
      );
      expect(await ask("<terminate transID='1' />")).to.equal(ok);
      expect(await ask("<terminate transID='13' />")).to.include("<error code='550'>");
      expect(await ask('<terminate />')).to.equal(ok);
      expect(await ask("<terminate transID='2' />")).to.include("<error code='550'>");
      expect(await ask("<terminate transID='0' code='250'>bye</terminate>")).to.equal(ok);
      expect(await ask("<attach endpoint='fred@example.com' transID='1' />")).to.equal(ok);
    });

    it('REQ-IMXP-049 binds relays by their authority alone (RFC 3340 §4.4.2)', async () => {
      const rubble = mesh.url('rubble.com');
      const peer = await RawPeer.connect({ port: Number(new URL(rubble).port), name: 'apex=mesh@example.com' });
      try {
        await peer.greet();
        const login = { username: 'apex=mesh@example.com', password: passwordOf('imxp=mesh@example.com') };
        expect((await peer.authenticate({ ...login, host: 'rubble.com' })).keyword).to.equal('RPY');
        const started = await peer.start(APEX, "<bind relay='example.com' transID='1' />");
        expect(started.profile?.content).to.equal('<ok />');
        const other = await peer.ask(started.number, beepXml("<bind relay='slate.example' transID='2' />"));
        expect(code(other)).to.equal(537);
      } finally {
        peer.destroy();
      }
    });

    it('REQ-IMXP-050 REQ-IMXP-051 exchanges data, and reports on it (RFC 3340 §4.4.4, §5.1)', async () => {
      const [fred, wilma] = [await attached(FRED), await attached(WILMA)];
      const data = (originator: string, recipient: string): string =>
        lines(
          'Content-Type: application/beep+xml',
          '',
          "<data content='#Content'>",
          `    <originator identity='${originator}' />`,
          `    <recipient identity='${recipient}' />`,
          "    <option internal='statusRequest' targetHop='final'",
          "            mustUnderstand='true' transID='86' />",
          "    <data-content Name='Content'>",
          '        <note />',
          '    </data-content>',
          '</data>',
        );
      const report = (recipient: string, reply: string): string =>
        beepXml(
          "<data content='#R'><originator identity='apex=report@example.com' /><recipient identity='fred@example.com' />" +
            `<data-content Name='R'><statusResponse transID='86'><destination identity='${recipient}'>${reply}` +
            '</destination></statusResponse></data-content></data>',
        );
      expect(code(await fred.peer.ask(fred.channel, data(WILMA, FRED)))).to.equal(537);
      await fred.tell(data(FRED, WILMA));
      // what arrives is what was sent, to the octet
      expect(await wilma.hear()).to.equal(data(FRED, WILMA));
      expect(await fred.hear()).to.equal(report(WILMA, "<reply code='250' transID='86' />"));
      await fred.tell(data(FRED, 'nobody@example.com'));
      expect(await fred.hear()).to.equal(
        report('nobody@example.com', "<reply code='550' transID='86'>unknown endpoint identity</reply>"),
      );
    });

    it('REQ-IMXP-053 compares names exactly, with their encodings undone (RFC 3340 §2.2.1)', async () => {
      const [fred, wilma] = [await attached(FRED), await attached(WILMA)];
      const data = (recipient: string): string =>
        beepXml(
          `<data content='#C'><originator identity='fred@example.com' /><recipient identity='${recipient}' />` +
            "<option internal='statusRequest' transID='7' /><data-content Name='C'><note /></data-content></data>",
        );
      await fred.tell(data('w%69lma@Example.COM'));
      expect(await wilma.hear()).to.equal(data('w%69lma@Example.COM'));
      expect(await fred.hear()).to.include("<destination identity='w%69lma@Example.COM'><reply code='250'");
      await fred.tell(data('Wilma@example.com'));
      expect(await fred.hear()).to.include("<destination identity='Wilma@example.com'><reply code='550'");
    });
  });

  for (const dialect of ['imxp', 'apex'] as const) {
    describe(`across two relays that speak ${dialect} to each other`, () => {
      before(async () => {
        const initial = [
          { actor: 'owner', actions: ['all:all'] },
          { actor: '*@*', actions: ['core:data', 'presence:subscribe'] },
        ];
        mesh = await LocalMesh.start({ dialect, config: { access: { initial } } });
      });
      after(() => mesh.close());

      const request = (flag: string): string =>
        `<option internal='statusRequest' targetHop='final' ${flag} transID='3301' />`;
      const reportTo = (recipient: string, reply: string): string =>
        `<data-content Name='R'><statusResponse transID='3301'><destination identity='${recipient}'>${reply}` +
        '</destination></statusResponse></data-content></data>';
      const DELIVERED = "<reply code='250' transID='3301' />";

      it('REQ-IMXP-055 carry Data and its report from APEX to IMXP', async () => {
        const [fred, barney] = [await attached(FRED), await attached(BARNEY, IMXP)];
        const content = "<data-content Name='C'>\r\n  <note>tide &amp; time — ünd</note>\r\n</data-content></data>";
        await fred.tell(
          beepXml(
            "<data content='#C'><originator identity='fred@example.com'>" +
              "<option internal='novel' targetHop='all' mustUnderstand='false' transID='1' /></originator>" +
              `<recipient identity='barney@rubble.com' />${request("mustUnderstand='true'")}${content}`,
          ),
        );
        expect(Buffer.from(await barney.hear(), 'latin1').toString()).to.equal(
          textXml(
            "<data originator='fred@example.com' content='#C'><recipient identity='barney@rubble.com' />" +
              `${request("seeNoEvil='false'")}<option internal='novel' targetHop='all' seeNoEvil='true' transID='1' />${content}`,
          ),
        );
        expect(await fred.hear()).to.equal(
          beepXml(
            "<data content='#R'><originator identity='apex=report@rubble.com' /><recipient identity='fred@example.com' />" +
              reportTo('barney@rubble.com', DELIVERED),
          ),
        );
      });

      it('carry a part from IMXP to APEX octet for octet, and its report back', async () => {
        const [fred, barney] = [await attached(FRED), await attached(BARNEY, IMXP)];
        const body = Buffer.from(Array.from({ length: 256 }, (_, at) => at));
        const message = (type: string, control: string): string =>
          lines(
            'Content-Type: multipart/related; boundary="=_m1";',
            ` start="<c1.5f@rubble.com>"; type="${type}"`,
            '',
            '--=_m1',
            `Content-Type: ${type}`,
            'Content-ID: <c1.5f@rubble.com>',
            '',
            control,
            '--=_m1',
            'Content-Type: application/octet-stream',
            'Content-Transfer-Encoding: binary',
            'X-Kept:   as it is',
            'Content-ID: <c2.5f@rubble.com>',
            '',
            body.toString('latin1'),
            '--=_m1--',
          );
        const sent = message(
          'text/xml',
          "<data originator='barney@rubble.com' content='cid:c2.5f@rubble.com'><recipient identity='fred@example.com' />" +
            `${request("seeNoEvil='true'")}</data>`,
        );
        const answer = barney.tell(Buffer.from(sent, 'latin1'));
        expect(await fred.hear()).to.equal(
          message(
            'application/beep+xml',
            "<data content='cid:c2.5f@rubble.com'><originator identity='barney@rubble.com' /><recipient identity='fred@example.com' />" +
              `${request("mustUnderstand='false'")}</data>`,
          ),
        );
        await answer;
        expect(await barney.hear()).to.equal(
          textXml(
            "<data originator='imxp=report@example.com' content='#R'><recipient identity='barney@rubble.com' />" +
              reportTo('fred@example.com', DELIVERED),
          ),
        );
      });

      it('tell senders of either dialect that the recipient is not attached', async () => {
        const [fred, barney] = [await attached(FRED), await attached(BARNEY, IMXP)];
        await fred.tell(
          beepXml(
            "<data content='#C'><originator identity='fred@example.com' /><recipient identity='betty@rubble.com' />" +
              `${request("mustUnderstand='true'")}<data-content Name='C'><note /></data-content></data>`,
          ),
        );
        // The relay that is told of the failure reports it; where only reports tell, that is the last one (D-CORE-26).
        const teller = dialect === 'imxp' ? 'example.com' : 'rubble.com';
        expect(await fred.hear()).to.equal(
          beepXml(
            `<data content='#R'><originator identity='apex=report@${teller}' /><recipient identity='fred@example.com' />` +
              reportTo('betty@rubble.com', "<reply code='450' transID='3301'>not attached</reply>"),
          ),
        );
        const reply = await barney.peer.ask(
          barney.channel,
          textXml(
            "<data originator='barney@rubble.com' content='#C'><recipient identity='wilma@example.com' />" +
              "<data-content Name='C'><note /></data-content></data>",
          ),
        );
        // An APEX relay has taken it before it knows.
        expect(errorIn(reply.payload)?.code).to.equal(dialect === 'imxp' ? 450 : undefined);
      });

      it('show the presence of an IMXP endpoint to an APEX endpoint', async () => {
        const [fred, barney] = [await attached(FRED), await attached(BARNEY, IMXP)];
        const tell = async (document: string): Promise<void> =>
          await barney.tell(
            textXml(
              "<data originator='barney@rubble.com' content='#C'><recipient identity='imxp=presence@rubble.com' />" +
                `<data-content Name='C'>${document}</data-content></data>`,
            ),
          );
        await tell("<subscribe publisher='barney@rubble.com' duration='0' transID='1' />");
        const [, lastUpdate = ''] = /lastUpdate='([^']*)'/.exec(await barney.hear()) ?? [];
        expect(lastUpdate).to.match(/^\d{1,2} [A-Z][a-z]{2} \d{4} /);
        await tell(
          "<publish publisher='barney@rubble.com' transID='2' timeStamp='21 Oct 2000 09:58:12 +0200'>" +
            `<presence publisher='barney@rubble.com' lastUpdate='${lastUpdate}' publisherInfo='http://rubble.com/~barney/'>` +
            "<tuple destination='im:barney@rubble.com' availableUntil='21 Oct 2030 18:00:00 +0200' /></presence></publish>",
        );
        expect(await barney.hear()).to.include("<reply code='250' transID='2' />");
        await fred.tell(
          beepXml(
            "<data content='#C'><originator identity='fred@example.com' /><recipient identity='apex=presence@rubble.com' />" +
              "<data-content Name='C'><subscribe publisher='barney@rubble.com' duration='0' transID='86' /></data-content></data>",
          ),
        );
        const heard = await fred.hear();
        expect(heard).to.match(
          /^Content-Type: application\/beep\+xml\r\n\r\n<data content='#Content'><originator identity='apex=presence@rubble.com' \/><recipient identity='fred@example.com' \/>/,
        );
        // The service answers in the form of the dialect in which the request reached it; nobody rewrites contents.
        const form = { imxp: /availableUntil='21 Oct 2030 /, apex: /availableUntil='2030-10-21T\d\d:00:00/ }[dialect];
        expect(heard).to.match(form);
      });
    });
  }
});
