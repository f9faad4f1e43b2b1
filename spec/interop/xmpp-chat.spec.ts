/**
 * People of two mesh domains and one XMPP domain: fred by `imxp chat`, wilma by the library, romeo by profanity, a client for
 * terminals. Where Prosody or profanity cannot be installed, the spec is skipped, aloud.
 */
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { INSTALL_TIMEOUT_MS, lacksPeer } from '../support/debian.js';
import { GatewayStage } from '../support/gateway-stage.js';
import { RUN_PROGRAM } from '../support/program.js';
import { HAS_TERMINAL, Terminal } from '../support/terminal.js';
import { within } from '../support/within.js';
import {
  atServer,
  COMPONENT_DOMAIN,
  COMPONENT_SECRET,
  prosody,
  XMPP_DOMAIN,
  XMPP_PASSWORD,
  type XmppServer,
} from './xmpp-peers.js';

const MESH_DOMAIN = 'xmpp.example';
const OTHER_DOMAIN = 'rubble.com';
const FRED = `fred@${COMPONENT_DOMAIN}`;
const WILMA = `wilma@${OTHER_DOMAIN}`;
const ROMEO = `romeo@${MESH_DOMAIN}`;
const LOOK_MS = 60_000;

describe('imxp chat with profanity over the gateway to XMPP', function () {
  this.timeout(240_000);
  let stage: GatewayStage;
  let server: XmppServer | undefined;
  let profanity: Terminal | undefined;
  let chat: Terminal | undefined;
  let wilma: Endpoint | undefined;

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const terminal = HAS_TERMINAL ? undefined : 'script of util-linux is not installed';
    if (lacksPeer('profanity', ['prosody', 'profanity'], terminal)) return this.skip();
    stage = await GatewayStage.open({
      domains: [COMPONENT_DOMAIN, OTHER_DOMAIN],
      served: [MESH_DOMAIN],
      users: [FRED, WILMA],
      secret: COMPONENT_SECRET,
    });
    const domains = [COMPONENT_DOMAIN, OTHER_DOMAIN];
    server = await prosody(await stage.directory('server'), domains);
    await server.start();
    await stage.gateway('xmpp', MESH_DOMAIN, {
      xmpp: atServer(
        server,
        domains.map((domain) => ({ domain })),
      ),
      domains: [{ mesh: MESH_DOMAIN, xmpp: XMPP_DOMAIN }],
    });
    wilma = await stage.connect(WILMA);
  });

  after(async () => {
    chat?.kill();
    profanity?.kill();
    await wilma?.close();
    await stage?.close();
    await server?.stop();
  });

  it('fred talks with romeo, and romeo with wilma of another domain', async () => {
    const [home, port] = [await stage.directory('profanity'), server?.clientPort];
    const environment = { HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, LC_ALL: 'C.UTF-8' };
    profanity = new Terminal(['profanity'], home, environment);
    await profanity.sees(/Profanity\. Type \/help/, LOOK_MS);
    // By default it sends no receipts (XEP-0184), and fred would be told 451.
    profanity.type('/receipts send on\r');
    await profanity.sees(/receipts.*enabled/i, LOOK_MS);
    profanity.type(`/connect romeo@${XMPP_DOMAIN} server 127.0.0.1 port ${port} tls disable\r`);
    await profanity.sees(/Enter password/, LOOK_MS);
    profanity.type(`${XMPP_PASSWORD}\r`);
    await profanity.sees(/logged in successfully/, LOOK_MS);
    const args = ['chat', ROMEO, '--from', FRED, '--relay', stage.url, '--password-file', stage.passwordFile];
    chat = new Terminal([process.execPath, ...RUN_PROGRAM, ...args], stage.workshop.directory);
    await chat.sees(new RegExp(ROMEO), LOOK_MS);
    chat.type('But soft, what light?\r');
    await profanity.sees(new RegExp(`${FRED}`), LOOK_MS);
    profanity.type(`/msg ${FRED} It is the east\r`);
    await profanity.sees(/But soft, what light\?/, LOOK_MS);
    await chat.sees(/It is the east/, LOOK_MS);
    profanity.type('and Juliet is the sun\r');
    await chat.sees(/and Juliet is the sun/, LOOK_MS);
    chat.type('Arise, fair sun\r');
    await profanity.sees(/Arise, fair sun/, LOOK_MS);
    const heard = new Promise<string>((resolve) =>
      wilma?.receive(({ originator, message }) => resolve(`${originator} ${message?.text}`)),
    );
    await wilma?.send({ to: ROMEO, content: { message: { text: 'Yabba dabba' } } });
    profanity.type(`/msg ${WILMA} Good morrow\r`);
    await profanity.sees(/Yabba dabba/, LOOK_MS);
    expect(await within(LOOK_MS, heard, 'a message for wilma')).to.equal(`${ROMEO} Good morrow`);
  });
});
