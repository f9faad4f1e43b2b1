/** Section `store` of a configuration file: where everything is kept that must survive. */
import * as z from 'zod';
import { LocalError } from '../errors.js';
import { parsePostgresUrl } from './postgres-url.js';

const memory = z
  .strictObject({ type: z.literal('memory') })
  .describe('keeps everything in memory and loses it at the end; for trials');

const lmdb = (path: z.ZodType<string, string>) =>
  z.strictObject({
    type: z.literal('lmdb'),
    path: path.describe('directory of the store; created if it does not exist, accessible only to its owner'),
  });

const postgres = (path: z.ZodType<string, string>) =>
  z
    .strictObject({
      type: z.literal('postgres'),
      url: z
        .string()
        .superRefine(usable)
        .optional()
        .describe(
          'database without the password, such as postgres://imxp@db1.example.com,db2.example.com/imxp; of several hosts the one that can be written is used',
        ),
      urlFile: path.optional().describe('file whose first line is the URL, which may contain the password'),
      path: path.describe(
        'directory for a copy of the entries, which are read there, and for sockets; it can be lost. Created if it does not exist, accessible only to its owner',
      ),
      schema: z
        .string()
        // A quote in it could not do harm, and nobody needs one.
        .regex(/^[a-z_][a-z0-9_]{0,47}$/, 'must begin with a letter and have small letters, digits and _ only')
        .default('imxp')
        .describe('schema of the tables in the database; nodes with the same one share everything'),
      tls: z
        .strictObject({
          mode: z
            .enum(['off', 'verify'])
            .optional()
            .describe(
              'whether the session to the database uses TLS, with a verified certificate; default: "verify", but "off" where all hosts are on this machine',
            ),
          authority: path.optional().describe("PEM file of trusted CAs; default: Node's bundled list"),
          certificate: path.optional().describe('PEM file with a certificate that proves who this node is'),
          key: path.optional().describe('PEM file with its private key'),
        })
        .refine(({ certificate, key }) => (certificate === undefined) === (key === undefined), {
          message: 'certificate and key belong together',
        })
        .prefault({})
        .describe('TLS on the sessions to the database'),
      connectTimeoutMs: z
        .int()
        .min(100)
        .max(600_000)
        // Longer than a promotion by a supervisor of the database that does not wait for timeouts.
        .default(5000)
        .describe('time to connect to one host of the database, in milliseconds'),
      queryTimeoutMs: z
        .int()
        .min(100)
        .max(600_000)
        // Half of limits.data.deliveryTimeoutMs: senders learn what became of a message before they give up.
        .default(15_000)
        .describe(
          'time for one request to the database, in milliseconds; then the session is given up and what was written is not known',
        ),
    })
    .superRefine(({ url, urlFile }, context) => {
      if ((url === undefined) !== (urlFile === undefined)) return;
      context.addIssue({ code: 'custom', path: [], message: 'needs either "url" or "urlFile"' });
    })
    .describe('keeps everything in a PostgreSQL database');

function usable(text: string, context: z.RefinementCtx): void {
  try {
    const { password } = parsePostgresUrl(text);
    if (password === undefined) return;
    const message = 'must not contain a password: write the URL to a file of its own, and name that as "urlFile"';
    context.addIssue({ code: 'custom', message });
  } catch (error) {
    if (!(error instanceof LocalError)) throw error;
    context.addIssue({ code: 'custom', message: error.message });
  }
}

/** A store on this machine. @param directory where it is unless the file says */
export const storeSchema = (path: z.ZodType<string, string>, directory: string) =>
  z.discriminatedUnion('type', [lmdb(path), memory]).prefault({ type: 'lmdb', path: directory });

/** The store of a node. @param directory where it is unless the file says */
export const nodeStoreSchema = (path: z.ZodType<string, string>, directory: string) =>
  z.discriminatedUnion('type', [lmdb(path), memory, postgres(path)]).prefault({ type: 'lmdb', path: directory });
