/** The last minutes of a node, as series for plots: a sample for each look at `/status`. */
import { figures } from '../../bin/support/figures.js';
import type { NodeStatus } from '../../lib/ops/status.js';

/** Looks that are kept: ten minutes. */
const KEPT = 300;

interface Sample {
  /** Seconds since 1970. */
  readonly at: number;
  readonly perSecond: ReadonlyMap<string, number>;
  readonly p99: ReadonlyMap<string, number | undefined>;
}

/** Times, and for each neighbour a value at each time; null where there is none. */
export interface Series {
  readonly names: readonly string[];
  readonly data: readonly (readonly (number | null)[])[];
}

export class Samples {
  readonly #kept: Sample[] = [];
  #before: { readonly status: NodeStatus; readonly at: number } | undefined;

  add(status: NodeStatus, at: number): void {
    const before = this.#before;
    this.#before = { status, at };
    if (before === undefined) return;
    const { hops } = figures(status, before.status, at - before.at);
    this.#kept.push({
      at,
      perSecond: new Map(hops.map(({ name, perSecond }) => [name, perSecond])),
      p99: new Map(hops.map(({ name, p99 }) => [name, p99])),
    });
    if (this.#kept.length > KEPT) this.#kept.shift();
  }

  series(what: 'perSecond' | 'p99'): Series {
    const names = [...new Set(this.#kept.flatMap((sample) => [...sample[what].keys()]))].sort();
    const values = names.map((name) => this.#kept.map((sample) => sample[what].get(name) ?? null));
    return { names, data: [this.#kept.map(({ at }) => at), ...values] };
  }
}
