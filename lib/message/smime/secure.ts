/**
 * Signs, encrypts, verifies and decrypts whole MIME entities (RFC 8551) for one user, with their certificate and key,
 * trusted CAs, and certificates of recipients. Everything is given as octets; opens no files.
 */
import { LocalError } from '../../errors.js';
import { addressOf } from '../../imxp/address.js';
import { type Certificate, readCertificates } from './certificate.js';
import type { MadeEntity, OpenEntity } from './entity.js';
import { SMIME_LIMITS, type SmimeLimits } from './fault.js';
import { readIdentity } from './identity.js';
import type { KnownCertificates } from './known-certificates.js';
import { newer, Protection, type Sealing, type Unsealed } from './protection.js';
import type { ReplayLimits } from './replay.js';
import { readRevocationLists, Trust } from './trust.js';
import { type ClassicVersion, versionOf } from './version.js';
import { runNow } from './work.js';

export type { Sealing, Unsealed };

/** Finds the certificate of an address: PEM or DER, or undefined when it is not known. */
export type FindCertificate = (address: string) => string | Buffer | undefined;

/** Options of {@link Secure}. Each is optional, and in PEM unless stated otherwise. */
export interface SecureOptions {
  /** Own certificate, followed by its intermediates, to sign with and to decrypt with. Requires `key`. */
  readonly certificate?: string | Buffer;
  readonly key?: string | Buffer;
  /** Trusted CA certificates; without any, no signature is valid. */
  readonly authorities?: string | Buffer;
  /** Certificate revocation lists of the CAs, in PEM or DER. */
  readonly revoked?: string | Buffer;
  /** Certificates of recipients, or a function that finds them. */
  readonly people?: readonly (string | Buffer)[] | FindCertificate;
  /**
   * Where certificates learnt from valid signatures are kept, to encrypt for their owners and to know them again: a
   * certificate that no trusted CA issued is trusted on first use, and from then on for its address no other one.
   * Without it such signatures are not valid.
   */
  readonly known?: KnownCertificates;
  /**
   * The S/MIME version of correspondents who support nothing newer. Version 3.2 (2010) encrypts with AES-256-CBC and
   * RSAES-PKCS1-v1_5 (EnvelopedData) instead of AES-GCM and RSAES-OAEP (AuthEnvelopedData), and accepts such content
   * even without a signature: an attacker who can send many messages and observe refusals can then decrypt another
   * message. Version 3.1 (2004), or `true`, signs with SHA-1 as well and encrypts with 3DES, as RFC 3860 requires, and
   * accepts signatures by SHA-1, DSA and keys of 1024 bits, marked as `outdated`, which can be forged. Default: false.
   */
  readonly classic?: ClassicVersion;
  /**
   * How long after it was signed a message may arrive, in milliseconds; older ones are `stale`, and as long those that
   * come again are `repeated`. Default: eight days, a day longer than relays hold messages.
   */
  readonly freshMs?: number;
  readonly limits?: Partial<SmimeLimits>;
  readonly replays?: ReplayLimits;
  /** Clock for the validity of certificates. */
  readonly now?: () => Date;
}

/**
 * @example
 * const secure = new Secure({ certificate, key, authorities, people: [barneysCertificate] });
 * const sealed = secure.seal(entity, { sign: true, encrypt: true, from: 'fred@example.com', to: ['barney@rubble.com'] });
 */
export class Secure {
  readonly #protection: Protection;

  /** @throws LocalError ARGUMENT for a certificate, key or list that cannot be read */
  constructor(options: SecureOptions = {}) {
    const { certificate, key, authorities, revoked, people = [], classic = false, now = () => new Date() } = options;
    const version = versionOf(classic);
    if ((certificate === undefined) !== (key === undefined)) {
      throw new LocalError('ARGUMENT', 'certificate and key must be given together');
    }
    const trust = new Trust(
      authorities === undefined ? [] : readCertificates(authorities),
      revoked === undefined ? [] : readRevocationLists(revoked),
      version === '3.1',
    );
    this.#protection = new Protection({
      own: certificate === undefined || key === undefined ? undefined : readIdentity(certificate, key),
      trust,
      find: typeof people === 'function' ? found(people) : among(people.flatMap(readCertificates)),
      known: options.known,
      version,
      freshMs: options.freshMs,
      replays: options.replays,
      limits: { ...SMIME_LIMITS, ...options.limits },
      now,
    });
  }

  /**
   * Signs and then encrypts, as requested. The signature is detached (multipart/signed), so that readers without S/MIME
   * can read the content, unless its line ends would not survive that. Content is encrypted for the recipients and the
   * sender.
   *
   * @throws LocalError ARGUMENT when the own certificate or that of a recipient is missing or not usable
   */
  seal(entity: MadeEntity, sealing: Sealing): MadeEntity {
    return runNow(this.#protection.seal(entity, sealing));
  }

  /**
   * Removes all S/MIME layers of an entity. Nothing is refused because of a signature; the result reports it.
   *
   * A signed message that arrives a second time is reported as `repeated`; the same object may be opened again.
   *
   * @param recipients whom it was delivered to: the same message may come once for each
   * @returns the same entity when it is not protected
   * @throws RemoteProtocolError SMIME_INVALID, reply 501; SMIME_UNREADABLE, reply 550; MIME_INVALID | MESSAGE_INVALID
   * @throws LocalError CONFIGURATION | ARGUMENT when a certificate of `people` or `known` cannot be read
   */
  open(entity: OpenEntity, originator: string, recipients: readonly string[] = []): Unsealed {
    return runNow(this.#protection.open(entity, originator, recipients));
  }

  /** Like {@link open}, for what may be read any number of times, such as presence: nothing is `repeated` or `stale`. */
  read(entity: OpenEntity, originator: string): Unsealed {
    return runNow(this.#protection.read(entity, originator));
  }

  /** The application did not take a message: it is no repetition when it comes again. */
  forget(entity: OpenEntity): void {
    this.#protection.forget(entity);
  }
}

function found(find: FindCertificate): (address: string) => Certificate | undefined {
  return (address) => {
    const octets = find(address);
    return octets === undefined ? undefined : readCertificates(octets)[0];
  };
}

/** Finds the newest certificate that names an address. */
function among(certificates: readonly Certificate[]): (address: string) => Certificate | undefined {
  const byName = new Map<string, Certificate>();
  for (const certificate of certificates) {
    for (const name of certificate.identities) {
      const other = byName.get(name);
      byName.set(name, other === undefined ? certificate : newer(other, certificate));
    }
  }
  return (address) => {
    const found = addressOf(address);
    return found === undefined ? undefined : (byName.get(found.key) ?? byName.get(found.base));
  };
}
