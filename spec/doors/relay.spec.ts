import { expect } from 'chai';
import { Endpoint } from 'imxp';
import { listen } from 'imxp/beep';
import {
  type AccessPolicy,
  Accounts,
  type Data,
  DEFAULT_LIMITS,
  type DeliveryTarget,
  type Identity,
  imxpDialect,
  MemorySpool,
  MemoryStore,
  type MeshChannel,
  type MeshHandler,
  MeshProfile,
  makeData,
  makeVerifier,
  type OperationReply,
  type Payload,
  Relay,
  type ReplySink,
  registeredOptions,
  STRICT_POLICY,
  systemClock,
} from 'imxp/relay';

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const CLOCK = 'imxp=clock';

const dialect = imxpDialect();
const octetsOf = (payload: Payload): Buffer => (Buffer.isBuffer(payload) ? payload : Buffer.concat(payload));

/** A channel that a program has made itself: what the relay answers and asks is kept. */
class OwnChannel implements MeshChannel {
  static #count = 0;
  readonly id = `own ${++OwnChannel.#count}`;
  readonly session = this.id;
  readonly profile = dialect.profile;
  readonly privacy = true;
  readonly initiator = false;
  readonly remote = { address: '127.0.0.1', port: 1 };
  readonly identity: Identity;
  readonly outstanding = 0;
  readonly outstandingOctets = 0;
  open = true;
  readonly replies = new Map<number, OperationReply>();
  readonly asked: Data[] = [];
  readonly #handler: MeshHandler;
  #msgno = 0;

  constructor(relay: Relay, address: string) {
    this.identity = { kind: 'endpoint', address, proof: { mechanism: 'own', privacy: true } };
    this.#handler = relay.accept(this);
    this.#ask(dialect.encode({ type: 'attach', endpoint: address, transID: 1, options: [] }));
  }

  /** Sends a Data. @returns its number */
  send(from: string, to: string, text: string): number {
    const content = { type: 'text/plain', body: Buffer.from(text) };
    return this.#ask(octetsOf(dialect.encodeData(makeData({ originator: from, recipients: [to], content }))));
  }

  #ask(octets: Buffer): number {
    const msgno = this.#msgno++;
    this.#handler.message(msgno, octets);
    return msgno;
  }

  /** What it was answered: 0 for ok, or the code. */
  code(msgno: number): number | undefined {
    const reply = this.replies.get(msgno);
    return reply?.type === 'error' ? reply.code : reply && 0;
  }

  request(payload: Payload, sink: ReplySink): void {
    const operation = dialect.decode(octetsOf(payload));
    if (operation.type === 'data') this.asked.push(operation);
    setImmediate(() => sink.replied('RPY', dialect.ok));
  }

  recall(): ReplySink[] {
    return [];
  }

  reply(msgno: number, _kind: 'RPY' | 'ERR', payload: Payload): void {
    this.replies.set(msgno, dialect.decodeReply(octetsOf(payload)));
  }

  consume(): void {}

  close(): void {
    this.open = false;
    this.#handler.closed();
  }
}

