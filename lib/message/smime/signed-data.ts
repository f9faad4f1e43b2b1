/**
 * CMS SignedData (RFC 5652 §5): makes signatures with signed attributes, and verifies signatures against the signed
 * octets. Whether the signer is trusted is decided in `trust.ts`.
 */
import { randomUUID, timingSafeEqual } from 'node:crypto';
import { Attribute, IssuerAndSerialNumber, SignedAndUnsignedAttributes, SignerInfo } from 'pkijs';
import { digestOf, nameOf, type Signing, verified } from './algorithms.js';
import {
  Asn1Set,
  type AsnType,
  contentInfo,
  derOf,
  GeneralizedTime,
  Integer,
  ObjectIdentifier,
  OctetString,
  OID,
  octetsIn,
  octetsOf,
  oidOf,
  Sequence,
  tagged,
  tagOf,
  UTCTime,
  valuesIn,
} from './asn1.js';
import { Certificate } from './certificate.js';
import { digest as digested } from './cryptography.js';
import { guarded, guardedWork, invalidSecured, type SmimeLimits } from './fault.js';
import type { SmimeIdentity } from './identity.js';
import type { SignatureFault } from './signature-fault.js';
import { type Work, waited } from './work.js';

/** One signature within a SignedData. */
export interface Signer {
  /** Undefined when it is neither in the message nor known. */
  readonly certificate: Certificate | undefined;
  readonly info: SignerInfo;
}

export interface SignedData {
  /** The signed content; undefined for a detached signature (multipart/signed). */
  readonly content: Buffer | undefined;
  readonly certificates: readonly Certificate[];
  readonly signers: readonly Signer[];
}

/**
 * Signs octets.
 *
 * @param detached whether to leave out the octets
 * @returns a ContentInfo in DER
 */
export function* makeSignedData(
  content: Buffer,
  { chain }: SmimeIdentity,
  by: Signing,
  at: Date,
  detached: boolean,
): Work<Buffer> {
  const [own] = chain;
  const attributes = attributesOf(content, by, at);
  const signature = yield* waited(by.sign(derOf(new Asn1Set({ value: attributes.map((one) => one.toSchema()) }))));
  const { issuer, serialNumber } = own.parsed;
  const info = new SignerInfo({
    version: 1,
    sid: new IssuerAndSerialNumber({ issuer, serialNumber }),
    digestAlgorithm: by.digestAlgorithm,
    signedAttrs: new SignedAndUnsignedAttributes({ type: 0, attributes }),
    signatureAlgorithm: by.algorithm,
    signature: new OctetString({ valueHex: signature }),
  });
  const inner = detached ? [] : [tagged(0, [new OctetString({ valueHex: content })])];
  return derOf(
    contentInfo(
      OID.SIGNED,
      new Sequence({
        value: [
          new Integer({ value: 1 }),
          new Asn1Set({ value: [by.digestAlgorithm.toSchema()] }),
          new Sequence({ value: [new ObjectIdentifier({ value: OID.DATA }), ...inner] }),
          tagged(
            0,
            chain.map((one) => one.parsed.toSchema()),
          ),
          new Asn1Set({ value: [info.toSchema()] }),
        ],
      }),
    ),
  );
}

/** RFC 5652 §5.3, §11: in the order that DER requires of a SET. */
function attributesOf(content: Buffer, by: Signing, at: Date): Attribute[] {
  const digest = digested(by.digest, content);
  return [
    new Attribute({ type: OID.CONTENT_TYPE, values: [new ObjectIdentifier({ value: OID.DATA })] }),
    new Attribute({ type: OID.SIGNING_TIME, values: [new UTCTime({ valueDate: at })] }),
    // RFC 2634 §2.7: tells equal messages that are signed within one second from one that is sent again.
    new Attribute({
      type: OID.CONTENT_IDENTIFIER,
      values: [new OctetString({ valueHex: Buffer.from(randomUUID()) })],
    }),
    new Attribute({ type: OID.MESSAGE_DIGEST, values: [new OctetString({ valueHex: digest })] }),
  ].sort((a, b) => Buffer.compare(derOf(a.toSchema()), derOf(b.toSchema())));
}

/** @throws RemoteProtocolError SMIME_INVALID */
export function readSignedData(value: AsnType, known: readonly Certificate[], limits: SmimeLimits): SignedData {
  return guarded('the signature cannot be read', () => {
    const [, , encapsulated, ...rest] = valuesIn(value);
    const set = rest.find((part) => tagOf(part) === 0);
    const infos = valuesIn(rest.at(-1));
    const [type, inner] = valuesIn(encapsulated);
    if (oidOf(type) !== OID.DATA) throw invalidSecured('the signed content is not a MIME entity');
    const own = set === undefined ? [] : valuesIn(set);
    if (infos.length > limits.signers || own.length > limits.certificates) {
      throw invalidSecured('there are too many signatures or certificates');
    }
    // Attribute certificates and other formats are tagged and ignored.
    const certificates = own.flatMap((one) =>
      tagOf(one) === undefined ? [new Certificate(Buffer.from(one.valueBeforeDecodeView))] : [],
    );
    const pool = [...certificates, ...known];
    return {
      content: inner === undefined ? undefined : octetsOf(valuesIn(inner)[0]),
      certificates,
      signers: infos.map((one) => signerOf(new SignerInfo({ schema: one }), pool)),
    };
  });
}

