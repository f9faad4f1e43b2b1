/**
 * TLS 1.0 and 1.1 with 3DES (TLS_RSA_WITH_3DES_EDE_CBC_SHA, TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA) over a stream that is
 * already there, for peers of the year 2000 (message-service-01 §6.1, D-TLS-01). `choice.ts` and the configuration decide when such peers are allowed.
 *
 * node-forge is used for the handshake alone: afterwards node:crypto opens and seals the records.
 */
import { Duplex } from 'node:stream';
import { LocalError, TransportError } from '../../errors.js';
import { DssHandshake } from './dss-handshake.js';
import { ForgeHandshake } from './forge-handshake.js';
import {
  type HandshakeOptions,
  type HandshakeResult,
  type LegacyHandshake,
  type LegacySuite,
  peerAlert,
} from './legacy-handshake.js';
import { ALERT, RECORD, RECORD_OCTETS, RecordReader, recordOf, TlsFault } from './record.js';
import type { RecordOpener, RecordSealer } from './record-cipher.js';

/** Records without content are a countermeasure of some peers, one before each write; more at a time are an attack. */
const EMPTY_RECORDS = 32;

const PROTOCOLS: Readonly<Record<number, string>> = { 1: 'TLSv1', 2: 'TLSv1.1' };

/**
 * A TLS stream over any Duplex. Emits `secure` when the handshake is done; before that nothing may be written. Errors:
 * RemoteProtocolError TLS_FAILED (the peer's alerts and faults), TransportError CONNECTION_LOST when the transport ends
 * without close_notify: an attacker may have truncated the data (RFC 2246 §7.2.1).
 */
export class ForgeTlsStream extends Duplex {
  readonly #transport: Duplex;
  readonly #reader = new RecordReader();
  readonly #handshake: LegacyHandshake;
  readonly cipher: LegacySuite;
  #opener: RecordOpener | undefined;
  #sealer: RecordSealer | undefined;
  #chain: readonly Buffer[] = [];
  #emptyRecords = 0;
  /** The peer said close_notify. */
  #ended = false;

