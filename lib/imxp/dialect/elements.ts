/**
 * Elements that every dialect reads and writes alike: recipient and data-content, and lists of options, which differ
 * only in notation.
 */
import { isName, short } from '../../xml/lexis.js';
import type { XmlElement } from '../../xml/parse.js';
import { escapeAttribute } from '../../xml/write.js';
import type { Data, InlineElement, Option, Recipient } from '../operation.js';
import { checkAttributes, childrenOf, invalid, required, tooMany } from './document.js';
import { innerOf, type OptionSyntax, readOption, writeOption } from './option.js';

/** All members of a Data operation except its source. */
export type DataElement = Omit<Data, 'source'>;

/** The part of a Data operation after its originator. */
export interface DataChildren {
  readonly recipients: Recipient[];
  readonly options: Option[];
  readonly dataContent: InlineElement | undefined;
}

/**
 * Reads recipients, options and data-content in the order that the DTDs demand: recipient+, option*, data-content?
 * (D-CORE-06).
 *
 * @param limit how many recipients there may be
 * @throws RemoteProtocolError XML_INVALID | XML_LIMIT, reply 501
 */
export function readChildren(
  children: readonly XmlElement[],
  document: Buffer,
  syntax: OptionSyntax,
  limit: number,
): DataChildren {
  const recipients: Recipient[] = [];
  const options: Option[] = [];
  let dataContent: InlineElement | undefined;
  for (const child of children) {
    if (dataContent !== undefined) {
      throw invalid(`element data: element ${short(child.name)} after data-content`);
    }
    if (child.name === 'recipient' && options.length === 0) {
      if (recipients.length >= limit) {
        throw tooMany('recipients', limit);
      }
      checkAttributes(child, ['identity']);
      recipients.push({ identity: required(child, 'identity'), options: optionsOf(child, document, syntax) });
    } else if (child.name === 'option' && recipients.length > 0) {
      options.push(readOption(child, document, syntax));
    } else if (child.name === 'data-content' && recipients.length > 0) {
      dataContent = readContent(child, document);
    } else {
      throw invalid(
        `element data: element ${short(child.name)} is not allowed here; recipient, option, data-content are, in this order`,
      );
    }
  }
  if (recipients.length === 0) {
    throw invalid('element data: element recipient is missing');
  }
  return { recipients, options, dataContent };
}

function readContent(element: XmlElement, document: Buffer): InlineElement {
  checkAttributes(element, ['Name']);
  const name = required(element, 'Name');
  if (!isName(name)) {
    throw invalid('element data-content: attribute Name must be an XML name');
  }
  return { name, inner: innerOf(element, document) };
}

/** Reads the options in an element that contains nothing else. */
export function optionsOf(element: XmlElement, document: Buffer, syntax: OptionSyntax): Option[] {
  return childrenOf(element).map((child) => {
    if (child.name !== 'option') {
      throw invalid(`element ${element.name}: element ${short(child.name)} is not allowed in it`);
    }
    return readOption(child, document, syntax);
  });
}

/** Writes an element with one attribute and options. */
export function writeHolder(
  name: string,
  attribute: string,
  value: string,
  options: readonly Option[],
  syntax: OptionSyntax,
): string {
  const tag = `<${name} ${attribute}='${escapeAttribute(value)}'`;
  return options.length === 0 ? `${tag} />` : `${tag}>${writeOptions(options, syntax)}</${name}>`;
}

export function writeOptions(options: readonly Option[], syntax: OptionSyntax): string {
  let text = '';
  for (const option of options) {
    text += writeOption(option, syntax);
  }
  return text;
}

/** A Data operation in up to three pieces; the middle one is the inside of data-content, unchanged. */
export type DataPieces = [string] | [string, Buffer, string];

/** @param text the start tag and everything up to data-content */
export function piecesOf(text: string, dataContent: InlineElement | undefined): DataPieces {
  if (dataContent === undefined) {
    return [`${text}</data>`];
  }
  const tag = `<data-content Name='${escapeAttribute(dataContent.name)}'>`;
  return [text + tag, dataContent.inner, '</data-content></data>'];
}
