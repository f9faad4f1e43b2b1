/**
 * Reads a TLS ClientHello from octets, to choose the stack before any stack has seen them.
 *
 * ```
 *   16 03 01 len len | 01 len len len | version random session suites compression extensions
 *   record header      message header   may continue in any number of further records (RFC 5246 §6.2.1)
 * ```
 *
 * Strictness: empty records, octets of another message in the hello's last record, repeated extensions and SSL 2.0
 * framing are refused. No client sends them before it has seen a ServerHello.
 */
import { RemoteProtocolError } from '../../errors.js';
import { HandshakeFields } from './handshake-fields.js';

/** What a client offers, and the octets it said it with. */
export interface ClientHello {
  /** 0x0301 is TLS 1.0, 0x0303 TLS 1.2. */
  readonly legacyVersion: number;
  /** The supported_versions extension, if any (RFC 8446 §4.2.1). */
  readonly supportedVersions: readonly number[] | undefined;
  readonly cipherSuites: readonly number[];
  /** The host_name of the server_name extension, in lower case (RFC 6066 §3). */
  readonly serverName: string | undefined;
  /** All octets pushed, as received: to be put back before node:tls takes the stream. */
  readonly received: Buffer;
  /** The same with the hello in one single record: for a stack that cannot join records. */
  readonly joined: Buffer;
}

/** RFC 5246 §6.2.1: the contents of a plain record. */
const RECORD_OCTETS = 16_384;
/** Real hellos have some hundred octets, with post-quantum keys up to 2,000; `joined` must fit one record. */
const HELLO_OCTETS = RECORD_OCTETS;
/** A hello in records of few octets: five of header each. More than this is an attempt to waste memory. */
const RECEIVED_OCTETS = 4 * RECORD_OCTETS;

const HANDSHAKE = 22;
const ALERT = 21;
const CLIENT_HELLO = 1;
const SERVER_NAME = 0;
const SUPPORTED_VERSIONS = 43;

/** One reader for one connection. After a fault or a hello it may not be used again. */
export class ClientHelloReader {
  #received = Buffer.alloc(0);
  #length = 0;
  #parsed = 0;
  /** What the records had in them. */
  #message = Buffer.alloc(0);
  #recorded = 0;

  /**
   * Takes octets as they arrive.
   * @returns the hello when it is complete, else undefined: more is needed.
   * @throws RemoteProtocolError TLS_INJECTED when the octets are no TLS at all, TLS_FAILED when they are a bad hello.
   */
  push(octets: Buffer): ClientHello | undefined {
    this.#keep(octets);
    while (this.#record()) {
      if (this.#complete()) return this.#hello();
    }
    return undefined;
  }

  #keep(octets: Buffer): void {
    this.#received = appended(this.#received, this.#length, octets);
    this.#length += octets.length;
  }

