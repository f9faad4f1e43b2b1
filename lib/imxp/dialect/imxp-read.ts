/**
 * Elements of the IMXP core DTD (IMXP core §5) to operations. Any departure from the DTD is a 501 that names the element
 * and attribute. Refuses to know payloads.
 */
import { isName, short } from '../../xml/lexis.js';
import type { XmlElement } from '../../xml/parse.js';
import type { Attach, Bind, Data, InlineContent, Operation, Option, Recipient, Terminate } from '../operation.js';
import {
  checkAttributes,
  checkEmpty,
  childrenOf,
  invalid,
  nmtokenOf,
  required,
  tooMany,
  transIdOf,
} from './document.js';
import { innerOf, type OptionSyntax, readOption } from './option.js';

export const IMXP_OPTION: OptionSyntax = Object.freeze({ attribute: 'seeNoEvil', inverse: false });

/** Everything of a Data but what it came from. */
export type DataElement = Omit<Data, 'source'>;

/**
 * @param document what `root` was parsed from; views of it are kept.
 * @param recipients how many a Data may have.
 * @throws RemoteProtocolError XML_INVALID | XML_LIMIT, reply 501.
 */
export function readOperation(
  root: XmlElement,
  document: Buffer,
  recipients: number,
): Exclude<Operation, Data> | DataElement {
  switch (root.name) {
    case 'data':
      return readData(root, document, recipients);
    case 'attach':
    case 'bind':
      return readAssociation(root, document, root.name);
    case 'terminate':
      return readTerminate(root);
    default:
      throw invalid(`element ${short(root.name)} is no operation; attach, bind, terminate and data are`);
  }
}

function readAssociation(root: XmlElement, document: Buffer, type: 'attach' | 'bind'): Attach | Bind {
  const name = type === 'attach' ? 'endpoint' : 'relay';
  checkAttributes(root, [name, 'transID']);
  const value = required(root, name);
  const transID = transIdOf(root);
  const options = optionsOf(root, document);
  return type === 'attach'
    ? { type, endpoint: value, transID, options }
    : { type, relay: nmtokenOf(root, name, value), transID, options };
}

function readTerminate(root: XmlElement): Terminate {
  checkAttributes(root, ['transID']);
  checkEmpty(root);
  return { type: 'terminate', transID: transIdOf(root) };
}

function readData(root: XmlElement, document: Buffer, limit: number): DataElement {
  checkAttributes(root, ['originator', 'content']);
  const originator = required(root, 'originator');
  const content = required(root, 'content');
  const recipients: Recipient[] = [];
  const options: Option[] = [];
  let dataContent: InlineContent | undefined;
  // the DTD demands this order: recipient+, option*, data-content?
  for (const child of childrenOf(root)) {
    if (dataContent !== undefined) {
      throw invalid(`element data: element ${short(child.name)} after data-content`);
    }
    if (child.name === 'recipient' && options.length === 0) {
      if (recipients.length >= limit) {
        throw tooMany('recipients', limit);
      }
      recipients.push(readRecipient(child, document));
    } else if (child.name === 'option' && recipients.length > 0) {
      options.push(readOption(child, document, IMXP_OPTION));
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
  return { type: 'data', originator, content, recipients, options, dataContent };
}

function readRecipient(element: XmlElement, document: Buffer): Recipient {
  checkAttributes(element, ['identity']);
  return { identity: required(element, 'identity'), options: optionsOf(element, document) };
}

function readContent(element: XmlElement, document: Buffer): InlineContent {
  checkAttributes(element, ['Name']);
  const name = required(element, 'Name');
  if (!isName(name)) {
    throw invalid('element data-content: attribute Name must be an XML name');
  }
  return { name, inner: innerOf(element, document) };
}

function optionsOf(element: XmlElement, document: Buffer): Option[] {
  return childrenOf(element).map((child) => {
    if (child.name !== 'option') {
      throw invalid(`element ${element.name}: element ${short(child.name)} is not allowed in it`);
    }
    return readOption(child, document, IMXP_OPTION);
  });
}
