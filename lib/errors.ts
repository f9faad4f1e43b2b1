/**
 * The errors every layer shares. Each answers two questions: whose fault is it (the class), and what goes on the
 * wire (`reply`, absent where the specification says to end the session without a response).
 *
 * `code` is stable and catalogued in {@link ERROR_CODES}; `message` is for the operator and may say more than
 * `reply.text`, which unauthenticated peers see.
 */

/** A reply code with its text, as in an `error` element (RFC 3080 §8, core-01 §10). */
export interface Reply {
  readonly code: number;
  readonly text: string;
  /** Language of the text, where a peer has named it; texts of this program are English. */
  readonly lang?: string | undefined;
}

/** Every stable error code, with what it means. docs/reference/errors.md is generated from it. */
export const ERROR_CODES = {
  // BEEP frames: the session ends without a response (RFC 3080 §2.2.1.1)
  BEEP_HEADER_INVALID: 'a frame header is not one of MSG, RPY, ERR, ANS, NUL, SEQ or its parameters are not valid',
  BEEP_HEADER_TOO_LONG: 'no CRLF within the longest legal frame header',
  BEEP_CHANNEL_UNKNOWN: 'a frame names a channel that does not exist',
  BEEP_MSGNO_IN_USE: 'a MSG reuses a message number whose reply is not complete',
  BEEP_REPLY_UNEXPECTED: 'a reply names a message that was not sent or was already answered',
  BEEP_KEYWORD_CHANGED: 'the keyword changed within one message',
  BEEP_MESSAGE_INTERRUPTED: 'a frame of another message came before the message in progress was complete',
  BEEP_SEQNO_UNEXPECTED: 'the sequence number is not the expected one',
  BEEP_NUL_INVALID: 'a NUL frame carries payload or is not the last frame of its reply',
  BEEP_TRAILER_INVALID: 'the payload is not followed by END CRLF',
  BEEP_WINDOW_EXCEEDED: 'a payload is larger than the advertised window',
  BEEP_SEQ_INVALID: 'a SEQ frame acknowledges octets never sent',
  BEEP_GREETING_INVALID: 'the peer did not begin with a valid greeting',
  BEEP_MANAGEMENT_REPLY_INVALID: 'a reply on channel 0 is not what was asked for',
  BEEP_UNAVAILABLE: 'the listener refused the session instead of greeting',
  BEEP_STATE: 'the session is not in a state that allows this call',
  // channels and tuning
  START_REFUSED: 'the peer did not create the channel',
  CLOSE_REFUSED: 'the peer did not close the channel',
  TLS_REFUSED: 'the peer refused to start TLS',
  TLS_REQUIRED: 'TLS is required and not offered by the peer',
  TLS_FAILED: 'the TLS handshake failed or the certificate is not acceptable',
  TLS_INJECTED: 'octets that do not belong to the TLS negotiation arrived between ready and the handshake',
  SASL_REFUSED: 'the peer did not accept the authentication',
  SASL_INVALID: 'a SASL message is malformed',
  SASL_SERVER_UNPROVEN: 'the server did not prove that it knows the password',
  SASL_NO_MECHANISM: 'no acceptable authentication mechanism is offered',
  // payloads
  XML_NOT_WELL_FORMED: 'the XML is not well-formed',
  XML_INVALID: 'the XML is not valid here: element, attribute or value',
  XML_LIMIT: 'the XML exceeds a limit on size, depth or number of attributes',
  MIME_INVALID: 'the MIME structure is not valid',
  CONTENT_UNRESOLVED: 'the content reference names no part of the message',
  MESSAGE_INVALID: 'an instant message (RFC822+XML or message/cpim) is not valid',
  MESSAGE_NOT_UNDERSTOOD: 'an instant message demands something that is not understood here',
  SMIME_INVALID: 'signed or encrypted content (S/MIME) is not valid',
  SMIME_UNREADABLE: 'content is encrypted and cannot be read here',
  ADDRESS_INVALID: 'an address is not local@domain',
  // operations
  REFUSED: 'the peer answered with an error; see its reply code',
  TERMINATED: 'the relay ended the attachment of this endpoint',
  TOO_LARGE: 'a message exceeds the configured limit',
  BUSY: 'too much is outstanding; try again later',
  // transport and this program
  NO_RELAY: 'the DNS says that the domain has no relay',
  LOOKUP_FAILED: 'the DNS gave no answer; try again later',
  CONNECT_FAILED: 'no connection could be made',
  WEBSOCKET_INVALID: 'the HTTP or WebSocket handshake is not valid, or was refused',
  CONNECTION_LOST: 'the connection ended before the answer came',
  TIMED_OUT: 'the time limit passed',
  CLOSED: 'the session or channel was closed by this side',
  CONFIGURATION: 'the configuration is not usable; all problems are listed',
  LISTEN_FAILED: 'an address to listen on is in use, or not there yet; try again later',
  STORE_FAILED: 'the store could not read or write',
  ARGUMENT: 'a value passed by the caller is not acceptable',
} as const;

export type ErrorCode = keyof typeof ERROR_CODES;

export interface ErrorDetails {
  /** What to answer the peer, if anything may be answered. */
  readonly reply?: Reply;
  /** Structured facts for the log; never payloads or credentials. */
  readonly fields?: Readonly<Record<string, string | number | boolean>>;
  readonly cause?: unknown;
}

/** Base of every error this library throws. */
export abstract class ImxpError extends Error {
  readonly code: ErrorCode;
  readonly reply: Reply | undefined;
  readonly fields: Readonly<Record<string, string | number | boolean>>;

  constructor(code: ErrorCode, message: string, details: ErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = new.target.name;
    this.code = code;
    this.reply = details.reply;
    this.fields = details.fields ?? {};
  }
}

/** This side misused an interface or is misconfigured; nothing is wrong with the peer. */
export class LocalError extends ImxpError {}

/** The peer sent what the protocol does not allow. Without `reply` the session ends in silence. */
export class RemoteProtocolError extends ImxpError {}

/** An orderly refusal: `reply` holds the code and text. */
export class RefusedError extends ImxpError {
  override readonly reply: Reply;

  constructor(code: ErrorCode, reply: Reply, message = `${reply.code} ${reply.text}`, details: ErrorDetails = {}) {
    super(code, message, { ...details, reply });
    this.reply = reply;
  }
}

/** The transport failed (connection, time limit); `cause` holds the system's error. */
export class TransportError extends ImxpError {}
