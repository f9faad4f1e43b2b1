/**
 * TLS handshake by node-forge, up to the Finished messages: takes records and gives octets, and works around the faults of
 * the library. The caller decides whom to trust.
 *
 * node-forge does not receive the octets of the peer unchanged: it gets every handshake message in a record of its own
 * (it loses messages split over two), no warnings (it takes them for the end) and no private key (it would decipher
 * slowly and not in constant time; the premaster secret is put into its place). It must never resume sessions or
 * renegotiate.
 */
import { generateKeyPairSync } from 'node:crypto';
import type Forge from 'node-forge';
import { forge } from './forge-library.js';
import { binary, CLIENT_SUITES, installSuite, octets, recordCiphers } from './forge-suite.js';
import {
  chainOf,
  closedInHandshake,
  type HandshakeEvents,
  type HandshakeOptions,
  helloVersion,
  LegacyHandshake,
  MESSAGE,
  rsaProof,
} from './legacy-handshake.js';
import { premasterSecret } from './premaster.js';
import { RECORD, recordOf, TlsFault } from './record.js';

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

export class ForgeHandshake extends LegacyHandshake {
  readonly #connection: Forge.tls.Connection;
  #chain: Buffer[] = [];
  #helloVersion = 0;
  /** After the peer's ChangeCipherSpec its records are protected. */
  #protected = false;

  constructor(options: HandshakeOptions, events: HandshakeEvents) {
    super(options, events);
    installSuite();
    this.#connection = this.#create();
    if (options.maxVersion === 'TLSv1') this.#connection.version = { major: 3, minor: 1 };
  }

  #create(): Forge.tls.Connection {
    const { role, certificates, clientCertificate, serverName } = this.options;
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
      closed: () => this.fail(closedInHandshake()),
      // node-forge has told the peer already.
      error: (_tls, error) => this.fail(new TlsFault(undefined, `the TLS handshake failed: ${error.message}`)),
    });
    // Declared narrower than they are: null for a session not found, 'optional' for a certificate not required.
    const verifyClient = { none: false, request: 'optional', require: true }[clientCertificate];
    return Object.assign(connection, { sessionCache: NO_SESSIONS, ...(role === 'server' ? { verifyClient } : {}) });
  }

  override begin(): void {
    this.#connection.handshake();
  }

  protected override take(type: number, minor: number, fragment: Buffer): void {
    if (this.#protected) this.#feed(type, minor, fragment);
    else this.content(type, minor, fragment);
  }

  protected override other(type: number, minor: number, fragment: Buffer): void {
    this.#feed(type, minor, fragment);
    this.#protected = type === RECORD.CHANGE_CIPHER_SPEC;
  }

  protected override message(message: Buffer, minor: number): void {
    const type = message[0];
    if (type === MESSAGE.CLIENT_HELLO || type === MESSAGE.SERVER_HELLO) this.#helloVersion = helloVersion(message);
    if (type === MESSAGE.CERTIFICATE) this.#chain = chainOf(message);
    const exchange = type === MESSAGE.CLIENT_KEY_EXCHANGE && this.options.role === 'server';
    const secret = exchange ? this.#premaster(message) : undefined;
    this.#feed(RECORD.HANDSHAKE, minor, message);
    if (secret !== undefined && !this.over) this.#replacePremaster(secret);
  }

  #feed(type: number, minor: number, fragment: Buffer): void {
    this.#connection.process(binary(recordOf(type, minor, fragment)));
  }

  #premaster(message: Buffer): Buffer {
    const { key } = this.options;
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
    const { key } = this.options;
    if (key === undefined) throw new Error('a client certificate without a key');
    return binary(rsaProof(key, digests));
  }

  #verifyChain(): Forge.tls.Verified {
    const refusal = this.options.verify(this.#chain);
    return refusal === undefined ? true : { alert: refusal.alert, message: refusal.reason };
  }

  #connected(connection: Forge.tls.Connection): void {
    const ciphers = recordCiphers(connection);
    if (ciphers === undefined) this.fail(new Error('node-forge keeps no cipher state'));
    else this.done({ ...ciphers, minor: connection.version.minor, chain: this.#chain });
  }

  #write(data: Buffer): void {
    if (data.length > 0) this.events.write(data);
  }
}
