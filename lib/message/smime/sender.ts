/**
 * What content says about itself: message/cpim and message/RFC822+XML name their authors and a date, the latter also an
 * identifier; other types do not.
 */

import { mediaTypeOf } from '../../mime/entity.js';
import { type Mailbox, mailboxesOf } from '../address-list.js';
import { type Opened, openEntity } from '../open.js';
import { addressOfUri } from '../uri.js';
import type { OpenEntity } from './entity.js';

export interface Stated {
  /** Addresses; an author that is not an address is given as written, which no certificate can name. */
  readonly authors: readonly string[];
  readonly messageId: string | undefined;
  readonly date: Date | undefined;
}

export function statedIn({ headers, body }: OpenEntity): Stated {
  const { type } = mediaTypeOf(headers.get('Content-Type'));
  const opened = openEntity({ kind: 'part', headers, type, body });
  if (opened.kind === 'other') return { authors: [], messageId: undefined, date: undefined };
  const authors = mailboxesIn(opened).map(({ uri }) => addressIn(uri));
  if (opened.kind === 'cpim') return { authors, messageId: undefined, date: opened.message.dateTime };
  return { authors, messageId: opened.message.first('message-id'), date: opened.message.date };
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
