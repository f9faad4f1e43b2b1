import { expect } from 'chai';
import { freePort } from '../support/free-port.js';
import { GatewayStage, gatewayAccount } from '../support/gateway-stage.js';

const SERVED = 'xmpp.example';

describe('imxp gateway xmpp', function () {
  this.timeout(120_000);
  let stage: GatewayStage;
  let config = '';

  before(async () => {
    stage = await GatewayStage.open({ domains: ['example.com'], served: [SERVED], users: [] });
    config = await stage.workshop.file(
      'gateway.json',
      JSON.stringify({
        mesh: { address: gatewayAccount(SERVED), passwordFile: 'password', relay: stage.url },
        xmpp: { port: await freePort(), components: [{ domain: 'example.com', secretFile: 'component' }] },
        domains: [{ mesh: SERVED, xmpp: 'slate.example' }],
      }),
    );
  });

  after(async () => {
    await stage?.close();
  });

  it('says everything that is wrong with the configuration, the files with secrets included', async () => {
    const { code, stderr } = await stage.workshop.run(['gateway', 'xmpp', '--config', config, '--check']);
    expect([code, stderr.toString().match(/^error: /gm)?.length]).to.deep.equal([78, 1]);
    expect(stderr.toString()).to.match(/xmpp\.components\[0\]\.secretFile: .*component: no such file/);
    await stage.workshop.file('component', 'quarry\n');
    const good = await stage.workshop.run(['gateway', 'xmpp', '--config', config, '--check']);
    expect([good.code, good.stdout.toString()]).to.deep.equal([0, `${config}: OK\n`]);
  });

  it('says what to look at when there is no XMPP server', async () => {
    const { code, stderr } = await stage.workshop.run(['gateway', 'xmpp', '--config', config]);
    expect(code).to.equal(69);
    expect(stderr.toString()).to.match(
      /the XMPP server at xmpp:\/\/127\.0\.0\.1:\d+ does not take the component example\.com/,
    );
    expect(stderr.toString()).to.match(/hint: Check that the XMPP server is running .* xmpp\.port/);
  });
});
