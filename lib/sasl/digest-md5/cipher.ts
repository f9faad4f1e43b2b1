/**
 * The ciphers of auth-conf (RFC 2831 §2.4) as streams of octets. Implements key expansion and RC4, which OpenSSL no
 * longer offers; `layer.ts` handles packets and MACs.
 */

import { createCipheriv, createDecipheriv } from 'node:crypto';
import type { Cipher } from '../settings.js';

/** One direction of one layer. State is kept from call to call: RC4 by its nature, CBC by chaining the last block. */
export interface CipherStream {
  update(octets: Buffer): Buffer;
}

/** Octets a plain text must be a multiple of. */
export function blockOctets(cipher: Cipher): 1 | 8 {
  return cipher === '3des' || cipher === 'des' ? 8 : 1;
}

/** How many octets of H(A1) go into Kcc and Kcs. */
export function keyOctets(cipher: Cipher): 5 | 7 | 16 {
  if (cipher === 'rc4-40') return 5;
  return cipher === 'rc4-56' ? 7 : 16;
}

class Rc4 implements CipherStream {
  readonly #state = new Uint8Array(256);
  #i = 0;
  #j = 0;

  constructor(key: Buffer) {
    const state = this.#state;
    for (let i = 0; i < 256; i += 1) state[i] = i;
    for (let i = 0, j = 0; i < 256; i += 1) {
      j = (j + (state[i] ?? 0) + (key[i % key.length] ?? 0)) & 0xff;
      this.#swap(i, j);
    }
  }

  #swap(i: number, j: number): void {
    const swapped = this.#state[i] ?? 0;
    this.#state[i] = this.#state[j] ?? 0;
    this.#state[j] = swapped;
  }

  update(octets: Buffer): Buffer {
    const state = this.#state;
    const out = Buffer.allocUnsafe(octets.length);
    for (let at = 0; at < octets.length; at += 1) {
      this.#i = (this.#i + 1) & 0xff;
      this.#j = (this.#j + (state[this.#i] ?? 0)) & 0xff;
      this.#swap(this.#i, this.#j);
      const key = state[((state[this.#i] ?? 0) + (state[this.#j] ?? 0)) & 0xff] ?? 0;
      out[at] = (octets[at] ?? 0) ^ key;
    }
    return out;
  }
}

/** Spreads 7 octets over 8, the lowest bit of each making its parity odd. */
export function desKey(octets: Buffer): Buffer {
  const key = Buffer.alloc(8);
  for (let bit = 0; bit < 56; bit += 1) {
    const set = ((octets[bit >> 3] ?? 0) >> (7 - (bit & 7))) & 1;
    const at = Math.floor(bit / 7);
    key[at] = (key[at] ?? 0) | (set << (7 - (bit % 7)));
  }
  for (let at = 0; at < 8; at += 1) {
    let ones = 0;
    for (let rest = key[at] ?? 0; rest !== 0; rest >>= 1) ones += rest & 1;
    if (ones % 2 === 0) key[at] = (key[at] ?? 0) | 1;
  }
  return key;
}

/**
 * @param key Kcc or Kcs, 16 octets
 */
export function cipherStream(cipher: Cipher, key: Buffer, direction: 'encrypt' | 'decrypt'): CipherStream {
  if (blockOctets(cipher) === 1) return new Rc4(key);
  const first = desKey(key.subarray(0, 7));
  // Single DES is 3DES with three equal keys; RFC 2831's 3des has two keys, K1-K2-K1.
  const second = cipher === '3des' ? desKey(key.subarray(7, 14)) : first;
  const keys = Buffer.concat([first, second, first]);
  const iv = key.subarray(8, 16);
  const stream =
    direction === 'encrypt' ? createCipheriv('des-ede3-cbc', keys, iv) : createDecipheriv('des-ede3-cbc', keys, iv);
  return stream.setAutoPadding(false);
}
