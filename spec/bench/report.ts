/** The results of the benchmark as tables for people. */
import type { AccountsResult } from './accounts.js';
import type { AttackResult, Honest } from './attacks.js';
import type { BulkResult } from './bulk.js';
import type { Rate } from './frames.js';
import type { GatewayResult } from './gateway.js';
import type { GrowthResult } from './growth.js';
import { drawn } from './histogram.js';
import type { Latency } from './latency.js';
import type { LoginResult } from './logins.js';
import type { Spread } from './measure.js';
import type { MemoryResult } from './memory.js';
import type { PathResult } from './paths.js';
import type { PeerResult } from './peers.js';
import type { PresenceResult } from './presence.js';
import type { StartResult } from './start.js';
import type { WorkersResult } from './workers.js';

export interface Results {
  readonly layers: readonly Rate[];
  readonly start: readonly StartResult[];
  readonly logins: readonly LoginResult[];
  readonly paths: readonly PathResult[];
  readonly bulk: readonly BulkResult[];
  readonly growth: readonly GrowthResult[];
  readonly peers: readonly PeerResult[];
  readonly memory: readonly MemoryResult[];
  readonly presence: readonly PresenceResult[];
  readonly gateway: readonly GatewayResult[];
  readonly attacks: readonly AttackResult[];
  readonly workers: readonly WorkersResult[];
  readonly accounts: readonly AccountsResult[];
}

type Row = readonly string[];

const round = (value: number, digits: number): string => value.toFixed(digits);
const mebibytes = (octets: number): string => round(octets / 1_048_576, 1);

/** Columns of numbers to the right of one of words; nothing without rows. */
export function table(head: Row, rows: readonly Row[]): string {
  if (rows.length === 0) return '';
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column]?.length ?? 0)));
  const lines = [head, ...rows].map((row) =>
    row
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join('  ')
      .trimEnd(),
  );
  return `${lines.join('\n')}\n\n`;
}

function layers(rates: readonly Rate[]): string {
  const rows = rates.map(({ what, perSecond, microseconds }) => [what, round(perSecond, 0), round(microseconds, 2)]);
  return table(['layer', 'per second', 'µs each'], rows);
}

function gateway(results: readonly GatewayResult[]): string {
  const rows = results.map(({ what, perSecond, gatewayMicroseconds, serverMicroseconds, relayMicroseconds }) => [
    what,
    round(perSecond, 0),
    round(gatewayMicroseconds, 0),
    round(serverMicroseconds, 0),
    round(relayMicroseconds, 0),
  ]);
  return table(['gateway to XMPP', 'per second', 'µs gateway', 'µs XMPP server', 'µs relay'], rows);
}

function start(results: readonly StartResult[]): string {
  const rows = results.map(({ what, ms, leastMs, mostMs, toFloor, cpuMs, cpuToFloor, residentOctets }) => [
    what,
    round(ms, 0),
    `${round(leastMs, 0)}-${round(mostMs, 0)}`,
    round(toFloor, 2),
    round(cpuMs, 0),
    round(cpuToFloor, 2),
    residentOctets === undefined ? '' : mebibytes(residentOctets),
  ]);
  return table(['start', 'ms', 'from-to', 'to floor', 'CPU ms', 'to floor', 'MiB'], rows);
}

function logins(results: readonly LoginResult[]): string {
  const rows = results.map(({ what, relayMs, leastMs, mostMs, toFloor, endpointMs }) => [
    what,
    round(relayMs, 2),
    `${round(leastMs, 2)}-${round(mostMs, 2)}`,
    round(toFloor, 2),
    round(endpointMs, 2),
  ]);
  return table(['CPU of one', 'relay ms', 'from-to', 'to floor', 'endpoint ms'], rows);
}

const optional = (value: number | undefined, digits: number): string =>
  value === undefined ? '' : round(value, digits);

