/** Builds the content of instant messages, completing missing fields from the operation that carries them. */
import type { MadeContent } from '../imxp/content.js';
import { CPIM_TYPE, writeCpim } from '../message/cpim/document.js';
import { InstantMessage, type InstantMessageInit, instantMessage } from '../message/instant-message.js';
import { uriOfAddress } from '../message/uri.js';
import { madeContent } from '../message/write.js';
import { newContentId } from '../mime/content-id.js';
import { givenAddress } from './address.js';
import type { CpimObjectContent, MessageContent } from './content.js';
import { checkKeys, type KnownKeys } from './keys.js';

const KEYS: KnownKeys<InstantMessageInit> = {
  from: true,
  to: true,
  cc: true,
  subject: true,
  date: true,
  messageId: true,
  inReplyTo: true,
  lang: true,
  fields: true,
  text: true,
  flowed: true,
  content: true,
};

/** @throws LocalError ARGUMENT for content that the form cannot carry */
export function madeMessage(
  { message, form = 'nested' }: MessageContent,
  originator: string,
  recipients: readonly string[],
): MadeContent {
  if (!(message instanceof InstantMessage)) checkKeys(message, KEYS, 'send: content.message');
  const own = message instanceof InstantMessage ? message : instantMessage(message);
  const { domain } = givenAddress(originator);
  const usual = instantMessage({
    from: uriOfAddress('im', originator),
    to: recipients.map((one) => uriOfAddress('im', one)),
    date: new Date(),
    messageId: `<${newContentId(domain)}>`,
  });
  return madeContent(own.completed(usual.fields), form, domain);
}

/** @throws LocalError ARGUMENT for content that message/cpim cannot carry */
export function madeCpim({ cpim }: CpimObjectContent, originator: string, recipients: readonly string[]): MadeContent {
  const mailbox = (address: string) => ({ phrase: undefined, uri: uriOfAddress('im', address) });
  const usual = { from: mailbox(originator), to: recipients.map(mailbox), dateTime: new Date() };
  return { type: CPIM_TYPE, body: writeCpim({ ...usual, ...cpim }) };
}
