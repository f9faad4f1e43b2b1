/**
 * The two ends of a connection, for specs of code that runs over one: real sockets on the loopback interface, and
 * streams that are not sockets.
 */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';
import { type Duplex, duplexPair } from 'node:stream';

/** Connected TCP sockets, [client's, server's]. */
export async function socketPair(): Promise<[Socket, Socket]> {
  const server = createServer({ allowHalfOpen: false }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const accepted: Promise<Socket> = once(server, 'connection').then(([socket]) => socket);
  const client = connect(address.port, '127.0.0.1');
  const [socket] = await Promise.all([accepted, once(client, 'connect')]);
  server.close();
  return [client, socket];
}

/** Streams in memory, [client's, server's]. */
export async function streamPair(): Promise<[Duplex, Duplex]> {
  return duplexPair();
}

/** Reads exactly that many octets; what came after them stays in the stream. */
export function readOctets(stream: Duplex, octets: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let missing = octets;
    const settle = (act: () => void): void => {
      stream.off('readable', take).off('end', ended).off('close', ended).off('error', reject);
      act();
    };
    const ended = (): void => settle(() => reject(new Error(`the stream ended ${missing} octets early`)));
    const take = (): void => {
      while (missing > 0) {
        const chunk: unknown = stream.read(Math.min(missing, stream.readableLength) || undefined);
        if (!Buffer.isBuffer(chunk)) break;
        const part = chunk.subarray(0, missing);
        if (part.length < chunk.length) stream.unshift(chunk.subarray(missing));
        chunks.push(part);
        missing -= part.length;
      }
      if (missing === 0) settle(() => resolve(Buffer.concat(chunks)));
    };
    stream.on('readable', take).on('end', ended).on('close', ended).on('error', reject);
    take();
  });
}