function paths(results: readonly PathResult[]): string {
  const rows = results.map((one) => [
    one.path,
    spread(one.perSecond, 0),
    spread(one.cpuPer100k, 2),
    round(one.cpuToFloor, 1),
    optional(one.cpuToTcp, 2),
    optional(one.cpuToOther, 3),
  ]);
  const head = ['path: median (extremes)', 'Data/s', 'CPU s/100k', 'to floor', 'to TCP', 'to other build'];
  return table(head, rows);
}

function growth(results: readonly GrowthResult[]): string {
  const rows = results.map((one) => [
    one.what,
    spread(one.perSecond, 0),
    spread(one.cpuPer100k, 2),
    round(one.cpuToFirst, 2),
    optional(one.cpuToOther, 3),
    mebibytes(one.residentOctets),
  ]);
  return table(['growth: median (extremes)', 'Data/s', 'CPU s/100k', 'to first', 'to other build', 'MiB'], rows);
}

function peers(results: readonly PeerResult[]): string {
  const rows = results.map((one) => [
    one.server,
    spread(one.perSecond, 0),
    spread(one.cpuPer100k, 2),
    round(one.cpuToRelay, 2),
    mebibytes(one.residentOctets),
  ]);
  return table(['peers: median (extremes)', 'messages/s', 'CPU s/100k', 'to as many relays', 'MiB'], rows);
}

/** One line a path, so that the hills stand one below the other. */
function latency(results: readonly { readonly what: string; readonly latency: Latency }[]): string {
  if (results.length === 0) return '';
  const [axis = '', ...lines] = drawn(results.map((one) => one.latency.histogram));
  const width = axis.length;
  const rows = results.map(({ what, latency: it }, index) => [
    what,
    ...[it.p50Ms, it.p90Ms, it.p95Ms, it.p99Ms, it.p999Ms, it.maximumMs].map((ms) => round(ms, 3)),
    (lines[index] ?? '').padEnd(width),
  ]);
  return table(['latency, ms', 'p50', 'p90', 'p95', 'p99', 'p99.9', 'max', axis.padEnd(width)], rows);
}

const spread = ({ median, minimum, maximum }: Spread, digits: number): string =>
  `${round(median, digits)} (${round(minimum, digits)}-${round(maximum, digits)})`;

function bulk(results: readonly BulkResult[]): string {
  const rows = results.map((one) => [
    `${one.path}, ${one.messageOctets} octets each`,
    spread(one.megabytesPerSecond, 0),
    spread(one.cpuPerGigabyte, 2),
    round(one.cpuToFloor, 1),
    optional(one.cpuToOther, 3),
    optional(one.senderPerGigabyte, 2),
    optional(one.recipientPerGigabyte, 2),
    ...(one.collections === undefined
      ? []
      : [
          `${one.collections.scavenges} / ${one.collections.markCompacts}`,
          round(one.collections.pauseMs, 0),
          String(one.collections.messages),
        ]),
  ]);
  const traced = results.some(({ collections }) => collections !== undefined);
  const head = ['bulk: median (extremes)', 'MB/s', 'CPU s/GB', 'to floor', 'to other build', 'sender', 'recipient'];
  return table(traced ? [...head, 'scavenges / mark-compacts', 'ms', 'in messages'] : head, rows);
}

function memory(results: readonly MemoryResult[]): string {
  const rows = results.map((one) => [
    `${one.endpoints} idle attached endpoints, ${one.path}`,
    mebibytes(one.emptyOctets),
    mebibytes(one.residentOctets),
    round(one.kibPerEndpoint, 1),
    round(one.kibPerLaterEndpoint, 1),
  ]);
  return table(['memory', 'empty MiB', 'resident MiB', 'KiB each', 'later half'], rows);
}

