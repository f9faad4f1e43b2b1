/** Lines of text and the answer `ok` to each: what the floor forwards. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { type Client, InOrder, textOf } from './client.js';
import { Corked } from './corked.js';

const LF = 0x0a;

export async function lineSender(port: number): Promise<Client> {
  const waiting = new InOrder();
  const socket = await Corked.open(port);
  socket.onData((chunk) => {
    for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) waiting.answered(undefined);
  });
  return {
    submitting: (octets) => {
      const line = Buffer.concat([textOf(octets), Buffer.from('\n')]);
      return (done) => {
        waiting.push(done);
        socket.write(line);
      };
    },
  };
}

/** Answers each line, on a port of its own. */
export async function lineRecipient(port: number): Promise<void> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('data', (chunk: Buffer) => {
      let lines = 0;
      for (let at = chunk.indexOf(LF); at >= 0; at = chunk.indexOf(LF, at + 1)) lines += 1;
      if (lines > 0) socket.write('ok\n'.repeat(lines));
    });
  });
  server.listen(port, '127.0.0.1');
  await once(server, 'listening');
}
