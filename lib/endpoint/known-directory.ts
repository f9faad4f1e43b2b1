/**
 * Directory of known certificates: one file per certificate, named by the address it was learnt for
 * (`barney@rubble.com.crt`), so that people can look at it, put files there and remove them. Several programs may use it
 * at once; of two that learn a first certificate for one address, one wins.
 */
import { X509Certificate } from 'node:crypto';
import { mkdirSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describeFileError } from '../config/password-file.js';
import { LocalError } from '../errors.js';
import { addressOf, parseAddress } from '../imxp/address.js';
import { KNOWN_LIMITS, type KnownCertificates } from '../message/smime/known-certificates.js';
import { createWhole } from '../ops/whole-file.js';

/** File systems limit names to 255 octets; a draft's name is longer than the file's. */
const NAME_OCTETS = 200;
const FILE = /^([^,]+@[^@,]+?)(?:,[0-9a-f]{16})?\.(?:crt|pem)$/;

/** A certificate in the directory. */
export interface KnownCertificate {
  readonly address: string;
  readonly file: string;
  readonly certificate: X509Certificate;
}

/**
 * @example
 * const known = new KnownDirectory('people');
 * const fred = await Endpoint.connect({ address: 'fred@example.com', secure: { certificate, key, known } });
 */
export class KnownDirectory implements KnownCertificates {
  readonly path: string;
  /** Names of files by address, as of {@link #changed}. */
  #files = new Map<string, readonly string[]>();
  #changed: bigint | undefined;

  /** Makes the directory when it is missing. @throws LocalError CONFIGURATION when that fails */
  constructor(path: string) {
    this.path = path;
    this.#guarded(() => mkdirSync(path, { recursive: true, mode: 0o700 }));
  }

  /** All certificates, by address. @throws LocalError CONFIGURATION for a file that cannot be read */
  list(): KnownCertificate[] {
    return [...this.#current()]
      .sort(([one], [other]) => (one < other ? -1 : 1))
      .flatMap(([address, names]) => names.map((name) => this.#read(address, name)));
  }

  find(address: string): readonly string[] {
    const names = this.#current().get(address) ?? [];
    return names.map((name) => this.#read(address, name).certificate.toString());
  }

  learn(address: string, certificate: string): boolean {
    const files = this.#current();
    const { base, domain } = parseAddress(address);
    const own = files.get(base) ?? [];
    const known = [...files].flatMap(([other, names]) => names.map(() => addressOf(other)?.domain));
    const full = known.length >= KNOWN_LIMITS.certificates;
    if (full || known.filter((other) => other === domain).length >= KNOWN_LIMITS.perDomain) return false;
    const name = fileName(base, own.length === 0 ? undefined : new X509Certificate(certificate));
    return name !== undefined && this.#write(name, certificate);
  }

  /** Removes what is known for an address. @returns how many certificates that were */
  forget(address: string): number {
    const names = this.#current().get(parseAddress(address).base) ?? [];
    this.#guarded(() => {
      for (const name of names) rmSync(join(this.path, name), { force: true });
    });
    this.#changed = undefined;
    return names.length;
  }

  #read(address: string, name: string): KnownCertificate {
    const file = join(this.path, name);
    return this.#guarded(() => ({ address, file, certificate: new X509Certificate(readFileSync(file)) }), file);
  }

  /** @returns false where there is a file of that name */
  #write(name: string, text: string): boolean {
    this.#changed = undefined;
    return this.#guarded(() => createWhole(join(this.path, name), text));
  }

  #current(): ReadonlyMap<string, readonly string[]> {
    return this.#guarded(() => {
      const { mtimeNs } = statSync(this.path, { bigint: true });
      if (mtimeNs === this.#changed) return this.#files;
      const found = new Map<string, string[]>();
      for (const name of readdirSync(this.path).sort()) {
        const address = addressIn(name);
        if (address !== undefined) found.set(address, [...(found.get(address) ?? []), name]);
      }
      this.#files = found;
      this.#changed = mtimeNs;
      return found;
    });
  }

  #guarded<T>(act: () => T, what = this.path): T {
    try {
      return act();
    } catch (cause) {
      throw new LocalError('CONFIGURATION', `known certificates ${what}: ${describeFileError(cause)}`, { cause });
    }
  }
}

/** Also where names of files do not tell upper from lower case. */
function fileName(address: string, further: X509Certificate | undefined): string | undefined {
  const safe = address.replace(/[^a-z0-9.@=_+-]/g, (character) => encodeURIComponent(character).replace(/^[^%]$/, hex));
  if (safe.length > NAME_OCTETS || safe.startsWith('.')) return undefined;
  const mark = further === undefined ? '' : `,${further.fingerprint256.replaceAll(':', '').slice(0, 16).toLowerCase()}`;
  return `${safe}${mark}.crt`;
}

const hex = (character: string): string => `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, '0')}`;

function addressIn(name: string): string | undefined {
  const safe = FILE.exec(name)?.[1];
  if (safe === undefined) return undefined;
  try {
    return addressOf(decodeURIComponent(safe))?.base;
  } catch {
    // Not a file of ours: a percent sign that encodes nothing.
    return undefined;
  }
}
