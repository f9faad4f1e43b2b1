/**
 * Two gateways to XMPP that point at each other: what one takes out of the mesh the other brings back in. The loop marker ends
 * it. Where Prosody cannot be installed, the spec is skipped, aloud.
 */
import { mkdir } from 'node:fs/promises';
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { INSTALL_TIMEOUT_MS, missingPackages } from '../support/debian.js';
import { type Command, lonely, Workshop } from '../support/node-process.js';
import { COMPONENT_SECRET, prosody, type XmppServer } from './xmpp-peers.js';

const FRED = 'fred@example.com';
/** Each gateway: the mesh domain that it serves, the component that it is, and whom its component stands for. */
const GATEWAYS = [
  { name: 'first', mesh: 'a.example', component: 'ca.example', users: '*', xmpp: 'cb.example' },
  // Users of a.example are, for this one, users of the mesh; for the other they are users of XMPP.
  { name: 'second', mesh: 'b.example', component: 'cb.example', users: 'a.example', xmpp: 'ca.example' },
] as const;

describe('a loop of two gateways to XMPP', function () {
  this.timeout(180_000);
  let workshop: Workshop;
  let server: XmppServer | undefined;
  let fred: Endpoint | undefined;
  const gateways: Command[] = [];

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    const off = process.env['IMXP_INTEROP'] === 'off';
    const missing = off ? 'IMXP_INTEROP=off' : missingPackages(['prosody']);
    if (missing !== undefined) {
      console.log(`      SKIPPED, nothing was tried with Prosody: ${missing}`);
      return this.skip();
    }
    workshop = await Workshop.open();
    await mkdir(workshop.path('server'));
    server = await prosody(
      workshop.path('server'),
      GATEWAYS.map(({ component }) => component),
    );
    await server.start();
    const account = (mesh: string) => `imxp=gateway@${mesh}`;
    const relay = await workshop.node(
      'relay',
      lonely({
        domains: ['example.com', ...GATEWAYS.map(({ mesh }) => mesh)],
        policy: { gateways: Object.fromEntries(GATEWAYS.map(({ mesh }) => [mesh, account(mesh)])) },
      }),
    );
    for (const address of [FRED, ...GATEWAYS.map(({ mesh }) => account(mesh))])
      await workshop.account(relay, address, 'rock');
    await relay.start();
    const url = `tcp://127.0.0.1:${relay.port}`;
    await workshop.file('password', 'rock\n');
    await workshop.file('secret', `${COMPONENT_SECRET}\n`);
    for (const { name, mesh, component, users, xmpp } of GATEWAYS) {
      const config = {
        mesh: { address: account(mesh), passwordFile: 'password', relay: url },
        xmpp: { port: server.componentPort, components: [{ domain: component, mesh: users, secretFile: 'secret' }] },
        store: { type: 'memory' },
        domains: [{ mesh, xmpp }],
        messages: { timeoutMs: 20_000 },
      };
      await workshop.file(`${name}.json`, JSON.stringify(config));
      const gateway = workshop.command(['gateway', 'xmpp', '--config', `${name}.json`]);
      gateways.push(gateway);
      await gateway.seen((output) => (output.includes('"ready"') ? true : undefined), 'ready', 60_000);
    }
    fred = await Endpoint.connect({ address: FRED, relay: url, password: 'rock' });
  });

  after(async () => {
    await fred?.close();
    await workshop?.close();
    await server?.stop();
  });

  it('ends when the message comes back to the first, whose sender is told', async () => {
    const [outcome] = (await fred?.sendEach({ to: 'romeo@a.example', content: 'round and round' })) ?? [];
    const said = gateways.map(({ output }) => output).join('\n');
    // Nobody has taken it, and the sender is told.
    expect(outcome, said).to.include({ accepted: false });
    const refusals = gateways.map(({ output }) => output.split('passed through too many gateways').length - 1);
    expect(refusals, said).to.deep.equal([1, 0]);
  });
});
