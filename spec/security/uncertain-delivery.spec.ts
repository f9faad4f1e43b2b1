/**
 * What a sender is told of a Data that may have arrived: 450 only where it certainly did not, 451 where nobody knows
 * (docs/internals/delivery.md).
 */
import { expect } from 'chai';
import { BARNEY, FRED, NodeFixture, WILMA } from '../support/node-fixture.js';
import { inlineData, OK } from '../support/raw-documents.js';
import { codeOf, RawNeighbour } from '../support/raw-neighbour.js';

describe('security: 450 is certainly not delivered, 451 is unknown', function () {
  this.timeout(30_000);
  let fixture: NodeFixture;
  const neighbours: RawNeighbour[] = [];

  afterEach(async () => {
    for (const neighbour of neighbours.splice(0)) neighbour.close();
    await fixture.close();
  });

  async function two(kind: 'siblings' | 'routes'): Promise<readonly [RawNeighbour, RawNeighbour]> {
    const pair = [await RawNeighbour.listen(), await RawNeighbour.listen()] as const;
    neighbours.push(...pair);
    const relays = pair.map(({ url }) => url);
    const mesh =
      kind === 'routes'
        ? { routes: [{ domain: 'rubble.com', relays, tls: 'off' as const, lanes: 1 }] }
        : { siblings: relays.map((url) => ({ relays: [url], tls: 'off' as const, lanes: 1 })) };
    fixture = await NodeFixture.build({
      limits: { data: { deliveryTimeoutMs: 1000 } },
      config: { mesh: { dns: { enabled: false }, ...mesh } },
    });
    return pair;
  }

  it('answers 451, and asks no other sibling, when a sibling is lost after it received a whole message', async () => {
    const [first, second] = await two('siblings');
    const fred = await fixture.attached(FRED);
    const linking = first.linked(1);
    const elsewhere = second.linked(1).then((linked) => linked.next());
    elsewhere.catch(() => undefined);
    fred.peer.msg(fred.channel, inlineData(FRED, [WILMA], 'once only'));
    const linked = await linking;
    const arrived = await linked.next();
    expect(`${arrived.payload}`).to.contain('once only');
    linked.session.destroy();
    const reply = fred.peer.nextReply(fred.channel, 5000);
    const first2 = await Promise.race([reply, elsewhere]);
    expect(first2.keyword, `delivered to two siblings: ${first2.payload}`).to.not.equal('MSG');
    expect(codeOf(await reply)).to.equal(451);
  });

  it('asks the next sibling after 450, and none after 451', async () => {
    const [first, second] = await two('siblings');
    const fred = await fixture.attached(FRED);
    const links = [first.linked(1), second.linked(1)] as const;
    fred.peer.msg(fred.channel, inlineData(FRED, [WILMA], 'where'));
    const one = await links[0];
    const asked = await one.next();
    one.session.reply(asked.channel, 'ERR', asked.msgno, error(450));
    const other = await links[1];
    const next = await other.next();
    other.session.reply(next.channel, 'RPY', next.msgno, OK);
    expect(codeOf(await fred.peer.nextReply(fred.channel))).to.equal(0);
    fred.peer.msg(fred.channel, inlineData(FRED, [WILMA], 'where'));
    const again = await one.next();
    one.session.reply(again.channel, 'ERR', again.msgno, error(451));
    expect(codeOf(await fred.peer.nextReply(fred.channel))).to.equal(451);
  });

  it('REQ-IMPP-073 answers 451 when a neighbour is lost after the message has left', async () => {
    const [first] = await two('routes');
    const fred = await fixture.attached(FRED);
    const linking = first.linked(1);
    fred.peer.msg(fred.channel, inlineData(FRED, ['dino@rubble.com'], 'arrived'));
    const linked = await linking;
    await linked.next();
    linked.session.destroy();
    expect(codeOf(await fred.peer.nextReply(fred.channel, 5000))).to.equal(451);
  });

  it('answers 451, not 450, when an endpoint received the whole message and leaves while replies are owed to it', async () => {
    fixture = await NodeFixture.build({ limits: { data: { deliveryTimeoutMs: 5000 } } });
    const [fred, barney, wilma] = [
      await fixture.attached(FRED),
      await fixture.attached(BARNEY),
      await fixture.attached(WILMA),
    ];
    // Wilma does not answer: all replies to Barney behind that one wait, in the relay.
    barney.peer.msg(barney.channel, inlineData(BARNEY, [WILMA], 'are you there?'));
    for (let at = 0; at < 20; at += 1) {
      barney.peer.msg(barney.channel, inlineData(BARNEY, ['nobody@example.com'], 'x'));
    }
    await wilma.peer.nextRequest(wilma.channel);
    fred.peer.msg(fred.channel, inlineData(FRED, [BARNEY], 'got it'));
    const arrived = await barney.peer.nextRequest(barney.channel);
    expect(`${arrived.payload}`).to.contain('got it');
    barney.peer.destroy();
    expect(codeOf(await fred.peer.nextReply(fred.channel, 5000))).to.equal(451);
  });

  it('answers 451 for several recipients when the fate of one is unknown, whatever became of the others', async () => {
    fixture = await NodeFixture.build({ limits: { data: { deliveryTimeoutMs: 5000 } } });
    const [fred, barney] = [await fixture.attached(FRED), await fixture.attached(BARNEY)];
    const answers: number[] = [];
    for (const others of [[WILMA], ['nobody@example.com'], [WILMA, 'nobody@example.com']]) {
      const again = answers.length === 0 ? barney : await fixture.attached(BARNEY);
      fred.peer.msg(fred.channel, inlineData(FRED, [BARNEY, ...others], 'got it'));
      await again.peer.nextRequest(again.channel);
      again.peer.destroy();
      answers.push(codeOf(await fred.peer.nextReply(fred.channel, 5000)));
    }
    expect(answers).to.deep.equal([451, 451, 451]);
  });
});

const error = (code: number): string => `Content-Type: text/xml\r\n\r\n<error code='${code}'>not here</error>\r\n`;
