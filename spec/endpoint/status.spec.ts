import { expect } from 'chai';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { RelayReport } from '../../lib/endpoint/report.js';
import type { RefusedError } from '../../lib/errors.js';
import { LocalMesh } from '../support/local-mesh.js';
import { dataFor, scripted } from '../support/scripted-endpoint.js';
import { dialect as encoding, type ScriptedRelay } from '../support/scripted-relay.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';
const BETTY = 'betty@rubble.com';

const said = (reports: readonly RelayReport[]): string[] =>
  reports.map(({ relay, recipients }) => `${relay}: ${recipients.map(({ identity, code }) => `${identity} ${code}`)}`);

describe('endpoint/status', () => {
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start();
  });

  afterEach(() => mesh.leave());

  after(() => mesh.close());

  it('REQ-IMXP-041 traces every relay up to an endpoint of another domain', async () => {
    const fred = await mesh.attach(FRED);
    await mesh.attach(BARNEY);
    const { code, reports, complete, ms } = await fred.trace(BARNEY);
    expect([code, complete, said(reports)]).to.deep.equal([
      250,
      true,
      [`example.com: ${BARNEY} 250`, `rubble.com: ${BARNEY} 250`],
    ]);
    for (const report of reports) expect(report.ms).to.be.within(0, 5000);
    expect(ms).to.be.within(0, 5000);
  });

  it('traces as far as relays answer', async () => {
    const fred = await mesh.attach(FRED);
    const { code, text, reports, complete } = await fred.trace(BARNEY);
    expect([code, text, complete, said(reports)]).to.deep.equal([
      450,
      'not attached',
      true,
      [`example.com: ${BARNEY} 450`, `rubble.com: ${BARNEY} 450`],
    ]);
    expect((await fred.trace('nobody@rubble.com')).code).to.equal(550);
    expect((await fred.trace('x@nowhere.example')).code).to.equal(550);
  });

  it('traces within a domain, and in the other direction', async () => {
    const barney = await mesh.attach(BARNEY);
    await mesh.attach(BETTY);
    expect(said((await barney.trace(BETTY)).reports)).to.deep.equal([`rubble.com: ${BETTY} 250`]);
  });

  it('pings without the application seeing it', async () => {
    const fred = await mesh.attach(FRED);
    const barney = await mesh.attach(BARNEY, { autoAccept: false });
    const arrived: Delivery[] = [];
    barney.receive((delivery) => void arrived.push(delivery));
    expect((await fred.ping(BARNEY)).code).to.equal(250);
    expect((await fred.trace(BARNEY)).code).to.equal(250);
    expect(await fred.ping(BETTY)).to.deep.include({ code: 450, text: 'not attached' });
    expect(arrived).to.deep.equal([]);
  });

  it('treats a message with content as a message, whatever options it has', async () => {
    const fred = await mesh.attach(FRED);
    const barney = await mesh.attach(BARNEY);
    const texts: string[] = [];
    barney.receive((delivery) => void texts.push(delivery.text()));
    await fred.send({ to: BARNEY, content: { xml: '<x/>' }, options: [{ external: 'urn:x-imxp:probe' }] });
    await fred.send({ to: BARNEY, content: '', options: [{ external: 'urn:x-imxp:probe' }] });
    expect(texts).to.deep.equal(['<x/>', '']);
  });

  it('REQ-IMXP-042 reports what became of each recipient of a message', async () => {
    const fred = await mesh.attach(FRED);
    const [barney, wilma] = [await mesh.attach(BARNEY), await mesh.attach(WILMA)];
    wilma.receive((delivery) => void delivery.refuse({ code: 554, text: 'no' }));
    barney.receive(() => {});
    const { code, reports, complete } = await fred.status({ to: [BARNEY, WILMA, BETTY], content: 'Dinner' });
    expect([code, complete]).to.deep.equal([250, true]);
    const outcomes = reports.flatMap(({ relay, recipients }) =>
      recipients.map((one) => `${relay} ${one.identity} ${one.code} ${one.text}`.trim()),
    );
    // Betty goes by the lane of barney or by one of her own: rubble.com reports on her, or answers for her alone and leaves
    // the report to example.com.
    const [ofBetty, ...others] = outcomes.sort((a, b) => Number(b.includes(BETTY)) - Number(a.includes(BETTY)));
    expect(ofBetty).to.match(/^(?:example|rubble)\.com betty@rubble\.com 450 not attached$/);
    expect(others.sort()).to.deep.equal([`example.com ${WILMA} 554 no`, `rubble.com ${BARNEY} 250`]);
  });

  it('asks only its own relay', async () => {
    const fred = await mesh.attach(FRED);
    (await mesh.attach(BARNEY)).receive(() => {});
    const { reports } = await fred.status({ to: BARNEY, content: 'x' }, { targetHop: 'this' });
    expect(said(reports)).to.deep.equal([`example.com: ${BARNEY} 250`]);
  });

  it('REQ-IMXP-048 passes a reply with an unknown transID to the application, and continues', async () => {
    const fred = await mesh.attach(FRED);
    const texts: string[] = [];
    fred.receive((delivery) => void texts.push(delivery.text()));
    // An earlier application of this endpoint asked; the answer comes to this one.
    await fred.send({ to: 'imxp=access@example.com', content: { xml: `<get owner='${FRED}' transID='71' />` } });
    await fred.access.get();
    expect(texts).to.have.length(1);
    expect(texts[0]).to.match(/^<set owner='fred@example.com' transID='71'/);
  });
});

