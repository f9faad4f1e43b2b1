/** The authors named in content: message/cpim and message/RFC822+XML name them, other types do not. */

import { mediaTypeOf } from '../../mime/entity.js';
import { type Mailbox, mailboxesOf } from '../address-list.js';
import { type Opened, openEntity } from '../open.js';
import { addressOfUri } from '../uri.js';
import type { OpenEntity } from './entity.js';

/** @returns addresses; an author that is not an address is returned as written, which no certificate can name */
export function authorsOf({ headers, body }: OpenEntity): string[] {
  const { type } = mediaTypeOf(headers.get('Content-Type'));
  const opened = openEntity({ kind: 'part', headers, type, body });
  if (opened.kind === 'other') return [];
  return mailboxesIn(opened).map(({ uri }) => addressIn(uri));
}

function mailboxesIn(opened: Exclude<Opened, { kind: 'other' }>): readonly Mailbox[] {
  if (opened.kind === 'message') return mailboxesOf(opened.message.addresses('from'));
  const { from } = opened.message;
  return from === undefined ? [] : [from];
}

function addressIn(uri: string): string {
  const mail = /^mailto:([^?]*)/i.exec(uri)?.[1];
  if (mail !== undefined) return mail;
  try {
    return addressOfUri(uri);
  } catch {
    return uri;
  }
}
