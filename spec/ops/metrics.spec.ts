import { expect } from 'chai';
import { events } from '../../lib/ops/events.js';
import { Metrics } from '../../lib/ops/metrics.js';
import type { NodeStatus } from '../../lib/ops/status.js';

/** The value of a series in the text, written as Prometheus writes it; undefined where there is none. */
function figure(text: string, series: string): number | undefined {
  const line = text.split('\n').find((one) => one.startsWith(`${series} `));
  return line === undefined ? undefined : Number(line.slice(series.length + 1));
}

const STATUS: NodeStatus = {
  version: '1.2.3',
  started: '2001-02-03T04:05:06.000Z',
  uptimeSeconds: 60,
  state: 'ready',
  domains: ['example.com'],
  listening: ['tcp://127.0.0.1:10913'],
  sessions: {
    listener: 5,
    initiator: 1,
    unauthenticated: 2,
    endpoints: 3,
    relays: 1,
    private: 4,
    blocked: 1,
    channels: 9,
    shut: 1,
    unsentOctets: 1000,
    windowOctets: 4096,
    owed: 7,
    awaited: 8,
  },
  attachments: 3,
  bindings: 1,
  accounts: { total: 3, disabled: 1 },
  outstanding: 15,
  links: [
    { name: 'rubble.com', state: 'ready', outstanding: 4, waiting: 0 },
    { name: 'slate.example', state: 'backoff', outstanding: 0, waiting: 2 },
  ],
  certificates: [{ holder: 'own', name: 'example.com', notAfter: '2001-02-03T04:05:06.000Z', days: -5 }],
  held: { data: 4, octets: 900, endpoints: 2, oldestMs: 1500, stored: 9, delivered: 4, failed: 1 },
  presence: {
    subscriptions: 6,
    watches: 2,
    outstanding: 1,
    counts: { entries: 7, publish: 42, notify: 5, terminate: 3, failed: 1 },
  },
  hops: [
    { name: 'local', delivered: 10, transient: 2, permanent: 1, octets: 1300, timedMs: 6, buckets: [0, 3, 1] },
    { name: 'odd"\\name', delivered: 1, transient: 0, permanent: 0, octets: 1, timedMs: 0, buckets: [0, 0, 0] },
  ],
  latencyBoundsMs: [1, 2],
  process: { pid: 1, residentOctets: 5e7, heapOctets: 2e7, cpuSeconds: 1.5, lagMs: { p50: 0, p99: 2, max: 30 } },
};

