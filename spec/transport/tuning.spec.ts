import { expect } from 'chai';
import { DEFAULT_LIMITS } from '../../lib/config/limits.js';
import type { RelayLocation } from '../../lib/config/relay-url.js';
import type { Qop } from '../../lib/config/sasl-names.js';
import { ImxpError, TransportError } from '../../lib/errors.js';
import { MESH_NAMING } from '../../lib/mesh/certificate.js';
import { events } from '../../lib/ops/events.js';
import { makeVerifier, type Verifier } from '../../lib/sasl/verifier.js';
import { ask } from '../../lib/transport/ask.js';
import type { Connection } from '../../lib/transport/connection.js';
import { type DialOptions, dial } from '../../lib/transport/dialer.js';
import type { Listener } from '../../lib/transport/listener.js';
import { ProfileTable } from '../../lib/transport/profile.js';
import { SaslProfile } from '../../lib/transport/sasl/profile.js';
import { TlsProfile } from '../../lib/transport/tls/profile.js';
import { RevocationList } from '../../lib/transport/tls/revocation.js';
import { TlsService, type TlsServiceOptions } from '../../lib/transport/tls/service.js';
import { TestAuthority } from '../support/certificates.js';
import { connected, ECHO, echoListener, echoProfile, PLAIN_ERRORS } from '../support/echo.js';
import { within } from '../support/within.js';

const TLS = 'http://iana.org/beep/TLS';
const authority = new TestAuthority();
const relay = authority.issue({ domains: ['example.com'], mailboxes: ['imxp=mesh@example.com'] });
const stranger = new TestAuthority('Somebody Else');

interface Material {
  readonly certificate?: string;
  readonly key?: string;
  readonly authority?: string;
}

const settingsOf = (material: Material): TlsServiceOptions => ({
  naming: MESH_NAMING,
  common: material,
  domains: new Map(),
  revocations: [],
  timeoutMs: 3000,
});

function service(material: Material): TlsService {
  return new TlsService(settingsOf(material));
}

const OWN = { certificate: relay.certificate, key: relay.key, authority: authority.certificate };
const SERVER = service(OWN);
const CLIENT = service({ authority: authority.certificate });

