/** The content of a delivery as octets, with its type, and as text where it is text. */
import { isUtf8 } from 'node:buffer';
import { textOfContent } from '../../lib/endpoint/content.js';
import type { Content } from '../../lib/imxp/content.js';

export interface OpenedContent {
  readonly octets: Buffer;
  readonly type: string;
  /** Undefined for what is not text. */
  readonly text: string | undefined;
}

export function openContent(content: Content): OpenedContent {
  switch (content.kind) {
    case 'part': {
      const type = content.headers.get('Content-Type') ?? 'text/plain';
      const textual = /^(?:text\/|application\/(?:[a-z.-]+\+)?(?:xml|json)\b)/i.test(type);
      const charset = content.headers.mediaType()?.parameters.has('charset') === true;
      const readable = textual && (charset || isUtf8(content.body));
      return { octets: content.body, type, text: readable ? textOfContent(content) : undefined };
    }
    case 'inline':
      return { octets: content.inner, type: 'text/xml', text: textOfContent(content) };
    default:
      return { octets: Buffer.from(content.uri), type: 'text/uri-list', text: content.uri };
  }
}
