/** `imxp access`: who may do what to an endpoint. */
import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';
import type { Command } from 'commander';
import { describeFileError } from '../lib/config/password-file.js';
import type { AccessInfo, AccessRequest } from '../lib/endpoint/access.js';
import { keepingOwner, withSubaddresses } from '../lib/endpoint/access-list.js';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import type { AccessEntry } from '../lib/imxp/vocabulary/access.js';
import { harmless } from '../lib/ops/terminal.js';
import {
  addressArgument,
  attachToAsk,
  type EndpointCommandOptions,
  endpointOptions,
  withEndpoint,
} from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { note, print, printJson, table } from './support/output.js';

interface AccessOptions extends EndpointCommandOptions {
  readonly from: string;
  readonly owner?: string;
  readonly json?: boolean;
}

const NOTHING = '(nothing)';

async function withAccess(
  options: AccessOptions,
  action: (endpoint: Endpoint, request: AccessRequest) => Promise<void>,
): Promise<void> {
  const { from, owner } = options;
  const fred = await attachToAsk(await endpointOptions(from, options));
  try {
    await action(fred, owner === undefined ? {} : { owner });
  } finally {
    await fred.close();
  }
}

function show({ owner, lastUpdate, entries }: AccessInfo, { json }: AccessOptions): void {
  if (json === true) {
    printJson({ owner, lastUpdate: lastUpdate.toISOString(), entries });
    return;
  }
  // As `imxp access set` reads it: one entry a line.
  print(table(entries.map(({ actor, actions }) => [harmless(actor), actions.map(harmless).join(' ') || NOTHING])));
}

async function get(options: AccessOptions): Promise<void> {
  await withAccess(options, async (endpoint, request) => show(await endpoint.access.get(request), options));
}

/** The list after a change, so that everybody sees what the change has made of it. */
async function changed(
  options: AccessOptions,
  change: (endpoint: Endpoint, request: AccessRequest) => Promise<unknown>,
) {
  await withAccess(options, async (endpoint, request) => {
    await change(endpoint, request);
    show(await endpoint.access.get(request), options);
  });
}

/** The same for one actor: APEX has no lists, so what has become of this one is shown. */
async function changedFor(
  actor: string,
  options: AccessOptions,
  change: (endpoint: Endpoint, request: AccessRequest) => Promise<unknown>,
): Promise<void> {
  if (options.dialect !== 'apex') return changed(options, change);
  await withAccess(options, async (endpoint, request) => {
    await change(endpoint, request);
    const found = await Promise.all(withSubaddresses(actor).map((one) => endpoint.access.entry(one, request)));
    const entries = found.filter((entry) => entry !== undefined);
    const [first] = entries;
    if (first === undefined) return;
    show({ owner: options.owner ?? options.from, lastUpdate: first.lastUpdate, entries }, options);
  });
}

async function allow(actor: string, actions: readonly string[], options: AccessOptions): Promise<void> {
  await changedFor(actor, options, (endpoint, request) => endpoint.access.allow(actor, actions, request));
}

async function deny(actor: string, actions: readonly string[], options: AccessOptions): Promise<void> {
  await changedFor(actor, options, (endpoint, request) => endpoint.access.deny(actor, actions, request));
}

async function query(actor: string, actions: readonly string[], options: AccessOptions): Promise<void> {
  await withAccess(options, async (endpoint, request) => {
    const allowed = await endpoint.access.query(actor, actions, request);
    if (options.json === true) printJson({ owner: options.owner ?? options.from, actor, actions, allowed });
    else print(allowed ? 'allowed' : 'not allowed');
    if (!allowed) process.exitCode = EXIT.FAILED;
  });
}

async function contentOf(file: string | undefined): Promise<string> {
  if (file === undefined || file === '-') {
    if (process.stdin.isTTY) note('Type entries, one a line: ACTOR ACTION ...; end with Ctrl-D:');
    return text(process.stdin);
  }
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw new CommandError(EXIT.USAGE, `${file}: ${describeFileError(error)}`);
  }
}

