/** Options of `imxp send` that set conditions for the delivery (RFC 3342), and the relays' reports about it. */
import { setTimeout as delay } from 'node:timers/promises';
import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Conditions, TimingInit } from '../../lib/endpoint/conditions.js';
import type { RelayReport } from '../../lib/endpoint/report.js';
import { MILLISECONDS_MAX } from '../../lib/imxp/vocabulary/party.js';

export interface ConditionOptions {
  readonly hold?: boolean;
  readonly noLaterThan?: number;
  readonly reportAfter?: number;
  readonly returnTrip?: number;
}

/** What a relay reported about a recipient. */
export interface Told {
  readonly relay: string;
  readonly to: string;
  readonly code: number;
  readonly text: string;
  readonly ms: number;
}

function milliseconds(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= MILLISECONDS_MAX) return value;
  throw new InvalidArgumentError(`not a whole number of milliseconds from 1 to ${MILLISECONDS_MAX}.`);
}

export function withConditions(command: Command): Command {
  const limit = new Option('--no-later-than <ms>', 'deliver within this time or not at all').argParser(milliseconds);
  // The name begins with --no-, which commander would take for the negation of another option.
  limit.negate = false;
  return command
    .option('--hold', 'have the relay keep the message for a recipient who is not attached')
    .addOption(limit)
    .option('--report-after <ms>', 'report when the delivery takes longer than this', milliseconds)
    .option('--return-trip <ms>', 'wait this long for a confirmation of the delivery', milliseconds);
}

/** The conditions that the options set, and the reports about them. */
export class Tracking {
  readonly conditions: Conditions;
  readonly told: Told[] = [];
  readonly #waitMs: number;
  readonly #heard: (told: Told) => void;
  #look: (() => void) | undefined;

  /** @param heard called with each report as it arrives */
  constructor({ hold, noLaterThan, reportAfter, returnTrip }: ConditionOptions, heard: (told: Told) => void) {
    this.#heard = heard;
    this.#waitMs = returnTrip === undefined ? 0 : returnTrip + (noLaterThan ?? 0);
    const times = {
      ...(noLaterThan === undefined ? {} : { noLaterThanMs: noLaterThan }),
      ...(reportAfter === undefined ? {} : { reportAfterMs: reportAfter }),
      ...(returnTrip === undefined ? {} : { returnTripMs: returnTrip }),
    };
    const timing: TimingInit = { ...times, reportErrors: true, reported: (report) => this.#take(report) };
    this.conditions = {
      ...(hold === true ? { hold } : {}),
      ...(Object.keys(times).length === 0 ? {} : { timing }),
    };
  }

  /** Waits for the confirmations that were requested. @returns the recipients without one */
  async unconfirmed(recipients: readonly string[]): Promise<readonly string[]> {
    const missing = (): readonly string[] => recipients.filter((recipient) => !this.#final(recipient));
    if (this.#waitMs === 0) return [];
    const done = new AbortController();
    this.#look = () => {
      if (missing().length === 0) done.abort();
    };
    this.#look();
    await delay(this.#waitMs, undefined, { signal: done.signal }).catch(() => {});
    return missing();
  }

  #final(recipient: string): boolean {
    return this.told.some(({ to, code }) => to === recipient && (code < 300 || code >= 400));
  }

  #take({ relay, recipients, ms }: RelayReport): void {
    for (const { identity, code, text } of recipients) {
      const told = { relay, to: identity, code, text, ms: Math.round(ms * 1000) / 1000 };
      this.told.push(told);
      this.#heard(told);
    }
    this.#look?.();
  }
}
