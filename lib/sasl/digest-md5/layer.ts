/**
 * The security layers of DIGEST-MD5 (RFC 2831 §2.3, §2.4) in the SASL framing of a 4-octet length before each packet
 * (RFC 4422 §3.7). Octets in, octets out; the session decides when to install it.
 *
 * ```
 * length(4) | auth-int:  message                          MAC(10) | 0001 | seqnum(4)
 *           | auth-conf: CIPHER( message, padding(0|1..8), MAC(10) ) | 0001 | seqnum(4)
 * ```
 */

import { createHash, createHmac } from 'node:crypto';
import { RemoteProtocolError } from '../../errors.js';
import { equalSecrets } from '../fault.js';
import type { SecurityLayer } from '../mechanism.js';
import { type Cipher, DEFAULT_MAXBUF } from '../settings.js';
import { blockOctets, type CipherStream, cipherStream, keyOctets } from './cipher.js';

const MAC_OCTETS = 10;
/** Message type and sequence number. */
const TAIL_OCTETS = 6;
const MESSAGE_TYPE = 1;

export interface LayerOptions {
  readonly role: 'client' | 'server';
  /** H(A1), 16 octets. */
  readonly sessionKey: Buffer;
  readonly qop: 'auth-int' | 'auth-conf';
  /** With auth-conf. */
  readonly cipher: Cipher | undefined;
  /** Longest packet that the peer accepts, without its length. */
  readonly peerMaxbuf: number;
  /** Longest packet accepted here. */
  readonly maxbuf: number;
}

function integrityKey(sessionKey: Buffer, from: 'client' | 'server'): Buffer {
  const way = from === 'client' ? 'client-to-server' : 'server-to-client';
  return createHash('md5')
    .update(sessionKey)
    .update(`Digest session key to ${way} signing key magic constant`)
    .digest();
}

function sealingKey(sessionKey: Buffer, from: 'client' | 'server', cipher: Cipher): Buffer {
  const way = from === 'client' ? 'client-to-server' : 'server-to-client';
  const start = sessionKey.subarray(0, keyOctets(cipher));
  return createHash('md5').update(start).update(`Digest H(A1) to ${way} sealing key magic constant`).digest();
}

function mac(key: Buffer, seqnum: number, message: Buffer): Buffer {
  const head = Buffer.allocUnsafe(4);
  head.writeUInt32BE(seqnum);
  return createHmac('md5', key).update(head).update(message).digest().subarray(0, MAC_OCTETS);
}

/** One answer for every fault inside a packet, so that padding and MAC cannot be told apart. */
function altered(): RemoteProtocolError {
  return new RemoteProtocolError('SASL_INVALID', 'a packet of the security layer was altered or is out of sequence');
}

export class DigestLayer implements SecurityLayer {
  readonly qop: 'auth-int' | 'auth-conf';
  readonly #macOut: Buffer;
  readonly #macIn: Buffer;
  readonly #encrypt: CipherStream | undefined;
  readonly #decrypt: CipherStream | undefined;
  readonly #block: number;
  /** Longest message in one packet to the peer. */
  readonly #chunk: number;
  readonly #maxbuf: number;
  #seqOut = 0;
  #seqIn = 0;
  // The packet being received: first its length, then exactly that many octets.
  readonly #length = Buffer.allocUnsafe(4);
  #lengthFilled = 0;
  #packet: Buffer | undefined;
  #packetFilled = 0;

  constructor(options: LayerOptions) {
    const { sessionKey, cipher, role } = options;
    const peer = role === 'client' ? 'server' : 'client';
    this.qop = options.qop;
    this.#macOut = integrityKey(sessionKey, role);
    this.#macIn = integrityKey(sessionKey, peer);
    this.#encrypt = cipher && cipherStream(cipher, sealingKey(sessionKey, role, cipher), 'encrypt');
    this.#decrypt = cipher && cipherStream(cipher, sealingKey(sessionKey, peer, cipher), 'decrypt');
    this.#block = cipher === undefined ? 1 : blockOctets(cipher);
    // A peer may allow 16 MiB; packets keep this side's own size, so that one does not delay the rest.
    const room = Math.min(options.peerMaxbuf, DEFAULT_MAXBUF) - TAIL_OCTETS;
    this.#chunk = Math.floor(room / this.#block) * this.#block - MAC_OCTETS - (this.#block === 1 ? 0 : 1);
    this.#maxbuf = options.maxbuf;
  }

