/**
 * Reads comma-separated values (RFC 4180), also with another separator, with the line each record begins on. Lines may end
 * with CRLF, LF or CR. Knows nothing of what the values mean.
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

/** Empty lines, and lines that begin with a `#` that is not quoted, are no records. */
export function* csvRecords(text: string, separator: Separator = ','): Generator<CsvRecord> {
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const begin = line;
    if (text[at] === '#') {
      at = afterLine(text, endOfLine(text, at));
      line += 1;
      continue;
    }
    const fields: string[] = [];
    let broken = false;
    for (let more = true; more; ) {
      const field = fieldAt(text, at, separator);
      fields.push(field.value);
      broken ||= field.broken;
      line += field.lines;
      at = field.end;
      more = text[at] === separator;
      if (more) at += 1;
    }
    at = afterLine(text, at);
    line += 1;
    const [first = ''] = fields;
    if (fields.length > 1 || first.trim() !== '') yield { line: begin, fields, broken };
  }
}

interface Field {
  readonly value: string;
  /** Of what follows: a comma, the end of the line, the end of the text. */
  readonly end: number;
  /** Line ends within. */
  readonly lines: number;
  readonly broken: boolean;
}

function fieldAt(text: string, start: number, separator: Separator): Field {
  if (text[start] !== '"') {
    const end = endOfField(text, start, separator);
    const value = text.slice(start, end);
    return { value, end, lines: 0, broken: value.includes('"') };
  }
  let value = '';
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) {
      const end = endOfField(text, start, separator);
      return { value: text.slice(start, end), end, lines: 0, broken: true };
    }
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
