/** An answer of the API that is not what was asked for. */
import { ImxpError, RefusedError, type Reply } from '../errors.js';

export class HttpFault extends Error {
  readonly status: number;
  /** The IMXP code, where the mesh or the relay refused. */
  readonly code: number | undefined;

  constructor(status: number, text: string, code?: number) {
    super(text);
    this.status = status;
    this.code = code;
  }
}

/** The status for a reply of the mesh. 451 leaves open whether a message was delivered, so a client must not repeat it. */
export function faultOf({ code, text }: Reply): HttpFault {
  return new HttpFault(STATUSES[code] ?? (code < 500 ? 503 : 422), text, code);
}

const STATUSES: Readonly<Record<number, number>> = { 451: 504, 537: 403, 550: 404, 553: 404, 554: 409 };

/** What an error of the program means to a client; undefined for a fault of this side. */
export function faultOfError(error: unknown): HttpFault | undefined {
  if (error instanceof HttpFault) return error;
  if (error instanceof RefusedError) return faultOf(error.reply);
  if (!(error instanceof ImxpError)) return undefined;
  if (['ARGUMENT', 'ADDRESS_INVALID'].includes(error.code)) return new HttpFault(400, error.message);
  return error.code === 'STORE_FAILED' ? new HttpFault(503, error.message) : undefined;
}
