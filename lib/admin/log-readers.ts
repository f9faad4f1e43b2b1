/** Readers of the live log of a node, through its control socket. */
import type { ServerResponse } from 'node:http';
import { events } from '../ops/events.js';
import { LOG_LEVELS, type LogLevel } from '../ops/log.js';
import { belongsTo, type LogChoice, LogFilter } from '../ops/log-filter.js';
import { LogTail } from '../ops/log-tail.js';
import type { SessionFacts } from '../ops/session-facts.js';
import { within } from '../transport/deadline.js';

/** Each costs up to 2 MiB, and processor time for each line. */
const MOST_READERS = 8;
const MOST_KINDS = 32;
/** Time for what waits for a reader when the node stops. */
const LAST_MS = 1000;

/** Kinds of event that lines are about. */
export const LOG_KINDS: readonly string[] = Object.values(events).map(({ name }) => name.replace(/^imxp:/, ''));

interface Reader {
  readonly level: LogLevel;
  readonly response: ServerResponse;
}

export class LogReaders {
  readonly #perData: (wanted: boolean) => void;
  readonly #readers = new Map<LogTail, Reader>();

  /**
   * @param perData told whether somebody reads lines about each Data operation, which other processes report only then
   */
  constructor(perData: (wanted: boolean) => void) {
    this.#perData = perData;
  }

  /**
   * Writes lines from now on, as JSON, until the reader has gone.
   *
   * @param query `level`, `kind` (may be repeated), `session`, `peer`
   * @returns why it cannot, with the status to answer
   */
  add(
    response: ServerResponse,
    query: URLSearchParams,
    sessions: readonly SessionFacts[],
  ): { readonly status: number; readonly error: string } | undefined {
    const level = LOG_LEVELS.find((one) => one === (query.get('level') ?? 'info'));
    if (level === undefined) return { status: 400, error: `level: one of ${LOG_LEVELS.join(', ')}` };
    const kinds = query.getAll('kind');
    const unknown = kinds.find((kind) => !isKind(kind));
    if (unknown !== undefined || kinds.length > MOST_KINDS) {
      return { status: 400, error: `kind: one of ${LOG_KINDS.join(', ')}, or the beginning of some` };
    }
    if (this.#readers.size >= MOST_READERS)
      return { status: 503, error: `${MOST_READERS} programs read the log already` };
    const peer = query.get('peer')?.toLowerCase();
    const choice: LogChoice = { kinds, session: query.get('session') ?? undefined, peer };
    const filter = new LogFilter(choice, peer === undefined ? [] : sessionsOf(sessions, peer));
    response.writeHead(200, { 'Content-Type': 'application/x-ndjson', Connection: 'close' });
    response.flushHeaders();
    const tail = new LogTail(response, { level, filter, every });
    this.#readers.set(tail, { level, response });
    response.once('close', () => {
      tail.stop();
      this.#readers.delete(tail);
      this.#announce();
    });
    this.#announce();
    return undefined;
  }

  /** Ends what they read, with the lines that wait for them. */
  async close(): Promise<void> {
    const ended = [...this.#readers].map(async ([tail, { response }]) => {
      const finished = new Promise<void>((resolve) => response.once('close', resolve));
      tail.stop();
      response.end();
      await within(LAST_MS, finished);
    });
    await Promise.all(ended);
  }

  #announce(): void {
    this.#perData([...this.#readers.values()].some(({ level }) => level === 'debug' || level === 'trace'));
  }
}

function every(ms: number, run: () => void): () => void {
  const timer = setInterval(run, ms);
  timer.unref();
  return () => clearInterval(timer);
}

/** Whether there is such a kind, or one below it. */
export function isKind(text: string): boolean {
  const kind = text.toLowerCase();
  return LOG_KINDS.some((one) => one === kind || one.startsWith(`${kind}:`));
}

/** Ids of the sessions that a peer has now. */
function sessionsOf(sessions: readonly SessionFacts[], peer: string): string[] {
  return sessions.flatMap(({ session, identity, attached, remote }) => {
    const names = [
      ...attached,
      ...(identity === undefined ? [] : [identity]),
      remote.replace(/^\[?(.*?)\]?:\d+$/, '$1'),
    ];
    return names.some((name) => belongsTo(name, peer)) ? [session] : [];
  });
}
