/** Ports for programs that have to be told one before they listen. */
import { createServer } from 'node:net';

/** Below those that systems give to outgoing connections, which take a port between its choice and its use. */
const RANGE = { first: 10_240, last: 32_000 } as const;
const ATTEMPTS = 100;

/** A port of loopback that nobody listens on at this moment, and that no outgoing connection is given. */
export async function freePort(): Promise<number> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const port = RANGE.first + Math.floor(Math.random() * (RANGE.last - RANGE.first));
    if (await isFree(port)) return port;
  }
  throw new Error(`no free port from ${RANGE.first} to ${RANGE.last}`);
}

function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)));
  });
}