describe('transport: tuning', () => {
  let listener: Listener;
  let port: number;
  let fred: Verifier;
  const connections: Connection[] = [];

  before(async () => {
    fred = await makeVerifier('fred@example.com', 'wilma', { realms: ['example.com'], scramIterations: 4096 });
  });

  const listen = async (mechanisms: readonly string[], qops?: readonly Qop[], server = SERVER): Promise<void> => {
    const settings = {
      mechanisms,
      credentials: { lookup: async (name: string) => (name.startsWith('fred') ? fred : undefined) },
      realms: ['example.com'],
      secret: Buffer.alloc(32, 7),
      ...(qops === undefined ? {} : { qops }),
    };
    ({ listener, port } = await echoListener({
      profiles: [new TlsProfile(server), ...SaslProfile.all(settings), echoProfile()],
      serves: (name) => (name === 'example.com' ? 'domain' : 'nothing'),
    }));
  };

  const to = async (options: Partial<DialOptions>): Promise<Connection> => {
    const location: RelayLocation = { transport: 'tcp', host: '127.0.0.1', port, url: `tcp://127.0.0.1:${port}` };
    const connection = await dial({
      relays: [location],
      domain: 'example.com',
      tls: 'off',
      service: CLIENT,
      profiles: new ProfileTable([]),
      limits: DEFAULT_LIMITS,
      owner: { ended: () => {} },
      ...options,
    });
    connections.push(connection);
    return connection;
  };

  const refusal = async (options: Partial<DialOptions>): Promise<ImxpError> => {
    const error: unknown = await within(5000, to(options), 'an outcome').then(
      () => new Error('it was accepted'),
      (reason: unknown) => reason,
    );
    if (error instanceof ImxpError) return error;
    throw error;
  };

  const echoes = async (connection: Connection, text: string): Promise<void> => {
    const { channel } = await connection.start({ profiles: [{ uri: ECHO }] }, { codec: PLAIN_ERRORS });
    const { payload } = await within(3000, ask(channel, Buffer.from(text)), 'an echo');
    expect(payload.toString()).to.equal(text);
  };

  const identityHere = (): unknown => {
    const [connection] = listener.connections;
    return connection?.identity;
  };

  const password = (text: string) => ({ username: 'fred@example.com', password: () => text });

  afterEach(() => {
    const over = new TransportError('CLOSED', 'the spec is over');
    for (const connection of [...connections.splice(0), ...listener.connections]) connection.destroy(over);
    listener.stop();
  });

  it('REQ-TLS-006 greets anew under TLS, and REQ-TLS-009 forgets the session before', async () => {
    await listen(['DIGEST-MD5']);
    const tuned: string[] = [];
    const stop = events.tuned.subscribe(({ protocol }) => tuned.push(protocol));
    const connection = await to({ tls: 'require' });
    stop();
    expect(tuned).to.deep.equal(['TLSv1.3', 'TLSv1.3']);
    expect(connection.privacy).to.equal(true);
    expect(connection.peer?.profiles).to.not.include(TLS);
    await echoes(connection, '\r\nunder TLS');
  });

  it('REQ-TLS-011 goes no further when TLS is required and not offered', async () => {
    ({ listener, port } = await echoListener());
    expect((await refusal({ tls: 'require' })).code).to.equal('TLS_REQUIRED');
  });

  it('uses what there is when TLS is preferred and not offered', async () => {
    ({ listener, port } = await echoListener());
    const connection = await to({ tls: 'prefer' });
    expect(connection.privacy).to.equal(false);
    await echoes(connection, '\r\nin the clear');
  });

  it('refuses a server whose certificate names another domain or comes from another authority', async () => {
    await listen([]);
    const other = await refusal({ tls: 'require', service: service({ authority: stranger.certificate }) });
    expect(other.code).to.equal('TLS_FAILED');
    const named = await refusal({ tls: 'require', domain: 'rubble.com' });
    expect(named.code, named.message).to.be.oneOf(['TLS_FAILED', 'TLS_REFUSED']);
  });

  it('REQ-TLS-004 treats plain text behind ready as an injection', async () => {
    await listen([]);
    const socket = await connected(port);
    const reasons: (string | undefined)[] = [];
    const stop = events.closed.subscribe(({ error }) => reasons.push(error));
    const gone = new Promise<void>((resolve) => {
      socket.on('error', () => resolve());
      socket.on('close', () => resolve());
    });
    socket.resume();
    const xml = `Content-Type: application/beep+xml\r\n\r\n<start number='1'><profile uri='${TLS}'><![CDATA[<ready />]]></profile></start>\r\n`;
    const greeting = 'Content-Type: application/beep+xml\r\n\r\n<greeting />\r\n';
    socket.write(
      `RPY 0 0 . 0 ${greeting.length}\r\n${greeting}END\r\n` +
        `MSG 0 1 . ${greeting.length} ${xml.length}\r\n${xml}END\r\n` +
        `MSG 0 2 . ${greeting.length + xml.length} 10\r\ninjected!!END\r\n`,
    );
    await within(3000, gone, 'the end');
    stop();
    expect(reasons).to.deep.equal(['TLS_INJECTED']);
  });

  for (const mechanism of ['DIGEST-MD5', 'SCRAM-SHA-256', 'PLAIN']) {
    it(`REQ-SASL-004 authenticates with ${mechanism} for all channels`, async () => {
      await listen([mechanism]);
      const connection = await to({ tls: 'require', credentials: password('wilma') });
      await echoes(connection, '\r\nauthenticated');
      expect(identityHere()).to.deep.equal({ name: 'fred@example.com', mechanism, privacy: true });
    });

    it(`REQ-SASL-003 answers a wrong password and an unknown user with the same error in ${mechanism}`, async () => {
      await listen([mechanism]);
      const wrong = await refusal({ tls: 'require', credentials: password('betty') });
      const credentials = { username: 'dino@example.com', password: () => 'wilma' };
      const unknown = await refusal({ tls: 'require', credentials });
      expect(wrong.reply).to.deep.equal(unknown.reply);
      expect(wrong.reply?.code).to.equal(535);
      for (const { identity } of listener.connections) expect(identity).to.equal(undefined);
    });
  }

  it('binds SCRAM to the TLS channel', async () => {
    await listen(['SCRAM-SHA-256-PLUS']);
    const connection = await to({ tls: 'require', credentials: password('wilma') });
    await echoes(connection, '\r\nbound');
    expect(identityHere()).to.have.nested.property('mechanism', 'SCRAM-SHA-256-PLUS');
  });

  describe('resumes TLS', () => {
    /** Whether each handshake of the client was a resumption, as both sides say. */
    const resumptions = async (client: TlsService, times: number): Promise<boolean[]> => {
      const seen: boolean[] = [];
      for (let index = 0; index < times; index += 1) {
        const said: boolean[] = [];
        const stop = events.tuned.subscribe(({ resumed }) => said.push(resumed));
        const connection = await to({ tls: 'require', service: client });
        stop();
        // Tickets come after the handshake, at the latest with the next octets.
        await echoes(connection, '\r\nonce more');
        expect(said).to.have.length(2);
        expect(said[0]).to.equal(said[1]);
        seen.push(said[0] === true);
        connection.destroy(new TransportError('CLOSED', 'once more'));
      }
      return seen;
    };

    it('with the same relay, until either side reads its certificates again', async () => {
      const server = service(OWN);
      const client = service({ authority: authority.certificate });
      await listen([], undefined, server);
      expect(await resumptions(client, 3)).to.deep.equal([false, true, true]);
      server.replace(settingsOf(OWN));
      expect(await resumptions(client, 2)).to.deep.equal([false, true]);
      client.replace(settingsOf({ authority: authority.certificate }));
      expect(await resumptions(client, 2)).to.deep.equal([false, true]);
      client.replace(settingsOf({ authority: stranger.certificate }));
      expect((await refusal({ tls: 'require', service: client })).code).to.equal('TLS_FAILED');
    });

    it('REQ-SASL-007 with the identity of the certificate, for EXTERNAL', async () => {
      const own = authority.issue({ mailboxes: ['fred@example.com'] });
      const material = { certificate: own.certificate, key: own.key, authority: authority.certificate };
      const server = service(OWN);
      const client = service(material);
      await listen(['EXTERNAL'], undefined, server);
      for (const resumed of [false, true, true]) {
        const credentials = { ...password(''), useCertificate: true };
        const connection = await to({ tls: 'require', service: client, credentials });
        expect(connection.security?.resumed).to.equal(resumed);
        await echoes(connection, '\r\nwho I am');
        expect(identityHere()).to.deep.equal({ name: 'fred@example.com', mechanism: 'EXTERNAL', privacy: true });
        for (const { security } of listener.connections) expect(security?.resumed).to.equal(resumed);
        await connection.release();
      }
      server.replace({
        ...settingsOf(OWN),
        revocations: RevocationList.read(Buffer.from(authority.revocations([own.serial]))),
      });
      const credentials = { ...password(''), useCertificate: true };
      const refused = await refusal({ tls: 'require', service: client, credentials });
      expect(refused.code).to.equal('SASL_NO_MECHANISM');
    });

    it('and binds SCRAM to the new channel', async () => {
      await listen(['SCRAM-SHA-256-PLUS'], undefined, service(OWN));
      const client = service({ authority: authority.certificate });
      for (const resumed of [false, true]) {
        const connection = await to({ tls: 'require', service: client, credentials: password('wilma') });
        expect(connection.security?.resumed).to.equal(resumed);
        await echoes(connection, '\r\nbound');
        expect(identityHere()).to.have.nested.property('mechanism', 'SCRAM-SHA-256-PLUS');
        await connection.release();
      }
    });

    it('not after a login that failed', async () => {
      await listen(['DIGEST-MD5'], undefined, service(OWN));
      const client = service({ authority: authority.certificate });
      const first = await to({ tls: 'require', service: client, credentials: password('wilma') });
      await echoes(first, '\r\nfirst');
      expect(await refusal({ tls: 'require', service: client, credentials: password('betty') })).to.have.property(
        'code',
        'SASL_REFUSED',
      );
      const next = await to({ tls: 'require', service: client, credentials: password('wilma') });
      expect(next.security?.resumed).to.equal(false);
    });
  });

  it('REQ-SASL-005 allows no further attempt after success', async () => {
    await listen(['DIGEST-MD5']);
    const connection = await to({ credentials: password('wilma') });
    const again: unknown = await connection
      .start({ profiles: [{ uri: 'http://iana.org/beep/SASL/DIGEST-MD5' }] }, { codec: PLAIN_ERRORS })
      .catch((error: unknown) => error);
    expect(again).to.have.nested.property('reply.code', 550);
  });

  it('REQ-TLS-008 allows no TLS after SASL', async () => {
    await listen(['DIGEST-MD5']);
    const connection = await to({ credentials: password('wilma') });
    const late: unknown = await connection
      .start({ profiles: [{ uri: TLS, content: '<ready />' }] }, { codec: PLAIN_ERRORS })
      .catch((error: unknown) => error);
    expect(late).to.have.nested.property('reply.code', 554);
  });

  for (const qop of ['auth-int', 'auth-conf'] as const) {
    it(`REQ-SASL-006 puts the ${qop} layer under the session right after the completion`, async () => {
      await listen(['DIGEST-MD5'], ['auth', qop]);
      const connection = await to({ credentials: { ...password('wilma'), qops: [qop] } });
      await echoes(connection, `\r\n${'under the layer '.repeat(10_000)}`);
      expect(identityHere()).to.have.property('name', 'fred@example.com');
    });
  }

  it('gives up on a client that guesses', async () => {
    await listen(['DIGEST-MD5']);
    const first = await refusal({ credentials: password('betty') });
    expect(first.reply?.code).to.equal(535);
  });
});