  constructor(transport: Duplex, options: HandshakeOptions) {
    // RFC 2246 §7.2.1: who receives close_notify answers with one and closes; there is no half-open TLS session.
    super({ allowHalfOpen: false });
    this.#transport = transport;
    this.cipher = options.suite;
    const Handshake = options.suite === 'TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA' ? DssHandshake : ForgeHandshake;
    this.#handshake = new Handshake(options, {
      write: (octets) => this.#write(octets),
      done: (result) => this.#secured(result),
      failed: (error) => this.destroy(error),
    });
    transport.on('data', this.#received);
    transport.on('end', this.#transportEnded);
    transport.on('close', this.#transportEnded);
    transport.on('error', this.#transportFailed);
    // The reader of the ClientHello has paused it.
    transport.resume();
    if (options.role === 'client') this.#handshake.begin();
  }

  /** `TLSv1` or `TLSv1.1`; undefined before the handshake is done. */
  get protocol(): string | undefined {
    return PROTOCOLS[this.#sealer?.minor ?? 0];
  }

  /** The peer's chain in DER, its own certificate first; empty when it showed none. */
  get peerCertificate(): readonly Buffer[] {
    return this.#chain;
  }

  #secured({ opener, sealer, chain }: HandshakeResult): void {
    this.#opener = opener;
    this.#sealer = sealer;
    this.#chain = chain;
    this.emit('secure');
  }

  readonly #received = (chunk: Buffer): void => {
    try {
      this.#reader.read(chunk, (type, minor, fragment) => this.#record(type, minor, fragment));
    } catch (error) {
      this.#fail(error instanceof Error ? error : new Error(String(error)));
    }
  };

  #record(type: number, minor: number, fragment: Buffer): boolean {
    if (this.destroyed || this.#ended) return false;
    if (this.#opener === undefined) {
      this.#handshake.record(type, minor, fragment);
      return !this.destroyed;
    }
    this.#protectedRecord(this.#opener, type, minor, fragment);
    return !this.destroyed;
  }

  #protectedRecord(opener: RecordOpener, type: number, minor: number, fragment: Buffer): void {
    if (minor !== opener.minor) throw new TlsFault(ALERT.PROTOCOL_VERSION, 'the TLS version changed');
    const content = opener.open(type, fragment);
    if (content === undefined) throw new TlsFault(ALERT.BAD_RECORD_MAC, 'a TLS record was altered in transit');
    if (content.length > RECORD_OCTETS) throw new TlsFault(ALERT.RECORD_OVERFLOW, 'a TLS record has too much content');
    if (type === RECORD.APPLICATION_DATA) this.#data(content);
    else if (type === RECORD.ALERT) this.#alert(content);
    // Renegotiation could splice sessions together (RFC 5746) and no peer needs it.
    else throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, 'the peer wants to renegotiate');
  }

  #data(content: Buffer): void {
    if (content.length === 0) {
      if (++this.#emptyRecords > EMPTY_RECORDS) throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, 'too many empty records');
      return;
    }
    this.#emptyRecords = 0;
    if (!this.push(content)) this.#transport.pause();
  }

  #alert(content: Buffer): void {
    const [level, description = 0] = content;
    if (content.length !== 2) throw new TlsFault(ALERT.DECODE_ERROR, 'an alert does not have 2 octets');
    if (description === ALERT.CLOSE_NOTIFY) {
      this.#ended = true;
      this.push(null);
      // Nothing that comes now is read; but the transport's own end is.
      this.#transport.resume();
    } else if (level !== 1) throw peerAlert(description);
    else if (++this.#emptyRecords > EMPTY_RECORDS) {
      throw new TlsFault(ALERT.UNEXPECTED_MESSAGE, 'too many warnings');
    }
  }

  readonly #transportEnded = (): void => {
    if (this.destroyed || this.#ended) return;
    if (this.writableFinished) {
      // Who closed first need not wait for the other's close_notify (RFC 2246 §7.2.1).
      this.#ended = true;
      this.push(null);
      return;
    }
    const error = new TransportError('CONNECTION_LOST', 'the connection ended without closing the TLS session');
    this.#fail(error);
  };

  readonly #transportFailed = (cause: Error): void => {
    this.#fail(new TransportError('CONNECTION_LOST', `the connection failed: ${cause.message}`, { cause }));
  };

  /** Ends it all; a fault found here is told to the peer first. */
  #fail(error: Error): void {
    if (this.destroyed) return;
    const sealer = this.#sealer;
    if (sealer === undefined) {
      this.#handshake.fail(error);
      return;
    }
    if (error instanceof TlsFault && error.alert !== undefined) this.#sendAlert(sealer, 2, error.alert);
    this.destroy(error);
  }

  #sendAlert(sealer: RecordSealer, level: number, description: number): void {
    const fragment = sealer.seal(RECORD.ALERT, Buffer.from([level, description]));
    this.#write(recordOf(RECORD.ALERT, sealer.minor, fragment));
  }

  #write(octets: Buffer): void {
    if (!this.#transport.destroyed && !this.#transport.writableEnded) this.#transport.write(octets);
  }

  override _read(): void {
    this.#transport.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#send(chunk, callback);
  }

  override _writev(
    chunks: { chunk: Buffer; encoding: BufferEncoding }[],
    callback: (error?: Error | null) => void,
  ): void {
    this.#send(Buffer.concat(chunks.map(({ chunk }) => chunk)), callback);
  }

  #send(content: Buffer, callback: (error?: Error | null) => void): void {
    const sealer = this.#sealer;
    if (sealer === undefined || this.#transport.destroyed) {
      callback(new LocalError('CLOSED', 'the TLS session is not open'));
      return;
    }
    const records: Buffer[] = [];
    for (let at = 0; at < content.length; ) {
      // TLS 1.0 chains over records: the last block sent is the next vector, known to who listens. A record of one octet
      // first puts a MAC that an attacker cannot know in between (the 1/n-1 split).
      const size = at === 0 && sealer.minor === 1 ? 1 : RECORD_OCTETS;
      const part = content.subarray(at, at + size);
      records.push(recordOf(RECORD.APPLICATION_DATA, sealer.minor, sealer.seal(RECORD.APPLICATION_DATA, part)));
      at += part.length;
    }
    // The callback comes when the transport has taken it: its back-pressure reaches the writer.
    this.#transport.write(Buffer.concat(records), (error) => callback(error));
  }

  override _final(callback: (error?: Error | null) => void): void {
    if (this.#sealer !== undefined) this.#sendAlert(this.#sealer, 1, ALERT.CLOSE_NOTIFY);
    // Finished only when the transport is: destroying it earlier would cut off what was written.
    this.#transport.end(() => callback());
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#handshake.abandon();
    const transport = this.#transport;
    transport.off('data', this.#received);
    transport.off('end', this.#transportEnded);
    transport.off('close', this.#transportEnded);
    transport.off('error', this.#transportFailed);
    transport.on('error', () => {});
    callback(error);
    // After the error has been told: the transport's own end would be taken for the reason.
    process.nextTick(() => transport.destroy());
  }
}
