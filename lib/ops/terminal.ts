/** Text for terminals: colours only where people look, and nothing of a peer's that controls the terminal. */
import { styleText } from 'node:util';

type Style = Parameters<typeof styleText>[0];

/** Whether a stream is a terminal that supports colours (no-color.org). */
export function colorful(stream: NodeJS.WriteStream): boolean {
  return stream.isTTY === true && (process.env['NO_COLOR'] ?? '') === '' && process.env['TERM'] !== 'dumb';
}

export function paint(style: Style, text: string, stream: NodeJS.WriteStream = process.stdout): string {
  return colorful(stream) ? styleText(style, text) : text;
}

/** Text from peers must not reach a terminal as control sequences; line breaks and tabs stay. */
export function harmless(text: string): string {
  return text.replace(/(?![\n\t])[\p{Cc}\p{Cf}\u2028\u2029]/gu, (character) => {
    return `\\u${(character.codePointAt(0) ?? 0).toString(16).padStart(4, '0')}`;
  });
}
