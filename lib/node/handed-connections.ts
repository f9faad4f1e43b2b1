/**
 * Connections that were handed to a worker and that it has not taken yet. `node:cluster` forgets those of a worker that is
 * killed, and keeps them open: whoever connected would wait for a greeting that never comes.
 */
import type { Worker } from 'node:cluster';

/** What `node:cluster` sends with a connection; it is not documented, and without it nothing is remembered. */
interface Handover {
  readonly act: 'newconn';
  readonly seq: number;
}

interface Closable {
  close(): void;
}

/** Closes what a worker has not taken when it ends. */
export function closeUntaken(worker: Worker): void {
  const handed = new Map<number, Closable>();
  const { process } = worker;
  const { send } = process;
  process.send = (...all: readonly unknown[]): boolean => {
    const [message, handle] = all;
    if (isHandover(message) && isClosable(handle)) handed.set(message.seq, handle);
    const sent: unknown = Reflect.apply(send, process, all);
    return sent === true;
  };
  process.on('internalMessage', (message: { readonly ack?: unknown }) => {
    if (typeof message.ack === 'number') handed.delete(message.ack);
  });
  worker.once('exit', () => {
    for (const handle of handed.values()) handle.close();
    handed.clear();
  });
}

function isHandover(message: unknown): message is Handover {
  return typeof message === 'object' && message !== null && 'act' in message && message.act === 'newconn';
}

function isClosable(handle: unknown): handle is Closable {
  return typeof handle === 'object' && handle !== null && 'close' in handle && typeof handle.close === 'function';
}
