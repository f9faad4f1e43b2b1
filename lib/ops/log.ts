/**
 * Log: subscribes to the events and writes them with pino, as one JSON object per line, or as lines for people on a
 * terminal. Events below the log level are not subscribed to, so that they cost nothing.
 */
import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import { type Event, events, type Fault, type LinkChanged, type Refused, type WebhookChanged } from './events.js';
import { type Later, LineBuffer } from './line-buffer.js';
import type { LogEntry } from './log-filter.js';
import { prettyLine } from './pretty.js';
import { Repeats } from './repeats.js';
import { visibleJson } from './terminal.js';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

type Level = Exclude<LogLevel, 'silent'>;

/**
 * Refusals of one kind to one address: the first few are logged, and the others of a minute are one line with their
 * number. A kind costs about 300 octets.
 */
const REFUSALS = { first: 10, intervalMs: 60_000, kinds: 10_000 };
/** The same for conditions that last until the operator acts. */
const ONCE = { first: 1, intervalMs: 60_000, kinds: 100 };

export interface LogOptions {
  readonly level: LogLevel;
  /** Destination of the lines; default: standard output. */
  readonly destination?: DestinationStream;
  /** Whether lines are for people; default: if standard output is a terminal and no destination is given. */
  readonly pretty?: boolean;
  /** Calls a function at an interval in milliseconds until the returned function is called. */
  readonly every?: (ms: number, run: () => void) => () => void;
  /** Lets the lines of a busy moment wait for one write; without it each is written at once. */
  readonly later?: Later;
  /** Whether lines for people have colours; default: unless NO_COLOR is set. */
  readonly color?: boolean;
  /** Whether a line is written; default: all are. */
  readonly admits?: (entry: LogEntry) => boolean;
}

/** Describes how one event becomes a line: its level, message and fields. */
interface Line {
  /** Name of the event without `imxp:`. */
  readonly kind: string;
  readonly level: Level;
  /** Peers may cause it as often as they like: only some of these are written. */
  readonly limited?: 'some' | 'once';
  subscribe(write: (message: string, fields: object) => void): () => void;
}

const kindOf = ({ name }: Event<object>): string => name.replace(/^imxp:/, '');

/** The lines of an event that only some of its messages become. */
function linesWhere<T extends object>(
  event: Event<T>,
  level: Level,
  words: string | ((it: T) => string),
  applies: (it: T) => boolean,
  fields: (it: T) => object = (it) => it,
): Line {
  const wordsOf = typeof words === 'string' ? () => words : words;
  return {
    kind: kindOf(event),
    level,
    subscribe: (write) => event.subscribe((it) => (applies(it) ? write(wordsOf(it), fields(it)) : undefined)),
  };
}

/** The same, written with their count if they repeat too often. */
function linesLimited<T extends object>(...rest: Parameters<typeof linesWhere<T>>): Line {
  return { ...linesWhere(...rest), limited: 'some' };
}

/** A line that is written once, and counted from then on. */
function linesOnce<T extends object>(...rest: Parameters<typeof linesWhere<T>>): Line {
  return { ...linesWhere(...rest), limited: 'once' };
}

/** The message, or a function that returns it; and the fields, if not all of the event. */
type LineWords<T> = [message: string | ((it: T) => string), fields?: (it: T) => object];

function line<T extends object>(
  event: Event<T>,
  level: Level,
  ...[message, fields = (it: T): object => it]: LineWords<T>
): Line {
  const words = typeof message === 'string' ? () => message : message;
  const subscribe: Line['subscribe'] = (write) => event.subscribe((it) => write(words(it), fields(it)));
  return { kind: kindOf(event), level, subscribe };
}

/** A line that is written with its count if it repeats too often. */
function lineLimited<T extends object>(event: Event<T>, level: Level, ...rest: LineWords<T>): Line {
  return { ...line(event, level, ...rest), limited: 'some' };
}

const described = ({ session, error }: Fault): object => ({ session, error: describe(error) });

function isStoreFault({ error }: Fault): boolean {
  return error instanceof Error && 'code' in error && error.code === 'STORE_FAILED';
}

const without = <T extends object>(it: T, key: keyof T): object => {
  const { [key]: _, ...rest } = it;
  return rest;
};

/** Whether an operator has to know of it; a link that a neighbour released in order is nothing special. */
function isFailure({ state, error }: LinkChanged): boolean {
  return state === 'failed' || state === 'bind refused' || (state === 'down' && error !== '');
}

