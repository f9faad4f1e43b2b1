/**
 * Directory of certificates with a development authority in it: `ca.crt`, `ca.key`, `ca.crl`, and a `.crt` and a `.key`
 * for each relay or endpoint. Manages the files and their modes; `issue.ts` determines the contents.
 */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { LocalError } from '../errors.js';
import { replaceWhole } from '../ops/whole-file.js';
import {
  type CertificateSubject,
  type Credential,
  domainOf,
  isDsa,
  issue,
  makeAuthority,
  type Period,
  periodOf,
  subjectAddress,
  subjectHost,
} from './issue.js';
import { type Revoked, revocationList } from './revocation.js';

/** Long enough to be forgotten while developing. */
export const AUTHORITY_DAYS = 3650;
/** The period of most public authorities. */
export const CERTIFICATE_DAYS = 365;

export interface CertificateInfo {
  readonly kind: 'authority' | 'relay' | 'endpoint' | 'other';
  /** The domain or address that it is for; the common name of an authority. */
  readonly name: string;
  /** Paths of the files. */
  readonly certificate: string;
  readonly key: string;
  readonly validFrom: Date;
  readonly validTo: Date;
  readonly serial: string;
  readonly revoked: boolean;
}

export interface Made extends CertificateInfo {
  readonly action: 'made' | 'kept' | 'renewed';
}

export interface MakeOptions {
  readonly days?: number;
  /** Issue it again although the present one is still good. */
  readonly renew?: boolean;
}

function missing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (missing(error)) return undefined;
    throw error;
  }
}

function nameOf(subject: CertificateSubject): string {
  return subject.kind === 'relay' ? domainOf(subject.domain) : subjectAddress(subject.address);
}

/** Returns the file name of an address, which may contain a slash. */
function fileOf(name: string): string {
  return name.replace(/[^A-Za-z0-9.@=_+-]/g, (character) => encodeURIComponent(character).replaceAll('*', '%2A'));
}

function alternatives(certificate: X509Certificate): readonly string[] {
  return (certificate.subjectAltName ?? '').split(', ');
}

/** id-kp-clientAuth (RFC 5280 §4.2.1.12). */
const CLIENT_AUTH = '1.3.6.1.5.5.7.3.2';

/**
 * Whether the extended key usage omits clientAuth. Node calls the extension `keyUsage`, and has undefined if it is
 * absent.
 */
function serverOnly(certificate: X509Certificate): boolean {
  const usage: readonly string[] | undefined = certificate.keyUsage;
  return usage?.includes(CLIENT_AUTH) === false;
}

function keyOf({ publicKey }: X509Certificate): 'ecdsa' | 'rsa' {
  return publicKey.asymmetricKeyType === 'ec' ? 'ecdsa' : 'rsa';
}

function subjectOf(certificate: X509Certificate): { kind: CertificateInfo['kind']; name: string; hosts: string[] } {
  const common = /^CN=(.*)$/m.exec(certificate.subject)?.[1] ?? certificate.subject;
  if (certificate.ca) return { kind: 'authority', name: common, hosts: [] };
  const names = alternatives(certificate);
  const find = (prefix: string): string[] =>
    names.filter((name) => name.startsWith(prefix)).map((name) => name.slice(prefix.length).replace(/^"(.*)"$/, '$1'));
  const mailbox = find('email:')[0];
  if (mailbox?.startsWith('imxp=mesh@') === true) {
    const name = mailbox.slice('imxp=mesh@'.length);
    return { kind: 'relay', name, hosts: [...find('DNS:').filter((host) => host !== name), ...find('IP Address:')] };
  }
  return mailbox === undefined
    ? { kind: 'other', name: common, hosts: [] }
    : { kind: 'endpoint', name: mailbox, hosts: [] };
}

export class CertificateDirectory {
  readonly path: string;
  readonly #authority: Credential;
  readonly #now: () => Date;
  /** Whether the authority was made by this call of {@link open}. */
  readonly fresh: boolean;

  private constructor(path: string, authority: Credential, fresh: boolean, now: () => Date) {
    this.path = path;
    this.#authority = authority;
    this.fresh = fresh;
    this.#now = now;
  }

