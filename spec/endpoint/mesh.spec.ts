import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import { events } from '../../lib/ops/events.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh } from '../support/local-mesh.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';
const BETTY = 'betty@rubble.com';
const WB = 'barney/appl=wb@rubble.com';

const sha256 = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex');

for (const [way, tls, transport] of [
  ['in the clear', false, 'tcp'],
  ['over TLS', true, 'tcp'],
  ['over ws', false, 'ws'],
  ['over TLS over ws', true, 'ws'],
  ['over wss', true, 'wss'],
] as const) {
  describe(`endpoint: two relays, ${way}`, () => {
    let mesh: LocalMesh;

    before(async () => {
      mesh = await LocalMesh.start({ tls, transport });
    });

    afterEach(() => mesh.leave());

    after(() => mesh.close());

    it('REQ-IMXP-028 REQ-IMXP-051 carries a message to the application, and its ok back', async () => {
      const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
      const sent = fred.send({ to: BARNEY, content: 'Yabba dabba doo' });
      for await (const delivery of barney) {
        expect(delivery.originator).to.equal(FRED);
        expect(delivery.recipients).to.deep.equal([BARNEY]);
        expect(delivery.text()).to.equal('Yabba dabba doo');
        break;
      }
      await within(5000, sent, 'the ok');
    });

    it('carries an explicit refusal back with its code and text', async () => {
      const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
      const text = 'no bowling <today> & "tomorrow"';
      barney.receive((delivery) => void delivery.refuse({ code: 554, text }));
      expect((await failureOf(fred.send({ to: BARNEY, content: 'x' }))).reply).to.deep.equal({ code: 554, text });
    });

    it('keeps 256 outstanding messages in order', async () => {
      const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
      const received: string[] = [];
      barney.receive((delivery) => void received.push(delivery.text()));
      const answered: string[] = [];
      const texts = Array.from({ length: 2560 }, (_, index) => `message ${index}`);
      await within(
        15_000,
        Promise.all(texts.map((content) => fred.send({ to: BARNEY, content }).then(() => answered.push(content)))),
        'all answers',
      );
      expect(received).to.deep.equal(texts);
      expect(answered).to.deep.equal(texts);
    }).timeout(30_000);

    it('REQ-IMXP-034 carries 5 MiB octet for octet, both ways at once', async () => {
      const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
      const [there, back] = [randomBytes(5 * 1_048_576), randomBytes(5 * 1_048_576)];
      const arrived = new Map<string, string>();
      for (const endpoint of [fred, barney]) {
        endpoint.receive(({ originator, content }) => {
          if (content.kind === 'part') arrived.set(originator, sha256(content.body));
        });
      }
      await within(
        15_000,
        Promise.all([fred.send({ to: BARNEY, content: there }), barney.send({ to: FRED, content: back })]),
        'both answers',
      );
      expect(arrived.get(FRED)).to.equal(sha256(there));
      expect(arrived.get(BARNEY)).to.equal(sha256(back));
    }).timeout(30_000);

    it('sends while a large delivery is unanswered', async () => {
      const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY, { autoAccept: false })];
      fred.receive(() => {});
      const sent = fred.send({ to: BARNEY, content: randomBytes(3 * 1_048_576) });
      for await (const delivery of barney) {
        await within(5000, barney.send({ to: FRED, content: 'got something large' }), 'the answer to the answer');
        delivery.accept();
        break;
      }
      await within(5000, sent, 'the ok');
    });
  });
}