describe('endpoint: services that were not asked', () => {
  const element = (originator: string, inner: string) => encoding.encodeData({ ...dataFor([FRED], inner), originator });
  const transIdOf = ({ channel }: ScriptedRelay): number => {
    const written = /transID='(\d+)'/.exec(channel.data.at(-1)?.dataContent?.inner.toString() ?? '');
    return Number(written?.[1] ?? channel.data.at(-1)?.options[0]?.transID);
  };
  const EVIL = 'evil@evil.example';

  it('accepts presence and access only from the service of the domain that was asked', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    channel.auto = undefined;
    const texts: string[] = [];
    fred.receive((delivery) => void texts.push(delivery.text()));
    for (const service of ['presence', 'access']) {
      const asking = service === 'access' ? fred.access.get() : fred.presence.poll(FRED);
      const failed = asking.then(
        () => undefined,
        (error: RefusedError) => error.reply,
      );
      await channel.until(() => channel.data.length > 0);
      const forged = `<reply transID='${transIdOf(relay)}' code='250' />`;
      const true_ = `<reply transID='${transIdOf(relay)}' code='550' />`;
      channel.answer();
      for (const domain of ['evil.example', 'mail.example.com']) {
        const msgno = channel.send(element(`imxp=${service}@${domain}`, forged));
        expect(channel.answers.get(msgno)).to.include({ type: 'error', code: 537 });
      }
      const other = channel.send(element('imxp=report@example.com', forged));
      expect(channel.answers.get(other)).to.include({ type: 'error', code: 537 });
      channel.send(element(`imxp=${service}@example.com`, true_));
      expect((await failed)?.code).to.equal(550);
    }
    expect(texts).to.deep.equal([]);
    channel.auto = () => undefined;
    await fred.close();
  });

  it('accepts in a report only what its relay can know: nothing of other services or about others’ recipients', async () => {
    const { relay, fred } = await scripted();
    const { channel } = relay;
    channel.auto = undefined;
    const status = fred.status({ to: [BARNEY, EVIL], content: 'x' });
    await channel.until(() => channel.data.length > 0);
    const transID = transIdOf(relay);
    channel.answer();
    const report = (identity: string, code: number): string =>
      `<statusResponse transID='${transID}'><destination identity='${identity}'><reply transID='${transID}' code='${code}' /></destination></statusResponse>`;
    const said = [
      channel.send(element('imxp=presence@rubble.com', report(BARNEY, 250))),
      channel.send(element('imxp=report@evil.example', report(BARNEY, 250))),
      channel.send(element('imxp=report@evil.example', report(EVIL, 250))),
      channel.send(element('imxp=report@rubble.com', report(BARNEY, 550))),
    ];
    const codes = said.map((msgno) => channel.answers.get(msgno)).map((answer) => (answer?.type === 'ok' ? 0 : 537));
    expect(codes).to.deep.equal([537, 537, 0, 0]);
    const { reports, complete } = await status;
    expect(complete).to.equal(true);
    const outcomes = reports.flatMap(({ relay: by, recipients }) =>
      recipients.map((one) => `${by} ${one.identity} ${one.code}`),
    );
    expect(outcomes.sort()).to.deep.equal([`evil.example ${EVIL} 250`, `rubble.com ${BARNEY} 550`]);
    channel.auto = () => undefined;
    await fred.close();
  });
});

describe('endpoint/status where relays do not report', () => {
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start({ config: { policy: { statusRequest: 'off' } } });
  });

  after(() => mesh.close());

  it('REQ-IMXP-045 returns the answer and says that reports are missing', async () => {
    const fred = await mesh.attach(FRED);
    await mesh.attach(BARNEY);
    const { code, complete, reports } = await fred.trace(BARNEY, { reportTimeoutMs: 50 });
    expect([code, complete, reports]).to.deep.equal([250, false, []]);
  });
});
