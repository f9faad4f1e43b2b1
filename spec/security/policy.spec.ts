import { expect } from 'chai';
import { BARNEY, FRED, NodeFixture, passwordOf, WILMA } from '../support/node-fixture.js';
import { attach, bind, errorIn, IMXP, inlineData, OK, textXml } from '../support/raw-documents.js';
import type { RawPeer } from '../support/raw-peer.js';

const RUBBLE = 'imxp=mesh@rubble.com';
const SLATE = 'imxp=mesh@slate.example';

/** What a piggybacked operation is answered: 0 for ok. */
async function asked(peer: RawPeer, content: string): Promise<number | undefined> {
  const { reply, profile } = await peer.start(IMXP, content);
  if (reply.keyword === 'ERR') return errorIn(reply.payload)?.code;
  return profile?.content === '<ok />' ? 0 : errorIn(profile?.content ?? '')?.code;
}

/** What a Data is answered: 0 for ok. */
async function sent(peer: RawPeer, channel: number, from: string, to: string): Promise<number | undefined> {
  const reply = await peer.ask(channel, inlineData(from, [to], 'x'));
  return reply.keyword === 'RPY' ? 0 : errorIn(reply.payload)?.code;
}

describe('security: policy of a running node', () => {
  let fixture: NodeFixture;
  afterEach(() => fixture.close());

  it('REQ-IMXP-013 policy.attach: lets an identity attach as itself and as what the configuration adds', async () => {
    fixture = await NodeFixture.build({ config: { policy: { attach: { [BARNEY]: [WILMA] } } } });
    const barney = await fixture.authenticated(BARNEY);
    expect(await asked(barney, attach(BARNEY, 1))).to.equal(0);
    expect(await asked(barney, attach('barney/appl=im@example.com', 2))).to.equal(0);
    expect(await asked(barney, attach('wilma/appl=im@example.com', 3))).to.equal(0);
    expect(await asked(barney, attach(FRED, 4))).to.equal(537);
    expect(await asked(barney, attach('imxp=report@example.com', 5)), 'a reserved name').to.equal(537);
    expect(await asked(barney, attach('barney@rubble.com', 6)), 'another domain').to.equal(553);
    const fred = await fixture.authenticated(FRED);
    expect(await asked(fred, attach(WILMA, 1))).to.equal(537);
  });

  it('REQ-IMXP-001 policy.attach: allows a reserved local part only where the configuration names it', async () => {
    fixture = await NodeFixture.build({ config: { policy: { attach: { [FRED]: ['imxp=gateway@example.com'] } } } });
    const fred = await fixture.authenticated(FRED);
    expect(await asked(fred, attach('imxp=gateway@example.com', 1))).to.equal(0);
  });

  it('REQ-IMXP-036 policy.originators: lets an endpoint send for itself, its subaddresses and those added', async () => {
    fixture = await NodeFixture.build({ config: { policy: { originators: { [FRED]: [WILMA] } } } });
    const { peer, channel } = await fixture.attached(FRED);
    const to = 'nobody@example.com';
    expect(await sent(peer, channel, FRED, to)).to.equal(550);
    expect(await sent(peer, channel, 'fred/x@example.com', to)).to.equal(550);
    expect(await sent(peer, channel, WILMA, to)).to.equal(550);
    expect(await sent(peer, channel, BARNEY, to)).to.equal(537);
    expect(await sent(peer, channel, 'fred@rubble.com', to)).to.equal(537);
  });

  it('REQ-IMXP-020 policy.relays: lets a relay bind for its domain and those added, and send for these', async () => {
    fixture = await NodeFixture.build({
      accounts: [RUBBLE, SLATE],
      config: { policy: { relays: { [RUBBLE]: ['gravel.example'] } } },
    });
    const rubble = await fixture.authenticated(RUBBLE);
    expect(await asked(rubble, bind('rubble.com', 1))).to.equal(0);
    expect(await asked(rubble, bind('slate.example', 3))).to.equal(537);
    expect(await asked(rubble, bind('example.com', 4)), 'our own').to.equal(537);
    const { number } = await rubble.start(IMXP, bind('gravel.example', 2));
    expect(await sent(rubble, number, 'pebbles@gravel.example', 'nobody@example.com')).to.equal(550);
    expect(await sent(rubble, number, 'betty@rubble.com', 'nobody@example.com')).to.equal(550);
    expect(await sent(rubble, number, 'betty@slate.example', 'nobody@example.com'), 'forged').to.equal(537);
    expect(await sent(rubble, number, FRED, 'nobody@example.com'), 'in our own name').to.equal(537);
    expect(await sent(rubble, number, 'betty@rubble.com', 'x@elsewhere.example'), 'no open relay').to.equal(550);
    const fred = await fixture.authenticated(FRED);
    expect(await asked(fred, bind('rubble.com', 1)), 'an endpoint is no relay').to.equal(537);
  });

  it('REQ-IMXP-035 mesh.trusted: lets only a trusted intermediary forward from and to foreign domains', async () => {
    fixture = await NodeFixture.build({
      accounts: [RUBBLE, SLATE],
      config: { mesh: { dns: { enabled: false }, trusted: [SLATE] } },
    });
    const rubble = await fixture.authenticated(RUBBLE);
    const { number: from } = await rubble.start(IMXP, bind('rubble.com', 1));
    const slate = await fixture.authenticated(SLATE);
    const { number: to } = await slate.start(IMXP, bind('slate.example', 1));
    expect(await sent(rubble, from, 'betty@rubble.com', 'mr@slate.example')).to.equal(550);
    const reply = slate.ask(to, inlineData('anybody@elsewhere.example', ['betty@rubble.com'], 'x'));
    const arrived = await rubble.nextRequest(from);
    rubble.reply(from, 'RPY', arrived.msgno, OK);
    expect((await reply).keyword).to.equal('RPY');
  });

  it('tls.require "mesh": answers 538 to a relay without TLS, and serves an endpoint', async () => {
    fixture = await NodeFixture.build({ tls: 'mesh', accounts: [RUBBLE] });
    const clear = await fixture.authenticated(RUBBLE);
    expect(await asked(clear, bind('rubble.com', 1))).to.equal(538);
    const { number } = await clear.start(IMXP);
    expect(await sent(clear, number, 'betty@rubble.com', FRED)).to.equal(538);
    const secure = await fixture.authenticated(RUBBLE, { tls: true });
    expect(await asked(secure, bind('rubble.com', 1))).to.equal(0);
    expect(await asked(await fixture.authenticated(FRED), attach(FRED, 1))).to.equal(0);
  });

  it('tls.require "always": serves nobody without TLS', async () => {
    fixture = await NodeFixture.build({ tls: 'always' });
    const peer = await fixture.greeted();
    expect(await asked(peer, attach(FRED, 1))).to.equal(538);
    expect(await asked(await fixture.authenticated(FRED, { tls: true }), attach(FRED, 1))).to.equal(0);
  });

  it('tls.require "never": lets a relay bind without TLS', async () => {
    fixture = await NodeFixture.build({ accounts: [RUBBLE] });
    expect(await asked(await fixture.authenticated(RUBBLE), bind('rubble.com', 1))).to.equal(0);
  });

  it('answers 530 to every operation of a peer that has not authenticated', async () => {
    fixture = await NodeFixture.build();
    const peer = await fixture.greeted();
    expect(await asked(peer, attach(FRED, 1))).to.equal(530);
    expect(await asked(peer, bind('rubble.com', 1))).to.equal(530);
    const { number } = await peer.start(IMXP);
    expect(await sent(peer, number, FRED, WILMA)).to.equal(530);
    expect((await peer.ask(number, textXml("<terminate transID='1' />"))).keyword).to.equal('ERR');
  });

  it('lets nobody log in with one account and act as another', async () => {
    fixture = await NodeFixture.build();
    const peer = await fixture.greeted();
    const login = { username: 'fred', password: passwordOf(FRED), authzid: WILMA };
    const verdict = await peer.authenticate(login);
    expect([verdict.keyword, errorIn(verdict.payload)?.code]).to.deep.equal(['ERR', 537]);
  });
});
