/** What a fuzz target is made of: a reader of octets, valid inputs to begin with, and what it may throw. */
import { ImxpError } from '../../lib/errors.js';
import type { Dice } from '../support/mutation.js';

/** The names for `npm run fuzz -- --target`. */
export const TARGETS = [
  'beep',
  'scan',
  'xml',
  'mime',
  'imxp',
  'sasl',
  'dns',
  'websocket',
  'tls-hello',
  'tls-dss',
  'certificates',
  'smime',
  'messages',
  'pidf',
  'documents',
  'recordings',
] as const;
export type TargetName = (typeof TARGETS)[number];

export interface Reader {
  readonly target: TargetName;
  readonly name: string;
  readonly seeds: readonly Buffer[];
  /** Whether it may throw this as well; otherwise an ImxpError, and nothing else. */
  throws?(error: unknown): boolean;
  /** Reads an input. */
  read(octets: Buffer, dice: Dice): void | Promise<void>;
}

export const texts = (...seeds: readonly string[]): Buffer[] => seeds.map((seed) => Buffer.from(seed));

/** Calls each, whether the one before threw or not. @throws when all of them refuse */
export function each(...reads: readonly (() => unknown)[]): void {
  let refusal: ImxpError | undefined;
  let taken = false;
  for (const read of reads) {
    try {
      read();
      taken = true;
    } catch (error) {
      if (!(error instanceof ImxpError)) throw error;
      refusal = error;
    }
  }
  if (!taken && refusal !== undefined) throw refusal;
}

/** Gives octets in pieces, for those who take streams. */
export function inPieces(octets: Buffer, dice: Dice, take: (piece: Buffer) => void): void {
  for (let at = 0; at < octets.length; ) {
    const size = dice.below(4) === 0 ? 1 + dice.below(4) : 1 + dice.below(octets.length);
    // Copies, as a socket gives them.
    take(Buffer.from(octets.subarray(at, at + size)));
    at += size;
  }
}