/** Only events per message are `debug`: `info` must stay readable under load. */
const LINES: readonly Line[] = [
  line(events.opened, 'info', 'session opened'),
  line(events.closed, 'info', 'session closed'),
  linesWhere(events.tuned, 'info', 'session tuned: TLS', ({ legacy }) => !legacy),
  // An operator who enabled it should see how often it is needed, and by whom.
  linesWhere(events.tuned, 'warn', 'session tuned: legacy TLS, which is insecure', ({ legacy }) => legacy),
  line(events.authenticated, 'info', ({ side }) => (side === 'peer' ? 'peer authenticated' : 'authenticated to peer')),
  line(events.expelled, 'info', 'session ended by the operator'),
  line(events.forgotten, 'info', 'account forgotten'),
  linesWhere(events.api, 'info', 'api request', ({ token }) => token !== undefined),
  linesOnce(events.api, 'warn', 'api request refused: no valid token', ({ token }) => token === undefined),
  linesWhere(
    events.webhook,
    'info',
    ({ state }) => `webhook ${state}`,
    ({ reason }) => reason === undefined,
    (it) => without(it, 'state'),
  ),
  // Repeated with each message that its target does not take.
  linesLimited(
    events.webhook,
    'warn',
    ({ state }) => `webhook ${state}`,
    ({ reason }) => reason !== undefined,
    (it) => without(it, 'state'),
  ),
  lineLimited(
    events.refused,
    'warn',
    ({ what }) => `refused: ${what}`,
    (it) => without(it, 'what'),
  ),
  linesWhere(events.fault, 'error', 'fault', (it) => !isStoreFault(it), described),
  // On a full disk every write fails.
  linesOnce(events.fault, 'error', 'the store cannot be read or written', isStoreFault, described),
  line(events.attached, 'info', 'attached'),
  line(events.bound, 'info', 'bound'),
  line(events.terminated, 'info', 'terminated'),
  line(events.forwarded, 'debug', 'data forwarded'),
  lineLimited(events.dropped, 'warn', 'held message dropped'),
  line(events.lookup, 'debug', 'looked up'),
  linesWhere(events.certificate, 'warn', 'certificate expires soon', ({ days }) => days >= 0),
  linesWhere(events.certificate, 'error', 'certificate expired', ({ days }) => days < 0),
  linesWhere(
    events.renewal,
    'info',
    'certificate issued',
    ({ state }) => state === 'issued',
    (it) => without(it, 'state'),
  ),
  linesWhere(
    events.renewal,
    'warn',
    'certificate not issued',
    ({ state }) => state === 'failed',
    (it) => without(it, 'state'),
  ),
  linesWhere(
    events.link,
    'info',
    ({ state }) => `link ${state}`,
    (it) => !isFailure(it),
    (it) => without(it, 'state'),
  ),
  // Repeated for as long as it is dialled.
  linesLimited(
    events.link,
    'warn',
    ({ state }) => `link ${state}`,
    isFailure,
    (it) => without(it, 'state'),
  ),
  line(
    events.node,
    'info',
    ({ state }) => state,
    (it) => without(it, 'state'),
  ),
];

function describe(error: unknown): object {
  return error instanceof Error ? stdSerializers.err(error) : { message: String(error) };
}

interface Written {
  readonly level: Level;
  readonly message: string;
  readonly fields: object;
}

/** Returns what makes two lines the same: nothing that the peer can vary at will. */
function sameness({ message, fields }: Written): string {
  const { remote, code, link, target }: Partial<Refused & LinkChanged & WebhookChanged> = fields;
  return `${message} ${code} ${remote ?? link ?? target}`;
}

export interface Log {
  /** For lines without an event. */
  readonly logger: Logger;
  readonly level: LogLevel;
  /** Changes the log level. */
  setLevel(level: LogLevel): void;
  /** Unsubscribes from everything, and writes what waits. */
  stop(): void;
}

/** From this level of pino on, lines do not wait: the process may be about to end. */
const URGENT = pino.levels.values['warn'] ?? 40;
/** Has pino set `lastLevel` before it writes. */
const METADATA = Symbol.for('pino.metadata');

interface Destination extends DestinationStream {
  readonly [METADATA]: true;
  lastLevel: number;
  flush(): void;
}

/** Standard output, line by line for people, together where many lines come at once. */
function destinationOf({ destination, pretty, color, later }: LogOptions): Destination {
  const terminal = process.stdout.isTTY === true;
  const plain = destination ?? pino.destination({ fd: 1, sync: true });
  const buffer =
    destination === undefined && !terminal && later !== undefined ? new LineBuffer(plain, later) : undefined;
  const out = buffer ?? plain;
  const forPeople = pretty ?? (destination === undefined && terminal);
  const colored = color ?? (process.env['NO_COLOR'] ?? '') === '';
  return {
    [METADATA]: true,
    lastLevel: 0,
    write(text: string): void {
      out.write(forPeople ? prettyLine(text, colored) : visibleJson(text));
      if (this.lastLevel >= URGENT) buffer?.flush();
    },
    flush: () => buffer?.flush(),
  };
}

/** Starts logging the events of this process. */
export function startLog(options: LogOptions): Log {
  // No pid and host name: log collectors know them, and people need not read them in each line.
  const settings = { level: options.level, base: null, formatters: { level: (label: string) => ({ level: label }) } };
  const out = destinationOf(options);
  const logger = pino({ ...settings, timestamp: pino.stdTimeFunctions.isoTime }, out);
  const { admits } = options;
  let level = options.level;
  let subscriptions: (() => void)[] = [];
  const again = ({ level, message, fields }: Written, count: number): void =>
    logger[level]({ ...fields, count }, `${message}, again`);
  const repeats = { some: new Repeats<Written>(REFUSALS, again), once: new Repeats<Written>(ONCE, again) };
  const rest = options.every?.(REFUSALS.intervalMs, () => {
    for (const one of Object.values(repeats)) one.sweep();
  });
  const unsubscribe = (): void => {
    for (const one of subscriptions) one();
    subscriptions = [];
    for (const one of Object.values(repeats)) one.end();
  };
  const setLevel = (next: LogLevel): void => {
    unsubscribe();
    level = next;
    logger.level = next;
    subscriptions = LINES.filter((one) => logger.isLevelEnabled(one.level)).map((one) =>
      one.subscribe((message, fields) => {
        if (admits !== undefined && !admits({ kind: one.kind, message, fields })) return;
        const written = { level: one.level, message, fields };
        const { limited } = one;
        if (limited === undefined || repeats[limited].admit(sameness(written), written))
          logger[one.level](fields, message);
      }),
    );
  };
  setLevel(level);
  return {
    logger,
    get level() {
      return level;
    },
    setLevel,
    stop: () => {
      rest?.();
      unsubscribe();
      out.flush();
    },
  };
}
