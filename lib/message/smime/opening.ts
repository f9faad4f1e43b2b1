/**
 * One message on the way out of its layers: signatures are put aside to be judged, what is encrypted is decrypted. Owns that
 * nobody learns from a refusal how far that came.
 */
import { RemoteProtocolError } from '../../errors.js';
import { type AsnType, OID, oidOf, readAsn1, valuesIn } from './asn1.js';
import type { Certificate } from './certificate.js';
import { canonical, isCanonical, layerOf, type OpenEntity, readEntity } from './entity.js';
import { openEnveloped } from './enveloped-data.js';
import { guarded, invalidSecured, type SmimeLimits, unreadable } from './fault.js';
import type { SmimeIdentity } from './identity.js';
import type { Signature, SignedLayer } from './judgement.js';
import { SIGNATURE_FAULTS } from './signature-fault.js';
import { readSignedData, type SignedData } from './signed-data.js';

export interface OpeningOptions {
  readonly identity: SmimeIdentity | undefined;
  /** Asked for certificates that may be those of signers, if they are not in the message. */
  known(): readonly Certificate[];
  /** Take what could have been changed without anybody noticing. */
  readonly classic: boolean;
  readonly limits: SmimeLimits;
}

export class Opening {
  readonly layers: SignedLayer[] = [];
  encrypted = false;
  readonly #options: OpeningOptions;
  /** Somebody may have changed what was decrypted: how many signatures were outside of it. */
  #doubtful: number | undefined;

  constructor(options: OpeningOptions) {
    this.#options = options;
  }

  all(entity: OpenEntity): OpenEntity {
    let current = entity;
    for (let count = 0; ; count += 1) {
      const inner = this.protected(() => this.#next(current, count));
      if (inner === undefined) break;
      current = inner;
    }
    if (this.#doubtful === this.layers.length) throw this.#unprotected('nobody signed it');
    return current;
  }

  /** Where octets could have been changed, all that may come of it looks the same from outside. */
  protected<T>(read: () => T): T {
    try {
      return read();
    } catch (error) {
      if (this.#doubtful === undefined || !(error instanceof RemoteProtocolError)) throw error;
      throw this.#unprotected(error.message, error);
    }
  }

  settle(signed: Signature | undefined): void {
    if (this.#doubtful === undefined || signed?.valid === true) return;
    throw this.#unprotected(signed?.reason === undefined ? 'nobody signed it' : SIGNATURE_FAULTS[signed.reason]);
  }

  #unprotected(why: string, cause?: unknown): RemoteProtocolError {
    return unreadable(`anybody may have changed it, as AES-CBC does not notice that, and ${why}`, cause);
  }

  #next(entity: OpenEntity, count: number): OpenEntity | undefined {
    const layer = layerOf(entity);
    if (layer === undefined) return undefined;
    const { limits } = this.#options;
    if (count >= limits.layers) throw invalidSecured(`more than ${limits.layers} layers`);
    if (entity.body.length > limits.octets) throw invalidSecured(`more than ${limits.octets} octets`);
    const { type, content } = guarded('it is no CMS', () => contentInfoOf(layer.cms, limits));
    if (layer.kind === 'opaque') return readEntity(this.#inside(type, content));
    if (type !== OID.SIGNED) throw invalidSecured('the second part of multipart/signed is no signature');
    const signed = this.#read(content);
    if (signed.content !== undefined) throw invalidSecured('the signature has a content of its own');
    const { octets } = layer;
    this.#signed(signed, isCanonical(octets) ? [octets] : [octets, canonical(octets)]);
    return layer.entity;
  }

  #inside(type: string, content: AsnType): Buffer {
    if (type === OID.SIGNED) {
      const signed = this.#read(content);
      if (signed.content === undefined) throw invalidSecured('what was signed is missing');
      this.#signed(signed, [signed.content]);
      return signed.content;
    }
    if (type !== OID.ENVELOPED && type !== OID.AUTHENTICATED) {
      throw invalidSecured(type === OID.COMPRESSED ? 'compressed content is not understood' : 'it is of another kind');
    }
    this.encrypted = true;
    const { identity, classic, limits } = this.#options;
    const authenticated = type === OID.AUTHENTICATED;
    if (identity === undefined) throw unreadable('there is no key');
    if (!authenticated && !classic) this.#doubtful ??= this.layers.length;
    return openEnveloped(content, authenticated, identity, limits);
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