  /** Takes one complete record; false when there is none yet. */
  #record(): boolean {
    const header = this.#received.subarray(this.#parsed, this.#length);
    const type = header[0];
    if (type === undefined) return false;
    if (type !== HANDSHAKE) throw foreign(type, this.#parsed === 0);
    // RFC 5246 appendix E.1: the record's version tells nothing but that it is 3.x.
    if (header.length >= 2 && header[1] !== 3)
      throw this.#parsed === 0 ? injected() : failed('a record with an unknown TLS version');
    if (header.length < 5) return false;
    const length = header.readUInt16BE(3);
    if (length === 0 || length > RECORD_OCTETS) throw failed(`a record of ${length} octets`);
    if (header.length < 5 + length) return false;
    this.#message = appended(this.#message, this.#recorded, header.subarray(5, 5 + length));
    this.#recorded += length;
    this.#parsed += 5 + length;
    if (this.#parsed > RECEIVED_OCTETS) throw failed('too many records');
    return true;
  }

  /** Whether the message is complete. */
  #complete(): boolean {
    if (this.#recorded < 4) return false;
    if (this.#message[0] !== CLIENT_HELLO) throw failed('a handshake message that is not a ClientHello');
    const length = 4 + this.#message.readUIntBE(1, 3);
    if (length > HELLO_OCTETS) throw failed(`a ClientHello of ${length} octets`);
    if (this.#recorded > length) throw failed('octets after the ClientHello in its record');
    return this.#recorded === length;
  }

  #hello(): ClientHello {
    const received = this.#received.subarray(0, this.#length);
    const message = this.#message.subarray(0, this.#recorded);
    const header = Buffer.from([HANDSHAKE, 3, received[2] ?? 1, 0, 0]);
    header.writeUInt16BE(message.length, 3);
    const joined = Buffer.concat([header, message, received.subarray(this.#parsed)]);
    return { ...body(new HandshakeFields(message.subarray(4))), received, joined };
  }
}

/**
 * Adds octets behind the first `length` of a buffer. They may come one at a time: the buffer doubles, so that adding stays
 * linear, and no list of views has to be kept.
 */
function appended(buffer: Buffer<ArrayBuffer>, length: number, octets: Buffer): Buffer<ArrayBuffer> {
  const total = length + octets.length;
  let roomy = buffer;
  if (total > buffer.length) {
    roomy = Buffer.alloc(Math.max(1024, buffer.length * 2, total));
    buffer.copy(roomy, 0, 0, length);
  }
  octets.copy(roomy, length);
  return roomy;
}

/** RFC 5246 §7.4.1.2. */
function body(fields: HandshakeFields): Omit<ClientHello, 'received' | 'joined'> {
  const legacyVersion = fields.number(2);
  if (legacyVersion >> 8 !== 3) throw failed('a ClientHello with an unknown TLS version');
  fields.take(32);
  if (fields.vector(1).left > 32) throw failed('a session id of more than 32 octets');
  const cipherSuites = fields.vector(2).numbers(2);
  const compressions = fields.vector(1).left;
  if (cipherSuites.length === 0 || compressions === 0)
    throw failed('a ClientHello without cipher suites or compression methods');
  const extensions = fields.left > 0 ? extensionsOf(fields.vector(2)) : new Map<number, HandshakeFields>();
  if (fields.left > 0) throw failed('octets after the extensions');
  const versions = extensions.get(SUPPORTED_VERSIONS);
  const names = extensions.get(SERVER_NAME);
  return {
    legacyVersion,
    supportedVersions: versions === undefined ? undefined : versions.vector(1).numbers(2),
    cipherSuites,
    serverName: names === undefined ? undefined : hostName(names.vector(2)),
  };
}

function extensionsOf(fields: HandshakeFields): Map<number, HandshakeFields> {
  const extensions = new Map<number, HandshakeFields>();
  while (fields.left > 0) {
    const type = fields.number(2);
    // RFC 5246 §7.4.1.4: there must not be more than one extension of the same type.
    if (extensions.has(type)) throw failed(`the extension ${type} twice`);
    extensions.set(type, fields.vector(2));
  }
  return extensions;
}

function hostName(list: HandshakeFields): string | undefined {
  while (list.left > 0) {
    const type = list.number(1);
    const name = list.vector(2);
    if (type === 0) return name.take(name.left).toString('latin1').toLowerCase();
  }
  return undefined;
}

function foreign(type: number, first: boolean): RemoteProtocolError {
  if (type === ALERT) return failed('an alert instead of a ClientHello');
  // SSL 2.0 framing sets the highest bit of the first octet (RFC 5246 appendix E.2).
  if (first && (type & 0x80) !== 0) return failed('a ClientHello in SSL 2.0 framing');
  return first ? injected() : failed(`a record of type ${type} inside the ClientHello`);
}

function failed(what: string): RemoteProtocolError {
  return new RemoteProtocolError('TLS_FAILED', `the peer's TLS handshake is malformed: ${what}`);
}

// RFC 3080 §3.1.3: between `ready` and the handshake nothing else is sent. Anything else was injected.
function injected(): RemoteProtocolError {
  return new RemoteProtocolError('TLS_INJECTED', 'octets that are not a TLS handshake arrived where one had to begin');
}
