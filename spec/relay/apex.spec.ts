import { expect } from 'chai';
import { apexDialect } from '../../lib/imxp/dialect/apex.js';
import { imxpDialect } from '../../lib/imxp/dialect/imxp.js';
import type { Data, Option } from '../../lib/imxp/operation.js';
import type { RelayOptions } from '../../lib/relay/context.js';
import { OptionRegistry } from '../../lib/relay/options.js';
import { STATUS_REQUEST, type StatusReport } from '../../lib/relay/status.js';
import { accepted, FakeChannel, FakeTarget, LIMITS, makeRelay, settled } from '../support/fake-channel.js';
import { data, option } from '../support/fake-dialect.js';

const apex = apexDialect();
const imxp = imxpDialect();
const proof = { mechanism: 'DIGEST-MD5', privacy: true };

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const BETTY = 'betty@rubble.com';

/** example.com, with whoever the specs attach in either dialect. */
class DialectStage {
  readonly reports: StatusReport[] = [];
  readonly rubble = new FakeTarget('rubble.com');
  readonly relay;

  constructor(options: Partial<RelayOptions> = {}) {
    const understood = new OptionRegistry();
    understood.add(STATUS_REQUEST, ['data', 'recipient']);
    this.relay = makeRelay({
      dialects: [imxp, apex],
      understood,
      reporter: { report: (report) => this.reports.push(report) },
      dialer: { toward: () => this.rubble },
      ...options,
    });
  }

  channel(address: string, dialect = apex, session?: string): FakeChannel {
    const channel = new FakeChannel({ kind: 'endpoint', address, proof }, { dialect, privacy: true });
    if (session !== undefined) channel.session = session;
    return accepted(this.relay, channel);
  }

  attached(address: string, dialect = apex): FakeChannel {
    const channel = this.channel(address, dialect);
    expect(channel.attach(address)).to.equal(0);
    return channel;
  }

  neighbour(domain: string, dialect = apex): FakeChannel {
    const identity = { kind: 'relay', domains: [domain], proof } as const;
    const channel = accepted(this.relay, new FakeChannel(identity, { dialect, privacy: true }));
    expect(channel.bind(domain)).to.equal(0);
    return channel;
  }

  get said(): string[] {
    return this.reports.map(({ domain, transID, destinations }) => {
      const outcomes = destinations.map(({ identity, reply }) => `${identity} ${reply?.code ?? 250}`);
      return `${domain} ${transID}: ${outcomes.join(', ')}`;
    });
  }
}

/** With content, as both dialects must be able to write it. */
const note = (from: string, to: Parameters<typeof data>[1], options: readonly Option[] = []): Data => ({
  ...data(from, to, options, 'P'),
  dataContent: { name: 'P', inner: Buffer.from('<note />') },
});

type Fields = Partial<Omit<Option, 'internal'>>;
const request = (fields: Fields = {}) => option({ internal: STATUS_REQUEST, transID: 7, ...fields });
const needed = (fields: Fields = {}) => option({ internal: 'novel', seeNoEvil: false, ...fields });

