/** `imxp status`: shows the state of a running node. */
import type { Command } from 'commander';
import type { NodeStatus } from '../lib/ops/status.js';
import { harmless, paint } from '../lib/ops/terminal.js';
import { type AdminCommandOptions, adminUrl, askStatus, withAdmin } from './support/admin.js';
import { askControl } from './support/control.js';
import { EXIT } from './support/exit.js';
import { figures } from './support/figures.js';
import { explain } from './support/manual.js';
import { shownName } from './support/names.js';
import { print, printJson, table } from './support/output.js';
import { SESSION_COLUMNS, sessionRows } from './support/sessions.js';
import { duration, milliseconds, octets, short } from './support/units.js';

interface StatusOptions extends AdminCommandOptions {
  readonly json?: boolean;
  readonly sessions?: boolean;
}

export function headline({ state, obstacle, domains, version, process, uptimeSeconds }: NodeStatus): string {
  const color = state === 'ready' && obstacle === undefined ? 'green' : 'yellow';
  const who = `imxp ${version}, process ${process.pid}`;
  const since = `${paint(color, state)} since ${duration(uptimeSeconds)} (${who})`;
  const but = obstacle === undefined ? '' : `\n${paint('red', `but ${harmless(obstacle)}`)}`;
  return `${paint('bold', domains.map(shownName).join(', '))}: ${since}${but}`;
}

export function linkRows({ links }: NodeStatus): string[][] {
  const proofs = { authority: 'proven by a CA', nothing: 'not proven by TLS' };
  return links.map(({ name, state, outstanding, waiting, proof }) => [
    `  ${name}`,
    paint(state === 'ready' ? 'green' : state === 'idle' ? 'blue' : 'red', state.padEnd(10)),
    `${outstanding} outstanding`,
    waiting > 0 ? `${waiting} waiting` : '',
    proof === undefined ? '' : proof.by === 'dane' ? `proven by ${proof.record}` : proofs[proof.by],
  ]);
}

/** Why links are not up, each with the suspected cause. */
function failureRows({ links }: NodeStatus): string[][] {
  return links.flatMap(({ name, failure }) => {
    if (failure === undefined) return [];
    const { at, error, reason, suspect } = failure;
    const said = [`  ${name}`, `failed at ${at}: ${reason}${error === '' ? '' : ` (${error})`}`];
    return suspect === undefined ? [said] : [said, ['', `suspected: ${suspect}`]];
  });
}

const WARNING_DAYS = 30;

function certificateRows({ certificates }: NodeStatus): string[][] {
  const holders = { own: 'own', authority: 'trusted CA', neighbour: 'neighbour' };
  return certificates.flatMap(({ holder, name, notAfter, days, failure, failures = 1 }) => {
    const color = days < 0 ? 'red' : days < WARNING_DAYS ? 'yellow' : 'green';
    const text = days < 0 ? 'expired' : `${days} days`;
    const row = [`  ${name}`, holders[holder], paint(color, text.padEnd(9)), `until ${notAfter.slice(0, 10)}`];
    return failure === undefined
      ? [row]
      : [row, ['', `not renewed${failures > 1 ? `, ${failures} times` : ''}: ${failure}`]];
  });
}

export function hopRows(status: NodeStatus, before?: NodeStatus, seconds = 1): string[][] {
  const { hops, total } = figures(status, before, seconds);
  return [...hops, total].map(({ name, perSecond, failedPerSecond, octetsPerSecond, p50, p99 }) => [
    `  ${name}`,
    `${short(perSecond)}/s`,
    `${short(failedPerSecond)}/s failed`,
    `${octets(octetsPerSecond)}/s`,
    `p50 ${milliseconds(p50)}`,
    `p99 ${milliseconds(p99)}`,
  ]);
}

function sessionText({ sessions }: NodeStatus): string {
  const { listener, initiator, unauthenticated, endpoints, relays, private: secure, blocked, shut } = sessions;
  const slow = blocked + shut > 0 ? `; ${blocked} blocked, ${shut} channels waiting for window` : '';
  const peers = `${endpoints} endpoints, ${relays} relays, ${unauthenticated} unauthenticated`;
  return `${listener + initiator}: ${peers}; ${initiator} opened by this node, ${secure} with TLS${slow}`;
}

