import type { Duplex } from 'node:stream';
import { expect } from 'chai';
import { MESH_NAMING } from '../../../lib/mesh/certificate.js';
import { channelBindings } from '../../../lib/transport/tls/channel-bindings.js';
import {
  type AcceptorOptions,
  type ClientUpgrade,
  clientContext,
  legacyContext,
  strictContext,
  TlsAcceptor,
  upgradeClient,
} from '../../../lib/transport/tls/native.js';
import { ResumableSessions } from '../../../lib/transport/tls/resumption.js';
import { RevocationList } from '../../../lib/transport/tls/revocation.js';
import type { SecuredStream } from '../../../lib/transport/tls/secured-stream.js';
import { TestAuthority, type TestCertificate } from '../../support/certificates.js';
import { readOctets, socketPair } from '../../support/streams.js';
import { within } from '../../support/within.js';

const DAY_MS = 86_400_000;

/** Says when the first ticket is there, which may be later than what follows it. */
class AwaitedSessions extends ResumableSessions {
  readonly kept: Promise<void>;
  #tell = (): void => {};

  constructor() {
    super();
    this.kept = new Promise((resolve) => {
      this.#tell = resolve;
    });
  }

  override keep(...kept: Parameters<ResumableSessions['keep']>): void {
    super.keep(...kept);
    this.#tell();
  }
}

interface Facts {
  readonly resumed: boolean | undefined;
  readonly authorized: boolean;
  readonly reason?: string | undefined;
  readonly certificate: string | undefined;
}

function factsOf({ resumed, authorized, reason, peerCertificate }: SecuredStream): Facts {
  return { resumed, authorized, reason, certificate: peerCertificate?.toString('hex') };
}

