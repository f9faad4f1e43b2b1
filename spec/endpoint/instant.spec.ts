import { expect } from 'chai';
import { parseConfig } from '../../lib/config/parse.js';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { Message } from '../../lib/endpoint/message.js';
import { LocalPeer } from '../../lib/gateway/local-peer.js';
import { openGateway } from '../../lib/gateway/open.js';
import { fieldOf } from '../../lib/message/field.js';
import { InstantMessage, type InstantMessageInit } from '../../lib/message/instant-message.js';
import { openMessage } from '../../lib/message/open.js';
import { startNode } from '../../lib/node/node.js';
import { makeVerifier } from '../../lib/sasl/verifier.js';
import { failureOf } from '../support/failure.js';
import { LocalMesh, passwordOf } from '../support/local-mesh.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@rubble.com';

describe('endpoint: instant messages', () => {
  let mesh: LocalMesh;
  let fred: Endpoint;
  let barney: Endpoint;
  let got: Delivery[];

  before(async () => {
    mesh = await LocalMesh.start();
    [fred, barney] = [await mesh.attach(FRED), await mesh.attach(BARNEY)];
  });

  beforeEach(() => {
    got = [];
    barney.receive((delivery) => void got.push(delivery));
  });

  after(() => mesh.close());

  async function sent(message: Omit<Message, 'to'>): Promise<Delivery> {
    await within(5000, fred.send({ to: BARNEY, ...message }), 'the ok');
    const delivery = got.at(-1);
    if (delivery === undefined) throw new Error('nothing arrived');
    return delivery;
  }

  const message: InstantMessageInit = {
    subject: 'Bowling – heute?',
    lang: 'de',
    text: 'Um acht?\nYabba & dabba <doo>',
  };

  for (const form of ['nested', 'part', 'inline'] as const) {
    it(`carries subject, text and what the Data says already (${form})`, async () => {
      const delivery = await sent({ content: { message, form } });
      expect(delivery.message?.subject).to.equal('Bowling – heute?');
      expect(delivery.text()).to.equal('Um acht?\nYabba & dabba <doo>');
      expect(delivery.message?.from?.uri).to.equal('im:fred@example.com');
      expect(delivery.message?.to[0]?.uri).to.equal('im:barney@rubble.com');
      expect(delivery.message?.first('message-id')).to.match(/^<.*@example\.com>$/);
      expect(Math.abs((delivery.message?.date?.getTime() ?? 0) - Date.now())).to.be.below(60_000);
    });
  }

  it('keeps header fields that the message states itself', async () => {
    const from = { phrase: 'Fred Flintstone', uri: 'im:fred@example.com' };
    const delivery = await sent({ content: { message: { ...message, from, date: new Date(0) } } });
    expect(delivery.message?.from).to.deep.equal(from);
    expect(delivery.message?.all('from')).to.have.length(1);
    expect(delivery.message?.date?.getTime()).to.equal(0);
  });

  it('REQ-CPIM-013 writes message/cpim for recipients beyond a gateway', async () => {
    const content = { type: 'text/plain; charset=utf-8', body: Buffer.from('Yabba') };
    const delivery = await sent({ content: { cpim: { subject: 'Bowling', content } } });
    expect(delivery.content.kind === 'part' && delivery.content.type).to.equal('message/cpim');
    expect([delivery.message?.subject, delivery.text()]).to.deep.equal(['Bowling', 'Yabba']);
    expect(delivery.message?.from?.uri).to.equal('im:fred@example.com');
  });

  it('REQ-MSG-014 REQ-MSG-015 reads them as plain text, with flowed lines joined', async () => {
    expect((await sent({ content: 'Ä\n' })).text()).to.equal('Ä\n');
    const flowed = await sent({ content: 'a long \r\nline\r\n', type: 'text/plain; charset=UTF-8; format=flowed' });
    expect([flowed.text(), flowed.message]).to.deep.equal(['a long line', undefined]);
    const ascii = await sent({ content: Buffer.from('plain'), type: 'text/plain; charset=US-ASCII' });
    expect(ascii.text()).to.equal('plain');
    expect((await sent({ content: { xml: '<note>message</note>' } })).text()).to.equal('<note>message</note>');
  });

  it('carries headers of the content', async () => {
    const { content } = await sent({ content: 'Hallo', headers: [{ name: 'Content-Language', value: 'de' }] });
    expect(content.kind === 'part' && content.headers.get('content-language')).to.equal('de');
    expect((await failureOf(fred.send({ to: BARNEY, content: { message }, type: 'text/plain' }))).code).to.equal(
      'ARGUMENT',
    );
  });

  it('REQ-MSG-010 REQ-CPIM-028 answers 504 to a message that demands what is not understood', async () => {
    barney.receive((delivery) => void delivery.message);
    const rank = { ...fieldOf('rank', 'Poobah'), namespace: 'urn:example:lodge', seeNoEvil: false };
    const strict = new InstantMessage({ fields: [rank] });
    expect((await failureOf(fred.send({ to: BARNEY, content: { message: strict } }))).reply?.code).to.equal(504);
    const content = { type: 'text/plain', body: Buffer.from('x') };
    const cpim = { require: ['Unheard-Of'], content };
    expect((await failureOf(fred.send({ to: BARNEY, content: { cpim } }))).reply?.code).to.equal(504);
    const broken = fred.send({ to: BARNEY, content: '<message>', type: 'message/RFC822+XML' });
    expect((await failureOf(broken)).reply?.code).to.equal(500);
    barney.receive((delivery) => {
      const opened = openMessage(delivery.raw, { understands: (namespace) => namespace === 'urn:example:lodge' });
      expect(opened.kind).to.equal('message');
    });
    await fred.send({ to: BARNEY, content: { message: strict } });
  });

  it('REQ-CPIM-008 REQ-CPIM-011 passes messages through a gateway at an endpoint in both directions', async () => {
    const peer = new LocalPeer();
    const security = { authenticated: true, confidential: true };
    const gateway = openGateway(barney, peer, { security, answerTimeoutMs: 50 });
    peer.connect(gateway);
    const bodies: string[] = [];
    peer.inbox('im:barney@rubble.com', ({ content, source }) => {
      bodies.push(`${source} ${content.type} ${content.body}`);
      return content.body.includes('refuse') ? 'failure' : 'success';
    });
    await fred.send({ to: BARNEY, content: 'Yabba' });
    expect(bodies).to.deep.equal(['im:fred@example.com text/plain; charset=UTF-8 Yabba']);
    expect((await failureOf(fred.send({ to: BARNEY, content: 'refuse' }))).reply?.code).to.equal(550);
    const texts: string[] = [];
    fred.receive((delivery) => void texts.push(delivery.text()));
    const content = { type: 'text/plain; charset=utf-8', headers: [], body: Buffer.from('Dabba') };
    const response = await peer.send({ source: 'im:barney@rubble.com', destination: 'im:fred@example.com', content });
    expect(response.status).to.be.oneOf(['success', 'indeterminant']);
    expect(texts).to.deep.equal(['Dabba']);
    const lost = await peer.send({ source: 'im:barney@rubble.com', destination: 'im:nobody@example.com', content });
    expect(lost.status).to.equal('failure');
    gateway.close();
  });
});