  /**
   * Opens a directory; makes the directory and the authority if they do not exist.
   *
   * @throws LocalError ARGUMENT if the authority cannot be used; system errors for files
   */
  static async open(path: string, now: () => Date = () => new Date()): Promise<CertificateDirectory> {
    await mkdir(path, { recursive: true });
    const [certificatePath, keyPath] = [join(path, 'ca.crt'), join(path, 'ca.key')];
    const [certificate, key] = await Promise.all([readIfThere(certificatePath), readIfThere(keyPath)]);
    if (certificate !== undefined && key !== undefined) {
      if (!new X509Certificate(certificate).checkPrivateKey(createPrivateKey(key))) {
        throw new LocalError('ARGUMENT', `${keyPath} is not the key of ${certificatePath}`);
      }
      return new CertificateDirectory(path, { certificate, key }, false, now);
    }
    if (certificate !== undefined || key !== undefined) {
      const [there, gone] = key === undefined ? [certificatePath, keyPath] : [keyPath, certificatePath];
      // A new authority would silently invalidate everything that the old one signed.
      throw new LocalError(
        'ARGUMENT',
        `${there} exists but ${gone} does not; restore it, or remove both to start again`,
      );
    }
    const authority = await makeAuthority(periodOf(AUTHORITY_DAYS, now()));
    await replaceWhole(keyPath, authority.key, 0o600);
    await replaceWhole(certificatePath, authority.certificate, 0o644);
    return new CertificateDirectory(path, authority, true, now);
  }

  get authorityFile(): string {
    return join(this.path, 'ca.crt');
  }

  /** Certificate of the authority. */
  async authority(): Promise<Made> {
    const info = this.#info(this.authorityFile, this.#authority.certificate, new Set());
    return { ...info, action: this.fresh ? 'made' : 'kept' };
  }

