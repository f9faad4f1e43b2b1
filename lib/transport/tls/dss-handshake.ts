/**
 * TLS handshake with TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA in TLS 1.0 and 1.1 (RFC 2246 §7.3, RFC 4346), which node-forge
 * does not have: the suite that message-service-00 §6.1 demands. node:crypto does all that is secret. The caller decides
 * whom to trust.
 */
import {
  constants,
  getDiffieHellman,
  type KeyObject,
  publicDecrypt,
  randomBytes,
  sign,
  timingSafeEqual,
  verify,
  X509Certificate,
} from 'node:crypto';
import { TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA, TLS_FALLBACK_SCSV } from './choice.js';
import { agreeWith, type DhParams } from './diffie-hellman.js';
import { HandshakeFields, vector } from './handshake-fields.js';
import {
  chainOf,
  type HandshakeEvents,
  type HandshakeOptions,
  helloVersion,
  LegacyHandshake,
  MESSAGE,
  rsaProof,
} from './legacy-handshake.js';
import { keysFrom, type LegacyKeys, transcriptDigests, verifyData } from './legacy-keys.js';
import { ALERT, RECORD, recordOf, TlsFault } from './record.js';

/** RFC 2246 §7.4.4: RSA and DSS keys sign. */
const CERTIFICATE_TYPES = Buffer.from([2, 1, 2]);
/** RFC 3526 §3: 2,048 bits. */
const GROUP = 'modp14';

export class DssHandshake extends LegacyHandshake {
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
  #theirs: DhParams | undefined;
  #keys: LegacyKeys | undefined;
  /** The peer protects what it sends. */
  #opening = false;
  /** This side protects what it sends. */
  #sealing = false;

  constructor(options: HandshakeOptions, events: HandshakeEvents) {
    super(options, events);
    this.#server = options.role === 'server';
    this.#expected = [this.#server ? MESSAGE.CLIENT_HELLO : MESSAGE.SERVER_HELLO];
    this.#minor = options.maxVersion === 'TLSv1' ? 1 : 2;
  }

  override begin(): void {
    const suites = Buffer.alloc(6);
    suites.writeUInt16BE(4, 0);
    suites.writeUInt16BE(TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA, 2);
    // This stack never is the first choice (RFC 7507 §4).
    suites.writeUInt16BE(TLS_FALLBACK_SCSV, 4);
    const { serverName } = this.options;
    const extensions = serverName === undefined ? Buffer.alloc(0) : vector(2, serverNameExtension(serverName));
    const head = [Buffer.from([3, this.#minor]), this.#random, Buffer.from([0]), suites, Buffer.from([1, 0])];
    this.#send(MESSAGE.CLIENT_HELLO, ...head, extensions);
  }

  protected override take(type: number, minor: number, fragment: Buffer): void {
    const content = this.#opening ? this.#keys?.opener.open(type, fragment) : fragment;
    if (content === undefined) throw new TlsFault(ALERT.BAD_RECORD_MAC, 'a TLS record was altered in transit');
    this.content(type, minor, content);
  }

  protected override other(type: number, _minor: number, content: Buffer): void {
    if (type !== RECORD.CHANGE_CIPHER_SPEC) {
      throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, `a TLS record of type ${type} in the handshake`);
    }
    if (content.length !== 1 || content[0] !== 1) {
      throw new TlsFault(ALERT.DECODE_ERROR, 'a ChangeCipherSpec that is not one octet of 1');
    }
    this.#changeCipherSpec();
  }

  protected override alertRecord(alert: Buffer): Buffer {
    const sealed = this.#sealing ? (this.#keys?.sealer.seal(RECORD.ALERT, alert) ?? alert) : alert;
    return recordOf(RECORD.ALERT, this.#minor, sealed);
  }

  #changeCipherSpec(): void {
    // RFC 2246 §7.1: after the keys are agreed on, and once.
    if (this.#opening || this.#keys === undefined || !this.#expected.includes(MESSAGE.FINISHED)) {
      throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, 'a ChangeCipherSpec out of its turn');
    }
    this.#opening = true;
  }

  protected override message(message: Buffer): void {
    const [type = 0] = message;
    const body = new HandshakeFields(message.subarray(4));
    if (!this.#expected.includes(type) || (type === MESSAGE.FINISHED) !== this.#opening) {
      throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, `a handshake message of type ${type} out of its turn`);
    }
    switch (type) {
      case MESSAGE.CLIENT_HELLO:
        this.#heard(message);
        this.#clientHello(helloVersion(message), body);
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
        this.#agree(this.#secretWith(body.opaque(2)));
        this.#expected = [this.#chain.length > 0 ? MESSAGE.CERTIFICATE_VERIFY : MESSAGE.FINISHED];
        break;
      case MESSAGE.CERTIFICATE_VERIFY:
        this.#certificateVerify(body.opaque(2));
        this.#expected = [MESSAGE.FINISHED];
        break;
      default:
        this.#finished(message);
        return;
    }
    this.#heard(message);
  }

