/**
 * The part of `node:crypto` needed to log in: synchronous hashes, which browsers offer only as promises, and the
 * browser's random numbers and PBKDF2 where available.
 */
import { hmac } from '@noble/hashes/hmac.js';
import { md5, sha1 } from '@noble/hashes/legacy.js';
import { pbkdf2Async } from '@noble/hashes/pbkdf2.js';
import { sha256 } from '@noble/hashes/sha2.js';
import { Octets } from './buffer.js';

const HASHES = { md5, sha1, sha256 } as const;
type Name = keyof typeof HASHES;

interface Running {
  update(octets: Uint8Array): unknown;
  digest(): Uint8Array;
}

/** A hash or HMAC in progress. */
class Hashing {
  readonly #running: Running;

  constructor(running: Running) {
    this.#running = running;
  }

  update(octets: string | Uint8Array): this {
    this.#running.update(typeof octets === 'string' ? new TextEncoder().encode(octets) : octets);
    return this;
  }

  digest(): Octets;
  digest(encoding: string): string;
  digest(encoding?: string): Octets | string {
    const octets = new Octets(this.#running.digest());
    return encoding === undefined ? octets : octets.toString(encoding);
  }
}

export function createHash(name: Name): Hashing {
  return new Hashing(HASHES[name].create());
}

export function createHmac(name: Name, key: Uint8Array): Hashing {
  return new Hashing(hmac.create(HASHES[name], key));
}

/** Calls back as Node does. */
export function pbkdf2(
  password: string,
  salt: Uint8Array,
  iterations: number,
  octets: number,
  _hash: 'sha256',
  done: (error: unknown, key?: Octets) => void,
): void {
  derived(password, salt, iterations, octets).then(
    (key) => done(null, new Octets(key)),
    (error: unknown) => done(error),
  );
}

/** Insecure pages have no `subtle`. */
async function derived(password: string, salt: Uint8Array, iterations: number, octets: number): Promise<Uint8Array> {
  const { subtle } = globalThis.crypto as { subtle?: typeof globalThis.crypto.subtle };
  if (subtle === undefined) return pbkdf2Async(sha256, password, salt, { c: iterations, dkLen: octets });
  const key = await subtle.importKey('raw', new TextEncoder().encode(password), 'PBKDF2', false, ['deriveBits']);
  const parameters = { name: 'PBKDF2', hash: 'SHA-256', salt: new Uint8Array(salt), iterations };
  return new Uint8Array(await subtle.deriveBits(parameters, key, octets * 8));
}

export function randomBytes(octets: number): Octets {
  const random = new Octets(octets);
  globalThis.crypto.getRandomValues(random as Uint8Array<ArrayBuffer>);
  return random;
}

/** From `least` up to, and without, `end`; more than 32 bits are never asked for. */
export function randomInt(least: number, end?: number): number {
  const [from, to] = end === undefined ? [0, least] : [least, end];
  const range = to - from;
  const limit = Math.floor(2 ** 32 / range) * range;
  for (;;) {
    const [drawn = 0] = globalThis.crypto.getRandomValues(new Uint32Array(1));
    if (drawn < limit) return from + (drawn % range);
  }
}

/** Works on insecure pages too, which have no `crypto.randomUUID`. */
export function randomUUID(): string {
  const octets = randomBytes(16);
  octets[6] = ((octets[6] ?? 0) & 0x0f) | 0x40;
  octets[8] = ((octets[8] ?? 0) & 0x3f) | 0x80;
  return octets.toString('hex').replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5');
}

export function timingSafeEqual(one: Uint8Array, other: Uint8Array): boolean {
  if (one.length !== other.length) throw new RangeError('lengths differ');
  let difference = 0;
  for (let at = 0; at < one.length; at += 1) difference |= (one[at] ?? 0) ^ (other[at] ?? 0);
  return difference === 0;
}

/** The layer auth-conf is never asked for here: a browser has TLS, or nothing. */
export function createCipheriv(): never {
  throw new Error('there are no SASL layers in a browser');
}
export const createDecipheriv = createCipheriv;

/** Certificates are handled by the browser. */
export class X509Certificate {
  constructor() {
    throw new Error('client certificates are not available in a browser');
  }
}