describe('endpoint: real relays', () => {
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start();
  });

  afterEach(() => mesh.leave());

  after(() => mesh.close());

  it('reaches several recipients in several domains at once', async () => {
    const [fred, wilma, barney, betty] = await Promise.all([FRED, WILMA, BARNEY, BETTY].map((it) => mesh.attach(it)));
    const got: string[] = [];
    for (const endpoint of [wilma, barney, betty]) {
      endpoint?.receive(({ recipients }) => void got.push(...recipients));
    }
    await fred?.send({ to: [WILMA, BARNEY, BETTY], content: 'Dinner' });
    expect(got.sort()).to.deep.equal([BARNEY, BETTY, WILMA]);
  });

  it('succeeds when one of several recipients accepts, and lists all reasons when none does', async () => {
    const [fred, wilma] = [await mesh.attach(FRED), await mesh.attach(WILMA)];
    wilma.receive(() => {});
    await fred.send({ to: [WILMA, BARNEY], content: 'x' });
    const { reply } = await failureOf(fred.send({ to: [BARNEY, 'nobody@example.com'], content: 'x' }));
    expect(reply?.code).to.equal(450);
    expect(reply?.text).to.contain(BARNEY).and.to.contain('nobody@example.com');
  });

  it('says what is wrong', async () => {
    const fred = await mesh.attach(FRED);
    const refusals: [string, string, number][] = [
      [FRED, BARNEY, 450],
      [FRED, 'nobody@rubble.com', 550],
      [FRED, 'nobody@example.com', 550],
      [FRED, 'pebbles@nowhere.example', 550],
      [WILMA, BARNEY, 537],
    ];
    for (const [from, to, code] of refusals) {
      const { reply } = await failureOf(fred.send({ from, to, content: 'x' }));
      expect(reply?.code, `${from} to ${to}: ${reply?.text}`).to.equal(code);
      expect(reply?.text).not.to.equal('');
    }
  });

  it('attaches as a subaddress and sends from it', async () => {
    const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
    expect((await failureOf(fred.send({ to: WB, content: 'x' }))).reply?.code).to.equal(450);
    await barney.attach(WB);
    const got: string[] = [];
    barney.receive(({ recipients, originator }) => void got.push(`${originator} ${recipients[0]}`));
    await fred.send({ to: WB, content: 'x' });
    await fred.send({ from: 'fred/appl=chat@example.com', to: BARNEY, content: 'x' });
    expect(got).to.deep.equal([`${FRED} ${WB}`, `fred/appl=chat@example.com ${BARNEY}`]);
    await barney.terminate(WB);
    expect((await failureOf(fred.send({ to: WB, content: 'x' }))).reply?.code).to.equal(450);
  });

  it('refuses a wrong password, another identity, a second attach, and a port where nobody listens', async () => {
    const wrong = await failureOf(Endpoint.connect(mesh.options(FRED, { password: 'stone' })));
    expect(wrong.code).to.equal('SASL_REFUSED');
    expect(wrong.reply?.code).to.equal(535);
    const unknown = await failureOf(Endpoint.connect(mesh.options('nobody@example.com')));
    expect([unknown.code, unknown.reply]).to.deep.equal([wrong.code, wrong.reply]);
    const fred = await mesh.attach(FRED);
    expect((await failureOf(fred.attach(WILMA))).reply?.code).to.equal(537);
    expect((await failureOf(fred.attach(BARNEY))).reply?.code).to.equal(553);
    expect((await failureOf(Endpoint.connect(mesh.options(FRED)))).reply?.code).to.equal(554);
    const nowhere = await failureOf(Endpoint.connect(mesh.options(FRED, { relay: 'tcp://127.0.0.1:1' })));
    expect(nowhere.code).to.equal('CONNECT_FAILED');
    const strict = await failureOf(Endpoint.connect(mesh.options(FRED, { tls: 'require' })));
    expect(strict.code).to.equal('TLS_REQUIRED');
  });

  it('refuses as busy what a slow application cannot take, and accepts it later', async () => {
    const [fred, wilma] = [await mesh.attach(FRED), await mesh.attach(WILMA, { limits: { queuedData: 5 } })];
    const sends = Array.from({ length: 8 }, (_, index) => fred.send({ to: WILMA, content: `${index}` }));
    const settled = Promise.allSettled(sends);
    const loop = wilma[Symbol.asyncIterator]();
    const texts: (string | undefined)[] = [];
    for (let count = 0; count < 5; count += 1) texts.push((await loop.next()).value?.text());
    // Answers leave in the order of the messages: the refusals are seen after what came before them is answered.
    const sixth = loop.next();
    const results = await within(5000, settled, 'all answers');
    expect(texts).to.deep.equal(['0', '1', '2', '3', '4']);
    expect(results.map(({ status }) => status)).to.deep.equal([
      ...Array<string>(5).fill('fulfilled'),
      ...Array<string>(3).fill('rejected'),
    ]);
    const refused = results[5];
    expect(refused?.status === 'rejected' && refused.reason.reply).to.deep.equal({ code: 450, text: 'recipient busy' });
    const later = fred.send({ to: WILMA, content: 'later' });
    expect((await within(5000, sixth, 'the next delivery')).value?.text()).to.equal('later');
    await loop.return?.();
    await later;
  });

  it('closes in order: what was sent is answered, and the address is free at once', async () => {
    const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
    barney.receive(() => {});
    const sends = Array.from({ length: 50 }, (_, index) => fred.send({ to: BARNEY, content: `${index}` }));
    await fred.close();
    await Promise.all(sends);
    const again = await mesh.attach(FRED);
    expect(again.connected).to.equal(true);
  });

  it('reconnects after the relay was restarted', async () => {
    const [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY, { reconnect: { firstMs: 20 } })];
    barney.receive(() => {});
    await fred.send({ to: BARNEY, content: 'before' });
    const lost = once(barney, 'disconnect');
    const back = once(barney, 'connect');
    await mesh.stopNode('rubble.com');
    const [error, retrying] = await within(5000, lost, 'it is lost');
    expect([error.code, retrying]).to.deep.equal(['TERMINATED', true]);
    expect((await failureOf(fred.send({ to: BARNEY, content: 'meanwhile' }))).reply?.code).to.equal(450);
    const linked = new Promise<void>((resolve) => {
      const stop = events.link.subscribe(({ state }) => {
        if (state !== 'up') return;
        stop();
        resolve();
      });
    });
    await mesh.startNode('rubble.com');
    await within(10_000, back, 'it is back');
    // The link of the relays comes back by itself as well, in its own time.
    await within(15_000, linked, 'the relays are linked again');
    await fred.send({ to: BARNEY, content: 'after' });
  }).timeout(40_000);

  it('ends with a typed error when the relay stops and it does not reconnect', async () => {
    const fred = await mesh.attach(FRED);
    const loop = failureOf(
      (async () => {
        for await (const _ of fred);
      })(),
    );
    await mesh.stopNode('example.com');
    expect(await within(5000, loop, 'the loop ends')).to.deep.include({ code: 'TERMINATED' });
    await mesh.startNode('example.com');
  }).timeout(30_000);
});
