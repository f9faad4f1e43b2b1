/**
 * The floor: two processes in a row that forward lines and their answers over TCP and know nothing else. What a relay
 * costs above this is the price of BEEP, IMXP and routing. Started by the benchmark as a process of its own.
 *
 *   node forwarder.ts PORT [octets]   forwards lines, or octets as they come, to PORT; prints the port it listens on
 */
import { connect, createServer, type Socket } from 'node:net';

const target = Number(process.argv[2]);
const octets = process.argv[3] === 'octets';

/** Passes whole lines on, all that came together in one write; or octets, as fast as they are taken. */
function pass(from: Socket, to: Socket): void {
  from.on('close', () => to.destroy());
  from.on('error', () => to.destroy());
  if (octets) {
    from.pipe(to);
    return;
  }
  let rest: Buffer = Buffer.alloc(0);
  from.on('data', (chunk: Buffer) => {
    const received = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = received.lastIndexOf(0x0a) + 1;
    rest = received.subarray(end);
    if (end > 0) to.write(received.subarray(0, end));
  });
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
