/**
 * Signs, encrypts, verifies and decrypts whole MIME entities (RFC 8551) for one user, with their certificate and key,
 * trusted CAs, and certificates of recipients. Everything is given as octets; opens no files.
 */
import { createHash } from 'node:crypto';
import { LocalError } from '../../errors.js';
import { addressOf } from '../../imxp/address.js';
import { type Signing, signingOf } from './algorithms.js';
import { type Certificate, readCertificates } from './certificate.js';
import { isCanonical, type MadeEntity, multipartSigned, type OpenEntity, octetsOfEntity, opaque } from './entity.js';
import { makeEnveloped } from './enveloped-data.js';
import { SMIME_LIMITS, type SmimeLimits } from './fault.js';
import { readIdentity, type SmimeIdentity } from './identity.js';
import { type KnownCertificates, PinnedCertificates } from './known.js';
import { Opening } from './opening.js';
import { type ReplayLimits, ReplayMemory, type SignedMessage } from './replay.js';
import { type Stated, statedIn } from './sender.js';
import type { Signature } from './signature.js';
import { SIGNATURE_FAULTS } from './signature-fault.js';
import { makeSignedData } from './signed-data.js';
import { readRevocationLists, Trust } from './trust.js';
import { signatureOf } from './verification.js';
import { type ClassicVersion, type SmimeVersion, versionOf } from './version.js';

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

const FRESH_MS = 8 * 86_400_000;

/** What {@link Secure.seal} does. */
export interface Sealing {
  readonly sign?: boolean;
  readonly encrypt?: boolean;
  /** The originator, which must be named in the certificate. */
  readonly from: string;
  readonly to: readonly string[];
}

/** The result of {@link Secure.open}. */
export interface Unsealed {
  readonly entity: OpenEntity;
  /** Undefined when it is not signed. Of several layers, one that is not valid, or the innermost. */
  readonly signed: Signature | undefined;
  readonly encrypted: boolean;
}

/**
 * @example
 * const secure = new Secure({ certificate, key, authorities, people: [barneysCertificate] });
 * const sealed = secure.seal(entity, { sign: true, encrypt: true, from: 'fred@example.com', to: ['barney@rubble.com'] });
 */
export class Secure {
  readonly #own: SmimeIdentity | undefined;
  readonly #trust: Trust;
  readonly #find: (address: string) => Certificate | undefined;
  readonly #known: KnownCertificates | undefined;
  readonly #version: SmimeVersion;
  readonly #limits: SmimeLimits;
  readonly #replays: ReplayMemory;
  /** Under what entities were remembered. */
  readonly #opened = new WeakMap<OpenEntity, SignedMessage>();
  readonly #now: () => Date;

