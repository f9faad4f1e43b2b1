/** Reply codes of the mesh as replies of SMTP (RFC 5321 §4.2) with enhanced codes (RFC 3463), and back. Pure. */
import type { Reply } from '../../errors.js';
import { isTransientCode } from '../../imxp/reply-code.js';

/** A reply of SMTP: its code, and a text that begins with the enhanced code. */
export interface SmtpReply {
  readonly code: number;
  readonly status: string;
  readonly text: string;
}

/** By reply code of the mesh; others by their first digit. */
const REPLIES: ReadonlyMap<number, readonly [number, string]> = new Map([
  [421, [450, '4.3.2']],
  [450, [450, '4.2.0']],
  [451, [451, '4.4.7']],
  [500, [554, '5.6.0']],
  [501, [554, '5.6.0']],
  [504, [554, '5.5.4']],
  [530, [550, '5.7.1']],
  [534, [550, '5.7.1']],
  [535, [550, '5.7.1']],
  [537, [550, '5.7.1']],
  [538, [550, '5.7.1']],
  [550, [550, '5.1.1']],
  [553, [550, '5.1.3']],
]);
const TEXT_CHARACTERS = 300;

/** The answer to a mail server whose message the mesh has refused. */
export function smtpReplyOf({ code, text }: Reply): SmtpReply {
  const [smtp, status] = REPLIES.get(code) ?? (isTransientCode(code) ? [450, '4.0.0'] : [554, '5.0.0']);
  return { code: smtp, status, text: oneLine(`${code} ${text}`) };
}

/** What a reply of SMTP, which is not a success, means in the mesh: a server that answers 4xx has certainly not taken it. */
export function replyOfSmtp(code: number, text: string): Reply {
  const status = /\b([245]\.\d{1,3}\.\d{1,3})\b/.exec(text)?.[1] ?? '';
  return { code: meshCode(code >= 500, status, code), text: `the mail server says: ${oneLine(text)}` };
}

/** What a status of RFC 3463 in a notification means in the mesh. */
export function replyOfStatus(status: string, text: string): Reply {
  return { code: meshCode(!status.startsWith('4.'), status, 0), text: oneLine(text) };
}

function meshCode(permanent: boolean, status: string, code: number): number {
  if (!permanent) return 450;
  if (status.startsWith('5.7.')) return 537;
  if (status === '5.1.3' || (status === '' && code === 553)) return 553;
  return status.startsWith('5.1.') || status.startsWith('5.2.') || (status === '' && code < 552) ? 550 : 554;
}

/** A text that can stand in a line of a protocol or a log. */
export function oneLine(text: string): string {
  return text
    .replace(/[^ -~]+/g, ' ')
    .trim()
    .slice(0, TEXT_CHARACTERS);
}
