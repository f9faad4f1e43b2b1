/**
 * A certificate of an endpoint or a CA: whom it names and what it may be used for. Whether it is trusted is decided in
 * `trust.ts`.
 */
import type { KeyType } from 'node:crypto';
import { Certificate as ParsedCertificate } from 'pkijs';
import { LocalError } from '../../errors.js';
import { addressOf } from '../../imxp/address.js';
import { parseInstantUri } from '../uri.js';
import { BitString, octetsIn, oidOf, readAsn1, tagOf, valuesIn } from './asn1.js';
import { X509Certificate } from './cryptography.js';
import { guarded, invalidSecured, SMIME_LIMITS } from './fault.js';

const EXTENSION = {
  SUBJECT_KEY: '2.5.29.14',
  KEY_USAGE: '2.5.29.15',
  ALTERNATIVE_NAME: '2.5.29.17',
  CONSTRAINTS: '2.5.29.19',
  EXTENDED_USAGE: '2.5.29.37',
} as const;
const UNDERSTOOD: ReadonlySet<string> = new Set(Object.values(EXTENSION));
// RFC 5280 §4.2.1.12
const [EMAIL_PROTECTION, ANY_USAGE] = ['1.3.6.1.5.5.7.3.4', '2.5.29.37.0'];
// RFC 5280 §4.2.1.3, bits of the first octet
const USAGE = {
  DIGITAL_SIGNATURE: 0x80,
  NON_REPUDIATION: 0x40,
  KEY_ENCIPHERMENT: 0x20,
  KEY_AGREEMENT: 0x08,
  CERTIFICATE: 0x04,
} as const;
const KEY_USAGES: ReadonlyMap<KeyType | undefined, number> = new Map([
  ['rsa', USAGE.KEY_ENCIPHERMENT],
  ['ec', USAGE.KEY_AGREEMENT],
]);
// RFC 5280 §4.2.1.6
const [MAILBOX, URI] = [1, 6];
/** Largest certificate accepted; a few thousand octets are usual. */
const CERTIFICATE_OCTETS = 65_536;
/** Longest name read in a certificate; longer ones name nobody. Addresses have a few hundred octets. */
const NAME_OCTETS = 4_096;

export class Certificate {
  readonly x509: X509Certificate;
  readonly parsed: ParsedCertificate;
  /**
   * The addresses it names: those of `im:` and `pres:` URIs, or if there are none, of rfc822Names (RFC 3860 §4), as
   * {@link Address.key}.
   */
  readonly identities: readonly string[];
  readonly #extensions: ReadonlyMap<string, Buffer>;
  readonly #usage: number | undefined;
  readonly #extendedUsages: readonly string[] | undefined;

  /** @throws RemoteProtocolError SMIME_INVALID */
  constructor(der: Buffer) {
    if (der.length > CERTIFICATE_OCTETS) throw invalidSecured('a certificate is too large');
    const { x509, parsed } = guarded('a certificate cannot be read', () => ({
      x509: new X509Certificate(der),
      parsed: ParsedCertificate.fromBER(new Uint8Array(der)),
    }));
    this.x509 = x509;
    this.parsed = parsed;
    this.#extensions = new Map((parsed.extensions ?? []).map(({ extnID, extnValue }) => [extnID, octetsIn(extnValue)]));
    this.#usage = this.#usageBits();
    this.#extendedUsages = this.#read(EXTENSION.EXTENDED_USAGE, (value) => valuesIn(value).map(oidOf));
    this.identities = this.#names();
  }

  /** The certificate in DER. */
  get raw(): Buffer {
    return this.x509.raw;
  }

  get ca(): boolean {
    return this.x509.ca;
  }

