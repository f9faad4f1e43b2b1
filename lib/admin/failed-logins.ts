/** Failed logins by address, as the events tell them: for operators who look for guesses and for clients with old passwords. */
import { events } from '../ops/events.js';
import { BANNED } from '../transport/login-throttle.js';

/** Failures of one address since it was first seen. */
export interface FailedLogin {
  readonly remote: string;
  readonly failures: number;
  /** Of the last one, ISO 8601. */
  readonly last: string;
  readonly reason: string;
  /** Whether its sessions were refused since, because of too many failures. */
  readonly banned: boolean;
}

/** Addresses; the one heard of longest ago goes first. */
const MOST = 200;

export class FailedLogins {
  readonly #byRemote = new Map<string, FailedLogin>();
  readonly #ends: readonly (() => void)[];

  constructor() {
    this.#ends = [
      events.refused.subscribe(({ what, remote, reason }) => {
        if (what === 'authentication') this.#note(remote, reason, 1);
        else if (what === 'session' && reason.startsWith(BANNED)) this.#note(remote, reason, 0, true);
      }),
      events.closed.subscribe(({ remote, reason }) => {
        if (reason?.startsWith(BANNED) === true) this.#note(remote, reason, 0, true);
      }),
    ];
  }

  /** The newest first. */
  list(): readonly FailedLogin[] {
    return [...this.#byRemote.values()].reverse();
  }

  stop(): void {
    for (const end of this.#ends) end();
  }

  #note(remote: string, reason: string, more: number, banned = false): void {
    const known = this.#byRemote.get(remote);
    this.#byRemote.delete(remote);
    const failures = (known?.failures ?? 0) + more;
    this.#byRemote.set(remote, { remote, failures, last: new Date().toISOString(), reason, banned });
    if (this.#byRemote.size <= MOST) return;
    const [oldest] = this.#byRemote.keys();
    if (oldest !== undefined) this.#byRemote.delete(oldest);
  }
}
