/**
 * One message on its way out. Owns its progress; refuses to know channels and windows.
 */

/** Octets of one message; several buffers leave one after the other without being joined. */
export type Payload = Buffer | readonly Buffer[];

/** What a caller sends on a channel. */
export type Outbound =
  | { readonly kind: 'MSG'; readonly payload: Payload }
  | { readonly kind: 'RPY' | 'ERR'; readonly msgno: number; readonly payload: Payload }
  | { readonly kind: 'ANS'; readonly msgno: number; readonly ansno: number; readonly payload: Payload }
  | { readonly kind: 'NUL'; readonly msgno: number };
