/**
 * Protection of whole MIME entities (RFC 8551) for one user: signs, encrypts, verifies and decrypts, as {@link Work} for
 * cryptography of either kind. {@link Secure} is what programs in Node use; the chat page runs it over WebCrypto.
 */
import { LocalError } from '../../errors.js';
import { signingOf } from './algorithms.js';
import type { Certificate } from './certificate.js';
import { digest } from './cryptography.js';
import { isCanonical, type MadeEntity, multipartSigned, type OpenEntity, octetsOfEntity, opaque } from './entity.js';
import { makeEnveloped } from './enveloped-data.js';
import type { SmimeLimits } from './fault.js';
import type { SmimeIdentity } from './identity.js';
import { PinnedCertificates } from './known.js';
import type { KnownCertificates } from './known-certificates.js';
import { Opening } from './opening.js';
import { type ReplayLimits, ReplayMemory, type SignedMessage } from './replay.js';
import { type Stated, statedIn } from './sender.js';
import type { Signature } from './signature.js';
import { SIGNATURE_FAULTS } from './signature-fault.js';
import { makeSignedData } from './signed-data.js';
import type { Trust } from './trust.js';
import { signatureOf } from './verification.js';
import type { SmimeVersion } from './version.js';
import type { Work } from './work.js';

/** What {@link Protection} needs; {@link SecureOptions} explains the parts. */
export interface ProtectionOptions {
  readonly own: SmimeIdentity | undefined;
  readonly trust: Trust;
  /** Finds the certificate of an address among those that the user named. */
  readonly find: (address: string) => Certificate | undefined;
  readonly known: KnownCertificates | undefined;
  readonly version: SmimeVersion;
  /** How long after it was signed a message may arrive, in milliseconds; default: eight days. */
  readonly freshMs: number | undefined;
  readonly replays: ReplayLimits | undefined;
  readonly limits: SmimeLimits;
  readonly now: () => Date;
}

/** A day longer than relays hold messages. */
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

export class Protection {
  readonly #options: ProtectionOptions;
  readonly #replays: ReplayMemory;
  /** Under what entities were remembered. */
  readonly #opened = new WeakMap<OpenEntity, SignedMessage>();

  constructor(options: ProtectionOptions) {
    this.#options = options;
    this.#replays = new ReplayMemory(options.freshMs ?? FRESH_MS, options.replays);
  }

