import { readFileSync } from 'node:fs';
import { Duplex } from 'node:stream';
import { expect } from 'chai';
import {
  type BeepConnection,
  type BeepListener,
  type BeepProfile,
  type ChannelUser,
  connect,
  type HandedOver,
  type ListenOptions,
  listen,
  parseEntity,
  RefusedError,
  refusal,
  Session,
  type SessionEvent,
  TransportError,
  verifierFor,
} from 'imxp/beep';
import { TestAuthority } from '../support/certificates.js';
import { Command } from '../support/node-process.js';
import { projectFile, RUN_SCRIPT } from '../support/script.js';
import { within } from '../support/within.js';

const ECHO = 'http://example.com/profiles/echo';
const COUNT = 'http://example.com/profiles/count';

const profile = (uri: string, user: ChannelUser, more: Partial<BeepProfile> = {}): BeepProfile => ({
  uri,
  start: () => user,
  ...more,
});
const echo = profile(ECHO, { request: (request) => request.reply(request.payload) });

describe('imxp/beep', () => {
  const authority = new TestAuthority();
  const listeners: BeepListener[] = [];
  const sessions: BeepConnection[] = [];

  afterEach(async () => {
    await Promise.all(sessions.splice(0).map((session) => session.close('', 1000)));
    await Promise.all(listeners.splice(0).map((listener) => listener.close('', 1000)));
  });

  async function listening(options: ListenOptions): Promise<BeepListener> {
    const listener = await listen(options);
    listeners.push(listener);
    return listener;
  }

  async function to(
    { port }: BeepListener,
    options: Parameters<typeof connect>[1] = {},
    transport = 'tcp',
  ): Promise<BeepConnection> {
    const session = await connect(`${transport}://127.0.0.1:${port}`, options);
    sessions.push(session);
    return session;
  }

  it('REQ-BEEP-042 acts for its server names in any case, and takes the place that was dialled for no other name', async () => {
    const listener = await listening({ profiles: [echo], serverNames: ['Example.com'] });
    const outcomes = new Map<string, string>();
    for (const serverName of [
      'example.com',
      'EXAMPLE.COM',
      '127.0.0.1',
      'localhost',
      'relay.example.com',
      'rubble.com',
    ]) {
      const session = await to(listener);
      const code = await session.start([{ uri: ECHO }], {}, { serverName }).then(
        () => 'started',
        (error: unknown) => (error instanceof RefusedError ? `${error.reply?.code}` : `${error}`),
      );
      outcomes.set(serverName, code);
    }
    expect([...outcomes]).to.deep.equal([
      ['example.com', 'started'],
      ['EXAMPLE.COM', 'started'],
      ['127.0.0.1', 'started'],
      ['localhost', 'started'],
      ['relay.example.com', 'started'],
      ['rubble.com', '550'],
    ]);
  });

  const failure = (promise: Promise<unknown>): Promise<unknown> =>
    promise.then(
      () => undefined,
      (error: unknown) => error,
    );

  it('runs sessions without sockets', () => {
    const [client, server] = [
      new Session({ role: 'initiator', profiles: [] }),
      new Session({ role: 'listener', profiles: [ECHO] }),
    ];
    const events: SessionEvent[] = [];
    const exchange = (): void => {
      for (let moved = true; moved; ) {
        moved = false;
        for (const [from, other] of [
          [client, server],
          [server, client],
        ] as const) {
          for (const octets of from.transmit(65_536)) {
            moved = true;
            other.receive(octets);
          }
          for (let event = other.nextEvent(); event !== undefined; event = other.nextEvent()) {
            events.push(event);
            if (event.type === 'start') other.acceptStart(event, ECHO);
            if (event.type === 'message') {
              other.send(event.channel, { kind: 'RPY', msgno: event.msgno, payload: event.payload });
            }
          }
        }
      }
    };
    exchange();
    const channel = client.start({ profiles: [{ uri: ECHO }] });
    exchange();
    client.send(channel, { kind: 'MSG', payload: Buffer.from('\r\nhello') });
    exchange();
    expect(events.at(-1)).to.include({ type: 'reply', kind: 'RPY' });
    expect(client.peer?.profiles).to.deep.equal([ECHO]);
  });

  for (const transport of ['tcp', 'ws'] as const) {
    it(`serves a profile of one's own over ${transport}, with content at the start and an orderly end`, async () => {
      const ends: unknown[] = [];
      const listener = await listening({
        transport,
        profiles: [
          {
            uri: ECHO,
            start: (_channel, content) => ({ content: `got ${content}`, closed: () => void ends.push('channel') }),
          },
        ],
        connected: (session) => void session.closed.then((error) => ends.push(error)),
      });
      const session = await to(listener, {}, transport);
      expect(session.profiles).to.deep.equal([ECHO]);
      const { channel, content } = await session.start({ uri: ECHO, content: 'hello' });
      expect(content?.toString()).to.equal('got hello');
      const { kind, payload } = await channel.request('\r\nanybody?');
      expect(kind).to.equal('ERR');
      expect(payload.toString()).to.include("code='550'");
      await channel.close();
      await session.close();
      expect(await session.closed).to.equal(undefined);
      await within(
        2000,
        (async () => {
          while (ends.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
        })(),
        'both ends',
      );
      expect(ends).to.deep.equal(['channel', undefined]);
    });
  }

  it('refuses a channel, and answers a request whose handler fails with an error', async () => {
    const listener = await listening({
      profiles: [
        { uri: ECHO, start: () => Promise.reject(refusal({ code: 554, text: 'not today' })) },
        profile(COUNT, {
          request: async (request) => {
            if (request.payload.includes('known')) throw refusal({ code: 553, text: 'no such thing' });
            throw new Error('a fault of the application');
          },
        }),
      ],
    });
    const session = await to(listener);
    expect(await failure(session.start(ECHO)))
      .to.be.instanceOf(RefusedError)
      .and.have.nested.property('reply.code', 554);
    const { channel } = await session.start(COUNT);
    expect((await channel.request('\r\nknown')).payload.toString()).to.include("code='553'>no such thing<");
    const { payload } = await channel.request('\r\nother');
    expect(payload.toString()).to.include("code='451'").and.not.include('fault of the application');
  });

  it('passes one-to-many answers on as they arrive, in both directions, through a smaller window', async () => {
    const user: ChannelUser = {
      request: async (request) => {
        for (let number = 0; number < 50; number += 1) request.answer(`\r\n${number} ${'x'.repeat(500)}`);
        request.finish();
      },
    };
    const answered: number[] = [];
    const listener = await listening({
      profiles: [
        {
          uri: COUNT,
          start: (channel) => {
            void (async () => {
              for await (const answer of channel.answers('\r\ncount'))
                answered.push(Number.parseInt(`${answer}`.trim(), 10));
              await channel.close();
            })();
            return user;
          },
        },
      ],
    });
    const session = await to(listener, { limits: { session: { windowOctets: 4096 } } });
    const done = new Promise<void>((resolve) => {
      void session.start(COUNT, { ...user, closed: resolve }).then(async ({ channel }) => {
        const numbers: number[] = [];
        for await (const answer of channel.answers('\r\ncount')) {
          numbers.push(Number.parseInt(`${answer}`.trim(), 10));
          if (numbers.length % 10 === 0) await new Promise((wake) => setTimeout(wake, 5));
        }
        expect(numbers).to.deep.equal(Array.from({ length: 50 }, (_, index) => index));
      });
    });
    await within(5000, done, 'all answers both ways');
    expect(answered).to.deep.equal(Array.from({ length: 50 }, (_, index) => index));
  });

  it('stops reading answers when the application does, and continues with the channel', async () => {
    const listener = await listening({
      profiles: [
        profile(COUNT, {
          request: (request) => {
            for (let number = 0; number < 100; number += 1) request.answer(`\r\n${'y'.repeat(1000)}`);
            request.finish();
          },
        }),
      ],
    });
    const { channel } = await (await to(listener, { limits: { session: { windowOctets: 4096 } } })).start(COUNT);
    for await (const _answer of channel.answers('\r\nmany')) break;
    let count = 0;
    for await (const _answer of channel.answers('\r\nmany')) count += 1;
    expect(count).to.equal(100);
  });

  it('takes a single RPY as the only answer, and an ERR as an error', async () => {
    const listener = await listening({
      profiles: [
        profile(ECHO, {
          request: (request) => {
            if (request.payload.includes('no')) request.error({ code: 550, text: 'no' });
            else request.reply(request.payload);
          },
        }),
      ],
    });
    const { channel } = await (await to(listener)).start(ECHO);
    const answers: string[] = [];
    for await (const answer of channel.answers('\r\none')) answers.push(answer.toString());
    expect(answers).to.deep.equal(['\r\none']);
    expect(await failure(channel.answers('\r\nno').next())).to.be.instanceOf(RefusedError);
  });

  it('declines to close a channel and to release the session until it agrees', async () => {
    let agreed = false;
    const reasons: unknown[] = [];
    const listener = await listening({
      profiles: [
        profile(ECHO, {
          request: (request) => request.reply(request.payload),
          closing: (reason) => {
            reasons.push(reason);
            return agreed ? undefined : { code: 550, text: 'still busy' };
          },
        }),
      ],
    });
    const { channel } = await (await to(listener)).start(ECHO);
    const declined = await failure(channel.close(200, 'enough'));
    expect(declined).to.be.instanceOf(RefusedError).and.include({ code: 'CLOSE_REFUSED' });
    expect(declined).to.have.deep.property('reply', { code: 550, text: 'still busy' });
    expect(reasons).to.deep.equal([{ code: 200, text: 'enough' }]);
    expect((await channel.request('\r\nstill here')).payload.toString()).to.equal('\r\nstill here');
    agreed = true;
    await channel.close();
    expect(channel.open).to.equal(false);
  });

  it('sends frames of a given size, within a given window', async () => {
    const listener = await listening({ profiles: [echo], limits: { session: { windowOctets: 10_000 } } });
    const session = await to(listener, { frameOctets: 100 });
    const { channel } = await session.start(ECHO);
    channel.setWindow(1_000_000);
    const text = `\r\n${'z'.repeat(100_000)}`;
    expect((await channel.request(text)).payload.toString()).to.equal(text);
  });

  it('protects the session by TLS and authenticates both sides', async () => {
    const { certificate, key } = authority.issue({ addresses: ['127.0.0.1'] });
    const verifier = await verifierFor('fred', 'yabba', ['example']);
    const listener = await listening({
      profiles: [
        { ...echo, needs: ['private', 'authenticated'], start: (channel) => ({ content: `${channel.peer?.name}` }) },
      ],
      tls: { certificate, key },
      sasl: {
        mechanisms: ['SCRAM-SHA-256', 'DIGEST-MD5'],
        realms: ['example'],
        accounts: { lookup: async (name) => (name === 'fred' ? verifier : undefined) },
      },
    });
    const material = { authority: authority.certificate };
    const credentials = { username: 'fred', password: () => 'yabba' };
    const session = await to(listener, { tls: 'require', material, credentials });
    expect(session.privacy).to.equal(true);
    expect((await session.start(ECHO)).content?.toString()).to.equal('fred');
    const [accepted] = listener.connections;
    expect(accepted?.peer).to.deep.include({ name: 'fred', mechanism: 'SCRAM-SHA-256', privacy: true });

    const wrong = { ...credentials, password: () => 'dabba' };
    expect(await failure(to(listener, { tls: 'require', material, credentials: wrong }))).to.include({
      code: 'SASL_REFUSED',
    });
    const stranger = await to(listener);
    expect(await failure(stranger.start(ECHO))).to.have.nested.property('reply.code', 538);
    const other = new TestAuthority('Stranger');
    const untrusted = { authority: other.certificate };
    expect(await failure(to(listener, { tls: 'require', material: untrusted }))).to.include({ code: 'TLS_FAILED' });
  });

  for (const greets of [true, false]) {
    it(`changes the transport by a tuning profile of a program, after which ${greets ? 'both greet' : 'nobody greets'}`, async () => {
      const TUNE = 'http://example.com/profiles/invert';
      const listener = await listening({
        profiles: [
          echo,
          {
            uri: TUNE,
            tuning: true,
            start: () => ({
              request: (request, channel) =>
                channel.tune(
                  () => request.reply('\r\nnow'),
                  (handed) => new Inverted(handed),
                  { greets },
                ),
            }),
          },
        ],
      });
      const session = await to(listener);
      const { channel } = await session.start(TUNE, {}, { tuning: true });
      const asked = channel.request('\r\nready?');
      session.resume();
      expect((await asked).payload.toString()).to.equal('\r\nnow');
      await within(
        3000,
        session.tune((handed) => new Inverted(handed), { greets }),
        'the new session',
      );
      const after = await session.start(ECHO);
      expect((await within(3000, after.channel.request('\r\nupside down'), 'an echo')).payload.toString()).to.equal(
        '\r\nupside down',
      );
    });
  }

  it('reports a lost session to its requests and to the application', async () => {
    const listener = await listening({ profiles: [profile(ECHO, { request: () => {} })] });
    const session = await to(listener);
    const { channel } = await session.start(ECHO);
    const waiting = failure(channel.request('\r\nanybody?'));
    listener.connections[0]?.abort();
    expect(await waiting)
      .to.be.instanceOf(TransportError)
      .and.include({ code: 'CONNECTION_LOST' });
    expect(await session.closed).to.include({ code: 'CONNECTION_LOST' });
  });

  describe('examples', function () {
    this.timeout(60_000);
    const running: Command[] = [];

    afterEach(async () => {
      for (const command of running.splice(0)) await command.kill();
    });

    const run = (name: string, ...arguments_: string[]): Command => {
      const command = new Command(
        [projectFile(`examples/${name}`), ...arguments_],
        projectFile('examples'),
        {},
        RUN_SCRIPT,
      );
      running.push(command);
      return command;
    };
    const ready = (command: Command): Promise<string> =>
      command.seen((output) => /ready at (\S+)/.exec(output)?.[1], 'is ready', 30_000);

    it('echo-profile.ts serves and asks', async () => {
      const server = run('echo-profile.ts', 'serve', '0');
      const client = run('echo-profile.ts', 'ask', await ready(server), 'Hello');
      expect((await client.finished()).code, client.output).to.equal(0);
      expect(client.output).to.include('Hello');
      server.signal('SIGTERM');
      expect((await server.finished()).code, server.output).to.equal(0);
      expect((await run('echo-profile.ts').finished()).code).to.equal(64);
    });

    it('syslog-receiver.ts collects what a device sends by RFC 3195 RAW', async () => {
      const collector = run('syslog-receiver.ts', '0');
      const device = await connect(await ready(collector));
      const RAW = 'http://xml.resource.org/profiles/syslog/RAW';
      expect(device.profiles).to.deep.equal([RAW]);
      const asked = new Promise<string>((resolve) => {
        void device.start(RAW, {
          request: (request) => {
            request.answer('\r\n<29>Oct 27 13:21:08 ductwork imxpd[141]: Heating emergency.');
            request.answer(
              '\r\n<29>Oct 27 13:22:15 ductwork imxpd[141]: Contact Tuttle.\r\n<30>Oct 27 13:23:00 ductwork imxpd[141]: Done.',
            );
            request.finish();
            resolve(parseEntity(request.payload).body.toString());
          },
        });
      });
      expect(await asked).to.equal('syslog collector ready');
      await collector.seen(
        (output) => (output.includes('has finished') ? true : undefined),
        'has all messages',
        10_000,
      );
      const lines = collector.output.split('\n').filter((line) => line.includes('ductwork'));
      expect(lines).to.deep.equal([
        '127.0.0.1 <29>Oct 27 13:21:08 ductwork imxpd[141]: Heating emergency.',
        '127.0.0.1 <29>Oct 27 13:22:15 ductwork imxpd[141]: Contact Tuttle.',
        '127.0.0.1 <30>Oct 27 13:23:00 ductwork imxpd[141]: Done.',
      ]);
      await device.close();
      collector.signal('SIGTERM');
      expect((await collector.finished()).code, collector.output).to.equal(0);
    });

    it('import nothing but the package and Node', () => {
      for (const name of ['echo-profile.ts', 'syslog-receiver.ts']) {
        const text = readFileSync(projectFile(`examples/${name}`), 'utf8');
        expect([...text.matchAll(/from '([^']+)'/g)].map(([, from]) => from)).to.deep.equal([
          'node:events',
          'imxp/beep',
        ]);
      }
    });
  });
});

/** A transport that turns every bit around. */
class Inverted extends Duplex {
  readonly #under: Duplex;

  constructor({ stream: under, leftover }: HandedOver) {
    super();
    this.#under = under;
    if (leftover.length > 0) this.push(inverted(leftover));
    under.on('data', (octets: Buffer) => this.push(inverted(octets)));
    under.on('end', () => this.push(null));
    under.on('error', (error) => this.destroy(error));
    under.on('close', () => this.destroy());
    under.resume();
  }

  override _read(): void {}

  override _write(octets: Buffer, _encoding: BufferEncoding, done: (error?: Error | null) => void): void {
    this.#under.write(inverted(octets), done);
  }

  override _final(done: () => void): void {
    this.#under.end(done);
  }

  override _destroy(error: Error | null, done: (error?: Error | null) => void): void {
    this.#under.destroy();
    done(error);
  }
}

function inverted(octets: Buffer): Buffer {
  return octets.map((octet) => octet ^ 0xff) as Buffer;
}
