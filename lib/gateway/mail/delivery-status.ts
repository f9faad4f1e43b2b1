/** Delivery status notifications (RFC 3464) in their multipart/report (RFC 6522): reads and writes them. */
import { parseEntity } from '../../mime/entity.js';
import type { MimeLimits } from '../../mime/fault.js';
import type { Headers } from '../../mime/headers.js';
import { parseMediaType } from '../../mime/media-type.js';
import { parseMultipart } from '../../mime/multipart.js';
import { decodeLeniently } from '../../mime/transfer.js';
import type { SmtpReply } from './codes.js';

/** What a notification says about one recipient. */
export interface RecipientNotice {
  /** As the sender named them, where the notification tells it. */
  readonly recipient: string;
  /** In lower case: failed, delayed, delivered, relayed or expanded. */
  readonly action: string;
  /** RFC 3463. */
  readonly status: string;
  /** What the server said that it is about. */
  readonly diagnostic: string;
}

export interface DeliveryStatus {
  /** ENVID of the message that it is about (RFC 3461). */
  readonly envelopeId: string | undefined;
  /** Message-ID in what the notification returns of the message. */
  readonly messageId: string | undefined;
  readonly recipients: readonly RecipientNotice[];
}

const LIMITS: MimeLimits = { headerOctets: 131_072, parts: 20 };
/** Recipients in one notification that are looked at. */
const RECIPIENTS = 100;
const CRLF = '\r\n';

/**
 * Reads a notification.
 *
 * @returns undefined for mail that is none
 * @throws RemoteProtocolError MIME_INVALID for one that is malformed
 */
export function readDeliveryStatus(octets: Buffer): DeliveryStatus | undefined {
  const entity = parseEntity(octets, LIMITS, true);
  const contentType = entity.headers.get('Content-Type') ?? '';
  if (!/^\s*multipart\/report\b/i.test(contentType)) return undefined;
  const type = parseMediaType(contentType);
  if (type.parameters.get('report-type')?.toLowerCase() !== 'delivery-status') return undefined;
  const { parts } = parseMultipart(entity.body, 0, type, LIMITS);
  const report = parts.find(({ headers }) => isType(headers, 'message/delivery-status'));
  if (report === undefined) return undefined;
  const [message, ...recipients] = blocksOf(bodyOf(report.headers, report.body));
  const returned = parts.find(
    ({ headers }) => isType(headers, 'message/rfc822') || isType(headers, 'text/rfc822-headers'),
  );
  return {
    envelopeId: message?.get('Original-Envelope-Id'),
    messageId: returned && messageIdIn(bodyOf(returned.headers, returned.body)),
    recipients: recipients.slice(0, RECIPIENTS).map(recipientNotice),
  };
}

function recipientNotice(fields: Headers): RecipientNotice {
  return {
    recipient: addressIn(fields.get('Original-Recipient')) ?? addressIn(fields.get('Final-Recipient')) ?? '',
    action: (fields.get('Action') ?? '').trim().toLowerCase(),
    status: /^\s*([245]\.\d{1,3}\.\d{1,3})/.exec(fields.get('Status') ?? '')?.[1] ?? '',
    diagnostic: fields.get('Diagnostic-Code')?.replace(/^[^;]*;\s*/, '') ?? '',
  };
}

function isType(headers: Headers, type: string): boolean {
  return headers.get('Content-Type')?.trim().toLowerCase().startsWith(type) ?? false;
}

function bodyOf(headers: Headers, body: Buffer): Buffer {
  return decodeLeniently(headers.get('Content-Transfer-Encoding') ?? '7bit', body);
}

/** RFC 3464 §2.1: groups of fields, with an empty line between them. */
function blocksOf(body: Buffer): Headers[] {
  return body
    .toString('latin1')
    .split(/(?:\r\n){2,}/)
    .filter((block) => block.trim() !== '')
    .map((block) => parseEntity(Buffer.from(`${block.trim()}${CRLF}${CRLF}`, 'latin1'), LIMITS, true).headers);
}

/** RFC 3464 §2.3.1: the type of the address, and the address; that of ORCPT is encoded as xtext (RFC 3461 §4). */
function addressIn(value: string | undefined): string | undefined {
  const address = /^\s*rfc822\s*;\s*<?([^\s<>]+)>?/i.exec(value ?? '')?.[1];
  return address?.replace(/\+([0-9A-F]{2})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 16)));
}

function messageIdIn(octets: Buffer): string | undefined {
  const end = octets.indexOf(CRLF + CRLF);
  const head = `${octets.toString('latin1', 0, end < 0 ? octets.length : end).trimEnd()}${CRLF}${CRLF}`;
  const id = parseEntity(Buffer.from(head, 'latin1'), LIMITS, true).headers.get('Message-ID')?.trim();
  return id !== undefined && /^<[^\s<>]{1,900}>$/.test(id) ? id : undefined;
}

/** What a notification that the gateway sends tells. */
export interface FailureNotice {
  /** Name of the gateway towards mail servers. */
  readonly hostname: string;
  /** Whom it tells. */
  readonly sender: string;
  readonly id: string;
  readonly date: Date;
  readonly failures: readonly { readonly recipient: string; readonly reply: SmtpReply }[];
  /** The message that it is about, of which the headers are returned. */
  readonly message: Buffer;
}

/** Writes a notification of recipients whom a message did not reach. */
export function writeFailureNotice({ hostname, sender, id, date, failures, message }: FailureNotice): Buffer {
  const boundary = `report-${id}`;
  const end = message.indexOf(CRLF + CRLF);
  const head = message.subarray(0, Math.min(end < 0 ? message.length : end, LIMITS.headerOctets));
  const when = date.toUTCString().replace('GMT', '+0000');
  const told = failures.map(({ recipient, reply }) => `<${recipient}>: ${reply.status} ${reply.text}`);
  const groups = failures.flatMap(({ recipient, reply: { code, status, text } }) => [
    '',
    `Final-Recipient: rfc822; ${recipient}`,
    'Action: failed',
    `Status: ${status}`,
    `Diagnostic-Code: smtp; ${code} ${status} ${text}`,
  ]);
  const lines = [
    `From: Mail Delivery System <MAILER-DAEMON@${hostname}>`,
    `To: <${sender}>`,
    'Subject: Undelivered mail',
    `Date: ${when}`,
    `Message-ID: <${id}@${hostname}>`,
    'Auto-Submitted: auto-replied',
    'MIME-Version: 1.0',
    `Content-Type: multipart/report; report-type=delivery-status; boundary="${boundary}"`,
    '',
    `--${boundary}`,
    'Content-Type: text/plain; charset=us-ascii',
    '',
    'The gateway to the mesh could not deliver your message to:',
    '',
    ...told,
    '',
    `--${boundary}`,
    'Content-Type: message/delivery-status',
    '',
    `Reporting-MTA: dns; ${hostname}`,
    ...groups,
    '',
    `--${boundary}`,
    'Content-Type: text/rfc822-headers',
    '',
  ];
  return Buffer.concat([
    Buffer.from(`${lines.join(CRLF)}${CRLF}`),
    head,
    Buffer.from(`${CRLF}${CRLF}--${boundary}--${CRLF}`),
  ]);
}
