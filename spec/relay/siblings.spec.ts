import { expect } from 'chai';
import { OptionRegistry } from '../../lib/relay/options.js';
import { STATUS_REQUEST, type StatusReport } from '../../lib/relay/status.js';
import { attached, FakeTarget, makeRelay, neighbour, settled } from '../support/fake-channel.js';
import { data, option } from '../support/fake-dialect.js';

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const NOT_ATTACHED = { code: 450, text: 'not attached' };

/** A relay of example.com that has two siblings; fred is attached here. */
function setUp() {
  const siblings = [new FakeTarget('example.com'), new FakeTarget('example.com')] as const;
  const reports: StatusReport[] = [];
  const understood = new OptionRegistry();
  understood.add(STATUS_REQUEST, ['data', 'recipient']);
  const relay = makeRelay({
    dialer: { toward: () => ({ code: 550, text: 'no relay for domain' }), siblings },
    understood,
    reporter: { report: (report) => reports.push(report) },
  });
  return { relay, siblings, reports, fred: attached(relay, FRED) };
}

describe('relay: siblings', () => {
  it('REQ-IMXP-056 asks its siblings in turn for an endpoint that is not attached here', async () => {
    const { siblings, fred } = setUp();
    const msgno = fred.send(data(FRED, [BARNEY]));
    await settled();
    const [first, second] = siblings;
    expect([first.recipients, second.recipients]).to.deep.equal([[[BARNEY]], []]);
    first.deliveries[0]?.sink.failed(NOT_ATTACHED);
    expect(second.recipients).to.deep.equal([[BARNEY]]);
    expect(fred.code(msgno)).to.equal(undefined);
    second.deliveries[0]?.sink.delivered();
    expect(fred.code(msgno)).to.equal(0);
  });

  it('REQ-IMXP-056 passes on the answer of a sibling, and 450 where no sibling has the endpoint', async () => {
    const { siblings, fred } = setUp();
    const [first, second] = siblings;
    const refused = fred.send(data(FRED, [BARNEY]));
    await settled();
    first.deliveries[0]?.sink.failed({ code: 550, text: 'not today' });
    expect([fred.code(refused), fred.text(refused)]).to.deep.equal([550, 'not today']);
    const nowhere = fred.send(data(FRED, [BARNEY]));
    await settled();
    first.deliveries[1]?.sink.failed(NOT_ATTACHED);
    second.deliveries[0]?.sink.failed(NOT_ATTACHED);
    expect([fred.code(nowhere), fred.text(nowhere)]).to.deep.equal([450, 'not attached']);
  });

  it('does not ask for endpoints that do not exist, nor where access is denied', async () => {
    const { siblings, fred } = setUp();
    const msgno = fred.send(data(FRED, ['dino@example.com']));
    await settled();
    expect([fred.code(msgno), siblings[0].deliveries.length]).to.deep.equal([550, 0]);
  });

  it('lets siblings bind for the domain and pass on Data of anybody, which go no further', async () => {
    const { relay, siblings, fred } = setUp();
    const sibling = neighbour(relay, 'example.com');
    expect(sibling.bind('example.com')).to.equal(0);
    const here = sibling.send(data('betty@rubble.com', [FRED]));
    fred.requests[0]?.ok();
    expect(sibling.code(here)).to.equal(0);
    const elsewhere = sibling.send(data('betty@rubble.com', [BARNEY]));
    await settled();
    expect([sibling.code(elsewhere), siblings[0].deliveries.length]).to.deep.equal([450, 0]);
    expect(sibling.ask(data('betty@rubble.com', ['wilma@slate.example']))).to.equal(550);
    relay.reload({ domains: ['example.com'] });
    expect(relay.bound()).to.deep.equal(['example.com']);
  });

  it('leaves reports to the sibling that was asked first', async () => {
    const { relay, siblings, reports, fred } = setUp();
    const request = [option({ internal: STATUS_REQUEST, transID: 7 })];
    fred.send(data(FRED, [BARNEY], request));
    await settled();
    expect(siblings[0].deliveries[0]?.delivery.data.options).to.have.length(1);
    siblings[0].deliveries[0]?.sink.delivered();
    expect(reports.map(({ to }) => to)).to.deep.equal([FRED]);
    const sibling = neighbour(relay, 'example.com');
    sibling.bind('example.com');
    sibling.send(data('betty@rubble.com', [FRED], request));
    fred.requests[0]?.ok();
    expect(reports).to.have.length(1);
  });

  it('takes a peer for a sibling only if it has proved that it is one', () => {
    const { relay } = setUp();
    expect(neighbour(relay, 'rubble.com').bind('example.com')).to.equal(537);
    expect(neighbour(makeRelay(), 'example.com').bind('example.com'), 'nobody is meant to be one').to.equal(537);
  });
});
