/**
 * Mail as the CPIM peer of a gateway. Towards mail a message is answered when the mail server has taken it, or has notified
 * of its delivery; towards the mesh, when the mesh has answered.
 */
import { ImxpError, type Reply } from '../../errors.js';
import { accountOf } from '../../imxp/address.js';
import { addressOfUri, uriOfAddress } from '../../message/uri.js';
import { events } from '../../ops/events.js';
import {
  type CpimContent,
  type CpimResponse,
  type CpimService,
  type LinkSecurity,
  type MessageOperation,
  newCpimId,
  responseTo,
  type SubscribeOperation,
} from '../cpim-service.js';
import { isLoop, returnedIds } from '../passed.js';
import { Shares } from '../shares.js';
import type { MailAddresses } from './addresses.js';
import type { SendMail } from './client.js';
import { replyOfStatus, type SmtpReply, smtpReplyOf } from './codes.js';
import { contentOfMail, contentOfStatus, incomingMail, isEightBit, mailOf, outgoingMessage } from './conversion.js';
import {
  type DeliveryStatus,
  type RecipientNotice,
  readDeliveryStatus,
  writeFailureNotice,
} from './delivery-status.js';
import type { MailAcceptance } from './server.js';

export interface MailPeerOptions {
  readonly addresses: MailAddresses;
  /** Name of the gateway towards mail servers. */
  readonly hostname: string;
  readonly security: LinkSecurity;
  /** What an `ok` towards the mesh means: the mail server has taken the message, or has notified of its delivery. */
  readonly confirmation: 'server' | 'delivered';
  /** How long the notification is awaited. */
  readonly timeoutMs: number;
  readonly octets: number;
  /** Messages in each direction without an answer: of all senders, and of one. */
  readonly outstanding: number;
  readonly outstandingPerUser: number;
  readonly send: SendMail;
  /** The gateway into the mesh. */
  readonly gateway: () => CpimService;
  wait(ms: number, signal: AbortSignal): Promise<void>;
  now(): number;
}

type Outcome = Omit<CpimResponse, 'transID'>;

/** A mail whose outcome is awaited. */
interface Awaited {
  readonly to: string;
  told(reply: Reply | undefined): void;
}

/** RFC 5321 §6.3. */
const RECEIVED_MOST = 100;
const SUCCESSES = new Set(['delivered', 'relayed', 'expanded']);
const NO_SENDER: Reply = {
  code: 553,
  text: 'the originator has no mail address; its domain is not one of the gateway',
};
const NO_RECIPIENT: Reply = { code: 553, text: 'this is not the name of a mail user; the gateway cannot address it' };
const LOOPING: Reply = { code: 550, text: 'the message has passed through too many gateways or mail servers' };
const FLOOD: Reply = { code: 450, text: 'too many messages wait for their answer; send more slowly' };
const UNNOTIFIED: Reply = {
  code: 451,
  text: 'the mail server has taken the message, and did not notify of its delivery in time',
};
const NO_PRESENCE: Reply = { code: 504, text: 'mail has no presence' };
const RELAYING: SmtpReply = {
  code: 550,
  status: '5.7.1',
  text: 'relaying denied: this is no address of a user of the mesh',
};
const OUTSIDE: SmtpReply = { code: 550, status: '5.7.1', text: 'the gateway does not serve the domain of the sender' };
/** Originator of notifications that name no recipient. */
const DAEMON = 'mailer-daemon';

export class MailPeer implements CpimService, MailAcceptance {
  readonly security: LinkSecurity;
  readonly #options: MailPeerOptions;
  /** Name of this gateway in the loop marker: another kind of gateway may stand for the same domain. */
  readonly #marker: string;
  /** By ENVID. */
  readonly #awaited = new Map<string, Awaited>();
  readonly #toMail: Shares;
  readonly #toMesh: Shares;

  constructor(options: MailPeerOptions) {
    const { addresses, outstanding: all, outstandingPerUser: perUser } = options;
    this.security = options.security;
    this.#options = options;
    this.#marker = `mail:${options.hostname}`;
    const isListed = (domain: string): boolean => addresses.isListed(domain);
    this.#toMail = new Shares({ all, perUser }, isListed);
    this.#toMesh = new Shares({ all, perUser }, isListed);
  }

  // ---- to mail ------------------------------------------------------------------------------------------------------

