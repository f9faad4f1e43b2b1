/**
 * The gateway to XMPP with XMPP servers and a client of Debian on loopback. Where they cannot be installed, the specs are
 * skipped, aloud. A skipped run is not a pass. `IMXP_INTEROP=off` skips without installing anything.
 */
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { PresenceInfo } from '../../lib/endpoint/presence-info.js';
import { INSTALL_TIMEOUT_MS, lacksPeer } from '../support/debian.js';
import { GatewayStage, Inbox } from '../support/gateway-stage.js';
import type { Command } from '../support/node-process.js';
import { within } from '../support/within.js';
import {
  atServer,
  COMPONENT_DOMAIN,
  COMPONENT_SECRET,
  ejabberd,
  OTHER_XMPP_DOMAIN,
  presenceShowing,
  prosody,
  XMPP_DOMAIN,
  XmppClient,
  type XmppServer,
} from './xmpp-peers.js';

const MESH_DOMAIN = 'xmpp.example';
/** Of users of other XMPP domains. */
const SOURCE_ROUTED = 'gw.example';
/** More than one XMPP user may have without an answer (messages.outstandingPerUser). */
const FLOOD = 200;
const FRED = `fred@${COMPONENT_DOMAIN}`;
const ROMEO = `romeo@${MESH_DOMAIN}`;

const SERVERS: readonly { name: string; packages: readonly string[]; make(directory: string): Promise<XmppServer> }[] =
  [
    { name: 'Prosody', packages: ['prosody', 'python3-slixmpp'], make: prosody },
    { name: 'ejabberd', packages: ['ejabberd', 'python3-slixmpp'], make: ejabberd },
  ];

