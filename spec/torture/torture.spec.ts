/** The short form of `npm run torture`, and that its account finds what must not be. */
import { expect } from 'chai';
import { Ledger } from './ledger.js';
import { report, slopePerHour } from './report.js';
import { torture } from './torture.js';

const SEED = Number(process.env['IMXP_SEED'] ?? Date.now() % 1_000_000_007);
const MS = 12_000;

describe('security: torture', () => {
  it('accounts for every honest message while relays, endpoints and connections are killed', async () => {
    const result = await torture({ ms: MS, seed: SEED, tls: false });
    console.log(`      seed ${SEED}\n${report(result).replace(/^/gm, '      ')}`);
    expect(result.violations, `seed ${SEED}`).to.deep.equal([]);
    expect(result.live.answers.get('ok')).to.be.above(0);
    expect([...result.disturbances.values()].length).to.be.above(0);
  }).timeout(300_000);

  it('detects messages that are lost, delivered twice, delivered after 450, or never answered', () => {
    const ledger = new Ledger();
    const enter = (answer: string | undefined, deliveries: number, kind: 'live' | 'held' = 'live'): void => {
      const id = ledger.enter(kind);
      if (answer !== undefined) ledger.answered(id, answer);
      for (let times = 0; times < deliveries; times += 1) ledger.delivered(id);
    };
    for (const [answer, deliveries] of [
      ['ok', 1],
      ['450', 0],
      ['451', 0],
      ['451', 1],
    ] as const) {
      enter(answer, deliveries);
    }
    expect(ledger.violations(1000)).to.deep.equal([]);
    enter('ok', 0);
    enter('ok', 2);
    enter('450', 1);
    enter(undefined, 0);
    enter('ok', 0, 'held');
    ledger.delivered('never sent');
    expect(ledger.violations(1000).map((text) => text.replace(/^torture-\w+-(\d+)/, '$1'))).to.deep.equal([
      '"never sent" was delivered and never sent',
      '4 was answered ok and not delivered',
      '5 was delivered 2 times',
      '6 was answered 450 and delivered',
      '7 has no answer',
      '8 was answered ok and not delivered',
    ]);
  });

  it('measures growth by its slope over the later half', () => {
    const samples = Array.from({ length: 100 }, (_, minute) => ({
      ms: minute * 60_000,
      rss: minute < 50 ? minute * 9_000_000 : 450_000_000 + (minute - 50) * 1_048_576,
      heap: 20_000_000,
      descriptors: 30,
    }));
    expect(slopePerHour(samples, ({ rss }) => rss / 1_048_576)).to.be.closeTo(60, 0.5);
    expect(slopePerHour(samples, ({ descriptors }) => descriptors)).to.equal(0);
  });
});
