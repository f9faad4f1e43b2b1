/** Exit codes (those of sysexits where they fit), and which error leads to which. Scripts rely on them. */
import { CommanderError } from 'commander';
import { type ErrorCode, ImxpError, RefusedError } from '../../lib/errors.js';
import { isTransientCode } from '../../lib/imxp/reply-code.js';

export const EXIT = {
  OK: 0,
  FAILED: 1,
  USAGE: 64,
  UNAVAILABLE: 69,
  REFUSED: 77,
  CONFIGURATION: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with a message for people and an exit code for scripts; no stack trace is shown. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  /** Further fields of the JSON output. */
  readonly details: object;
  /** What to do about it, where the message does not say so itself. */
  readonly hint: string | undefined;

  constructor(
    exitCode: ExitCode,
    message: string,
    options: ErrorOptions & { readonly details?: object; readonly hint?: string } = {},
  ) {
    const { details = {}, hint, ...rest } = options;
    super(message, rest);
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.details = details;
    this.hint = hint;
  }
}

const CODES: Partial<Record<ErrorCode, ExitCode>> = {
  ARGUMENT: EXIT.USAGE,
  ADDRESS_INVALID: EXIT.USAGE,
  CONFIGURATION: EXIT.CONFIGURATION,
  LISTEN_FAILED: EXIT.UNAVAILABLE,
  STORE_FAILED: EXIT.UNAVAILABLE,
  NO_RELAY: EXIT.UNAVAILABLE,
  LOOKUP_FAILED: EXIT.UNAVAILABLE,
  CONNECT_FAILED: EXIT.UNAVAILABLE,
  CONNECTION_LOST: EXIT.UNAVAILABLE,
  TIMED_OUT: EXIT.UNAVAILABLE,
  BEEP_UNAVAILABLE: EXIT.UNAVAILABLE,
  // Whatever answers there is not a relay.
  BEEP_HEADER_INVALID: EXIT.UNAVAILABLE,
  BEEP_HEADER_TOO_LONG: EXIT.UNAVAILABLE,
  BEEP_GREETING_INVALID: EXIT.UNAVAILABLE,
  WEBSOCKET_INVALID: EXIT.UNAVAILABLE,
  SASL_REFUSED: EXIT.REFUSED,
  SASL_SERVER_UNPROVEN: EXIT.REFUSED,
  SASL_NO_MECHANISM: EXIT.REFUSED,
  START_REFUSED: EXIT.REFUSED,
  TLS_REFUSED: EXIT.REFUSED,
  TLS_REQUIRED: EXIT.REFUSED,
  TLS_FAILED: EXIT.REFUSED,
};

/** Authentication required, too weak or failed; not authorized; encryption required (RFC 3080 §8). */
const NOT_ALLOWED: ReadonlySet<number> = new Set([530, 534, 535, 537, 538]);

/** The exit code for anything that a command may throw. */
export function exitCodeOf(error: unknown): ExitCode {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
  if (!(error instanceof ImxpError)) return EXIT.FAILED;
  if (error.code === 'REFUSED' && error.reply !== undefined) {
    return NOT_ALLOWED.has(error.reply.code) ? EXIT.REFUSED : EXIT.FAILED;
  }
  // A login that is not possible now, for instance: nothing is wrong with what was given.
  if (isForNow(error)) return EXIT.UNAVAILABLE;
  return CODES[error.code] ?? EXIT.FAILED;
}

/** Whether the peer refused the session, the login or a channel for a reason that passes. */
export function isForNow(error: ImxpError): boolean {
  return error instanceof RefusedError && error.code !== 'REFUSED' && isTransientCode(error.reply.code);
}