describe('relay: APEX', () => {
  it('REQ-IMXP-050 answers ok before the Data is delivered', () => {
    const stage = new DialectStage();
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    const msgno = fred.send(note(FRED, [BARNEY]));
    expect(fred.code(msgno)).to.equal(0);
    expect(barney.requests).to.have.length(1);
    barney.requests[0]?.error(450, 'not now');
    expect(fred.replies).to.have.length(2);
  });

  it('REQ-IMXP-050 refuses with 537 first, then by options of the Data, before any ok', () => {
    const stage = new DialectStage();
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    expect(fred.ask(note(BARNEY, [FRED], [needed({ targetHop: 'this' })]))).to.equal(537);
    expect(fred.ask(note(FRED, [BARNEY], [needed({ targetHop: 'this' })]))).to.equal(504);
    expect(fred.ask(note(FRED, [BARNEY], [needed({ targetHop: 'all' })]))).to.equal(504);
    expect(fred.ask(note(FRED, [BARNEY], [needed({ targetHop: 'final' })]))).to.equal(504);
    // `final` is for the relay of rubble.com to examine
    expect(fred.ask(note(FRED, [BETTY], [needed({ targetHop: 'final' })]))).to.equal(0);
    expect(fred.ask(note(FRED, [BARNEY], [option({ internal: 'novel', targetHop: 'this' })]))).to.equal(0);
    expect([barney.requests.length, stage.rubble.deliveries.length]).to.deep.equal([1, 1]);
  });

  it('REQ-IMXP-050 tells a relay, too, of failures after the ok by reports alone', () => {
    const stage = new DialectStage();
    const fred = stage.attached(FRED);
    const rubble = stage.neighbour('rubble.com');
    const barney = stage.attached(BARNEY);
    expect(fred.ask(note(FRED, [BARNEY, [BETTY, [request()]]], []))).to.equal(0);
    expect(fred.ask(note(FRED, [[BARNEY, [needed()]]], [request()]))).to.equal(0);
    expect(rubble.ask(note(BETTY, [BARNEY], [request({ transID: 8 })]))).to.equal(0);
    for (const waiting of barney.waiting) waiting.error(450, 'not now');
    for (const waiting of rubble.waiting) waiting.error(550, 'unknown endpoint identity');
    expect(stage.said).to.have.members([
      `example.com 7: ${BETTY} 550`,
      `example.com 7: ${BARNEY} 504`,
      `example.com 8: ${BARNEY} 450`,
    ]);
    expect(stage.reports.map(({ to }) => to)).to.have.members([FRED, FRED, BETTY]);
  });

  it('REQ-IMXP-051 counts a recipient as reached when its application has answered ok', () => {
    const stage = new DialectStage();
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    fred.send(note(FRED, [BARNEY], [request()]));
    expect(stage.said).to.deep.equal([]);
    barney.requests[0]?.ok();
    expect(stage.said).to.deep.equal([`example.com 7: ${BARNEY} 250`]);
  });

  it('REQ-IMXP-055 processes the options of the originator after the ok', () => {
    const stage = new DialectStage();
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    const send = (fields: Fields, to = BARNEY) =>
      fred.ask({ ...note(FRED, [to], [request()]), originatorOptions: [needed(fields)] });
    expect(send({ targetHop: 'all' })).to.equal(0);
    expect(send({ targetHop: 'final' })).to.equal(0);
    expect(stage.said).to.deep.equal([`example.com 7: ${BARNEY} 504`, `example.com 7: ${BARNEY} 504`]);
    expect(send({ targetHop: 'all', seeNoEvil: true })).to.equal(0);
    expect(send({ targetHop: 'final' }, BETTY)).to.equal(0);
    expect(barney.requests.map((one) => one.data.originatorOptions?.length)).to.deep.equal([1]);
    expect(stage.rubble.recipients).to.deep.equal([[BETTY]]);
  });

  it('REQ-IMXP-055 removes options with targetHop `this` before the next relay', () => {
    const stage = new DialectStage();
    const fred = stage.attached(FRED);
    const rubble = stage.neighbour('rubble.com');
    const options = [option({ internal: 'a', targetHop: 'this' }), option({ internal: 'b', targetHop: 'all' })];
    fred.send({ ...note(FRED, [BETTY]), originatorOptions: options });
    expect(rubble.requests[0]?.data.originatorOptions?.map(({ internal }) => internal)).to.deep.equal(['b']);
  });

  it('returns the octets when the processing is finished, and takes no more than its share before', () => {
    const stage = new DialectStage({ limits: { ...LIMITS, outstanding: 8 } });
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    const before = fred.consumedOctets;
    const sent = Array.from({ length: 7 }, () => fred.send(note(FRED, [BARNEY])));
    expect(fred.consumedOctets).to.equal(before);
    expect(sent.map((msgno) => fred.code(msgno))).to.deep.equal([0, 0, 0, 0, undefined, undefined, undefined]);
    expect(barney.requests).to.have.length(4);
    barney.requests[0]?.ok();
    expect(fred.consumedOctets).to.be.above(before);
  });

  it('continues in order where it stopped, and returns all octets in the end', async () => {
    const stage = new DialectStage({ limits: { ...LIMITS, outstanding: 8 } });
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    const sent = Array.from({ length: 20 }, (_, at) => fred.send(note(FRED, [BARNEY], [option({ transID: at + 1 })])));
    for (let at = 0; at < 20; at += 1) {
      barney.requests[at]?.ok();
      await settled();
    }
    const taken = sent.map((_, at) => at + 1).slice(0, 12);
    expect(barney.requests.map((one) => one.data.options[0]?.transID)).to.deep.equal(taken);
    // past what may wait for its turn the relay says so, before it has promised anything
    expect(sent.map((msgno) => fred.code(msgno))).to.deep.equal([...Array(12).fill(0), ...Array(8).fill(450)]);
    expect(fred.consumedOctets).to.equal(fred.received);
  });

  it('delivers what it has answered with ok, even if the sender has left meanwhile', async () => {
    let decide = (_: boolean): void => {};
    const decision = new Promise<boolean>((resolve) => {
      decide = resolve;
    });
    let asked = 0;
    const stage = new DialectStage({ access: { allowed: () => (asked++ === 0 ? decision : true) } });
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    expect(fred.ask(note(FRED, [BARNEY]))).to.equal(0);
    fred.lose();
    decide(true);
    await settled();
    expect(barney.requests).to.have.length(1);
  });

  it('REQ-IMXP-052 ends all associations of the session by transID 0, on every channel of it', () => {
    const stage = new DialectStage();
    const first = stage.channel(FRED, apex, 'one');
    const second = stage.channel(FRED, apex, 'one');
    const other = stage.attached(BARNEY);
    expect(first.attach(FRED, 1)).to.equal(0);
    expect(first.attach('fred/appl=a@example.com', 2)).to.equal(0);
    expect(second.attach('fred/appl=b@example.com', 1)).to.equal(0);
    expect(second.terminate(0)).to.equal(0);
    expect(stage.relay.attached()).to.deep.equal([BARNEY]);
    expect(first.terminate(1)).to.equal(550);
    expect(first.terminate(0)).to.equal(0);
    expect(other.terminate(0)).to.equal(0);
    expect(stage.relay.attached()).to.deep.equal([]);
  });

  it('REQ-IMXP-052 ends bindings by transID 0; those of this relay where the peer has none', () => {
    const stage = new DialectStage();
    const rubble = stage.neighbour('rubble.com');
    let ended = 0;
    stage.relay.initiated(rubble, 5, () => {
      ended += 1;
    });
    expect(rubble.terminate(0)).to.equal(0);
    expect([stage.relay.bound(), ended]).to.deep.equal([[], 0]);
    expect(rubble.terminate(0)).to.equal(0);
    expect(ended).to.equal(1);
  });

  it('REQ-IMXP-053 recognises an endpoint by its name in any encoding', () => {
    const stage = new DialectStage();
    const fred = stage.attached(FRED);
    const smith = stage.attached('"fred smith"@example.com');
    const xml = (to: string) =>
      Buffer.from(
        `Content-Type: application/beep+xml\r\n\r\n<data content='#P'><originator identity='f%72ed@example.com' /><recipient identity='${to}' /><option internal='statusRequest' transID='9' /><data-content Name='P' /></data>`,
      );
    expect(fred.ask(xml('fred smith@example.com'))).to.equal(0);
    expect(fred.ask(xml('fred%20smith@EXAMPLE.com'))).to.equal(0);
    expect(fred.ask(xml('Fred smith@example.com'))).to.equal(0);
    expect(smith.requests.map(({ payload }) => payload)).to.have.length(2);
    for (const waiting of smith.waiting) waiting.ok();
    expect(stage.said.slice(0, 2)).to.deep.equal([
      'example.com 9: fred smith@example.com 250',
      'example.com 9: fred%20smith@EXAMPLE.com 250',
    ]);
  });

  it('refuses names that IMXP does not have', () => {
    const stage = new DialectStage();
    const fred = stage.attached(FRED, imxp);
    const fault = fred.send(note(FRED, ['fred@[192.0.2.9]']));
    expect(fred.code(fault)).to.equal(553);
    expect(stage.channel('"é"@example.com', imxp).attach('"é"@example.com')).to.equal(553);
    expect(stage.channel('"é"@example.com').attach('"é"@example.com')).to.equal(0);
  });
});

