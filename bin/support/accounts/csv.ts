/** Comma-separated values (RFC 4180), with the line each record begins on. Knows nothing of what they mean. */

export interface CsvRecord {
  /** Counted from 1. */
  readonly line: number;
  readonly fields: readonly string[];
  /** A quote that does not end, or stands where none may. */
  readonly broken: boolean;
}

/** Empty lines, and lines that begin with `#`, are no records. */
export function* csvRecords(text: string): Generator<CsvRecord> {
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const begin = line;
    const fields: string[] = [];
    let broken = false;
    for (let more = true; more; ) {
      const field = fieldAt(text, at);
      fields.push(field.value);
      broken ||= field.broken;
      line += field.lines;
      at = field.end;
      more = text[at] === ',';
      if (more) at += 1;
    }
    if (text[at] === '\r') at += 1;
    at += 1;
    line += 1;
    const [first = ''] = fields;
    if ((fields.length > 1 || first !== '') && !first.startsWith('#')) yield { line: begin, fields, broken };
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

function fieldAt(text: string, start: number): Field {
  if (text[start] !== '"') {
    const end = endOfField(text, start);
    const value = text.slice(start, end);
    return { value: value.trim(), end, lines: 0, broken: value.includes('"') };
  }
  let value = '';
  let at = start + 1;
  for (;;) {
    const quote = text.indexOf('"', at);
    if (quote < 0) {
      const end = endOfField(text, start);
      return { value: text.slice(start, end), end, lines: 0, broken: true };
    }
    value += text.slice(at, quote);
    if (text[quote + 1] !== '"') {
      const end = endOfField(text, quote + 1);
      const rest = text.slice(quote + 1, end).trim();
      return { value, end, lines: value.split('\n').length - 1, broken: rest !== '' };
    }
    value += '"';
    at = quote + 2;
  }
}

function endOfField(text: string, start: number): number {
  for (let at = start; at < text.length; at += 1) {
    const character = text[at];
    if (character === ',' || character === '\n') return at;
    if (character === '\r' && text[at + 1] === '\n') return at;
  }
  return text.length;
}
