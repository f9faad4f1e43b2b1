/**
 * The floor: two processes in a row that forward lines and their answers over TCP and know nothing else. What a relay
 * costs above this is the price of BEEP, IMXP and routing. Started by the benchmark as a process of its own.
 *
 *   node floor.ts HOP PORT   forwards to PORT; prints the port it listens on
 */
import { connect, createServer, type Socket } from 'node:net';

const target = Number(process.argv[2]);

/** Passes whole lines on, all that came together in one write. */
function pass(from: Socket, to: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  from.on('data', (chunk: Buffer) => {
    const octets = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = octets.lastIndexOf(0x0a) + 1;
    rest = octets.subarray(end);
    if (end > 0) to.write(octets.subarray(0, end));
  });
  from.on('close', () => to.destroy());
  from.on('error', () => to.destroy());
}

const server = createServer({ noDelay: true }, (inbound) => {
  const outbound = connect({ port: target, host: '127.0.0.1', noDelay: true });
  pass(inbound, outbound);
  pass(outbound, inbound);
});
server.listen(0, '127.0.0.1', () => {
  const address = server.address();
  process.stdout.write(`${typeof address === 'object' && address !== null ? address.port : 0}\n`);
});
