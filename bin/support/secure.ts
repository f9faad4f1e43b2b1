/** Options of commands that sign, encrypt, verify and decrypt (S/MIME), and the display of the results. */
import { type Command, Option } from 'commander';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { SecureFiles } from '../../lib/endpoint/secure.js';
import type { Signature } from '../../lib/message/smime/signature.js';
import { SIGNATURE_FAULTS } from '../../lib/message/smime/signature-fault.js';
import type { SmimeVersion } from '../../lib/message/smime/version.js';
import { paint } from '../../lib/ops/terminal.js';
import { CommandError, EXIT } from './exit.js';
import { readGivenFile } from './files.js';

export interface SecureCommandOptions {
  readonly sign?: boolean;
  readonly encrypt?: boolean;
  readonly encryptTo?: readonly string[];
  readonly identity?: string;
  readonly trust?: string;
  readonly revoked?: string;
  readonly known?: string;
  readonly classic?: boolean;
  readonly smime?: SmimeVersion;
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
    .option('--encrypt-to <certificate>', 'encrypt for the recipient with this certificate; may be repeated', several)
    .option('--encrypt', 'encrypt for the recipients with their certificates in the directory of --known');
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
    .option(
      '--known <directory>',
      'directory of certificates learnt from signed messages, each trusted on first use; made when it is missing',
    )
    .addOption(
      new Option(
        '--smime <version>',
        'S/MIME version of old programs: 3.2 encrypts with AES-CBC and accepts that even without a signature; 3.1 signs with SHA-1 as well and encrypts with 3DES, and accepts such signatures',
      ).choices(['3.1', '3.2', '4.0']),
    )
    .option('--classic', 'the same as --smime 3.1');
}

/** Turns the options into the endpoint's `secure` option. @throws CommandError */
export async function secureFiles(options: SecureCommandOptions): Promise<{ readonly secure?: SecureFiles }> {
  const { encrypt, encryptTo, trust = options.ca, revoked, known, classic, smime } = options;
  const own = await identityOf(options);
  if (options.sign === true && own === undefined) {
    throw new CommandError(EXIT.USAGE, '--sign needs --identity (or --cert and --key)');
  }
  if (encrypt === true && known === undefined) {
    throw new CommandError(EXIT.USAGE, '--encrypt needs --known, the directory of certificates; or use --encrypt-to');
  }
  if (classic === true && smime !== undefined && smime !== '3.1') {
    throw new CommandError(EXIT.USAGE, `--classic is S/MIME 3.1, not ${smime}; give one of them`);
  }
  const version = classic === true ? '3.1' : smime;
  return {
    secure: {
      ...own,
      ...(trust === undefined ? {} : { authorities: trust }),
      ...(revoked === undefined ? {} : { revoked }),
      ...(encryptTo === undefined ? {} : { people: encryptTo }),
      ...(known === undefined ? {} : { known }),
      ...(version === undefined || version === '4.0' ? {} : { classic: version }),
    },
  };
}

/** Whether an option of S/MIME is given; --ca, --cert and --key by themselves are for the connection. */
export function asksForSecurity(options: SecureCommandOptions): boolean {
  const { sign, encrypt, encryptTo, identity, trust, revoked, known, classic, smime } = options;
  return [sign, encrypt, encryptTo, identity, trust, revoked, known, classic, smime].some((one) => one !== undefined);
}

async function identityOf({ identity, cert, key }: SecureCommandOptions): Promise<SecureFiles | undefined> {
  if (identity === undefined) return cert === undefined || key === undefined ? undefined : { certificate: cert, key };
  const text = (await readGivenFile(identity, EXIT.CONFIGURATION)).toString('latin1');
  const beside = `${identity.replace(/\.(?:crt|cer|pem)$/, '')}.key`;
  return { certificate: identity, key: text.includes('PRIVATE KEY-----') ? identity : beside };
}

/** Whether messages are to be signed and encrypted. */
export function sealing({ sign, encrypt, encryptTo }: SecureCommandOptions): {
  readonly sign: boolean;
  readonly encrypt: boolean;
} {
  return { sign: sign === true, encrypt: encrypt === true || encryptTo !== undefined };
}

/** How a delivery was protected, as JSON. */
export function protectionJson({ signed, encrypted }: Delivery): object {
  return { ...(signed === undefined ? {} : { signed: signatureJson(signed) }), ...(encrypted ? { encrypted } : {}) };
}

/** A signature as JSON, with the fingerprint that people compare. */
export function signatureJson({ by, valid, reason, trust, algorithm, outdated, at, certificate }: Signature): object {
  return {
    by,
    valid,
    reason,
    trust,
    algorithm,
    ...(outdated ? { outdated } : {}),
    at,
    fingerprint: certificate?.fingerprint256,
  };
}

/**
 * How a delivery was protected, in words; undefined when it was neither signed nor encrypted. @throws as {@link
 * Delivery.opened}
 */
export function protectionText({ signed, encrypted }: Delivery): string | undefined {
  const words = encrypted ? ['encrypted'] : [];
  if (signed === undefined) return encrypted ? paint('green', 'encrypted') : undefined;
  if (signed.reason !== undefined) return [signatureText(signed), ...words].join(', ');
  const proven = [signedBy(signed), ...words].join(', ');
  const caution = cautionOf(signed);
  return caution === '' ? paint('green', proven) : `${paint('green', proven)}, ${paint('yellow', caution)}`;
}

/** Who signed, and what people have to know about it. */
export function signatureText(signed: Signature): string {
  if (signed.reason === undefined) {
    const caution = cautionOf(signed);
    return `${paint('green', signedBy(signed))}${caution === '' ? '' : `, ${paint('yellow', caution)}`}`;
  }
  const changed = signed.reason === 'changed' ? `; its fingerprint is ${signed.certificate?.fingerprint256}` : '';
  const doubt = `NOT VERIFIED, claims to be from ${signed.by ?? 'no one'}: ${SIGNATURE_FAULTS[signed.reason]}${changed}`;
  return paint('red', doubt);
}

const signedBy = ({ by }: Signature): string => `signed by ${by}`;

/** What makes a valid signature prove less than others; empty for nothing. */
function cautionOf({ trust, outdated, algorithm, certificate }: Signature): string {
  const first = trust === 'first use' ? [`first seen now with fingerprint ${certificate?.fingerprint256}`] : [];
  const known = trust === 'known' ? ['known from earlier messages alone'] : [];
  const old = outdated ? [`by ${algorithm}, which can be forged`] : [];
  return [...first, ...known, ...old].join(', ');
}
