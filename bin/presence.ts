/** `imxp presence`: publishes presence, polls and follows that of others, and lists subscribers. */
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Endpoint } from '../lib/endpoint/endpoint.js';
import type { EndpointOptions } from '../lib/endpoint/options.js';
import type { SubscriptionNotice } from '../lib/endpoint/presence.js';
import type { Feed } from '../lib/endpoint/presence-feed.js';
import type { PresenceInfo, PresenceTupleInit, PresenceUpdate } from '../lib/endpoint/presence-info.js';
import { RefusedError } from '../lib/errors.js';
import { parseTimestamp } from '../lib/imxp/vocabulary/timestamp.js';
import { uriOfAddress } from '../lib/message/uri.js';
import { harmless, paint } from '../lib/ops/terminal.js';
import {
  attachBeside,
  attachToAsk,
  countArgument,
  type EndpointCommandOptions,
  endpointOptions,
  fromOption,
  partyOptions,
  withAnonymous,
  withEndpoint,
} from './support/endpoint.js';
import { CommandError, EXIT } from './support/exit.js';
import { ENDPOINT_EXITS, explain } from './support/manual.js';
import { addressArgument, shownName, uriArgument } from './support/names.js';
import { note, print, printJson } from './support/output.js';

interface PresenceOptions extends EndpointCommandOptions {
  readonly from: string;
  readonly json?: boolean;
}

/** Options of commands that need no account. */
interface SeeOptions extends EndpointCommandOptions {
  readonly from?: string;
  readonly json?: boolean;
}

interface PublishOptions extends PresenceOptions {
  readonly publisher?: string;
  readonly closed?: boolean;
  readonly until?: Date;
  readonly destination?: string;
  readonly info?: string;
}

interface Following {
  readonly duration?: number;
  readonly count?: number;
}

interface FollowOptions extends PresenceOptions, Following {}

/** Availability without an end; some readers cannot parse years of five digits. */
const ALWAYS = new Date('9999-12-31T23:59:59Z');

/** Parses a time: `18:00` today or tomorrow, `90m` from now, or a timestamp. */
function untilArgument(text: string): Date {
  const span = /^(\d+)([smhd])$/.exec(text);
  const now = Date.now();
  if (span !== null) {
    const seconds = { s: 1, m: 60, h: 3600, d: 86_400 }[span[2] ?? 's'] ?? 1;
    return new Date(now + Number(span[1]) * seconds * 1000);
  }
  const clock = /^(\d{1,2}):(\d{2})$/.exec(text);
  if (clock !== null && Number(clock[1]) < 24 && Number(clock[2]) < 60) {
    const date = new Date(now);
    date.setHours(Number(clock[1]), Number(clock[2]), 0, 0);
    if (date.getTime() <= now) date.setDate(date.getDate() + 1);
    return date;
  }
  const ms = parseTimestamp(text);
  if (ms !== undefined) return new Date(ms);
  throw new InvalidArgumentError('not a time such as 18:00, 90m, 8h or 2030-01-31T18:00:00+01:00.');
}

/** Attaches, performs an action, and detaches in any case. */
async function withPresence(
  options: PresenceOptions,
  action: (endpoint: Endpoint) => Promise<void>,
  reconnect = false,
): Promise<void> {
  const settings = await endpointOptions(options.from, options);
  await performed(await attachToAsk({ ...settings, secure: {} }, { reconnect }), action, reconnect);
}

/**
 * Like {@link withPresence} for what others permit: their entries name the address, which covers no subaddress, so it is used
 * where no other program is attached as it.
 */
async function withSettings(
  settings: EndpointOptions,
  action: (endpoint: Endpoint) => Promise<void>,
  reconnect: boolean,
): Promise<void> {
  const endpoint = await attachBeside(settings, 'presence', { reconnect });
  // Messages are refused, so that their senders know that nobody reads them here.
  endpoint.receive(
    (delivery) =>
      void delivery.refuse({ code: 450, text: 'the program attached here reads only presence; try again later' }),
  );
  await performed(endpoint, action, reconnect);
}