describe('relay: between the dialects', () => {
  it('translates the prefix, the must-understand flag, the options of the originator and the content type', () => {
    const stage = new DialectStage();
    const fred = stage.attached(FRED);
    const barney = stage.attached(BARNEY, imxp);
    const option = (name: string) => `<option internal='${name}' mustUnderstand='false' transID='3' targetHop='all' />`;
    fred.send(
      Buffer.from(
        `Content-Type: application/beep+xml\r\n\r\n<data content='#P'><originator identity='fred@example.com'>${option('o')}</originator><recipient identity='barney@example.com'>${option('r')}</recipient>${option('d')}<data-content Name='P'> <note/> </data-content></data>`,
      ),
    );
    const said = (name: string) => `<option internal='${name}' targetHop='all' seeNoEvil='true' transID='3' />`;
    expect(barney.requests[0]?.joined.toString()).to.equal(
      `Content-Type: text/xml\r\n\r\n<data originator='fred@example.com' content='#P'><recipient identity='barney@example.com'>${said('r')}</recipient>${said('d')}${said('o')}<data-content Name='P'> <note/> </data-content></data>\r\n`,
    );
  });

  it('D-APEX-03 counts the ok of an APEX next hop as success for a sender of IMXP', () => {
    const stage = new DialectStage();
    const fred = stage.attached(FRED, imxp);
    const rubble = stage.neighbour('rubble.com');
    const msgno = fred.send(note(FRED, [BETTY]));
    expect(fred.code(msgno)).to.equal(undefined);
    rubble.requests[0]?.ok();
    expect(fred.code(msgno)).to.equal(0);
  });

  it('fails with 553 only the recipients whose names the other dialect does not have', () => {
    const stage = new DialectStage();
    const fred = stage.attached(FRED);
    const rubble = stage.neighbour('rubble.com', imxp);
    const spaced = '"betty rubble"@rubble.com';
    fred.send(note(FRED, [BETTY, spaced, '"é"@rubble.com'], [request()]));
    expect(rubble.requests.map((one) => one.data.recipients.map(({ identity }) => identity))).to.deep.equal([[BETTY]]);
    rubble.requests[0]?.ok();
    expect(stage.said).to.deep.equal(['example.com 7: betty rubble@rubble.com 553, é@rubble.com 553']);
    const barney = stage.attached(BARNEY, imxp);
    stage.attached('"a b"@example.com');
    expect(barney.ask(note(BARNEY, ['"a b"@example.com']))).to.equal(553);
  });

  it('waits as long as before for a recipient in IMXP', () => {
    const stage = new DialectStage();
    const [fred, barney] = [stage.attached(FRED, imxp), stage.attached(BARNEY)];
    const msgno = fred.send(note(FRED, [BARNEY]));
    expect(fred.code(msgno)).to.equal(undefined);
    barney.requests[0]?.error(450, 'not now');
    expect(fred.code(msgno)).to.equal(450);
  });
});
