/**
 * Account of honest messages: what each was answered with and how often it was delivered, and which of that must not be.
 * `ok` means delivered once, 450 not delivered, 451 unknown (docs/internals/delivery.md); no message stays without answer.
 */

export type Kind = 'live' | 'held';

interface Entry {
  readonly kind: Kind;
  readonly sentAt: number;
  /** 'ok', a reply code, or the code of an error without one. */
  answer: string | undefined;
  answeredMs: number;
  deliveries: number;
}

export interface Tally {
  readonly sent: number;
  readonly answers: ReadonlyMap<string, number>;
  readonly delivered: number;
  readonly deliveredTwice: number;
  /** Of answers, milliseconds. */
  readonly p50: number;
  readonly p99: number;
  readonly slowest: number;
}

export class Ledger {
  readonly #entries = new Map<string, Entry>();
  readonly #strange: string[] = [];
  #next = 0;

  /** A message about to be sent. @returns its text, which nothing else has */
  enter(kind: Kind): string {
    const id = `torture-${kind}-${this.#next}`;
    this.#next += 1;
    this.#entries.set(id, { kind, sentAt: performance.now(), answer: undefined, answeredMs: 0, deliveries: 0 });
    return id;
  }

  answered(id: string, answer: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) return;
    if (entry.answer !== undefined) this.#strange.push(`${id} was answered twice: ${entry.answer} and ${answer}`);
    entry.answer = answer;
    entry.answeredMs = performance.now() - entry.sentAt;
  }

  delivered(id: string): void {
    const entry = this.#entries.get(id);
    if (entry === undefined) this.#strange.push(`${JSON.stringify(id.slice(0, 60))} was delivered and never sent`);
    else entry.deliveries += 1;
  }

  get unanswered(): number {
    return [...this.#entries.values()].filter(({ answer }) => answer === undefined).length;
  }

  tally(kind: Kind): Tally {
    const own = [...this.#entries.values()].filter((entry) => entry.kind === kind);
    const answers = new Map<string, number>();
    for (const { answer = 'none' } of own) answers.set(answer, (answers.get(answer) ?? 0) + 1);
    const times = own.map(({ answeredMs }) => answeredMs).sort((a, b) => a - b);
    const at = (share: number): number => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0;
    return {
      sent: own.length,
      answers,
      delivered: own.filter(({ deliveries }) => deliveries > 0).length,
      deliveredTwice: own.filter(({ deliveries }) => deliveries > 1).length,
      p50: at(0.5),
      p99: at(0.99),
      slowest: times.at(-1) ?? 0,
    };
  }

  /**
   * What must not be.
   *
   * @param answerWithinMs how long an answer may take, all limits on the way together
   */
  violations(answerWithinMs: number): string[] {
    const found = [...this.#strange];
    for (const [id, { kind, answer, answeredMs, deliveries }] of this.#entries) {
      if (answer === undefined) found.push(`${id} has no answer`);
      else if (answeredMs > answerWithinMs) found.push(`${id} was answered after ${Math.round(answeredMs)} ms`);
      if (answer === 'ok' && deliveries === 0) found.push(`${id} was answered ok and not delivered`);
      // A relay that is killed between an application's ok and the removal of a held message delivers it again.
      if (answer === 'ok' && deliveries > 1 && kind === 'live') found.push(`${id} was delivered ${deliveries} times`);
      if (answer === '450' && deliveries > 0) found.push(`${id} was answered 450 and delivered`);
    }
    return found;
  }
}