describe('ops/metrics', () => {
  let status = STATUS;
  let metrics: Metrics;

  beforeEach(() => {
    status = STATUS;
    const store = new Map([['put', { done: 3, conflicts: 1, failed: 0, ms: 12 }]]);
    metrics = new Metrics({
      status: async () => status,
      failing: () => false,
      engine: () => undefined,
      store: () => store,
    });
  });
  afterEach(() => metrics.stop());

  it('writes the status in the format of Prometheus', async () => {
    const text = await metrics.text();
    const values: Record<string, number> = {
      'imxp_node_state{state="ready"}': 1,
      'imxp_node_state{state="draining"}': 0,
      'imxp_node_info{version="1.2.3"}': 1,
      'imxp_certificate_end_seconds{holder="own",name="example.com"}': 981_173_106,
      'imxp_sessions{role="listener"}': 5,
      'imxp_session_peers{peer="relay"}': 1,
      imxp_sessions_private: 4,
      imxp_channels_shut: 1,
      imxp_window_octets: 4096,
      imxp_unsent_octets: 1000,
      imxp_attachments: 3,
      'imxp_presence_operations{operation="subscribe"}': 6,
      'imxp_presence_operations{operation="watch"}': 2,
      'imxp_presence_sent_total{element="publish"}': 42,
      'imxp_presence_sent_total{element="notify"}': 5,
      imxp_presence_entries_total: 7,
      imxp_presence_failed_total: 1,
      imxp_presence_outstanding: 1,
      imxp_bindings: 1,
      imxp_operations_outstanding: 15,
      'imxp_link_up{link="rubble.com"}': 1,
      'imxp_link_up{link="slate.example"}': 0,
      'imxp_link_waiting{link="slate.example"}': 2,
      'imxp_data_total{next_hop="local",result="2xx"}': 10,
      'imxp_data_total{next_hop="local",result="4xx"}': 2,
      'imxp_data_total{next_hop="local",result="5xx"}': 1,
      'imxp_data_octets_total{next_hop="local"}': 1300,
      'imxp_store_operations_total{operation="put",result="conflict"}': 1,
      'imxp_store_seconds_total{operation="put"}': 0.012,
      process_cpu_seconds_total: 1.5,
      process_resident_memory_bytes: 5e7,
      'nodejs_eventloop_lag_seconds{quantile="0.99"}': 0.002,
      process_start_time_seconds: 981173106,
    };
    for (const [series, value] of Object.entries(values)) expect(figure(text, series), series).to.equal(value);
    expect(metrics.contentType).to.match(/^text\/plain; version=0\.0\.4/);
  });

  it('writes latencies as a cumulative histogram in seconds', async () => {
    const text = await metrics.text();
    const lines = text.split('\n').filter((line) => line.startsWith('imxp_data_duration_seconds'));
    expect(lines.slice(0, 5)).to.deep.equal([
      'imxp_data_duration_seconds_bucket{le="0.001",next_hop="local"} 0',
      'imxp_data_duration_seconds_bucket{le="0.002",next_hop="local"} 3',
      'imxp_data_duration_seconds_bucket{le="+Inf",next_hop="local"} 4',
      'imxp_data_duration_seconds_sum{next_hop="local"} 0.006',
      'imxp_data_duration_seconds_count{next_hop="local"} 4',
    ]);
    expect(lines[5]).to.include('next_hop="odd\\"\\\\name"');
    expect(text).to.match(/\n# TYPE imxp_data_duration_seconds histogram\n/);
  });

  it('is readable as lines of name, labels and value', async () => {
    for (const line of (await metrics.text()).split('\n')) {
      expect(line).to.match(/^(#.*|[a-z_]+(\{([a-z_]+="([^"\\\n]|\\.)*",?)+\})? -?[0-9.e+]+)?$/i);
    }
  });

  it('follows samples up and down, and drops links that have gone', async () => {
    await metrics.text();
    status = { ...STATUS, attachments: 1, links: [], hops: [{ ...(STATUS.hops[0] ?? expect.fail()), delivered: 11 }] };
    const text = await metrics.text();
    expect(figure(text, 'imxp_attachments')).to.equal(1);
    expect(figure(text, 'imxp_data_total{next_hop="local",result="2xx"}')).to.equal(11);
    expect(text).to.not.include('slate.example');
  });

  it('counts events: sessions, TLS by suite, logins by mechanism and result, refusals, look-ups', async () => {
    const remote = '192.0.2.7';
    events.opened.publish({ session: 's1', remote, port: 1, role: 'listener' });
    events.closed.publish({ session: 's1', remote, error: 'TIMED_OUT', reason: 'x' });
    events.closed.publish({ session: 's2', remote });
    const tls = { session: 's1', remote, resumed: false, authorized: true };
    events.tuned.publish({ ...tls, protocol: 'TLSv1.3', cipher: 'TLS_AES_128_GCM_SHA256', legacy: false });
    events.tuned.publish({ ...tls, protocol: 'TLSv1', cipher: 'DES-CBC3-SHA', legacy: true });
    events.authenticated.publish({ session: 's1', remote, mechanism: 'PLAIN', identity: 'fred', side: 'peer' });
    const refusal = { session: 's1', remote, code: 535, reason: 'x' };
    events.refused.publish({ ...refusal, what: 'authentication', subject: 'DIGEST-MD5' });
    events.refused.publish({ ...refusal, what: 'attach', code: 537, subject: 'fred@example.com' });
    events.lookup.publish({ type: 'SRV', name: '_imxp-mesh._tcp.rubble.com', result: 'failed', ms: 1 });
    const text = await metrics.text();
    const series = [
      'imxp_sessions_opened_total{role="listener"}',
      'imxp_sessions_closed_total{error="TIMED_OUT"}',
      'imxp_sessions_closed_total{error="none"}',
      'imxp_tls_sessions_total{protocol="TLSv1.3",cipher="TLS_AES_128_GCM_SHA256",legacy="false"}',
      'imxp_tls_sessions_total{protocol="TLSv1",cipher="DES-CBC3-SHA",legacy="true"}',
      'imxp_authentications_total{mechanism="PLAIN",side="peer",result="accepted"}',
      'imxp_authentications_total{mechanism="DIGEST-MD5",side="peer",result="refused"}',
      'imxp_refusals_total{what="authentication",code="535"}',
      'imxp_refusals_total{what="attach",code="537"}',
      'imxp_dns_lookups_total{type="SRV",result="failed"}',
    ];
    for (const one of series) expect(figure(text, one), one).to.equal(1);
    expect(text, 'nobody, by name or address').to.not.match(/fred|rubble\.com.*lookup|192\.0\.2\.7/);
  });

  it('keeps a bounded number of series, whatever peers do', async () => {
    for (let i = 0; i < 2000; i += 1) {
      events.refused.publish({ session: 's1', remote: '', what: `trick ${i}`, code: 550, reason: '' });
    }
    const text = await metrics.text();
    const lines = text.split('\n').filter((line) => line.startsWith('imxp_refusals_total'));
    expect(lines.length).to.be.within(100, 210);
    expect(figure(text, 'imxp_refusals_total{what="other",code="other"}')).to.be.greaterThan(1700);
  });

  it('counts nothing after it was stopped', () => {
    metrics.stop();
    expect(Object.values(events).filter(({ observed }) => observed)).to.deep.equal([]);
  });
});
