/** Somebody in between, who reads, takes out and puts in. */
import { once } from 'node:events';
import { connect, createServer, type Server, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import { expect } from 'chai';
import { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { EndpointOptions } from '../../lib/endpoint/options.js';
import { ImxpError } from '../../lib/errors.js';
import { FRED, NodeFixture, passwordOf } from '../support/node-fixture.js';
import { attach, beepXml, IMXP, start, TLS } from '../support/raw-documents.js';
import { frame } from '../support/raw-frame.js';
import { within } from '../support/within.js';

const greetingOf = (...uris: readonly string[]): string =>
  beepXml(`<greeting>${uris.map((uri) => `<profile uri='${uri}' />`).join('')}</greeting>`);

describe('security: tampering before a relay', () => {
  let fixture: NodeFixture;
  before(async () => {
    fixture = await NodeFixture.build({ tls: 'mesh' });
  });
  after(() => fixture.close());

  const READY = start({ channel: 1, uri: TLS, content: '<ready />' });

  for (const [what, injected] of [
    [
      'a whole attach behind ready',
      (at: number) => frame('MSG', 0, 2, '.', at, start({ channel: 3, uri: IMXP, content: attach(FRED, 1) })),
    ],
    ['the beginning of a frame behind ready', () => Buffer.from('MSG 0 2 . ')],
    ['a line of nothing', () => Buffer.from('\r\n')],
  ] as const) {
    it(`ignores what was injected into STARTTLS, ${what}, and ends the session before TLS begins`, async () => {
      const honest = await fixture.honest();
      const socket = await fixture.socket();
      let said = '';
      socket.on('data', (octets) => {
        said += octets;
      });
      const greeting = greetingOf();
      socket.write(
        Buffer.concat([
          frame('RPY', 0, 0, '.', 0, greeting),
          frame('MSG', 0, 1, '.', greeting.length, READY),
          injected(greeting.length + READY.length),
        ]),
      );
      const gone = once(socket, 'close');
      const ended = await fixture.ended(/./);
      socket.end();
      await within(5000, gone, 'the end');
      expect(ended.error).to.equal('TLS_INJECTED');
      expect(said).to.not.include('<ok />');
      expect(said.match(/RPY 0 2/)).to.equal(null);
      fixture.closed.length = 0;
      await honest.served();
      honest.fred.peer.destroy();
      honest.wilma.peer.destroy();
      await fixture.until('both left', () => (fixture.closed.length >= 2 ? true : undefined));
      fixture.closed.length = 0;
    });
  }
});

/** A relay that is none: greets as told, says proceed to anything, and notes what it was sent. */
class Impostor {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  heard = '';

  constructor(greeting: string, proceed: (socket: Socket, at: number) => void = () => {}) {
    this.#server = createServer((socket) => {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.write(frame('RPY', 0, 0, '.', 0, greeting));
      socket.on('data', (octets) => {
        const before = this.heard.includes('<start');
        this.heard += octets.toString('latin1');
        if (!before && this.heard.includes('<start')) proceed(socket, greeting.length);
      });
    });
  }

  async listen(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    const address = this.#server.address();
    return `tcp://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    this.#server.close();
  }
}

describe('security: tampering before an endpoint', () => {
  let impostor: Impostor | undefined;
  afterEach(() => impostor?.close());

  /** What becomes of an endpoint that takes it for its relay. */
  async function fooled(made: Impostor, options: Partial<EndpointOptions>): Promise<string> {
    impostor = made;
    const relay = await made.listen();
    try {
      await within(
        8000,
        Endpoint.connect({ address: FRED, relay, password: passwordOf(FRED), ...options }),
        'an outcome',
      );
    } catch (error) {
      if (error instanceof ImxpError) return error.code;
      throw error;
    }
    return 'let in';
  }

  const SASL = 'http://iana.org/beep/SASL';

  it('sends nothing more after a greeting without TLS where TLS is required', async () => {
    const made = new Impostor(greetingOf(`${SASL}/PLAIN`, IMXP));
    expect(await fooled(made, { tls: 'require' })).to.equal('TLS_REQUIRED');
    expect(made.heard).to.not.include('<start');
  });

  it('keeps the password when the offered mechanisms were reduced to PLAIN', async () => {
    const made = new Impostor(greetingOf(`${SASL}/PLAIN`, `${SASL}/ANONYMOUS`, IMXP));
    expect(await fooled(made, { tls: 'off' })).to.equal('SASL_NO_MECHANISM');
    expect(made.heard).to.not.include('<start');
    expect(made.heard).to.not.include(Buffer.from(passwordOf(FRED)).toString('base64').slice(0, 12));
  });

  it('finds no mechanism among unknown ones', async () => {
    const made = new Impostor(greetingOf(`${SASL}/CRAM-MD5`, `${SASL}/LOGIN`, IMXP));
    expect(await fooled(made, { tls: 'off' })).to.equal('SASL_NO_MECHANISM');
  });

  it('does not take octets injected behind proceed as part of the protected session', async () => {
    const proceed = (socket: Socket, at: number): void => {
      const answer = beepXml(`<profile uri='${TLS}'><![CDATA[<proceed />]]></profile>`);
      const injected = frame('RPY', 0, 0, '.', 0, greetingOf(`${SASL}/PLAIN`));
      socket.write(Buffer.concat([frame('RPY', 0, 1, '.', at, answer), injected]));
    };
    expect(await fooled(new Impostor(greetingOf(TLS, IMXP), proceed), { tls: 'require' })).to.equal('TLS_INJECTED');
  });

  it('refuses a certificate of an untrusted authority', async () => {
    const fixture = await NodeFixture.build({ tls: 'always' });
    try {
      const relay = `tcp://127.0.0.1:${fixture.port}`;
      const strange = Endpoint.connect({ address: FRED, relay, password: passwordOf(FRED), tls: 'require' });
      expect(await strange.then(String, (error: unknown) => error instanceof ImxpError && error.code)).to.equal(
        'TLS_FAILED',
      );
      const other = {
        address: 'fred@rubble.com',
        relay,
        password: 'x',
        tls: 'require',
        ca: fixture.authority,
      } as const;
      const wrong = Endpoint.connect(other);
      // It is not asked to be who it is not: the server says so before its certificate could.
      expect(await wrong.then(String, (error: unknown) => error instanceof ImxpError && error.code)).to.equal(
        'TLS_REFUSED',
      );
      const right = await Endpoint.connect({
        address: FRED,
        relay,
        password: passwordOf(FRED),
        ca: fixture.authority,
      });
      await right.close();
    } finally {
      await fixture.close();
    }
  });

  it('refuses a server that cannot prove that it knows the password', async () => {
    const challenge = 'realm="example.com",nonce="abc",qop="auth",algorithm=md5-sess,charset=utf-8';
    const blob = (text: string, status = ''): string => `<blob${status}>${Buffer.from(text).toString('base64')}</blob>`;
    const proceed = (socket: Socket, at: number): void => {
      const answer = beepXml(`<profile uri='${SASL}/DIGEST-MD5'><![CDATA[${blob(challenge)}]]></profile>`);
      socket.write(frame('RPY', 0, 1, '.', at, answer));
      socket.on('data', (octets) => {
        if (!octets.includes('MSG 1 0')) return;
        const rspauth = beepXml(blob(`rspauth=${'0'.repeat(32)}`, " status='complete'"));
        socket.write(frame('RPY', 1, 0, '.', 0, rspauth));
      });
    };
    const outcome = await fooled(new Impostor(greetingOf(`${SASL}/DIGEST-MD5`, IMXP), proceed), { tls: 'off' });
    expect(outcome).to.equal('SASL_SERVER_UNPROVEN');
  });
});

