import { expect } from 'chai';
import { TransportError } from '../../../lib/errors.js';
import { type MessageOperation, responseTo } from '../../../lib/gateway/cpim-service.js';
import { childOf, stanza, type XmppElement, xmppElement } from '../../../lib/gateway/xmpp/element.js';
import { contentOfStanza } from '../../../lib/gateway/xmpp/message-mapping.js';
import { type XmppMessageOptions, XmppMessages } from '../../../lib/gateway/xmpp/messages.js';
import { events, type Refused } from '../../../lib/ops/events.js';
import { pause } from '../../../lib/transport/backoff.js';
import { fakes, turn } from './fakes.js';

const OPTIONS: XmppMessageOptions = {
  confirmation: 'receipt',
  confirmationTimeoutMs: 5000,
  stanzaOctets: 2000,
  outstanding: 3,
  outstandingPerUser: 2,
};
const NAMESPACE = 'jabber:component:accept';
const ERROR = xmppElement(
  'error',
  NAMESPACE,
  { type: 'cancel' },
  xmppElement('item-not-found', 'urn:ietf:params:xml:ns:xmpp-stanzas'),
);

function build(options: Partial<XmppMessageOptions> = {}) {
  const { link, mesh, context } = fakes();
  return {
    link,
    mesh,
    messages: new XmppMessages({ ...context, wait: pause, now: Date.now }, { ...OPTIONS, ...options }),
  };
}

const operation = (change: Partial<MessageOperation> = {}): MessageOperation => ({
  type: 'message',
  source: 'im:fred@example.com',
  destination: 'im:romeo@xmpp.example',
  transID: 'abc',
  maxForwards: 9,
  content: { type: 'text/plain', headers: [], body: Buffer.from('Hello') },
  ...change,
});

const fromRomeo = (attributes: object, ...children: XmppElement[]) =>
  stanza('message', { from: 'romeo@slate.example/o', to: 'fred@example.com', ...attributes }, ...children);
const receipt = (id: string) => xmppElement('received', 'urn:xmpp:receipts', { id });
const body = (text: string) => xmppElement('body', NAMESPACE, {}, text);
const request = xmppElement('request', 'urn:xmpp:receipts');