  // ---- as a server

  #clientHello(version: number, body: HandshakeFields): void {
    this.#minor = Math.min(this.#minor, version - 0x0300);
    body.take(2);
    this.#peerRandom = body.take(32);
    body.opaque(1);
    if (!body.vector(2).numbers(2).includes(TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA)) {
      throw new TlsFault(ALERT.HANDSHAKE_FAILURE, 'the peer does not offer the suite');
    }
    const suite = Buffer.from([TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA >> 8, TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA & 0xff, 0]);
    this.#send(MESSAGE.SERVER_HELLO, Buffer.from([3, this.#minor]), this.#random, Buffer.from([0]), suite);
    this.#sendCertificates();
    const group = getDiffieHellman(GROUP);
    group.generateKeys();
    this.#own = group;
    const params = Buffer.concat(
      [group.getPrime(), group.getGenerator(), group.getPublicKey()].map((value) => vector(2, value)),
    );
    const signed = sign('sha1', Buffer.concat([this.#peerRandom, this.#random, params]), this.#key());
    this.#send(MESSAGE.SERVER_KEY_EXCHANGE, params, vector(2, signed));
    const asks = this.options.clientCertificate !== 'none';
    // RFC 2246 §7.4.4: any authority.
    if (asks) this.#send(MESSAGE.CERTIFICATE_REQUEST, CERTIFICATE_TYPES, Buffer.from([0, 0]));
    this.#send(MESSAGE.SERVER_HELLO_DONE);
    this.#expected = [asks ? MESSAGE.CERTIFICATE : MESSAGE.CLIENT_KEY_EXCHANGE];
  }

  /** The secret shared with the client. */
  #secretWith(value: Buffer): Buffer {
    const own = this.#own;
    if (own === undefined) throw new Error('no key exchange has begun');
    const text = 'a Diffie-Hellman value outside of the group';
    return reading(ALERT.ILLEGAL_PARAMETER, text, () => own.computeSecret(value));
  }

  #certificateVerify(signature: Buffer): void {
    const signed = Buffer.concat(this.#transcript);
    const { publicKey } = this.#leaf();
    if (!isProof(publicKey, signed, signature)) {
      throw new TlsFault(ALERT.DECRYPT_ERROR, 'the signature of the client is wrong');
    }
  }

  // ---- as a client

  #serverHello(body: HandshakeFields): void {
    const version = body.number(2);
    const minor = version - 0x0300;
    if (minor < 1 || minor > this.#minor) throw new TlsFault(ALERT.PROTOCOL_VERSION, 'the server has no such version');
    this.#minor = minor;
    this.#peerRandom = body.take(32);
    body.opaque(1);
    if (body.number(2) !== TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA || body.number(1) !== 0) {
      throw new TlsFault(ALERT.ILLEGAL_PARAMETER, 'the server chose what was not offered');
    }
    this.#expected = [MESSAGE.CERTIFICATE];
  }

  #serverKeyExchange(body: HandshakeFields): void {
    const params = { prime: body.opaque(2), generator: body.opaque(2), value: body.opaque(2) };
    const signature = body.opaque(2);
    const { publicKey } = this.#leaf();
    const signed = [this.#random, this.#peerRandom, ...Object.values(params).map((value) => vector(2, value))];
    if (publicKey.asymmetricKeyType !== 'dsa' || !verify('sha1', Buffer.concat(signed), publicKey, signature)) {
      throw new TlsFault(ALERT.DECRYPT_ERROR, 'the signature of the server is wrong');
    }
    this.#theirs = params;
    this.#expected = [MESSAGE.CERTIFICATE_REQUEST, MESSAGE.SERVER_HELLO_DONE];
  }

  #answer(): void {
    if (this.#theirs === undefined) throw new Error('no key exchange has begun');
    const { point, secret } = agreeWith(this.#theirs);
    const shows = this.#requested && this.options.key !== undefined && this.options.certificates.length > 0;
    if (this.#requested) this.#sendCertificates(shows);
    this.#send(MESSAGE.CLIENT_KEY_EXCHANGE, vector(2, point));
    this.#agree(secret);
    if (shows) this.#send(MESSAGE.CERTIFICATE_VERIFY, vector(2, this.#proof()));
    this.#sendFinished();
    this.#expected = [MESSAGE.FINISHED];
  }

  #proof(): Buffer {
    const signed = Buffer.concat(this.#transcript);
    const key = this.#key();
    if (key.asymmetricKeyType === 'dsa') return sign('sha1', signed, key);
    return rsaProof(key, transcriptDigests(signed));
  }

  // ---- both

  #certificate(message: Buffer): void {
    this.#chain = chainOf(message);
    const refusal =
      this.#chain.length === 0 && this.#server && this.options.clientCertificate !== 'require'
        ? undefined
        : this.options.verify(this.#chain);
    if (refusal !== undefined) throw new TlsFault(refusal.alert, refusal.reason);
    this.#expected = [this.#server ? MESSAGE.CLIENT_KEY_EXCHANGE : MESSAGE.SERVER_KEY_EXCHANGE];
  }

  #leaf(): X509Certificate {
    const [leaf] = this.#chain;
    if (leaf === undefined) throw new TlsFault(ALERT.BAD_CERTIFICATE, 'the peer has no certificate');
    return reading(
      ALERT.BAD_CERTIFICATE,
      'the certificate of the peer cannot be read',
      () => new X509Certificate(leaf),
    );
  }

  #key(): KeyObject {
    const { key } = this.options;
    if (key === undefined) throw new Error('a certificate without a key');
    return key;
  }

  /** RFC 2246 §8.1.2: leading zeros of the secret do not count. */
  #agree(secret: Buffer): void {
    const first = secret.findIndex((octet) => octet !== 0);
    const { role } = this.options;
    const [clientRandom, serverRandom] = this.#server
      ? [this.#peerRandom, this.#random]
      : [this.#random, this.#peerRandom];
    const counting = secret.subarray(Math.max(first, 0));
    this.#keys = keysFrom({ role, minor: this.#minor, secret: counting, clientRandom, serverRandom });
  }

  #agreed(): LegacyKeys {
    if (this.#keys === undefined) throw new Error('no keys were agreed on');
    return this.#keys;
  }

  #finished(message: Buffer): void {
    const { opener, sealer, master } = this.#agreed();
    const expected = verifyData(master, this.#server ? 'client' : 'server', Buffer.concat(this.#transcript));
    if (!equal(message.subarray(4), expected)) throw new TlsFault(ALERT.DECRYPT_ERROR, 'the Finished message is wrong');
    this.#heard(message);
    if (this.#server) this.#sendFinished();
    this.done({ opener, sealer, minor: this.#minor, chain: this.#chain });
  }

  #sendFinished(): void {
    const { sealer, master } = this.#agreed();
    const data = verifyData(master, this.options.role, Buffer.concat(this.#transcript));
    this.events.write(recordOf(RECORD.CHANGE_CIPHER_SPEC, this.#minor, Buffer.from([1])));
    this.#sealing = true;
    const message = Buffer.concat([Buffer.from([MESSAGE.FINISHED]), vector(3, data)]);
    this.#heard(message);
    this.events.write(recordOf(RECORD.HANDSHAKE, this.#minor, sealer.seal(RECORD.HANDSHAKE, message)));
  }

  #sendCertificates(shown = true): void {
    const pems = shown ? this.options.certificates : [];
    const chain = pems.map((pem) => vector(3, new X509Certificate(pem).raw));
    this.#send(MESSAGE.CERTIFICATE, vector(3, Buffer.concat(chain)));
  }

  #send(type: number, ...parts: readonly Buffer[]): void {
    const message = Buffer.concat([Buffer.from([type]), vector(3, Buffer.concat(parts))]);
    this.#heard(message);
    this.events.write(recordOf(RECORD.HANDSHAKE, this.#minor, message));
  }

  /** What both have said, which the Finished messages prove. */
  #heard(message: Buffer): void {
    this.#transcript.push(message);
  }
}

/** Runs what node:crypto does with octets of the peer. @throws TlsFault with this alert when it throws */
function reading<T>(alert: number, text: string, read: () => T): T {
  try {
    return read();
  } catch (cause) {
    throw new TlsFault(alert, text, {}, cause);
  }
}

/** RFC 2246 §7.4.8: whether a client has the key of its certificate. Keys of other types were not asked for. */
function isProof(key: KeyObject, signed: Buffer, signature: Buffer): boolean {
  if (key.asymmetricKeyType === 'dsa') return verify('sha1', signed, key, signature);
  if (key.asymmetricKeyType !== 'rsa') return false;
  const digests = reading(ALERT.DECRYPT_ERROR, 'the signature of the client is wrong', () =>
    publicDecrypt({ key, padding: constants.RSA_PKCS1_PADDING }, signature),
  );
  return equal(digests, transcriptDigests(signed));
}

/** RFC 6066 §3. */
function serverNameExtension(name: string): Buffer {
  const entry = Buffer.concat([Buffer.from([0]), vector(2, Buffer.from(name, 'latin1'))]);
  return Buffer.concat([Buffer.from([0, 0]), vector(2, vector(2, entry))]);
}

function equal(one: Buffer, other: Buffer): boolean {
  return one.length === other.length && timingSafeEqual(one, other);
}