async function performed(
  endpoint: Endpoint,
  action: (endpoint: Endpoint) => Promise<void>,
  reconnect: boolean,
): Promise<void> {
  if (reconnect) {
    endpoint.on('disconnect', (error) => note(`connection lost: ${harmless(error.message)}; reconnecting`));
    endpoint.on('connect', () => note('reconnected'));
  }
  try {
    await action(endpoint);
  } finally {
    await endpoint.close();
  }
}

async function publish(options: PublishOptions): Promise<void> {
  const { from, publisher = from, closed = false, info } = options;
  const destination = options.destination ?? uriOfAddress('im', publisher);
  const availableUntil = closed ? new Date() : (options.until ?? ALWAYS);
  await withPresence(options, async (endpoint) => {
    // Other destinations of the publisher are kept.
    const change = (present: PresenceInfo): PresenceUpdate => {
      const others = present.tuples.filter((tuple) => tuple.destination !== destination);
      const own = present.tuples.find((tuple) => tuple.destination === destination);
      const tuple: PresenceTupleInit = { ...own, destination, availableUntil };
      return { tuples: [tuple, ...others], info: info ?? present.info, extension: present.extension };
    };
    await endpoint.presence.publish(change, { publisher });
    if (options.json === true) printJson({ published: true, publisher, destination, until: availableUntil, closed });
    else if (process.stdout.isTTY) print(`${shownName(publisher)} is ${closed ? 'closed' : 'open'} at ${destination}`);
  });
}

async function poll(publisher: string, options: SeeOptions): Promise<void> {
  const settings = await partyOptions(options.from, publisher, options);
  const show = async (endpoint: Endpoint): Promise<void> => {
    const info = await endpoint.presence.poll(publisher);
    if (options.json === true) printJson(info);
    else print(described(info));
  };
  await withSettings(settings, show, false);
}

async function subscribe(publisher: string, options: SeeOptions & Following): Promise<void> {
  const show = (info: PresenceInfo): void => (options.json === true ? printJson(info) : print(described(info)));
  await withSettings(
    await partyOptions(options.from, publisher, options),
    async (endpoint) => follow(await endpoint.presence.subscribe(publisher, lasting(options)), options, show),
    true,
  );
}

async function watch(publisher: string | undefined, options: FollowOptions): Promise<void> {
  // Only APEX reports how long a subscription is to last and that it has ended.
  const apex = options.dialect === 'apex';
  const show = ({ subscriber, action, duration }: SubscriptionNotice): void => {
    const more = apex ? { action, duration } : {};
    if (options.json === true) printJson({ subscriber, ...more, time: new Date() });
    else print(`${shownName(subscriber)}${action === 'terminate' ? ' (ended)' : ''}`);
  };
  const whose = publisher ?? options.from;
  await withPresence(
    options,
    async (endpoint) => follow(await endpoint.presence.subscriptions(whose, lasting(options)), options, show),
    true,
  );
}

async function who(publisher: string | undefined, options: PresenceOptions): Promise<void> {
  await withPresence(options, async (endpoint) => {
    const subscribers = await endpoint.presence.who(publisher ?? options.from);
    if (options.json === true) printJson({ publisher: publisher ?? options.from, subscribers });
    else for (const subscriber of subscribers) print(shownName(subscriber));
  });
}

/** Without a duration it continues until it is stopped. */
function lasting({ duration }: Following): { duration?: number; renew: boolean } {
  return duration === undefined ? { renew: true } : { duration, renew: false };
}

async function follow<Item>(feed: Feed<Item>, { count }: Following, show: (item: Item) => void): Promise<void> {
  const leave = (): void => void feed.end();
  process.once('SIGINT', leave);
  process.once('SIGTERM', leave);
  let shown = 0;
  try {
    for await (const item of feed) {
      show(item);
      shown += 1;
      if (shown === count) break;
    }
  } catch (error) {
    if (error instanceof RefusedError) throw new CommandError(EXIT.REFUSED, harmless(error.message), { cause: error });
    throw error;
  } finally {
    process.off('SIGINT', leave);
    process.off('SIGTERM', leave);
  }
}

