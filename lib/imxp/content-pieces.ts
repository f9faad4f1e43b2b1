/**
 * Content of a Data operation as pieces in a row: a large message that was received in pieces is not joined to find its
 * last part.
 */
import { ImxpError } from '../errors.js';
import { idOfCid } from '../mime/content-id.js';
import { parseEntity } from '../mime/entity.js';
import { contiguous, headOf, indexInPieces, portion } from '../mime/payload.js';
import { contentOf } from './content.js';
import type { Data } from './operation.js';

/** Octets within which the headers of a part are looked for; longer ones are found in the joined message. */
const HEADER_OCTETS = 16_384;
const IDENTITY_ENCODING = /^(?:binary|8bit|7bit)$/i;

/**
 * Returns the octets of the content in their order, with any transfer encoding undone: views of what was received,
 * whenever that is possible. Of a reference they are its URI.
 *
 * @throws RemoteProtocolError as {@link contentOf}
 */
export function contentPieces(data: Data): readonly Buffer[] {
  const found = lastPart(data);
  if (found !== undefined) return found;
  const content = contentOf(data);
  if (content.kind === 'part') return [content.body];
  return [content.kind === 'inline' ? content.inner : Buffer.from(content.uri)];
}

/**
 * The content where it is the only part beside the control document, as in nearly all messages; undefined where a closer look
 * is needed, which needs the joined message.
 */
function lastPart({ content, source }: Data): readonly Buffer[] | undefined {
  if (source?.controlEnd === undefined || Buffer.isBuffer(source.payload)) return undefined;
  const { payload: pieces, controlEnd } = source;
  const boundary = boundaryOf(pieces);
  if (boundary === undefined) return undefined;
  const delimiter = Buffer.from(`\r\n--${boundary}`);
  const line = Buffer.from(`\r\n--${boundary}\r\n`);
  const start = controlEnd + line.length;
  if (!contiguous(portion(pieces, controlEnd, start)).equals(line)) return undefined;
  const from = bodyStart(contiguous(portion(pieces, start, start + HEADER_OCTETS)), content);
  if (from === undefined) return undefined;
  const body = start + from;
  // An empty body may share its line end with the delimiter after it.
  const end = indexInPieces(pieces, delimiter, body - 2);
  const after = end + delimiter.length;
  const rest = contiguous(portion(pieces, after, after + '--\r\n'.length + 1)).toString('latin1');
  return end >= 0 && /^--(?:\r\n)?$/.test(rest) ? portion(pieces, body, end) : undefined;
}

function boundaryOf(pieces: readonly Buffer[]): string | undefined {
  try {
    return parseEntity(headOf(pieces)).headers.mediaType()?.parameters.get('boundary');
  } catch (error) {
    return unread(error);
  }
}

/** Where the body begins in a part that is the content and not encoded. */
function bodyStart(part: Buffer, content: string): number | undefined {
  try {
    const { headers, bodyStart: at } = parseEntity(part, undefined, true);
    const id = idOfCid(content);
    const encodings = headers.all('Content-Transfer-Encoding');
    const plain = encodings.length === 0 || (encodings.length === 1 && IDENTITY_ENCODING.test(encodings[0] ?? ''));
    return id !== undefined && headers.contentId() === id && plain ? at : undefined;
  } catch (error) {
    return unread(error);
  }
}

/** Faults are told by {@link contentOf}, which reads the joined message. */
function unread(error: unknown): undefined {
  if (!(error instanceof ImxpError)) throw error;
}
