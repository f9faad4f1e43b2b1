/** Header fields: unfolding, case-insensitive names, media type and Content-ID. */
import { isUtf8 } from 'node:buffer';
import { LocalError } from '../errors.js';
import { malformedEntity } from './fault.js';
import { type MediaType, parseMediaType } from './media-type.js';

export interface HeaderField {
  /** As written. */
  readonly name: string;
  /** Unfolded and trimmed. */
  readonly value: string;
}

const FIELD = /^([!-9;-~]+):[ \t]*(.*)$/;
// RFC 5322 §4.5: white space before the colon is obsolete, and still met.
const LENIENT_FIELD = /^([!-9;-~]+)[ \t]*:[ \t]*([\s\S]*)$/;
// anything that could not stand in one line of text
const UNPRINTABLE = /[^\t -~\u0080-\uFFFF]/;

export class Headers {
  /** In the order they came. */
  readonly fields: readonly HeaderField[];

  constructor(fields: readonly HeaderField[] = []) {
    this.fields = fields;
  }

  /** The value of the first field of that name. */
  get(name: string): string | undefined {
    const wanted = name.toLowerCase();
    return this.fields.find((field) => field.name.toLowerCase() === wanted)?.value;
  }

  all(name: string): string[] {
    const wanted = name.toLowerCase();
    return this.fields.filter((field) => field.name.toLowerCase() === wanted).map((field) => field.value);
  }

  /**
   * The value of a field that may be given once only: readers that choose differently must not see different messages.
   *
   * @throws RemoteProtocolError MIME_INVALID, reply 500.
   */
  single(name: string): string | undefined {
    const [value, ...more] = this.all(name);
    if (more.length > 0) {
      throw malformedEntity(`header ${name} is given twice`);
    }
    return value;
  }

  /** The media type, or undefined without a Content-Type. @throws RemoteProtocolError MIME_INVALID, reply 500. */
  mediaType(): MediaType | undefined {
    const value = this.single('Content-Type');
    return value === undefined ? undefined : parseMediaType(value);
  }

  /** The Content-ID without its angle brackets; undefined when there is none that could be referred to. */
  contentId(): string | undefined {
    return unbracket(this.single('Content-ID') ?? '');
  }
}

/** `<id>` to `id`; undefined for anything else. */
export function unbracket(text: string): string | undefined {
  return /^<([^<>]+)>$/.exec(text)?.[1];
}

/**
 * Reads a header block.
 *
 * @param block the lines without the last CRLF; empty for no fields.
 * @param lenient for headers that are opaque to us and passed on as they are: control characters in values stay, and white
 *   space may precede a colon
 * @throws RemoteProtocolError MIME_INVALID, reply 500.
 */
export function parseHeaders(block: Buffer, lenient = false): Headers {
  if (block.length === 0) {
    return new Headers();
  }
  // RFC 5322 has ASCII only; what people send otherwise is UTF-8 (RFC 6532) or, of old, ISO 8859-1
  const text = isUtf8(block) ? block.toString('utf8') : block.toString('latin1');
  const lines: string[] = [];
  for (const line of text.split('\r\n')) {
    const last = lines.length - 1;
    // RFC 822 §3.1.1: a line that begins with white space continues the field above
    if (last >= 0 && (line.startsWith(' ') || line.startsWith('\t'))) {
      lines[last] += line;
    } else {
      lines.push(line);
    }
  }
  return new Headers(lines.map((line) => fieldOf(line, lenient)));
}

function fieldOf(line: string, lenient: boolean): HeaderField {
  const [, name, value = ''] = (lenient ? LENIENT_FIELD : FIELD).exec(line) ?? [];
  if (name === undefined || (!lenient && UNPRINTABLE.test(value))) {
    throw malformedEntity('a header line is not "Name: value"');
  }
  return { name, value: value.trimEnd() };
}

/** Whether a field can be written: fields read from peers may contain characters that no header can have. */
export function isWritable({ name, value }: HeaderField): boolean {
  return /^[!-9;-~]+$/.test(name) && !UNPRINTABLE.test(value);
}

/**
 * Writes fields, each with its CRLF, without the empty line that ends a block.
 *
 * @throws LocalError ARGUMENT when a name or value cannot stand in a header.
 */
export function formatHeaders(fields: readonly HeaderField[]): string {
  let text = '';
  for (const { name, value } of fields) {
    if (!isWritable({ name, value })) {
      throw new LocalError('ARGUMENT', `header ${JSON.stringify(name)} cannot be written`);
    }
    text += `${name}: ${value}\r\n`;
  }
  return text;
}
