import { expect } from 'chai';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { RelayReport } from '../../lib/endpoint/report.js';
import { LocalMesh } from '../support/local-mesh.js';

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

  it('REQ-IMXP-041 traces every relay to an endpoint of another domain', async () => {
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

  it('traces as far as it goes', async () => {
    const fred = await mesh.attach(FRED);
    const { code, text, reports, complete } = await fred.trace(BARNEY);
    expect([code, text, complete, said(reports)]).to.deep.equal([
      450,
      'not attached',
      true,
      [`example.com: ${BARNEY} 450`],
    ]);
    expect((await fred.trace('nobody@rubble.com')).code).to.equal(550);
    expect((await fred.trace('x@nowhere.example')).code).to.equal(550);
  });

  it('traces within the domain, and back', async () => {
    const barney = await mesh.attach(BARNEY);
    await mesh.attach(BETTY);
    expect(said((await barney.trace(BETTY)).reports)).to.deep.equal([`rubble.com: ${BETTY} 250`]);
  });

  it('pings; the application sees neither', async () => {
    const fred = await mesh.attach(FRED);
    const barney = await mesh.attach(BARNEY, { autoAccept: false });
    const arrived: Delivery[] = [];
    barney.receive((delivery) => void arrived.push(delivery));
    expect((await fred.ping(BARNEY)).code).to.equal(250);
    expect((await fred.trace(BARNEY)).code).to.equal(250);
    expect(await fred.ping(BETTY)).to.deep.include({ code: 450, text: 'not attached' });
    expect(arrived).to.deep.equal([]);
  });

  it('takes a message with content for a message, whatever it is marked as', async () => {
    const fred = await mesh.attach(FRED);
    const barney = await mesh.attach(BARNEY);
    const texts: string[] = [];
    barney.receive((delivery) => void texts.push(delivery.text()));
    await fred.send({ to: BARNEY, content: { xml: '<x/>' }, options: [{ external: 'urn:x-imxp:probe' }] });
    await fred.send({ to: BARNEY, content: '', options: [{ external: 'urn:x-imxp:probe' }] });
    expect(texts).to.deep.equal(['<x/>', '']);
  });

  it('REQ-IMXP-042 tells what became of each recipient of a message', async () => {
    const fred = await mesh.attach(FRED);
    const [barney, wilma] = [await mesh.attach(BARNEY), await mesh.attach(WILMA)];
    wilma.receive((delivery) => void delivery.refuse({ code: 554, text: 'no' }));
    barney.receive(() => {});
    const { code, reports, complete } = await fred.status({ to: [BARNEY, WILMA, BETTY], content: 'Dinner' });
    expect([code, complete]).to.deep.equal([250, true]);
    const outcomes = reports.flatMap(({ relay, recipients }) =>
      recipients.map((one) => `${relay} ${one.identity} ${one.code} ${one.text}`.trim()),
    );
    // betty goes by a lane of her own, so that rubble.com answers for her alone and leaves the report to example.com.
    expect(outcomes.sort()).to.deep.equal([
      `example.com ${BETTY} 450 not attached`,
      `example.com ${WILMA} 554 no`,
      `rubble.com ${BARNEY} 250`,
    ]);
  });

  it('asks the own relay only', async () => {
    const fred = await mesh.attach(FRED);
    (await mesh.attach(BARNEY)).receive(() => {});
    const { reports } = await fred.status({ to: BARNEY, content: 'x' }, { targetHop: 'this' });
    expect(said(reports)).to.deep.equal([`example.com: ${BARNEY} 250`]);
  });

  it('REQ-IMXP-048 hands a reply with a transID nobody knows to the application, and goes on', async () => {
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

describe('endpoint/status where relays do not report', () => {
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start({ config: { policy: { statusRequest: 'off' } } });
  });

  after(() => mesh.close());

  it('REQ-IMXP-045 gives the answer and says that reports are missing', async () => {
    const fred = await mesh.attach(FRED);
    await mesh.attach(BARNEY);
    const { code, complete, reports } = await fred.trace(BARNEY, { reportTimeoutMs: 50 });
    expect([code, complete, reports]).to.deep.equal([250, false, []]);
  });
});
