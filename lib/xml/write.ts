/** Escapes text that is written as XML. */
import { LocalError } from '../errors.js';
import { ILLEGAL_CHARACTER } from './lexis.js';

const ESCAPES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  "'": '&#39;',
  '"': '&quot;',
  '\t': '&#9;',
  '\n': '&#10;',
  '\r': '&#13;',
};

/**
 * Escapes character data; CR is kept by a reference, because readers turn a bare one into LF (XML 1.0 §2.11).
 *
 * @throws LocalError ARGUMENT when the text holds a character that XML cannot carry.
 */
export function escapeText(text: string): string {
  return /[&<>\r]/.test(legal(text)) ? text.replace(/[&<>\r]/g, escapeOf) : text;
}

/**
 * Escapes the value of an attribute, to be put into either kind of quotes; white space other than the space is kept by
 * references (XML 1.0 §3.3.3).
 *
 * @throws LocalError ARGUMENT when the value holds a character that XML cannot carry.
 */
export function escapeAttribute(text: string): string {
  return /[&<>'"\t\n\r]/.test(legal(text)) ? text.replace(/[&<>'"\t\n\r]/g, escapeOf) : text;
}

/**
 * Replaces what XML cannot carry (control characters, lone surrogates) by U+FFFD: for diagnostic texts of any origin.
 */
export function legible(text: string): string {
  return text.replace(/[^\t\n\r -\uFFFD]|\p{Surrogate}/gu, (found) => (found.length > 1 ? found : '\uFFFD'));
}

/** The beginning of a text: at most so many UTF-16 code units, and no half of a surrogate pair at the end. */
export function beginningOf(text: string, units: number): string {
  return text.length <= units ? text : text.slice(0, units).replace(/[\uD800-\uDBFF]$/, '');
}

function escapeOf(character: string): string {
  return ESCAPES[character] ?? character;
}

function legal(text: string): string {
  if (ILLEGAL_CHARACTER.test(text) || /\p{Surrogate}/u.test(text)) {
    throw new LocalError('ARGUMENT', 'text with a character that XML cannot carry');
  }
  return text;
}
