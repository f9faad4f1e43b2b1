import { expect } from 'chai';
import { heldIdOf } from '../../../lib/imxp/held-id.js';
import { readTiming } from '../../../lib/imxp/vocabulary/party.js';
import { events } from '../../../lib/ops/events.js';
import { MemorySpool } from '../../../lib/store/spool.js';
import { type FakeChannel, LIMITS, settled } from '../../support/fake-channel.js';
import { option } from '../../support/fake-dialect.js';
import { BARNEY, data, FRED, hold, Stage, timing, WILMA } from '../../support/option-stage.js';

/** Sends Data that may be held, and waits for the answers. */
async function holding(fred: FakeChannel, count: number, to = BARNEY): Promise<(number | undefined)[]> {
  const msgnos = Array.from({ length: count }, () => fred.send(data(FRED, [to], [hold()])));
  await settled();
  return msgnos.map((msgno) => fred.code(msgno));
}

const transIDs = ({ requests }: FakeChannel): number[] =>
  requests.flatMap(({ operation }) => (operation.type === 'data' ? (operation.options[0]?.transID ?? 0) : []));

/** Sends numbered Data that may be held. */
async function numbered(fred: FakeChannel, numbers: readonly number[], to = BARNEY): Promise<void> {
  for (const transID of numbers) fred.send(data(FRED, [to], [hold({ transID })]));
  await settled();
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from + 1 }, (_, at) => from + at);

/** Answers everything until nothing more comes. */
async function takeAll(channel: FakeChannel): Promise<void> {
  await settled();
  for (let waiting = channel.waiting; waiting.length > 0; waiting = channel.waiting) {
    for (const request of waiting) request.ok();
    await settled();
  }
}

