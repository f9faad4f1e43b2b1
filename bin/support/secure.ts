/** The options of commands that sign, encrypt, verify and decrypt (S/MIME), and what is shown of it. */
import { readFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { describeFileError } from '../../lib/config/password-file.js';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { SecureFiles } from '../../lib/endpoint/secure.js';
import { SIGNATURE_FAULTS } from '../../lib/message/smime/signature-fault.js';
import { paint } from '../../lib/ops/terminal.js';
import { CommandError, EXIT } from './exit.js';

export interface SecureCommandOptions {
  readonly sign?: boolean;
  readonly encryptTo?: readonly string[];
  readonly identity?: string;
  readonly trust?: string;
  readonly revoked?: string;
  readonly classic?: boolean;
  /** Those of {@link withEndpoint}, which stand in where nothing else is given. */
  readonly ca?: string;
  readonly cert?: string;
  readonly key?: string;
}

function several(text: string, earlier: readonly string[] | undefined): readonly string[] {
  return [...(earlier ?? []), text];
}

/** For commands that send. */
export function withSealing(command: Command): Command {
  return command
    .option('--sign', 'sign it (S/MIME), so that the recipient can prove who wrote it')
    .option(
      '--encrypt-to <certificate>',
      'encrypt it for a recipient, by his certificate; for several, several times',
      several,
    );
}

/** For commands that send, receive, or do both. */
export function withIdentity(command: Command): Command {
  return command
    .option(
      '--identity <certificate>',
      'your certificate, to sign and decrypt with; its key is in the file, or beside it as .key',
    )
    .option('--trust <file>', 'authorities believed about who signed or is written to, PEM; default: those of --ca')
    .option('--revoked <file>', 'revocation lists of these authorities, PEM')
    .option('--classic', 'encrypt by AES-CBC for old programs, and read it also when no signature protects it');
}

/** What the options say to the endpoint. @throws CommandError */
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
  const text = await readFile(identity, 'latin1').catch((error: unknown) => {
    throw new CommandError(EXIT.CONFIGURATION, `${identity}: ${describeFileError(error)}`);
  });
  const beside = `${identity.replace(/\.(?:crt|cer|pem)$/, '')}.key`;
  return { certificate: identity, key: text.includes('PRIVATE KEY-----') ? identity : beside };
}

/** What a message is to be sent with. */
export function sealing({ sign, encryptTo }: SecureCommandOptions): {
  readonly sign: boolean;
  readonly encrypt: boolean;
} {
  return { sign: sign === true, encrypt: encryptTo !== undefined };
}

/** How something that was received was protected, as JSON. */
export function protectionJson({ signed, encrypted }: Delivery): object {
  const { by, valid = false, reason } = signed ?? {};
  return { ...(signed === undefined ? {} : { signed: { by, valid, reason } }), ...(encrypted ? { encrypted } : {}) };
}

/** In words; undefined for what was neither signed nor encrypted. @throws as {@link Delivery.opened} */
export function protectionText({ signed, encrypted }: Delivery): string | undefined {
  const words = encrypted ? ['encrypted'] : [];
  if (signed?.valid === true) words.unshift(`signed by ${signed.by}`);
  const proven = words.join(', ');
  if (signed === undefined || signed.reason === undefined) return proven === '' ? undefined : paint('green', proven);
  const doubt = `NOT PROVEN to be by ${signed.by ?? 'anybody'}: ${SIGNATURE_FAULTS[signed.reason]}`;
  return `${paint('red', doubt)}${encrypted ? `, ${proven}` : ''}`;
}
