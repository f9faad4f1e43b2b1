/** Text for terminals: colours only on a terminal, and no control sequences from peers. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Whether a stream is a terminal that supports colours (no-color.org). */
export function colorful(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb';
}

export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return colorful(stream) ? styleText(style, text) : text;
}

/** Control characters, those that other standards count as such, and those that change the direction of text. */
const CONTROL = /[\p{Cc}\p{Cf}\u2028\u2029]/u;
const CONTROLS = new RegExp(CONTROL, 'gu');
/** Of what a terminal does, a change of colour does no harm. */
const COLOR = new RegExp(`(${String.fromCharCode(27)}\\[[0-9;]*m)`);

/**
 * Makes text safe to display, as the last step before it is written: whatever a name server, a certificate, a peer or
 * another process has put into it, no control sequence reaches the terminal. Line breaks, tabs and, on terminals with
 * colours, the colours of this program stay.
 */
export function visible(text: string, stream: NodeJS.WriteStream): string {
  if (!CONTROL.test(text)) return text;
  if (!colorful(stream)) return harmless(text);
  return text
    .split(COLOR)
    .map((piece) => (COLOR.test(piece) ? piece : harmless(piece)))
    .join('');
}

/** Lines of ASCII, which nearly all lines of a log are. */
const HARMLESS_LINES = /^[\n -~]*$/;

/** JSON on its way to a terminal or a file that people read: `JSON.stringify` leaves characters from U+007F on as they are. */
export function visibleJson(json: string): string {
  if (HARMLESS_LINES.test(json)) return json;
  return json.replace(CONTROLS, (character) => {
    if (character === '\n') return character;
    const units = Array.from({ length: character.length }, (_, at) => character.charCodeAt(at));
    return units.map((unit) => `\\u${unit.toString(16).padStart(4, '0')}`).join('');
  });
}

/** What peers wrote must not reach a terminal as control sequences; line breaks and tabs stay. */
export function harmless(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}
