/** Parts that the configurations of all gateways share. */
import * as z from 'zod';
import { addressSchema, relayUrlSchema } from './values.js';

/** Hosts that are this machine. */
export const LOOPBACK = /^(?:localhost|127(?:\.[0-9]{1,3}){3}|::1|0:0:0:0:0:0:0:1)$/i;
const LONGEST_MS = 2_147_483_647;

/** A time in milliseconds. */
export const ms = (value: number, reason: string) => z.int().min(1).max(LONGEST_MS).default(value).describe(reason);
export const count = (value: number, reason: string) => z.int().min(1).max(1_000_000).default(value).describe(reason);

/** The connection to the relay. @param path of a file, relative to that of the configuration */
export function gatewayMeshSchema<Path extends z.ZodType>(path: Path) {
  const mesh = z.strictObject({
    address: addressSchema.describe('the account of the gateway, which policy.gateways of the relay names'),
    passwordFile: path.optional().describe('file whose first line is its password'),
    certificate: path
      .optional()
      .describe('PEM file of a certificate that names the account, to log in with instead (SASL EXTERNAL); needs key'),
    key: path.optional().describe('PEM file of the private key of the certificate'),
    relay: relayUrlSchema
      .optional()
      .describe('URL of the relay; default: found in the DNS by the domain of the address'),
    tls: z
      .enum(['off', 'prefer', 'require'])
      .optional()
      .describe('whether to use TLS; default: require, or prefer for a relay on this machine without ca'),
    ca: path.optional().describe("PEM file of trusted CAs; default: Node's bundled list"),
  });
  return mesh.superRefine(({ passwordFile, certificate, key, tls }, context) => {
    const problem = (name: string, message: string) => context.addIssue({ code: 'custom', path: [name], message });
    if (passwordFile === undefined && certificate === undefined)
      problem('passwordFile', 'is needed to log in, or certificate and key instead');
    if ((certificate === undefined) !== (key === undefined))
      problem('key', 'and mesh.certificate are only of use together');
    if (certificate !== undefined && tls === 'off')
      problem('tls', 'off makes no use of the certificate: log in needs TLS');
  });
}

export function gatewayLogSchema() {
  return z
    .strictObject({
      level: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
    })
    .prefault({})
    .describe('what the gateway logs');
}
