/**
 * Server by which mail comes in: LMTP (RFC 2033) or SMTP (RFC 5321), by smtp-server, which is loaded when the gateway
 * starts. Takes mail only from the configured servers, and only for users of the mesh.
 */
import type { SMTPServer, SMTPServerDataStream } from 'smtp-server';
import { type MailGatewayConfig, mailServersOf } from '../../config/mail-gateway.js';
import { TransportError } from '../../errors.js';
import { events } from '../../ops/events.js';
import type { SmtpReply } from './codes.js';

/** What the server asks about mail. */
export interface MailAcceptance {
  /** @returns the refusal of a sender, the empty string for the null reverse-path */
  sender(mail: string): SmtpReply | undefined;
  recipient(mail: string): SmtpReply | undefined;
  /** Passes a mail on. @returns a refusal, or undefined, for each recipient */
  deliver(sender: string, recipients: readonly string[], octets: Buffer): Promise<readonly (SmtpReply | undefined)[]>;
  /** Tells the sender of those that failed while others did not; only for SMTP, which has one answer for all. */
  report(sender: string, failures: readonly { recipient: string; reply: SmtpReply }[], octets: Buffer): void;
}

export interface RunningServer {
  readonly port: number;
  close(): Promise<void>;
}

const TOO_MANY: SmtpReply = {
  code: 452,
  status: '4.5.3',
  text: 'too many recipients; send the others in another mail',
};
const TOO_LONG: SmtpReply = { code: 552, status: '5.3.4', text: 'the message is too long for the gateway' };
const FAULT: SmtpReply = { code: 451, status: '4.3.0', text: 'the gateway has failed to pass the message on' };
const STRANGER: SmtpReply = { code: 554, status: '5.7.1', text: 'this gateway is not for you' };

class SmtpRefusal extends Error {
  readonly responseCode: number;

  constructor({ code, status, text }: SmtpReply) {
    super(`${status} ${text}`);
    this.responseCode = code;
  }
}

/** @throws TransportError LISTEN_FAILED */
export async function startMailServer(
  config: MailGatewayConfig,
  hostname: string,
  acceptance: MailAcceptance,
): Promise<RunningServer> {
  const { SMTPServer: Server } = await import('smtp-server');
  const { protocol, host, port, connections, idleMs } = config.listen;
  const { octets: size, recipients: most } = config.messages;
  const allowed = new Set(mailServersOf(config).map(plainAddress));
  const lmtp = protocol === 'lmtp';
  const server = new Server({
    lmtp,
    name: hostname,
    banner: 'imxp',
    size,
    maxClients: connections,
    socketTimeout: idleMs,
    closeTimeout: 1000,
    authOptional: true,
    disableReverseLookup: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    hideSMTPUTF8: true,
    logger: false,
    onConnect({ remoteAddress }, done) {
      const known = allowed.has(plainAddress(remoteAddress));
      done(known ? undefined : refused(remoteAddress, '', STRANGER));
    },
    onMailFrom({ address }, { remoteAddress }, done) {
      const reply = acceptance.sender(address);
      done(reply && refused(remoteAddress, address, reply));
    },
    onRcptTo({ address }, { remoteAddress, envelope }, done) {
      const reply = envelope.rcptTo.length >= most ? TOO_MANY : acceptance.recipient(address);
      done(reply && refused(remoteAddress, address, reply));
    },
    onData(stream, { remoteAddress, envelope }, done) {
      const sender = envelope.mailFrom === false ? '' : envelope.mailFrom.address;
      const recipients = envelope.rcptTo.map(({ address }) => address);
      const fail = (reply: SmtpReply): void => done(refused(remoteAddress, sender, reply));
      collected(stream, size)
        .then(async (octets) => {
          if (octets === undefined) return fail(TOO_LONG);
          const replies = await acceptance.deliver(sender, recipients, octets);
          if (lmtp)
            return done(
              null,
              replies.map((reply) => (reply ? new SmtpRefusal(reply) : '2.1.5 taken')),
            );
          const failures = recipients.flatMap((recipient, index) => {
            const reply = replies[index];
            return reply === undefined ? [] : [{ recipient, reply }];
          });
          // RFC 5321 §4.2.5: one answer for all. Only if nobody has it can it be sent again as it is.
          const worst = failures.find(({ reply }) => reply.code < 500) ?? failures[0];
          if (worst !== undefined && failures.length === recipients.length) return done(new SmtpRefusal(worst.reply));
          if (failures.length > 0) acceptance.report(sender, failures, octets);
          done(null, '2.0.0 taken');
        })
        .catch((error: unknown) => {
          events.fault.publish({ session: 'gateway', error });
          fail(FAULT);
        });
    },
  });
  await listening(server, port, host);
  // A connection that breaks is its own server's to repeat.
  server.on('error', (error) => events.fault.publish({ session: 'gateway', error }));
  const address = server.server.address();
  return {
    port: address === null || typeof address === 'string' ? port : address.port,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

function listening(server: SMTPServer, port: number, host: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const failed = (cause: Error): void =>
      reject(
        new TransportError('LISTEN_FAILED', `cannot listen for mail on ${host}:${port}: ${cause.message}`, { cause }),
      );
    server.once('error', failed);
    server.listen(port, host, () => {
      server.off('error', failed);
      resolve();
    });
  });
}

/** The mail; undefined when it is too long, of which nothing is kept. */
async function collected(stream: SMTPServerDataStream, size: number): Promise<Buffer | undefined> {
  let chunks: Buffer[] = [];
  let octets = 0;
  for await (const chunk of stream) {
    octets += chunk.length;
    if (octets > size) chunks = [];
    else chunks.push(chunk);
  }
  return octets > size ? undefined : Buffer.concat(chunks);
}

function refused(remote: string, subject: string, reply: SmtpReply): SmtpRefusal {
  const { code, text } = reply;
  events.refused.publish({ session: 'mail', remote, what: 'mail', code, reason: text, subject: subject.slice(0, 200) });
  return new SmtpRefusal(reply);
}

/** An IPv4 address also where it came to a socket for both kinds. */
function plainAddress(address: string): string {
  return address.toLowerCase().replace(/^::ffff:(?=\d+\.)/, '');
}
