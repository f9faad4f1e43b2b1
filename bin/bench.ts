/** `imxp bench`: measures how many messages a running relay delivers, and how long they take. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Command } from 'commander';
import { beside } from '../lib/endpoint/address.js';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import { harmless } from '../lib/ops/terminal.js';
import {
  attach,
  attachToAsk,
  type EndpointCommandOptions,
  endpointOptions,
  fromOption,
  withEndpoint,
} from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { type LoadResult, load, percentileOf } from './support/load.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { addressArgument, argument, shownName } from './support/names.js';
import { hint, note, print, printJson, table } from './support/output.js';
import { Progress } from './support/progress.js';
import { milliseconds, octets, short } from './support/units.js';

interface BenchOptions extends EndpointCommandOptions {
  readonly from: string;
  readonly to?: readonly string[];
  readonly receive?: boolean;
  readonly messages: number;
  readonly size: number;
  readonly senders: number;
  readonly receivers: number;
  readonly window: number;
  readonly seconds: number;
  readonly json?: boolean;
}

/** Bounds, so that a slip of the finger is no attack. */
const MOST = { messages: 10_000_000, size: 16_777_216, programs: 256, window: 1024, seconds: 86_400 };
const SHARES = { p50: 0.5, p90: 0.9, p99: 0.99, p999: 0.999 };
const PROGRESS_MS = 200;
/** From this share of a core on this program may be what limits the rate. */
const BUSY = 0.9;

const upTo = (most: number) =>
  argument((text) => {
    const number = Number(text);
    if (!Number.isSafeInteger(number) || number < 1 || number > most) {
      throw new Error(`not a whole number from 1 to ${most}.`);
    }
    return number;
  });

const counted = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;

const micros = (ms: number | undefined): number | undefined => (ms === undefined ? ms : Math.round(ms * 1000) / 1000);

function jsonOf(result: LoadResult, { size, senders, window }: BenchOptions, recipients: readonly string[]): object {
  const { sent, delivered, failed, seconds, times, cpu } = result;
  const latency = Object.fromEntries(
    Object.entries(SHARES).map(([name, share]) => [name, micros(percentileOf(times, share))]),
  );
  return {
    sent,
    delivered,
    failed: Object.fromEntries(failed),
    seconds: micros(seconds),
    perSecond: Math.round(delivered / seconds),
    octetsPerSecond: Math.round((delivered * size) / seconds),
    size,
    senders,
    recipients,
    window,
    ms: { min: micros(times[0]), ...latency, max: micros(times.at(-1)) },
    cpu: Math.round(cpu * 100) / 100,
  };
}

function show({ sent, delivered, failed, seconds, times, cpu }: LoadResult, { size }: BenchOptions): void {
  const at = (share: number): string => milliseconds(percentileOf(times, share));
  const latencies = Object.values(SHARES).map(at).join(' / ');
  print(
    table([
      ['delivered', `${delivered} of ${sent} messages of ${octets(size)} in ${seconds.toFixed(2)} s`],
      ['rate', `${short(delivered / seconds)} messages/s, ${octets((delivered * size) / seconds)}/s`],
      ['latency', `${latencies} (p50 / p90 / p99 / p99.9), at most ${milliseconds(times.at(-1))}`],
      ...[...failed].map(([text, count]) => ['failed', `${count}: ${harmless(text)}`]),
    ]),
  );
  if (cpu >= BUSY)
    hint('This program used a whole core and may be what limits the rate: start several, or others on other machines.');
}

/** Attaches several programs one after the other, so that a relay with a limit of logins takes them. */
async function several(count: number, attachOne: () => Promise<Endpoint>, all: Endpoint[]): Promise<Endpoint[]> {
  const some: Endpoint[] = [];
  for (let number = 0; number < count; number += 1) {
    const one = await attachOne();
    some.push(one);
    all.push(one);
  }
  return some;
}

/** Ends on SIGINT and SIGTERM, with what has been measured until then. */
function interruption(): { readonly signal: AbortSignal; restore(): void } {
  const stopping = new AbortController();
  const stop = (): void => stopping.abort();
  process.once('SIGINT', stop);
  process.once('SIGTERM', stop);
  return {
    signal: stopping.signal,
    restore: () => {
      process.off('SIGINT', stop);
      process.off('SIGTERM', stop);
    },
  };
}