/** Formats presence: the publisher, then one line for each destination. */
function described({ publisher, lastUpdate, info, open, tuples }: PresenceInfo): string {
  const state = open ? paint('green', 'open') : paint('red', 'closed');
  const since = lastUpdate.toISOString().replace('.000Z', 'Z');
  const lines = [`${paint('bold', shownName(publisher))}  ${state}  ${paint('dim', `as of ${since}`)}`];
  if (info !== '') lines.push(`  ${harmless(info)}`);
  for (const tuple of tuples) {
    const until = tuple.availableUntil.getUTCFullYear() >= 9999 ? '' : ` until ${when(tuple.availableUntil)}`;
    const status = tuple.open ? `open${until}` : `closed since ${when(tuple.availableUntil)}`;
    const about = tuple.info === '' ? '' : `  ${harmless(tuple.info)}`;
    const can = tuple.capabilities.map(({ baseline, text }) => `\n    ${harmless(`${baseline}: ${text.trim()}`)}`);
    lines.push(`  ${shownName(tuple.destination)}  ${status}${about}${can.join('')}`);
  }
  return lines.join('\n');
}

function when(date: Date): string {
  return date.toISOString().replace('.000Z', 'Z');
}

const ABOUT = `The relay of the publisher's domain keeps presence, whether or not the publisher is attached. The publisher decides who
may see it, with imxp access; by default no one may.`;
const EXITS = {
  0: 'done',
  1: 'refused by the service (550 unknown, 553 not of that domain)',
  ...ENDPOINT_EXITS,
  [EXIT.REFUSED]: 'not authorized (537), or the relay refuses the login',
};
/** By command. */
const EXAMPLES: Readonly<Record<string, readonly string[]>> = {
  publish: [
    'imxp presence publish --from fred@example.com --until 18:00',
    'imxp presence publish --from fred@example.com --closed',
  ],
  poll: [
    'imxp presence poll fred@example.com --from barney@rubble.com',
    'imxp presence poll fred@example.com --anonymous',
  ],
  subscribe: ['imxp presence subscribe fred@example.com --from barney@rubble.com'],
  watch: ['imxp presence watch --from fred@example.com    # prints new subscribers'],
  who: ['imxp presence who --from fred@example.com      # present subscribers'],
};

export function register(presence: Command): void {
  const see = ['imxp access', 'imxp chat'];
  explain(presence, { about: ABOUT, exits: EXITS, examples: Object.values(EXAMPLES).flat(), see });
  const command = (name: string, description: string, anonymous = false): Command => {
    const plain = presence.command(name).description(description);
    const party = anonymous ? withAnonymous(plain) : plain.addOption(fromOption());
    const made = party.option('--json', 'print JSON, one object per line');
    const examples = EXAMPLES[name] ?? [];
    return explain(withEndpoint(made), { about: ABOUT, exits: EXITS, examples, see: ['imxp presence', ...see] });
  };
  command('publish', 'publish whether you can be reached')
    .option('--publisher <address>', 'whose presence it is, if they permit it; default: you', addressArgument)
    .addOption(
      new Option('--until <time>', 'open until this time: 18:00, 90m, 8h, 2d, or a date and time').argParser(
        untilArgument,
      ),
    )
    .addOption(new Option('--closed', 'closed from now on').conflicts('until'))
    .option('--destination <uri>', 'where you can be reached; default: im: and the address', uriArgument)
    .option('--info <uri>', 'URI with information about you')
    .action(publish);
  command('poll', "show somebody's presence once", true)
    .argument('<address>', 'the publisher', addressArgument)
    .action(poll);
  const following = (made: Command): Command =>
    made
      .option('--duration <seconds>', 'end after this many seconds; default: when it is stopped', countArgument)
      .option('--count <n>', 'stop after this many notifications', countArgument);
  following(command('subscribe', "print somebody's presence, now and whenever it changes", true))
    .argument('<address>', 'the publisher', addressArgument)
    .action(subscribe);
  following(command('watch', "print present and new subscribers to somebody's presence"))
    .argument('[address]', 'the publisher; default: you', addressArgument)
    .action(watch);
  command('who', "list the subscribers to somebody's presence")
    .argument('[address]', 'the publisher; default: you', addressArgument)
    .action(who);
}
