/** Record of relays that failed recently, which are tried last. */

/** How long a failure counts. */
const FAILURE_MS = 60_000;
const REMEMBERED = 10_000;

export class RecentFailures {
  readonly #failedAt = new Map<string, number>();
  readonly #now: () => number;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  failed(url: string): void {
    this.#failedAt.delete(url);
    if (this.#failedAt.size >= REMEMBERED) {
      const [oldest] = this.#failedAt.keys();
      if (oldest !== undefined) this.#failedAt.delete(oldest);
    }
    this.#failedAt.set(url, this.#now());
  }

  worked(url: string): void {
    this.#failedAt.delete(url);
  }

  /** As given, but those that failed recently come last, the one whose failure is the longest ago first. */
  sort<Relay extends { readonly url: string }>(relays: readonly Relay[]): Relay[] {
    const since = this.#now() - FAILURE_MS;
    const failure = ({ url }: Relay): number => {
      const at = this.#failedAt.get(url);
      return at === undefined || at < since ? Number.NEGATIVE_INFINITY : at;
    };
    return [...relays].sort((a, b) => {
      const [one, other] = [failure(a), failure(b)];
      return one === other ? 0 : one - other;
    });
  }
}
