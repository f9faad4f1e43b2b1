import { writeFileSync } from 'node:fs';
import { expect } from 'chai';
import { Endpoint, type Node, parseConfig, startNode } from 'imxp';
import {
  addressOfUri,
  fromMail,
  instantMessage,
  LocalPeer,
  MailGateway,
  openGateway,
  openMessage,
  parseCpim,
  parseMailGatewayConfig,
  parseXmppGatewayConfig,
  readMessage,
  toMail,
  uriOfAddress,
  writeCpim,
  writeMessage,
  XmppGateway,
} from 'imxp/message';
import { temporaryDirectory } from '../support/temporary.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';

describe('imxp/message', () => {
  const path = temporaryDirectory();

  it('writes an instant message, reads it again, and converts it to mail and back', () => {
    const text = 'Tonight at eight? \u2013 Fred';
    const message = instantMessage({
      from: 'im:fred@example.com',
      to: 'im:barney@rubble.com',
      subject: 'Bowling',
      text,
    });
    const read = readMessage(Buffer.from(writeMessage(message)));
    expect([read.subject, read.to.map(({ uri }) => uri)]).to.deep.equal(['Bowling', ['im:barney@rubble.com']]);
    const mail = toMail(message, { imIsMail: true });
    expect(mail.toString()).to.match(/^Subject: Bowling\r$/m);
    expect(fromMail(mail, { scheme: 'im' }).text).to.equal(text);
  });

  it('writes message/cpim and reads it again', () => {
    const content = { type: 'text/plain; charset=utf-8', body: Buffer.from('Tonight?') };
    const [from, to] = [
      { phrase: 'Fred', uri: 'im:fred@example.com' },
      { phrase: undefined, uri: 'im:barney@rubble.com' },
    ];
    const read = parseCpim(writeCpim({ from, to: [to], dateTime: new Date(), content }));
    expect([read.from?.uri, read.content.body.toString()]).to.deep.equal(['im:fred@example.com', 'Tonight?']);
  });

  it('maps addresses to URIs and back', () => {
    expect(uriOfAddress('im', FRED)).to.equal('im:fred@example.com');
    expect(addressOfUri('im:barney@example.com')).to.equal(BARNEY);
  });

  it('opens what an endpoint has received, and connects an endpoint with a CPIM domain', async () => {
    const node: Node = await startNode(
      parseConfig(
        {
          domains: ['example.com'],
          listen: [{ port: 0 }],
          store: { type: 'memory' },
          mesh: { dns: { enabled: false } },
        },
        '/',
      ),
    );
    const relay = `tcp://127.0.0.1:${node.listening[0]?.port}`;
    await node.addAccount(FRED, 'yabba');
    await node.addAccount(BARNEY, 'dabba');
    const fred = await Endpoint.connect({ address: FRED, relay, password: 'yabba' });
    const barney = await Endpoint.connect({ address: BARNEY, relay, password: 'dabba' });
    const peer = new LocalPeer();
    peer.connect(
      openGateway(barney, peer, { security: { authenticated: true, confidential: true }, answerTimeoutMs: 50 }),
    );
    const taken: string[] = [];
    peer.inbox('im:barney@example.com', ({ source, content }) => {
      taken.push(`${source}: ${content.body}`);
      return 'success';
    });
    const kinds: string[] = [];
    fred.receive((delivery) => void kinds.push(openMessage(delivery.raw).kind));
    try {
      await fred.send({ to: BARNEY, content: 'Bowling tonight?' });
      expect(taken).to.deep.equal(['im:fred@example.com: Bowling tonight?']);
      await fred.send({ to: FRED, content: { message: { subject: 'Bowling', text: 'Tonight' } } });
      const content = { type: 'text/plain', headers: [], body: Buffer.from('On my way') };
      await peer.send({ source: 'im:barney@example.com', destination: 'im:fred@example.com', content });
      expect(kinds).to.deep.equal(['message', 'other']);
    } finally {
      await Promise.all([fred.close(), barney.close()]);
      await node.stop();
    }
  });

  it('starts a gateway to XMPP, or says that there is no XMPP server', async () => {
    writeFileSync(path('secret'), 'quarry\n', { mode: 0o600 });
    const config = parseXmppGatewayConfig(
      {
        mesh: { address: 'imxp=gateway@xmpp.example', passwordFile: 'password' },
        xmpp: { port: 1, components: [{ domain: 'example.com', secretFile: 'secret' }] },
        domains: [{ mesh: 'xmpp.example', xmpp: 'slate.example' }],
        store: { type: 'memory' },
      },
      path(),
    );
    const port = { send: async () => {}, receive: () => {}, attach: async () => {}, on: () => {} };
    const security = { authenticated: true, confidential: true };
    const failure = await XmppGateway.start(config, port, { security }).catch((error: unknown) => error);
    expect(failure).to.include({ code: 'CONNECT_FAILED' });
  });

  it('starts a gateway to mail, which ends in order', async () => {
    const config = parseMailGatewayConfig({
      mesh: { address: 'imxp=gateway@mail.example', passwordFile: 'password' },
      listen: { port: 0 },
      smtp: { port: 1 },
      users: [{ mesh: 'example.com', mail: 'example.com' }],
      domains: [{ mesh: 'mail.example', mail: 'slate.example' }],
    });
    const attached: string[] = [];
    const attach = async (address: string) => attached.push(address);
    const port = { send: async () => {}, receive: () => {}, attach };
    const security = { authenticated: true, confidential: true };
    const gateway = await MailGateway.start(config, port, { security });
    expect(gateway.port).to.be.greaterThan(0);
    expect(attached).to.deep.equal(['*@mail.example']);
    await gateway.close();
  });
});
