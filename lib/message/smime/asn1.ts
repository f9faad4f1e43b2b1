/** ASN.1 helpers shared by this folder, on top of asn1js. Knows nothing of CMS. */
import {
  Set as Asn1Set,
  type AsnType,
  BitString,
  Constructed,
  fromBER,
  GeneralizedTime,
  Integer,
  Null,
  ObjectIdentifier,
  OctetString,
  Primitive,
  Sequence,
  UTCTime,
} from 'asn1js';
import { invalidSecured, type SmimeLimits } from './fault.js';

export {
  Asn1Set,
  type AsnType,
  BitString,
  Constructed,
  GeneralizedTime,
  Integer,
  Null,
  ObjectIdentifier,
  OctetString,
  Primitive,
  Sequence,
  UTCTime,
};

/** Object identifiers by meaning. */
export const OID = {
  DATA: '1.2.840.113549.1.7.1',
  SIGNED: '1.2.840.113549.1.7.2',
  ENVELOPED: '1.2.840.113549.1.7.3',
  AUTHENTICATED: '1.2.840.113549.1.9.16.1.23',
  COMPRESSED: '1.2.840.113549.1.9.16.1.9',
  CONTENT_TYPE: '1.2.840.113549.1.9.3',
  MESSAGE_DIGEST: '1.2.840.113549.1.9.4',
  CONTENT_IDENTIFIER: '1.2.840.113549.1.9.16.2.7',
  SIGNING_TIME: '1.2.840.113549.1.9.5',
  RSA: '1.2.840.113549.1.1.1',
  RSA_OAEP: '1.2.840.113549.1.1.7',
  RSA_PSS: '1.2.840.113549.1.1.10',
  SHA1: '1.3.14.3.2.26',
  SHA256: '2.16.840.1.101.3.4.2.1',
  DES_EDE3_CBC: '1.2.840.113549.3.7',
  AES256_CBC: '2.16.840.1.101.3.4.1.42',
  AES256_GCM: '2.16.840.1.101.3.4.1.46',
} as const;

/** Parses a complete value in BER or DER. @throws RemoteProtocolError SMIME_INVALID */
export function readAsn1(octets: Buffer, { octets: limit, values, depth }: SmimeLimits): AsnType {
  if (octets.length > limit) throw invalidSecured(`more than ${limit} octets`);
  const { offset, result } = fromBER(octets, {
    maxDepth: depth,
    maxNodes: values,
    maxContentLength: limit,
    parseEmbedded: false,
  });
  if (offset !== octets.length || result.error !== '') throw invalidSecured('it is not ASN.1', result.error);
  return result;
}

/** Wraps values in a context-specific tag `[n]`. */
export function tagged(tagNumber: number, value: AsnType[]): AsnType {
  return new Constructed({ idBlock: { tagClass: 3, tagNumber }, value });
}

/** RFC 5652 §3. */
export function contentInfo(type: string, content: AsnType): AsnType {
  return new Sequence({ value: [new ObjectIdentifier({ value: type }), tagged(0, [content])] });
}

/** A value in DER. */
export function derOf(value: AsnType): Buffer {
  return Buffer.from(value.toBER());
}

/** The values within a constructed value. @throws RemoteProtocolError SMIME_INVALID for any other value */
export function valuesIn(value: AsnType | undefined): AsnType[] {
  if (!(value instanceof Constructed || value instanceof Sequence || value instanceof Asn1Set)) {
    throw invalidSecured('a value has the wrong type');
  }
  return value.valueBlock.value;
}

/** The number of a context-specific tag; undefined for any other value. */
export function tagOf(value: AsnType | undefined): number | undefined {
  return value?.idBlock.tagClass === 3 ? value.idBlock.tagNumber : undefined;
}

/** The octets of a string, which may be in several pieces. @throws RemoteProtocolError SMIME_INVALID */
export function octetsOf(value: AsnType | undefined): Buffer {
  if (!(value instanceof OctetString)) throw invalidSecured('an octet string is missing');
  return Buffer.from(value.getValue());
}

/** The octets of any primitive value. @throws RemoteProtocolError SMIME_INVALID */
export function octetsIn(value: AsnType): Buffer {
  const block: unknown = value.valueBlock;
  if (
    typeof block === 'object' &&
    block !== null &&
    'valueHexView' in block &&
    block.valueHexView instanceof Uint8Array
  ) {
    return Buffer.from(block.valueHexView);
  }
  throw invalidSecured('an octet string is missing');
}

/** @throws RemoteProtocolError SMIME_INVALID */
export function oidOf(value: AsnType | undefined): string {
  if (!(value instanceof ObjectIdentifier)) throw invalidSecured('an object identifier is missing');
  return value.getValue();
}
