/**
 * Carries the events of one process to another, whose subscribers hear them as its own: one log and one set of counters
 * for a node that several processes make up.
 */
import { channel, subscribe, unsubscribe } from 'node:diagnostics_channel';
import { events } from './events.js';

/** An event on its way. An error is carried as what can be said about it. */
export interface CarriedEvent {
  readonly name: string;
  readonly message: object;
}

interface CarriedError {
  readonly message: string;
  readonly stack?: string | undefined;
  readonly code?: unknown;
}

/**
 * Hears the events of this process.
 *
 * @param options.perData whether that of each forwarded Data operation is wanted; it costs more than all others
 * @param carry given the events of one turn of the event loop
 * @returns a function that ends the calls
 */
export function hearEvents(
  { perData }: { readonly perData: boolean },
  carry: (heard: readonly CarriedEvent[]) => void,
): () => void {
  let heard: CarriedEvent[] = [];
  const send = (): void => {
    const all = heard;
    heard = [];
    carry(all);
  };
  const ends = Object.values(events)
    .filter((event) => perData || event !== events.forwarded)
    .map(({ name }) => {
      const hear = (message: unknown): void => {
        if (typeof message !== 'object' || message === null) return;
        if (heard.length === 0) setImmediate(send);
        heard.push({ name, message: carried(message) });
      };
      subscribe(name, hear);
      return (): void => void unsubscribe(name, hear);
    });
  return () => {
    for (const end of ends) end();
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