  wrap(plain: Buffer): Buffer {
    const packets: Buffer[] = [];
    for (let at = 0; at < plain.length; at += this.#chunk) {
      this.#seal(plain.subarray(at, at + this.#chunk), packets);
    }
    return packets.length === 1 && packets[0] !== undefined ? packets[0] : Buffer.concat(packets);
  }

  #seal(message: Buffer, packets: Buffer[]): void {
    const sum = mac(this.#macOut, this.#seqOut, message);
    let body: Buffer;
    if (this.#encrypt === undefined) body = Buffer.concat([message, sum]);
    else body = this.#encrypt.update(Buffer.concat([message, this.#padding(message.length), sum]));
    const packet = Buffer.allocUnsafe(4 + body.length + TAIL_OCTETS);
    packet.writeUInt32BE(body.length + TAIL_OCTETS);
    body.copy(packet, 4);
    packet.writeUInt16BE(MESSAGE_TYPE, 4 + body.length);
    packet.writeUInt32BE(this.#seqOut, 6 + body.length);
    this.#seqOut = (this.#seqOut + 1) >>> 0;
    packets.push(packet);
  }

  /** RFC 2831 §2.4: none for a stream cipher, else 1 to 8 octets that hold their own count. */
  #padding(messageOctets: number): Buffer {
    if (this.#block === 1) return Buffer.alloc(0);
    const count = this.#block - ((messageOctets + MAC_OCTETS) % this.#block);
    return Buffer.alloc(count, count);
  }

  unwrap(octets: Buffer): Buffer {
    const messages: Buffer[] = [];
    let at = 0;
    while (at < octets.length) {
      const packet = this.#packet;
      at += packet === undefined ? this.#fillLength(octets, at) : this.#fillPacket(packet, octets, at, messages);
    }
    return messages.length === 1 && messages[0] !== undefined ? messages[0] : Buffer.concat(messages);
  }

  #fillLength(octets: Buffer, at: number): number {
    const taken = octets.copy(this.#length, this.#lengthFilled, at);
    this.#lengthFilled += taken;
    if (this.#lengthFilled < 4) return taken;
    const length = this.#length.readUInt32BE();
    if (length > this.#maxbuf || length < MAC_OCTETS + TAIL_OCTETS) {
      throw new RemoteProtocolError('SASL_INVALID', 'a packet of the security layer has an impossible length', {
        fields: { length, maxbuf: this.#maxbuf },
      });
    }
    this.#packet = Buffer.allocUnsafe(length);
    this.#packetFilled = 0;
    this.#lengthFilled = 0;
    return taken;
  }

  #fillPacket(packet: Buffer, octets: Buffer, at: number, messages: Buffer[]): number {
    const taken = octets.copy(packet, this.#packetFilled, at);
    this.#packetFilled += taken;
    if (this.#packetFilled === packet.length) {
      this.#packet = undefined;
      messages.push(this.#open(packet));
    }
    return taken;
  }

  #open(packet: Buffer): Buffer {
    const end = packet.length - TAIL_OCTETS;
    if (packet.readUInt16BE(end) !== MESSAGE_TYPE || packet.readUInt32BE(end + 2) !== this.#seqIn) throw altered();
    if (end % this.#block !== 0) throw altered();
    const body = this.#decrypt === undefined ? packet.subarray(0, end) : this.#decrypt.update(packet.subarray(0, end));
    const sum = body.subarray(body.length - MAC_OCTETS);
    const padded = body.subarray(0, body.length - MAC_OCTETS);
    const message = this.#block === 1 ? padded : withoutPadding(padded);
    if (!equalSecrets(mac(this.#macIn, this.#seqIn, message), sum)) throw altered();
    this.#seqIn = (this.#seqIn + 1) >>> 0;
    return message;
  }
}

function withoutPadding(padded: Buffer): Buffer {
  const count = padded[padded.length - 1] ?? 0;
  if (count < 1 || count > 8 || count > padded.length) throw altered();
  const at = padded.length - count;
  for (let i = at; i < padded.length; i += 1) if (padded[i] !== count) throw altered();
  return padded.subarray(0, at);
}