describe('imxp/relay', () => {
  it('suffices for a relay with accounts, a service and channels of a program', async () => {
    const accounts = new Accounts(new MemoryStore());
    for (const address of [FRED, BARNEY, 'wilma@example.com']) {
      await accounts.add(await makeVerifier(address, `of ${address}`, { realms: ['example.com'] }));
    }
    const access: AccessPolicy = { allowed: (owner, actor) => !(owner === BARNEY && actor.startsWith('wilma')) };
    const questions: string[] = [];
    const clock: DeliveryTarget = {
      deliver: ({ data }, sink) => {
        questions.push(data.originator);
        sink.delivered();
      },
    };
    const relay = new Relay({
      domains: ['example.com'],
      dialects: [dialect],
      dialer: { toward: (domain) => ({ code: 550, text: `no way to ${domain}` }) },
      directory: accounts,
      access,
      services: new Map([[CLOCK, clock]]),
      understood: registeredOptions({
        statusRequest: 'on',
        dataTiming: 'on',
        hold4Endpoint: 'on',
        attachOverride: 'on',
      }),
      time: systemClock,
      offline: { spool: new MemorySpool(), limits: DEFAULT_LIMITS.offline },
      policy: STRICT_POLICY,
      limits: { ...DEFAULT_LIMITS.data, attachmentsPerSession: DEFAULT_LIMITS.attachment.perSession },
    });
    const [fred, barney, wilma] = [FRED, BARNEY, 'wilma@example.com'].map((address) => new OwnChannel(relay, address));
    if (fred === undefined || barney === undefined || wilma === undefined) throw new Error('three channels');
    expect(relay.attached()).to.have.members([FRED, BARNEY, 'wilma@example.com']);

    const sent = fred.send(FRED, BARNEY, 'Bowling tonight?');
    const asked = fred.send(FRED, `${CLOCK}@example.com`, 'What time is it?');
    const foreign = fred.send(FRED, 'mrslate@slate.example', 'I am ill');
    const denied = wilma.send('wilma@example.com', BARNEY, 'Where is Fred?');
    const forged = wilma.send(FRED, BARNEY, 'I am Fred');
    while ([sent, asked, foreign].some((msgno) => fred.code(msgno) === undefined)) {
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect([sent, asked, foreign].map((msgno) => fred.code(msgno))).to.deep.equal([0, 0, 550]);
    expect([denied, forged].map((msgno) => wilma.code(msgno))).to.deep.equal([537, 537]);
    expect(barney.asked.map(({ originator }) => originator)).to.deep.equal([FRED]);
    expect(questions).to.deep.equal([FRED]);
    await relay.drain();
  });

  it('serves a relay on a listener of imxp/beep, with accounts', async () => {
    const accounts = new Accounts(new MemoryStore());
    for (const address of [FRED, BARNEY]) {
      await accounts.add(await makeVerifier(address, `of ${address}`, { realms: ['example.com'] }));
    }
    const questions: string[] = [];
    const clock: DeliveryTarget = {
      deliver: ({ data }, sink) => {
        questions.push(data.originator);
        sink.delivered();
      },
    };
    const relay = new Relay({
      domains: ['example.com'],
      dialects: [dialect],
      dialer: { toward: (domain) => ({ code: 550, text: `no way to ${domain}` }) },
      directory: accounts,
      access: { allowed: () => true },
      services: new Map([[CLOCK, clock]]),
      policy: STRICT_POLICY,
      limits: { ...DEFAULT_LIMITS.data, attachmentsPerSession: DEFAULT_LIMITS.attachment.perSession },
    });
    const listener = await listen({
      transportProfiles: [new MeshProfile(dialect, relay)],
      sasl: { mechanisms: ['SCRAM-SHA-256', 'DIGEST-MD5'], accounts, realms: ['example.com'] },
    });
    const connect = (address: string, password = `of ${address}`): Promise<Endpoint> =>
      Endpoint.connect({ address, relay: `tcp://127.0.0.1:${listener.port}`, password });
    try {
      const [fred, barney] = [await connect(FRED), await connect(BARNEY)];
      const arrived = new Promise<string>((resolve) => barney.receive((delivery) => resolve(delivery.text())));
      await fred.send({ to: BARNEY, content: 'Bowling tonight?' });
      expect(await arrived).to.equal('Bowling tonight?');
      await fred.send({ to: `${CLOCK}@example.com`, content: 'What time is it?' });
      expect(questions).to.deep.equal([FRED]);
      const refused = await connect(FRED, 'guessed').catch((error: unknown) => error);
      expect(refused).to.include({ code: 'SASL_REFUSED' });
      await Promise.all([fred.close(), barney.close()]);
    } finally {
      await listener.close('the specification ends', 1000);
    }
  });
});
