import { expect } from 'chai';
import { OptionRegistry } from '../../lib/relay/options.js';
import { type Reporter, STATUS_REQUEST, type StatusReport } from '../../lib/relay/status.js';
import { UNHEARD } from '../../lib/services/outgoing.js';
import { attached, FakeTarget, makeRelay, neighbour } from '../support/fake-channel.js';
import { data, option } from '../support/fake-dialect.js';

class Reports implements Reporter {
  readonly all: StatusReport[] = [];

  report(report: StatusReport): void {
    this.all.push(report);
  }

  /** `domain transID: recipient code, …` for each report. */
  get said(): string[] {
    return this.all.map(({ domain, transID, destinations }) => {
      const outcomes = destinations.map(({ identity, reply }) => `${identity} ${reply?.code ?? 250}`);
      return `${domain} ${transID}: ${outcomes.join(', ')}`;
    });
  }
}

type Hop = 'this' | 'final' | 'all';
const request = (targetHop: Hop, transID = 7, seeNoEvil = true) =>
  option({ internal: STATUS_REQUEST, targetHop, transID, seeNoEvil });

function understanding(scope: 'always' | 'border' = 'always'): OptionRegistry {
  const understood = new OptionRegistry();
  understood.add(STATUS_REQUEST, ['data', 'recipient'], scope);
  return understood;
}

/** example.com with fred and barney attached; slate.example refuses, rubble.com waits for the spec's answer. */
function setUp(understood = understanding()) {
  const reports = new Reports();
  const rubble = new FakeTarget('rubble.com');
  const slate = { code: 450, text: 'relay unavailable' };
  const relay = makeRelay({
    domains: ['example.com', 'example.org'],
    understood,
    reporter: reports,
    dialer: { toward: (domain) => (domain === 'rubble.com' ? rubble : slate) },
  });
  const fred = attached(relay, 'fred@example.com');
  const barney = attached(relay, 'barney@example.com');
  return { relay, reports, rubble, fred, barney };
}

const FRED = 'fred@example.com';
const BARNEY = 'barney@example.com';
const BETTY = 'betty@rubble.com';