function presence(one: PresenceResult): string {
  return table(
    [`presence: ${one.subscribers} subscribers over two domains`, 'value'],
    [
      ['subscribe: first publish to all, per second', round(one.subscriptionsPerSecond, 0)],
      ['publish: acknowledged, ms', round(one.acknowledgedMs, 1)],
      ['publish: first subscriber has it, ms', round(one.firstMs, 1)],
      ['publish: last subscriber has it, ms', round(one.lastMs, 0)],
      ['publish: notified per second', round(one.notifiedPerSecond, 0)],
      ["publish: CPU s of the publisher's relay", round(one.cpuSeconds, 2)],
      [`memory per subscription, KiB (${one.subscriptions} on one node)`, round(one.kibPerSubscription, 2)],
      [`restart with ${one.subscriptions} subscriptions: ready after, ms`, round(one.restartMs, 0)],
    ],
  );
}

/** Milliseconds in a quiet time, while the attack goes against another relay of the machine, and under attack. */
function attacks(results: readonly AttackResult[]): string {
  const three = ({ quiet, elsewhere, attacked }: AttackResult, of: (honest: Honest) => number, digits: number) =>
    [quiet, elsewhere, attacked].map((honest) => round(of(honest), digits)).join(' / ');
  const rows = results.map((one) => [
    one.attack,
    three(one, ({ p50Ms }) => p50Ms, 2),
    three(one, ({ p99Ms }) => p99Ms, 1),
    `${round(one.attacked.p99Ms / one.quiet.p99Ms, 1)} / ${round(one.attacked.p99Ms / one.elsewhere.p99Ms, 1)}`,
    three(one, ({ loginMs }) => loginMs, 0),
    String(one.made),
  ]);
  return table(
    [
      'honest messages: quiet / other relay attacked / attacked',
      'p50 ms',
      'p99 ms',
      'to quiet / to other',
      'login ms',
      'made',
    ],
    rows,
  );
}

/** Measured, and last what is calculated from it. */
function workers({ messages, hopMicroseconds, logins, calculation }: WorkersResult): string {
  const { cores, messagesPerSecond, loginsPerSecond, loginsBound } = calculation;
  return [
    table(
      ['workers: a message of 100 octets', 'CPU µs', 'of the supervisor', 'per second'],
      messages.map((one) => [
        one.what,
        round(one.microseconds, 1),
        round(one.centerMicroseconds, 1),
        round(one.perSecond.median, 0),
      ]),
    ),
    table(
      ['workers: a login', 'CPU ms', 'of the supervisor', 'per second'],
      logins.map((one) => [
        one.what,
        round(one.milliseconds, 2),
        round(one.centerMilliseconds, 2),
        round(one.perSecond, 0),
      ]),
    ),
    `one more hop between workers: ${round(hopMicroseconds, 1)} µs of CPU time\n`,
    `calculated, not measured, for ${cores} cores, one of them for the supervisor: ${round(messagesPerSecond, 0)} messages`,
    ` per second, ${round(loginsPerSecond, 0)} logins per second (bound by the ${loginsBound})\n\n`,
  ].join('');
}

function accounts(results: readonly AccountsResult[]): string {
  const rows = results.map(({ imported, ...one }) => [
    one.what,
    ...(imported === undefined
      ? ['', '', '']
      : [round(imported.seconds, 1), round(imported.cpuSeconds, 1), mebibytes(imported.mostOctets)]),
    round(one.startMs, 0),
    round(one.startCpuSeconds, 2),
    mebibytes(one.residentOctets),
    round(one.cpuPer100k.median, 2),
    round(one.cpuToEmpty, 2),
  ]);
  const head = ['domain', 'import s', 'CPU s', 'most MiB', 'start ms', 'CPU s', 'MiB', 'CPU s/100k', 'to empty'];
  return table(head, rows);
}

export function report(results: Results): string {
  return [
    layers(results.layers),
    start(results.start),
    logins(results.logins),
    paths(results.paths),
    latency(results.paths.map((one) => ({ what: one.path, latency: one.latency }))),
    bulk(results.bulk),
    growth(results.growth),
    peers(results.peers),
    latency(results.peers.map((one) => ({ what: one.server, latency: one.latency }))),
    memory(results.memory),
    ...results.presence.map(presence),
    gateway(results.gateway),
    attacks(results.attacks),
    ...results.workers.map(workers),
    accounts(results.accounts),
  ].join('');
}