  async message(operation: MessageOperation): Promise<CpimResponse> {
    return { transID: operation.transID, ...(await this.#passed(operation)) };
  }

  async subscribe(operation: SubscribeOperation): Promise<CpimResponse> {
    return { ...responseTo(operation, 'failure'), ...outcomeOf(NO_PRESENCE) };
  }

  /** Does nothing: nobody in mail has subscribed. */
  notify(): void {}

  async #passed({ source, destination, transID: id, maxForwards, content }: MessageOperation): Promise<Outcome> {
    const { addresses, hostname, now, octets: most } = this.#options;
    const originator = addressOfUri(source);
    const from = addresses.mailOfUser(originator);
    if (from === undefined) return outcomeOf(NO_SENDER);
    const to = addresses.mailOfOutsider(addressOfUri(destination));
    if (to === undefined) return outcomeOf(NO_RECIPIENT);
    let mail: Buffer;
    try {
      const message = outgoingMessage(content);
      if ((maxForwards !== undefined && maxForwards <= 0) || isLoop(message.passed, this.#marker)) {
        for (const earlier of returnedIds(message.passed, this.#marker)) this.#awaited.get(earlier)?.told(LOOPING);
        return outcomeOf(refused(originator, LOOPING));
      }
      mail = mailOf(message, { from, to, originator, id, hostname, marker: this.#marker, now: now() });
    } catch (error) {
      return outcomeOf(replyFor(error));
    }
    if (mail.length > most)
      return outcomeOf({ code: 550, text: `${mail.length} octets are too long for mail; at most ${most}` });
    const sender = accountOf(originator);
    return (await this.#counted(this.#toMail, sender, () => this.#send(id, from, to, mail))) ?? outcomeOf(FLOOD);
  }

  async #send(id: string, from: string, to: string, octets: Buffer): Promise<Outcome> {
    const { send, confirmation, timeoutMs, wait } = this.#options;
    const notify = confirmation === 'delivered';
    const known = new AbortController();
    let told: Reply | undefined = UNNOTIFIED;
    const answered = new Promise<void>((resolve) => {
      this.#awaited.set(id, {
        to,
        told: (reply) => {
          told = reply;
          known.abort();
          resolve();
        },
      });
    });
    try {
      const taken = send({ from, to, id, notify, eightBit: isEightBit(octets), octets });
      // A message that comes back while the server still takes it: the server answers after this gateway has.
      const refusal = await Promise.race([taken, answered]);
      if (known.signal.aborted) return outcomeOf(told);
      if (refusal !== undefined || !notify) return outcomeOf(refusal ?? undefined);
      await wait(timeoutMs, known.signal);
      return outcomeOf(told);
    } finally {
      this.#awaited.delete(id);
    }
  }

  // ---- from mail ----------------------------------------------------------------------------------------------------

  sender(mail: string): SmtpReply | undefined {
    return mail === '' || this.#options.addresses.outsider(mail) !== undefined ? undefined : OUTSIDE;
  }

  recipient(mail: string): SmtpReply | undefined {
    return this.#options.addresses.user(mail) === undefined ? RELAYING : undefined;
  }

  async deliver(
    sender: string,
    recipients: readonly string[],
    octets: Buffer,
  ): Promise<readonly (SmtpReply | undefined)[]> {
    const replies = await Promise.all(
      recipients.map(async (recipient) => {
        const reply = await this.#counted(this.#toMesh, sender, () => this.#deliverTo(sender, recipient, octets));
        return reply === undefined ? FLOOD : reply === 'ok' ? undefined : reply;
      }),
    );
    return replies.map((reply) => reply && smtpReplyOf(reply));
  }

  async #deliverTo(sender: string, recipient: string, octets: Buffer): Promise<Reply | 'ok'> {
    try {
      const status = sender === '' ? readDeliveryStatus(octets) : undefined;
      if (status !== undefined) return await this.#notified(status, recipient);
      const { addresses, hostname } = this.#options;
      const source = addresses.outsider(sender) ?? this.#daemon;
      const destination = addresses.user(recipient);
      if (destination === undefined) return { code: 550, text: RELAYING.text };
      const mail = incomingMail(octets, (address) => this.#meshUri(address));
      if (mail.received > RECEIVED_MOST || isLoop(mail.passed, this.#marker)) return refused(sender, LOOPING);
      return await this.#toUser(source, destination, contentOfMail(mail, this.#marker, hostname));
    } catch (error) {
      return replyFor(error);
    }
  }

  /** A notification settles what is awaited; a later one is a message to the sender, from the recipient it is about. */
  async #notified(
    { envelopeId = '', messageId, recipients }: DeliveryStatus,
    recipient: string,
  ): Promise<Reply | 'ok'> {
    const { addresses, now } = this.#options;
    const destination = addresses.user(recipient);
    if (destination === undefined) return { code: 550, text: RELAYING.text };
    for (const status of recipients) {
      if (this.#settled(envelopeId, status)) continue;
      const from = addresses.outsider(status.recipient) ?? this.#daemon;
      const content = contentOfStatus(status, { from, to: destination, inReplyTo: messageId, now: now() });
      const reply = await this.#toUser(from, destination, content);
      if (reply !== 'ok') return reply;
    }
    return 'ok';
  }

  #settled(envelopeId: string, { action, status, recipient, diagnostic }: RecipientNotice): boolean {
    const awaited = this.#awaited.get(envelopeId);
    if (awaited === undefined || awaited.to.toLowerCase() !== recipient.toLowerCase()) return false;
    if (SUCCESSES.has(action)) awaited.told(undefined);
    else if (action === 'failed') awaited.told(replyOfStatus(status, `${status} ${diagnostic}`));
    return true;
  }

  async #toUser(source: string, destination: string, content: CpimContent): Promise<Reply | 'ok'> {
    const { status, code, reason } = await this.#options.gateway().message({
      type: 'message',
      source: uriOfAddress('im', source),
      destination: uriOfAddress('im', destination),
      transID: newCpimId(),
      maxForwards: undefined,
      content,
    });
    if (status === 'success') return 'ok';
    const text = (reason ?? 'the mesh did not take the message').replace(/^[0-9]{3} /, '');
    return { code: code ?? (status === 'failure' ? 550 : 451), text };
  }

  /** RFC 5321 §4.5.5: from the null reverse-path, so that nobody answers, and none about a notification. */
  report(sender: string, failures: readonly { recipient: string; reply: SmtpReply }[], octets: Buffer): void {
    if (sender === '') return;
    const { hostname, now, send } = this.#options;
    const id = newCpimId();
    const notice = writeFailureNotice({ hostname, sender, id, date: new Date(now()), failures, message: octets });
    send({ from: '', to: sender, id, notify: false, eightBit: isEightBit(notice), octets: notice })
      .then((refusal) => {
        if (refusal !== undefined) refused(sender, refusal);
      })
      .catch((error: unknown) => events.fault.publish({ session: 'gateway', error }));
  }

  // ---- both ---------------------------------------------------------------------------------------------------------

  get #daemon(): string {
    return `${DAEMON}@${this.#options.addresses.served[0] ?? ''}`;
  }

  #meshUri(mail: string): string | undefined {
    const { addresses } = this.#options;
    const address = addresses.user(mail) ?? addresses.outsider(mail);
    return address === undefined ? undefined : uriOfAddress('im', address);
  }

  /** @returns undefined when the sender has too much without an answer */
  async #counted<T>(shares: Shares, sender: string, run: () => Promise<T>): Promise<T | undefined> {
    const domain = { domain: sender.slice(sender.lastIndexOf('@') + 1).toLowerCase() };
    const user = sender.toLowerCase();
    if (!shares.hasRoom(user, domain)) return undefined;
    shares.count(user, domain, 1);
    try {
      return await run();
    } finally {
      shares.count(user, domain, -1);
    }
  }
}

/** Tells the operator what was refused. */
function refused(subject: string, reply: Reply): Reply {
  const { code, text: reason } = reply;
  events.refused.publish({ session: 'mail', remote: '', what: 'mail', code, reason, subject: subject.slice(0, 200) });
  return reply;
}

function outcomeOf(reply: Reply | undefined): Outcome {
  if (reply === undefined) return { status: 'success' };
  return { status: reply.code === 451 ? 'indeterminant' : 'failure', code: reply.code, reason: reply.text };
}

function replyFor(error: unknown): Reply {
  if (error instanceof ImxpError && error.reply !== undefined) return error.reply;
  if (error instanceof ImxpError && error.code === 'ARGUMENT') return { code: 550, text: error.message };
  throw error;
}