/** Entries as `get` prints them, with or without --json. */
function entriesIn(content: string): readonly AccessEntry[] {
  if (/^\s*[{[]/.test(content)) return entriesInJson(content);
  const lines = content.split('\n').map((line) => line.replace(/#.*/, '').trim());
  return lines
    .filter((line) => line !== '')
    .map((line) => {
      const [actor = '', ...actions] = line.split(/\s+/);
      return { actor, actions: actions.filter((action) => action !== NOTHING) };
    });
}

function entriesInJson(content: string): readonly AccessEntry[] {
  const wrong = (): CommandError =>
    new CommandError(
      EXIT.USAGE,
      'not what "imxp access get --json" prints: {"entries": [{"actor": …, "actions": […]}]}',
    );
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw wrong();
  }
  const entries: unknown = Array.isArray(parsed) ? parsed : (parsed as { entries?: unknown }).entries;
  if (!Array.isArray(entries) || !entries.every(isEntry)) throw wrong();
  return entries;
}

function isEntry(value: unknown): value is AccessEntry {
  if (typeof value !== 'object' || value === null) return false;
  const { actor, actions } = value as Partial<AccessEntry>;
  return typeof actor === 'string' && Array.isArray(actions) && actions.every((action) => typeof action === 'string');
}

async function set(file: string | undefined, options: AccessOptions): Promise<void> {
  const content = await contentOf(file);
  const wanted = entriesIn(content);
  const owner = options.owner ?? options.from;
  const entries = keepingOwner(wanted, owner);
  if (entries.length > wanted.length) note(`put ${owner} first, who could not change the list otherwise`);
  await changed(options, (endpoint, request) => endpoint.access.set(entries, request));
}

const ABOUT = `A list of entries: an ACTOR and what it may do; the first entry that fits an actor decides. An ACTOR is an address
(fred@example.com: allow and deny write fred/*@example.com, its subaddresses, besides; set writes what you say),
*@example.com for everybody there, *@*.example.com with all domains below, *@* for everybody, imxp=*@* for services. An ACTION is core:data (send messages), presence:subscribe,
presence:watch, presence:publish, access:get, access:query, access:set, or has "all" for its first or second half;
presence:as-nobody blocks politely. With --dialect apex the entry of an actor is changed by itself.`;
const EXITS = {
  0: 'done',
  1: 'refused by the service; with query: not allowed',
  64: 'wrong usage, or no such actor or action',
  ...ENDPOINT_EXITS,
  [EXIT.REFUSED]: 'not allowed (537), or the relay does not let us in',
};

export function register(program: Command): void {
  const access = program.command('access').description('say who may do what to your endpoint');
  explain(access, {
    about: ABOUT,
    exits: EXITS,
    examples: [
      'imxp access get --from fred@example.com',
      'imxp access allow barney@rubble.com presence:subscribe --from fred@example.com',
      'imxp access deny mrslate@slate.example --from fred@example.com          # nothing at all from now on',
      "imxp access deny '*@slate.example' core:data --from fred@example.com",
      'imxp access get --from fred@example.com > list; $EDITOR list; imxp access set list --from fred@example.com',
    ],
    see: ['imxp presence', 'imxp send'],
  });
  const command = (name: string, description: string, ...examples: readonly string[]): Command => {
    const made = access
      .command(name)
      .description(description)
      .requiredOption('--from <address>', 'who you are; its password is needed', addressArgument)
      .option('--owner <address>', 'whose list, if he permits it; default yours', addressArgument)
      .option('--json', 'print the list as JSON');
    return explain(withEndpoint(made), { about: ABOUT, exits: EXITS, examples, see: ['imxp access', 'imxp presence'] });
  };
  command('get', 'print the list', 'imxp access get --from fred@example.com --json').action(get);
  command('set', 'replace the list', 'imxp access set list --from fred@example.com')
    .argument('[file]', 'what "get" prints, with or without --json; - or nothing: standard input')
    .action(set);
  command(
    'allow',
    'let an actor do more; the others are left as they are',
    'imxp access allow barney@rubble.com presence:subscribe --from fred@example.com',
  )
    .argument('<actor>', 'whom')
    .argument('<actions...>', 'what')
    .action(allow);
  command(
    'deny',
    'take something from an actor, or everything',
    'imxp access deny mrslate@slate.example --from fred@example.com',
    "imxp access deny '*@slate.example' core:data --from fred@example.com",
  )
    .argument('<actor>', 'whom')
    .argument('[actions...]', 'what; without any, everything')
    .action(deny);
  command(
    'query',
    'whether an endpoint may do something; ends with 1 when it may not',
    'imxp access query barney@rubble.com core:data --from fred@example.com',
  )
    .argument('<address>', 'who')
    .argument('<actions...>', 'what; all of it')
    .action(query);
}
