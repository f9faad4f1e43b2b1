/** Section `cluster` of a configuration file: this relay as one of several that serve the same domains together. */
import * as z from 'zod';
import { hostSchema, portSchema } from './values.js';

/** What a configuration must be for its node to join a cluster. */
interface Joining {
  readonly cluster?: unknown;
  readonly store: { readonly type: string };
  readonly workers: number | 'auto';
  readonly mesh: { readonly siblings: readonly unknown[] };
  readonly tls: { readonly acme?: unknown; readonly certificate?: string | undefined };
}

/** @param path turns a path of the file into an absolute one */
export const clusterSchema = (path: z.ZodType<string, string>) =>
  z.strictObject({
    node: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, 'must have small letters, digits, ".", "_" and "-" only')
      // The center has this name among the nodes.
      .refine((name) => name !== 'center', 'is the name of the node that keeps the directory: take another one')
      .describe('name of this node, which no other node of the cluster has'),
    host: hostSchema.prefault('127.0.0.1').describe('address to listen on for the other nodes'),
    port: portSchema.refine((port) => port > 0, 'must be a port that the other nodes can know').describe('port of it'),
    address: hostSchema.optional().describe('where the other nodes reach that port; default: host'),
    certificate: path
      .optional()
      .describe('PEM file with the certificate that proves a node of the first domain; default: tls.certificate'),
    key: path.optional().describe('PEM file with its private key; default: tls.key'),
    authority: path
      .optional()
      .describe('PEM file of the CAs that certify nodes; default: tls.authority. Whoever they certify can join'),
    leaseMs: z
      .int()
      .min(1000)
      .max(60_000)
      // A pause of a busy machine must fit in, and nobody can have the endpoints of a node that died before it is over.
      .default(5000)
      .describe(
        'time after which a node that is not heard of loses its endpoints, in milliseconds; the same at all nodes',
      ),
    outageMs: z
      .int()
      .min(0)
      .max(86_400_000)
      // Longer than a failover of the database that somebody has to see to.
      .default(600_000)
      .describe(
        'time for which nodes that reach each other keep their endpoints while none of them reaches the database, in milliseconds; the same at all nodes',
      ),
  });

/** Requires what the nodes of a cluster share, and refuses what they cannot have. */
export function clusterable({ cluster, store, workers, mesh, tls }: Joining, context: z.RefinementCtx): void {
  if (cluster === undefined) return;
  const fault = (path: string[], message: string): void => context.addIssue({ code: 'custom', path, message });
  if (store.type !== 'postgres') fault(['cluster'], 'needs a store of type "postgres", which the nodes share');
  if (workers !== 1) fault(['workers'], 'cannot be had with "cluster": run several nodes on the machine');
  if (mesh.siblings.length > 0) fault(['mesh', 'siblings'], 'cannot be had with "cluster", which takes their place');
  if (tls.acme !== undefined) {
    fault(['tls', 'acme'], 'cannot be had with "cluster": give all nodes a certificate by files');
  }
  const own = cluster as { readonly certificate?: string; readonly key?: string };
  if ((own.certificate === undefined) !== (own.key === undefined)) {
    fault(['cluster'], '"certificate" and "key" belong together');
  } else if (own.certificate === undefined && tls.certificate === undefined) {
    fault(['cluster'], 'needs "certificate" and "key", or those of "tls": nodes prove to each other who they are');
  }
}
