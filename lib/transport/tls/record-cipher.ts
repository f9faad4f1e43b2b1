/**
 * Protects TLS records of one direction with 3DES-EDE-CBC and HMAC-SHA1 as in TLS 1.0 and 1.1, with the native ciphers
 * of node:crypto. Keeps the sequence number and the chaining.
 */
import {
  type Cipher,
  createCipheriv,
  createDecipheriv,
  createHmac,
  type Decipher,
  randomBytes,
  timingSafeEqual,
} from 'node:crypto';

const ALGORITHM = 'des-ede3-cbc';
const BLOCK_OCTETS = 8;
const MAC_OCTETS = 20;

export interface RecordKeys {
  /** Minor version: 1 is TLS 1.0, 2 is TLS 1.1. */
  readonly minor: number;
  /** 24 octets. */
  readonly key: Buffer;
  readonly macKey: Buffer;
  /** 8 octets from the key material in TLS 1.0; later versions send one with each record. */
  readonly iv?: Buffer;
}

abstract class RecordCipher {
  readonly minor: number;
  readonly #macKey: Buffer;
  readonly #head = Buffer.alloc(13);
  #sequence = 0;

  constructor({ minor, macKey }: RecordKeys) {
    this.minor = minor;
    this.#macKey = macKey;
  }

  /** RFC 2246 §6.2.3.1: over sequence number, type, version, length and content. */
  protected mac(type: number, content: Buffer): Buffer {
    this.#head.writeUInt32BE(Math.floor(this.#sequence / 2 ** 32), 0);
    this.#head.writeUInt32BE(this.#sequence % 2 ** 32, 4);
    this.#head[8] = type;
    this.#head[9] = 3;
    this.#head[10] = this.minor;
    this.#head.writeUInt16BE(content.length, 11);
    this.#sequence++;
    return createHmac('sha1', this.#macKey).update(this.#head).update(content).digest();
  }

  /** As many octets again, hashed for nothing but the time it takes. */
  protected waste(octets: Buffer): void {
    createHmac('sha1', this.#macKey).update(octets).digest();
  }
}

/** The sending direction. */
export class RecordSealer extends RecordCipher {
  readonly #cipher: Cipher;

  constructor(keys: RecordKeys) {
    super(keys);
    this.#cipher = createCipheriv(ALGORITHM, keys.key, keys.iv ?? randomBytes(BLOCK_OCTETS)).setAutoPadding(false);
  }

  /** The protected fragment for a record of at most 16,384 octets of content. */
  seal(type: number, content: Buffer): Buffer {
    const mac = this.mac(type, content);
    const padding = BLOCK_OCTETS - 1 - ((content.length + MAC_OCTETS) % BLOCK_OCTETS);
    const tail = Buffer.alloc(padding + 1, padding);
    // RFC 4346 §6.2.3.2 (2) (b): one random block first, which stands for the explicit initialization vector.
    const first = this.minor >= 2 ? [randomBytes(BLOCK_OCTETS)] : [];
    return this.#cipher.update(Buffer.concat([...first, content, mac, tail]));
  }
}

/** The receiving direction. */
export class RecordOpener extends RecordCipher {
  readonly #decipher: Decipher;

  constructor(keys: RecordKeys) {
    super(keys);
    this.#decipher = createDecipheriv(ALGORITHM, keys.key, keys.iv ?? Buffer.alloc(BLOCK_OCTETS)).setAutoPadding(false);
  }

  /** The content, or undefined when padding or MAC are not right; which of them is never revealed. */
  open(type: number, fragment: Buffer): Buffer | undefined {
    const explicit = this.minor >= 2 ? BLOCK_OCTETS : 0;
    if (fragment.length % BLOCK_OCTETS !== 0 || fragment.length < explicit + MAC_OCTETS + 1) return undefined;
    // Chaining continues across records, so the block in place of the vector is deciphered and dropped.
    const plain = this.#decipher.update(fragment).subarray(explicit);
    const claimed = plain.at(-1) ?? 0;
    const fits = claimed + 1 + MAC_OCTETS <= plain.length;
    // RFC 4346 §6.2.3.2: bad padding is treated as none, and the MAC is computed nevertheless.
    const padding = fits ? claimed : 0;
    let wrong = fits ? 0 : 1;
    for (let at = plain.length - 1 - padding; at < plain.length; at++) wrong |= (plain[at] ?? 0) ^ claimed;
    const end = plain.length - 1 - padding - MAC_OCTETS;
    const content = plain.subarray(0, end);
    const mac = this.mac(type, content);
    this.waste(plain.subarray(end + MAC_OCTETS));
    const genuine = timingSafeEqual(mac, plain.subarray(end, end + MAC_OCTETS));
    return genuine && wrong === 0 ? content : undefined;
  }
}