  /** @throws LocalError ARGUMENT for a certificate, key or list that cannot be read */
  constructor(options: SecureOptions = {}) {
    const { certificate, key, authorities, revoked, people = [], classic = false, now = () => new Date() } = options;
    this.#version = versionOf(classic);
    this.#known = options.known;
    if ((certificate === undefined) !== (key === undefined)) {
      throw new LocalError('ARGUMENT', 'certificate and key must be given together');
    }
    this.#own = certificate === undefined || key === undefined ? undefined : readIdentity(certificate, key);
    this.#trust = new Trust(
      authorities === undefined ? [] : readCertificates(authorities),
      revoked === undefined ? [] : readRevocationLists(revoked),
      this.#version === '3.1',
    );
    this.#find = typeof people === 'function' ? found(people) : among(people.flatMap(readCertificates));
    this.#replays = new ReplayMemory(options.freshMs ?? FRESH_MS, options.replays);
    this.#limits = { ...SMIME_LIMITS, ...options.limits };
    this.#now = now;
  }

  /**
   * Signs and then encrypts, as requested. The signature is detached (multipart/signed), so that readers without S/MIME
   * can read the content, unless its line ends would not survive that. Content is encrypted for the recipients and the
   * sender.
   *
   * @throws LocalError ARGUMENT when the own certificate or that of a recipient is missing or not usable
   */
  seal(entity: MadeEntity, { sign = false, encrypt = false, from, to }: Sealing): MadeEntity {
    const signed = sign ? this.#sign(entity, from) : entity;
    return encrypt ? this.#encrypt(signed, to) : signed;
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
    const { unsealed, stated } = this.#read(entity, originator);
    const { signed } = unsealed;
    if (signed === undefined || stated === undefined) return unsealed;
    return { ...unsealed, signed: this.#fresh(signed, entity, stated, recipients) };
  }

  #read(entity: OpenEntity, originator: string): { readonly unsealed: Unsealed; readonly stated?: Stated } {
    const [limits, identity] = [this.#limits, this.#own];
    const pinned = new PinnedCertificates(this.#known, originator);
    let found: readonly Certificate[] | undefined;
    // Read at the first signature, and once for all of them.
    const known = (): readonly Certificate[] => {
      found ??= [this.#find(originator) ?? [], ...pinned.all].flat();
      return found;
    };
    const opening = new Opening({ identity, known, classic: this.#version !== '4.0', limits });
    const content = opening.all(entity);
    const { encrypted } = opening;
    if (opening.layers.length === 0) return { unsealed: { entity: content, signed: undefined, encrypted } };
    const stated = opening.protected(() => statedIn(content));
    const who = { originator, authors: stated.authors };
    const [trust, outdated] = [this.#trust, this.#version === '3.1'];
    const context = { trust, pinned, known: known(), outdated, at: this.#now() };
    const signatures = opening.layers.map((layer) => signatureOf(layer, who, context));
    const signed = signatures.find(({ valid }) => !valid) ?? signatures.at(-1);
    opening.settle(signed);
    return { unsealed: { entity: content, signed, encrypted }, stated };
  }

  /** Like {@link open}, for what may be read any number of times, such as presence: nothing is `repeated` or `stale`. */
  read(entity: OpenEntity, originator: string): Unsealed {
    return this.#read(entity, originator).unsealed;
  }

  /** The application did not take a message: it is no repetition when it comes again. */
  forget(entity: OpenEntity): void {
    const remembered = this.#opened.get(entity);
    if (remembered === undefined) return;
    this.#opened.delete(entity);
    this.#replays.forget(remembered);
  }

  /** RFC 2779 §2.5.2: a valid signature proves nothing about a message that somebody sends again. */
  #fresh(signed: Signature, entity: OpenEntity, { messageId, date }: Stated, recipients: readonly string[]): Signature {
    const { valid, certificate, id } = signed;
    if (!valid || certificate === undefined || this.#opened.has(entity)) return signed;
    const key = certificate.publicKey.export({ type: 'spki', format: 'der' });
    const message = {
      signer: createHash('sha256').update(key).digest('base64'),
      id: [messageId ?? id, ...recipients].join(' '),
      at: signed.at ?? date,
    };
    const reason = this.#replays.judge(message, this.#now());
    if (reason !== undefined) return { ...signed, valid: false, reason, trust: undefined };
    this.#opened.set(entity, message);
    return signed;
  }

  #sign(entity: MadeEntity, from: string): MadeEntity {
    const own = this.#own;
    if (own === undefined) throw new LocalError('ARGUMENT', 'signing needs a certificate and its key');
    this.#usable(own.chain[0], from, 'signsMessages', 'signing messages');
    const octets = octetsOfEntity(entity);
    if (octets.length > this.#limits.octets) throw tooLarge(this.#limits);
    const by: Signing = signingOf(own.key, this.#version === '3.1');
    const signed = (detached: boolean): Buffer => makeSignedData(octets, own, by, this.#now(), detached);
    return isCanonical(octets)
      ? multipartSigned(octets, signed(true), by.micalg)
      : opaque('signed-data', signed(false));
  }

  #encrypt(entity: MadeEntity, to: readonly string[]): MadeEntity {
    const certificates = to.map((address) => this.#certificateOf(address));
    const own = this.#own?.chain[0];
    const all = own?.takesKeys === true ? [...certificates, own] : certificates;
    const each = all.filter((one, index) => all.findIndex((other) => other.is(one)) === index);
    const octets = octetsOfEntity(entity);
    if (octets.length > this.#limits.octets) throw tooLarge(this.#limits);
    const kind = this.#version === '4.0' ? 'authEnveloped-data' : 'enveloped-data';
    return opaque(kind, makeEnveloped(octets, each, this.#version));
  }

  #certificateOf(address: string): Certificate {
    const given = this.#find(address);
    const certificate = given ?? newest(new PinnedCertificates(this.#known, address).all.filter(takesKeys));
    if (certificate === undefined) {
      throw new LocalError('ARGUMENT', `no certificate of ${address} is known; messages cannot be encrypted for it`);
    }
    this.#usable(certificate, address, 'takesKeys', 'encryption');
    const { fault } = this.#trust.standingOf(certificate, [], this.#now());
    // A known certificate needs no path, nor does any where there is no trusted CA; a revoked one is refused all the same.
    const needsPath = given !== undefined && !this.#trust.empty;
    if (fault === undefined || (fault === 'untrusted' && !needsPath)) return certificate;
    throw new LocalError('ARGUMENT', `the certificate of ${address} cannot be used: ${SIGNATURE_FAULTS[fault]}`);
  }

  /** Refuses to make what recipients would reject. */
  #usable(certificate: Certificate, address: string, usage: 'signsMessages' | 'takesKeys', purpose: string): void {
    const why = !certificate.names(address)
      ? `names ${certificate.identities.join(', ') || 'no address'}`
      : !certificate[usage]
        ? `is not for ${purpose}`
        : !certificate.validAt(this.#now())
          ? 'is not valid at this time'
          : undefined;
    if (why !== undefined) throw new LocalError('ARGUMENT', `the certificate of ${address} ${why}`);
  }
}

function takesKeys(certificate: Certificate): boolean {
  return certificate.takesKeys;
}

function tooLarge({ octets }: SmimeLimits): LocalError {
  return new LocalError('ARGUMENT', `S/MIME content is limited to ${octets} octets`);
}

function found(find: FindCertificate): (address: string) => Certificate | undefined {
  return (address) => {
    const octets = find(address);
    return octets === undefined ? undefined : readCertificates(octets)[0];
  };
}

/** The later one of two; the first of two that begin together. */
function newer(one: Certificate, other: Certificate): Certificate {
  return Date.parse(one.x509.validFrom) < Date.parse(other.x509.validFrom) ? other : one;
}

function newest([first, ...others]: readonly Certificate[]): Certificate | undefined {
  return first === undefined ? undefined : others.reduce(newer, first);
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
