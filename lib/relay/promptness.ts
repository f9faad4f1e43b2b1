/**
 * Which recipients answer promptly, and which have been slow recently: the basis for the choice of lanes. Soft and
 * bounded; an unknown recipient does not count as prompt yet.
 */

/** How many addresses are remembered of each kind. One costs about 100 octets; the oldest is forgotten first. */
const REMEMBERED = 10_000;
/** How long an address is slow after it last was. */
const SLOW_MS = 60_000;

export class Promptness {
  readonly #prompt = new Set<string>();
  /** Until when an address is slow. */
  readonly #slow = new Map<string, number>();

  /** Whether a recipient has answered promptly since it last was slow. */
  isPrompt(recipient: string): boolean {
    return this.#prompt.has(recipient);
  }

  /** Whether a recipient, or the recipients of an account, were slow recently. */
  isSlow(address: string, now: number): boolean {
    if (this.#slow.size === 0) return false;
    const until = this.#slow.get(address);
    if (until === undefined) return false;
    if (until > now) return true;
    this.#slow.delete(address);
    return false;
  }

  answered(recipient: string): void {
    if (this.#prompt.has(recipient)) return;
    makeRoom(this.#prompt);
    this.#prompt.add(recipient);
  }

  /** A Data from an account to a recipient was not answered promptly. */
  late(recipient: string, account: string, now: number): void {
    this.#prompt.delete(recipient);
    this.#mark(recipient, now);
    this.#mark(account, now);
  }

  #mark(address: string, now: number): void {
    this.#slow.delete(address);
    makeRoom(this.#slow);
    this.#slow.set(address, now + SLOW_MS);
  }
}

function makeRoom(kept: { readonly size: number; keys(): Iterable<string>; delete(key: string): boolean }): void {
  if (kept.size < REMEMBERED) return;
  for (const oldest of kept.keys()) {
    kept.delete(oldest);
    return;
  }
}
