/**
 * Content of a delivery as octets, with its media type, and as text if it is text. S/MIME and the header of an instant
 * message are removed.
 */
import { isUtf8 } from 'node:buffer';
import { textOfContent } from '../../lib/endpoint/content.js';
import type { Delivery } from '../../lib/endpoint/delivery.js';
import type { Content } from '../../lib/imxp/content.js';
import type { InstantMessage } from '../../lib/message/instant-message.js';
import { decodeText } from '../../lib/message/text.js';
import { entityType } from '../../lib/mime/entity.js';
import { safeName } from './file-type.js';

export interface OpenedContent {
  readonly octets: Buffer;
  readonly type: string;
  /** Undefined for content that is not text. */
  readonly text: string | undefined;
  /** Name of the file, fit for one here. */
  readonly name?: string;
  /** Subject of an instant message. */
  readonly subject?: string;
}

/** @throws RemoteProtocolError with the reply to refuse the delivery with */
export function openDelivery(delivery: Delivery): OpenedContent {
  const { message } = delivery;
  const opened = message === undefined ? undefined : openMessage(message);
  return opened ?? openContent(delivery);
}

/** @returns undefined when the message has no content */
function openMessage(message: InstantMessage): OpenedContent | undefined {
  const { content, text, subject, type = 'text/plain' } = message;
  if (content === undefined || content.kind === 'elsewhere') return undefined;
  const octets = content.kind === 'entity' ? content.body : text === undefined ? content.inner : Buffer.from(text);
  return { octets, type, text, ...(subject === undefined ? {} : { subject }) };
}

function openContent(delivery: Delivery): OpenedContent {
  const content: Content = delivery.opened;
  switch (content.kind) {
    case 'part': {
      const { contentType: type, media } = entityType(content.headers);
      const textual = /^(?:text\/|application\/(?:[a-z.-]+\+)?(?:xml|json)\b)/i.test(type);
      const charset = media.parameters.get('charset');
      // What cannot be read for certain is not given as text with characters replaced.
      const readable =
        textual && (charset === undefined ? isUtf8(content.body) : decodeText(content.body, charset) !== undefined);
      const name = safeName(content.headers.get('Content-Disposition'));
      const text = readable ? delivery.text() : undefined;
      return { octets: content.body, type, text, ...(name === undefined ? {} : { name }) };
    }
    case 'inline':
      return { octets: content.inner, type: 'text/xml', text: textOfContent(content) };
    default:
      return { octets: Buffer.from(content.uri), type: 'text/uri-list', text: content.uri };
  }
}