describe('transport/tls/resumption', () => {
  const authority = new TestAuthority();
  const between = new TestAuthority('Between', authority);
  const rubble = authority.issue({ domains: ['rubble.com'] });
  const example = authority.issue({ mailboxes: ['imxp=mesh@example.com'] });
  const issued = between.issue({ mailboxes: ['imxp=mesh@example.com'] });
  const below = { ...issued, certificate: `${issued.certificate}${between.certificate}` };
  const stranger = new TestAuthority('Stranger').issue({ domains: ['rubble.com'] });
  /** Made before the specs, as it takes long. */
  const revoked = (by: TestAuthority, { serial }: TestCertificate): RevocationList[] =>
    RevocationList.read(Buffer.from(by.revocations([serial])));
  const lists = {
    example: revoked(authority, example),
    below: revoked(between, below),
    rubble: revoked(authority, rubble),
  };
  const open: Duplex[] = [];
  const { now } = Date;

  afterEach(() => {
    Date.now = now;
    for (const stream of open.splice(0)) stream.destroy();
  });

  type Context = ReturnType<typeof strictContext>;

  const contextOf = (own: TestCertificate | undefined, more: Partial<Context> = {}): Context => ({
    ...strictContext({ ...(own && { certificate: own.certificate, key: own.key }), authority: authority.certificate }),
    ...more,
  });

  const acceptorOf = (more: Partial<AcceptorOptions> = {}, context = contextOf(rubble)): TlsAcceptor =>
    new TlsAcceptor({ naming: MESH_NAMING, context, clientCertificate: 'request', ...more });

  /** A client that keeps its tickets. */
  const client = (own?: TestCertificate, more: Partial<Context> = {}, options: Partial<ClientUpgrade> = {}) => {
    const sessions = new AwaitedSessions();
    const context = clientContext(contextOf(own, more));
    const upgrade: ClientUpgrade = {
      context,
      domain: 'rubble.com',
      naming: MESH_NAMING,
      resumption: { sessions, server: 'rubble.com' },
      ...options,
    };
    return { sessions, upgrade };
  };

  /** One session, in which each side says something, so that tickets arrive. */
  async function meet(acceptor: TlsAcceptor, upgrade: ClientUpgrade): Promise<[SecuredStream, SecuredStream]> {
    const [near, far] = await socketPair();
    open.push(near, far);
    const accepted = acceptor.upgrade(far);
    // What became of it is asked of the client, where that matters.
    accepted.catch(() => {});
    const here = await upgradeClient(near, upgrade);
    const there = await accepted;
    open.push(here.stream, there.stream);
    const heard = [readOctets(here.stream, 4), readOctets(there.stream, 4)];
    there.stream.write('ping');
    here.stream.write('pong');
    await within(15_000, Promise.all(heard), 'what each says');
    return [here, there];
  }

  for (const maxVersion of ['TLSv1.3', 'TLSv1.2'] as const) {
    describe(maxVersion, () => {
      for (const [title, own] of [
        ['no certificate', undefined],
        ['a certificate of the authority', example],
        ['a certificate over an intermediate', below],
      ] as const) {
        it(`a client with ${title} is the same to a server that resumes its session, and the server to it`, async () => {
          const acceptor = acceptorOf();
          const { upgrade, sessions } = client(own, { maxVersion });
          const [first, firstThere] = await meet(acceptor, upgrade);
          await within(15_000, sessions.kept, 'a ticket');
          expect([first.resumed, firstThere.resumed, first.protocol]).to.deep.equal([false, false, maxVersion]);
          for (let again = 0; again < 2; again += 1) {
            const [here, there] = await meet(acceptor, upgrade);
            expect(factsOf(here)).to.deep.equal({ ...factsOf(first), resumed: true });
            expect(factsOf(there)).to.deep.equal({ ...factsOf(firstThere), resumed: true });
          }
          expect(firstThere.authorized).to.equal(own !== undefined);
          expect(first.authorized).to.equal(true);
        });
      }

      it('a certificate that was revoked meanwhile proves nothing any more, on either side', async () => {
        let inForce: RevocationList[] = [];
        const acceptor = acceptorOf({ revocations: () => inForce });
        for (const own of ['example', 'below'] as const) {
          inForce = [];
          const { upgrade, sessions } = client({ example, below }[own], { maxVersion });
          await meet(acceptor, upgrade);
          await within(15_000, sessions.kept, 'a ticket');
          inForce = lists[own];
          const [, there] = await meet(acceptor, upgrade);
          expect(factsOf(there)).to.include({ resumed: true, authorized: false, reason: 'the certificate is revoked' });
        }
        let refused: RevocationList[] = [];
        const { upgrade, sessions } = client(undefined, { maxVersion }, { revocations: () => refused });
        await meet(acceptor, upgrade);
        await within(15_000, sessions.kept, 'a ticket');
        refused = lists.rubble;
        const error: unknown = await meet(acceptor, upgrade).catch((reason: unknown) => reason);
        expect(error)
          .to.have.property('message')
          .that.matches(/revoked/);
        expect(sessions.of('rubble.com')).to.equal(undefined);
      });

      it('a certificate that expired meanwhile proves nothing any more, on either side', async () => {
        const acceptor = acceptorOf();
        const [one, other] = [client(below, { maxVersion }), client(undefined, { maxVersion })];
        await meet(acceptor, one.upgrade);
        await meet(acceptor, other.upgrade);
        await within(15_000, Promise.all([one.sessions.kept, other.sessions.kept]), 'tickets');
        const lenient = { ...one.upgrade, allowUnauthorized: true };
        Date.now = () => now() + 400 * DAY_MS;
        const [, there] = await meet(acceptor, lenient);
        expect(there).to.include({ resumed: true, authorized: false });
        expect(there.reason).to.match(/expired/);
        const error: unknown = await meet(acceptor, other.upgrade).catch((reason: unknown) => reason);
        expect(error)
          .to.have.property('message')
          .that.matches(/expired/);
      });

      it('another acceptor resumes nothing, and the handshake is a full one', async () => {
        const { upgrade, sessions } = client(example, { maxVersion });
        await meet(acceptorOf(), upgrade);
        await within(15_000, sessions.kept, 'a ticket');
        const [here, there] = await meet(acceptorOf(), upgrade);
        expect([here.resumed, there.resumed]).to.deep.equal([false, false]);
        expect([here.authorized, there.authorized]).to.deep.equal([true, true]);
      });

      it('where the intermediate certificates are not known any more, only a certificate of the authority holds', async () => {
        const ticketKeys = Buffer.alloc(48, 7);
        for (const own of [example, below]) {
          const { upgrade, sessions } = client(own, { maxVersion });
          await meet(acceptorOf({}, { ...contextOf(rubble), ...{ ticketKeys } }), upgrade);
          await within(15_000, sessions.kept, 'a ticket');
          const [, there] = await meet(acceptorOf({}, { ...contextOf(rubble), ...{ ticketKeys } }), upgrade);
          expect(there).to.include({ resumed: true, authorized: own === example });
          if (own === below) expect(there.reason).to.match(/known authority/);
        }
      });

      it('a server that could not be verified is not resumed', async () => {
        const acceptor = acceptorOf({}, contextOf(stranger));
        const { upgrade, sessions } = client(undefined, { maxVersion }, { allowUnauthorized: true });
        for (let again = 0; again < 2; again += 1) {
          const [here] = await meet(acceptor, upgrade);
          expect(here).to.include({ resumed: false, authorized: false });
        }
        expect(sessions.of('rubble.com')).to.equal(undefined);
      });
    });
  }

  it('each session has channel bindings of its own, which both sides share', async () => {
    const acceptor = acceptorOf();
    const { upgrade, sessions } = client();
    const seen = new Set<string>();
    for (let again = 0; again < 3; again += 1) {
      const both = await meet(acceptor, upgrade);
      await within(15_000, sessions.kept, 'a ticket');
      expect(both[0].resumed).to.equal(again > 0);
      const [here, there] = both.map(channelBindings);
      expect([...(here?.keys() ?? [])]).to.deep.equal(['tls-exporter']);
      expect(there).to.deep.equal(here);
      seen.add(here?.get('tls-exporter')?.toString('hex') ?? '');
    }
    expect(seen.size).to.equal(3);
  });

  it('TLS 1.2 has no channel bindings, resumed or not', async () => {
    const acceptor = acceptorOf();
    const { upgrade, sessions } = client(undefined, { maxVersion: 'TLSv1.2' });
    for (let again = 0; again < 2; again += 1) {
      const [here, there] = await meet(acceptor, upgrade);
      await within(15_000, sessions.kept, 'a ticket');
      expect(here.resumed).to.equal(again === 1);
      expect([channelBindings(here).size, channelBindings(there).size]).to.deep.equal([0, 0]);
    }
  });

  it('legacy contexts resume nothing', async () => {
    const material = { certificate: rubble.certificate, key: rubble.key, authority: authority.certificate };
    const acceptor = acceptorOf({}, legacyContext(material, 'server'));
    const { upgrade } = client(undefined, legacyContext({ authority: authority.certificate }, 'client'));
    for (let again = 0; again < 2; again += 1) {
      const [here, there] = await meet(acceptor, upgrade);
      expect([here.resumed, there.resumed, here.protocol]).to.deep.equal([false, false, 'TLSv1.2']);
    }
  });

  it('after a handshake that failed the next one is full', async () => {
    const acceptor = acceptorOf();
    const { upgrade, sessions } = client();
    await meet(acceptor, upgrade);
    await within(15_000, sessions.kept, 'a ticket');
    const [near, far] = await socketPair();
    open.push(near, far);
    far.destroy();
    expect(await upgradeClient(near, upgrade).catch((error: unknown) => error)).to.be.instanceOf(Error);
    expect(sessions.of('rubble.com')).to.equal(undefined);
    const [here] = await meet(acceptor, upgrade);
    expect(here.resumed).to.equal(false);
  });

  it('keeps the tickets of the servers used last, at most 256', () => {
    const sessions = new ResumableSessions();
    const session = { session: Buffer.alloc(1), chain: [] };
    for (let index = 0; index < 256; index += 1) sessions.keep(`${index}.example.com`, session);
    expect(sessions.of('0.example.com')).to.equal(session);
    sessions.keep('rubble.com', session);
    expect([sessions.of('0.example.com'), sessions.of('1.example.com')]).to.deep.equal([session, undefined]);
  });
});
