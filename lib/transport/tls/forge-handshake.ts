/**
 * TLS handshake by node-forge, up to the Finished messages: takes records and gives octets, and works around the faults of
 * the library. The caller decides whom to trust.
 *
 * node-forge does not receive the octets of the peer unchanged: it gets every handshake message in a record of its own
 * (it loses messages split over two), no warnings (it takes them for the end) and no private key (it would decipher
 * slowly and not in constant time; the premaster secret is put into its place). It must never resume sessions or
 * renegotiate.
 */
import { constants, generateKeyPairSync, type KeyObject, privateEncrypt } from 'node:crypto';
import forge from 'node-forge';
import { TransportError } from '../../errors.js';
import { binary, CLIENT_SUITES, installSuite, octets, recordCiphers } from './forge-suite.js';
import { premasterSecret } from './premaster.js';
import { ALERT, MessageJoiner, RECORD, recordOf, TlsFault } from './record.js';
import type { RecordOpener, RecordSealer } from './record-cipher.js';

/** Why a chain is not acceptable, and the alert that says so. */
export interface ChainRefusal {
  readonly alert: number;
  readonly reason: string;
}

/** The two suites of the drafts: with RSA key exchange, by node-forge, and with DHE and DSS. */
export type LegacySuite = 'TLS_RSA_WITH_3DES_EDE_CBC_SHA' | 'TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA';

export interface HandshakeOptions {
  readonly suite: LegacySuite;
  readonly role: 'server' | 'client';
  /** PEM, one certificate each, this side's own first; a server needs one. */
  readonly certificates: readonly string[];
  readonly key?: KeyObject;
  /** As a server. */
  readonly clientCertificate: 'none' | 'request' | 'require';
  /** As a client: the name to ask for. */
  readonly serverName?: string;
  /** As a client: the highest version to offer; TLS 1.1 unless told. */
  readonly maxVersion?: 'TLSv1' | 'TLSv1.1';
  /** Called with the peer's chain in DER before anything secret is sent. */
  verify(chain: readonly Buffer[]): ChainRefusal | undefined;
}

export interface HandshakeResult {
  readonly minor: number;
  readonly opener: RecordOpener;
  readonly sealer: RecordSealer;
  /** DER; empty when the peer showed none. */
  readonly chain: readonly Buffer[];
}

export interface HandshakeEvents {
  write(octets: Buffer): void;
  done(result: HandshakeResult): void;
  failed(error: Error): void;
}

const MESSAGE = { CLIENT_HELLO: 1, SERVER_HELLO: 2, CERTIFICATE: 11, CLIENT_KEY_EXCHANGE: 16 } as const;
/** An honest server warns once, of a name it does not know. */
const WARNINGS = 4;

/** node-forge resumes sessions wrongly, with a cache of its own and without any. */
const NO_SESSIONS = { cache: {}, order: [], getSession: () => null, setSession: () => {} };

let standIn: string | undefined;

/** The key node-forge is given to fail with: the smallest possible, used for nothing else. */
function standInKey(): string {
  standIn ??= generateKeyPairSync('rsa', { modulusLength: 512 })
    .privateKey.export({ type: 'pkcs1', format: 'pem' })
    .toString();
  return standIn;
}

export class ForgeHandshake {
  readonly #options: HandshakeOptions;
  readonly #events: HandshakeEvents;
  readonly #connection: forge.tls.Connection;
  readonly #joiner = new MessageJoiner();
  #chain: Buffer[] = [];
  #helloVersion = 0;
  /** After the peer's ChangeCipherSpec its records are protected. */
  #protected = false;
  #warnings = 0;
  #over = false;

  constructor(options: HandshakeOptions, events: HandshakeEvents) {
    installSuite();
    this.#options = options;
    this.#events = events;
    this.#connection = this.#create();
    if (options.maxVersion === 'TLSv1') this.#connection.version = { major: 3, minor: 1 };
  }

