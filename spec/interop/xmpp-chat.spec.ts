/**
 * People of two mesh domains and one XMPP domain: fred by `imxp chat`, wilma by the library, romeo by profanity, a client for
 * terminals. Where Prosody or profanity cannot be installed, the spec is skipped, aloud.
 */
import { mkdir } from 'node:fs/promises';
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { INSTALL_TIMEOUT_MS, missingPackages } from '../support/debian.js';
import { lonely, Workshop } from '../support/node-process.js';
import { RUN_PROGRAM } from '../support/program.js';
import { HAS_TERMINAL, Terminal } from '../support/terminal.js';
import { within } from '../support/within.js';
import {
  COMPONENT_DOMAIN,
  COMPONENT_SECRET,
  prosody,
  XMPP_DOMAIN,
  XMPP_PASSWORD,
  type XmppServer,
} from './xmpp-peers.js';

const MESH_DOMAIN = 'xmpp.example';
const OTHER_DOMAIN = 'rubble.com';
const GATEWAY = `imxp=gateway@${MESH_DOMAIN}`;
const FRED = `fred@${COMPONENT_DOMAIN}`;
const WILMA = `wilma@${OTHER_DOMAIN}`;
const ROMEO = `romeo@${MESH_DOMAIN}`;
const LOOK_MS = 60_000;

describe('imxp chat with profanity over the gateway to XMPP', function () {
  this.timeout(240_000);
  let workshop: Workshop;
  let server: XmppServer | undefined;
  let url = '';
  let profanity: Terminal | undefined;
  let chat: Terminal | undefined;
  let wilma: Endpoint | undefined;

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const off = process.env['IMXP_INTEROP'] === 'off' ? 'IMXP_INTEROP=off' : undefined;
    const terminal = HAS_TERMINAL ? undefined : 'script of util-linux is not installed';
    const missing = off ?? terminal ?? missingPackages(['prosody', 'profanity']);
    if (missing !== undefined) {
      console.log(`      SKIPPED, nothing was tried with profanity: ${missing}`);
      return this.skip();
    }
    workshop = await Workshop.open();
    await mkdir(workshop.path('server'));
    server = await prosody(workshop.path('server'), [COMPONENT_DOMAIN, OTHER_DOMAIN]);
    await server.start();
    const relay = await workshop.node(
      'relay',
      lonely({
        domains: [COMPONENT_DOMAIN, OTHER_DOMAIN, MESH_DOMAIN],
        policy: { gateways: { [MESH_DOMAIN]: GATEWAY } },
      }),
    );
    for (const address of [FRED, WILMA, GATEWAY]) await workshop.account(relay, address, 'rock');
    await relay.start();
    url = `tcp://127.0.0.1:${relay.port}`;
    await workshop.file('password', 'rock\n');
    await workshop.file('secret', `${COMPONENT_SECRET}\n`);
    const components = [COMPONENT_DOMAIN, OTHER_DOMAIN].map((domain) => ({ domain, secretFile: 'secret' }));
    await workshop.file(
      'gateway.json',
      JSON.stringify({
        mesh: { address: GATEWAY, passwordFile: 'password', relay: url },
        xmpp: { port: server.componentPort, components },
        domains: [{ mesh: MESH_DOMAIN, xmpp: XMPP_DOMAIN }],
        // profanity does not acknowledge these messages.
        messages: { ok: 'server' },
      }),
    );
    const gateway = workshop.command(['gateway', 'xmpp', '--config', 'gateway.json']);
    await gateway.seen((output) => (output.includes('"ready"') ? true : undefined), 'ready', 60_000);
    wilma = await Endpoint.connect({ address: WILMA, relay: url, password: 'rock' });
  });

  after(async () => {
    chat?.kill();
    profanity?.kill();
    await wilma?.close();
    await workshop?.close();
    await server?.stop();
  });

  it('fred talks with romeo, and romeo with wilma of another domain', async () => {
    const [home, port] = [workshop.path('profanity'), server?.clientPort];
    await mkdir(home);
    const environment = { HOME: home, XDG_CONFIG_HOME: home, XDG_DATA_HOME: home, LC_ALL: 'C.UTF-8' };
    profanity = new Terminal(['profanity'], home, environment);
    await profanity.sees(/Profanity\. Type \/help/, LOOK_MS);
    profanity.type(`/connect romeo@${XMPP_DOMAIN} server 127.0.0.1 port ${port} tls disable\r`);
    await profanity.sees(/Enter password/, LOOK_MS);
    profanity.type(`${XMPP_PASSWORD}\r`);
    await profanity.sees(/logged in successfully/, LOOK_MS);
    const args = ['chat', ROMEO, '--from', FRED, '--relay', url, '--password-file', workshop.path('password')];
    chat = new Terminal([process.execPath, ...RUN_PROGRAM, ...args], workshop.directory);
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
