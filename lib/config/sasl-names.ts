/** SASL mechanisms and qualities of protection by name, for the configuration and for `lib/sasl`. */

/** Every mechanism of this library, strongest first. The client's choice follows this order. */
export const MECHANISMS = [
  'EXTERNAL',
  'SCRAM-SHA-256-PLUS',
  'SCRAM-SHA-256',
  'DIGEST-MD5',
  'PLAIN',
  'ANONYMOUS',
] as const;

export type MechanismName = (typeof MECHANISMS)[number];

/** Qualities of protection (RFC 2831 §2.1.1), weakest first: authentication; with integrity; with confidentiality. */
export const QOPS = ['auth', 'auth-int', 'auth-conf'] as const;

export type Qop = (typeof QOPS)[number];
