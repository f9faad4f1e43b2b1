/**
 * Tokens of the HTTP API. Their file holds digests, so that whoever reads it can use none of them; tokens are random and
 * long, so that a plain digest suffices.
 */
import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { describeFileError, openToOthers } from '../config/password-file.js';
import { addressSchema, distinct } from '../config/values.js';
import { LocalError } from '../errors.js';

/** `send`: acts as one account. `read`: sees accounts and access lists. `operate`: changes them as well. */
export type TokenRole = 'send' | 'read' | 'operate';

export interface Token {
  /** For the audit log. */
  readonly name: string;
  readonly role: TokenRole;
  /** Of the role `send`. */
  readonly account?: string | undefined;
  readonly digest: Buffer;
}

const FILE = z.strictObject({
  tokens: z
    .array(
      z
        .strictObject({
          name: z.string().regex(/^[\w.@-]{1,64}$/, 'not a name such as shop'),
          role: z.enum(['send', 'read', 'operate']),
          account: addressSchema.optional(),
          sha256: z.string().regex(/^[0-9a-f]{64}$/i, 'not a SHA-256 digest in hexadecimal'),
        })
        .refine(
          ({ role, account }) => (role === 'send') === (account !== undefined),
          'the role "send", and it alone, needs "account"',
        ),
    )
    .min(1)
    .superRefine(distinct(({ name }) => name, 'the name')),
});

/** @throws LocalError CONFIGURATION */
export async function readTokens(path: string): Promise<readonly Token[]> {
  const wrong = (why: string, cause?: unknown): LocalError =>
    new LocalError('CONFIGURATION', `tokens of the API, ${path}: ${why}`, { cause });
  let given: unknown;
  try {
    if (await openToOthers(path)) throw wrong('other users of this machine can read it; use chmod 600');
    given = JSON.parse(await readFile(path, 'utf8'));
  } catch (error) {
    if (error instanceof LocalError) throw error;
    throw wrong(error instanceof SyntaxError ? `is not JSON: ${error.message}` : describeFileError(error), error);
  }
  const { data, error } = FILE.safeParse(given);
  if (error !== undefined) {
    const [issue] = error.issues;
    throw wrong(`${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'is wrong'}`);
  }
  return data.tokens.map(({ sha256, ...token }) => ({ ...token, digest: Buffer.from(sha256, 'hex') }));
}

export function tokenDigest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}

/**
 * The token of a request.
 *
 * @param authorization the header of that name
 */
export function tokenIn(authorization: string | undefined, tokens: readonly Token[]): Token | undefined {
  const given = /^bearer ([!-~]+)$/i.exec(authorization ?? '')?.[1];
  if (given === undefined) return undefined;
  const digest = tokenDigest(given);
  // All are compared, each in constant time.
  return tokens.filter((token) => timingSafeEqual(token.digest, digest))[0];
}