describe('messages from the mesh to XMPP', () => {
  it('are answered when a client of the recipient sends a receipt', async () => {
    const { link, messages } = build();
    link.answer = () => void messages.received(fromRomeo({}, receipt('abc')), link);
    expect(await messages.fromGateway(operation())).to.deep.equal({ transID: 'abc', status: 'success' });
    expect(link.sent.map(({ attributes: { from, to } }) => [from, to])).to.deep.equal([
      ['fred@example.com/imxp', 'romeo@slate.example'],
    ]);
  });

  it('are settled by nobody else: another user of the domain, or a ping that our own server answers', async () => {
    const { link, messages } = build({ confirmationTimeoutMs: 50, confirmation: 'server' });
    const unreachable = xmppElement(
      'error',
      NAMESPACE,
      { type: 'cancel' },
      xmppElement('remote-server-not-found', 'urn:ietf:params:xml:ns:xmpp-stanzas'),
    );
    link.answer = ({ name, attributes: { from, to, id } }) => {
      const forged = { from: 'mallory@slate.example', to: from, id };
      if (name === 'message') void messages.received(stanza('message', { ...forged, type: 'error' }, ERROR), link);
      else {
        messages.answered(stanza('iq', { ...forged, type: 'result' }));
        messages.answered(stanza('iq', { from: to, to: from, id, type: 'error' }, unreachable));
      }
    };
    const outcome = await messages.fromGateway(operation());
    expect(outcome).to.deep.include({ status: 'indeterminant', code: 451 });
    expect(outcome.reason).to.match(/cannot be reached/);
  });

  it('are refused with the code of a stanza error', async () => {
    const { link, messages } = build();
    const from = 'romeo@slate.example';
    link.answer = ({ attributes: { id } }) =>
      void messages.received(fromRomeo({ from, type: 'error', id }, ERROR), link);
    const { status, code, reason } = await messages.fromGateway(operation());
    expect([status, code, reason]).to.deep.equal(['failure', 550, 'the XMPP server knows no such user']);
  });

  it('are not affected by receipts and errors from anyone but the recipient', async () => {
    const { link, messages } = build({ confirmationTimeoutMs: 60 });
    link.answer = () => {
      const others = ['mallory@slate.example/o', 'romeo@evil.example', 'slate.example'];
      for (const from of others) void messages.received(fromRomeo({ from }, receipt('abc')), link);
      void messages.received(fromRomeo({ to: 'wilma@example.com' }, receipt('abc')), link);
      void messages.received(fromRomeo({ from: 'romeo@evil.example', type: 'error', id: 'abc' }, ERROR), link);
    };
    const { status, code } = await messages.fromGateway(operation());
    expect([status, code]).to.deep.equal(['indeterminant', 451]);
  });

  it('are answered 451 if no receipt arrives in time or the connection is lost first', async () => {
    const { link, messages } = build({ confirmationTimeoutMs: 30 });
    expect((await messages.fromGateway(operation())).reason).to.contain('no XMPP client acknowledged');
    const lost = build();
    lost.link.answer = () => lost.link.controller?.abort();
    expect(await lost.messages.fromGateway(operation())).to.include({ status: 'indeterminant', code: 451 });
    expect(link.sent).to.have.length(1);
  });

  it('are answered when the server of the recipient has read them, where the configuration says that this is enough', async () => {
    const { link, messages } = build({ confirmation: 'server' });
    link.answer = ({ name, attributes: { id, from, to } }) => {
      if (name !== 'iq') return;
      expect(to).to.equal('slate.example');
      messages.answered(stanza('iq', { type: 'error', id, from: 'evil.example', to: from }));
      messages.answered(stanza('iq', { type: 'error', id, from: to, to: from }, ERROR));
    };
    expect((await messages.fromGateway(operation())).status).to.equal('success');
  });

  it('are answered 450 if nothing was sent, and 451 if the connection is lost after that', async () => {
    const { link, messages } = build();
    link.controller = undefined;
    expect(await messages.fromGateway(operation())).to.include({ status: 'failure', code: 450 });
    link.controller = new AbortController();
    link.send = () => Promise.reject(new TransportError('CONNECT_FAILED', 'gone', { fields: { sent: false } }));
    expect(await messages.fromGateway(operation())).to.include({ status: 'failure', code: 450 });
    link.send = () => Promise.reject(new TransportError('CONNECTION_LOST', 'gone'));
    expect(await messages.fromGateway(operation())).to.include({ status: 'indeterminant', code: 451 });
  });

  it('are refused if XMPP cannot carry them', async () => {
    const { link, messages } = build();
    const content = (type: string, text: string) => ({ type, headers: [], body: Buffer.from(text) });
    for (const [change, code] of [
      [{ source: 'im:Fred@example.com' }, 553],
      [{ source: 'im:fred@rubble.com' }, 553],
      [{ destination: 'im:romeo@elsewhere.example' }, 553],
      [{ maxForwards: 0 }, 550],
      [{ content: content('image/png', 'x') }, 550],
      [{ content: content('text/plain', 'a\u0000b') }, 550],
      [{ content: content('text/plain', 'x'.repeat(2000)) }, 550],
    ] as const)
      expect(await messages.fromGateway(operation(change)), JSON.stringify(change)).to.include({
        status: 'failure',
        code,
      });
    expect(link.sent).to.have.length(0);
  });
});