  /**
   * Issues a certificate with its key. Keeps the present one if it is good: of this authority, for these names, neither
   * expired nor revoked.
   *
   * @throws LocalError ARGUMENT
   */
  async make(subject: CertificateSubject, options: MakeOptions = {}): Promise<Made> {
    const name = nameOf(subject);
    if (name === 'ca') throw new LocalError('ARGUMENT', 'the name "ca" is taken by the files of the authority');
    const period = periodOf(options.days ?? CERTIFICATE_DAYS, this.#now());
    const path = join(this.path, `${fileOf(name)}${isDsa(subject) ? '-dsa' : ''}.crt`);
    const revoked = await this.#revokedSerials();
    const present = await readIfThere(path);
    if (present !== undefined && options.renew !== true && (await this.#good(path, present, subject, revoked))) {
      return { ...this.#info(path, present, revoked), action: 'kept' };
    }
    const same = present !== undefined && subject.kind === 'relay' && subject.key === undefined;
    const key = same ? { key: keyOf(readCertificate(path, present)) } : {};
    await this.#write(path, { ...subject, ...key }, period);
    const certificate = await readFile(path, 'utf8');
    return { ...this.#info(path, certificate, revoked), action: present === undefined ? 'made' : 'renewed' };
  }

  /** Issues every relay and endpoint certificate in the directory again, for the same names. */
  async renewAll(options: MakeOptions = {}): Promise<readonly Made[]> {
    const made: Made[] = [];
    for (const info of await this.list()) {
      if (info.kind === 'relay') {
        const present = new X509Certificate(await readFile(info.certificate));
        const { hosts } = subjectOf(present);
        const subject: CertificateSubject = {
          kind: 'relay',
          domain: info.name,
          hosts,
          serverOnly: serverOnly(present),
          key: keyOf(present),
          dsa: present.publicKey.asymmetricKeyType === 'dsa',
        };
        made.push(await this.make(subject, { ...options, renew: true }));
      } else if (info.kind === 'endpoint') {
        made.push(await this.make({ kind: 'endpoint', address: info.name }, { ...options, renew: true }));
      }
    }
    return made;
  }

  /** Lists all certificates in the directory, the authority first. */
  list(): Promise<readonly CertificateInfo[]> {
    return listCertificates(this.path);
  }

  /**
   * Revokes certificates and writes `ca.crl`. Revoking twice changes nothing.
   *
   * @param files paths of certificates
   * @returns the path of the list
   * @throws LocalError ARGUMENT if a file has no certificate of this authority
   */
  async revoke(files: readonly string[]): Promise<string> {
    const authority = new X509Certificate(this.#authority.certificate);
    const revoked = new Map((await readRevoked(this.path)).map((entry) => [entry.serial, entry]));
    for (const file of files) {
      const certificate = readCertificate(file, await readFile(file, 'utf8'));
      if (certificate.ca || !certificate.verify(authority.publicKey)) {
        throw new LocalError('ARGUMENT', `${file} was not signed by the authority in ${this.path}`);
      }
      const serial = certificate.serialNumber.toLowerCase();
      if (!revoked.has(serial)) revoked.set(serial, { serial, at: this.#now() });
    }
    const entries = [...revoked.values()];
    const path = join(this.path, 'ca.crl');
    await replaceWhole(join(this.path, 'revoked.json'), `${JSON.stringify(entries, null, 2)}\n`, 0o644);
    await replaceWhole(path, revocationList(this.#authority, entries, this.#now()), 0o644);
    return path;
  }

  async #write(path: string, subject: CertificateSubject, period: Period): Promise<void> {
    const credential = await issue(this.#authority, subject, period);
    await replaceWhole(path.replace(/\.crt$/, '.key'), credential.key, 0o600);
    await replaceWhole(path, credential.certificate, 0o644);
  }

  async #good(path: string, text: string, subject: CertificateSubject, revoked: ReadonlySet<string>): Promise<boolean> {
    const certificate = readCertificate(path, text);
    const key = await readIfThere(path.replace(/\.crt$/, '.key'));
    const authority = new X509Certificate(this.#authority.certificate);
    const hosts = new Set(subjectOf(certificate).hosts.map((host) => subjectHost(host).host));
    return (
      key !== undefined &&
      certificate.verify(authority.publicKey) &&
      Date.parse(certificate.validTo) > this.#now().getTime() &&
      !revoked.has(certificate.serialNumber.toLowerCase()) &&
      (subject.kind === 'endpoint' ||
        ((subject.hosts ?? []).every((host) => hosts.has(subjectHost(host).host)) &&
          (subject.serverOnly !== true || serverOnly(certificate)) &&
          (subject.key === undefined || subject.dsa === true || keyOf(certificate) === subject.key)))
    );
  }

  async #revokedSerials(): Promise<ReadonlySet<string>> {
    return new Set((await readRevoked(this.path)).map(({ serial }) => serial));
  }

  #info(path: string, text: string, revoked: ReadonlySet<string>): CertificateInfo {
    return infoOf(path, readCertificate(path, text), revoked);
  }
}

function readCertificate(path: string, text: string): X509Certificate {
  try {
    return new X509Certificate(text);
  } catch (cause) {
    throw new LocalError('ARGUMENT', `${path} contains no certificate`, { cause });
  }
}

function infoOf(path: string, certificate: X509Certificate, revoked: ReadonlySet<string>): CertificateInfo {
  const { kind, name } = subjectOf(certificate);
  const serial = certificate.serialNumber.toLowerCase();
  return {
    kind,
    name,
    certificate: path,
    key: path.replace(/\.crt$/, '.key'),
    validFrom: new Date(certificate.validFrom),
    validTo: new Date(certificate.validTo),
    serial,
    revoked: revoked.has(serial),
  };
}

/** Record behind `ca.crl`, because a list is easier to write than to read. */
async function readRevoked(path: string): Promise<readonly Revoked[]> {
  const text = await readIfThere(join(path, 'revoked.json'));
  if (text === undefined) return [];
  const entries: unknown = JSON.parse(text);
  if (!Array.isArray(entries)) throw new LocalError('ARGUMENT', `${join(path, 'revoked.json')} is not a list`);
  return entries.map((entry: { serial?: unknown; at?: unknown }) => ({
    serial: String(entry.serial),
    at: new Date(String(entry.at)),
  }));
}

/** Lists all certificates in a directory, authorities first, then by name. Needs no key of an authority. */
export async function listCertificates(path: string): Promise<readonly CertificateInfo[]> {
  const revoked = new Set((await readRevoked(path)).map(({ serial }) => serial));
  const files = (await readdir(path)).filter((file) => file.endsWith('.crt'));
  const found = await Promise.all(
    files.map(async (file) =>
      infoOf(join(path, file), readCertificate(file, await readFile(join(path, file), 'utf8')), revoked),
    ),
  );
  const order = (info: CertificateInfo): string => `${info.kind === 'authority' ? 0 : 1}${info.name}`;
  return found.sort((a, b) => (order(a) < order(b) ? -1 : 1));
}
