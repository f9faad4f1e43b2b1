/**
 * The listener that the regression client of a BEEP library in C runs against, written on `imxp/beep` alone: its profiles,
 * asked by a peer that shares no code with the package.
 */
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import { type BeepListener, type BeepProfile, listen, refusal } from 'imxp/beep';
import { beepXml, close, errorIn, start } from '../support/raw-documents.js';
import { RawPeer } from '../support/raw-peer.js';
import { within } from '../support/within.js';

const uri = (name: string): string => `http://example.com/regression/${name}`;

/** Payloads that the client compares octet for octet. */
const LARGE = Buffer.alloc(300_000, 'abcdefghij');

/** The profiles, by what the client tests with them. @param sessionOf the session with that id */
function profiles(sessionOf: (id: string) => BeepListener['connections'][number] | undefined): BeepProfile[] {
  let declined = 0;
  return [
    { uri: uri('echo'), start: () => ({ request: (request) => request.reply(request.payload) }) },
    {
      uri: uri('answers'),
      start: () => ({
        request: (request) => {
          for (let at = 0; at < 10; at += 1) request.answer(`\r\nanswer ${at}`);
          request.finish();
        },
      }),
    },
    { uri: uri('nothing'), start: () => ({ request: (request) => request.finish() }) },
    { uri: uri('large'), start: () => ({ request: (request) => request.reply(LARGE) }) },
    { uri: uri('empty'), start: () => ({ request: (request) => request.reply('') }) },
    {
      uri: uri('deny'),
      start: () => {
        throw refusal({ code: 421, text: 'no channel of this profile' });
      },
    },
    {
      uri: uri('keep'),
      start: () => ({
        request: (request) => request.reply('\r\nkept'),
        closing: () => {
          declined += 1;
          return declined % 2 === 1 ? { code: 550, text: 'still working' } : undefined;
        },
      }),
    },
    {
      uri: uri('window'),
      start: (channel, content) => {
        channel.setWindow(Number(content ?? 65_536));
        return { request: (request) => request.reply(`\r\n${request.payload.length}`) };
      },
    },
    {
      uri: uri('server-name'),
      start: (channel) => {
        const asked = channel.serverName;
        if (asked === 'refused.example') throw refusal({ code: 550, text: `${asked} is not here` });
        return { content: `${asked}`, request: (request, { serverName }) => request.reply(`\r\n${serverName}`) };
      },
    },
    { uri: uri('content'), start: (_channel, content) => ({ content: `${content}` }) },
    {
      uri: uri('reset'),
      tuning: true,
      start: () => ({ content: '<reset />', tuned: { stream: ({ stream }) => stream, greets: false } }),
    },
    {
      uri: uri('reset-and-greet'),
      tuning: true,
      start: () => ({
        content: '<reset />',
        // The peer tells the greeting from the answer by the time between them, as nothing else separates them.
        tuned: { stream: async ({ stream }) => setTimeout(300, stream) },
      }),
    },
    {
      uri: uri('failing-reset'),
      tuning: true,
      start: () => ({
        tuned: {
          stream: () => {
            throw new Error('no such transport');
          },
        },
      }),
    },
    { uri: uri('drop'), start: () => ({ request: (_request, channel) => channel.abort() }) },
    {
      uri: uri('call-back'),
      start: () => ({
        request: async (request, channel) => {
          const started = await sessionOf(channel.session)?.start(uri('called'));
          request.reply(`\r\n${started?.channel.number}`);
        },
      }),
    },
  ];
}

/** The raw peer expects one reply to a message, and is told of a fault when several answers come. */
function report(rule: string, text: string): void {
  if (rule !== 'reply' || !/^(?:ANS|NUL)/.test(text)) throw new Error(text);
}

