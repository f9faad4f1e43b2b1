/**
 * TLS handshake with TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA in TLS 1.0 and 1.1 (RFC 2246 §7.3, RFC 4346), which node-forge
 * does not have: the suite that message-service-00 §6.1 demands. node:crypto does all that is secret. The caller decides
 * whom to trust.
 */
import {
  constants,
  createDiffieHellman,
  createHash,
  createHmac,
  getDiffieHellman,
  type KeyObject,
  privateEncrypt,
  publicDecrypt,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
  X509Certificate,
} from 'node:crypto';
import { TransportError } from '../../errors.js';
import { TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA, TLS_FALLBACK_SCSV } from './choice.js';
import { chainOf, type HandshakeEvents, type HandshakeOptions, peerAlert } from './forge-handshake.js';
import { ALERT, MessageJoiner, RECORD, recordOf, TlsFault } from './record.js';
import { RecordOpener, RecordSealer } from './record-cipher.js';

const MESSAGE = {
  CLIENT_HELLO: 1,
  SERVER_HELLO: 2,
  CERTIFICATE: 11,
  SERVER_KEY_EXCHANGE: 12,
  CERTIFICATE_REQUEST: 13,
  SERVER_HELLO_DONE: 14,
  CERTIFICATE_VERIFY: 15,
  CLIENT_KEY_EXCHANGE: 16,
  FINISHED: 20,
} as const;

/** RFC 2246 §7.4.4: RSA and DSS keys sign. */
const CERTIFICATE_TYPES = Buffer.from([2, 1, 2]);
/** RFC 3526 §3: 2,048 bits. */
const GROUP = 'modp14';
/** Smaller groups protect nothing, larger ones take too long; in octets. */
const [SMALLEST_PRIME, LARGEST_PRIME] = [128, 1024];
const FINISHED_OCTETS = 12;
/** An honest peer warns once, of a name it does not know. */
const WARNINGS = 4;

interface Keys {
  readonly opener: RecordOpener;
  readonly sealer: RecordSealer;
}

export class DssHandshake {
  readonly #options: HandshakeOptions;
  readonly #events: HandshakeEvents;
  readonly #joiner = new MessageJoiner();
  readonly #random = randomBytes(32);
  readonly #server: boolean;
  #peerRandom: Buffer = Buffer.alloc(0);
  #transcript: Buffer[] = [];
  /** Messages that may come now. */
  #expected: readonly number[];
  #minor: number;
  #chain: readonly Buffer[] = [];
  #requested = false;
  /** The key exchange of this side, as a server. */
  #own: { computeSecret(key: Buffer): Buffer } | undefined;
  /** Prime, generator and public value of the server. */
  #theirs: readonly Buffer[] = [];
  #master: Buffer = Buffer.alloc(0);
  #keys: Keys | undefined;
  #protected = false;
  #warnings = 0;
  #over = false;

  constructor(options: HandshakeOptions, events: HandshakeEvents) {
    this.#options = options;
    this.#events = events;
    this.#server = options.role === 'server';
    this.#expected = [this.#server ? MESSAGE.CLIENT_HELLO : MESSAGE.SERVER_HELLO];
    this.#minor = options.maxVersion === 'TLSv1' ? 1 : 2;
  }

