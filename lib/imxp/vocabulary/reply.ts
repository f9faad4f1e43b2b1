/** `reply`, the generic answer of services (core-01 §6.1.2): a code for programs and a text for people. */
import { textOf, type XmlElement } from '../../xml/parse.js';
import { escapeAttribute, escapeText, legible } from '../../xml/write.js';
import { checkAttributes, invalid, required, transIdOf } from '../dialect/document.js';

export interface ServiceReply {
  readonly type: 'reply';
  readonly transID: number;
  readonly code: number;
  /** Empty if the code says everything. */
  readonly text: string;
  readonly lang: string | undefined;
}

/**
 * @param transID replaces an absent transID, if that is tolerated (D-CORE-29)
 * @throws RemoteProtocolError XML_INVALID, reply 501
 */
export function readServiceReply(element: XmlElement, transID?: number): ServiceReply {
  checkAttributes(element, ['code', 'transID']);
  const code = required(element, 'code');
  // D-CORE-33: receivers tolerate any three-digit code.
  if (!/^[0-9]{3}$/.test(code)) throw invalid('element reply: attribute code must be three digits');
  if (element.children.some((child) => typeof child !== 'string')) {
    throw invalid('element reply: only text is allowed in it');
  }
  const lang = element.attributes.get('xml:lang') || undefined;
  const own = transID !== undefined && !element.attributes.has('transID') ? transID : transIdOf(element);
  return { type: 'reply', transID: own, code: Number(code), text: textOf(element), lang };
}

/** Writes a reply. Characters that XML cannot represent are replaced, because a diagnostic must get through. */
export function writeServiceReply({ transID, code, text, lang }: Omit<ServiceReply, 'type'>): string {
  const language = lang === undefined ? '' : ` xml:lang='${escapeAttribute(legible(lang))}'`;
  const tag = `<reply code='${code}' transID='${transID}'${language}`;
  return text === '' ? `${tag} />` : `${tag}>${escapeText(legible(text))}</reply>`;
}
