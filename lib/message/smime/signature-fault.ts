/** Texts for the reasons why a signature is not valid. Separate from verification, because display needs only these. */

/** Faults of a signature or certificate, with a constant text for each. */
export const SIGNATURE_FAULTS = {
  altered: 'the content or the signature was changed after signing',
  weak: 'the signature algorithm or key is not supported or no longer secure',
  'no certificate': "the signer's certificate is neither in the message nor known",
  untrusted: 'the certificate was not signed by a trusted CA',
  expired: 'the certificate or that of its CA is not valid at this time',
  revoked: 'the certificate or that of its CA was revoked',
  'revocation unknown': 'the revocation list of the CA has expired',
  changed: 'the certificate is not the one that is known for this address',
  repeated: 'the message was received before, so somebody may have sent it again',
  stale: 'it was signed too long ago, or at a time that has not come',
  usage: 'the certificate is not for signing messages',
  'other sender': 'the certificate does not name the sender or the author of the message',
  'other publisher': 'it was signed to subscribe to somebody else',
} as const;

export type SignatureFault = keyof typeof SIGNATURE_FAULTS;