function heldText({ held }: NodeStatus): string {
  if (held.data === 0) return 'nothing';
  const oldest = duration(held.oldestMs / 1000);
  return `${held.data} messages for ${held.endpoints} endpoints, ${octets(held.octets)}, the oldest for ${oldest}`;
}

function presenceText({ presence: { subscriptions, watches, counts } }: NodeStatus): string {
  const running = `${subscriptions} subscriptions, ${watches} watches`;
  return `${running}; ${counts.entries} entries published, ${counts.publish + counts.notify} notifications`;
}

function accountText({ accounts: { total, disabled } }: NodeStatus): string {
  return disabled === 0 ? `${total}` : `${total}, ${disabled} of them disabled`;
}

export function facts(status: NodeStatus): string[][] {
  const { attachments, bindings, outstanding, sessions, listening, process } = status;
  const { p99, max } = process.lagMs;
  return [
    ['listening', listening.join(', ')],
    ['sessions', sessionText(status)],
    ['attached', `${attachments} endpoints; ${bindings} domains bound by relays`],
    ['accounts', accountText(status)],
    ['outstanding', `${outstanding} operations, ${octets(sessions.unsentOctets)} queued for peers`],
    ['held', heldText(status)],
    ['presence', presenceText(status)],
    ['memory', `${octets(process.residentOctets)}, heap ${octets(process.heapOctets)}`],
    ['event loop', `delay ${milliseconds(p99)} (99th percentile), ${milliseconds(max)} (maximum)`],
  ];
}

function totals({ hops }: NodeStatus): string[][] {
  return hops.map((hop) => [
    `  ${hop.name}`,
    `${hop.delivered} delivered`,
    `${hop.transient} failed temporarily`,
    `${hop.permanent} refused`,
    octets(hop.octets),
  ]);
}

function workersHeadline({ workers = [], workersRestarted = 0 }: NodeStatus): string {
  return `workers: ${workers.length}, ${workersRestarted} replaced since the start`;
}

function workerRows({ workers = [] }: NodeStatus): string[][] {
  return workers.map(({ name, sessions, attachments, outstanding, forwarded, process }) => [
    `  ${name}`,
    `process ${process.pid}`,
    `${sessions} sessions`,
    `${attachments} attached`,
    `${outstanding} outstanding`,
    `${forwarded} forwarded`,
    octets(process.residentOctets),
    `delay ${milliseconds(process.lagMs.p99)}`,
  ]);
}

async function sessions({ config, json }: StatusOptions): Promise<void> {
  const found = await askControl(config, 'GET', '/sessions');
  if (json === true) printJson(found);
  else print(found.length === 0 ? 'no sessions' : table([SESSION_COLUMNS, ...sessionRows(found)]));
}

async function status(options: StatusOptions): Promise<void> {
  if (options.sessions === true) {
    await sessions(options);
    return;
  }
  const node = await askStatus(await adminUrl(options));
  if (node.state !== 'ready' || node.obstacle !== undefined) process.exitCode = EXIT.UNAVAILABLE;
  if (options.json === true) {
    printJson(node);
    return;
  }
  const text = [
    headline(node),
    table(facts(node).map(([key = '', value = '']) => [`  ${key}`, value])),
    'Messages since the start, by next hop',
    table(totals(node)),
    ...(node.workers === undefined ? [] : [workersHeadline(node), table(workerRows(node))]),
    ...(node.links.length > 0 ? ['Links', table(linkRows(node)), table(failureRows(node))] : []),
    ...(node.certificates.length > 0 ? ['Certificates', table(certificateRows(node))] : []),
  ];
  print(text.filter((part) => part !== '').join('\n'));
}

export function register(command: Command): void {
  command
    .option(
      '--sessions',
      'list the sessions instead: who is attached from where (for the user of the node, on its machine)',
    )
    .option('--json', 'print the complete status as JSON');
  withAdmin(command).action(status);
  explain(command, {
    about: 'The configuration of the node must have an "admin" section, except for --sessions.',
    exits: {
      0: 'the node is ready',
      69: 'the node is not ready (as on a full disk, or with an expired certificate), or does not answer',
      78: 'the configuration is not valid, or has no "admin" section',
    },
    examples: [
      'imxp status --config mesh.json',
      'imxp status --admin http://127.0.0.1:9913 --json | jq .attachments',
      'imxp status --sessions',
      'imxp status > /dev/null && echo ready',
    ],
    see: ['imxp top', 'imxp kick', 'imxp relay', 'docs/reference/metrics.md'],
  });
}
