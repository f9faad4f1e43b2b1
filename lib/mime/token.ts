/** Random tokens, of characters that need no quoting in a boundary, a Content-ID or a `cid:` URL. */
import { randomBytes } from 'node:crypto';

/** 96 bits: enough that no two tokens are equal, and that nobody else has written one. */
const OCTETS = 12;
/** Random octets are taken many at a time, because each request of them costs a microsecond. */
const BLOCK = 128 * OCTETS;

let block = '';
let next = 0;
/** Written as base64url, which the replacement of Buffer in browsers does not have. */
const LENGTH = (OCTETS * 4) / 3;

/** @returns 16 letters, digits, `-` and `_` */
export function newToken(): string {
  if (next >= block.length) {
    block = randomBytes(BLOCK).toString('base64').replaceAll('+', '-').replaceAll('/', '_');
    next = 0;
  }
  next += LENGTH;
  return block.slice(next - LENGTH, next);
}