  begin(): void {
    const suites = Buffer.alloc(6);
    suites.writeUInt16BE(4, 0);
    suites.writeUInt16BE(TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA, 2);
    // This stack never is the first choice (RFC 7507 §4).
    suites.writeUInt16BE(TLS_FALLBACK_SCSV, 4);
    const { serverName } = this.#options;
    const extensions = serverName === undefined ? Buffer.alloc(0) : counted(2, serverNameExtension(serverName));
    const head = [Buffer.from([3, this.#minor]), this.#random, Buffer.from([0]), suites, Buffer.from([1, 0])];
    this.#send(MESSAGE.CLIENT_HELLO, ...head, extensions);
  }

  abandon(): void {
    this.#over = true;
  }

  record(type: number, _minor: number, fragment: Buffer): boolean {
    if (this.#over) return false;
    try {
      this.#take(type, fragment);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    return !this.#over;
  }

  #take(type: number, fragment: Buffer): void {
    const content = this.#protected ? this.#keys?.opener.open(type, fragment) : fragment;
    if (content === undefined) throw new TlsFault(ALERT.BAD_RECORD_MAC, 'a TLS record was altered in transit');
    if (type === RECORD.HANDSHAKE) {
      this.#joiner.join(content, (message) => {
        // A view into a chunk that is not kept.
        this.#message(Buffer.from(message));
        return !this.#over;
      });
      return;
    }
    if (this.#joiner.pending) throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, 'a record inside a handshake message');
    if (type === RECORD.ALERT) this.#alert(content);
    else if (type === RECORD.CHANGE_CIPHER_SPEC) this.#changeCipherSpec();
    else throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, `a TLS record of type ${type} in the handshake`);
  }

  #alert(content: Buffer): void {
    const [level, description = 0] = content;
    if (content.length !== 2) throw new TlsFault(ALERT.DECODE_ERROR, 'an alert does not have 2 octets');
    if (description === ALERT.CLOSE_NOTIFY) {
      throw new TransportError('TLS_FAILED', 'the peer closed the TLS session during its handshake');
    }
    if (level !== 1 || ++this.#warnings > WARNINGS) throw peerAlert(description);
  }

  #changeCipherSpec(): void {
    // RFC 2246 §7.1: after the keys are agreed on, and once.
    if (this.#protected || this.#keys === undefined || !this.#expected.includes(MESSAGE.FINISHED)) {
      throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, 'a ChangeCipherSpec out of its turn');
    }
    this.#protected = true;
  }

