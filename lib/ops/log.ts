/**
 * The log: subscribes to the events and writes them with pino, one JSON object a line, or lines for people on a terminal.
 * Events of a level that is not logged are not subscribed to, so that they cost nothing.
 */
import { type DestinationStream, type Logger, pino, stdSerializers } from 'pino';
import { type Event, events } from './events.js';
import { prettyLine } from './pretty.js';

export const LOG_LEVELS = ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

type Level = Exclude<LogLevel, 'silent'>;

export interface LogOptions {
  readonly level: LogLevel;
  /** Where lines go; standard output by default. */
  readonly destination?: DestinationStream;
  /** Lines for people; by default when standard output is a terminal and no destination is given. */
  readonly pretty?: boolean;
  /** Colours in lines for people; by default unless NO_COLOR is set. */
  readonly color?: boolean;
}

/** How one event becomes a line: at which level, with which words and fields. */
interface Line {
  readonly level: Level;
  subscribe(write: (message: string, fields: object) => void): () => void;
}

/** The lines of an event that only some of its messages become. */
function linesWhere<T extends object>(event: Event<T>, level: Level, words: string, applies: (it: T) => boolean): Line {
  return { level, subscribe: (write) => event.subscribe((it) => (applies(it) ? write(words, it) : undefined)) };
}

function line<T extends object>(
  event: Event<T>,
  level: Line['level'],
  message: string | ((it: T) => string),
  fields: (it: T) => object = (it) => it,
): Line {
  const words = typeof message === 'string' ? () => message : message;
  return { level, subscribe: (write) => event.subscribe((it) => write(words(it), fields(it))) };
}

const without = <T extends object>(it: T, key: keyof T): object => {
  const { [key]: _, ...rest } = it;
  return rest;
};

/** Only what happens per message is `debug`: `info` must stay readable under load. */
const LINES: readonly Line[] = [
  line(events.opened, 'info', 'session opened'),
  line(events.closed, 'info', 'session closed'),
  linesWhere(events.tuned, 'info', 'session tuned: TLS', ({ legacy }) => !legacy),
  // Whoever switched it on shall see how often it is needed, and by whom.
  linesWhere(events.tuned, 'warn', 'session tuned: legacy TLS, which is not safe', ({ legacy }) => legacy),
  line(events.authenticated, 'info', ({ side }) => (side === 'peer' ? 'peer authenticated' : 'authenticated to peer')),
  line(events.expelled, 'info', 'session ended: account disabled or removed'),
  line(events.forgotten, 'info', 'account forgotten'),
  line(
    events.refused,
    'warn',
    ({ what }) => `refused: ${what}`,
    (it) => without(it, 'what'),
  ),
  line(events.fault, 'error', 'fault', ({ session, error }) => ({ session, error: describe(error) })),
  line(events.attached, 'info', 'attached'),
  line(events.bound, 'info', 'bound'),
  line(events.terminated, 'info', 'terminated'),
  line(events.forwarded, 'debug', 'data forwarded'),
  line(events.lookup, 'debug', 'looked up'),
  line(
    events.link,
    'info',
    ({ state }) => `link ${state}`,
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

export interface Log {
  /** For lines that no event stands for. */
  readonly logger: Logger;
  readonly level: LogLevel;
  /** Changes what is logged from now on. */
  setLevel(level: LogLevel): void;
  /** Unsubscribes from everything. */
  stop(): void;
}

function destinationOf({ destination, pretty, color }: LogOptions): DestinationStream {
  const out = destination ?? pino.destination({ fd: 1, sync: true });
  const forPeople = pretty ?? (destination === undefined && process.stdout.isTTY === true);
  if (!forPeople) return out;
  const colored = color ?? (process.env['NO_COLOR'] ?? '') === '';
  return { write: (text: string) => void out.write(prettyLine(text, colored)) };
}

/** Starts logging the events of this process. */
export function startLog(options: LogOptions): Log {
  // No pid and host name: whoever collects logs knows them, and people need not read them in each line.
  const settings = { level: options.level, base: null, formatters: { level: (label: string) => ({ level: label }) } };
  const logger = pino({ ...settings, timestamp: pino.stdTimeFunctions.isoTime }, destinationOf(options));
  let level = options.level;
  let subscriptions: (() => void)[] = [];
  const stop = (): void => {
    for (const unsubscribe of subscriptions) unsubscribe();
    subscriptions = [];
  };
  const setLevel = (next: LogLevel): void => {
    stop();
    level = next;
    logger.level = next;
    subscriptions = LINES.filter((one) => logger.isLevelEnabled(one.level)).map((one) =>
      one.subscribe((message, fields) => logger[one.level](fields, message)),
    );
  };
  setLevel(level);
  return {
    logger,
    get level() {
      return level;
    },
    setLevel,
    stop,
  };
}
