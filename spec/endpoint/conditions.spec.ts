import { once } from 'node:events';
import { expect } from 'chai';
import { DuplicateFilter } from '../../lib/endpoint/duplicate-filter.js';
import type { Endpoint } from '../../lib/endpoint/endpoint.js';
import type { RelayReport } from '../../lib/endpoint/report.js';
import { LocalError, RefusedError } from '../../lib/errors.js';
import { withHeldId } from '../../lib/imxp/held-id.js';
import { readTiming } from '../../lib/imxp/vocabulary/party.js';
import { LocalMesh } from '../support/local-mesh.js';
import { data, hold } from '../support/option-stage.js';
import { FRED as BACK, dataFor, scripted } from '../support/scripted-endpoint.js';
import { dialect } from '../support/scripted-relay.js';
import { within } from '../support/within.js';

const FRED = 'fred@example.com';
const WILMA = 'wilma@example.com';
const BARNEY = 'barney@rubble.com';

/** The reports on one message, and waiting for them. */
class Heard {
  readonly all: string[] = [];
  readonly #waiting = new Map<number, () => void>();

  readonly take = ({ relay, recipients }: RelayReport): void => {
    for (const { identity, code } of recipients) {
      this.all.push(`${relay}: ${identity} ${code}`);
      this.#waiting.get(code)?.();
    }
  };

