/** Neighbours that keep a session and leave no channel of it to send on: nobody may wait for them without an end. */
import { expect } from 'chai';
import { events } from '../../lib/ops/events.js';
import type { SomeLimits } from '../support/limits.js';
import { FRED, NodeFixture, WILMA } from '../support/node-fixture.js';
import { bind, inlineData } from '../support/raw-documents.js';
import { accept, closeChannel, codeOf, grant, RawNeighbour } from '../support/raw-neighbour.js';
import type { AttachedPeer } from '../support/relay-fixture.js';

const THERE = 'dino@rubble.com';

describe('security: links without a working channel', function () {
  this.timeout(30_000);
  let fixture: NodeFixture;
  let neighbour: RawNeighbour;
  let unsubscribe = (): void => {};

  beforeEach(async () => {
    neighbour = await RawNeighbour.listen();
    const routes = [{ domain: 'rubble.com', relays: [neighbour.url], tls: 'off' as const }];
    const limits = {
      link: { lanes: 2, maximumLanes: 2 },
      data: { deliveryTimeoutMs: 1000 },
      session: { closeTimeoutMs: 500 },
    };
    const accounts = ['imxp=mesh@rubble.com'];
    fixture = await NodeFixture.build({ limits, accounts, config: { mesh: { dns: { enabled: false }, routes } } });
  });

  afterEach(async () => {
    unsubscribe();
    neighbour.close();
    await fixture.close();
  });

  it('answers all Data and reconnects when a neighbour closes all channels of a link and keeps the session', async () => {
    const fred = await fixture.attached(FRED);
    const { session, channels } = await firstData(fred);
    const next = neighbour.linked(2);
    for (const channel of channels) await closeChannel(session, channel);
    // The link leaves the session that is of no more use, and says no to what comes until there is another one.
    fred.peer.msg(fred.channel, inlineData(FRED, [THERE], 'two'));
    expect(codeOf(await fred.peer.nextReply(fred.channel, 3000))).to.equal(450);
    const again = await next;
    again.session.onRequest = (message) => accept(again.session, message);
    let code: number;
    do {
      fred.peer.msg(fred.channel, inlineData(FRED, [THERE], 'three'));
      code = codeOf(await fred.peer.nextReply(fred.channel, 3000));
    } while (code === 450);
    expect(code).to.equal(0);
  });

  it('sends everything on the other channel when a neighbour closes one of two', async () => {
    const fred = await fixture.attached(FRED);
    const linked = await firstData(fred);
    const { session, channels } = linked;
    const [first = 0, second = 0] = channels;
    await closeChannel(session, first);
    for (let at = 0; at < 10; at += 1) {
      fred.peer.msg(fred.channel, inlineData(FRED, [`dino/${at}@rubble.com`], 'x'));
      const arrived = await linked.next();
      expect(arrived.channel).to.equal(second);
      accept(session, arrived);
      expect(codeOf(await fred.peer.nextReply(fred.channel, 3000))).to.equal(0);
    }
  });

  it('answers Data in time, and does not take the link as up, when framing breaks in the segment of the last start reply', async () => {
    const states: string[] = [];
    unsubscribe = events.link.subscribe(({ state }) => states.push(state));
    const fred = await fixture.attached(FRED);
    const greeted = neighbour.greeted();
    fred.peer.msg(fred.channel, inlineData(FRED, [THERE], 'one'));
    const session = await greeted;
    grant(session, await session.started());
    const last = await session.started();
    // The reply to the last start and what is no frame, written as one segment.
    const reply = session
      .channel(0)
      .build(
        'RPY',
        last.msgno,
        `Content-Type: application/beep+xml\r\n\r\n<profile uri='${last.uri}'><![CDATA[<ok />]]></profile>\r\n`,
      );
    session.inject(Buffer.concat([reply, Buffer.from('NOT A FRAME\r\n')]));
    expect(codeOf(await fred.peer.nextReply(fred.channel, 3000))).to.equal(450);
    expect(states, 'it was never up').to.not.include('up');
    fred.peer.msg(fred.channel, inlineData(FRED, [THERE], 'two'));
    expect(codeOf(await fred.peer.nextReply(fred.channel, 3000))).to.be.oneOf([450, 451]);
  });

  it('ends the session by time, and answers Data, when a neighbour never answers a start', async () => {
    await rebuild({
      link: { lanes: 1, maximumLanes: 1 },
      data: { deliveryTimeoutMs: 500 },
      session: { tuningTimeoutMs: 800, closeTimeoutMs: 500 },
    });
    const fred = await fixture.attached(FRED);
    const greeted = neighbour.greeted();
    fred.peer.msg(fred.channel, inlineData(FRED, [THERE], 'one'));
    const session = await greeted;
    await session.started();
    expect(codeOf(await fred.peer.nextReply(fred.channel, 3000))).to.equal(450);
    await session.ended(5000);
    // It is dialled again by itself.
    await neighbour.greeted();
  });

  it('cuts off by time a neighbour that answers neither Data nor the close of a channel', async () => {
    const fred = await fixture.attached(FRED);
    const linked = neighbour.linked(2);
    fred.peer.msg(fred.channel, inlineData(FRED, [THERE], 'one'));
    const link = await linked;
    const { session } = link;
    const arrived = await link.next();
    // An answer that is neither ok nor error has the channel closed (RFC 3080 §2.2.2.1), which this one does not answer.
    session.reply(arrived.channel, 'RPY', arrived.msgno, 'Content-Type: text/xml\r\n\r\n<perhaps />\r\n');
    expect(codeOf(await fred.peer.nextReply(fred.channel))).to.equal(451);
    await session.ended(5000);
  });

  it('serves others with presence while replies of services wait for such a neighbour', async () => {
    await rebuild({
      link: { lanes: 2, maximumLanes: 2 },
      data: { deliveryTimeoutMs: 1000 },
      session: { closeTimeoutMs: 500 },
      presence: { outstanding: 8 },
    });
    const fred = await fixture.attached(FRED);
    const { session, channels } = await firstData(fred);
    for (const channel of channels) await closeChannel(session, channel);
    // Requests that come by another session, which the service has to answer over the link.
    const mesh = await fixture.authenticated('imxp=mesh@rubble.com');
    const other = await mesh.imxp(bind('rubble.com', 1));
    for (let at = 0; at < 40; at += 1) {
      mesh.msg(other, inlineData(THERE, ['imxp=presence@example.com'], subscription(at + 1, WILMA)));
    }
    for (let at = 0; at < 8; at += 1) await mesh.nextReply(other);
    const wilma = await fixture.attached(WILMA);
    const asked = inlineData(WILMA, ['imxp=presence@example.com'], subscription(7, WILMA));
    wilma.peer.msg(wilma.channel, asked);
    const answer = await wilma.peer.nextRequest(wilma.channel, 5000);
    expect(`${answer.payload}`).to.match(/transID=['"]7['"]/);
  });

  async function rebuild(limits: SomeLimits): Promise<void> {
    await fixture.close();
    const routes = [{ domain: 'rubble.com', relays: [neighbour.url], tls: 'off' as const }];
    const accounts = ['imxp=mesh@rubble.com'];
    fixture = await NodeFixture.build({ limits, accounts, config: { mesh: { dns: { enabled: false }, routes } } });
  }

  /** Has the link made by a first Data, which is answered. */
  async function firstData(fred: AttachedPeer) {
    const linking = neighbour.linked(2);
    fred.peer.msg(fred.channel, inlineData(FRED, [THERE], 'one'));
    const linked = await linking;
    accept(linked.session, await linked.next());
    expect(codeOf(await fred.peer.nextReply(fred.channel))).to.equal(0);
    return linked;
  }
});

const subscription = (transID: number, publisher: string): string =>
  `<subscribe publisher='${publisher}' duration='100' transID='${transID}' />`;