for (const { name, packages, make } of SERVERS) {
  describe(`the gateway to XMPP with ${name} and slixmpp`, function () {
    this.timeout(420_000);
    let stage: GatewayStage | undefined;
    let server: XmppServer | undefined;
    let gateway: Command;
    let fred: Endpoint;
    let romeo: XmppClient;
    let inbox: Inbox;

    const login = async (user: string, domain = XMPP_DOMAIN): Promise<XmppClient> => {
      const client = new XmppClient(user, server?.clientPort ?? 0, domain);
      await client.event({ event: 'ready' });
      return client;
    };

    before(async function () {
      this.timeout(INSTALL_TIMEOUT_MS);
      if (lacksPeer(name, packages)) return this.skip();
      stage = await GatewayStage.open({
        domains: [COMPONENT_DOMAIN],
        served: [MESH_DOMAIN],
        more: { [SOURCE_ROUTED]: MESH_DOMAIN },
        users: [FRED],
        secret: COMPONENT_SECRET,
      });
      server = await make(await stage.directory('server'));
      await server.start();
      gateway = await stage.gateway('xmpp', MESH_DOMAIN, {
        xmpp: atServer(server),
        domains: [{ mesh: MESH_DOMAIN, xmpp: XMPP_DOMAIN }],
        sourceRouted: SOURCE_ROUTED,
        messages: { timeoutMs: 5000 },
        presence: { retryMs: 300, answerTimeoutMs: 500 },
      });
      fred = await stage.connect(FRED);
      inbox = new Inbox(fred);
      romeo = await login('romeo');
    });

    after(async () => {
      romeo?.stop();
      await fred?.close();
      await stage?.close();
      await server?.stop();
    });

    it('brings text from the mesh to XMPP, and answers ok on the receipt', async () => {
      await fred.send({
        to: ROMEO,
        content: { message: { subject: 'Bowling', text: 'Tonight at <eight>? \u{1f3b3}', lang: 'en' } },
      });
      expect(await romeo.event({ event: 'message' })).to.include({
        sender: FRED,
        subject: 'Bowling',
        body: 'Tonight at <eight>? \u{1f3b3}',
        lang: 'en',
      });
      await fred.send({ to: ROMEO, content: 'plain text' });
      expect(await romeo.event({ event: 'message' })).to.include({ body: 'plain text' });
    });

    it('brings text from XMPP to the mesh, and gives the receipt when it was taken', async () => {
      const body = `Um acht? ${'\u00fc\u{1f3b3}'.repeat(3000)}`;
      romeo.tell({ do: 'send', to: FRED, id: 'm1', body, subject: 'Kegeln', thread: 'games', lang: 'de' });
      const { originator, message } = await inbox.next();
      expect(originator).to.equal(ROMEO);
      expect([message?.subject, message?.text, message?.lang]).to.deep.equal(['Kegeln', body, 'de']);
      expect(message?.first('message-id')).to.equal(`<m1@${MESH_DOMAIN}>`);
      expect(await romeo.event({ event: 'receipt', id: 'm1' })).to.include({ sender: FRED });
    });

    it('refuses unknown users both ways, with a code and a condition', async () => {
      const [outcome] = await fred.sendEach({ to: `nobody@${MESH_DOMAIN}`, content: 'x' });
      expect(outcome).to.include({ code: 550 });
      expect(outcome?.text).to.contain('no such user');
      romeo.tell({ do: 'send', to: `nobody@${COMPONENT_DOMAIN}`, id: 'm2', body: 'x' });
      expect(await romeo.event({ event: 'error', id: 'm2' })).to.include({
        sender: `nobody@${COMPONENT_DOMAIN}`,
        condition: 'item-not-found',
      });
    });

    it('knows users of other XMPP domains by source-routed names, and subaddresses by escaped ones (XEP-0106)', async () => {
      if (stage === undefined) throw new Error('nothing runs');
      const juliet = await login('juliet', OTHER_XMPP_DOMAIN);
      const home = await stage.connect(`fred/home@${COMPONENT_DOMAIN}`);
      try {
        const homeInbox = new Inbox(home);
        await home.send({ to: `xmpp=${OTHER_XMPP_DOMAIN}/juliet@${SOURCE_ROUTED}`, content: 'by source route' });
        const escaped = `fred\\2fhome@${COMPONENT_DOMAIN}`;
        expect(await juliet.event({ event: 'message' })).to.include({ body: 'by source route', sender: escaped });
        juliet.tell({ do: 'send', to: escaped, id: 's1', body: 'and back' });
        const { originator, message } = await homeInbox.next();
        expect([originator, message?.text]).to.deep.equal([
          `xmpp=${OTHER_XMPP_DOMAIN}/juliet@${SOURCE_ROUTED}`,
          'and back',
        ]);
        expect(await juliet.event({ event: 'receipt', id: 's1' })).to.include({ sender: escaped });
      } finally {
        juliet.stop();
        await home.close();
      }
    });

    it('shows an XMPP user to a user of the mesh: approval, show and status, withdrawal', async () => {
      const feed = await fred.presence.subscribe(ROMEO);
      const seen = feed[Symbol.asyncIterator]();
      const until = async (fits: (info: PresenceInfo) => boolean): Promise<PresenceInfo> => {
        for (;;) {
          const { value } = await within(15_000, seen.next(), () => `presence of romeo; romeo saw ${romeo.said}`);
          if (value === undefined) throw new Error('the feed has ended');
          if (fits(value)) return value;
        }
      };
      expect(await until(() => true)).to.include({ open: false });
      expect(await romeo.event({ event: 'subscribe' })).to.include({ sender: FRED });
      romeo.tell({ do: 'presence', to: FRED, type: 'subscribed' });
      const { tuples } = await until(({ open }) => open);
      expect(tuples.map(({ destination }) => destination)).to.deep.equal([
        `im:${ROMEO}`,
        `xmpp:romeo@${XMPP_DOMAIN}/laptop`,
      ]);
      romeo.tell({ do: 'presence', show: 'away', status: 'under the balcony' });
      const away = await until((info) => info.tuples[0]?.extension?.elements.join().includes('>away<') === true);
      expect(away.tuples[0]?.extension?.elements).to.include(
        "<note xmlns='urn:ietf:params:xml:ns:pidf'>under the balcony</note>",
      );
      romeo.tell({ do: 'presence', to: FRED, type: 'unsubscribed' });
      const failure = await until(() => false).catch((error: unknown) => error);
      expect(failure).to.include({ code: 'REFUSED' });
    });

    it('shows a user of the mesh to an XMPP user: an access entry approves, and its end withdraws', async () => {
      const publish = (show: string) => fred.presence.publish(presenceShowing(FRED, show));
      await publish('dnd');
      romeo.tell({ do: 'presence', to: FRED, type: 'subscribe' });
      await fred.access.allow(ROMEO, ['presence:subscribe']);
      expect(await romeo.event({ event: 'subscribed' })).to.include({ sender: FRED });
      await romeo.event({ event: 'presence', sender: `${FRED}/imxp`, show: 'dnd' });
      await publish('xa');
      await romeo.event({ event: 'presence', sender: `${FRED}/imxp`, show: 'xa' });
      await fred.access.remove(ROMEO);
      expect(await romeo.event({ event: 'unsubscribed' })).to.include({ sender: FRED });
    });

    it('answers a flood and odd stanzas one by one, and serves others meanwhile', async () => {
      const juliet = await login('juliet');
      try {
        const odd = [
          `<message to='${FRED}' id='o1' type='groupchat'><body>x</body></message>`,
          `<message to='nobody@${COMPONENT_DOMAIN}' id='o2' xml:lang="d'e"><body>x</body><thread>${'t'.repeat(3000)}</thread></message>`,
          `<message to='imxp=report@${COMPONENT_DOMAIN}' id='o3'><body>&lt;statusResponse/&gt;</body></message>`,
        ];
        for (const xml of odd) romeo.tell({ do: 'raw', xml });
        romeo.tell({ do: 'raw', xml: `<iq to='${FRED}' id='o4' type='set'><a><b><c/></b></a></iq>` });
        romeo.tell({ do: 'raw', xml: `<presence to='${FRED}' type='probe'><x xmlns='urn:x'/></presence>` });
        for (const id of ['o1', 'o2', 'o3']) await romeo.event({ event: 'error', id });
        for (let number = 0; number < FLOOD; number += 1)
          romeo.tell({ do: 'send', to: FRED, id: `flood${number}`, body: `flood ${number}` });
        juliet.tell({ do: 'send', to: FRED, id: 'calm', body: 'calm' });
        await juliet.event({ event: 'receipt', id: 'calm' });
        const answers = new Map<string, number>();
        for (let number = 0; number < FLOOD; number += 1) {
          const { event = '' } = await romeo.answer(`flood${number}`);
          answers.set(event, (answers.get(event) ?? 0) + 1);
        }
        const taken = answers.get('receipt') ?? 0;
        expect(taken + (answers.get('error') ?? 0)).to.equal(FLOOD);
        const texts: string[] = [];
        for (let number = 0; number < taken + 1; number += 1) texts.push((await inbox.next()).message?.text ?? '');
        expect(texts).to.include('calm');
        expect(new Set(texts).size, 'each once').to.equal(taken + 1);
      } finally {
        juliet.stop();
      }
    });

    it('connects again when the server was away, and refuses with 450 in the meantime', async () => {
      romeo.stop();
      await server?.stop();
      await gateway.seen((output) => (output.includes('link down') ? true : undefined), 'link down');
      const [outcome] = await fred.sendEach({ to: ROMEO, content: 'x' });
      expect(outcome).to.include({ code: 450 });
      const ups = () => gateway.output.split('link up').length;
      const before = ups();
      await server?.start();
      await gateway.seen(() => (ups() > before ? true : undefined), 'link up', 30_000);
      romeo = await login('romeo');
      await fred.send({ to: ROMEO, content: 'again' });
      expect(await romeo.event({ event: 'message' })).to.include({ body: 'again' });
    });

    it('ends in order', async () => {
      gateway.signal('SIGTERM');
      expect((await gateway.finished()).code, gateway.output).to.equal(0);
      const [outcome] = await fred.sendEach({ to: ROMEO, content: 'x' });
      expect(outcome).to.include({ code: 450 });
    });
  });
}
