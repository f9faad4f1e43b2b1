/** `imxp access`: reads and changes who may do what to an endpoint. */
import type { Command } from 'commander';
import type { AccessRequest } from '../lib/endpoint/access.js';
import { entryFor, grants, keepingOwner, withSubaddresses } from '../lib/endpoint/access-list.js';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import type { AccessEntry } from '../lib/imxp/vocabulary/access.js';
import {
  checkKnown,
  entriesOf,
  FORCE,
  showEntries,
  warnOfPublishing,
  warnOfUnreachable,
} from './support/access-entries.js';
import {
  attachToAsk,
  type EndpointCommandOptions,
  endpointOptions,
  fromOption,
  withEndpoint,
} from './support/endpoint.js';
import { EXIT } from './support/exit.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { actorArgument, addressArgument } from './support/names.js';
import { note, print, printJson } from './support/output.js';

interface AccessOptions extends EndpointCommandOptions {
  readonly from: string;
  readonly owner?: string;
  readonly json?: boolean;
  readonly force?: boolean;
}

const PUBLISH = 'presence:publish';
const SUBSCRIBE = 'presence:subscribe';

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

async function get(options: AccessOptions): Promise<void> {
  await withAccess(options, async (endpoint, request) => showEntries(await endpoint.access.get(request), options));
}

/** Makes a change and shows the resulting list. */
async function changed(
  options: AccessOptions,
  change: (endpoint: Endpoint, request: AccessRequest) => Promise<unknown>,
  looked: (entries: readonly AccessEntry[]) => void = () => {},
) {
  await withAccess(options, async (endpoint, request) => {
    await change(endpoint, request);
    const info = await endpoint.access.get(request);
    showEntries(info, options);
    looked(info.entries);
  });
}

/** Like {@link changed} for one actor: APEX has no lists, so only the entry of the actor is shown. */
async function changedFor(
  actor: string,
  options: AccessOptions,
  change: (endpoint: Endpoint, request: AccessRequest) => Promise<unknown>,
  looked: (entries: readonly AccessEntry[]) => void = () => {},
): Promise<void> {
  if (options.dialect !== 'apex') return changed(options, change, looked);
  await withAccess(options, async (endpoint, request) => {
    await change(endpoint, request);
    const found = await Promise.all(withSubaddresses(actor).map((one) => endpoint.access.entry(one, request)));
    const entries = found.filter((entry) => entry !== undefined);
    const [first] = entries;
    if (first === undefined) return;
    showEntries({ owner: options.owner ?? options.from, lastUpdate: first.lastUpdate, entries }, options);
    looked(entries);
  });
}

async function allow(actor: string, actions: readonly string[], options: AccessOptions): Promise<void> {
  checkKnown(actions, options);
  await changedFor(
    actor,
    options,
    (endpoint, request) => endpoint.access.allow(actor, actions, request),
    (entries) => {
      const granted = entryFor(entries, actor)?.actions ?? [];
      if (grants(actions, PUBLISH) && !grants(granted, SUBSCRIBE)) warnOfPublishing(actor);
    },
  );
}

async function deny(actor: string, actions: readonly string[], options: AccessOptions): Promise<void> {
  checkKnown(actions, options);
  await changedFor(actor, options, (endpoint, request) => endpoint.access.deny(actor, actions, request));
}

async function query(actor: string, actions: readonly string[], options: AccessOptions): Promise<void> {
  checkKnown(actions, options);
  await withAccess(options, async (endpoint, request) => {
    const allowed = await endpoint.access.query(actor, actions, request);
    if (options.json === true) printJson({ owner: options.owner ?? options.from, actor, actions, allowed });
    else print(allowed ? 'allowed' : 'not allowed');
    if (!allowed) process.exitCode = EXIT.FAILED;
  });
}

async function set(file: string | undefined, options: AccessOptions): Promise<void> {
  const wanted = await entriesOf(file);
  checkKnown(
    wanted.flatMap(({ actions }) => actions),
    options,
  );
  const owner = options.owner ?? options.from;
  const entries = keepingOwner(wanted, owner);
  if (entries.length > wanted.length)
    note(`added an entry for ${owner} first; without it the owner might not be able to change the list`);
  warnOfUnreachable(entries, owner);
  await changed(options, (endpoint, request) => endpoint.access.set(entries, request));
}

const ABOUT = `An access list has entries: an ACTOR and the actions it may perform. The first entry that matches an actor
decides. An ACTOR is an address (fred@example.com, without its subaddresses), fred/*@example.com (its subaddresses),
*@example.com (everyone in a domain), *@*.example.com (everyone in its subdomains, too), *@* (everyone), or imxp=*@*
(services). An ACTION is core:data (send messages), presence:subscribe, presence:watch, presence:publish, access:get,
access:query or access:set, or has "all" as either half; presence:as-nobody blocks politely. Any other action needs --force. No entry takes access:get or access:set from you, or
anything from the services of your domain. With --dialect apex only the entry of the named actor is changed.`;
const EXITS = {
  0: 'done',
  1: 'refused by the service; for query: not allowed',
  64: 'invalid command line, actor or action',
  ...ENDPOINT_EXITS,
  [EXIT.REFUSED]: 'not authorized (537), or the relay refuses the login',
};

export function register(access: Command): void {
  explain(access, {
    about: ABOUT,
    exits: EXITS,
    examples: [
      'imxp access get --from fred@example.com',
      'imxp access allow barney@rubble.com presence:subscribe --from fred@example.com',
      'imxp access deny mrslate@slate.example --from fred@example.com  # everything',
      "imxp access deny '*@slate.example' core:data --from fred@example.com",
      'imxp access get --from fred@example.com > list',
      '$EDITOR list; imxp access set list --from fred@example.com',
    ],
    see: ['imxp presence', 'imxp send'],
  });
  const command = (name: string, description: string, ...examples: readonly string[]): Command => {
    const made = access
      .command(name)
      .description(description)
      .addOption(fromOption())
      .option('--owner <address>', 'owner of the list, if they permit it; default: you', addressArgument)
      .option('--json', 'print the list as JSON');
    return explain(withEndpoint(made), { about: ABOUT, exits: EXITS, examples, see: ['imxp access', 'imxp presence'] });
  };
  command('get', 'print the list', 'imxp access get --from fred@example.com --json').action(get);
  command('set', 'replace the list', 'imxp access set list --from fred@example.com')
    .argument('[file]', 'list as printed by "get", with or without --json; default or -: standard input')
    .option(...FORCE)
    .action(set);
  command(
    'allow',
    'grant an actor further actions',
    'imxp access allow barney@rubble.com presence:subscribe --from fred@example.com',
  )
    .argument('<actor>', 'the actor', actorArgument)
    .argument('<actions...>', 'actions to grant')
    .option(...FORCE)
    .action(allow);
  command(
    'deny',
    'take actions from an actor, or all',
    'imxp access deny mrslate@slate.example --from fred@example.com',
    "imxp access deny '*@slate.example' core:data --from fred@example.com",
  )
    .argument('<actor>', 'the actor', actorArgument)
    .argument('[actions...]', 'actions to take away; default: all')
    .option(...FORCE)
    .action(deny);
  command(
    'query',
    'check what an endpoint may do',
    'imxp access query barney@rubble.com core:data --from fred@example.com',
  )
    .argument('<address>', 'the endpoint', addressArgument)
    .argument('<actions...>', 'actions, all of which must be allowed')
    .option(...FORCE)
    .action(query);
}
