/** Why a signature is not believed, in words. Apart from what finds out, because those who only show it need no more. */

/** What may be wrong with a signature, or with the certificate of somebody: constant words for each. */
export const SIGNATURE_FAULTS = {
  altered: 'the content, or its signature, was changed after it was signed',
  weak: 'the signature is of a kind that is not known here, or that proves nothing any more',
  'no certificate': 'the certificate of the signer is neither in the message nor known',
  untrusted: 'no authority that is believed here vouches for the certificate',
  expired: 'the certificate, or that of its authority, is not valid at this time',
  revoked: 'the certificate, or that of its authority, was taken back',
  'revocation unknown': 'the revocation list of the authority of the certificate is too old to tell',
  usage: 'the certificate is not for signing messages',
  'other sender': 'the certificate does not name who sent the message, or who it says it is from',
} as const;

export type SignatureFault = keyof typeof SIGNATURE_FAULTS;
