/**
 * `ok` and `error`, the same in all dialects except for their content type. The usual spellings of `ok` are recognized
 * by their octets, without a parser.
 */

import { textOf, type XmlElement } from '../../xml/parse.js';
import { escapeAttribute, escapeText, legible } from '../../xml/write.js';
import type { ErrorReply, OperationReply } from '../operation.js';
import { checkAttributes, checkEmpty, invalid, required } from './document.js';
import { controlHeader } from './payload.js';

export const OK_ELEMENT = '<ok />';
const OK = Object.freeze({ type: 'ok' } as const);

/** The payload of `ok`. LibVortex compares strings, so the space before the slash stays. */
export function okPayload(type: string): Buffer {
  return Buffer.from(`${controlHeader(type)}${OK_ELEMENT}\r\n`);
}

/** Recognizes payloads that equal `ok` octet by octet. */
export class OkSpellings {
  readonly #byLength = new Map<number, Buffer[]>();

  constructor(type: string) {
    for (const header of [controlHeader(type), '\r\n']) {
      for (const element of ['<ok />', '<ok/>']) {
        for (const end of ['\r\n', '']) {
          const spelling = Buffer.from(header + element + end);
          this.#byLength.set(spelling.length, [...(this.#byLength.get(spelling.length) ?? []), spelling]);
        }
      }
    }
  }

  /** Returns `ok`, or undefined if the payload must be parsed. */
  match(payload: Buffer): OperationReply | undefined {
    const candidates = this.#byLength.get(payload.length);
    return candidates?.some((spelling) => spelling.equals(payload)) === true ? OK : undefined;
  }
}

/** @throws RemoteProtocolError XML_INVALID, reply 501 */
export function readReply(root: XmlElement): OperationReply {
  switch (root.name) {
    case 'ok':
      checkAttributes(root, []);
      checkEmpty(root);
      return OK;
    case 'error':
      return readError(root);
    default:
      throw invalid('the reply is neither ok nor error');
  }
}

function readError(root: XmlElement): ErrorReply {
  checkAttributes(root, ['code']);
  const code = required(root, 'code');
  // D-CORE-33: receivers tolerate any three-digit code.
  if (!/^[0-9]{3}$/.test(code)) {
    throw invalid('element error: attribute code must be three digits');
  }
  if (root.children.some((child) => typeof child !== 'string')) {
    throw invalid('element error: only text is allowed in it');
  }
  return { type: 'error', code: Number(code), text: textOf(root), lang: root.attributes.get('xml:lang') || undefined };
}

/** Writes `ok` or `error`. Characters that XML cannot represent are replaced, because a diagnostic must get through. */
export function writeReply(reply: OperationReply): string {
  if (reply.type === 'ok') {
    return OK_ELEMENT;
  }
  const lang = reply.lang === undefined ? '' : ` xml:lang='${escapeAttribute(legible(reply.lang))}'`;
  return `<error code='${reply.code}'${lang}>${escapeText(legible(reply.text))}</error>`;
}
