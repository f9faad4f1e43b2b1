/**
 * Exchange of one question and its answer with one name server, over UDP and, if the answer is truncated, TCP (RFC
 * 1035 §4.2, RFC 7766). Rejects forged answers.
 */
import { randomBytes, randomInt } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { isIPv6 } from 'node:net';
import { type Answer, AUTHENTIC_DATA, encode, type Packet, RECURSION_DESIRED } from 'dns-packet';
import { TransportError } from '../../errors.js';
import { type DnsResponse, readResponse } from './response.js';
import { type NameServer, TcpQueries } from './tcp-queries.js';

export interface Question {
  readonly type: 'SRV' | 'A' | 'AAAA' | 'TLSA';
  readonly name: string;
}

/** Response codes (RFC 1035 §4.1.1, RFC 6891 §9). */
export const RESPONSE_CODE = {
  noError: 0,
  formatError: 1,
  serverFailure: 2,
  nameError: 3,
  notImplemented: 4,
  refused: 5,
  badVersion: 16,
} as const;

/** What passes every path unfragmented (DNS Flag Day 2020). */
const UDP_OCTETS = 1232;
/** How servers answer that do not know EDNS, or not this version of it (RFC 6891 §6.1.3, §7). */
const WITHOUT_EDNS: ReadonlySet<number> = new Set([
  RESPONSE_CODE.formatError,
  RESPONSE_CODE.serverFailure,
  RESPONSE_CODE.notImplemented,
  RESPONSE_CODE.badVersion,
]);

/** Exchanges with name servers. Keeps connections open for a while, so that a row of long answers needs one. */
export class DnsExchanges {
  readonly #tcp = new TcpQueries();

  /**
   * Asks a server.
   *
   * @throws TransportError LOOKUP_FAILED when there is no answer in time
   */
  async exchange(server: NameServer, question: Question, timeoutMs: number): Promise<DnsResponse> {
    const answer = await this.#ask(server, queryFor(question, true), timeoutMs);
    if (!WITHOUT_EDNS.has(answer.code)) return answer;
    return this.#ask(server, queryFor(question, false), timeoutMs);
  }

  async #ask(server: NameServer, query: Packet, timeoutMs: number): Promise<DnsResponse> {
    const response = await overUdp(server, query, timeoutMs);
    // RFC 2181 §9, RFC 7766 §5: what was truncated is not used. An answer whose name is not spelt as it was asked is
    // either forged or from a server that changes letters: TCP tells which.
    if (!response.truncated && response.whole && isEchoed(query, response)) return response;
    const octets = await this.#tcp.ask(server, encode(query), timeoutMs);
    const answer = answerTo(query, octets);
    if (answer?.whole !== true) throw unusable(server, 'an answer that cannot be read');
    return answer;
  }
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
    // RFC 6840 §5.7: asks whether DNSSEC has validated the answer.
    flags: RECURSION_DESIRED | AUTHENTIC_DATA,
    questions: [{ type, name: mixedCase(name), class: 'IN' }],
    ...(edns ? { additionals: [opt] } : {}),
  };
}

/**
 * The name with letters of random case. Servers repeat the name as it was asked, so that a forger of an answer has to
 * guess that as well (draft-vixie-dnsext-dns0x20-00 §2).
 */
function mixedCase(name: string): string {
  const chance = randomBytes(name.length);
  return [...name].map((letter, at) => ((chance[at] ?? 0) & 1 ? letter.toUpperCase() : letter.toLowerCase())).join('');
}

/** The answer to this very query, or undefined for anything else: it may come from anybody (RFC 5452 §9.1). */
function answerTo(query: Packet, octets: Buffer): DnsResponse | undefined {
  const response = readResponse(octets);
  const [asked] = query.questions ?? [];
  if (response === undefined || response.id !== query.id || asked === undefined) return undefined;
  const { question } = response;
  // A server that could not read the query has no question to repeat.
  if (question === undefined) return response.code === RESPONSE_CODE.formatError ? response : undefined;
  return question.type === asked.type && question.name.toLowerCase() === asked.name.toLowerCase()
    ? response
    : undefined;
}

function isEchoed(query: Packet, { question }: DnsResponse): boolean {
  return question === undefined || question.name === query.questions?.[0]?.name;
}

function unusable({ address, port }: NameServer, what: string, cause?: unknown): TransportError {
  return new TransportError('LOOKUP_FAILED', `name server ${address} port ${port}: ${what}`, { cause });
}

/** Each query leaves from a port of its own, chosen by the system, and takes answers from that server only. */
function overUdp(server: NameServer, query: Packet, timeoutMs: number): Promise<DnsResponse> {
  const socket = createSocket(isIPv6(server.address) ? 'udp6' : 'udp4');
  return new Promise((resolve, reject) => {
    let over = false;
    const finish = (settle: () => void): void => {
      if (over) return;
      over = true;
      clearTimeout(timer);
      socket.close();
      settle();
    };
    const fail = (why: string, cause?: unknown): void => finish(() => reject(unusable(server, why, cause)));
    const timer = setTimeout(() => fail(`no answer within ${timeoutMs} ms`), timeoutMs);
    socket.on('error', (cause) => fail(cause.message, cause));
    socket.on('message', (octets) => {
      const answer = answerTo(query, octets);
      if (answer !== undefined) finish(() => resolve(answer));
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
  });
}
