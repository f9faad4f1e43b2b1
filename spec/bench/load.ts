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

/** One request after the other; milliseconds of each, sorted. */
export async function latencies(submit: Submit, count: number): Promise<readonly number[]> {
  const samples: number[] = [];
  for (let i = 0; i < count; i += 1) {
    const start = performance.now();
    await new Promise<void>((resolve, reject) => {
      submit((failure) => (failure === undefined ? resolve() : reject(new Error(failure))));
    });
    samples.push(performance.now() - start);
  }
  return samples.sort((a, b) => a - b);
}