  #create(): forge.tls.Connection {
    const { role, certificates, clientCertificate, serverName } = this.#options;
    const connection = forge.tls.createConnection({
      server: role === 'server',
      // This stack never is the first choice: a server that can do better must say so (RFC 7507 §4).
      ...(role === 'client' ? { cipherSuites: CLIENT_SUITES } : {}),
      ...(serverName === undefined ? {} : { virtualHost: serverName }),
      ...(certificates.length === 0 ? {} : { getCertificate: () => certificates }),
      getPrivateKey: standInKey,
      getSignature: (tls, digests, callback) => callback(tls, this.#sign(octets(digests))),
      // The chain is verified once, when it is complete; node-forge's own verdict is ignored.
      verify: (_tls, _verified, depth) => (depth === 0 ? this.#verifyChain() : true),
      tlsDataReady: (tls) => this.#write(octets(tls.tlsData.getBytes())),
      connected: (tls) => this.#connected(tls),
      dataReady: () => {},
      closed: () =>
        this.#fail(new TransportError('TLS_FAILED', 'the peer closed the TLS session during its handshake')),
      // node-forge has told the peer already.
      error: (_tls, error) => this.#fail(new TlsFault(undefined, `the TLS handshake failed: ${error.message}`)),
    });
    // Declared narrower than they are: null for a session not found, 'optional' for a certificate not required.
    const verifyClient = { none: false, request: 'optional', require: true }[clientCertificate];
    return Object.assign(connection, { sessionCache: NO_SESSIONS, ...(role === 'server' ? { verifyClient } : {}) });
  }

  /** As a client: sends the ClientHello. */
  begin(): void {
    this.#connection.handshake();
  }

  /** Takes a record. False when it was the last of the handshake: what follows is not for here. */
  record(type: number, minor: number, fragment: Buffer): boolean {
    if (this.#over) return false;
    try {
      this.#take(type, minor, fragment);
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
    return !this.#over;
  }

  /** Ends it without a word. */
  abandon(): void {
    this.#over = true;
  }

  #take(type: number, minor: number, fragment: Buffer): void {
    if (this.#protected) {
      this.#feed(type, minor, fragment);
      return;
    }
    if (type === RECORD.HANDSHAKE) {
      this.#joiner.join(fragment, (message) => this.#message(minor, message));
      return;
    }
    if (this.#joiner.pending) throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, 'a record inside a handshake message');
    if (type === RECORD.ALERT) {
      this.#alert(fragment);
      return;
    }
    this.#feed(type, minor, fragment);
    this.#protected = type === RECORD.CHANGE_CIPHER_SPEC;
  }

  #message(minor: number, message: Buffer): boolean {
    const type = message[0];
    if (type === MESSAGE.CLIENT_HELLO || type === MESSAGE.SERVER_HELLO) this.#helloVersion = helloVersion(message);
    if (type === MESSAGE.CERTIFICATE) this.#chain = chainOf(message);
    const exchange = type === MESSAGE.CLIENT_KEY_EXCHANGE && this.#options.role === 'server';
    const secret = exchange ? this.#premaster(message) : undefined;
    this.#feed(RECORD.HANDSHAKE, minor, message);
    if (secret !== undefined && !this.#over) this.#replacePremaster(secret);
    return !this.#over;
  }

  #feed(type: number, minor: number, fragment: Buffer): void {
    this.#connection.process(binary(recordOf(type, minor, fragment)));
  }

  #premaster(message: Buffer): Buffer {
    const { key } = this.#options;
    if (key === undefined) throw new Error('a server without a key');
    return premasterSecret(message, key, this.#helloVersion);
  }

  /** node-forge has just put random octets there, having failed with the stand-in key; they are used only later. */
  #replacePremaster(secret: Buffer): void {
    const { session } = this.#connection;
    const parameters = session !== null && 'sp' in session ? session.sp : undefined;
    if (typeof parameters !== 'object' || parameters === null) throw new Error('node-forge keeps no parameters');
    Object.assign(parameters, { pre_master_secret: binary(secret) });
  }

  #sign(digests: Buffer): string {
    const { key } = this.#options;
    if (key === undefined) throw new Error('a client certificate without a key');
    // RFC 2246 §7.4.8: MD5 and SHA-1 together, PKCS #1 block type 1, no identifier.
    return binary(privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digests));
  }

  #verifyChain(): forge.tls.Verified {
    const refusal = this.#options.verify(this.#chain);
    return refusal === undefined ? true : { alert: refusal.alert, message: refusal.reason };
  }

  /** A plain alert. RFC 2246 §7.2: warnings need not end the handshake. */
  #alert(fragment: Buffer): void {
    const [level, description = 0] = fragment;
    if (fragment.length !== 2) throw new TlsFault(ALERT.DECODE_ERROR, 'an alert does not have 2 octets');
    if (description === ALERT.CLOSE_NOTIFY) {
      throw new TransportError('TLS_FAILED', 'the peer closed the TLS session during its handshake');
    }
    if (level === 1 && ++this.#warnings <= WARNINGS) return;
    throw peerAlert(description);
  }

  #connected(connection: forge.tls.Connection): void {
    const ciphers = recordCiphers(connection);
    this.#over = true;
    if (ciphers === undefined) this.#events.failed(new Error('node-forge keeps no cipher state'));
    else this.#events.done({ ...ciphers, minor: connection.version.minor, chain: this.#chain });
  }

  #write(data: Buffer): void {
    if (data.length > 0) this.#events.write(data);
  }

  #fail(error: Error): void {
    if (this.#over) return;
    this.#over = true;
    this.#events.failed(error);
  }
}

/** The error for an alert the peer sent. */
export function peerAlert(description: number): TlsFault {
  return new TlsFault(undefined, `the peer ended the TLS session with alert ${description}`, { alert: description });
}

function helloVersion(message: Buffer): number {
  if (message.length < 6) throw new TlsFault(ALERT.DECODE_ERROR, 'a hello that is cut short');
  const version = message.readUInt16BE(4);
  // node-forge would continue with SSL 3.0.
  if (version < 0x0301) throw new TlsFault(ALERT.PROTOCOL_VERSION, 'the peer offers no TLS version');
  return version;
}

/** RFC 2246 §7.4.2: lengths of three octets, for the list and for each certificate. */
export function chainOf(message: Buffer): Buffer[] {
  const chain: Buffer[] = [];
  const list = message.subarray(7);
  for (let at = 0; at < list.length; ) {
    if (at + 3 > list.length) throw new TlsFault(ALERT.DECODE_ERROR, 'the certificate list is truncated');
    const end = at + 3 + list.readUIntBE(at, 3);
    if (end > list.length) throw new TlsFault(ALERT.DECODE_ERROR, 'the certificate list is truncated');
    chain.push(list.subarray(at + 3, end));
    at = end;
  }
  return chain;
}
