import { expect } from 'chai';
import { apexDialect } from '../../lib/imxp/dialect/apex.js';
import { readHopping, readTiming } from '../../lib/imxp/vocabulary/party.js';
import { FakeChannel, FakeTarget, settled } from '../support/fake-channel.js';
import { option } from '../support/fake-dialect.js';
import { BAMBAM, BARNEY, BETTY, data, FRED, hopping, Stage, timing, WILMA } from '../support/option-stage.js';

const timingIn = (stage: Stage, at = 0) =>
  stage
    .onward(at)
    .filter(({ internal }) => internal === 'dataTiming')
    .map(({ inner }) => readTiming(inner));

const NOTHING = { noLaterThan: 0, returnTrip: 0, reportAfter: 0, reportErrors: false };

describe('relay: dataTiming', () => {
  describe('toward another relay', () => {
    it('REQ-IMXP-058 forwards the remaining time, measured when the Data is sent', () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      const option = timing("noLaterThan='1000' returnTrip='500' reportAfter='400' reportErrors='true'");
      fred.send(data(FRED, [BETTY], [option]));
      // The link was being made for that long.
      stage.time.pass(300);
      expect(timingIn(stage)).to.deep.equal([
        { noLaterThan: 700, returnTrip: 500, reportAfter: 100, reportErrors: true },
      ]);
      expect(stage.onward()[0]).to.include({ transID: 7, targetHop: 'all', seeNoEvil: false });
      expect(stage.time.alarms, 'the next relay watches now').to.equal(0);
    });

    it('D-OPT-08 REQ-IMXP-058 does not forward what has expired, fails with 550, and reports where asked', () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      const msgno = fred.send(data(FRED, [BETTY], [timing("noLaterThan='1000' reportErrors='true'")]));
      stage.time.pass(1000);
      expect(fred.code(msgno)).to.equal(550);
      expect(stage.reports.said).to.deep.equal([`example.com 7: ${BETTY} 550`]);
      expect(() => stage.onward(), 'exactly 0 is too late').to.throw('not delivered within its time limit');
      const silent = fred.send(data(FRED, [BETTY], [timing("noLaterThan='10'")]));
      stage.time.pass(10);
      expect([fred.code(silent), stage.reports.all.length]).to.deep.equal([550, 1]);
    });

    it('REQ-IMXP-058 reports a delay once on the whole path, and forwards the option', () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      const msgno = fred.send(data(FRED, [BETTY], [timing("reportAfter='200'")]));
      stage.time.pass(199);
      expect(stage.reports.said).to.deep.equal([]);
      stage.time.pass(1);
      expect(stage.reports.said).to.deep.equal([`example.com 7: ${BETTY} 350`]);
      expect(timingIn(stage)).to.deep.equal([NOTHING]);
      stage.rubble.deliveries[0]?.sink.delivered();
      expect(fred.code(msgno)).to.equal(0);
      expect(stage.reports.all).to.have.length(1);
    });

    it('leaves an empty element and Data without the option unchanged', () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      fred.send(data(FRED, [BETTY], [timing('')]));
      fred.send(data(FRED, [BETTY]));
      stage.time.pass(5000);
      expect(timingIn(stage)).to.deep.equal([NOTHING]);
      expect(stage.rubble.deliveries[1]?.delivery.data.options).to.deep.equal([]);
      expect(stage.time.alarms).to.equal(0);
    });

    it('groups the recipients of one Data, and separates those with a time limit of their own (D-OPT-01, D-OPT-03)', () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      fred.send(data(FRED, [BETTY, BAMBAM], [timing("noLaterThan='100'")]));
      expect(stage.rubble.recipients).to.deep.equal([[BETTY, BAMBAM]]);
      const own = [BETTY, [timing("noLaterThan='50' reportErrors='true'", { transID: 9 })]] as const;
      const msgno = fred.send(data(FRED, [own, BAMBAM]));
      expect(stage.rubble.recipients.slice(1)).to.deep.equal([[BETTY], [BAMBAM]]);
      stage.time.pass(60);
      stage.rubble.deliveries[2]?.sink.delivered();
      expect(fred.code(msgno), 'the other one was in time').to.equal(0);
      expect(stage.reports.said).to.deep.equal([`example.com 9: ${BETTY} 550`]);
    });

    it('forwards the option unchanged where it is for the last relay only', () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      fred.send(data(FRED, [BETTY], [timing("noLaterThan='100'", { targetHop: 'final' })]));
      stage.time.pass(500);
      expect(timingIn(stage)).to.deep.equal([{ ...NOTHING, noLaterThan: 100 }]);
    });
  });

  describe('to a recipient here', () => {
    it('REQ-IMXP-058 confirms a delivery by a report, which has a time limit of its own', () => {
      const stage = new Stage();
      const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
      fred.send(data(FRED, [BARNEY], [timing("returnTrip='20000'")]));
      expect(stage.reports.said).to.deep.equal([]);
      barney.requests[0]?.ok();
      expect(stage.reports.said).to.deep.equal([`example.com 7: ${BARNEY} 250`]);
      const [limit, ...others] = stage.reports.all[0]?.options ?? [];
      expect(others).to.deep.equal([]);
      expect(limit).to.include({ internal: 'dataTiming', targetHop: 'all', seeNoEvil: false });
      expect(readTiming(limit?.inner ?? Buffer.alloc(0))).to.deep.equal({ ...NOTHING, noLaterThan: 20_000 });
    });

    it('REQ-IMXP-058 fails without an ok in time, whatever the application answers later', () => {
      const stage = new Stage();
      const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
      const asked = timing("noLaterThan='100' reportErrors='true' returnTrip='5'");
      const msgno = fred.send(data(FRED, [BARNEY], [asked]));
      expect(barney.requests[0]?.data.options[0]?.inner.toString(), 'as it came').to.equal(asked.inner.toString());
      stage.time.pass(100);
      expect(fred.code(msgno)).to.equal(550);
      barney.requests[0]?.ok();
      expect(stage.reports.said).to.deep.equal([`example.com 7: ${BARNEY} 550`]);
    });

    it('REQ-IMXP-058 reports a delay once, unless the time limit is shorter', () => {
      const stage = new Stage();
      const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
      const msgno = fred.send(data(FRED, [BARNEY], [timing("reportAfter='50' noLaterThan='200'")]));
      fred.send(data(FRED, [BARNEY], [timing("reportAfter='200' noLaterThan='200'", { transID: 8 })]));
      stage.time.pass(60);
      barney.requests[0]?.ok();
      stage.time.pass(1000);
      expect(fred.code(msgno)).to.equal(0);
      expect(stage.reports.said).to.deep.equal([`example.com 7: ${BARNEY} 350`]);
    });

    it('fails each recipient separately', () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      const [barney, wilma] = [stage.attached(BARNEY), stage.attached(WILMA)];
      const msgno = fred.send(data(FRED, [BARNEY, WILMA], [timing("noLaterThan='100' reportErrors='true'")]));
      wilma.requests[0]?.ok();
      stage.time.pass(100);
      barney.requests[0]?.ok();
      expect(fred.code(msgno)).to.equal(0);
      expect(stage.reports.said).to.deep.equal([`example.com 7: ${BARNEY} 550`]);
    });

    it('D-OPT-05 counts the time that the access look-up took', async () => {
      let decide = (_granted: boolean): void => {};
      const decision = new Promise<boolean>((resolve) => {
        decide = resolve;
      });
      const stage = new Stage({ relay: { access: { allowed: () => decision } } });
      const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
      const msgno = fred.send(data(FRED, [BARNEY], [timing("noLaterThan='100'")]));
      stage.time.pass(150);
      decide(true);
      await settled();
      expect(barney.requests).to.have.length(0);
      expect(fred.code(msgno)).to.equal(550);
    });

    it('does not report on Data from a report service', () => {
      const stage = new Stage();
      const barney = stage.attached(BARNEY);
      const rubble = stage.neighbour('rubble.com');
      rubble.send(data('imxp=report@rubble.com', [BARNEY], [timing("returnTrip='1'")]));
      barney.requests[0]?.ok();
      expect(stage.reports.said).to.deep.equal([]);
    });
  });

  it('REQ-IMXP-059 obeys the option even where it may be ignored (D-OPT-06)', () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    fred.send(data(FRED, [BETTY], [timing("noLaterThan='100'", { seeNoEvil: true })]));
    stage.time.pass(30);
    expect(timingIn(stage)).to.deep.equal([{ ...NOTHING, noLaterThan: 70 }]);
  });

  it('refuses contradictory values with 501', () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    const nonsense = [
      "noLaterThan='-1'",
      "noLaterThan='2147483648'",
      "noLaterThan='soon'",
      "reportErrors='maybe'",
      "sooner='1'",
    ];
    for (const attributes of nonsense) {
      expect(fred.ask(data(FRED, [BETTY, BARNEY], [timing(attributes)])), attributes).to.equal(501);
      const msgno = fred.send(data(FRED, [[BETTY, [timing(attributes)]]]));
      expect(fred.code(msgno), `${attributes} of a recipient`).to.equal(501);
    }
    const empty = option({ internal: 'dataTiming', targetHop: 'all' });
    expect(fred.ask(data(FRED, [BETTY], [empty]))).to.equal(501);
    expect(stage.rubble.deliveries).to.have.length(0);
  });

  it('refuses them in APEX, too, where ok precedes the processing', () => {
    const apex = apexDialect();
    const stage = new Stage({ relay: { dialects: [apex] } });
    const proof = { mechanism: 'PLAIN', privacy: true };
    const fred = new FakeChannel({ kind: 'endpoint', address: FRED, proof }, { privacy: true, dialect: apex });
    fred.handler = stage.relay.accept(fred);
    expect(fred.attach(FRED)).to.equal(0);
    expect(fred.ask(data(FRED, [BETTY], [timing("noLaterThan='soon'")]))).to.equal(501);
    expect(fred.ask(data(FRED, [BETTY], [timing("noLaterThan='100' reportErrors='true'")]))).to.equal(0);
    stage.time.pass(100);
    expect(stage.reports.said, 'after the ok only reports tell').to.deep.equal([`example.com 7: ${BETTY} 550`]);
  });

  describe('REQ-IMXP-061 where the administrator restricts it', () => {
    it('does not know the option', () => {
      const stage = new Stage({ policy: { dataTiming: 'off' } });
      const fred = stage.attached(FRED);
      expect(fred.ask(data(FRED, [BETTY], [timing("noLaterThan='100'")]))).to.equal(504);
      fred.send(data(FRED, [BETTY], [timing("noLaterThan='100'", { seeNoEvil: true })]));
      stage.time.pass(500);
      expect(timingIn(stage)).to.deep.equal([{ ...NOTHING, noLaterThan: 100 }]);
    });

    it('knows the option at the border only', () => {
      const stage = new Stage({ policy: { dataTiming: 'border' } });
      const fred = stage.attached(FRED);
      stage.attached(BARNEY);
      expect(fred.ask(data(FRED, [BARNEY], [timing("noLaterThan='100'")]))).to.equal(504);
      fred.send(data(FRED, [BETTY], [timing("noLaterThan='100'")]));
      stage.time.pass(40);
      expect(timingIn(stage)).to.deep.equal([{ ...NOTHING, noLaterThan: 60 }]);
    });
  });
});

