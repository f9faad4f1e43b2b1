/** Section `tls` of a configuration file: certificates of this relay, and who must use TLS. */
import * as z from 'zod';
import { acmeSchema } from './acme.js';
import { domainSchema } from './values.js';

/** Whether a relay can offer TLS. */
export function hasCertificate(tls: {
  readonly certificate?: string | undefined;
  readonly domains: object;
  readonly acme?: object | undefined;
}): boolean {
  return tls.certificate !== undefined || tls.acme !== undefined || Object.keys(tls.domains).length > 0;
}

/** @param path turns a path of the file into an absolute one */
export const tlsSchema = (path: z.ZodType<string, string>) =>
  z
    .strictObject({
      certificate: path
        .optional()
        .describe('PEM file with the certificate of this relay, followed by intermediate certificates'),
      key: path.optional().describe('PEM file with its private key'),
      authority: path.optional().describe("PEM file of trusted CAs; default: Node's bundled list"),
      require: z
        .enum(['never', 'mesh', 'always'])
        .optional()
        .describe(
          'which peers must use TLS: none, relays, or all; default: "mesh" (relays) if there is a certificate, else "never"',
        ),
      legacy: z
        .boolean()
        .default(false)
        .describe('also offer the cipher suites of the year 2000, which are no longer secure'),
      legacyDsa: z
        .strictObject({
          certificate: path.describe('PEM file with a certificate for a DSA key'),
          key: path.describe('PEM file with its private key'),
        })
        .optional()
        .describe('certificate for peers that have only TLS_DHE_DSS_WITH_3DES_EDE_CBC_SHA; needs "legacy"'),
      revoked: path.optional().describe('PEM or DER file with a certificate revocation list signed by the authority'),
      domains: z
        .record(
          domainSchema,
          z.strictObject({
            certificate: path.describe('PEM file with the certificate of this domain'),
            key: path.describe('PEM file with its private key'),
          }),
        )
        .default({})
        .describe('certificates of single domains, if one certificate does not name all domains'),
      acme: acmeSchema(path)
        .optional()
        .describe('certificates obtained and renewed by ACME for all domains without one in "domains"; default: none'),
    })
    .superRefine((value, context) => {
      if ((value.certificate === undefined) !== (value.key === undefined)) {
        const missing = value.key === undefined ? 'key' : 'certificate';
        context.addIssue({
          code: 'custom',
          path: [],
          message: `"${missing}" is missing: certificate and key belong together`,
        });
      }
      if (value.legacyDsa !== undefined && !value.legacy) {
        context.addIssue({ code: 'custom', path: ['legacyDsa'], message: 'needs "legacy": true' });
      }
      if (value.acme !== undefined && value.certificate !== undefined) {
        context.addIssue({
          code: 'custom',
          path: ['acme'],
          message: 'obtains the certificate: leave out "certificate" and "key"',
        });
      }
      if (!hasCertificate(value) && value.require !== undefined && value.require !== 'never') {
        context.addIssue({
          code: 'custom',
          path: ['require'],
          message: `"${value.require}" needs "certificate" and "key", which imxp certs creates, or "acme"`,
        });
      }
    })
    .transform((value) => {
      // A relay that cannot offer TLS would otherwise refuse every peer.
      return { ...value, require: value.require ?? (hasCertificate(value) ? ('mesh' as const) : ('never' as const)) };
    })
    .prefault({});