function signerOf(info: SignerInfo, pool: readonly Certificate[]): Signer {
  const { sid } = info;
  const named = (certificate: Certificate): boolean =>
    sid instanceof IssuerAndSerialNumber
      ? sid.serialNumber.isEqual(certificate.parsed.serialNumber) && sid.issuer.isEqual(certificate.parsed.issuer)
      : certificate.subjectKey?.equals(octetsIn(sid)) === true;
  return { certificate: pool.find(named), info };
}

/** What is known of a signature without its certificate's path. */
export interface SignatureCheck {
  /** Why the signature is not valid. */
  readonly fault: SignatureFault | undefined;
  /** The algorithm's name, such as "RSA with SHA-256". */
  readonly algorithm: string;
  /** Whether it is right, but by an algorithm or key that can be forged today. */
  readonly outdated: boolean;
  /** RFC 5652 §11.3: when it was signed, by the signer's clock; undefined when that is not signed. */
  readonly at: Date | undefined;
  /** RFC 2634 §2.7: names the content, if the signer named it; otherwise the digest of the signature. */
  readonly id: string;
}

/**
 * Verifies a signature, but not the certificate.
 *
 * @param contents possible forms of the signed content: as received, and in canonical form
 */
export function proofOf({ certificate, info }: Signer, contents: readonly Buffer[]): Work<SignatureCheck> {
  return guardedWork('the signature cannot be read', function* () {
    const digest = digestOf(info.digestAlgorithm);
    const facts = {
      algorithm: nameOf(info.signatureAlgorithm, digest),
      outdated: false,
      at: signingTime(info),
      id: identifierOf(info),
    };
    if (certificate === undefined) return { ...facts, fault: 'no certificate' };
    if (digest === undefined) return { ...facts, fault: 'weak' };
    const signed = info.signedAttrs === undefined ? contents : attested(info.signedAttrs, digest, contents);
    const { publicKey } = certificate.x509;
    let fault: SignatureFault = 'altered';
    for (const octets of signed) {
      const verdict = yield* verified(info.signatureAlgorithm, digest, publicKey, octets, octetsOf(info.signature));
      if (verdict === 'unsupported') fault = 'weak';
      else if (verdict !== 'wrong') {
        const outdated = verdict === 'outdated' || digest === 'sha1';
        return { ...facts, outdated, fault: undefined };
      }
    }
    return { ...facts, fault };
  });
}

function identifierOf({ signedAttrs, signature }: SignerInfo): string {
  const named = signedAttrs?.attributes.find(({ type }) => type === OID.CONTENT_IDENTIFIER)?.values[0];
  const octets = named instanceof OctetString ? octetsOf(named) : octetsOf(signature);
  return digested('sha256', octets).toString('base64');
}

function signingTime({ signedAttrs }: SignerInfo): Date | undefined {
  const [value]: readonly AsnType[] =
    signedAttrs?.attributes.find(({ type }) => type === OID.SIGNING_TIME)?.values ?? [];
  return value instanceof UTCTime || value instanceof GeneralizedTime ? value.toDate() : undefined;
}

/** RFC 5652 §5.4: the signed octets are the attributes, if they contain the digest of the content; otherwise none. */
function attested(
  { attributes, encodedValue }: SignedAndUnsignedAttributes,
  digest: string,
  contents: readonly Buffer[],
): Buffer[] {
  const expected = octetsOf(only(attributes, OID.MESSAGE_DIGEST));
  if (oidOf(only(attributes, OID.CONTENT_TYPE)) !== OID.DATA) return [];
  const same = contents.some((content) => {
    const found = digested(digest, content);
    return found.length === expected.length && timingSafeEqual(found, expected);
  });
  return same ? [Buffer.from(encodedValue)] : [];
}

/** RFC 5652 §11.1, §11.2: returns the value of an attribute that must occur once, with one value. */
function only(attributes: readonly Attribute[], wanted: string): AsnType {
  const [attribute, ...more] = attributes.filter(({ type }) => type === wanted);
  const [value, ...others]: readonly AsnType[] = attribute?.values ?? [];
  if (value === undefined || more.length > 0 || others.length > 0) {
    throw invalidSecured('the attributes of a signature are not valid');
  }
  return value;
}