describe('security: renegotiation', () => {
  it('refuses renegotiation by a TLS 1.2 client', async () => {
    const fixture = await NodeFixture.build({ tls: 'mesh' });
    try {
      const honest = await fixture.honest();
      const plain = connect({ port: fixture.port, host: '127.0.0.1' });
      plain.on('error', () => {});
      const greeting = greetingOf();
      const ready = start({ channel: 1, uri: TLS, content: '<ready />' });
      plain.write(
        Buffer.concat([frame('RPY', 0, 0, '.', 0, greeting), frame('MSG', 0, 1, '.', greeting.length, ready)]),
      );
      await new Promise<void>((resolve) => {
        let said = '';
        plain.on('data', function hear(octets) {
          said += octets;
          if (!said.includes('proceed') || !said.endsWith('END\r\n')) return;
          plain.off('data', hear);
          resolve();
        });
      });
      const secure = connectTls({
        socket: plain,
        ca: fixture.authority,
        servername: 'example.com',
        maxVersion: 'TLSv1.2',
      });
      secure.on('error', () => {});
      await once(secure, 'secureConnect');
      const outcome = new Promise<string>((resolve) => {
        secure.on('error', ({ message }) => resolve(message));
        secure.once('close', () => resolve('closed'));
        try {
          secure.renegotiate({ rejectUnauthorized: false }, (error) => resolve(error?.message ?? 'renegotiated'));
        } catch (error) {
          resolve(String(error));
        }
      });
      expect(await within(8000, outcome, 'an outcome')).to.match(/no renegotiation|closed/);
      secure.destroy();
      await honest.served();
    } finally {
      await fixture.close();
    }
  });
});
