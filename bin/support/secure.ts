/** Options of commands that sign, encrypt, verify and decrypt (S/MIME), and the display of the results. */
import type { Command } from 'commander';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { SecureFiles } from '../../lib/endpoint/secure.js';
import { SIGNATURE_FAULTS } from '../../lib/message/smime/signature-fault.js';
import { paint } from '../../lib/ops/terminal.js';
import { CommandError, EXIT } from './exit.js';
import { readGivenFile } from './files.js';

export interface SecureCommandOptions {
  readonly sign?: boolean;
  readonly encryptTo?: readonly string[];
  readonly identity?: string;
  readonly trust?: string;
  readonly revoked?: string;
  readonly classic?: boolean;
  /** Options of {@link withEndpoint}, used as defaults. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

function several(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), text];
}

/** Adds the options of commands that send. */
export function withSealing(command: Command): Command {
  return command
    .option('--sign', 'sign the message (S/MIME), so that the recipient can verify its author')
    .option('--encrypt-to <certificate>', 'encrypt for the recipient with this certificate; may be repeated', several);
}

/** Adds the options of commands that send or receive. */
export function withIdentity(command: Command): Command {
  return command
    .option(
      '--identity <certificate>',
      'your certificate, to sign and decrypt with; the key is in the same file or beside it as .key',
    )
    .option('--trust <file>', 'PEM file of CAs trusted for signers and recipients; default: that of --ca')
    .option('--revoked <file>', 'PEM file of their certificate revocation lists')
    .option('--classic', 'encrypt with AES-CBC for old programs, and accept it even without a signature');
}

/** Turns the options into the endpoint's `secure` option. @throws CommandError */
export async function secureFiles(options: SecureCommandOptions): Promise<{ readonly secure?: SecureFiles }> {
  const { encryptTo, trust = options.ca, revoked, classic } = options;
  const own = await identityOf(options);
  if (options.sign === true && own === undefined) {
    throw new CommandError(EXIT.USAGE, '--sign needs --identity (or --cert and --key)');
  }
  return {
    secure: {
      ...own,
      ...(trust === undefined ? {} : { authorities: trust }),
      ...(revoked === undefined ? {} : { revoked }),
      ...(encryptTo === undefined ? {} : { people: encryptTo }),
      ...(classic === undefined ? {} : { classic }),
    },
  };
}

async function identityOf({ identity, cert, key }: SecureCommandOptions): Promise<SecureFiles | undefined> {
  if (identity === undefined) return cert === undefined || key === undefined ? undefined : { certificate: cert, key };
  const text = (await readGivenFile(identity, EXIT.CONFIGURATION)).toString('latin1');
  const beside = `${identity.replace(/\.(?:crt|cer|pem)$/, '')}.key`;
  return { certificate: identity, key: text.includes('PRIVATE KEY-----') ? identity : beside };
}

/** Whether messages are to be signed and encrypted. */
export function sealing({ sign, encryptTo }: SecureCommandOptions): {
  readonly sign: boolean;
  readonly encrypt: boolean;
} {
  return { sign: sign === true, encrypt: encryptTo !== undefined };
}

/** How a delivery was protected, as JSON. */
export function protectionJson({ signed, encrypted }: Delivery): object {
  const { by, valid = false, reason } = signed ?? {};
  return { ...(signed === undefined ? {} : { signed: { by, valid, reason } }), ...(encrypted ? { encrypted } : {}) };
}

/**
 * How a delivery was protected, in words; undefined when it was neither signed nor encrypted. @throws as {@link
 * Delivery.opened}
 */
export function protectionText({ signed, encrypted }: Delivery): string | undefined {
  const words = encrypted ? ['encrypted'] : [];
  if (signed?.valid === true) words.unshift(`signed by ${signed.by}`);
  const proven = words.join(', ');
  if (signed === undefined || signed.reason === undefined) return proven === '' ? undefined : paint('green', proven);
  const doubt = `NOT VERIFIED, claims to be from ${signed.by ?? 'no one'}: ${SIGNATURE_FAULTS[signed.reason]}`;
  return `${paint('red', doubt)}${encrypted ? `, ${proven}` : ''}`;
}
