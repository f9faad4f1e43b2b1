/**
 * Elements of the IMXP core DTD (IMXP core §5) to operations. Any departure from the DTD is a 501 that names the element
 * and attribute. Refuses to know payloads.
 */
import { short } from '../../xml/lexis.js';
import type { XmlElement } from '../../xml/parse.js';
import type { Attach, Bind, Data, Operation, Terminate } from '../operation.js';
import { checkAttributes, checkEmpty, childrenOf, invalid, nmtokenOf, required, transIdOf } from './document.js';
import { type DataElement, optionsOf, readChildren } from './elements.js';
import type { OptionSyntax } from './option.js';

export const IMXP_OPTION: OptionSyntax = Object.freeze({ attribute: 'seeNoEvil', inverse: false });

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
  const options = optionsOf(root, document, IMXP_OPTION);
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
  const { recipients, options, dataContent } = readChildren(childrenOf(root), document, IMXP_OPTION, limit);
  return { type: 'data', originator, content, recipients, options, dataContent };
}
