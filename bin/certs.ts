/** `imxp certs`: makes certificates for development and small meshes, signed by a CA of their own. */
import { type Command, Option } from 'commander';
import { type CertificateInfo, listCertificates, type Made } from '../lib/certs/directory.js';
import type { CertificateSubject } from '../lib/certs/issue.js';
import { paint } from '../lib/ops/terminal.js';
import { CommandError, EXIT } from './support/exit.js';
import { explain } from './support/manual.js';
import { severalAddresses, severalDomains, shownName } from './support/names.js';
import { note, print, printJson, table } from './support/output.js';

interface CertsOptions {
  readonly out: string;
  readonly domain?: readonly string[];
  readonly endpoint?: readonly string[];
  readonly host?: readonly string[];
  readonly serverOnly?: boolean;
  readonly key?: 'ecdsa' | 'rsa';
  readonly legacyDsa?: boolean;
  readonly days?: number;
  readonly renew?: boolean;
  readonly revoke?: readonly string[];
  readonly list?: boolean;
  readonly json?: boolean;
}

function daysOf(text: string): number {
  const days = Number(text);
  if (!Number.isInteger(days) || days < 1 || days > 36_500) {
    throw new CommandError(EXIT.USAGE, '--days must be a whole number from 1 to 36500');
  }
  return days;
}

function stateOf(info: CertificateInfo): string {
  if (info.revoked) return paint('red', 'revoked');
  const days = Math.round((info.validTo.getTime() - Date.now()) / 86_400_000);
  return days < 0 ? paint('red', 'expired') : `${days} days left`;
}

function row(info: CertificateInfo | Made): string[] {
  const until = `until ${info.validTo.toISOString().slice(0, 10)}`;
  const action = 'action' in info ? [info.action] : [];
  return [...action, info.kind, shownName(info.name), info.certificate, until, stateOf(info)];
}

function show(infos: readonly (CertificateInfo | Made)[], { json }: CertsOptions): void {
  if (json === true) printJson(infos);
  else print(table(infos.map(row)));
}

async function list(options: CertsOptions): Promise<void> {
  const infos = await listCertificates(options.out).catch((cause: unknown) => {
    throw new CommandError(
      EXIT.FAILED,
      `${options.out} cannot be read; imxp certs --out ${options.out} --domain DOMAIN creates it`,
      { cause },
    );
  });
  show(infos, options);
}

function subjectsOf(options: CertsOptions): CertificateSubject[] {
  const { domain, endpoint, host: hosts = [], serverOnly = false, legacyDsa } = options;
  // A relay with that certificate speaks TLS 1.0, too.
  const key = options.key ?? (legacyDsa === true ? 'rsa' : undefined);
  const kinds = legacyDsa === true ? [false, true] : [false];
  return [
    ...(domain ?? []).flatMap((name) =>
      kinds.map(
        (dsa): CertificateSubject => ({
          kind: 'relay',
          domain: name,
          hosts,
          serverOnly,
          dsa,
          ...(key === undefined ? {} : { key }),
        }),
      ),
    ),
    ...(endpoint ?? []).map((address): CertificateSubject => ({ kind: 'endpoint', address })),
  ];
}

async function certs(options: CertsOptions): Promise<void> {
  if (options.list === true) return list(options);
  const subjects = subjectsOf(options);
  if (subjects.length === 0 && options.renew !== true && options.revoke === undefined) {
    throw new CommandError(
      EXIT.USAGE,
      'nothing to do; use --domain example.com, --endpoint fred@example.com, --renew, --revoke or --list',
    );
  }
  const { CertificateDirectory } = await import('../lib/certs/directory.js');
  const directory = await CertificateDirectory.open(options.out);
  const days = options.days === undefined ? {} : { days: options.days };
  const revoked = options.revoke === undefined ? undefined : await directory.revoke(options.revoke);
  const made: Made[] = [await directory.authority()];
  for (const subject of subjects) made.push(await directory.make(subject, { ...days, renew: options.renew === true }));
  if (subjects.length === 0 && options.renew === true) made.push(...(await directory.renewAll(days)));
  if (revoked !== undefined && made.length === 1) return list(options);
  show(made, options);
  if (directory.fresh && options.json !== true) {
    note(
      `Give ${directory.authorityFile} to everyone who should trust these certificates (tls.authority, --ca); keep ca.key secret.`,
    );
  }
}

export function register(command: Command): void {
  command
    .option('-o, --out <directory>', 'directory of the CA and the certificates', 'certs')
    .option('--domain <domain...>', 'make a certificate for the relay of a domain', severalDomains)
    .option(
      '--endpoint <address...>',
      'make a certificate for an endpoint, to log in with and to sign and encrypt messages',
      severalAddresses,
    )
    .option('--host <host...>', 'add host names and IP addresses to the certificates of relays', severalDomains)
    .option(
      '--server-only',
      'with --domain: leave out clientAuth, as public CAs do; relays accept each other without it',
    )
    .addOption(
      new Option(
        '--key <kind>',
        'with --domain: kind of the key; default: that of the present certificate, or ecdsa (P-256); TLS 1.0 and 1.1 (tls.legacy) need rsa',
      ).choices(['ecdsa', 'rsa']),
    )
    .option(
      '--legacy-dsa',
      'with --domain: also make DOMAIN-dsa.crt for a DSA key, for tls.legacyDsa and peers of the year 2000; not secure',
    )
    .option('--days <days>', 'validity of new certificates in days (default: 365)', daysOf)
    .option('--renew', 'renew certificates that are still valid; without names, all of them')
    .option('--revoke <certificate...>', 'revoke certificates: writes ca.crl, for tls.revoked')
    .option('--list', 'list the certificates and their expiry')
    .option('--json', 'print the result as JSON')
    .action(certs);
  explain(command, {
    about:
      'The CA and endpoints have RSA keys: every correspondent can encrypt for those. An existing CA and certificates that are still valid are kept, so the command may be run again safely.',
    exits: { 0: 'done', 1: 'a file or the directory cannot be read or written' },
    examples: [
      'imxp certs --out certs --domain example.com --domain rubble.com',
      'imxp certs --out certs --endpoint fred@example.com --days 30',
      'imxp certs --out certs --revoke certs/rubble.com.crt',
      'imxp certs --out certs --list',
    ],
    see: ['imxp check', 'docs/guide/tls.md'],
  });
}
