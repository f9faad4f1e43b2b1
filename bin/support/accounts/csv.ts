/**
 * Reads comma-separated values (RFC 4180), also with another separator, with the line each record begins on. Lines may end
 * with CRLF, LF or CR. The text is given piece by piece, so that files of any length can be read. Knows nothing of what the
 * values mean.
 */

/** What may stand between values: spreadsheets write semicolons where numbers have a decimal comma. */
export type Separator = ',' | ';' | '\t';

export interface CsvRecord {
  /** Counted from 1. */
  readonly line: number;
  readonly fields: readonly string[];
  /** A quote that does not end, or stands where none may. */
  readonly broken: boolean;
}

/** A quote that has not ended within so many characters is a mistake, and ends with its line. */
const QUOTED_CHARACTERS = 65_536;

export class CsvReader {
  readonly #separator: Separator;
  #text = '';
  #line = 1;

  constructor(separator: Separator = ',') {
    this.#separator = separator;
  }

  /**
   * Reads the next piece of text. Empty lines, and lines that begin with a `#` that is not quoted, are no records.
   *
   * @param last no text follows; otherwise the record at the end is read with the next piece
   */
  *read(piece: string, last: boolean): Generator<CsvRecord> {
    const text = this.#text + piece;
    let at = 0;
    while (at < text.length) {
      const found = recordAt(text, at, this.#separator, last);
      // The end of the text is not the end of the record, or a CR not yet that of the line.
      if (found === undefined || (!last && found.end >= text.length)) break;
      const line = this.#line;
      this.#line += found.lines;
      at = found.end;
      const { fields, broken } = found;
      const [first = ''] = fields;
      if (fields.length > 1 || first.trim() !== '') yield { line, fields, broken };
    }
    this.#text = text.slice(at);
  }

  /** Characters kept for the next piece. */
  get kept(): number {
    return this.#text.length;
  }

  /** The line on which the next record begins. */
  get line(): number {
    return this.#line;
  }
}

interface Found {
  /** None of a comment. */
  readonly fields: readonly string[];
  readonly broken: boolean;
  /** Of the record with the end of its line. */
  readonly end: number;
  readonly lines: number;
}

/** @returns undefined if the end of a quote is not in the text */
function recordAt(text: string, start: number, separator: Separator, last: boolean): Found | undefined {
  if (text[start] === '#') return { fields: [], broken: false, end: afterLine(text, endOfLine(text, start)), lines: 1 };
  const fields: string[] = [];
  let [broken, lines, at] = [false, 1, start];
  for (let more = true; more; ) {
    const field = fieldAt(text, at, separator, last);
    if (field === undefined) return undefined;
    fields.push(field.value);
    broken ||= field.broken;
    lines += field.lines;
    at = field.end;
    more = text[at] === separator;
    if (more) at += 1;
  }
  return { fields, broken, end: afterLine(text, at), lines };
}

interface Field {
  readonly value: string;
  /** Of what follows: a comma, the end of the line, the end of the text. */
  readonly end: number;
  /** Line ends within. */
  readonly lines: number;
  readonly broken: boolean;
}

function fieldAt(text: string, start: number, separator: Separator, last: boolean): Field | undefined {
  if (text[start] !== '"') {
    const end = endOfField(text, start, separator);
    const value = text.slice(start, end);
    return { value, end, lines: 0, broken: value.includes('"') };
  }
  let value = '';
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0 || quote - start > QUOTED_CHARACTERS) {
      if (!last && text.length - start <= QUOTED_CHARACTERS) return undefined;
      const end = endOfField(text, start, separator);
      return { value: text.slice(start, end), end, lines: 0, broken: true };
    }
    // Another quote may follow, which would be a quote within.
    if (!last && quote + 1 === text.length) return undefined;
    value += text.slice(at, quote);
    if (text[quote + 1] !== '"') {
      const end = endOfField(text, quote + 1, separator);
      const rest = text.slice(quote + 1, end).trim();
      return { value, end, lines: value.split(/\r\n|\r|\n/).length - 1, broken: rest !== '' };
    }
    value += '"';
    at = quote + 2;
  }
}

function endOfField(text: string, start: number, separator: Separator): number {
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === separator || character === '\n' || character === '\r') return at;
  }
  return text.length;
}

function endOfLine(text: string, start: number): number {
  for (let at = start; at < text.length; at += 1) if (text[at] === '\n' || text[at] === '\r') return at;
  return text.length;
}

function afterLine(text: string, end: number): number {
  return text[end] === '\r' && text[end + 1] === '\n' ? end + 2 : end + 1;
}
