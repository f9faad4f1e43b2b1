import { expect } from 'chai';
import { figures, percentile } from '../../bin/support/figures.js';
import { clipped } from '../../bin/support/screen.js';
import { duration, milliseconds, octets, short } from '../../bin/support/units.js';
import { NO_SESSIONS } from '../../lib/node/session-counts.js';
import type { NodeStatus } from '../../lib/ops/status.js';

describe('figures from two samples', () => {
  const BOUNDS = [1, 2, 5];

  const status = (delivered: number, buckets: readonly number[], cpuSeconds: number, pid = 7): NodeStatus => ({
    version: '1',
    started: '2001-02-03T04:05:06.000Z',
    uptimeSeconds: 100,
    state: 'ready',
    domains: [],
    listening: [],
    sessions: NO_SESSIONS,
    attachments: 0,
    bindings: 0,
    accounts: { total: 3, disabled: 1 },
    outstanding: 0,
    links: [],
    certificates: [],
    held: { data: 0, octets: 0, endpoints: 0, oldestMs: 0, stored: 0, delivered: 0, failed: 0 },
    presence: {
      subscriptions: 0,
      watches: 0,
      outstanding: 0,
      counts: { entries: 0, publish: 0, notify: 0, terminate: 0, failed: 0 },
    },
    hops: [
      { name: 'local', delivered, transient: 10, permanent: 0, octets: delivered * 100, timedMs: 0, buckets },
      { name: 'rubble.com', delivered, transient: 0, permanent: 0, octets: 0, timedMs: 0, buckets: [0, 0, 0, 0] },
    ],
    latencyBoundsMs: BOUNDS,
    process: { pid, residentOctets: 0, heapOctets: 0, cpuSeconds, lagMs: { p50: 0, p99: 0, max: 0 } },
  });

  it('are rates and latencies of the time between the samples', () => {
    const { hops, total, cpu } = figures(status(400, [10, 100, 0, 0], 3), status(200, [10, 0, 0, 0], 2), 2);
    expect(hops[0]).to.include({
      name: 'local',
      perSecond: 100,
      failedPerSecond: 0,
      octetsPerSecond: 10_000,
      p50: 1.5,
    });
    expect(hops[1]).to.include({ name: 'rubble.com', perSecond: 100, p50: undefined });
    expect(total).to.include({ perSecond: 200, p99: 1.99 });
    expect(cpu).to.equal(0.5);
  });

  it('are those since the start without an earlier sample, or after a restart of the node', () => {
    const first = figures(status(400, [0, 0, 0, 1], 10), undefined, 1);
    expect(first.total.perSecond).to.equal(8.1);
    expect(first.cpu).to.equal(0.1);
    expect(figures(status(400, [0, 0, 0, 1], 10), status(800, [0, 0, 0, 0], 90, 6), 1)).to.deep.equal(first);
  });

  it('take a percentile from its bucket', () => {
    expect(percentile([0, 0, 0, 0], BOUNDS, 0.5)).to.equal(undefined);
    expect(percentile([4, 0, 0, 0], BOUNDS, 0.5)).to.equal(0.5);
    expect(percentile([98, 0, 2, 0], BOUNDS, 0.99)).to.equal(3.5);
    expect(percentile([0, 0, 0, 9], BOUNDS, 0.5), 'above all bounds').to.equal(5);
  });
});

describe('numbers for people', () => {
  it('have three digits', () => {
    expect([0, 1, 9.5, 12.34, 950, 999.6, 12_345, 4_560_000].map(short)).to.deep.equal([
      '0',
      '1',
      '9.50',
      '12.3',
      '950',
      '1.00k',
      '12.3k',
      '4.56M',
    ]);
  });

  it('have their units', () => {
    expect([0, 1023, 1024, 130_486_272].map(octets)).to.deep.equal(['0 B', '1023 B', '1.0 KiB', '124 MiB']);
    expect([undefined, 0.123, 12.34, 512, 2500].map(milliseconds)).to.deep.equal([
      '-',
      '0.12 ms',
      '12.3 ms',
      '512 ms',
      '2.5 s',
    ]);
    expect([5, 3661, 90_061].map(duration)).to.deep.equal(['00:00:05', '01:01:01', '1 d 01:01:01']);
  });

  it('are cut at the width of the screen, without counting colours', () => {
    expect(clipped('fred', 10)).to.equal('fred');
    expect(clipped('fred flintstone', 4)).to.equal('fred\u001b[0m');
    expect(clipped('\u001b[32mfred\u001b[39m', 4)).to.equal('\u001b[32mfred\u001b[39m');
    expect(clipped('\u001b[32mfred\u001b[39m!', 4)).to.equal('\u001b[32mfred\u001b[39m\u001b[0m');
  });
});
