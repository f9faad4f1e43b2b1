/**
 * End-to-end security of an endpoint in a page. WebCrypto has only promises, so the page itself signs and encrypts before it
 * sends, and opens content before it reads a delivery: the endpoint finds here what has been opened. In a program that
 * does not, requests for security fail instead of sending without it.
 */
import type { OpenedContent, Sealed } from '../lib/endpoint/secure.js';
import { LocalError } from '../lib/errors.js';
import type { Content, MadeContent } from '../lib/imxp/content.js';
import type { MadeEntity } from '../lib/message/smime/entity.js';
import type { Sealing } from '../lib/message/smime/protection.js';

/** What a page needs of S/MIME. */
export interface PageSecurity {
  /** @throws LocalError ARGUMENT when the own certificate or that of a recipient is missing or not usable */
  seal(entity: MadeEntity, sealing: Sealing): Promise<MadeEntity>;
  /** @throws RemoteProtocolError SMIME_INVALID | SMIME_UNREADABLE | MIME_INVALID | MESSAGE_INVALID */
  open(content: Content, originator: string, recipients: readonly string[]): Promise<OpenedContent>;
  /** It was not taken: it is no repetition when it comes again. */
  forget(content: Content): void;
}

interface Opened {
  readonly result: OpenedContent;
  readonly by: PageSecurity;
}

const opened = new WeakMap<Content, Opened>();

/** Opens the content of a delivery, which then has what is inside. @throws as {@link PageSecurity.open} */
export async function openContent(
  content: Content,
  originator: string,
  recipients: readonly string[],
  by: PageSecurity,
): Promise<void> {
  opened.set(content, { result: await by.open(content, originator, recipients), by });
}

export async function secureOf(given: unknown): Promise<undefined> {
  if (given !== undefined && given !== false) throw missing();
}

export function sealed(content: MadeContent, { sign, encrypt }: Sealed): MadeContent {
  if (sign === true || encrypt === true) throw missing();
  return content;
}

/** Content that was not opened before is passed to the application unchanged. */
export function unsealed(content: Content): OpenedContent {
  return opened.get(content)?.result ?? { content, signed: undefined, encrypted: false };
}

export function forgotten(content: Content): void {
  opened.get(content)?.by.forget(content);
}

/** Presence cannot be signed, and signatures are not verified. */
export function securedPresence(): never {
  throw missing();
}

export function openedPresence(): undefined {}

function missing(): LocalError {
  return new LocalError('ARGUMENT', 'messages cannot be signed or encrypted by the endpoint of a browser');
}
