/**
 * `text/plain; format=flowed` (RFC 2646; DelSp of RFC 3676 is understood): converts paragraphs of any length to short
 * lines and back. Knows nothing of MIME.
 */

/** A paragraph with its quote depth. */
export interface Paragraph {
  readonly depth: number;
  /** Text without quote marks. Trailing white space is lost, except in the signature separator `-- `. */
  readonly text: string;
}

/** RFC 2646 §4.2: lines of at most 78 characters, 66 recommended. */
export const FLOWED_WIDTH = 66;

const SIGNATURE = '-- ';

/** RFC 2646 §4.5: a line that looks like a quote, an mbox separator or stuffing is stuffed with a space. */
function stuffed(line: string, depth: number): string {
  if (depth > 0) return `${'>'.repeat(depth)} ${line}`;
  return /^(?:[ >]|From )/.test(line) ? ` ${line}` : line;
}

/**
 * Writes paragraphs as lines ended by CRLF.
 *
 * @param width maximum length of a line; words are never broken
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

/** Removes trailing spaces. A regular expression would take quadratic time on long runs of spaces. */
function withoutEnd(text: string): string {
  let end = text.length;
  while (text[end - 1] === ' ') end -= 1;
  return text.slice(0, end);
}

/** Breaks after spaces; each line but the last keeps its trailing space, which marks a soft break. */
function broken(text: string, width: number): string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.match(/[^ ]* +|[^ ]+$/g) ?? ['']) {
    // A line "-- " would be the signature separator, which is never joined to other lines.
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
 * @param text with line ends CRLF, LF or CR
 * @param deleteSpace the DelSp parameter: the space that marks a soft break is not part of the text
 */
export function parseFlowed(text: string, deleteSpace = false): Paragraph[] {
  const lines = text.split(/\r\n|\r|\n/);
  // The last line end does not begin another line.
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

/** Converts flowed text to plain text: one line per paragraph, ended by LF, with `> ` before quoted ones. */
export function unflow(text: string, deleteSpace = false): string {
  return parseFlowed(text, deleteSpace)
    .map(({ depth, text: line }) => (depth === 0 ? line : `${'>'.repeat(depth)} ${line}`.trimEnd()))
    .join('\n');
}

/** Converts plain text to flowed text; `>` at the beginning of a line marks a quote. */
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
