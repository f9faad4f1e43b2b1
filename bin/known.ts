/** `imxp known`: shows and changes a directory of certificates learnt from signed messages. */
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { KnownDirectory } from '../lib/endpoint/known-directory.js';
import { readCertificates } from '../lib/message/smime/certificate.js';
import { KNOWN_LIMITS } from '../lib/message/smime/known-certificates.js';
import { CommandError, EXIT } from './support/exit.js';
import { readGivenFile } from './support/files.js';
import { explain } from './support/manual.js';
import { addressArgument } from './support/names.js';
import { print, printJson, table } from './support/output.js';

interface KnownOptions {
  readonly json?: boolean;
}

function opened(path: string): KnownDirectory {
  if (!existsSync(path)) throw new CommandError(EXIT.CONFIGURATION, `${path}: there is no such directory`);
  return new KnownDirectory(path);
}

function list(directory: string, { json }: KnownOptions): void {
  const all = opened(directory).list();
  if (json === true) {
    printJson(
      all.map(({ address, file, certificate: { fingerprint256: fingerprint, validFrom, validTo } }) => {
        return { address, fingerprint, from: new Date(validFrom), to: new Date(validTo), file };
      }),
    );
    return;
  }
  if (all.length === 0) return;
  const rows = all.map(({ address, certificate: { fingerprint256, validTo } }) => {
    return [address, new Date(validTo).toISOString().slice(0, 10), fingerprint256];
  });
  print(table([['ADDRESS', 'UNTIL', 'FINGERPRINT'], ...rows]));
}

async function add(directory: string, address: string, file: string): Promise<void> {
  const [certificate] = readCertificates(await readGivenFile(file, EXIT.CONFIGURATION));
  if (certificate?.names(address) !== true) {
    const names = certificate?.identities.join(', ') ?? '';
    throw new CommandError(EXIT.FAILED, `the certificate is not for ${address}; it names ${names || 'no address'}`);
  }
  const known = new KnownDirectory(directory);
  const text = certificate.x509.toString();
  if (known.find(address).includes(text)) return;
  if (!known.learn(address, text))
    throw new CommandError(
      EXIT.FAILED,
      `${directory} takes no further certificate of ${address}: it holds at most ${KNOWN_LIMITS.certificates}, and ${KNOWN_LIMITS.perDomain} of one domain; remove some with imxp known forget`,
    );
}

function forget(directory: string, address: string): void {
  if (opened(directory).forget(address) > 0) return;
  throw new CommandError(EXIT.FAILED, `no certificate of ${address} is known`);
}

const DIRECTORY = 'the directory that --known names';
const EXITS = { 0: 'done', [EXIT.CONFIGURATION]: 'the directory, or a certificate in it, cannot be used' };

export function register(known: Command): void {
  explain(
    known
      .command('list')
      .description('list certificates and fingerprints')
      .argument('<directory>', DIRECTORY)
      .option('--json', 'print a JSON array: address, fingerprint, from, to, file')
      .action(list),
    {
      about: `A certificate that no trusted CA issued is trusted when it is seen for the first time, and afterwards for that address
alone. To be sure, ask its owner for the fingerprint by another way, such as the telephone.`,
      exits: EXITS,
      examples: ['imxp known list people'],
      see: ['imxp listen', 'imxp known forget'],
    },
  );
  explain(
    known
      .command('add')
      .description('add a certificate from a file')
      .argument('<directory>', `${DIRECTORY}; made when it is missing`)
      .argument('<address>', 'the owner of the certificate', addressArgument)
      .argument('<certificate>', 'a file in PEM or DER')
      .action(add),
    {
      exits: { ...EXITS, 1: 'the certificate does not name the address, or there is no room' },
      examples: ['imxp known add people barney@rubble.com barney.crt'],
      see: ['imxp known list', 'imxp send'],
    },
  );
  explain(
    known
      .command('forget')
      .description('remove the certificates of an address')
      .argument('<directory>', DIRECTORY)
      .argument('<address>', 'the owner of the certificates', addressArgument)
      .action(forget),
    {
      about: `Do this when the owner has told you about a new certificate: the next one that is seen is trusted as on first use.
Until then, messages signed with another certificate than the known one are shown as NOT VERIFIED.`,
      exits: { ...EXITS, 1: 'no certificate of the address is known' },
      examples: ['imxp known forget people barney@rubble.com'],
      see: ['imxp known list'],
    },
  );
  explain(known, {
    about: `imxp send, imxp listen and imxp chat learn certificates from signed messages where --known names a directory. It holds a
file for each certificate.`,
    exits: EXITS,
    examples: [
      'imxp known list people',
      'imxp known add people barney@rubble.com barney.crt',
      'imxp known forget people barney@rubble.com',
    ],
    see: ['imxp listen', 'imxp send', 'imxp certs'],
  });
}
