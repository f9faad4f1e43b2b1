/**
 * One question to one name server and its answer, over UDP and, when that is truncated, TCP (RFC 1035 §4.2, RFC 7766).
 * Owns the guard against forged answers; what an answer means is not decided here.
 */
import { randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { connect, isIPv6 } from 'node:net';
import {
  type Answer,
  type DecodedPacket,
  decode,
  encode,
  type Packet,
  RECURSION_DESIRED,
  streamEncode,
} from 'dns-packet';
import { TransportError } from '../../errors.js';

export interface NameServer {
  readonly address: string;
  readonly port: number;
}

export interface Question {
  readonly type: 'SRV' | 'A' | 'AAAA';
  readonly name: string;
}

/** What passes every path unfragmented (DNS Flag Day 2020). */
const UDP_OCTETS = 1232;
const FORMAT_ERROR = 1;

/** How long one exchange may take, and by which other event it may end. */
type Ending<T> = { readonly done: (value: T) => void; readonly fail: (why: string, cause?: unknown) => void };

/** The response code of an answer (RFC 1035 §4.1.1). */
export function responseCode({ flags = 0 }: Packet): number {
  return flags & 0xf;
}

/**
 * Asks a server.
 *
 * @throws TransportError LOOKUP_FAILED when there is no answer in time
 */
export async function exchange(server: NameServer, question: Question, timeoutMs: number): Promise<DecodedPacket> {
  const answer = await overUdp(server, queryFor(question, true), timeoutMs);
  // RFC 6891 §7: servers that do not know EDNS say so like this.
  const plain =
    responseCode(answer) === FORMAT_ERROR ? await overUdp(server, queryFor(question, false), timeoutMs) : answer;
  // RFC 2181 §9: what was truncated is not used.
  return plain.flag_tc ? overTcp(server, queryFor(question, true), timeoutMs) : plain;
}

function queryFor({ type, name }: Question, edns: boolean): Packet {
  const opt: Answer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: UDP_OCTETS,
    extendedRcode: 0,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  return {
    type: 'query',
    id: randomInt(65_536),
    flags: RECURSION_DESIRED,
    questions: [{ type, name, class: 'IN' }],
    ...(edns ? { additionals: [opt] } : {}),
  };
}

/** The answer to this very query, or undefined for anything else: it may come from anybody (RFC 5452 §9.1). */
function answerTo(query: Packet, octets: Buffer): DecodedPacket | undefined {
  let packet: DecodedPacket;
  try {
    packet = decode(octets);
  } catch {
    return undefined;
  }
  const [asked] = query.questions ?? [];
  const [echo] = packet.questions ?? [];
  if (packet.type !== 'response' || packet.id !== query.id || asked === undefined) return undefined;
  // A server that could not read the query has no question to repeat.
  if (echo === undefined) return responseCode(packet) === FORMAT_ERROR ? packet : undefined;
  return echo.type === asked.type && echo.name.toLowerCase() === asked.name.toLowerCase() ? packet : undefined;
}

/** Each query leaves from a port of its own, chosen by the system, and takes answers from that server only. */
function overUdp(server: NameServer, query: Packet, timeoutMs: number): Promise<DecodedPacket> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  return ending(
    server,
    timeoutMs,
    () => socket.close(),
    ({ done, fail }) => {
      socket.on('error', (cause) => fail(cause.message, cause));
      socket.on('message', (octets) => {
        const answer = answerTo(query, octets);
        if (answer !== undefined) done(answer);
      });
      // Declared without, but called with the reason when there is no way to the server.
      socket.connect(server.port, server.address, (...[unreachable]: unknown[]) => {
        if (unreachable instanceof Error) {
          fail(unreachable.message, unreachable);
          return;
        }
        socket.send(encode(query), (cause) => {
          if (cause !== null && cause !== undefined) fail(cause.message, cause);
        });
      });
    },
  );
}

function overTcp(server: NameServer, query: Packet, timeoutMs: number): Promise<DecodedPacket> {
  const socket = connect({ host: server.address, port: server.port });
  return ending(
    server,
    timeoutMs,
    () => socket.destroy(),
    ({ done, fail }) => {
      let received = Buffer.alloc(0);
      socket.on('error', (cause) => fail(cause.message, cause));
      socket.on('end', () => fail('the connection ended before the answer'));
      socket.on('data', (octets: Buffer) => {
        received = Buffer.concat([received, octets]);
        // RFC 1035 §4.2.2: two octets of length go before the message.
        const end = received.length < 2 ? Number.POSITIVE_INFINITY : 2 + received.readUInt16BE();
        if (received.length < end) return;
        const answer = answerTo(query, received.subarray(2, end));
        if (answer === undefined) fail('the answer is not one to the question');
        else done(answer);
      });
      socket.write(streamEncode(query));
    },
  );
}

/** Settles once, cleans up, and not later than the limit. */
function ending<T>(
  { address, port }: NameServer,
  timeoutMs: number,
  cleanUp: () => void,
  begin: (end: Ending<T>) => void,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let over = false;
    const finish = (settle: () => void): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      cleanUp();
      settle();
    };
    const fail = (why: string, cause?: unknown): void => {
      finish(() =>
        reject(new TransportError('LOOKUP_FAILED', `name server ${address} port ${port}: ${why}`, { cause })),
      );
    };
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    begin({ done: (value) => finish(() => resolve(value)), fail });
  });
}
