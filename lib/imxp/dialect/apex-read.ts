/**
 * Reads elements of the APEX core DTD (RFC 3340 §9.1) as operations. Any departure from the DTD is a 501 that names the
 * element and attribute.
 */
import { textOf, type XmlElement } from '../../xml/parse.js';
import type { Recipient, Terminate } from '../operation.js';
import { TRANS_ID_MAX } from '../trans-id.js';
import { fromApex } from './apex-name.js';
import { checkAttributes, childrenOf, invalid, required } from './document.js';
import { type DataElement, optionsOf, readChildren } from './elements.js';
import type { OptionSyntax } from './option.js';
import { readerOf } from './read.js';

export const APEX_OPTION: OptionSyntax = Object.freeze({ attribute: 'mustUnderstand', inverse: true });
const DEFAULT_CODE = 250;

export const readApexOperation = readerOf({
  option: APEX_OPTION,
  endpoint: fromApex,
  relay: (_root, written) => written,
  terminate: readTerminate,
  data: readData,
});

function readTerminate(root: XmlElement): Terminate {
  checkAttributes(root, ['transID', 'code']);
  if (root.children.some((child) => typeof child !== 'string')) {
    throw invalid('element terminate: only text is allowed in it');
  }
  const code = root.attributes.get('code');
  if (code !== undefined && !/^[0-9]{3}$/.test(code)) {
    throw invalid('element terminate: attribute code must be three digits');
  }
  const text = textOf(root);
  const lang = root.attributes.get('xml:lang');
  return {
    type: 'terminate',
    transID: terminatedOf(root),
    ...(code === undefined || Number(code) === DEFAULT_CODE ? {} : { code: Number(code) }),
    ...(text === '' ? {} : { text }),
    ...(lang === undefined || lang === '' ? {} : { lang }),
  };
}

/** UNIZID: 0, which is the default, to 2147483647. */
function terminatedOf(root: XmlElement): number {
  const value = root.attributes.get('transID') ?? '0';
  const transID = /^[0-9]{1,10}$/.test(value) ? Number(value) : -1;
  if (transID < 0 || transID > TRANS_ID_MAX) {
    throw invalid(`element terminate: attribute transID must be a number from 0 to ${TRANS_ID_MAX}`);
  }
  return transID;
}

function readData(root: XmlElement, document: Buffer, limit: number): DataElement {
  checkAttributes(root, ['content']);
  const content = required(root, 'content');
  // RFC 3340 §9.1: originator, recipient+, option*, data-content?
  const [first, ...others] = childrenOf(root);
  if (first?.name !== 'originator') {
    throw invalid('element data: element originator is missing; it comes first');
  }
  checkAttributes(first, ['identity']);
  const originator = fromApex(required(first, 'identity'));
  const originatorOptions = optionsOf(first, document, APEX_OPTION);
  const { recipients, options, dataContent } = readChildren(others, document, APEX_OPTION, limit);
  const data = { type: 'data', originator, content, recipients: recipients.map(named), options, dataContent } as const;
  return originatorOptions.length === 0 ? data : { ...data, originatorOptions };
}

/** Returns a recipient as it was read, in the notation of this program. */
export function named(recipient: Recipient): Recipient {
  const { identity: written, options } = recipient;
  const identity = fromApex(written);
  return identity === written ? recipient : { identity, options, written };
}
