/** Chooses lines of the log for a reader: by kind of event, by session, and by whom they concern. */

/** One line before it is written. */
export interface LogEntry {
  /** Name of the event without `imxp:`, such as `session:open`. */
  readonly kind: string;
  readonly message: string;
  readonly fields: object;
}

export interface LogChoice {
  /** Kinds of event, each with all below it: `session` includes `session:open`. Empty: all. */
  readonly kinds: readonly string[];
  /** Id of a session, without or with its worker: `s12`, `w2/s12`. */
  readonly session?: string | undefined;
  /** An IP address, an address with or without its subaddresses, or a domain. */
  readonly peer?: string | undefined;
}

/** Fields that say whom a line concerns. */
const PARTIES = ['remote', 'identity', 'account', 'subject', 'link', 'originator', 'recipients', 'endpoint', 'name'];
/** Sessions that are remembered as those of the peer; the oldest are forgotten first. */
const MOST_SESSIONS = 10_000;

export class LogFilter {
  readonly #kinds: readonly string[];
  readonly #session: string | undefined;
  readonly #peer: string | undefined;
  /** Sessions of the peer: lines that name only the session concern the peer, too. */
  readonly #sessions = new Set<string>();

  /** @param sessions ids of those that the peer has already */
  constructor({ kinds, session, peer }: LogChoice, sessions: Iterable<string> = []) {
    this.#kinds = kinds.map((kind) => kind.toLowerCase());
    this.#session = session;
    this.#peer = peer?.toLowerCase();
    for (const one of sessions) this.#sessions.add(one);
  }

  admits({ kind, fields }: LogEntry): boolean {
    // The sessions of the peer are learnt from lines of every kind.
    const concerned = this.#peer === undefined || this.#concerns(this.#peer, fields);
    if (!concerned) return false;
    if (this.#kinds.length > 0 && !this.#kinds.some((one) => kind === one || kind.startsWith(`${one}:`))) return false;
    if (this.#session === undefined) return true;
    const { session, worker } = sessionOf(fields);
    return session !== undefined && [session, `${worker}/${session}`].includes(this.#session);
  }

  #concerns(peer: string, fields: object): boolean {
    const { session, worker } = sessionOf(fields);
    const key = worker === undefined ? session : `${worker}/${session}`;
    if (isAbout(fields, peer)) {
      if (session !== undefined && key !== undefined) this.#remember(key);
      return true;
    }
    return session !== undefined && key !== undefined && this.#sessions.has(key);
  }

  #remember(session: string): void {
    this.#sessions.delete(session);
    this.#sessions.add(session);
    const [oldest] = this.#sessions;
    if (this.#sessions.size > MOST_SESSIONS && oldest !== undefined) this.#sessions.delete(oldest);
  }
}

/** Whether something is, or belongs to, an IP address, an address or a domain. */
export function belongsTo(text: string, peer: string): boolean {
  const name = text.toLowerCase();
  const account = name.replace(/\/[^@]*@/, '@');
  return name === peer || account === peer || name.endsWith(`@${peer}`);
}

function isAbout(fields: object, peer: string): boolean {
  return Object.entries(fields).some(([name, value]) => {
    if (!PARTIES.includes(name)) return false;
    const parties: unknown[] = Array.isArray(value) ? value : [value];
    return parties.some((party) => typeof party === 'string' && belongsTo(party, peer));
  });
}

/** The session that a line names, by itself or with a channel of it. */
function sessionOf(fields: object): { readonly session?: string; readonly worker?: string } {
  const { session, channel, worker }: { session?: unknown; channel?: unknown; worker?: unknown } = fields;
  const id = typeof session === 'string' ? session : typeof channel === 'string' ? channel : undefined;
  if (id === undefined) return {};
  return { session: id.replace(/\/.*$/, ''), ...(typeof worker === 'string' ? { worker } : {}) };
}