  #message(message: Buffer): void {
    const [type = 0] = message;
    const body = new Reader(message.subarray(4));
    if (!this.#expected.includes(type) || (type === MESSAGE.FINISHED) !== this.#protected) {
      throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, `a handshake message of type ${type} out of its turn`);
    }
    switch (type) {
      case MESSAGE.CLIENT_HELLO:
        this.#heard(message);
        this.#clientHello(body);
        return;
      case MESSAGE.SERVER_HELLO:
        this.#serverHello(body);
        break;
      case MESSAGE.CERTIFICATE:
        this.#certificate(message);
        break;
      case MESSAGE.SERVER_KEY_EXCHANGE:
        this.#serverKeyExchange(body);
        break;
      case MESSAGE.CERTIFICATE_REQUEST:
        this.#requested = true;
        this.#expected = [MESSAGE.SERVER_HELLO_DONE];
        break;
      case MESSAGE.SERVER_HELLO_DONE:
        this.#heard(message);
        this.#answer();
        return;
      case MESSAGE.CLIENT_KEY_EXCHANGE:
        this.#agree(this.#own?.computeSecret(body.counted(2)));
        this.#expected = [this.#chain.length > 0 ? MESSAGE.CERTIFICATE_VERIFY : MESSAGE.FINISHED];
        break;
      case MESSAGE.CERTIFICATE_VERIFY:
        this.#certificateVerify(body.counted(2));
        this.#expected = [MESSAGE.FINISHED];
        break;
      default:
        this.#finished(message);
        return;
    }
    this.#heard(message);
  }

  // ---- as a server

  #clientHello(body: Reader): void {
    const version = body.number(2);
    if (version < 0x0301) throw new TlsFault(ALERT.PROTOCOL_VERSION, 'the peer offers no TLS version');
    this.#minor = Math.min(this.#minor, version - 0x0300);
    this.#peerRandom = body.octets(32);
    body.counted(1);
    const suites = body.counted(2);
    const offered = Array.from({ length: suites.length >> 1 }, (_, at) => suites.readUInt16BE(2 * at));
    if (!offered.includes(TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA)) {
      throw new TlsFault(ALERT.HANDSHAKE_FAILURE, 'the peer does not offer the suite');
    }
    const suite = Buffer.from([TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA >> 8, TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA & 0xff, 0]);
    this.#send(MESSAGE.SERVER_HELLO, Buffer.from([3, this.#minor]), this.#random, Buffer.from([0]), suite);
    this.#sendCertificates();
    const group = getDiffieHellman(GROUP);
    group.generateKeys();
    this.#own = group;
    const params = Buffer.concat(
      [group.getPrime(), group.getGenerator(), group.getPublicKey()].map((value) => counted(2, value)),
    );
    const signed = sign('sha1', Buffer.concat([this.#peerRandom, this.#random, params]), this.#key());
    this.#send(MESSAGE.SERVER_KEY_EXCHANGE, params, counted(2, signed));
    const asks = this.#options.clientCertificate !== 'none';
    // RFC 2246 §7.4.4: any authority.
    if (asks) this.#send(MESSAGE.CERTIFICATE_REQUEST, CERTIFICATE_TYPES, Buffer.from([0, 0]));
    this.#send(MESSAGE.SERVER_HELLO_DONE);
    this.#expected = [asks ? MESSAGE.CERTIFICATE : MESSAGE.CLIENT_KEY_EXCHANGE];
  }

  #certificateVerify(signature: Buffer): void {
    const signed = Buffer.concat(this.#transcript);
    const { publicKey } = this.#leaf();
    const digests = Buffer.concat([hash('md5', signed), hash('sha1', signed)]);
    const good =
      publicKey.asymmetricKeyType === 'rsa'
        ? equal(publicDecrypt({ key: publicKey, padding: constants.RSA_PKCS1_PADDING }, signature), digests)
        : verify('sha1', signed, publicKey, signature);
    if (!good) throw new TlsFault(ALERT.DECRYPT_ERROR, 'the signature of the client is wrong');
  }

  // ---- as a client

  #serverHello(body: Reader): void {
    const version = body.number(2);
    const minor = version - 0x0300;
    if (minor < 1 || minor > this.#minor) throw new TlsFault(ALERT.PROTOCOL_VERSION, 'the server has no such version');
    this.#minor = minor;
    this.#peerRandom = body.octets(32);
    body.counted(1);
    if (body.number(2) !== TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA || body.number(1) !== 0) {
      throw new TlsFault(ALERT.ILLEGAL_PARAMETER, 'the server chose what was not offered');
    }
    this.#expected = [MESSAGE.CERTIFICATE];
  }

  #serverKeyExchange(body: Reader): void {
    const params = [body.counted(2), body.counted(2), body.counted(2)];
    const signature = body.counted(2);
    const { publicKey } = this.#leaf();
    const signed = Buffer.concat([this.#random, this.#peerRandom, ...params.map((value) => counted(2, value))]);
    if (publicKey.asymmetricKeyType !== 'dsa' || !verify('sha1', signed, publicKey, signature)) {
      throw new TlsFault(ALERT.DECRYPT_ERROR, 'the signature of the server is wrong');
    }
    const [prime = Buffer.alloc(0)] = params;
    if (prime.length < SMALLEST_PRIME || prime.length > LARGEST_PRIME) {
      throw new TlsFault(ALERT.ILLEGAL_PARAMETER, `a Diffie-Hellman group of ${prime.length * 8} bits`);
    }
    this.#theirs = params;
    this.#expected = [MESSAGE.CERTIFICATE_REQUEST, MESSAGE.SERVER_HELLO_DONE];
  }

  #answer(): void {
    const [prime = Buffer.alloc(0), generator = Buffer.alloc(0), value = Buffer.alloc(0)] = this.#theirs;
    const own = createDiffieHellman(prime, generator);
    const shows = this.#requested && this.#options.key !== undefined && this.#options.certificates.length > 0;
    if (this.#requested) this.#sendCertificates(shows);
    const point = own.generateKeys();
    this.#send(MESSAGE.CLIENT_KEY_EXCHANGE, counted(2, point));
    this.#agree(own.computeSecret(value));
    if (shows) this.#send(MESSAGE.CERTIFICATE_VERIFY, counted(2, this.#proof()));
    this.#sendFinished();
    this.#expected = [MESSAGE.FINISHED];
  }

  #proof(): Buffer {
    const signed = Buffer.concat(this.#transcript);
    const key = this.#key();
    if (key.asymmetricKeyType === 'dsa') return sign('sha1', signed, key);
    // RFC 2246 §7.4.8: MD5 and SHA-1 together, PKCS #1 block type 1, no identifier.
    const digests = Buffer.concat([hash('md5', signed), hash('sha1', signed)]);
    return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digests);
  }

  // ---- both

  #certificate(message: Buffer): void {
    this.#chain = chainOf(message);
    const refusal =
      this.#chain.length === 0 && this.#server && this.#options.clientCertificate !== 'require'
        ? undefined
        : this.#options.verify(this.#chain);
    if (refusal !== undefined) throw new TlsFault(refusal.alert, refusal.reason);
    this.#expected = [this.#server ? MESSAGE.CLIENT_KEY_EXCHANGE : MESSAGE.SERVER_KEY_EXCHANGE];
  }

  #leaf(): X509Certificate {
    const [leaf] = this.#chain;
    if (leaf === undefined) throw new TlsFault(ALERT.BAD_CERTIFICATE, 'the peer has no certificate');
    return new X509Certificate(leaf);
  }

  #key(): KeyObject {
    const { key } = this.#options;
    if (key === undefined) throw new Error('a certificate without a key');
    return key;
  }

  /** RFC 2246 §8.1.2: leading zeros of the secret do not count. */
  #agree(secret: Buffer | undefined): void {
    if (secret === undefined) throw new Error('no key exchange has begun');
    const first = secret.findIndex((octet) => octet !== 0);
    const [client, server] = this.#server ? [this.#peerRandom, this.#random] : [this.#random, this.#peerRandom];
    this.#master = prf(secret.subarray(Math.max(first, 0)), 'master secret', [client, server], 48);
    const block = new Reader(prf(this.#master, 'key expansion', [server, client], 104));
    const [clientMac, serverMac, clientKey, serverKey] = [20, 20, 24, 24].map((length) => block.octets(length));
    const [clientIv, serverIv] = [block.octets(8), block.octets(8)];
    const side = (macKey: Buffer | undefined, key: Buffer | undefined, iv: Buffer) => {
      if (macKey === undefined || key === undefined) throw new Error('the key block is too short');
      // Only TLS 1.0 takes the vector from the key material.
      return { minor: this.#minor, macKey, key, ...(this.#minor === 1 ? { iv } : {}) };
    };
    const [ofClient, ofServer] = [side(clientMac, clientKey, clientIv), side(serverMac, serverKey, serverIv)];
    this.#keys = {
      opener: new RecordOpener(this.#server ? ofClient : ofServer),
      sealer: new RecordSealer(this.#server ? ofServer : ofClient),
    };
  }

  #finished(message: Buffer): void {
    const expected = this.#verifyData(this.#server ? 'client finished' : 'server finished');
    if (!equal(message.subarray(4), expected)) throw new TlsFault(ALERT.DECRYPT_ERROR, 'the Finished message is wrong');
    this.#heard(message);
    if (this.#server) this.#sendFinished();
    const { opener, sealer } = this.#keys ?? {};
    if (opener === undefined || sealer === undefined) throw new Error('no keys were agreed on');
    this.#over = true;
    this.#events.done({ opener, sealer, minor: this.#minor, chain: this.#chain });
  }

  #sendFinished(): void {
    const data = this.#verifyData(this.#server ? 'server finished' : 'client finished');
    this.#events.write(recordOf(RECORD.CHANGE_CIPHER_SPEC, this.#minor, Buffer.from([1])));
    const message = Buffer.concat([Buffer.from([MESSAGE.FINISHED]), counted(3, data)]);
    this.#heard(message);
    const sealed = this.#keys?.sealer.seal(RECORD.HANDSHAKE, message) ?? message;
    this.#events.write(recordOf(RECORD.HANDSHAKE, this.#minor, sealed));
  }

  #verifyData(label: string): Buffer {
    const said = Buffer.concat(this.#transcript);
    return prf(this.#master, label, [hash('md5', said), hash('sha1', said)], FINISHED_OCTETS);
  }

  #sendCertificates(shown = true): void {
    const pems = shown ? this.#options.certificates : [];
    const chain = pems.map((pem) => counted(3, new X509Certificate(pem).raw));
    this.#send(MESSAGE.CERTIFICATE, counted(3, Buffer.concat(chain)));
  }

  #send(type: number, ...parts: readonly Buffer[]): void {
    const message = Buffer.concat([Buffer.from([type]), counted(3, Buffer.concat(parts))]);
    this.#heard(message);
    this.#events.write(recordOf(RECORD.HANDSHAKE, this.#minor, message));
  }

  /** What both have said, which the Finished messages prove. */
  #heard(message: Buffer): void {
    this.#transcript.push(message);
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    if (error instanceof TlsFault && error.alert !== undefined) {
      const alert = Buffer.from([2, error.alert]);
      const sealed = this.#protected ? (this.#keys?.sealer.seal(RECORD.ALERT, alert) ?? alert) : alert;
      this.#events.write(recordOf(RECORD.ALERT, this.#minor, sealed));
    }
    this.#events.failed(error);
  }
}