describe('relay: statusRequest', () => {
  it('REQ-IMXP-041 reports a local delivery after the answer, from the domain of the recipient', () => {
    const { fred, barney, reports } = setUp();
    const msgno = fred.send(data(FRED, [BARNEY], [request('final')]));
    expect(reports.said).to.deep.equal([]);
    barney.requests[0]?.ok();
    expect(fred.code(msgno)).to.equal(0);
    expect(reports.all[0]).to.deep.include({ to: FRED, domain: 'example.com', localize: 'i-default' });
    expect(reports.said).to.deep.equal([`example.com 7: ${BARNEY} 250`]);
  });

  it('reports the code of the application that refused', () => {
    const { fred, barney, reports } = setUp();
    fred.send(data(FRED, [BARNEY], [request('final')]));
    barney.requests[0]?.error(550, 'no');
    expect(reports.said).to.deep.equal([`example.com 7: ${BARNEY} 550`]);
  });

  it('leaves `final` to the last relay when the next one accepted', () => {
    const { fred, rubble, reports } = setUp();
    fred.send(data(FRED, [BETTY], [request('final')]));
    expect(rubble.deliveries[0]?.delivery.data.options).to.have.length(1);
    rubble.deliveries[0]?.sink.delivered();
    expect(reports.said).to.deep.equal([]);
  });

  it('reports the failure of the next relay with `final`, too (D-CORE-26)', () => {
    const { fred, rubble, reports } = setUp();
    const msgno = fred.send(data(FRED, [BETTY], [request('final')]));
    rubble.deliveries[0]?.sink.failed({ code: 450, text: 'not attached' });
    expect(fred.code(msgno)).to.equal(450);
    expect(reports.said).to.deep.equal([`example.com 7: ${BETTY} 450`]);
  });

  it('reports acceptance by the next relay with `all` and `this`; only `this` is removed', () => {
    for (const [hop, onward] of [
      ['all', 1],
      ['this', 0],
    ] as const) {
      const { fred, rubble, reports } = setUp();
      fred.send(data(FRED, [BETTY], [request(hop)]));
      expect(rubble.deliveries[0]?.delivery.data.options, hop).to.have.length(onward);
      rubble.deliveries[0]?.sink.delivered();
      expect(reports.said, hop).to.deep.equal([`example.com 7: ${BETTY} 250`]);
    }
  });

  it('D-CORE-24 REQ-IMXP-039 removes nothing toward the application', () => {
    const { fred, barney } = setUp();
    fred.send(data(FRED, [BARNEY], [request('this')]));
    expect(barney.requests[0]?.data.options).to.have.length(1);
  });

  it('reports with `all` an error that it answers to another relay (D-CORE-26)', () => {
    const { relay, barney, reports } = setUp();
    const rubble = neighbour(relay, 'rubble.com');
    const msgno = rubble.send(data(BETTY, [[BARNEY, [request('final', 8)]]], [request('all')]));
    barney.requests[0]?.error(550, 'no');
    expect(rubble.code(msgno)).to.equal(550);
    expect(reports.said).to.deep.equal([`example.com 7: ${BARNEY} 550`]);
  });

  it('does not report otherwise an error that it answers to another relay', () => {
    for (const hop of ['this', 'final'] as const) {
      const { relay, barney, reports } = setUp();
      const rubble = neighbour(relay, 'rubble.com');
      const msgno = rubble.send(data(BETTY, [BARNEY], [request(hop)]));
      barney.requests[0]?.error(550, 'no');
      expect(rubble.code(msgno)).to.equal(550);
      expect(reports.said, hop).to.deep.equal([]);
    }
  });

  it('reports a failure that the other relay cannot see because another recipient succeeded', async () => {
    const { relay, barney, reports } = setUp();
    const rubble = neighbour(relay, 'rubble.com');
    const wilma = attached(relay, 'wilma@example.com');
    const msgno = rubble.send(data(BETTY, [BARNEY, 'wilma@example.com'], [request('final')]));
    barney.requests[0]?.ok();
    wilma.requests[0]?.error(450, 'busy');
    expect(rubble.code(msgno)).to.equal(0);
    expect(reports.said).to.deep.equal([`example.com 7: ${BARNEY} 250, wilma@example.com 450`]);
  });

  it('REQ-IMXP-041 reports on the recipient that asks, and merges the reports of one request', () => {
    const { fred, barney, rubble, reports } = setUp();
    fred.send(data(FRED, [[BARNEY, [request('final', 8)]], BETTY], []));
    barney.requests[0]?.ok();
    rubble.deliveries[0]?.sink.failed({ code: 450, text: 'not attached' });
    expect(reports.said).to.deep.equal([`example.com 8: ${BARNEY} 250`]);
    fred.send(data(FRED, [[BARNEY, [request('final', 10)]], BETTY], [request('all', 9)]));
    barney.requests[1]?.ok();
    rubble.deliveries[1]?.sink.delivered();
    expect(reports.said.slice(1)).to.deep.equal([
      `example.com 9: ${BARNEY} 250, ${BETTY} 250`,
      `example.com 10: ${BARNEY} 250`,
    ]);
  });

  it('D-OPT-02 reports for each local domain from the service of that domain', () => {
    const { fred, relay, reports } = setUp();
    const george = attached(relay, 'george@example.org');
    fred.send(data(FRED, ['george@example.org'], [request('final')]));
    george.requests[0]?.ok();
    expect(reports.said).to.deep.equal(['example.org 7: george@example.org 250']);
  });

  it('reports once a recipient that is named twice, and answers only the first request of an element', () => {
    const { fred, barney, reports } = setUp();
    fred.send(data(FRED, [BARNEY, BARNEY, 'barney@EXAMPLE.com'], [request('all', 1), request('all', 2)]));
    barney.requests[0]?.ok();
    expect(reports.said).to.deep.equal([`example.com 1: ${BARNEY} 250`]);
  });

  it('reports 504 when another option was not understood', () => {
    const { fred, reports } = setUp();
    const novel = option({ internal: 'novel', targetHop: 'all', seeNoEvil: false });
    expect(fred.ask(data(FRED, [BARNEY, BETTY], [novel, request('final')]))).to.equal(504);
    expect(reports.said).to.deep.equal([`example.com 7: ${BARNEY} 504, ${BETTY} 504`]);
  });

  it('sends no report to a peer that may not send as that originator', () => {
    const { fred, reports } = setUp();
    expect(fred.ask(data('wilma@example.com', [BARNEY], [request('all')]))).to.equal(537);
    expect(reports.said).to.deep.equal([]);
  });

  it('REQ-IMXP-043 ignores the option on Data that carry a statusResponse', () => {
    const { relay, barney, reports } = setUp();
    const carrying = (inner: string): void => {
      const plain = data(FRED, [BARNEY], [request('all')], 'R');
      relay.submit({ ...plain, dataContent: { name: 'R', inner: Buffer.from(inner) } }, UNHEARD);
      barney.waiting[0]?.ok();
    };
    carrying("<statusResponse transID='1'></statusResponse>");
    carrying('\r\n  <!-- x --><statusResponse\n/>');
    expect(reports.said).to.deep.equal([]);
    carrying('<statusResponses />');
    expect(reports.said).to.have.length(1);
  });

  it('never reports on reports, whatever they contain', () => {
    const { relay, barney, reports } = setUp();
    relay.submit(data('imxp=report@example.com', [BARNEY], [request('all')]), UNHEARD);
    barney.requests[0]?.ok();
    expect(reports.said).to.deep.equal([]);
  });

  describe('REQ-IMXP-045 where the administrator disabled it', () => {
    it('does not know the option', () => {
      const { fred, barney, reports } = setUp(new OptionRegistry());
      fred.send(data(FRED, [BARNEY], [request('final')]));
      barney.requests[0]?.ok();
      expect(reports.said).to.deep.equal([]);
      expect(fred.ask(data(FRED, [BARNEY], [request('final', 7, false)]))).to.equal(504);
    });

    it('knows the option at the border only', () => {
      const { relay, fred, barney, rubble, reports } = setUp(understanding('border'));
      fred.send(data(FRED, [BARNEY], [request('final')]));
      barney.requests[0]?.ok();
      expect(reports.said, 'inside').to.deep.equal([]);
      expect(fred.ask(data(FRED, [[BARNEY, [request('final', 7, false)]]]))).to.equal(504);
      fred.send(data(FRED, [BETTY], [request('all', 7, false)]));
      rubble.deliveries[0]?.sink.delivered();
      neighbour(relay, 'rubble.com').send(data(BETTY, [BARNEY], [request('final', 8, false)]));
      barney.requests[1]?.ok();
      expect(reports.said).to.deep.equal([`example.com 7: ${BETTY} 250`, `example.com 8: ${BARNEY} 250`]);
    });

    it('follows a changed configuration', () => {
      const { relay, fred, barney, reports } = setUp(new OptionRegistry());
      relay.reload({ understood: understanding() });
      fred.send(data(FRED, [BARNEY], [request('final')]));
      barney.requests[0]?.ok();
      expect(reports.said).to.have.length(1);
    });
  });
});
