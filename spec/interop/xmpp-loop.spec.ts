/**
 * Two gateways to XMPP that point at each other: what one takes out of the mesh the other brings back in. The loop marker ends
 * it. Where Prosody cannot be installed, the spec is skipped, aloud.
 */
import { expect } from 'chai';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import { INSTALL_TIMEOUT_MS, lacksPeer } from '../support/debian.js';
import { GatewayStage } from '../support/gateway-stage.js';
import type { Command } from '../support/node-process.js';
import { atServer, COMPONENT_SECRET, prosody, type XmppServer } from './xmpp-peers.js';

const FRED = 'fred@example.com';
/** Each gateway: the mesh domain that it serves, the component that it is, and whom its component stands for. */
const GATEWAYS = [
  { mesh: 'a.example', component: 'ca.example', users: '*', xmpp: 'cb.example' },
  // Users of a.example are, for this one, users of the mesh; for the other they are users of XMPP.
  { mesh: 'b.example', component: 'cb.example', users: 'a.example', xmpp: 'ca.example' },
] as const;

describe('a loop of two gateways to XMPP', function () {
  this.timeout(180_000);
  let stage: GatewayStage | undefined;
  let server: XmppServer | undefined;
  let fred: Endpoint | undefined;
  const gateways: Command[] = [];

  before(async function () {
    this.timeout(INSTALL_TIMEOUT_MS);
    if (lacksPeer('Prosody', ['prosody'])) return this.skip();
    const served = GATEWAYS.map(({ mesh }) => mesh);
    stage = await GatewayStage.open({ domains: ['example.com'], served, users: [FRED], secret: COMPONENT_SECRET });
    server = await prosody(
      await stage.directory('server'),
      GATEWAYS.map(({ component }) => component),
    );
    await server.start();
    for (const { mesh, component, users, xmpp } of GATEWAYS) {
      const gateway = await stage.gateway('xmpp', mesh, {
        xmpp: atServer(server, [{ domain: component, mesh: users }]),
        store: { type: 'memory' },
        domains: [{ mesh, xmpp }],
      });
      gateways.push(gateway);
    }
    fred = await stage.connect(FRED);
  });

  after(async () => {
    await fred?.close();
    await stage?.close();
    await server?.stop();
  });

  it('ends when the message comes back to the first, whose sender is told at once', async () => {
    const [outcome] = (await fred?.sendEach({ to: 'romeo@a.example', content: 'round and round' })) ?? [];
    const said = gateways.map(({ output }) => output).join('\n');
    // Nobody has taken it, and the sender is told so, rather than 451 when the time for a receipt is over.
    expect(outcome, said).to.include({ accepted: false, code: 550 });
    const refusals = gateways.map(({ output }) => output.split('passed through too many gateways').length - 1);
    expect(refusals, said).to.deep.equal([1, 0]);
  });
});