/** Accepts what arrives until the number or the time is reached, or it is interrupted. */
async function receive(options: BenchOptions): Promise<void> {
  const { from, messages, seconds, json } = options;
  const endpoint = await attach(await endpointOptions(from, options));
  const { signal, restore } = interruption();
  const progress = new Progress({ what: 'receiving', unit: 'messages' });
  let [received, first, last] = [0, 0, 0];
  const enough = new AbortController();
  try {
    endpoint.receive(() => {
      last = performance.now();
      if (received === 0) first = last;
      received += 1;
      if (received >= messages) enough.abort();
    });
    note(`receiving as ${shownName(from)}; Ctrl-C ends`);
    const begun = performance.now();
    while (!signal.aborted && !enough.signal.aborted && performance.now() - begun < seconds * 1000) {
      if (!endpoint.connected) throw new CommandError(EXIT.UNAVAILABLE, 'the connection to the relay was lost');
      await pause(PROGRESS_MS, undefined, { signal: AbortSignal.any([signal, enough.signal]) }).catch(() => {});
      progress.update(received);
    }
  } finally {
    progress.end();
    restore();
    await endpoint.close();
  }
  const elapsed = (last - first) / 1000;
  const perSecond = elapsed === 0 ? 0 : Math.round((received - 1) / elapsed);
  if (json === true) printJson({ received, seconds: micros(elapsed), perSecond });
  else print(`received ${received} messages in ${elapsed.toFixed(2)} s: ${short(perSecond)} messages/s`);
}

async function bench(options: BenchOptions): Promise<void> {
  if (options.receive === true) {
    await receive(options);
    return;
  }
  const { from, to, messages, size, senders, receivers, window, seconds, json } = options;
  const own = await endpointOptions(from, options);
  const all: Endpoint[] = [];
  const { signal, restore } = interruption();
  const progress = new Progress({ what: 'measuring', total: messages, unit: 'messages' });
  try {
    const taking = await several(
      to === undefined ? receivers : 0,
      () => attach({ ...own, address: beside(from, 'bench') }),
      all,
    );
    for (const one of taking) one.receive(() => {});
    const sending = await several(senders, () => attachToAsk({ ...own, limits: { outstandingData: window } }), all);
    const recipients = to ?? taking.map(({ address }) => address);
    if (json !== true) {
      const whom = to === undefined ? counted(receivers, 'receiver') : recipients.map(shownName).join(', ');
      const load = `${counted(messages, 'message')} of ${octets(size)} from ${counted(senders, 'sender')} to ${whom}`;
      note(`${load}; each sender has up to ${window} under way`);
    }
    const result = await load({
      senders: sending,
      recipients,
      messages,
      content: Buffer.alloc(size, 'x'),
      window,
      limitMs: seconds * 1000,
      signal,
      progress: (answered) => progress.update(answered),
    });
    progress.end();
    if (json === true) printJson(jsonOf(result, options, recipients));
    else show(result, options);
    if (result.failed.size > 0) process.exitCode = EXIT.FAILED;
  } finally {
    progress.end();
    restore();
    await Promise.all(all.map((one) => one.close()));
  }
}

export function register(command: Command): void {
  command
    .addOption(fromOption())
    .option(
      '--to <address>',
      'send to this address, where a program accepts; may be repeated; default: receivers of its own',
      (text: string, others: readonly string[] = []) => [...others, addressArgument(text)],
    )
    .option('--receive', 'only receive, as --from, for a bench that sends to it from elsewhere')
    .option('--messages <n>', 'number of messages', upTo(MOST.messages), 10_000)
    .option('--size <octets>', 'octets of each', upTo(MOST.size), 128)
    .option('--senders <n>', 'number of senders', upTo(MOST.programs), 1)
    .option('--receivers <n>', 'number of receivers', upTo(MOST.programs), 1)
    .option('--window <n>', 'messages that each sender has under way', upTo(MOST.window), 64)
    .option('--seconds <n>', 'send nothing after that time', upTo(MOST.seconds), 60)
    .option('--json', 'print the result as JSON; times in milliseconds');
  withEndpoint(command).action(bench);
  explain(command, {
    about: `Attaches senders and receivers of one account under subaddresses of their own, beside whatever else is attached, and sends
messages through the relay. A message counts as delivered when the receiver has accepted it and the answer is back; the
latency is the time until then. With --window 1 it is that of a message alone; with more, the time in queues is part of it.

The relay takes the load as it takes any other: limits of its configuration hold (limits.rates), and what it refuses is counted
by its code. Without further options it ends after 10,000 messages or a minute. Ctrl-C ends it with what has been measured.

To measure from one domain to another, start "imxp bench --receive" there, and --to its address here.`,
    exits: { 0: 'all messages that were sent were delivered', 1: 'some were not', ...ENDPOINT_EXITS },
    examples: [
      'imxp bench --from fred@example.com',
      'imxp bench --from fred@example.com --senders 4 --receivers 4 --size 1024',
      'imxp bench --window 1 --messages 1000 --json | jq .ms.p99',
      'imxp bench --receive --from barney@rubble.com         # at another relay',
      'imxp bench --from fred@example.com --to barney@rubble.com',
    ],
    see: ['imxp ping', 'imxp top', 'docs/internals/performance.md'],
  });
}
