import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { expect } from 'chai';
import { TcpQueries } from '../../../lib/mesh/dns/tcp-queries.js';
import { failureOf } from '../../support/failure.js';

/** A message with an identifier, of so many octets. */
const message = (id: number, octets: number): Buffer => {
  const bytes = Buffer.alloc(octets, 0x55);
  bytes.writeUInt16BE(id);
  return bytes;
};
/** RFC 1035 §4.2.2: with its length before it. */
const framed = (bytes: Buffer): Buffer => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);

describe('mesh/dns/tcp-queries', () => {
  let server: Server;
  let sockets: Socket[];
  let answer: (socket: Socket) => Promise<void> | void;

  beforeEach(async () => {
    sockets = [];
    server = createServer({ noDelay: true }, (socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      socket.once('data', () => void answer(socket));
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
  });

  afterEach(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });

  const ask = (queries: TcpQueries, id: number): Promise<Buffer> =>
    queries.ask({ address: '127.0.0.1', port: (server.address() as AddressInfo).port }, message(id, 12), 5000);

  it('reads an answer of 65,535 octets that arrives a few octets at a time', async () => {
    const large = message(7, 65_535);
    answer = async (socket) => {
      const octets = framed(large);
      // The first ones cut the length in two.
      for (const end of [1, 2, 3]) {
        socket.write(octets.subarray(end - 1, end));
        await new Promise((resolve) => setTimeout(resolve, 5));
      }
      for (let at = 3; at < octets.length; at += 1000) {
        socket.write(octets.subarray(at, at + 1000));
        if (at % 16_000 < 1000) await new Promise((resolve) => setImmediate(resolve));
      }
    };
    expect((await ask(new TcpQueries(), 7)).equals(large)).to.equal(true);
  });

  it('reads several answers in one segment, in any order, and drops unsolicited ones', async () => {
    answer = (socket) => {
      const octets = Buffer.concat([
        framed(message(9, 100)),
        framed(Buffer.alloc(1)),
        framed(message(2, 50)),
        framed(message(1, 60)),
      ]);
      socket.write(octets.subarray(0, 190));
      setTimeout(() => socket.write(octets.subarray(190)), 10);
    };
    const queries = new TcpQueries();
    const answers = await Promise.all([ask(queries, 1), ask(queries, 2)]);
    expect(answers.map(({ length }) => length)).to.deep.equal([60, 50]);
    expect(sockets).to.have.length(1);
  });

  it('sends a query again if the server closes the connection after its late answer to an earlier query', async () => {
    let late: (() => void) | undefined;
    answer = (socket) => {
      // The first connection answers what was given up by then, and ends; the second one answers what it is asked.
      if (sockets.length === 1) late = () => socket.end(framed(message(1, 30)));
      else socket.write(framed(message(2, 40)));
    };
    const queries = new TcpQueries();
    const { port } = server.address() as AddressInfo;
    const given = await failureOf(queries.ask({ address: '127.0.0.1', port }, message(1, 12), 50));
    expect(given.message).to.match(/no answer within 50 ms$/);
    const second = ask(queries, 2);
    late?.();
    expect((await second).length).to.equal(40);
    expect(sockets).to.have.length(2);
  });

  it('reports that the server ended the connection in the middle of an answer', async () => {
    answer = (socket) => {
      socket.end(framed(message(3, 100)).subarray(0, 40));
    };
    expect((await failureOf(ask(new TcpQueries(), 3))).message).to.match(/the connection ended before the answer$/);
  });
});
