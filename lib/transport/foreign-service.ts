/**
 * Recognizes another service by its first octets, so that a person who mistyped a port reads which service answers
 * there instead of what is wrong with its first frame. Pure.
 */

const BY_TEXT: readonly (readonly [pattern: RegExp, what: string, hint?: string])[] = [
  [/^HTTP\/\d|^<(?:!doctype|html)/i, 'an HTTP server', 'for BEEP over WebSocket write ws:// or wss://'],
  [/^SSH-/, 'an SSH server'],
  [/^220[ -][^\r\n]*(?:SMTP|mail|postfix|exim)/i, 'an SMTP server'],
  [/^220[ -]/, 'an SMTP or FTP server'],
  [/^\* (?:OK|BYE|PREAUTH)/, 'an IMAP server'],
  [/^\+OK/, 'a POP3 server'],
  [/^20[01] /, 'an NNTP server'],
  [/^<(?:\?xml|stream:)/, 'an XMPP server'],
  [/^(?:\+PONG|-ERR|-DENIED|-NOAUTH)/, 'a Redis server'],
  [/^RFB \d/, 'a VNC server'],
  [/^AMQP/, 'an AMQP server'],
];

/** A handshake record or an alert of TLS 1.0 and later, or of SSL 3: its type, its version. */
const TLS_TYPES = new Set([0x14, 0x15, 0x16]);
/** A SETTINGS frame on stream 0: no other protocol begins like this. */
const HTTP2_SETTINGS = 0x04;

/**
 * @param octets the first that came
 * @returns what it is, for people; undefined for BEEP and for what is not known
 */
export function foreignService(octets: Buffer): string | undefined {
  const [type = 0, major = 0, minor = 0] = octets;
  if (TLS_TYPES.has(type) && major === 3 && minor <= 4)
    return 'a TLS server; for BEEP over WebSocket over TLS write wss://';
  if (octets.length >= 9 && type === 0 && octets[3] === HTTP2_SETTINGS && octets.readUInt32BE(5) === 0) {
    return 'an HTTP/2 server';
  }
  const text = octets.subarray(0, 100).toString('latin1');
  for (const [pattern, what, hint] of BY_TEXT) {
    if (pattern.test(text)) return hint === undefined ? what : `${what}; ${hint}`;
  }
  return undefined;
}
