/**
 * What both handshakes of TLS 1.0 and 1.1 have in common: joins messages from records, reads alerts, and ends with one
 * result or one error. The caller decides whom to trust.
 */
import { constants, type KeyObject, privateEncrypt } from 'node:crypto';
import { ImxpError, TransportError } from '../../errors.js';
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
  /** The peer has been told. */
  failed(error: ImxpError): void;
}

/** Types of handshake messages (RFC 2246 §7.4). */
export const MESSAGE = {
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

/** An honest peer warns once, of a name it does not know. */
const WARNINGS = 4;

export abstract class LegacyHandshake {
  protected readonly options: HandshakeOptions;
  protected readonly events: HandshakeEvents;
  protected over = false;
  readonly #joiner = new MessageJoiner();
  #warnings = 0;

  constructor(options: HandshakeOptions, events: HandshakeEvents) {
    this.options = options;
    this.events = events;
  }

  /** As a client: sends the ClientHello. */
  abstract begin(): void;

  /** Takes a record. False when it was the last of the handshake: what follows is not for here. */
  record(type: number, minor: number, fragment: Buffer): boolean {
    if (this.over) return false;
    try {
      this.take(type, minor, fragment);
    } catch (error) {
      this.fail(error);
    }
    return !this.over;
  }

  /** Ends it without a word. */
  abandon(): void {
    this.over = true;
  }

  /** Ends it with an error; tells the peer first when the fault is the peer's. */
  fail(error: unknown): void {
    if (this.over) return;
    this.over = true;
    const fault = faultOf(error);
    if (fault instanceof TlsFault && fault.alert !== undefined) {
      this.events.write(this.alertRecord(Buffer.from([2, fault.alert])));
    }
    this.events.failed(fault);
  }

  /** Takes a record as it came. */
  protected abstract take(type: number, minor: number, fragment: Buffer): void;

  /** Takes one whole handshake message, header included. */
  protected abstract message(message: Buffer, minor: number): void;

  /** Takes the content of a record that has neither handshake messages nor an alert. */
  protected abstract other(type: number, minor: number, content: Buffer): void;

  /** The record for an alert, protected once this side protects what it sends. */
  protected alertRecord(alert: Buffer): Buffer {
    return recordOf(RECORD.ALERT, 1, alert);
  }

  /** Takes the content of a record. */
  protected content(type: number, minor: number, content: Buffer): void {
    if (type === RECORD.HANDSHAKE) {
      this.#joiner.join(content, (message) => {
        this.message(message, minor);
        return !this.over;
      });
      return;
    }
    if (this.#joiner.pending) throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, 'a record inside a handshake message');
    if (type === RECORD.ALERT) this.#alert(content);
    else this.other(type, minor, content);
  }

  protected done(result: HandshakeResult): void {
    this.over = true;
    this.events.done(result);
  }

  /** RFC 2246 §7.2: warnings need not end the handshake. */
  #alert(content: Buffer): void {
    const [level, description = 0] = content;
    if (content.length !== 2) throw new TlsFault(ALERT.DECODE_ERROR, 'an alert does not have 2 octets');
    if (description === ALERT.CLOSE_NOTIFY) throw closedInHandshake();
    if (level === 1 && ++this.#warnings <= WARNINGS) return;
    throw peerAlert(description);
  }
}

/** Libraries underneath throw errors of their own when a peer sends them nonsense. */
function faultOf(error: unknown): ImxpError {
  if (error instanceof ImxpError) return error;
  const text = error instanceof Error ? error.message : String(error);
  return new TlsFault(ALERT.HANDSHAKE_FAILURE, `the TLS handshake failed: ${text}`, {}, error);
}

export function closedInHandshake(): TransportError {
  return new TransportError('TLS_FAILED', 'the peer closed the TLS session during its handshake');
}

/** The error for an alert the peer sent. */
export function peerAlert(description: number): TlsFault {
  return new TlsFault(undefined, `the peer ended the TLS session with alert ${description}`, { alert: description });
}

/** The version that a hello names. @throws TlsFault protocol_version for SSL */
export function helloVersion(message: Buffer): number {
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

/** RFC 2246 §7.4.8: MD5 and SHA-1 together, PKCS #1 block type 1, no identifier. */
export function rsaProof(key: KeyObject, digests: Buffer): Buffer {
  return privateEncrypt({ key, padding: constants.RSA_PKCS1_PADDING }, digests);
}
