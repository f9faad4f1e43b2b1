/** `imxp top`: shows a running node live. */
import { setTimeout as pause } from 'node:timers/promises';
import { type Command, InvalidArgumentError } from 'commander';
import type { NodeStatus } from '../lib/ops/status.js';
import { paint } from '../lib/ops/terminal.js';
import { facts, headline, hopRows, linkRows } from './status.js';
import { type AdminCommandOptions, adminUrl, askStatus, withAdmin } from './support/admin.js';
import { countArgument } from './support/endpoint.js';
import { CommandError } from './support/exit.js';
import { figures } from './support/figures.js';
import { explain } from './support/manual.js';
import { print, printJson, table } from './support/output.js';
import { Screen } from './support/screen.js';
import { milliseconds, octets, short } from './support/units.js';

interface TopOptions extends AdminCommandOptions {
  readonly interval: number;
  readonly count?: number;
  readonly json?: boolean;
}

/** A status sample and its time. */
interface Look {
  readonly status: NodeStatus;
  readonly at: number;
}

function secondsArgument(text: string): number {
  const seconds = Number(text);
  if (!(seconds >= 0.1 && seconds <= 3600)) throw new InvalidArgumentError('not a number of seconds from 0.1 to 3600.');
  return seconds;
}

async function look(admin: URL): Promise<Look> {
  const status = await askStatus(admin);
  return { status, at: performance.now() };
}

const between = (now: Look, before: Look | undefined): number => (now.at - (before?.at ?? 0)) / 1000;

function screenful(now: Look, before: Look | undefined, admin: URL): string[] {
  const { status } = now;
  const seconds = between(now, before);
  const { cpu } = figures(status, before?.status, seconds);
  const rows = [...facts(status), ['processor', `${(cpu * 100).toFixed(0)} %`]];
  const links = status.links.length > 0 ? ['', paint('bold', 'links'), ...table(linkRows(status)).split('\n')] : [];
  return [
    headline(status),
    '',
    ...table(rows.map(([key = '', value = '']) => [`  ${key}`, value])).split('\n'),
    '',
    paint('bold', before === undefined ? 'Messages since the start, by next hop' : 'Messages, by next hop'),
    ...table(hopRows(status, before?.status, seconds)).split('\n'),
    ...links,
    '',
    paint('dim', `${admin.origin}   q: quit`),
  ];
}

function line(now: Look, before: Look | undefined): string {
  const { status } = now;
  const { total, cpu } = figures(status, before?.status, between(now, before));
  const { sessions, attachments, outstanding, process, links } = status;
  const down = links.filter(({ state }) => state !== 'ready' && state !== 'idle').map(({ name }) => name);
  return [
    new Date().toISOString().slice(11, 19),
    status.state,
    `sessions ${sessions.listener + sessions.initiator}`,
    `attached ${attachments}`,
    `data ${short(total.perSecond)}/s`,
    `failed ${short(total.failedPerSecond)}/s`,
    `p50 ${milliseconds(total.p50)}`,
    `p99 ${milliseconds(total.p99)}`,
    `outstanding ${outstanding}`,
    `cpu ${(cpu * 100).toFixed(0)} %`,
    `memory ${octets(process.residentOctets)}`,
    ...(down.length > 0 ? [`links down ${down.join(' ')}`] : []),
  ].join('  ');
}

/** Prints one line per sample, until the count is reached or the node is gone. */
async function lines(admin: URL, { interval, count = Number.POSITIVE_INFINITY, json }: TopOptions): Promise<void> {
  let before: Look | undefined;
  for (let printed = 0; printed < count; printed += 1) {
    if (printed > 0) await pause(interval * 1000);
    const now = await look(admin);
    if (json === true) printJson({ status: now.status, ...figures(now.status, before?.status, between(now, before)) });
    else print(line(now, before));
    before = now;
  }
}

/** Shows the screen until the user leaves. A node that does not answer is asked again: it may be restarting. */
async function live(admin: URL, { interval, count = Number.POSITIVE_INFINITY }: TopOptions): Promise<void> {
  const first = await look(admin);
  const left = new AbortController();
  const quit = (): void => left.abort();
  const screen = new Screen({ input: process.stdin, output: process.stdout }, quit);
  process.once('SIGTERM', quit);
  screen.open();
  try {
    let [before, now]: [Look | undefined, Look] = [undefined, first];
    let trouble = '';
    for (let shown = 1; ; shown += 1) {
      screen.show([...screenful(now, before, admin), paint('red', trouble)]);
      if (shown >= count) return;
      await pause(interval * 1000, undefined, { signal: left.signal });
      const next = await look(admin).catch((error: unknown) => {
        if (!(error instanceof CommandError)) throw error;
        trouble = error.message;
      });
      if (next !== undefined) trouble = '';
      if (next !== undefined) [before, now] = [now, next];
    }
  } catch (error) {
    if (!left.signal.aborted) throw error;
  } finally {
    process.off('SIGTERM', quit);
    screen.close();
  }
}

async function top(options: TopOptions): Promise<void> {
  const admin = await adminUrl(options);
  const watched = process.stdin.isTTY && process.stdout.isTTY && options.json !== true;
  await (watched ? live(admin, options) : lines(admin, options));
}

export function register(command: Command): void {
  command
    .option('--interval <seconds>', 'seconds between samples', secondsArgument, 1)
    .option('--count <n>', 'stop after this many samples', countArgument)
    .option('--json', 'print one JSON object per sample');
  withAdmin(command).action(top);
  explain(command, {
    about: `Shows a full screen in a terminal, left with q; otherwise, or with --json, prints a line per sample. The first sample shows
figures since the start of the node, later ones those since the sample before. Latency is the time between a message and
its answer.`,
    exits: {
      0: 'stopped',
      69: 'the node cannot be reached',
      78: 'the configuration is not valid, or has no "admin" section',
    },
    examples: [
      'imxp top --config mesh.json',
      'imxp top --admin http://127.0.0.1:9913 --interval 5 | tee today.log',
      'imxp top --json --count 2 --interval 10 | tail -1 | jq .total.perSecond',
    ],
    see: ['imxp status', 'imxp relay'],
  });
}
