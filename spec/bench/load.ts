/** Load on something that carries requests, with a bounded number outstanding; counts, times and failures. */
import { seconds } from './measure.js';

/** Sends one request and calls back with its outcome. */
export type Submit = (done: (failure: string | undefined) => void) => void;

export interface Load {
  readonly count: number;
  readonly perSecond: number;
  readonly elapsed: number;
}

/** Keeps `outstanding` requests under way until `count` are answered. @throws Error when any fails */
export async function saturate(submit: Submit, count: number, outstanding: number): Promise<Load> {
  const elapsed = await seconds(
    () =>
      new Promise<void>((resolve, reject) => {
        let sent = 0;
        let answered = 0;
        const done = (failure: string | undefined): void => {
          if (failure !== undefined) {
            reject(new Error(failure));
            return;
          }
          answered += 1;
          if (sent < count) {
            sent += 1;
            submit(done);
          } else if (answered === count) resolve();
        };
        while (sent < Math.min(outstanding, count)) {
          sent += 1;
          submit(done);
        }
      }),
  );
  return { count, perSecond: count / elapsed, elapsed };
}

/** So many requests one after the other; milliseconds of each, sorted. */
export function latencies(submit: Submit, count: number): Promise<readonly number[]> {
  return whileTrue(submit, (done) => done < count);
}

/** Requests one after the other for so long; milliseconds of each, sorted. */
export function latenciesFor(submit: Submit, ms: number): Promise<readonly number[]> {
  const end = performance.now() + ms;
  return whileTrue(submit, () => performance.now() < end);
}

async function whileTrue(submit: Submit, further: (done: number) => boolean): Promise<readonly number[]> {
  const samples: number[] = [];
  while (further(samples.length)) {
    const start = performance.now();
    await new Promise<void>((resolve, reject) => {
      submit((failure) => (failure === undefined ? resolve() : reject(new Error(failure))));
    });
    samples.push(performance.now() - start);
  }
  return samples.sort((a, b) => a - b);
}