describe('endpoint: instant messages and the access service', () => {
  it('REQ-MSG-017 REQ-IMPP-070 delivers only where the access entries permit the sender', async () => {
    const node = await startNode(
      parseConfig(
        {
          domains: ['example.com'],
          listen: [{ transport: 'tcp', host: '127.0.0.1', port: 0 }],
          sasl: { mechanisms: ['DIGEST-MD5'] },
          store: { type: 'memory' },
          mesh: { dns: { enabled: false } },
          access: {
            initial: [
              { actor: 'owner', actions: ['all:all'] },
              { actor: 'wilma@example.com', actions: ['core:data'] },
            ],
          },
        },
        '/',
      ),
    );
    const endpoints: Endpoint[] = [];
    try {
      for (const address of [FRED, 'wilma@example.com']) {
        await node.accounts.add(await makeVerifier(address, passwordOf(address), { realms: ['example.com'] }));
        const relay = `tcp://127.0.0.1:${node.listening[0]?.port}`;
        endpoints.push(await Endpoint.connect({ address, relay, password: passwordOf(address) }));
      }
      const [fred, wilma] = endpoints;
      for (const endpoint of endpoints) endpoint.receive(() => {});
      const content = { message: { text: 'Dinner?' } };
      await wilma?.send({ to: FRED, content });
      const sending = fred?.send({ to: 'wilma@example.com', content }) ?? Promise.resolve();
      expect((await failureOf(sending)).reply?.code).to.equal(537);
    } finally {
      await Promise.all(endpoints.map((endpoint) => endpoint.close()));
      await node.stop();
    }
  });
});
