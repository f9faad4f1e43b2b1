/**
 * A DNS server on the loopback interface, over UDP and TCP, with records given by the spec. It can be made slow,
 * silent, wrong or unreachable, and counts its queries. It does not use lib/.
 */
import { createSocket, type Socket as UdpSocket } from 'node:dgram';
import { createServer, type Server, type Socket } from 'node:net';
import { type Answer, decode, encode, type Packet, type RecordType, streamEncode } from 'dns-packet';

const AUTHORITATIVE = 0x400;
const TRUNCATED = 0x200;

export const RCODE = { FORMERR: 1, SERVFAIL: 2, NXDOMAIN: 3, NOTIMP: 4, REFUSED: 5, BADVERS: 16 } as const;

export interface SrvLine {
  readonly priority?: number;
  readonly weight?: number;
  readonly port: number;
  readonly target: string;
  readonly ttl?: number;
}

export class DnsServer {
  /** Records by `TYPE name`, name in lower case. */
  readonly #records = new Map<string, Answer[]>();
  readonly #failing = new Map<string, number>();
  readonly #tcp: Server;
  readonly #connections = new Set<Socket>();
  #udp: UdpSocket;
  /** Questions by `TYPE name`, once for each time they came, over either transport. */
  readonly asked: string[] = [];
  /** The names asked for as they were spelt. */
  readonly spelt: string[] = [];
  /** How many questions came over TCP. */
  overTcp = 0;
  /** Gives no answer at all. */
  silent = false;
  /** Says over UDP that the answer does not fit. */
  truncating = false;
  /** Does not know EDNS and says so with this code (RFC 6891 §7); with a code above 15, this version of it. */
  ednsRefusal: number | undefined;
  /** Changes the octets of each answer over UDP. */
  damage: ((octets: Buffer) => Buffer) | undefined;
  /** Repeats names in lower case, however they are asked for. */
  lowering = false;
  /** Answers only with the name servers of the zone, as one that does not resolve for others. */
  referring = false;
  /** Leaves connections open after an answer. */
  keeping = false;
  /** How many connections came. */
  connections = 0;
  /** Goes before each answer over UDP: what somebody else might send. */
  forge: ((query: Packet, answer: Packet) => Packet) | undefined;
  /** Octets that go before each answer over UDP, after the id of the query. */
  garbage: readonly Buffer[] = [];
  /** Seconds for which an answer without records holds; in an SOA record unless undefined. */
  negativeTtl: number | undefined;
  port = 0;

  private constructor() {
    this.#udp = createSocket('udp4');
    this.#tcp = createServer((socket) => this.#serve(socket));
  }

  static async start(): Promise<DnsServer> {
    const server = new DnsServer();
    await server.listen();
    return server;
  }

