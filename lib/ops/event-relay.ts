/**
 * Carries the events of one process to another, whose subscribers hear them as its own: one log and one set of counters
 * for a node that several processes make up.
 */
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import type { Clock } from './clock.js';
import { events } from './events.js';

/** An event on its way. An error is carried as what can be said about it. */
export interface CarriedEvent {
  readonly name: string;
  readonly message: object;
}

/**
 * Events of that time are carried together: each message between processes costs some 50 microseconds on either side,
 * and a login alone causes half a dozen events.
 */
const TOGETHER_MS = 10;
/** So many are carried at once, so that what waits stays small. */
const TOGETHER = 256;

interface CarriedError {
  readonly message: string;
  readonly stack?: string | undefined;
  readonly code?: unknown;
}

/**
 * Hears the events of this process.
 *
 * @param options.perData whether that of each forwarded Data operation is wanted; it costs more than all others
 * @param carry given the events of some milliseconds
 * @returns a function that carries what was heard so far, and ends the calls
 */
export function hearEvents(
  { perData, clock }: { readonly perData: boolean; readonly clock: Pick<Clock, 'after'> },
  carry: (heard: readonly CarriedEvent[]) => void,
): () => void {
  let heard: CarriedEvent[] = [];
  let cancel: (() => void) | undefined;
  const send = (): void => {
    cancel?.();
    cancel = undefined;
    const all = heard;
    heard = [];
    if (all.length > 0) carry(all);
  };
  const ends = Object.values(events)
    .filter((event) => perData || event !== events.forwarded)
    .map(({ name }) => {
      const hear = (message: unknown): void => {
        if (typeof message !== 'object' || message === null) return;
        heard.push({ name, message: carried(message) });
        if (heard.length >= TOGETHER) send();
        else cancel ??= clock.after(TOGETHER_MS, send);
      };
      subscribe(name, hear);
      return (): void => void unsubscribe(name, hear);
    });
  return () => {
    for (const end of ends) end();
    send();
  };
}

/** Publishes what was heard in another process, with its name as `worker`. */
export function publishCarried(heard: readonly CarriedEvent[], worker: string): void {
  for (const { name, message } of heard) {
    const { hasSubscribers } = channel(name);
    if (hasSubscribers) channel(name).publish({ worker, ...restored(message) });
  }
}

function carried(message: object): object {
  if (!('error' in message) || !(message.error instanceof Error)) return message;
  const { error } = message;
  const said: CarriedError = {
    message: error.message,
    stack: error.stack,
    ...('code' in error ? { code: error.code } : {}),
  };
  return { ...message, error: said };
}

function restored(message: object): object {
  if (!('error' in message) || !isCarriedError(message.error)) return message;
  const { error } = message;
  const { stack, code } = error;
  return {
    ...message,
    error: Object.assign(new Error(error.message), {
      ...(stack === undefined ? {} : { stack }),
      ...(code === undefined ? {} : { code }),
    }),
  };
}

function isCarriedError(value: unknown): value is CarriedError {
  return typeof value === 'object' && value !== null && 'message' in value && typeof value.message === 'string';
}