  /** How many CA certificates may stand between this one and the last; undefined for no limit. */
  get pathLength(): number | undefined {
    return this.#read(EXTENSION.CONSTRAINTS, (value) => {
      const [, length] = valuesIn(value);
      return length === undefined ? undefined : Number.parseInt(octetsIn(length).toString('hex'), 16);
    });
  }

  /** RFC 5280 §4.2.1.2: the identifier of its key. */
  get subjectKey(): Buffer | undefined {
    return this.#read(EXTENSION.SUBJECT_KEY, octetsIn);
  }

  /** RFC 5280 §4.2: whether it has a critical extension that is not supported. */
  get demanding(): boolean {
    return this.parsed.extensions?.some(({ critical, extnID }) => critical && !UNDERSTOOD.has(extnID)) ?? false;
  }

  /** RFC 8550 §4.4.2, §4.4.4. */
  get signsMessages(): boolean {
    return this.#may(USAGE.DIGITAL_SIGNATURE | USAGE.NON_REPUDIATION) && this.#forMail;
  }

  /** RFC 5280 §4.2.1.3: keys are enciphered for RSA keys, and agreed on with EC keys; other keys only sign. */
  get takesKeys(): boolean {
    const usage = KEY_USAGES.get(this.x509.publicKey.asymmetricKeyType);
    return usage !== undefined && this.#may(usage) && this.#forMail;
  }

  get signsCertificates(): boolean {
    return this.ca && this.#may(USAGE.CERTIFICATE);
  }

  validAt(at: Date): boolean {
    const [from, to] = [Date.parse(this.x509.validFrom), Date.parse(this.x509.validTo)];
    return from <= at.getTime() && at.getTime() <= to;
  }

  is({ raw }: Certificate): boolean {
    return raw.equals(this.raw);
  }

  /** Whether it names an address, or the address without its subaddress part. */
  names(address: string): boolean {
    const found = addressOf(address);
    return found !== undefined && (this.identities.includes(found.key) || this.identities.includes(found.base));
  }

  #may(usage: number): boolean {
    return this.#usage === undefined || (this.#usage & usage) !== 0;
  }

  get #forMail(): boolean {
    return this.#extendedUsages?.some((usage) => usage === EMAIL_PROTECTION || usage === ANY_USAGE) ?? true;
  }

  #usageBits(): number | undefined {
    return this.#read(EXTENSION.KEY_USAGE, (value) => {
      if (!(value instanceof BitString)) throw invalidSecured('the key usage of a certificate cannot be read');
      return octetsIn(value)[0] ?? 0;
    });
  }

  #names(): string[] {
    const names = this.#read(EXTENSION.ALTERNATIVE_NAME, (value) =>
      valuesIn(value)
        .map((name) => ({ tag: tagOf(name), octets: octetsIn(name) }))
        .filter(({ octets }) => octets.length <= NAME_OCTETS)
        .map(({ tag, octets }) => ({ tag, text: octets.toString('latin1') })),
    );
    const uris = names?.flatMap(({ tag, text }) => (tag === URI ? keyOf(inboxOf(text)) : [])) ?? [];
    const mailboxes = names?.flatMap(({ tag, text }) => (tag === MAILBOX ? keyOf(text) : [])) ?? [];
    return [...new Set(uris.length > 0 ? uris : mailboxes)];
  }

  #read<T>(oid: string, read: (value: ReturnType<typeof readAsn1>) => T): T | undefined {
    const octets = this.#extensions.get(oid);
    if (octets === undefined) return undefined;
    return guarded('an extension of a certificate cannot be read', () => read(readAsn1(octets, SMIME_LIMITS)));
  }
}

function inboxOf(uri: string): string {
  try {
    // A name in a certificate is an identity: exactly one, with nothing beside it.
    const [only, ...more] = parseInstantUri(uri).to;
    return only !== undefined && more.length === 0 && only.phrase === undefined ? only.address : '';
  } catch {
    return '';
  }
}

function keyOf(address: string): string[] {
  const found = addressOf(address);
  return found === undefined ? [] : [found.key];
}

const PEM = /-----BEGIN (?:X509 |TRUSTED )?CERTIFICATE-----([^-]*)-----END/g;

/**
 * Reads the certificates in PEM, in order, or one in DER.
 *
 * @throws LocalError ARGUMENT when there is none or one cannot be read
 */
export function readCertificates(octets: string | Buffer): Certificate[] {
  const text = octets.toString('latin1');
  try {
    if (!text.includes('-----BEGIN')) return [new Certificate(Buffer.from(octets))];
    const found = Array.from(text.matchAll(PEM), ([, base64 = '']) => new Certificate(Buffer.from(base64, 'base64')));
    if (found.length > 0) return found;
  } catch (cause) {
    throw new LocalError('ARGUMENT', 'a certificate cannot be read', { cause });
  }
  throw new LocalError('ARGUMENT', 'the file contains no certificate in PEM or DER');
}
