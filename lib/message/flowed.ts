/**
 * `text/plain; format=flowed` (RFC 2646; DelSp of RFC 3676 is understood): paragraphs of any length to lines that old
 * readers can show, and back. Knows nothing of MIME.
 */

/** A line as it was typed, with how deeply it is quoted. */
export interface Paragraph {
  readonly depth: number;
  /** Without the quote marks; white space at its end is lost, but for the signature separator `-- `. */
  readonly text: string;
}

/** RFC 2646 §4.2: lines of at most 78 characters, 66 recommended. */
export const FLOWED_WIDTH = 66;

const SIGNATURE = '-- ';

/** RFC 2646 §4.5: what would be taken for a quote, an mbox separator or stuffing is stuffed with a space. */
function stuffed(line: string, depth: number): string {
  if (depth > 0) return `${'>'.repeat(depth)} ${line}`;
  return /^(?:[ >]|From )/.test(line) ? ` ${line}` : line;
}

/**
 * Writes paragraphs as lines ended by CRLF.
 *
 * @param width characters of a line where a space allows breaking it there; words are never broken
 */
export function writeFlowed(paragraphs: readonly Paragraph[], width: number = FLOWED_WIDTH): string {
  return paragraphs
    .flatMap(({ depth, text }) => {
      if (text === SIGNATURE) return [stuffed(SIGNATURE, depth)];
      return broken(withoutEnd(text), width - depth - 1).map((line) => stuffed(line, depth));
    })
    .map((line) => `${line}\r\n`)
    .join('');
}

/** A text without spaces at its end. A pattern would look at each run of spaces once for each of them. */
function withoutEnd(text: string): string {
  let end = text.length;
  while (text[end - 1] === ' ') end -= 1;
  return text.slice(0, end);
}

/** Breaks after spaces; each line but the last keeps its space at the end, which makes it a soft one. */
function broken(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.match(/[^ ]* +|[^ ]+$/g) ?? ['']) {
    // A line that is "-- " would be the signature separator, which is never joined to anything.
    if (line !== '' && line !== SIGNATURE && line.length + word.trimEnd().length > width) {
      lines.push(line);
      line = '';
    }
    line += word;
  }
  return [...lines, line];
}

/**
 * Reads the lines of a flowed text.
 *
 * @param text with any of the usual line ends
 * @param deleteSpace the DelSp parameter: the space that makes a line soft is not part of the text
 */
export function parseFlowed(text: string, deleteSpace = false): Paragraph[] {
  const lines = text.split(/\r\n|\r|\n/);
  // The last line end ends a line, it does not begin another one.
  if (lines.at(-1) === '') lines.pop();
  const paragraphs: { depth: number; text: string }[] = [];
  let soft = false;
  for (const line of lines) {
    const depth = /^>*/.exec(line)?.[0].length ?? 0;
    const unquoted = line.slice(depth);
    const content = unquoted.startsWith(' ') ? unquoted.slice(1) : unquoted;
    const last = paragraphs.at(-1);
    // RFC 2646 §4.1, §4.3: joined only at the same depth, and never to the signature separator
    if (soft && last?.depth === depth && content !== SIGNATURE) last.text += content;
    else paragraphs.push({ depth, text: content });
    const current = paragraphs.at(-1);
    soft = content.endsWith(' ') && content !== SIGNATURE;
    if (soft && deleteSpace && current !== undefined) current.text = current.text.slice(0, -1);
  }
  return paragraphs.map(({ depth, text: joined }) => ({
    depth,
    text: joined === SIGNATURE ? joined : withoutEnd(joined),
  }));
}

/** Flowed lines as plain ones: a line for each paragraph, ended by LF, `> ` before what is quoted. */
export function unflow(text: string, deleteSpace = false): string {
  return parseFlowed(text, deleteSpace)
    .map(({ depth, text: line }) => (depth === 0 ? line : `${'>'.repeat(depth)} ${line}`.trimEnd()))
    .join('\n');
}

/** Plain lines as flowed ones; `>` at the beginning of a line quotes. */
export function flow(text: string, width: number = FLOWED_WIDTH): string {
  const lines = text.split(/\r\n|\r|\n/);
  if (lines.length > 1 && lines.at(-1) === '') lines.pop();
  const paragraphs = lines.map((line) => {
    const depth = /^>*/.exec(line)?.[0].length ?? 0;
    const rest = line.slice(depth);
    return { depth, text: depth > 0 && rest.startsWith(' ') ? rest.slice(1) : rest };
  });
  return writeFlowed(paragraphs, width);
}
