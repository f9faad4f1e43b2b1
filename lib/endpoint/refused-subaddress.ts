/**
 * Relays that let nobody attach as a subaddress: a program that only sends (D-CORE-49) attaches as the address itself there,
 * where no other program has it.
 */
import { RefusedError, type Reply } from '../errors.js';

/** Not authorized; no such endpoint; a name that the relay does not understand. */
const CODES: ReadonlySet<number> = new Set([537, 550, 553]);
const TAKEN = 554;

/** Whether an attach as a subaddress was refused for a reason that need not hold for the address itself. */
export function refusesSubaddress(error: unknown): error is RefusedError {
  return error instanceof RefusedError && error.code === 'REFUSED' && CODES.has(error.reply.code);
}

/** The error of the attach as the address itself, with why there is no other way. */
export function withoutSubaddress(error: unknown, address: string, refused: Reply): unknown {
  if (!(error instanceof RefusedError) || error.reply.code !== TAKEN) return error;
  const { code, text } = error.reply;
  const why = `the relay takes no program beside it: ${refused.code} ${refused.text}`;
  return new RefusedError('REFUSED', error.reply, `cannot attach as ${address}: ${code} ${text}; ${why}`, {
    cause: error,
  });
}
