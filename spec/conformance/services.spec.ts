/**
 * The sequences that core-01 §5 and §6 and access-01 §4 describe, replayed against two relays as processes: options and
 * reports across domains, and the access service. Payloads are compared to the octet where the text is printed.
 */
import { expect } from 'chai';
import { freePort } from '../support/free-port.js';
import { type NodeProcess, Workshop } from '../support/node-process.js';
import type { RawMessage } from '../support/raw-channel.js';
import { attach, errorIn, OK, textXml } from '../support/raw-documents.js';
import { RawPeer } from '../support/raw-peer.js';
import { type AttachedPeer, passwordOf } from '../support/relay-fixture.js';

const HARBOUR = 'harbour.example';
const QUAY = 'quay.example';
const INES = 'ines@harbour.example';
const BOSUN = 'bosun@harbour.example';
const OTTO = 'otto@quay.example';

const meshPassword = (domain: string): string => `pier ${domain}`;

/** core-01 §4.1, with the line ends of the wire. */
const PRINTED_DATA = `Content-Type: text/xml

<data originator='ines@harbour.example' content='#Payload'>
   <recipient identity='otto@quay.example' />
   <option internal='statusRequest' targetHop='final'
           seeNoEvil='true' transID='3301' />
   <data-content Name='Payload'>
      <note>tide is in</note>
   </data-content>
</data>
`.replace(/\n/g, '\r\n');

/** core-01 §6.2, without the white space between elements. */
const report = (relay: string, transID: number, recipient: string, reply: string): string =>
  textXml(
    `<data originator='imxp=report@${relay}' content='#R'><recipient identity='${INES}' /><data-content Name='R'>` +
      `<statusResponse transID='${transID}'><destination identity='${recipient}'>${reply}</destination></statusResponse>` +
      '</data-content></data>',
  );
const okReply = (transID: number): string => `<reply code='250' transID='${transID}' />`;

const requesting = (recipient: string, targetHop: string, transID: number): string =>
  PRINTED_DATA.replace(OTTO, recipient).replace("'final'", `'${targetHop}'`).replace('3301', String(transID));