describe('relay: dataHopping', () => {
  const hopsIn = (stage: Stage, at = 0) =>
    stage
      .onward(at)
      .filter(({ internal }) => internal === 'dataHopping')
      .map(({ inner }) => readHopping(inner).noMoreThan);

  it('REQ-IMXP-062 counts down before each relay', () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    const msgno = fred.send(data(FRED, [BETTY], [hopping("noMoreThan='2'")]));
    expect(hopsIn(stage)).to.deep.equal([1]);
    stage.rubble.deliveries[0]?.sink.delivered();
    expect(fred.code(msgno)).to.equal(0);
  });

  it('REQ-IMXP-062 fails with 550 when no hops are left, and reports where asked on all recipients at once', () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    const asked = hopping("noMoreThan='1' reportErrors='true'");
    expect(fred.ask(data(FRED, [BETTY, BAMBAM], [asked]))).to.equal(550);
    expect(stage.reports.said).to.deep.equal([`example.com 8: ${BETTY} 550, ${BAMBAM} 550`]);
    expect(fred.ask(data(FRED, [BETTY], [hopping("noMoreThan='1'")]))).to.equal(550);
    expect(stage.reports.all).to.have.length(1);
    expect(stage.rubble.deliveries).to.have.length(0);
  });

  it('does not count a local delivery, and takes 0 as no limit', () => {
    const stage = new Stage();
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    fred.send(data(FRED, [BARNEY], [hopping("noMoreThan='1'")]));
    expect(readHopping(barney.requests[0]?.data.options[0]?.inner ?? Buffer.alloc(0)).noMoreThan).to.equal(1);
    fred.send(data(FRED, [BETTY], [hopping("noMoreThan='0'")]));
    expect(hopsIn(stage)).to.deep.equal([0]);
  });

  it('REQ-IMXP-062 ends a loop of relays', () => {
    // Two relays that believe each other to be the way to slate.example.
    const trusting = {
      requireTls: 'never',
      attach: {},
      originators: {},
      relays: {},
      trusted: ['b.example', 'a.example'],
    } as const;
    const toB = new FakeTarget('other.example');
    const a = new Stage({ relay: { policy: trusting, dialer: { toward: () => toB } } });
    const fred = a.attached(FRED);
    fred.send(data(FRED, ['mrslate@slate.example'], [hopping("noMoreThan='9'")]));
    let left = 9;
    for (let round = 0; left > 1; round += 1) {
      const delivery = toB.deliveries[round]?.delivery;
      left = readHopping(delivery?.data.options[0]?.inner ?? Buffer.alloc(0)).noMoreThan;
      const neighbour = a.neighbour('b.example');
      neighbour.send(delivery?.data ?? expect.fail());
    }
    expect(toB.deliveries, 'each time it comes back it has one less').to.have.length(8);
  });

  it('D-OPT-12 REQ-IMXP-032 adds the configured limit to Data of endpoints for other domains', () => {
    const stage = new Stage({ hopLimit: 16 });
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    fred.send(data(FRED, [BETTY]));
    fred.send(data(FRED, [BETTY], [hopping("noMoreThan='3'")]));
    expect([hopsIn(stage, 0), hopsIn(stage, 1)]).to.deep.equal([[15], [2]]);
    expect(stage.onward(0)[0]).to.include({ targetHop: 'all', seeNoEvil: true });
    fred.send(data(FRED, [BARNEY, BETTY]));
    expect(barney.requests[0]?.data.options).to.deep.equal([]);
    expect(hopsIn(stage, 2)).to.deep.equal([15]);
  });

  it('counts down for one recipient alone an option of that recipient (D-OPT-01)', () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    const msgno = fred.send(data(FRED, [[BETTY, [hopping("noMoreThan='1'")]], BAMBAM]));
    expect(stage.rubble.recipients).to.deep.equal([[BAMBAM]]);
    stage.rubble.deliveries[0]?.sink.delivered();
    expect(fred.code(msgno)).to.equal(0);
  });

  it('refuses more hops than are possible with 501', () => {
    const stage = new Stage();
    expect(stage.attached(FRED).ask(data(FRED, [BETTY], [hopping("noMoreThan='256'")]))).to.equal(501);
  });
});