describe('a regression listener on imxp/beep', function () {
  this.timeout(30_000);
  let listener: BeepListener;
  const peers: RawPeer[] = [];

  before(async () => {
    const made = profiles((id) => listener.connections.find((connection) => connection.id === id));
    listener = await listen({ profiles: made, frameOctets: 700 });
  });
  afterEach(() => {
    for (const peer of peers.splice(0)) peer.destroy();
  });
  after(() => listener?.close('', 2000));

  async function greeted(): Promise<RawPeer> {
    const peer = await RawPeer.connect({ port: listener.port, report });
    peers.push(peer);
    await peer.greet();
    return peer;
  }

  async function channelOf(name: string, content?: string): Promise<{ peer: RawPeer; number: number }> {
    const peer = await greeted();
    const { number, reply } = await peer.start(uri(name), content);
    expect(reply.keyword, `${reply.payload}`).to.equal('RPY');
    return { peer, number };
  }

  it('echoes, many times and with payloads larger than the window', async () => {
    const { peer, number } = await channelOf('echo');
    for (const payload of ['', '\r\n', 'x', LARGE.toString()]) {
      expect(`${(await peer.ask(number, payload)).payload}` === payload).to.equal(true);
    }
  });

  it('answers with several ANS and NUL, or with NUL alone', async () => {
    const { peer, number } = await channelOf('answers');
    peer.msg(number, 'x');
    for (let at = 0; at < 10; at += 1) {
      const { keyword, payload } = await peer.nextReply(number);
      expect([keyword, `${payload}`]).to.deep.equal(['ANS', `\r\nanswer ${at}`]);
    }
    expect((await peer.nextReply(number)).keyword).to.equal('NUL');
    const none = await channelOf('nothing');
    expect((await none.peer.ask(none.number, 'x')).keyword).to.equal('NUL');
  });

  it('gives a large reply in frames of the size that was set, and one without octets', async () => {
    const { peer, number } = await channelOf('large');
    const { payload, frames } = await peer.ask(number, 'x');
    expect(payload.equals(LARGE)).to.equal(true);
    expect(Math.max(...frames.map((one) => one.payload.length))).to.equal(700);
    const empty = await channelOf('empty');
    expect((await empty.peer.ask(empty.number, 'x')).payload.length).to.equal(0);
  });

  it('denies a start, and goes on', async () => {
    const peer = await greeted();
    const { reply } = await peer.start(uri('deny'));
    expect([reply.keyword, errorIn(reply.payload)?.code]).to.deep.equal(['ERR', 421]);
    expect((await peer.start(uri('echo'))).reply.keyword).to.equal('RPY');
  });

  it('declines a close once, works on, and agrees the second time', async () => {
    const { peer, number } = await channelOf('keep');
    const refused = await peer.ask(0, close(number));
    expect([refused.keyword, errorIn(refused.payload)]).to.deep.equal(['ERR', { code: 550, text: 'still working' }]);
    expect(`${(await peer.ask(number, 'x')).payload}`).to.equal('\r\nkept');
    expect((await peer.close(number)).keyword).to.equal('RPY');
  });

  it('gives a channel the window that it is asked for, from its beginning', async () => {
    const { peer, number } = await channelOf('window', '50000');
    await peer.allowed(number, 50_000);
    expect(peer.channel(number).available).to.equal(50_000);
    expect(`${(await peer.ask(number, 'y'.repeat(50_000))).payload}`).to.equal('\r\n50000');
  });

  it('REQ-BEEP-042 decides by the server name of the start, which then stays', async () => {
    const peer = await greeted();
    const refused = await peer.start(uri('server-name'), undefined, 'refused.example');
    expect(errorIn(refused.reply.payload)?.text).to.equal('refused.example is not here');
    const first = await peer.start(uri('server-name'), undefined, 'dolphin.example');
    expect(first.profile?.content).to.equal('dolphin.example');
    expect(`${(await peer.ask(first.number, 'x')).payload}`).to.equal('\r\ndolphin.example');
    const second = await peer.start(uri('server-name'), undefined, 'whale.example');
    expect(second.profile?.content).to.equal('dolphin.example');
  });

  it('REQ-BEEP-042 keeps to no server name after a first start without one', async () => {
    const { peer } = await channelOf('echo');
    const { profile } = await peer.start(uri('server-name'), undefined, 'whale.example');
    expect(profile?.content).to.equal('undefined');
  });

  it('answers the content of a start', async () => {
    const peer = await greeted();
    const { profile } = await peer.start(uri('content'), '<a b="c">d</a>');
    expect(profile?.content).to.equal('<a b="c">d</a>');
  });

  /** A peer whose session was reset behind the answer to its start. */
  async function reset(name: string): Promise<RawPeer> {
    const peer = await greeted();
    // Behind the start nothing is sent until the reset, no SEQ either.
    peer.hush();
    expect((await peer.start(uri(name))).profile?.content).to.equal('<reset />');
    await peer.handshake({ serverName: 'example.com', engine: (plain) => Promise.resolve(plain) });
    return peer;
  }

  it('resets the session behind the answer to a start, with no greeting afterwards', async () => {
    const peer = await reset('reset');
    // No greeting is awaited.
    peer.channel(0).awaiting.length = 0;
    const reply = await within(3000, peer.ask(0, start({ channel: 1, uri: uri('echo') })), 'an answer');
    expect([reply.keyword, `${reply.payload}`]).to.deep.equal(['RPY', beepXml(`<profile uri='${uri('echo')}' />`)]);
    peer.open(1);
    expect(`${(await peer.ask(1, 'after')).payload}`).to.equal('after');
  });

  it('resets the session behind the answer to a start, and greets', async () => {
    const peer = await reset('reset-and-greet');
    expect(`${(await within(3000, peer.greet(), 'a greeting')).payload}`).to.include('<greeting');
    expect((await peer.start(uri('echo'))).reply.keyword).to.equal('RPY');
  });

  it('ends the session when a reset fails', async () => {
    const { peer } = await channelOf('failing-reset');
    await within(3000, peer.ended(), 'the end');
  });

  it('drops the connection', async () => {
    const { peer, number } = await channelOf('drop');
    peer.msg(number, 'x');
    await within(3000, peer.ended(), 'the end');
  });

  it('starts a channel towards the peer', async () => {
    const { peer, number } = await channelOf('call-back');
    peer.msg(number, 'x');
    const asked = await peer.nextRequest(0);
    peer.open(2);
    expect(`${asked.payload}`).to.include(`<start number='2'`).and.to.include(uri('called'));
    peer.reply(0, 'RPY', asked.msgno, beepXml(`<profile uri="${uri('called')}"></profile>`));
    expect(`${(await peer.nextReply(number)).payload}`).to.equal('\r\n2');
  });
});
