/**
 * Reads an element as an operation. All dialects have the same operations, and the same attach and bind except for the
 * notation of names; data and terminate are read by each dialect.
 */
import { short } from '../../xml/lexis.js';
import type { XmlElement } from '../../xml/parse.js';
import type { Attach, Bind, Data, Operation, Terminate } from '../operation.js';
import { checkAttributes, invalid, required, transIdOf } from './document.js';
import { type DataElement, optionsOf } from './elements.js';
import type { OptionSyntax } from './option.js';

/** What a dialect reads in its own way. Each function throws RemoteProtocolError XML_INVALID | XML_LIMIT, reply 501. */
export interface Grammar {
  readonly option: OptionSyntax;
  /** Returns the name of an endpoint in the notation of this program. */
  readonly endpoint: (written: string) => string;
  /** Returns the domain in the `relay` attribute of an element. */
  readonly relay: (root: XmlElement, written: string) => string;
  readonly terminate: (root: XmlElement) => Terminate;
  readonly data: (root: XmlElement, document: Buffer, recipients: number) => DataElement;
}

/**
 * @param document the document that `root` was parsed from; views of it are kept
 * @param recipients how many a Data operation may have
 * @throws RemoteProtocolError XML_INVALID | XML_LIMIT, reply 501
 */
export type ReadOperation = (
  root: XmlElement,
  document: Buffer,
  recipients: number,
) => Exclude<Operation, Data> | DataElement;

export function readerOf(grammar: Grammar): ReadOperation {
  return (root, document, recipients) => {
    switch (root.name) {
      case 'data':
        return grammar.data(root, document, recipients);
      case 'attach':
      case 'bind':
        return readAssociation(root, document, root.name, grammar);
      case 'terminate':
        return grammar.terminate(root);
      default:
        throw invalid(`element ${short(root.name)} is not an operation; attach, bind, terminate and data are`);
    }
  };
}

function readAssociation(
  root: XmlElement,
  document: Buffer,
  type: 'attach' | 'bind',
  { option, endpoint, relay }: Grammar,
): Attach | Bind {
  const name = type === 'attach' ? 'endpoint' : 'relay';
  checkAttributes(root, [name, 'transID']);
  const value = required(root, name);
  const transID = transIdOf(root);
  const options = optionsOf(root, document, option);
  return type === 'attach'
    ? { type, endpoint: endpoint(value), transID, options }
    : { type, relay: relay(root, value), transID, options };
}