describe('messages from XMPP to the mesh', () => {
  it('are acknowledged on request when the mesh has accepted them', async () => {
    const { link, mesh, messages } = build();
    await messages.received(fromRomeo({ id: 'm1' }, body('Hello'), request), link);
    await messages.received(fromRomeo({ id: 'm2' }, body('Hello')), link);
    expect(mesh.taken.map(({ source, destination }) => [source, destination])).to.deep.equal([
      ['im:romeo@xmpp.example', 'im:fred@example.com'],
      ['im:romeo@xmpp.example', 'im:fred@example.com'],
    ]);
    expect(link.sent).to.have.length(1);
    expect(childOf(link.sent[0] ?? ERROR, 'received', 'urn:xmpp:receipts')?.attributes).to.deep.equal({ id: 'm1' });
  });

  it('are answered with an error and its code, and never acknowledged, when the mesh refuses them', async () => {
    const { link, mesh, messages } = build();
    for (const [response, condition] of [
      [{ status: 'failure', code: 550, reason: '550 not attached' }, 'item-not-found'],
      [{ status: 'failure', code: 450, reason: '450 not now' }, 'recipient-unavailable'],
      [{ status: 'indeterminant' }, 'remote-server-timeout'],
    ] as const) {
      mesh.answer = async ({ transID }) => ({ transID, ...response });
      await messages.received(fromRomeo({ id: 'm1' }, body('Hello'), request), link);
      const sent = link.sent.pop();
      expect(sent?.attributes).to.include({
        type: 'error',
        id: 'm1',
        from: 'fred@example.com',
        to: 'romeo@slate.example/o',
      });
      const error = sent && childOf(sent, 'error');
      expect(error && childOf(error, condition, 'urn:ietf:params:xml:ns:xmpp-stanzas'), condition).not.to.equal(
        undefined,
      );
    }
    expect(link.sent).to.have.length(0);
  });

  it('are refused, and logged, from the gateway’s own domain and from domains that it does not serve', async () => {
    const { link, mesh, messages } = build();
    const refused: Refused[] = [];
    const stop = events.refused.subscribe((event) => refused.push(event));
    try {
      for (const from of ['romeo@evil.example', 'wilma@example.com', 'slate.example'])
        await messages.received(fromRomeo({ from, id: 'm1' }, body('Hello')), link);
      await messages.received(fromRomeo({ from: 'no<body' }, body('Hello')), link);
    } finally {
      stop();
    }
    expect(mesh.taken).to.have.length(0);
    expect(link.sent.map(({ attributes: { to, type } }) => `${to} ${type}`)).to.deep.equal([
      'romeo@evil.example error',
      'wilma@example.com error',
      'slate.example error',
    ]);
    expect(refused.map(({ code }) => code)).to.deep.equal([537, 537, 537, 501]);
  });

  it('are refused beyond the outstanding limits of one sender and of all, without affecting others', async () => {
    const { link, mesh, messages } = build();
    let release = (): void => {};
    const released = new Promise<void>((resolve) => {
      release = resolve;
    });
    mesh.answer = async (one) => {
      await released;
      return responseTo(one, 'success');
    };
    const send = (from: string) => messages.received(fromRomeo({ from, id: 'm' }, body('x')), link);
    const romeo = [1, 2, 3].map(() => send('romeo@slate.example/o'));
    const juliet = [1, 2].map(() => send('juliet@slate.example/b'));
    await Promise.all([romeo[2], juliet[1]]);
    expect(mesh.taken.map(({ source }) => source)).to.deep.equal([
      'im:romeo@xmpp.example',
      'im:romeo@xmpp.example',
      'im:juliet@xmpp.example',
    ]);
    expect(link.sent.map(({ attributes: { to } }) => to)).to.deep.equal([
      'romeo@slate.example/o',
      'juliet@slate.example/b',
    ]);
    release();
    await Promise.all([...romeo, ...juliet]);
    await send('romeo@slate.example/o');
    expect(mesh.taken).to.have.length(4);
  });

  it('are refused, and logged, when they come back to the gateway that they have passed', async () => {
    const { link, mesh, messages } = build();
    const header = xmppElement('header', 'http://jabber.org/protocol/shim', { name: 'X-IMXP-Gateway' }, 'example.com');
    const headers = xmppElement('headers', 'http://jabber.org/protocol/shim', {}, header);
    const refused: Refused[] = [];
    const stop = events.refused.subscribe((event) => refused.push(event));
    try {
      await messages.received(fromRomeo({ id: 'm' }, body('x'), headers), link);
      const content = contentOfStanza(
        fromRomeo({ id: 'm' }, body('x')),
        'a@xmpp.example',
        'b@x.example',
        'example.com',
        0,
      );
      expect(await messages.fromGateway(operation({ content }))).to.include({ status: 'failure', code: 550 });
    } finally {
      stop();
    }
    expect(mesh.taken).to.deep.equal([]);
    expect(link.sent.map(({ attributes: { type } }) => type)).to.deep.equal(['error']);
    expect(refused.map(({ reason }) => reason)).to.deep.equal(
      Array(2).fill('the message has passed through too many gateways'),
    );
  });

  it('are answered as soon as they come back to the gateway that waits for their answer', async () => {
    const { link, messages } = build();
    const first = messages.fromGateway(operation());
    await turn();
    const [made] = link.sent;
    if (made === undefined) throw new Error('nothing was sent');
    // The other gateway has brought it back into the mesh.
    const content = contentOfStanza(made, 'fred@b.example', 'romeo@xmpp.example', 'b.example', 0);
    const again = operation({ source: 'im:fred@example.com', transID: 'again', content });
    expect(await messages.fromGateway(again)).to.include({ status: 'failure', code: 550 });
    expect(await first).to.include({ status: 'failure', code: 550 });
    expect(link.sent).to.have.length(1);
  });

  it('are ignored without a body and refused for rooms', async () => {
    const { link, mesh, messages } = build();
    await messages.received(fromRomeo({}, xmppElement('composing', 'http://jabber.org/protocol/chatstates')), link);
    expect(link.sent).to.have.length(0);
    await messages.received(fromRomeo({ type: 'groupchat', id: 'g' }, body('x')), link);
    expect(link.sent[0]?.attributes['type']).to.equal('error');
    expect(mesh.taken).to.have.length(0);
  });
});
