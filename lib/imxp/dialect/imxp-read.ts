/**
 * Reads elements of the IMXP core DTD (core-01 §9.1) as operations. Any departure from the DTD is a 501 that names the
 * element and attribute.
 */
import type { XmlElement } from '../../xml/parse.js';
import type { Terminate } from '../operation.js';
import { checkAttributes, checkEmpty, childrenOf, nmtokenOf, required, transIdOf } from './document.js';
import { type DataElement, readChildren } from './elements.js';
import type { OptionSyntax } from './option.js';
import { readerOf } from './read.js';

export const IMXP_OPTION: OptionSyntax = Object.freeze({ attribute: 'seeNoEvil', inverse: false });

export const readImxpOperation = readerOf({
  option: IMXP_OPTION,
  endpoint: (written) => written,
  relay: (root, written) => nmtokenOf(root, 'relay', written),
  terminate: readTerminate,
  data: readData,
});

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
