/** Exit codes, as in sysexits where they fit, and which fault leads to which. Scripts rely on them. */
import { CommanderError } from 'commander';
import { type ErrorCode, ImxpError } from '../../lib/errors.js';

export const EXIT = {
  OK: 0,
  FAILED: 1,
  USAGE: 64,
  UNAVAILABLE: 69,
  REFUSED: 77,
  CONFIGURATION: 78,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** Ends the command with a message for people and a code for scripts; no stack is shown. */
export class CommandError extends Error {
  readonly exitCode: ExitCode;
  /** What scripts are told beside. */
  readonly details: object;

  constructor(exitCode: ExitCode, message: string, options: ErrorOptions & { readonly details?: object } = {}) {
    const { details = {}, ...rest } = options;
    super(message, rest);
    this.name = 'CommandError';
    this.exitCode = exitCode;
    this.details = details;
  }
}

const CODES: Partial<Record<ErrorCode, ExitCode>> = {
  ARGUMENT: EXIT.USAGE,
  ADDRESS_INVALID: EXIT.USAGE,
  CONFIGURATION: EXIT.CONFIGURATION,
  STORE_FAILED: EXIT.UNAVAILABLE,
  NO_RELAY: EXIT.UNAVAILABLE,
  LOOKUP_FAILED: EXIT.UNAVAILABLE,
  CONNECT_FAILED: EXIT.UNAVAILABLE,
  CONNECTION_LOST: EXIT.UNAVAILABLE,
  TIMED_OUT: EXIT.UNAVAILABLE,
  BEEP_UNAVAILABLE: EXIT.UNAVAILABLE,
  // Whatever answers there is no relay.
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

/** RFC 3080 §8: authentication required, failed or too weak; not authorized. */
const NOT_ALLOWED: ReadonlySet<number> = new Set([530, 534, 535, 537, 538]);

/** The exit code for anything a command may throw. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof CommandError) return error.exitCode;
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.OK : EXIT.USAGE;
  if (!(error instanceof ImxpError)) return EXIT.FAILED;
  if (error.code === 'REFUSED' && error.reply !== undefined) {
    return NOT_ALLOWED.has(error.reply.code) ? EXIT.REFUSED : EXIT.FAILED;
  }
  return CODES[error.code] ?? EXIT.FAILED;
}
