/**
 * Opens the layers of one message: collects signatures for verification and decrypts encrypted layers. Refusals do not
 * reveal how far this got.
 */
import { RemoteProtocolError } from '../../errors.js';
import { type AsnType, OID, oidOf, readAsn1, valuesIn } from './asn1.js';
import type { Certificate } from './certificate.js';
import { canonical, isCanonical, layerOf, type OpenEntity, readEntity } from './entity.js';
import { openEnveloped } from './enveloped-data.js';
import { guarded, invalidSecured, type SmimeLimits, unreadable } from './fault.js';
import type { SmimeIdentity } from './identity.js';
import type { Signature } from './signature.js';
import { SIGNATURE_FAULTS } from './signature-fault.js';
import { readSignedData, type SignedData } from './signed-data.js';
import type { SignedLayer } from './verification.js';
import type { Work } from './work.js';

export interface OpeningOptions {
  readonly identity: SmimeIdentity | undefined;
  /** Returns certificates of possible signers that are not in the message. */
  known(): readonly Certificate[];
  /** Accept encrypted content in which changes are not detected. */
  readonly classic: boolean;
  readonly limits: SmimeLimits;
}

export class Opening {
  readonly layers: SignedLayer[] = [];
  encrypted = false;
  readonly #options: OpeningOptions;
  /** Number of signatures outside of decrypted content that may have been changed; undefined if there is none. */
  #doubtful: number | undefined;

  constructor(options: OpeningOptions) {
    this.#options = options;
  }

  *all(entity: OpenEntity): Work<OpenEntity> {
    let current = entity;
    for (let count = 0; ; count += 1) {
      const inner = yield* this.#protectedWork(this.#next(current, count));
      if (inner === undefined) break;
      current = inner;
    }
    if (this.#doubtful === this.layers.length) throw this.#unprotected('it is not signed');
    return current;
  }

  /** If octets may have been changed, all failures look the same from outside. */
  protected<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      throw this.#disguised(error);
    }
  }

  *#protectedWork<T>(work: Work<T>): Work<T> {
    try {
      return yield* work;
    } catch (error) {
      throw this.#disguised(error);
    }
  }

  #disguised(error: unknown): unknown {
    if (this.#doubtful === undefined || !(error instanceof RemoteProtocolError)) return error;
    return this.#unprotected(error.message, error);
  }

  settle(signed: Signature | undefined): void {
    if (this.#doubtful === undefined || signed?.valid === true) return;
    throw this.#unprotected(signed?.reason === undefined ? 'it is not signed' : SIGNATURE_FAULTS[signed.reason]);
  }

  #unprotected(why: string, cause?: unknown): RemoteProtocolError {
    return unreadable(`it may have been changed, which AES-CBC does not detect, and ${why}`, cause);
  }

  *#next(entity: OpenEntity, count: number): Work<OpenEntity | undefined> {
    const layer = layerOf(entity);
    if (layer === undefined) return undefined;
    const { limits } = this.#options;
    if (count >= limits.layers) throw invalidSecured(`more than ${limits.layers} layers`);
    if (entity.body.length > limits.octets) throw invalidSecured(`more than ${limits.octets} octets`);
    const { type, content } = guarded('it is not CMS', () => contentInfoOf(layer.cms, limits));
    if (layer.kind === 'opaque') return readEntity(yield* this.#inside(type, content));
    if (type !== OID.SIGNED) throw invalidSecured('the second part of multipart/signed is not a signature');
    const signed = this.#read(content);
    if (signed.content !== undefined) throw invalidSecured('the detached signature contains content');
    const { octets } = layer;
    this.#signed(signed, isCanonical(octets) ? [octets] : [octets, canonical(octets)]);
    return layer.entity;
  }

  *#inside(type: string, content: AsnType): Work<Buffer> {
    if (type === OID.SIGNED) {
      const signed = this.#read(content);
      if (signed.content === undefined) throw invalidSecured('the signed content is missing');
      this.#signed(signed, [signed.content]);
      return signed.content;
    }
    if (type !== OID.ENVELOPED && type !== OID.AUTHENTICATED) {
      throw invalidSecured(
        type === OID.COMPRESSED ? 'compressed content is not supported' : 'its content type is not supported',
      );
    }
    this.encrypted = true;
    const { identity, classic, limits } = this.#options;
    const authenticated = type === OID.AUTHENTICATED;
    if (identity === undefined) throw unreadable('this endpoint has no key');
    if (!authenticated && !classic) this.#doubtful ??= this.layers.length;
    return yield* openEnveloped(content, authenticated, identity, limits);
  }

  #read(content: AsnType): SignedData {
    return readSignedData(content, this.#options.known(), this.#options.limits);
  }

  #signed({ signers, certificates }: SignedData, contents: readonly Buffer[]): void {
    this.layers.push({ signers, certificates, contents });
  }
}

function contentInfoOf(cms: Buffer, limits: SmimeLimits): { type: string; content: AsnType } {
  const [type, content] = valuesIn(readAsn1(cms, limits));
  const [inner] = valuesIn(content);
  if (inner === undefined) throw invalidSecured('it is empty');
  return { type: oidOf(type), content: inner };
}