/** Reads fields of handshake messages. */
class Reader {
  readonly #octets: Buffer;
  #at = 0;

  constructor(octets: Buffer) {
    this.#octets = octets;
  }

  octets(length: number): Buffer {
    const found = this.#octets.subarray(this.#at, this.#at + length);
    if (found.length < length) throw new TlsFault(ALERT.DECODE_ERROR, 'a handshake message that is cut short');
    this.#at += length;
    return found;
  }

  number(length: number): number {
    return this.octets(length).readUIntBE(0, length);
  }

  counted(length: number): Buffer {
    return this.octets(this.number(length));
  }
}

function counted(length: number, octets: Buffer): Buffer {
  const head = Buffer.alloc(length);
  head.writeUIntBE(octets.length, 0, length);
  return Buffer.concat([head, octets]);
}

/** RFC 6066 §3. */
function serverNameExtension(name: string): Buffer {
  const entry = Buffer.concat([Buffer.from([0]), counted(2, Buffer.from(name, 'latin1'))]);
  return Buffer.concat([Buffer.from([0, 0]), counted(2, counted(2, entry))]);
}

function hash(digest: 'md5' | 'sha1', octets: Buffer): Buffer {
  return createHash(digest).update(octets).digest();
}

function equal(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}

/** RFC 2246 §5: MD5 with one half of the secret, SHA-1 with the other, which share the middle octet. */
function prf(secret: Buffer, label: string, seeds: readonly Buffer[], length: number): Buffer {
  const half = Math.ceil(secret.length / 2);
  const seed = Buffer.concat([Buffer.from(label), ...seeds]);
  const one = expanded('md5', secret.subarray(0, half), seed, length);
  const other = expanded('sha1', secret.subarray(secret.length - half), seed, length);
  return Buffer.from(one.map((octet, at) => octet ^ (other[at] ?? 0)));
}

function expanded(digest: 'md5' | 'sha1', secret: Buffer, seed: Buffer, length: number): Buffer {
  const blocks: Buffer[] = [];
  let [a, have] = [seed, 0];
  while (have < length) {
    a = createHmac(digest, secret).update(a).digest();
    const block = createHmac(digest, secret).update(a).update(seed).digest();
    blocks.push(block);
    have += block.length;
  }
  return Buffer.concat(blocks).subarray(0, length);
}
