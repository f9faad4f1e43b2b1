/**
 * Connects by TCP to the first of several addresses that answers: they are tried in order, each with a head start (RFC
 * 8305 §5).
 */
import { connect, type Socket } from 'node:net';
import { TransportError } from '../errors.js';

/** RFC 8305 §5: "Connection Attempt Delay". */
const CONNECTION_ATTEMPT_DELAY_MS = 250;
const KEEP_ALIVE_MS = 60_000;

/**
 * @param name what is connected to, for errors
 * @throws TransportError CONNECT_FAILED, with the reason of the last address that failed | TIMED_OUT
 */
export function connectFirst(
  addresses: readonly string[],
  port: number,
  { timeoutMs, name }: { readonly timeoutMs: number; readonly name: string },
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const attempts = new Set<Socket>();
    const waiting = [...addresses];
    let headStart: NodeJS.Timeout | undefined;
    const finish = (chosen: Socket | undefined): void => {
      clearTimeout(limit);
      clearTimeout(headStart);
      waiting.length = 0;
      for (const socket of attempts) if (socket !== chosen) socket.destroy();
    };
    const limit = setTimeout(() => {
      finish(undefined);
      reject(new TransportError('TIMED_OUT', `no connection to ${name} within ${timeoutMs} ms`));
    }, timeoutMs);
    const next = (): void => {
      clearTimeout(headStart);
      const host = waiting.shift();
      if (host === undefined) return;
      const socket = connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: KEEP_ALIVE_MS });
      attempts.add(socket);
      const failed = (cause: NodeJS.ErrnoException): void => {
        attempts.delete(socket);
        if (waiting.length > 0) {
          next();
          return;
        }
        if (attempts.size > 0) return;
        finish(undefined);
        reject(new TransportError('CONNECT_FAILED', `cannot connect to ${name}: ${explain(cause)}`, { cause }));
      };
      socket.once('error', failed);
      socket.once('connect', () => {
        socket.off('error', failed);
        finish(socket);
        resolve(socket);
      });
      if (waiting.length > 0) headStart = setTimeout(next, CONNECTION_ATTEMPT_DELAY_MS);
    };
    next();
  });
}

function explain(error: NodeJS.ErrnoException): string {
  if (error.code === 'ECONNREFUSED') return 'nothing is listening there';
  return error.message || (error.code ?? 'unknown reason');
}