  /** Listens, on the port it had before. */
  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#tcp.once('error', reject);
      this.#tcp.listen(this.port, '127.0.0.1', resolve);
    });
    const address = this.#tcp.address();
    this.port = typeof address === 'object' && address !== null ? address.port : 0;
    this.#udp = createSocket('udp4');
    this.#udp.on('message', (octets, { port, address: from }) => {
      const query = decode(octets);
      const answer = this.#answer(query);
      if (answer === undefined) return;
      for (const rest of this.garbage) this.#udp.send(Buffer.concat([octets.subarray(0, 2), rest]), port, from);
      if (this.forge !== undefined) this.#udp.send(encode(this.forge(query, answer)), port, from);
      const whole = encode(this.truncating ? cut(answer) : answer);
      this.#udp.send(this.damage?.(whole) ?? whole, port, from);
    });
    await new Promise<void>((resolve) => this.#udp.bind(this.port, '127.0.0.1', resolve));
  }

  async stop(): Promise<void> {
    for (const socket of this.#connections) socket.destroy();
    await new Promise<void>((resolve) => this.#udp.close(() => resolve()));
    await new Promise<void>((resolve) => this.#tcp.close(() => resolve()));
  }

  /** As it goes into a configuration. */
  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  /** How often a question came. */
  count(type: RecordType, name: string): number {
    return this.asked.filter((question) => question === `${type} ${name}`).length;
  }

  /** Replaces the SRV records of a name. */
  srv(name: string, ...lines: readonly SrvLine[]): void {
    const records = lines.map(({ priority = 0, weight = 0, port, target, ttl = 60 }): Answer => {
      return { type: 'SRV', name, ttl, class: 'IN', data: { priority, weight, port, target } };
    });
    this.#set('SRV', name, records);
  }

  /** Replaces the addresses of a host; those with a colon become AAAA records. */
  host(name: string, addresses: readonly string[], ttl = 60): void {
    for (const type of ['A', 'AAAA'] as const) {
      const own = addresses.filter((address) => address.includes(':') === (type === 'AAAA'));
      this.#set(
        type,
        name,
        own.map((data): Answer => ({ type, name, ttl, class: 'IN', data })),
      );
    }
  }

  alias(name: string, data: string, ttl = 60): void {
    this.#set('CNAME', name, [{ type: 'CNAME', name, ttl, class: 'IN', data }]);
  }

  /** Answers everything about a name with an error code; 0 ends that. */
  fail(name: string, code: number): void {
    this.#failing.set(name.toLowerCase(), code);
  }

  forget(name: string): void {
    for (const key of [...this.#records.keys()]) {
      if (key.endsWith(` ${name.toLowerCase()}`)) this.#records.delete(key);
    }
  }

  #set(type: RecordType, name: string, records: Answer[]): void {
    this.#records.set(`${type} ${name.toLowerCase()}`, records);
  }

  #answer(query: Packet): Packet | undefined {
    const [question] = query.questions ?? [];
    if (question === undefined) return undefined;
    const name = question.name.toLowerCase();
    this.asked.push(`${question.type} ${name}`);
    this.spelt.push(question.name);
    if (this.silent) return undefined;
    const base: Packet = {
      type: 'response',
      id: query.id ?? 0,
      flags: AUTHORITATIVE,
      questions: [this.lowering ? { ...question, name } : question],
    };
    if (this.ednsRefusal !== undefined && (query.additionals ?? []).length > 0) {
      return refusedEdns(base, this.ednsRefusal);
    }
    if (this.referring) {
      const ns: Answer = { type: 'NS', name: 'example', ttl: 60, data: 'ns.elsewhere.example' };
      return { ...base, flags: 0, authorities: [ns] };
    }
    const failing = this.#failing.get(name) ?? 0;
    if (failing !== 0) return { ...base, flags: AUTHORITATIVE | failing };
    const answers = this.#chain(question.type, name);
    const exists = [...this.#records.keys()].some((key) => key.endsWith(` ${name}`));
    const soa: Answer = {
      type: 'SOA',
      name: 'example',
      ttl: this.negativeTtl ?? 0,
      data: { mname: 'ns.example', rname: 'root.example', minimum: this.negativeTtl ?? 0 },
    };
    return {
      ...base,
      flags: AUTHORITATIVE | (exists ? 0 : RCODE.NXDOMAIN),
      answers,
      ...(answers.length === 0 && this.negativeTtl !== undefined ? { authorities: [soa] } : {}),
    };
  }

  /** The records, or the alias and what it leads to. */
  #chain(type: RecordType, name: string): Answer[] {
    const own = this.#records.get(`${type} ${name}`) ?? [];
    const [alias] = this.#records.get(`CNAME ${name}`) ?? [];
    if (own.length > 0 || alias?.type !== 'CNAME') return own;
    return [alias, ...this.#chain(type, alias.data.toLowerCase())];
  }

  #serve(socket: Socket): void {
    this.connections += 1;
    this.#connections.add(socket);
    socket.on('close', () => this.#connections.delete(socket));
    socket.on('error', () => {});
    let received = Buffer.alloc(0);
    socket.on('data', (octets: Buffer) => {
      received = Buffer.concat([received, octets]);
      while (received.length >= 2 && received.length >= 2 + received.readUInt16BE()) {
        const end = 2 + received.readUInt16BE();
        this.overTcp += 1;
        const answer = this.#answer(decode(received.subarray(2, end)));
        received = received.subarray(end);
        if (answer === undefined) continue;
        socket.write(streamEncode(answer));
        if (!this.keeping) socket.end();
      }
    });
  }
}

/** RFC 6891 §6.1.3: a code above 15 needs an OPT record, which only a server that knows EDNS has. */
function refusedEdns(base: Packet, code: number): Packet {
  if (code <= 15) return { ...base, flags: AUTHORITATIVE | code, ...(code === RCODE.FORMERR ? { questions: [] } : {}) };
  const opt: Answer = {
    type: 'OPT',
    name: '.',
    udpPayloadSize: 1232,
    extendedRcode: code >> 4,
    ednsVersion: 0,
    flags: 0,
    flag_do: false,
    options: [],
  };
  return { ...base, flags: AUTHORITATIVE | (code & 0xf), additionals: [opt] };
}

function cut(answer: Packet): Packet {
  return { ...answer, flags: (answer.flags ?? 0) | TRUNCATED, answers: [] };
}