describe('relay: hold4Endpoint', () => {
  it('REQ-IMXP-060 holds Data for an endpoint that is not attached until it attaches', async () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    expect(await holding(fred, 3)).to.deep.equal([0, 0, 0]);
    expect(stage.relay.held).to.include({ data: 3, endpoints: 1, stored: 3, delivered: 0 });
    const barney = stage.attached(BARNEY);
    await takeAll(barney);
    expect(barney.requests).to.have.length(3);
    expect(barney.requests[0]?.data.options[0], 'an endpoint sees all options').to.include({
      internal: 'hold4Endpoint',
    });
    expect(stage.relay.held).to.include({ data: 0, octets: 0, endpoints: 0, delivered: 3 });
    expect([...stage.spool.entries()]).to.deep.equal([]);
  });

  it('holds nothing without the option, and delivers at once to an attached endpoint', async () => {
    const stage = new Stage();
    const [fred, barney] = [stage.attached(FRED), stage.attached(BARNEY)];
    const msgno = fred.send(data(FRED, [BARNEY], [hold()]));
    await settled();
    expect(fred.code(msgno), 'ok is the application’s').to.equal(undefined);
    barney.requests[0]?.ok();
    expect(fred.code(msgno)).to.equal(0);
    const plain = fred.send(data(FRED, [WILMA]));
    await settled();
    expect(fred.code(plain)).to.equal(450);
  });

  it('answers ok only once the Data is stored', async () => {
    const spool = new SlowSpool();
    const stage = new Stage({ spool });
    const fred = stage.attached(FRED);
    expect(await holding(fred, 2)).to.deep.equal([undefined, undefined]);
    spool.flush();
    await settled();
    expect([fred.code(1), fred.code(2)]).to.deep.equal([0, 0]);
    spool.broken = true;
    const [code] = await holding(fred, 1).then(async () => {
      spool.flush();
      await settled();
      return [fred.code(3)];
    });
    expect(code).to.equal(451);
    expect(stage.relay.held.data).to.equal(2);
  });

  it('delivers in the order of arrival, and queues what arrives meanwhile behind it', async () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    await numbered(fred, range(1, 10));
    const barney = stage.attached(BARNEY);
    await settled();
    expect(transIDs(barney), 'a few at first').to.deep.equal(range(1, 4));
    await numbered(fred, [11]);
    const plain = fred.send(data(FRED, [BARNEY], [option({ internal: 'x', transID: 12 })]));
    await takeAll(barney);
    expect(transIDs(barney)).to.deep.equal(range(1, 12));
    expect(fred.code(plain)).to.equal(0);
    fred.send(data(FRED, [BARNEY], [hold({ transID: 13 })]));
    expect(transIDs(barney), 'directly again').to.deep.equal(range(1, 13));
  });

  it('does not delay live Data or answers of services behind held Data of other senders', async () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    await numbered(fred, range(1, 10));
    const barney = stage.attached(BARNEY);
    await settled();
    expect(transIDs(barney), 'and the application answers none of them').to.deep.equal(range(1, 4));
    const wilma = stage.attached(WILMA);
    const live = wilma.send(data(WILMA, [BARNEY], [option({ internal: 'x', transID: 90 })]));
    const kept = wilma.send(data(WILMA, [BARNEY], [hold({ transID: 91 })]));
    stage.relay.submit(data('imxp=access@example.com', [BARNEY], [option({ internal: 'x', transID: 92 })]), {
      delivered: () => {},
      failed: () => {},
    });
    const own = fred.send(data(FRED, [BARNEY], [option({ internal: 'x', transID: 11 })]));
    await settled();
    expect(transIDs(barney)).to.deep.equal([...range(1, 4), 90, 91, 92]);
    for (const request of barney.waiting.slice(4)) request.ok();
    expect([wilma.code(live), wilma.code(kept), fred.code(own)]).to.deep.equal([0, 0, undefined]);
    await takeAll(barney);
    expect(transIDs(barney), 'of one sender in order').to.deep.equal([...range(1, 4), 90, 91, 92, ...range(5, 11)]);
  });

  it('keeps what the application has not answered, and delivers it again in its old place', async () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    await numbered(fred, range(1, 6));
    const first = stage.attached(BARNEY);
    await settled();
    first.requests[0]?.ok();
    first.lose();
    expect(stage.relay.held.data).to.equal(5);
    const second = stage.attached(BARNEY);
    await takeAll(second);
    expect(transIDs(second)).to.deep.equal(range(2, 6));
    expect(stage.relay.held.data).to.equal(0);
  });

  it('identifies what it delivers, so that the endpoint recognises a repetition after a lost answer', async () => {
    const spool = new MemorySpool();
    const stage = new Stage({ spool });
    await holding(stage.attached(FRED), 2);
    const ids = ({ requests }: FakeChannel) => requests.map(({ data }) => heldIdOf(data));
    const first = stage.attached(BARNEY);
    await settled();
    const [one, other] = ids(first);
    expect(one).to.match(/^[\w-]{22}$/);
    expect(one, 'two that are equal').to.not.equal(other);
    first.lose();
    const second = stage.attached(BARNEY);
    await settled();
    expect(ids(second), 'the connection was lost').to.deep.equal([one, other]);
    const again = new Stage({ spool }).attached(BARNEY);
    await settled();
    expect(ids(again), 'the relay was killed').to.deep.equal([one, other]);
  });

  it('repeats later what was refused temporarily, and drops what was refused permanently', async () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    await numbered(fred, range(1, 3));
    const barney = stage.attached(BARNEY);
    await settled();
    barney.requests[0]?.error(450, 'busy');
    barney.requests[1]?.error(550, 'never');
    barney.requests[2]?.ok();
    expect(stage.relay.held).to.include({ data: 1, delivered: 1, failed: 1 });
    expect(barney.requests).to.have.length(3);
    stage.time.pass(1000);
    await takeAll(barney);
    expect(transIDs(barney)).to.deep.equal([1, 2, 3, 1]);
    expect(stage.relay.held.data).to.equal(0);
  });

  it('limits the unanswered Data, and raises the limit for an application that answers quickly', async () => {
    const stage = new Stage({ relay: { limits: { ...LIMITS, outstanding: 4096 } } });
    const fred = stage.attached(FRED);
    await numbered(fred, range(1, 90));
    const barney = stage.attached(BARNEY);
    await settled();
    let most = 0;
    while (barney.waiting.length > 0) {
      most = Math.max(most, barney.waiting.length);
      barney.waiting[0]?.ok();
    }
    expect(most).to.be.within(5, 64);
    expect(barney.requests).to.have.length(90);
    await numbered(fred, range(91, 100), WILMA);
    const wilma = stage.attached(WILMA);
    await settled();
    wilma.waiting[0]?.ok();
    for (const delay of [6000, 6000, 6000]) {
      stage.time.pass(delay);
      wilma.waiting[0]?.ok();
    }
    expect(wilma.waiting.length, 'one that is slow').to.equal(4);
  });

  it('checks access before it holds, and again before it delivers', async () => {
    let allowed = true;
    const stage = new Stage({ relay: { access: { allowed: () => allowed } } });
    const fred = stage.attached(FRED);
    expect(await holding(fred, 2)).to.deep.equal([0, 0]);
    allowed = false;
    expect(await holding(fred, 1)).to.deep.equal([537]);
    const barney = stage.attached(BARNEY);
    await settled();
    expect(barney.requests).to.have.length(0);
    expect(stage.relay.held).to.include({ data: 0, failed: 2 });
  });

  it('holds nothing for an address without an account, and delivers nothing that was for an earlier account of that name', async () => {
    let generation = 'first';
    const dropped: object[] = [];
    const off = events.dropped.subscribe((one) => void dropped.push(one));
    const known = async (address: string): Promise<boolean> => address !== 'nobody@example.com';
    const stage = new Stage({ relay: { directory: { known, generation: async () => generation } } });
    const fred = stage.attached(FRED);
    expect(await holding(fred, 1, 'nobody@example.com')).to.deep.equal([550]);
    expect(stage.relay.held).to.include({ data: 0, endpoints: 0 });
    fred.send(data(FRED, [BARNEY], [hold({ transID: 1 }), option({ internal: 'statusRequest', transID: 5 })]));
    await settled();
    generation = 'second';
    stage.time.pass(70_000); // who has an account is asked again
    await numbered(fred, [2]);
    const barney = stage.attached(BARNEY);
    await takeAll(barney);
    off();
    expect(transIDs(barney)).to.deep.equal([2]);
    expect(stage.reports.said, 'it was acknowledged').to.deep.equal([`example.com 5: ${BARNEY} 550`]);
    expect(dropped).to.deep.equal([
      {
        endpoint: BARNEY,
        originator: FRED,
        code: 550,
        reason: 'the account that the message was held for no longer exists',
        heldMs: 70_000,
      },
    ]);
  });

  it('REQ-IMXP-060 sends a requested report when the Data is delivered, not when it is held', async () => {
    const stage = new Stage();
    const fred = stage.attached(FRED);
    const request = option({ internal: 'statusRequest', transID: 5 });
    fred.send(data(FRED, [BARNEY], [hold(), request]));
    await settled();
    expect(stage.reports.said).to.deep.equal([]);
    await takeAll(stage.attached(BARNEY));
    expect(stage.reports.said).to.deep.equal([`example.com 5: ${BARNEY} 250`]);
  });

  describe('REQ-IMXP-061 limits', () => {
    it('D-OPT-11 limits count and octets of one endpoint, and tells the sender what to do', async () => {
      const stage = new Stage({ limits: { messages: 2 } });
      const fred = stage.attached(FRED);
      expect(await holding(fred, 3)).to.deep.equal([0, 0, 450]);
      expect(fred.text(3)).to.include('send again when it is attached');
      expect(await holding(fred, 1, WILMA)).to.deep.equal([0]);
      const tight = new Stage({ limits: { octets: 2000 } });
      expect(await holding(tight.attached(FRED), 3)).to.deep.equal([0, 0, 450]);
      const tiny = new Stage({ limits: { octets: 700 } });
      expect(await holding(tiny.attached(FRED), 1), 'it will never fit').to.deep.equal([550]);
    });

    it('limits all endpoints together; one sender leaves half of that to others', async () => {
      const stage = new Stage({ limits: { totalOctets: 6000 } });
      const fred = stage.attached(FRED);
      const codes = await holding(fred, 10);
      const taken = codes.filter((code) => code === 0).length;
      expect(taken).to.be.within(3, 5);
      expect(codes.slice(taken)).to.deep.equal(Array(10 - taken).fill(450));
      expect(fred.text(10)).to.include('your share');
      expect(await holding(fred, 1, WILMA), 'whoever it is for').to.deep.equal([450]);
      const sub = stage.attached('fred/x@example.com');
      const other = sub.send(data('fred/x@example.com', [WILMA], [hold()]));
      const wilma = stage.attached(WILMA);
      const honest = wilma.send(data(WILMA, [BARNEY], [hold()]));
      await settled();
      expect([sub.code(other), wilma.code(honest)], 'a subaddress, and somebody else').to.deep.equal([450, 0]);
      await takeAll(stage.attached(BARNEY));
      expect(await holding(fred, 1, 'fred/home@example.com')).to.deep.equal([0]);
    });

    it('limits each sender, and all senders of a foreign domain together', async () => {
      const stage = new Stage({ limits: { octetsPerSender: 2000, octetsPerDomain: 4000 } });
      expect(await holding(stage.attached(FRED), 3)).to.deep.equal([0, 0, 450]);
      const rubble = stage.neighbour('rubble.com');
      const msgnos = range(1, 8).map((at) => rubble.send(data(`n${at}@rubble.com`, [BARNEY], [hold()])));
      await settled();
      const codes = msgnos.map((msgno) => rubble.code(msgno));
      expect(codes.filter((code) => code === 0).length).to.be.within(3, 5);
      expect(codes.at(-1)).to.equal(450);
      const wilma = stage.attached(WILMA);
      const honest = wilma.send(data(WILMA, [BARNEY], [hold()]));
      await settled();
      expect(wilma.code(honest)).to.equal(0);
    });

    it('measures age and time limits by the monotonic clock: a change of the wall clock drops nothing', async () => {
      const stage = new Stage({ limits: { ageMs: 3_600_000 } });
      const fred = stage.attached(FRED);
      const timed = fred.send(data(FRED, [BARNEY], [hold({ transID: 1 }), timing("noLaterThan='600000'")]));
      await numbered(fred, [2]);
      expect(fred.code(timed)).to.equal(0);
      for (const step of [86_400_000 * 365, -86_400_000 * 730]) {
        stage.time.step(step);
        stage.time.pass(120_000);
        expect(stage.relay.held).to.include({ data: 2, failed: 0 });
      }
      const barney = stage.attached(BARNEY);
      await takeAll(barney);
      expect(transIDs(barney)).to.deep.equal([1, 2]);
    });

    it('limits the age, and reports the expiry where asked', async () => {
      const stage = new Stage({ limits: { ageMs: 3_600_000 } });
      const fred = stage.attached(FRED);
      fred.send(data(FRED, [BARNEY], [hold(), option({ internal: 'statusRequest', transID: 5 })]));
      await settled();
      stage.time.pass(3_000_000);
      expect(stage.relay.held).to.include({ data: 1, oldestMs: 3_000_000 });
      stage.time.pass(700_000);
      expect(stage.relay.held).to.include({ data: 0, failed: 1 });
      expect(stage.reports.said).to.deep.equal([`example.com 5: ${BARNEY} 550`]);
    });

    it('does not know the option where it is off, and requires a time limit where the administrator wants one', async () => {
      const off = new Stage({ policy: { hold4Endpoint: 'off' } });
      const fred = off.attached(FRED);
      expect(await holding(fred, 1)).to.deep.equal([450]);
      const demanded = fred.send(data(FRED, [BARNEY], [hold({ seeNoEvil: false })]));
      expect(fred.code(demanded)).to.equal(504);
      const timed = new Stage({ policy: { hold4Endpoint: 'timed' } });
      const wilma = timed.attached(FRED);
      expect(await holding(wilma, 1)).to.deep.equal([450]);
      const msgno = wilma.send(data(FRED, [BARNEY], [hold(), timing("noLaterThan='60000'")]));
      await settled();
      expect(wilma.code(msgno)).to.equal(0);
    });
  });

  describe('with dataTiming', () => {
    it('counts the time in the queue; the delivered copy says what is left', async () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      fred.send(data(FRED, [BARNEY], [hold(), timing("noLaterThan='10000' returnTrip='5000'")]));
      await settled();
      expect(stage.reports.said, 'held is not delivered').to.deep.equal([]);
      stage.time.pass(4000);
      const barney = stage.attached(BARNEY);
      await settled();
      const inner = barney.requests[0]?.data.options[1]?.inner ?? Buffer.alloc(0);
      expect(readTiming(inner).noLaterThan).to.equal(6000);
      barney.requests[0]?.ok();
      expect(stage.reports.said).to.deep.equal([`example.com 7: ${BARNEY} 250`]);
    });

    it('drops what has expired, and reports it where asked, whether or not the recipient attaches', async () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      fred.send(data(FRED, [BARNEY], [hold(), timing("noLaterThan='1000' reportErrors='true'")]));
      await settled();
      stage.time.pass(1000);
      await settled();
      expect(stage.reports.said).to.deep.equal([`example.com 7: ${BARNEY} 550`]);
      expect(stage.relay.held.data).to.equal(0);
      expect([...stage.spool.entries()]).to.deep.equal([]);
    });

    it('reports a delay once, after a restart too', async () => {
      const stage = new Stage();
      const fred = stage.attached(FRED);
      fred.send(data(FRED, [BARNEY], [hold(), timing("reportAfter='1000'")]));
      await settled();
      stage.time.pass(1500);
      await settled();
      expect(stage.reports.said).to.deep.equal([`example.com 7: ${BARNEY} 350`]);
      const again = new Stage({ spool: stage.spool, time: stage.time });
      again.time.pass(5000);
      await takeAll(again.attached(BARNEY));
      expect(again.reports.said).to.deep.equal([]);
      expect(again.relay.held).to.include({ data: 0, delivered: 1 });
    });

    it('drops what expired while the relay was not running', async () => {
      const stage = new Stage();
      stage.attached(FRED).send(data(FRED, [BARNEY], [hold(), timing("noLaterThan='1000' reportErrors='true'")]));
      await settled();
      const away = stage.time;
      const again = new Stage({ spool: stage.spool, time: laterThan(away) });
      const barney = again.attached(BARNEY);
      again.time.pass(0);
      await settled();
      expect(barney.requests).to.have.length(0);
      expect(again.reports.said).to.deep.equal([`example.com 7: ${BARNEY} 550`]);
    });
  });

  it('REQ-IMXP-060 continues after a restart with the same Data in the same order', async () => {
    const stage = new Stage();
    await numbered(stage.attached(FRED), range(1, 5));
    const again = new Stage({ spool: stage.spool });
    expect(again.relay.held).to.include({ data: 5, endpoints: 1 });
    await numbered(again.attached(FRED), [6]);
    const barney = again.attached(BARNEY);
    await takeAll(barney);
    expect(transIDs(barney)).to.deep.equal(range(1, 6));
  });
});

/** The relay that kept this time was killed, and a minute has passed. */
function laterThan(time: Stage['time']): Stage['time'] {
  time.forget();
  time.pass(60_000);
  return time;
}

/** Writes when the spec says so. */
class SlowSpool extends MemorySpool {
  broken = false;
  #waiting: (() => void)[] = [];

  override put(...[entry, record, written]: Parameters<MemorySpool['put']>): void {
    this.#waiting.push(() => {
      if (this.broken) written(new Error('the disk is full'));
      else super.put(entry, record, written);
    });
  }

  flush(): void {
    for (const write of this.#waiting.splice(0)) write();
  }
}