describe('services: the examples of the drafts', function () {
  this.timeout(60_000);
  this.slow(5000);
  let workshop: Workshop;
  let harbour: NodeProcess;
  let quay: NodeProcess;
  const peers: RawPeer[] = [];

  before(async function () {
    this.timeout(120_000);
    workshop = await Workshop.open();
    const [here, there] = [await freePort(), await freePort()];
    harbour = await relay(HARBOUR, here, QUAY, there);
    quay = await relay(QUAY, there, HARBOUR, here);
    const accounts: [NodeProcess, string, string][] = [
      [harbour, INES, passwordOf(INES)],
      [harbour, BOSUN, passwordOf(BOSUN)],
      [quay, OTTO, passwordOf(OTTO)],
      [harbour, `imxp=mesh@${QUAY}`, meshPassword(QUAY)],
      [quay, `imxp=mesh@${HARBOUR}`, meshPassword(HARBOUR)],
    ];
    await Promise.all(accounts.map(([node, address, password]) => workshop.account(node, address, password)));
    await Promise.all([harbour.start(), quay.start()]);
  });
  afterEach(function () {
    if (this.currentTest?.state === 'failed') {
      console.log(`${harbour.output.slice(-2000)}\n${quay.output.slice(-2000)}`);
      for (const peer of peers) console.log(peer.transcript());
    }
    for (const peer of peers.splice(0)) peer.destroy();
  });
  after(async () => await workshop?.close());

  async function relay(domain: string, port: number, other: string, otherPort: number): Promise<NodeProcess> {
    await workshop.file(`secrets/mesh-${domain}`, `${meshPassword(domain)}\n`);
    const credentials = { username: `imxp=mesh@${domain}`, passwordFile: `secrets/mesh-${domain}` };
    const route = { domain: other, relays: [`tcp://127.0.0.1:${otherPort}`], tls: 'off', credentials };
    const config = {
      domains: [domain],
      listen: [{ transport: 'tcp', host: '127.0.0.1', port }],
      sasl: { mechanisms: ['DIGEST-MD5'] },
      store: { type: 'lmdb', path: `var/${domain}` },
      mesh: { routes: [route], dns: { enabled: false } },
      log: { level: 'debug' },
    };
    return await workshop.node(domain, () => config, port);
  }

  async function attached(node: NodeProcess, address: string): Promise<AttachedPeer> {
    const peer = await RawPeer.connect({ port: node.port, name: address });
    peers.push(peer);
    await peer.greet();
    const [username = '', host = ''] = address.split('@');
    const verdict = await peer.authenticate({ username, password: passwordOf(address), host });
    if (verdict.keyword !== 'RPY') throw new Error(`${address} is not let in: ${verdict.payload}`);
    return { address, peer, channel: await peer.imxp(attach(address, 71)) };
  }

  /** The next MSG, which is answered `ok`. */
  async function taken({ peer, channel }: AttachedPeer): Promise<RawMessage> {
    const message = await peer.nextRequest(channel, 10_000);
    peer.reply(channel, 'RPY', message.msgno, OK);
    return message;
  }

  const text = ({ payload }: RawMessage): string => `${payload}`;

  describe('core-01 §5.1: a message across two domains, with report', () => {
    it('REQ-IMXP-039 REQ-IMXP-041 REQ-IMXP-042 REQ-IMXP-044 delivers the printed Data with its option, answers ok, and the last relay reports', async () => {
      const [ines, otto] = [await attached(harbour, INES), await attached(quay, OTTO)];
      const reply = ines.peer.ask(ines.channel, PRINTED_DATA);
      const arrived = await taken(otto);
      expect(text(arrived), 'octet for octet').to.equal(PRINTED_DATA);
      const reported = await taken(ines);
      expect(text(await reply)).to.equal(OK);
      expect(text(reported)).to.equal(report(QUAY, 3301, OTTO, okReply(3301)));
    });

    it('REQ-IMXP-042 answers 450 and reports it from the first domain when otto is not attached', async () => {
      const ines = await attached(harbour, INES);
      const reply = ines.peer.ask(ines.channel, PRINTED_DATA);
      const reported = await taken(ines);
      expect(errorIn((await reply).payload)).to.deep.equal({ code: 450, text: 'not attached' });
      expect(text(reported)).to.equal(
        report(HARBOUR, 3301, OTTO, `<reply code='450' transID='3301'>not attached</reply>`),
      );
    });

    it('REQ-IMXP-041 reports a delivery within the domain', async () => {
      const [ines, bosun] = [await attached(harbour, INES), await attached(harbour, BOSUN)];
      const reply = ines.peer.ask(ines.channel, requesting(BOSUN, 'final', 42));
      await taken(bosun);
      expect(text(await reply)).to.equal(OK);
      expect(text(await taken(ines))).to.equal(report(HARBOUR, 42, BOSUN, okReply(42)));
    });

    it('core-01 §5.1: with `all` every relay reports; with `this` the first one, and the option goes no further', async () => {
      const [ines, otto] = [await attached(harbour, INES), await attached(quay, OTTO)];
      const all = ines.peer.ask(ines.channel, requesting(OTTO, 'all', 43));
      expect(text(await taken(otto))).to.equal(requesting(OTTO, 'all', 43));
      const reports = [text(await taken(ines)), text(await taken(ines))].sort();
      expect(reports).to.deep.equal([report(HARBOUR, 43, OTTO, okReply(43)), report(QUAY, 43, OTTO, okReply(43))]);
      expect(text(await all)).to.equal(OK);
      const first = ines.peer.ask(ines.channel, requesting(OTTO, 'this', 44));
      expect(text(await taken(otto))).not.to.contain('<option');
      expect(text(await taken(ines))).to.equal(report(HARBOUR, 44, OTTO, okReply(44)));
      expect(text(await first)).to.equal(OK);
    });

    it('REQ-IMXP-043 does not report on a statusResponse', async () => {
      const [ines, bosun] = [await attached(harbour, INES), await attached(harbour, BOSUN)];
      const carrying = requesting(BOSUN, 'all', 45).replace(
        '<note>tide is in</note>',
        `<statusResponse transID='1'><destination identity='${OTTO}'>${okReply(1)}</destination></statusResponse>`,
      );
      const reply = ines.peer.ask(ines.channel, carrying);
      await taken(bosun);
      expect(text(await reply)).to.equal(OK);
      // What comes next is the report of the next request, not of this one.
      const next = ines.peer.ask(ines.channel, requesting(BOSUN, 'final', 46));
      await taken(bosun);
      expect(text(await taken(ines))).to.equal(report(HARBOUR, 46, BOSUN, okReply(46)));
      await next;
    });

    it('REQ-IMXP-037 REQ-IMXP-040 refuses options with both names or a relative URI, and those not understood', async () => {
      const ines = await attached(harbour, INES);
      const codeOf = async (change: (data: string) => string): Promise<number | undefined> =>
        errorIn((await ines.peer.ask(ines.channel, change(PRINTED_DATA))).payload)?.code;
      expect(await codeOf((data) => data.replace('<option ', "<option external='urn:x:y' "))).to.equal(501);
      expect(await codeOf((data) => data.replace("internal='statusRequest'", ''))).to.equal(501);
      expect(await codeOf((data) => data.replace("internal='statusRequest'", "external='../x'"))).to.equal(501);
      const unknown = PRINTED_DATA.replace('statusRequest', 'novel').replace("'true'", "'false'");
      expect(await codeOf(() => unknown.replace("'final'", "'all'"))).to.equal(504);
      expect(await codeOf(() => unknown.replace(OTTO, BOSUN)), 'final, and final here').to.equal(504);
      expect(await codeOf(() => unknown), 'final, elsewhere: otto is not attached').to.equal(504);
    });
  });

  describe('access-01 §4: the example exchange', () => {
    const SERVICE = `imxp=access@${HARBOUR}`;
    const request = (document: string, from = INES): string =>
      textXml(
        `<data originator='${from}' content='#Q'><recipient identity='${SERVICE}' /><data-content Name='Q'>${document}</data-content></data>`,
      );
    const ENTRIES = [
      "<entry actor='ines@harbour.example'  actions='all:all' />",
      "<entry actor='bosun@harbour.example' actions='core:data' />",
      "<entry actor='*@harbour.example'     actions='core:data presence:subscribe presence:watch' />",
      "<entry actor='*@quay.example'        actions='' />",
      "<entry actor='*@*'                   actions='core:data' />",
    ];

    /** What the service answers to a request. */
    async function answer(ines: AttachedPeer, document: string): Promise<string> {
      const reply = ines.peer.ask(ines.channel, request(document));
      const data = await taken(ines);
      expect(text(await reply)).to.equal(OK);
      expect(text(data)).to.contain(`<data originator='${SERVICE}'`).and.contain(`<recipient identity='${INES}' />`);
      return /<data-content[^>]*>(.*)<\/data-content>/s.exec(text(data))?.[1] ?? '';
    }

    it('REQ-ACC-001 REQ-ACC-006 REQ-ACC-010 REQ-ACC-011 answers get with set and set with 250, and applies what was set', async () => {
      const [ines, otto, bosun] = [
        await attached(harbour, INES),
        await attached(quay, OTTO),
        await attached(harbour, BOSUN),
      ];
      const got = await answer(ines, `<get owner='${INES}' transID='90417' />`);
      const TIME = String.raw`\d{1,2} [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d [+-]\d{4}`;
      expect(got).to.match(
        new RegExp(
          `^<set owner='${INES}' transID='90417' timeStamp='${TIME}'><access owner='${INES}' lastUpdate='${TIME}'>` +
            `<entry actor='${INES}' actions='all:all' /><entry actor='\\*@\\*' actions='core:data' /></access></set>$`,
        ),
      );
      const lastUpdate = /lastUpdate='([^']*)'/.exec(got)?.[1] ?? '';
      const set = `<set owner='${INES}' transID='77120' timeStamp='21 Oct 2000 09:31:40 +0200'>
      <access owner='${INES}' lastUpdate='${lastUpdate}'>${ENTRIES.join('\r\n')}</access></set>`;
      expect(await answer(ines, set)).to.equal("<reply code='250' transID='77120' />");
      expect(await answer(ines, set), 'once more').to.match(/^<reply code='555' transID='77120'>/);
      const note = (from: string): string =>
        textXml(
          `<data originator='${from}' content='#N'><recipient identity='${INES}' /><data-content Name='N'><n/></data-content></data>`,
        );
      // access-01 §3: otto no, bosun yes
      const denied = await otto.peer.ask(otto.channel, note(OTTO));
      expect(errorIn(denied.payload)).to.deep.equal({ code: 537, text: 'access denied' });
      const allowed = bosun.peer.ask(bosun.channel, note(BOSUN));
      await taken(ines);
      expect(text(await allowed)).to.equal(OK);
      const refused = bosun.peer.ask(bosun.channel, request(`<get owner='${INES}' transID='5' />`, BOSUN));
      expect(text(await taken(bosun))).to.contain("<reply code='537' transID='5'>");
      await refused;
    });

    it('REQ-ACC-002 keeps the entry over a restart', async () => {
      await harbour.stop();
      await harbour.start();
      const ines = await attached(harbour, INES);
      expect(await answer(ines, `<get owner='${INES}' transID='90418' />`)).to.contain(
        "<entry actor='*@quay.example' actions='' />",
      );
    });
  });
});
