/** Assertions about answers, shared by all checks: an error with a code, `ok`, a profile. */

import { type Context, causeOf } from './context.js';
import { Finding } from './finding.js';
import type { RawMessage } from './peer/channel.js';
import { readEntity, readXml, type XmlNode } from './xml.js';

const CODE = /^[1-5][0-9][0-9]$/;

/** Parses the document in a message of channel 0, TLS, SASL or the mesh. */
export function documentIn(message: RawMessage, expected: string): XmlNode {
  try {
    return readXml(readEntity(message.payload).body).root;
  } catch (error) {
    const why = error instanceof Error ? error.message : `${error}`;
    throw new Finding(expected, `${message.keyword} with an unreadable document: ${why}`);
  }
}

/** The chosen profile and its content, from a positive answer to start. */
export function profileOf(message: RawMessage, expected: string): { readonly uri: string; readonly content: string } {
  if (message.keyword !== 'RPY') throw new Finding(expected, causeOf(message));
  const { name, attributes, text, children } = documentIn(message, expected);
  const { uri, encoding } = attributes;
  if (name !== 'profile' || uri === undefined) throw new Finding(expected, `RPY with ${name}`);
  if (children.length > 0) throw new Finding(`${expected}, with its content as characters`, 'elements within profile');
  const content = encoding === 'base64' ? Buffer.from(text, 'base64').toString() : text.trim();
  return { uri, content };
}

export interface Refusal {
  readonly code: number;
  readonly text: string;
}

/** Codes that the specifications require (`must`) or only show (`should`). */
export interface Codes {
  readonly must?: readonly number[];
  readonly should?: readonly number[];
}

function checked(context: Context, root: XmlNode, { must, should }: Codes, expected: string): Refusal {
  const { code: digits = '' } = root.attributes;
  if (root.name !== 'error') throw new Finding(expected, `an element ${root.name}`);
  if (!CODE.test(digits)) throw new Finding(expected, `an error whose code is ${JSON.stringify(digits)}`);
  const code = Number(digits);
  if (code < 400) throw new Finding(expected, `an error with the code ${code}, which means success`);
  if (must !== undefined && !must.includes(code)) throw new Finding(expected, `error ${code} ${root.text.trim()}`);
  if (should !== undefined && !should.includes(code)) {
    context.remark(`the code is ${code}; the specifications show ${should.join(' or ')}`, 'example');
  }
  return { code, text: root.text };
}

const wanted = ({ must, should }: Codes): string => (must ?? should ?? []).join(' or ');

/** Asserts a negative answer. */
export function refused(context: Context, message: RawMessage, codes: Codes): Refusal {
  const expected = `ERR with error ${wanted(codes)}`.trim();
  if (message.keyword !== 'ERR') throw new Finding(expected, causeOf(message));
  return checked(context, documentIn(message, expected), codes, expected);
}

/** Asserts that the content of a start was refused: the error is inside the profile, or the start is refused. */
export function refusedInside(context: Context, message: RawMessage, codes: Codes): Refusal {
  if (message.keyword === 'ERR') return refused(context, message, codes);
  const expected = `a profile with error ${wanted(codes)} in it`;
  const { content } = profileOf(message, expected);
  return refusedContent(context, content, codes, expected);
}

export function refusedContent(context: Context, content: string, codes: Codes, expected: string): Refusal {
  if (content === '') throw new Finding(expected, 'a profile without content');
  try {
    return checked(context, readXml(content).root, codes, expected);
  } catch (error) {
    if (error instanceof Finding) throw error;
    throw new Finding(expected, `unreadable content: ${content.slice(0, 120)}`);
  }
}

/** Asserts `ok`. */
export function granted(message: RawMessage, expected = 'RPY with ok'): void {
  if (message.keyword !== 'RPY') throw new Finding(expected, causeOf(message));
  const { name } = documentIn(message, expected);
  if (name !== 'ok') throw new Finding(expected, `RPY with ${name}`);
}

/** Asserts `ok` in the content of the answer to a start. */
export function grantedInside(message: RawMessage): void {
  const expected = 'a profile with ok in it';
  const { content } = profileOf(message, expected);
  if (!/^<ok\s*(?:\/>|>\s*<\/ok>)$/.test(content)) throw new Finding(expected, JSON.stringify(content.slice(0, 120)));
}