  async code(code: number): Promise<void> {
    if (this.all.some((said) => said.endsWith(` ${code}`))) return;
    const said = new Promise<void>((resolve) => this.#waiting.set(code, resolve));
    await within(20_000, said, `a report of ${code}`);
  }
}

const codeOf = (sending: Promise<void>): Promise<number> =>
  sending.then(
    () => 250,
    (error: unknown) => {
      if (error instanceof RefusedError) return error.reply.code;
      throw error;
    },
  );

for (const dialect of ['imxp', 'apex'] as const) {
  describe(`endpoint: options of RFC 3342, ${dialect} between relays`, function () {
    this.timeout(60_000);
    this.slow(2000);
    let mesh: LocalMesh;
    let fred: Endpoint;

    before(async () => {
      mesh = await LocalMesh.start({ dialect });
    });
    beforeEach(async () => {
      fred = await mesh.attach(FRED);
    });
    afterEach(() => mesh.leave());
    after(() => mesh.close());

    /** Attaches and collects what comes. */
    async function listening(
      address: string,
      wanted: number,
      more = {},
    ): Promise<readonly [Endpoint, Promise<string[]>]> {
      const endpoint = await mesh.attach(address, more);
      const texts: string[] = [];
      const all = new Promise<string[]>((resolve) => {
        endpoint.receive((delivery) => {
          texts.push(delivery.text());
          if (texts.length === wanted) resolve(texts);
        });
      });
      return [endpoint, within(20_000, all, `${wanted} messages arrive`)];
    }

    it('REQ-IMXP-060 holds a message at the relay of the recipient, and confirms the delivery', async () => {
      const heard = new Heard();
      const timing = { noLaterThanMs: 60_000, returnTripMs: 20_000, reported: heard.take };
      await fred.send({ to: BARNEY, content: 'one', hold: true, timing });
      await fred.send({ to: BARNEY, content: 'two', hold: true });
      expect(heard.all).to.deep.equal([]);
      const [, texts] = await listening(BARNEY, 2);
      expect(await texts).to.deep.equal(['one', 'two']);
      await heard.code(250);
      expect(heard.all).to.deep.equal([`rubble.com: ${BARNEY} 250`]);
    });

    it('REQ-IMXP-058 reports that a message takes longer, and that it was too late', async () => {
      const barney = await mesh.attach(BARNEY, { autoAccept: false });
      const arrived: number[] = [];
      barney.receive((delivery) => {
        const option = delivery.options.find(({ internal }) => internal === 'dataTiming');
        arrived.push(readTiming(option?.inner ?? Buffer.alloc(0)).noLaterThan);
      });
      const heard = new Heard();
      const timing = { noLaterThanMs: 1000, reportAfterMs: 500, reportErrors: true, reported: heard.take };
      const code = await codeOf(fred.send({ to: BARNEY, content: 'quick', timing }));
      await heard.code(550);
      expect(code, 'in APEX only reports tell what comes after ok').to.equal(dialect === 'imxp' ? 550 : 250);
      // Where the time passes is a matter of the machine.
      const said = heard.all.map((line) => line.slice(line.indexOf(': ') + 2));
      expect(said).to.deep.equal([`${BARNEY} 350`, `${BARNEY} 550`]);
      expect(arrived[0] ?? 1, 'the first relay took some of it').to.be.within(1, 1000);
    });

    it('REQ-IMXP-062 limits the hops of a message', async () => {
      const [, texts] = await listening(BARNEY, 1);
      expect(await codeOf(fred.send({ to: BARNEY, content: 'far', hops: { noMoreThan: 1 } }))).to.equal(550);
      await fred.send({ to: BARNEY, content: 'near', hops: { noMoreThan: 2 } });
      expect(await texts).to.deep.equal(['near']);
    });
  });
}

describe('endpoint: options of RFC 3342', function () {
  this.timeout(60_000);
  this.slow(2000);
  let mesh: LocalMesh;

  before(async () => {
    mesh = await LocalMesh.start();
  });
  afterEach(() => mesh.leave());
  after(() => mesh.close());

  it('REQ-IMXP-057 attaches in place of another endpoint, which does not come back', async () => {
    const old = await mesh.attach(WILMA, { override: true, reconnect: { firstMs: 20, longestMs: 50 } });
    const terminated = new Promise<string>((resolve) => old.once('terminate', resolve));
    const young = await mesh.attach(WILMA, { override: true });
    expect(await within(20_000, terminated, 'the old one is told')).to.equal(WILMA);
    const fred = await mesh.attach(FRED);
    const arrived = new Promise<string>((resolve) => young.receive((delivery) => resolve(delivery.text())));
    await fred.send({ to: WILMA, content: 'dinner' });
    expect(await arrived).to.equal('dinner');
    const back = new Promise<void>((resolve) => old.once('connect', () => resolve()));
    await young.close();
    await within(20_000, back, 'the old one is attached again when there is room');
  });

  it('REQ-IMXP-059 sends dataTiming and dataHopping for all hops, as options that must be understood', async () => {
    const [fred, wilma] = [await mesh.attach(FRED), await mesh.attach(WILMA)];
    const options = new Promise<unknown[]>((resolve) => {
      wilma.receive((delivery) =>
        resolve(delivery.options.map(({ internal, targetHop, seeNoEvil }) => [internal, targetHop, seeNoEvil])),
      );
    });
    await fred.send({ to: WILMA, content: 'x', hold: true, timing: { noLaterThanMs: 5000 }, hops: { noMoreThan: 9 } });
    expect(await options).to.deep.equal([
      ['dataTiming', 'all', false],
      ['dataHopping', 'all', false],
      ['hold4Endpoint', 'final', true],
    ]);
  });

  it('refuses empty conditions', async () => {
    const fred = await mesh.attach(FRED);
    const wrong = [
      { timing: { noLaterThanMs: 0 } },
      { timing: { returnTripMs: 1.5 } },
      { timing: { noLaterThen: 5 } as object },
      { hops: { noMoreThan: 256 } },
    ];
    for (const conditions of wrong) {
      expect(() => fred.encode({ to: WILMA, content: 'x', ...conditions }), JSON.stringify(conditions))
        .to.throw(LocalError)
        .with.property('code', 'ARGUMENT');
    }
  });
});

describe('endpoint/redeliveries', () => {
  const held = (id: string) => withHeldId(data(FRED, [BARNEY], [hold({ transID: 7 })]), id);

  it('recognises once what was accepted before a loss', () => {
    const redeliveries = new DuplicateFilter();
    redeliveries.accepted(held('a'));
    expect(redeliveries.repeats(held('a')), 'the connection lives').to.equal(false);
    redeliveries.lose();
    expect([redeliveries.repeats(held('b')), redeliveries.repeats(held('a'))]).to.deep.equal([false, true]);
    expect(redeliveries.repeats(held('a'))).to.equal(false);
  });

  it('recognises what was accepted too late to be answered', () => {
    const redeliveries = new DuplicateFilter();
    redeliveries.lose();
    redeliveries.late(held('c'));
    expect(redeliveries.repeats(held('c'))).to.equal(true);
  });

  it('recognises only what a relay has held and delivers again, whatever else a message says', () => {
    const redeliveries = new DuplicateFilter();
    const equal = data(FRED, [BARNEY], [hold({ transID: 7 })]);
    for (const one of [equal, held('d')]) redeliveries.accepted(one);
    redeliveries.lose();
    for (const one of [equal, held('e'), { ...held('d'), originator: WILMA }]) {
      expect(redeliveries.repeats(one)).to.equal(false);
    }
    expect(redeliveries.repeats(held('d'))).to.equal(true);
  });
});

describe('an endpoint that reconnects', () => {
  it('accepts a new message that is equal to an earlier one', async () => {
    const { relay, fred } = await scripted({ reconnect: { firstMs: 1 } });
    const texts: string[] = [];
    fred.receive((delivery) => void texts.push(delivery.text()));
    const same = dialect.encodeData({ ...dataFor([BACK]), options: [hold({ transID: 7 })] });
    relay.channel.send(same);
    relay.channel.lose();
    await within(5000, once(fred, 'connect'), 'back');
    relay.channel.send(same);
    expect(texts).to.have.lengthOf(2);
    await fred.close();
  });

  it('delivers a held message once when the relay repeats it after a lost answer', async () => {
    const { relay, fred } = await scripted({ reconnect: { firstMs: 1 } });
    const texts: string[] = [];
    fred.receive((delivery) => void texts.push(delivery.text()));
    const held = withHeldId({ ...dataFor([BACK]), options: [hold({ transID: 7 })] }, 'x');
    relay.channel.send(dialect.encodeData(held));
    relay.channel.lose();
    await within(5000, once(fred, 'connect'), 'back');
    relay.channel.send(dialect.encodeData(held));
    relay.channel.send(dialect.encodeData(withHeldId(held, 'y')));
    expect(texts).to.have.lengthOf(2);
    expect([...relay.channel.answers.values()]).to.deep.equal([{ type: 'ok' }, { type: 'ok' }]);
    await fred.close();
  });
});
