/**
 * Client of the mail server that takes messages of the mesh (by nodemailer, which is loaded when the gateway starts). One
 * connection for each message, so that it is known how far a message came that got no answer.
 */
import { readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import type { MailGatewayConfig } from '../../config/mail-gateway.js';
import { isThisMachine } from '../../config/mail-gateway.js';
import { readPasswordFile } from '../../config/password-file.js';
import type { Reply } from '../../errors.js';
import { replyOfSmtp } from './codes.js';

export interface OutgoingMail {
  /** Empty for the null reverse-path. */
  readonly from: string;
  readonly to: string;
  /** ENVID (RFC 3461). */
  readonly id: string;
  /** Whether a delivery is to be notified of, besides a failure. */
  readonly notify: boolean;
  readonly eightBit: boolean;
  readonly octets: Buffer;
}

/** Sends one mail. @returns undefined when the server has taken it; a reply with 451 when that is not known */
export type SendMail = (mail: OutgoingMail) => Promise<Reply | undefined>;

const LOST: Reply = {
  code: 451,
  text: 'the mail server gave no answer in time; it may or may not have taken the message',
};

/**
 * Makes a client.
 *
 * @param timeoutMs time for connecting, and for each answer of the server
 */
export async function mailClient(
  { host, port, tls, ca, user, passwordFile }: MailGatewayConfig['smtp'],
  name: string,
  timeoutMs: number,
): Promise<SendMail> {
  const { default: Connection } = await import('nodemailer/lib/smtp-connection');
  const wanted = tls ?? (isThisMachine(host) ? 'off' : 'starttls');
  const trusted = ca === undefined ? {} : { ca: await readFile(ca) };
  return async ({ from, to, id, notify, eightBit, octets }) => {
    const connection = new Connection({
      host,
      port,
      name,
      secure: wanted === 'implicit',
      requireTLS: wanted === 'starttls',
      ignoreTLS: wanted === 'off',
      tls: trusted,
      connectionTimeout: timeoutMs,
      greetingTimeout: timeoutMs,
      socketTimeout: timeoutMs,
      logger: false,
    });
    let handed = false;
    try {
      const failed = new Promise<never>((_, reject) => {
        connection.once('error', reject);
        connection.once('end', () => reject(new Error('the mail server closed the connection')));
      });
      // Only the race below looks at it; a connection that ends later is of no concern.
      failed.catch(() => undefined);
      const step = (take: (done: (error?: Error | null) => void) => void): Promise<void> =>
        Promise.race([
          failed,
          new Promise<void>((resolve, reject) => take((error) => (error ? reject(error) : resolve()))),
        ]);
      await step((done) => connection.connect(done));
      if (user !== undefined && passwordFile !== undefined) {
        const pass = await readPasswordFile(passwordFile);
        await step((done) => connection.login({ user, pass }, done));
      }
      // It is read when the server has said 354.
      const content = Readable.from(
        (function* () {
          handed = true;
          yield octets;
        })(),
      );
      const dsn = { ret: 'HDRS', envid: id, notify: notify ? ['SUCCESS', 'FAILURE'] : ['FAILURE'] };
      const envelope = {
        from: from === '' ? (false as const) : from,
        to: [to],
        use8BitMime: eightBit,
        size: octets.length,
      };
      await step((done) => connection.send(from === '' ? envelope : { ...envelope, dsn }, content, done));
      connection.quit();
      return undefined;
    } catch (error) {
      connection.close();
      const { code, text } = answerIn(error);
      if (code !== undefined && code >= 400) return replyOfSmtp(code, text);
      return handed ? LOST : { code: 450, text: `the mail server cannot be used now: ${text}` };
    }
  };
}

/** The reply of the server in an error of nodemailer, and what it is about. */
function answerIn(error: unknown): { readonly code: number | undefined; readonly text: string } {
  if (!(error instanceof Error)) return { code: undefined, text: String(error) };
  const code = 'responseCode' in error && typeof error.responseCode === 'number' ? error.responseCode : undefined;
  const response = 'response' in error && typeof error.response === 'string' ? error.response : undefined;
  return { code, text: response ?? error.message };
}