  /**
   * Signs and then encrypts, as requested. The signature is detached (multipart/signed), so that readers without S/MIME
   * can read the content, unless its line ends would not survive that. Content is encrypted for the recipients and the
   * sender.
   *
   * @throws LocalError ARGUMENT when the own certificate or that of a recipient is missing or not usable
   */
  *seal(entity: MadeEntity, { sign = false, encrypt = false, from, to }: Sealing): Work<MadeEntity> {
    const signed = sign ? yield* this.#sign(entity, from) : entity;
    return encrypt ? yield* this.#encrypt(signed, to) : signed;
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
  *open(entity: OpenEntity, originator: string, recipients: readonly string[] = []): Work<Unsealed> {
    const { unsealed, stated } = yield* this.#read(entity, originator);
    const { signed } = unsealed;
    if (signed === undefined || stated === undefined) return unsealed;
    return { ...unsealed, signed: this.#fresh(signed, entity, stated, recipients) };
  }

  *#read(entity: OpenEntity, originator: string): Work<{ readonly unsealed: Unsealed; readonly stated?: Stated }> {
    const { limits, own: identity } = this.#options;
    const pinned = new PinnedCertificates(this.#options.known, originator);
    let found: readonly Certificate[] | undefined;
    // Read at the first signature, and once for all of them.
    const known = (): readonly Certificate[] => {
      found ??= [this.#options.find(originator) ?? [], ...pinned.all].flat();
      return found;
    };
    const opening = new Opening({ identity, known, classic: this.#options.version !== '4.0', limits });
    const content = yield* opening.all(entity);
    const { encrypted } = opening;
    if (opening.layers.length === 0) return { unsealed: { entity: content, signed: undefined, encrypted } };
    const stated = opening.protected(() => statedIn(content));
    const who = { originator, authors: stated.authors };
    const [trust, outdated] = [this.#options.trust, this.#options.version === '3.1'];
    const context = { trust, pinned, known: known(), outdated, at: this.#options.now() };
    const signatures: Signature[] = [];
    for (const layer of opening.layers) signatures.push(yield* signatureOf(layer, who, context));
    const signed = signatures.find(({ valid }) => !valid) ?? signatures.at(-1);
    opening.settle(signed);
    return { unsealed: { entity: content, signed, encrypted }, stated };
  }

  /** Like {@link open}, for what may be read any number of times, such as presence: nothing is `repeated` or `stale`. */
  *read(entity: OpenEntity, originator: string): Work<Unsealed> {
    return (yield* this.#read(entity, originator)).unsealed;
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
      signer: digest('sha256', key).toString('base64'),
      id: [messageId ?? id, ...recipients].join(' '),
      at: signed.at ?? date,
    };
    const reason = this.#replays.judge(message, this.#options.now());
    if (reason !== undefined) return { ...signed, valid: false, reason, trust: undefined };
    this.#opened.set(entity, message);
    return signed;
  }

  *#sign(entity: MadeEntity, from: string): Work<MadeEntity> {
    const { own, version, limits, now } = this.#options;
    if (own === undefined) throw new LocalError('ARGUMENT', 'signing needs a certificate and its key');
    this.#usable(own.chain[0], from, 'signsMessages', 'signing messages');
    const octets = octetsOfEntity(entity);
    if (octets.length > limits.octets) throw tooLarge(limits);
    const by = signingOf(own.key, version === '3.1');
    const detached = isCanonical(octets);
    const cms = yield* makeSignedData(octets, own, by, now(), detached);
    return detached ? multipartSigned(octets, cms, by.micalg) : opaque('signed-data', cms);
  }

  *#encrypt(entity: MadeEntity, to: readonly string[]): Work<MadeEntity> {
    const { version, limits } = this.#options;
    const certificates: Certificate[] = [];
    for (const address of to) certificates.push(yield* this.#certificateOf(address));
    const own = this.#options.own?.chain[0];
    const all = own?.takesKeys === true ? [...certificates, own] : certificates;
    const each = all.filter((one, index) => all.findIndex((other) => other.is(one)) === index);
    const octets = octetsOfEntity(entity);
    if (octets.length > limits.octets) throw tooLarge(limits);
    const kind = version === '4.0' ? 'authEnveloped-data' : 'enveloped-data';
    return opaque(kind, yield* makeEnveloped(octets, each, version));
  }

  *#certificateOf(address: string): Work<Certificate> {
    const { find, known, trust, now } = this.#options;
    const given = find(address);
    const certificate = given ?? newest(new PinnedCertificates(known, address).all.filter(takesKeys));
    if (certificate === undefined) {
      throw new LocalError('ARGUMENT', `no certificate of ${address} is known; messages cannot be encrypted for it`);
    }
    this.#usable(certificate, address, 'takesKeys', 'encryption');
    const { fault } = yield* trust.standingOf(certificate, [], now());
    // A known certificate needs no path, nor does any where there is no trusted CA; a revoked one is refused all the same.
    const needsPath = given !== undefined && !trust.empty;
    if (fault === undefined || (fault === 'untrusted' && !needsPath)) return certificate;
    throw new LocalError('ARGUMENT', `the certificate of ${address} cannot be used: ${SIGNATURE_FAULTS[fault]}`);
  }

  /** Refuses to make what recipients would reject. */
  #usable(certificate: Certificate, address: string, usage: 'signsMessages' | 'takesKeys', purpose: string): void {
    const why = !certificate.names(address)
      ? `names ${certificate.identities.join(', ') || 'no address'}`
      : !certificate[usage]
        ? `is not for ${purpose}`
        : !certificate.validAt(this.#options.now())
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

/** The later one of two; the first of two that begin together. */
export function newer(one: Certificate, other: Certificate): Certificate {
  return Date.parse(one.x509.validFrom) < Date.parse(other.x509.validFrom) ? other : one;
}

function newest([first, ...others]: readonly Certificate[]): Certificate | undefined {
  return first === undefined ? undefined : others.reduce(newer, first);
}
