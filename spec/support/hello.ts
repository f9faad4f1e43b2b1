/** ClientHellos for specs: made by hand, and caught from real clients. */
import { Duplex } from 'node:stream';
import { type ConnectionOptions, connect } from 'node:tls';

export interface HelloParts {
  readonly version?: number;
  readonly suites?: readonly number[];
  readonly serverName?: string;
  readonly versions?: readonly number[];
  /** Further extensions: type and contents. */
  readonly extensions?: readonly (readonly [number, Buffer])[];
  /** No extensions block at all. */
  readonly bare?: boolean;
}

function vector(lengthOctets: number, ...parts: Buffer[]): Buffer {
  const contents = Buffer.concat(parts);
  const length = Buffer.alloc(lengthOctets);
  length.writeUIntBE(contents.length, 0, lengthOctets);
  return Buffer.concat([length, contents]);
}

const shorts = (numbers: readonly number[]): Buffer =>
  Buffer.concat(numbers.map((n) => Buffer.from([n >> 8, n & 0xff])));

/** The handshake message. */
export function helloMessage(parts: HelloParts = {}): Buffer {
  const extensions = [...(parts.extensions ?? [])];
  if (parts.serverName !== undefined) {
    extensions.push([0, vector(2, Buffer.from([0]), vector(2, Buffer.from(parts.serverName)))]);
  }
  if (parts.versions !== undefined) extensions.push([43, vector(1, shorts(parts.versions))]);
  const body = Buffer.concat([
    shorts([parts.version ?? 0x0301]),
    Buffer.alloc(32, 0xaa),
    vector(1, Buffer.alloc(0)),
    vector(2, shorts(parts.suites ?? [0x000a])),
    vector(1, Buffer.from([0])),
    ...(parts.bare === true
      ? []
      : [vector(2, ...extensions.map(([type, contents]) => Buffer.concat([shorts([type]), vector(2, contents)])))]),
  ]);
  return Buffer.concat([Buffer.from([1]), vector(3, body)]);
}

/** The message in records of at most that many octets. */
export function records(message: Buffer, octets = 16_384): Buffer {
  const parts: Buffer[] = [];
  for (let at = 0; at < message.length; at += octets) {
    parts.push(Buffer.from([22, 3, 1]), vector(2, message.subarray(at, at + octets)));
  }
  return Buffer.concat(parts);
}

/** What node:tls sends first with these options. */
export function nodeHello(options: ConnectionOptions): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const sink = new Duplex({
      read() {},
      write(chunk, _encoding, done) {
        resolve(chunk);
        done();
      },
    });
    const socket = connect({ ...options, socket: sink });
    socket.on('error', reject);
  });
}
